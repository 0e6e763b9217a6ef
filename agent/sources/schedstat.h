// Run delay per CPU: /proc/schedstat.
#pragma once

#include <cstdint>
#include <vector>

#include "agent/labelled_series.h"
#include "agent/procfs.h"
#include "agent/source.h"

namespace ppmm {

struct CpuDelay {
  std::uint32_t cpu = 0;
  std::uint64_t waiting_ns = 0;  // time tasks were ready and did not run
};

// Parses the text of /proc/schedstat; lines of domains are skipped.
//
// Errors: InvalidArgument names the line.
// Source: Linux Documentation/scheduler/sched-stats.rst: field 8 of a cpu line, in nanoseconds since version 15.
absl::StatusOr<std::vector<CpuDelay>> ParseCpuSchedstat(absl::string_view text);

class SchedstatSource : public Source {
 public:
  explicit SchedstatSource(absl::string_view root);
  absl::string_view name() const override { return "schedstat"; }
  absl::Status Sample(absl::Time now, Recorder& recorder) override;

 private:
  ProcFile file_;
  LabelledSeries series_;
};

}  // namespace ppmm
