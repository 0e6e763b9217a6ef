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
    : root_(root),
      cpu_(root, "/proc/pressure/cpu"),
      memory_(root, "/proc/pressure/memory"),
      io_(root, "/proc/pressure/io") {}

// Where it is off, older kernels have the files, which cannot be read; later ones have none, as those without
// CONFIG_PSI.
absl::Status PressureSource::WhyAbsent(absl::string_view path) const {
  const absl::StatusOr<std::string> line = ReadFile(absl::StrCat(root_, "/proc/cmdline"));
  const bool asked = line.ok() && absl::StrContains(absl::StrCat(" ", *line), " psi=1");
  return absl::NotFoundError(absl::StrCat(
      path, asked ? ": this kernel has no pressure stall information (CONFIG_PSI), booted with psi=1 as it is"
                  : ": pressure stall information is off; boot with psi=1"));
}

absl::Status PressureSource::Sample(absl::Time /*now*/, Recorder& recorder) {
  Pressure values[3];
  std::size_t next = 0;
  for (ProcFile* file : {&cpu_, &memory_, &io_}) {
    const absl::StatusOr<absl::string_view> text = file->Read();
    if (absl::IsUnavailable(text.status()) || absl::IsNotFound(text.status())) {
      return WhyAbsent(file->path());
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
