#include "agent/sources/cpu.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "common/status.h"

namespace ppmm {
namespace {

// More CPUs than any machine has; a larger number in the file is an error, not an allocation.
constexpr std::uint64_t kMaxCpus = 8192;

absl::Status ParseCpuLine(absl::string_view line, int number, absl::string_view name, CpuStat* out) {
  CpuStat::Cpu cpu;
  std::uint64_t index = 0;
  if (!ParseUint(name.substr(3), &index) || index >= kMaxCpus) {
    return ParseError("/proc/stat", number, absl::StrCat("\"", name, "\" is not a CPU"));
  }
  cpu.number = static_cast<std::uint32_t>(index);
  for (std::uint64_t& ticks : cpu.ticks) {
    absl::string_view field;
    if (!NextField(&line, &field)) {
      break;
    }
    if (!ParseUint(field, &ticks)) {
      return ParseError("/proc/stat", number, absl::StrCat("\"", field, "\" is not a number"));
    }
  }
  out->cpus.push_back(cpu);
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseStat(absl::string_view text, CpuStat* out) {
  out->cpus.clear();
  absl::string_view line;
  for (int number = 1; NextLine(&text, &line); ++number) {
    absl::string_view name;
    NextField(&line, &name);
    std::uint64_t* target = nullptr;
    if (absl::StartsWith(name, "cpu")) {
      if (name.size() > 3) {
        RETURN_IF_ERROR(ParseCpuLine(line, number, name, out));
      }
      continue;
    }
    if (name == "ctxt") {
      target = &out->context_switches;
    } else if (name == "processes") {
      target = &out->forks;
    } else if (name == "intr") {
      target = &out->interrupts;  // the first number is the sum
    } else if (name == "btime") {
      target = &out->boot_time_seconds;
    } else if (name == "procs_running") {
      target = &out->procs_running;
    } else if (name == "procs_blocked") {
      target = &out->procs_blocked;
    }
    if (target != nullptr && !NextUint(&line, target)) {
      return ParseError("/proc/stat", number, absl::StrCat(name, " is not followed by a number"));
    }
  }
  if (out->cpus.empty()) {
    return absl::InvalidArgumentError("/proc/stat: no line of a CPU");
  }
  return absl::OkStatus();
}

CpuSource::CpuSource(absl::string_view root) : file_(root, "/proc/stat") {}

absl::Status CpuSource::Sample(absl::Time /*now*/, Recorder& recorder) {
  ASSIGN_OR_RETURN(const absl::string_view text, file_.Read());
  RETURN_IF_ERROR(ParseStat(text, &stat_));
  if (running_ == 0) {
    running_ = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_procs_running"));
    blocked_ = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_procs_blocked"));
    switches_ = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_context_switches_total"));
    forks_ = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_forks_total"));
    interrupts_ = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_intr_total"));
    boot_time_ = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_boot_time_seconds"));
  }
  for (const CpuStat::Cpu& cpu : stat_.cpus) {
    if (cpu.number >= cpus_.size()) {
      cpus_.resize(cpu.number + 1);
    }
    CpuSeries& series = cpus_[cpu.number];
    if (series.modes[0] == 0) {
      for (std::size_t mode = 0; mode < kCpuModes.size(); ++mode) {
        series.modes[mode] = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_cpu_seconds_total"),
                                                {absl::StrCat(cpu.number), std::string(kCpuModes[mode])});
      }
    }
    series.seen = true;
    for (std::size_t mode = 0; mode < kCpuModes.size(); ++mode) {
      recorder.Counter(series.modes[mode], cpu.ticks[mode]);
    }
  }
  for (CpuSeries& series : cpus_) {  // a CPU that was taken offline
    if (!series.seen && series.modes[0] != 0) {
      for (SeriesHandle& mode : series.modes) {
        recorder.RemoveSeries(mode);
        mode = 0;
      }
    }
    series.seen = false;
  }
  recorder.Gauge(running_, static_cast<std::int64_t>(stat_.procs_running));
  recorder.Gauge(blocked_, static_cast<std::int64_t>(stat_.procs_blocked));
  recorder.Counter(switches_, stat_.context_switches);
  recorder.Counter(forks_, stat_.forks);
  recorder.Counter(interrupts_, stat_.interrupts);
  recorder.Gauge(boot_time_, static_cast<std::int64_t>(stat_.boot_time_seconds));
  return absl::OkStatus();
}

}  // namespace ppmm
