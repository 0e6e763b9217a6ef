#include "agent/sources/timex.h"

#include <sys/timex.h>

#include <cerrno>

#include "common/status.h"

namespace ppmm {

absl::Status TimexSource::Sample(absl::Time /*now*/, Recorder& recorder) {
  timex state{};
  const int clock_state = adjtimex(&state);
  if (clock_state < 0) {
    return ErrnoStatus(errno, "adjtimex");
  }
  if (series_[0] == 0) {
    series_[0] = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_timex_offset_seconds"));
    series_[1] = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_timex_maxerror_seconds"));
    series_[2] = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_timex_sync_status"));
  }
  const bool nanoseconds = (state.status & STA_NANO) != 0;
  recorder.Gauge(series_[0], nanoseconds ? state.offset : state.offset * 1000);
  recorder.Gauge(series_[1], state.maxerror);
  recorder.Gauge(series_[2], clock_state == TIME_ERROR ? 0 : 1);
  return absl::OkStatus();
}

}  // namespace ppmm
