#include "agent/sources/spool.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace ppmm {

absl::Status SpoolSource::Sample(absl::Time /*now*/, Recorder& recorder) {
  if (series_[0] == 0) {
    series_[0] = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_agent_spool_bytes"));
    series_[1] = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_agent_spool_disk_failed"));
  }
  const SpoolStats stats = stats_();
  recorder.Gauge(series_[0], static_cast<std::int64_t>(stats.bytes + stats.memory_bytes));
  recorder.Gauge(series_[1], stats.disk_error.empty() ? 0 : 1);
  if (stats.disk_error.empty()) {
    return absl::OkStatus();
  }
  const bool deleted = absl::StartsWith(stats.disk_error, kDataDeleted);
  return absl::ResourceExhaustedError(
      absl::StrCat(deleted ? "" : "the disk refuses writes, ", "batches wait in 1 MiB of memory: ", stats.disk_error));
}

}  // namespace ppmm
