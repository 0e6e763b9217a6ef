// Memory and swap: /proc/meminfo and /proc/vmstat.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "agent/procfs.h"
#include "agent/source.h"

namespace ppmm {

// Reads "Name value" lines, calling `take(name, value)` for each line whose value is a number.
//
// Shape:  a ':' after the name is dropped; a unit after the value is handed over as third argument, or empty.
// Errors: InvalidArgument names the line whose value is not a number.
absl::Status ParseKeyed(
    absl::string_view path, absl::string_view text,
    const std::function<void(absl::string_view name, std::uint64_t value, absl::string_view unit)>& take);

// Fields of /proc/meminfo in bytes (the kernel prints kB and means KiB).
class MeminfoSource : public Source {
 public:
  explicit MeminfoSource(absl::string_view root);
  absl::string_view name() const override { return "meminfo"; }
  absl::Status Sample(absl::Time now, Recorder& recorder) override;

 private:
  ProcFile file_;
  std::vector<SeriesHandle> series_;  // by position in the table of memory.cc
};

// Paging and out-of-memory counters.
class VmstatSource : public Source {
 public:
  explicit VmstatSource(absl::string_view root);
  absl::string_view name() const override { return "vmstat"; }
  absl::Status Sample(absl::Time now, Recorder& recorder) override;

 private:
  ProcFile file_;
  std::vector<SeriesHandle> series_;
};

}  // namespace ppmm
