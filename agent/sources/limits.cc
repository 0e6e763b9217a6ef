#include "agent/sources/limits.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "common/status.h"

namespace ppmm {
namespace {

// "12.34" -> 1234.
bool ParseHundredths(absl::string_view text, std::int64_t* value) {
  const std::size_t dot = text.find('.');
  std::uint64_t whole = 0;
  std::uint64_t fraction = 0;
  if (dot == absl::string_view::npos || text.size() != dot + 3 || !ParseUint(text.substr(0, dot), &whole) ||
      !ParseUint(text.substr(dot + 1), &fraction) || whole > 1000000000) {
    return false;
  }
  *value = static_cast<std::int64_t>(whole * 100 + fraction);
  return true;
}

}  // namespace

absl::StatusOr<LoadAverage> ParseLoadavg(absl::string_view text) {
  absl::string_view line;
  NextLine(&text, &line);
  LoadAverage load;
  absl::string_view field;
  for (std::int64_t& value : load.hundredths) {
    if (!NextField(&line, &field) || !ParseHundredths(field, &value)) {
      return ParseError("/proc/loadavg", 1, absl::StrCat("\"", field, "\" is not a load average"));
    }
  }
  NextField(&line, &field);
  const std::size_t slash = field.find('/');
  if (slash == absl::string_view::npos || !ParseUint(field.substr(slash + 1), &load.tasks)) {
    return ParseError("/proc/loadavg", 1, absl::StrCat("\"", field, "\" is not RUNNING/TASKS"));
  }
  return load;
}

LoadavgSource::LoadavgSource(absl::string_view root) : file_(root, "/proc/loadavg") {}

absl::Status LoadavgSource::Sample(absl::Time /*now*/, Recorder& recorder) {
  ASSIGN_OR_RETURN(const absl::string_view text, file_.Read());
  ASSIGN_OR_RETURN(const LoadAverage load, ParseLoadavg(text));
  if (series_[0] == 0) {
    std::size_t next = 0;
    for (const absl::string_view name :
         {"ppmm_host_load1", "ppmm_host_load5", "ppmm_host_load15", "ppmm_host_threads"}) {
      series_[next++] = recorder.AddSeries(recorder.host(), MetricNamed(name));
    }
  }
  for (std::size_t i = 0; i < load.hundredths.size(); ++i) {
    recorder.Gauge(series_[i], load.hundredths[i]);
  }
  recorder.Gauge(series_[3], static_cast<std::int64_t>(load.tasks));
  return absl::OkStatus();
}

LimitsSource::LimitsSource(absl::string_view root) {
  const auto add = [&](absl::string_view path, int field, absl::string_view metric) {
    limits_.push_back({std::make_unique<ProcFile>(root, path), field, metric, 0});
  };
  add("/proc/sys/fs/file-nr", 0, "ppmm_host_filefd_allocated");
  add("/proc/sys/fs/file-nr", 2, "ppmm_host_filefd_maximum");
  add("/proc/sys/kernel/threads-max", 0, "ppmm_host_threads_maximum");
  add("/proc/sys/kernel/pid_max", 0, "ppmm_host_pids_maximum");
  add("/proc/sys/net/netfilter/nf_conntrack_count", 0, "ppmm_host_nf_conntrack_entries");
  add("/proc/sys/net/netfilter/nf_conntrack_max", 0, "ppmm_host_nf_conntrack_entries_limit");
}

absl::Status LimitsSource::Sample(absl::Time /*now*/, Recorder& recorder) {
  absl::Status first_error;
  for (Limit& limit : limits_) {
    const absl::StatusOr<absl::string_view> text = limit.file->Read();
    if (absl::IsNotFound(text.status())) {
      continue;
    }
    absl::string_view line;
    std::uint64_t value = 0;
    bool found = text.ok();
    if (found) {
      absl::string_view rest = *text;
      NextLine(&rest, &line);
      for (int i = 0; found && i <= limit.field; ++i) {
        found = NextUint(&line, &value);
      }
    }
    if (!found) {
      first_error.Update(text.ok() ? ParseError(limit.file->path(), 1, "is not the number expected") : text.status());
      continue;
    }
    if (limit.series == 0) {
      limit.series = recorder.AddSeries(recorder.host(), MetricNamed(limit.metric));
    }
    // file-nr's maximum is 2^63-1 on newer kernels: "no limit".
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    recorder.Gauge(limit.series, static_cast<std::int64_t>(std::min(value, kMax)));
  }
  return first_error;
}

}  // namespace ppmm
