// The network softirq per CPU: /proc/net/softnet_stat.
#pragma once

#include <cstdint>
#include <vector>

#include "agent/labelled_series.h"
#include "agent/procfs.h"
#include "agent/source.h"

namespace ppmm {

struct SoftnetStat {
  std::uint32_t cpu = 0;
  std::uint64_t processed = 0;
  std::uint64_t dropped = 0;
  std::uint64_t squeezed = 0;
};

// Parses the text of /proc/net/softnet_stat: hexadecimal columns, one line per online CPU.
//
// Shape:  the CPU number is column 13 (since Linux 5.10), else the number of the line.
// Errors: InvalidArgument names the line.
// Source: Linux net/core/net-procfs.c, softnet_seq_show.
absl::StatusOr<std::vector<SoftnetStat>> ParseSoftnet(absl::string_view text);

class SoftnetSource : public Source {
 public:
  explicit SoftnetSource(absl::string_view root);
  absl::string_view name() const override { return "softnet"; }
  absl::Status Sample(absl::Time now, Recorder& recorder) override;

 private:
  ProcFile file_;
  LabelledSeries series_;
};

}  // namespace ppmm
