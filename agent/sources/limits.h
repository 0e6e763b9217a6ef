// Load averages and what the kernel limits: open files, tasks, process ids, tracked connections.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "agent/procfs.h"
#include "agent/source.h"

namespace ppmm {

struct LoadAverage {
  std::array<std::int64_t, 3> hundredths{};  // 1, 5, 15 minutes
  std::uint64_t tasks = 0;                   // that exist
};

// Parses the text of /proc/loadavg: "0.20 0.18 0.12 1/80 11206".
//
// Errors: InvalidArgument names the field.
// Source: Linux Documentation/filesystems/proc.rst, section 1.
absl::StatusOr<LoadAverage> ParseLoadavg(absl::string_view text);

class LoadavgSource : public Source {
 public:
  explicit LoadavgSource(absl::string_view root);
  absl::string_view name() const override { return "loadavg"; }
  absl::Duration period() const override { return absl::Seconds(10); }
  absl::Status Sample(absl::Time now, Recorder& recorder) override;

 private:
  ProcFile file_;
  std::array<SeriesHandle, 4> series_{};
};

// Files with one or more numbers; a file that is absent (conntrack without its module) has no series.
class LimitsSource : public Source {
 public:
  explicit LimitsSource(absl::string_view root);
  absl::string_view name() const override { return "limits"; }
  absl::Duration period() const override { return absl::Seconds(10); }
  absl::Status Sample(absl::Time now, Recorder& recorder) override;

 private:
  struct Limit {
    std::unique_ptr<ProcFile> file;
    int field;
    absl::string_view metric;
    SeriesHandle series = 0;
  };
  std::vector<Limit> limits_;
};

}  // namespace ppmm
