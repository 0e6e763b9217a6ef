#include "agent/sources/self.h"

#include <sys/resource.h>
#include <unistd.h>

#include <utility>

#include "common/status.h"

namespace ppmm {

SelfSource::SelfSource() : statm_("", "/proc/self/statm") {}

absl::Status SelfSource::Sample(absl::Time /*now*/, Recorder& recorder) {
  if (series_[0] == 0) {
    series_[0] = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_agent_cpu_seconds_total"));
    series_[1] = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_agent_resident_memory_bytes"));
    series_[2] = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_agent_series_refused_total"));
    series_[3] = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_agent_peers_dropped_total"));
  }
  // Counted since the agent began, so the first reading is no baseline.
  recorder.Increment(series_[2], recorder.series_refused() - std::exchange(series_refused_, recorder.series_refused()));
  recorder.Increment(series_[3], recorder.peers_dropped() - std::exchange(peers_dropped_, recorder.peers_dropped()));
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto microseconds = [](const timeval& time) { return time.tv_sec * 1000000 + time.tv_usec; };
  recorder.Counter(series_[0], static_cast<std::uint64_t>(microseconds(usage.ru_utime) + microseconds(usage.ru_stime)));
  ASSIGN_OR_RETURN(absl::string_view text, statm_.Read());
  std::uint64_t size_pages = 0;
  std::uint64_t resident_pages = 0;
  if (!NextUint(&text, &size_pages) || !NextUint(&text, &resident_pages)) {
    return ParseError("/proc/self/statm", 1, "is not a row of numbers");
  }
  recorder.Gauge(series_[1], static_cast<std::int64_t>(resident_pages) * sysconf(_SC_PAGESIZE));
  return absl::OkStatus();
}

}  // namespace ppmm
