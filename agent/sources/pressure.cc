#include "agent/sources/pressure.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "common/status.h"

namespace ppmm {

absl::StatusOr<Pressure> ParsePressure(absl::string_view path, absl::string_view text) {
  Pressure pressure;
  bool some = false;
  absl::string_view line;
  for (int number = 1; NextLine(&text, &line); ++number) {
    absl::string_view kind;
    NextField(&line, &kind);
    std::uint64_t* target = kind == "some" ? &pressure.some_us : kind == "full" ? &pressure.full_us : nullptr;
    if (target == nullptr) {
      continue;
    }
    bool total = false;
    absl::string_view field;
    while (NextField(&line, &field)) {
      if (absl::ConsumePrefix(&field, "total=")) {
        total = ParseUint(field, target);
      }
    }
    if (!total) {
      return ParseError(path, number, "has no total=");
    }
    some |= kind == "some";
  }
  if (!some) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": no line \"some\""));
  }
  return pressure;
}

PressureSource::PressureSource(absl::string_view root)
    : cpu_(root, "/proc/pressure/cpu"), memory_(root, "/proc/pressure/memory"), io_(root, "/proc/pressure/io") {}

absl::Status PressureSource::Sample(absl::Time /*now*/, Recorder& recorder) {
  Pressure values[3];
  std::size_t next = 0;
  for (ProcFile* file : {&cpu_, &memory_, &io_}) {
    const absl::StatusOr<absl::string_view> text = file->Read();
    if (absl::IsUnavailable(text.status())) {
      // The kernel was booted with psi=0 or without CONFIG_PSI_DEFAULT_DISABLED=n: the file is there, reading it fails.
      return absl::NotFoundError(absl::StrCat(file->path(), ": pressure stall information is off; boot with psi=1"));
    }
    RETURN_IF_ERROR(text.status());
    ASSIGN_OR_RETURN(values[next++], ParsePressure(file->path(), *text));
  }
  if (series_[0] == 0) {
    const absl::string_view names[] = {
        "ppmm_host_pressure_cpu_waiting_seconds_total", "ppmm_host_pressure_memory_waiting_seconds_total",
        "ppmm_host_pressure_memory_stalled_seconds_total", "ppmm_host_pressure_io_waiting_seconds_total",
        "ppmm_host_pressure_io_stalled_seconds_total"};
    for (std::size_t i = 0; i < series_.size(); ++i) {
      series_[i] = recorder.AddSeries(recorder.host(), MetricNamed(names[i]));
    }
  }
  recorder.Counter(series_[0], values[0].some_us);
  recorder.Counter(series_[1], values[1].some_us);
  recorder.Counter(series_[2], values[1].full_us);
  recorder.Counter(series_[3], values[2].some_us);
  recorder.Counter(series_[4], values[2].full_us);
  return absl::OkStatus();
}

}  // namespace ppmm
