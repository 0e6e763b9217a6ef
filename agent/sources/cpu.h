// CPU time per CPU and mode, run queue, context switches, forks and interrupts: /proc/stat.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/labelled_series.h"
#include "agent/procfs.h"
#include "agent/source.h"

namespace ppmm {

// The modes of a "cpu" line in their order; guest time is part of user and nice.
inline constexpr std::array<absl::string_view, 8> kCpuModes = {"user",   "nice", "system",  "idle",
                                                               "iowait", "irq",  "softirq", "steal"};

struct CpuStat {
  struct Cpu {
    std::uint32_t number = 0;
    std::array<std::uint64_t, kCpuModes.size()> ticks{};  // 1/100 s
  };
  std::vector<Cpu> cpus;  // online ones
  std::uint64_t context_switches = 0;
  std::uint64_t forks = 0;
  std::uint64_t interrupts = 0;
  std::uint64_t boot_time_seconds = 0;
  std::uint64_t procs_running = 0;
  std::uint64_t procs_blocked = 0;
};

// Parses the text of /proc/stat into `out`, whose memory is used again.
//
// Shape:  unknown lines are skipped; a CPU line may have fewer modes (old kernels), missing ones are 0.
// Units:  USER_HZ ticks, which are 1/100 s on every architecture Debian has.
// Errors: InvalidArgument names the line that could not be read, or says that no CPU line was found.
// Source: Linux Documentation/filesystems/proc.rst, section 1.7.
absl::Status ParseStat(absl::string_view text, CpuStat* out);

class CpuSource : public Source {
 public:
  explicit CpuSource(absl::string_view root);
  absl::string_view name() const override { return "cpu"; }
  absl::Status Sample(absl::Time now, Recorder& recorder) override;

 private:
  ProcFile file_;
  CpuStat stat_;
  struct CpuSeries {
    std::array<SeriesHandle, kCpuModes.size()> modes{};
    bool seen = false;
  };
  std::vector<CpuSeries> cpus_;  // by CPU number
  SeriesHandle running_ = 0, blocked_ = 0, switches_ = 0, forks_ = 0, interrupts_ = 0, boot_time_ = 0;
};

}  // namespace ppmm
