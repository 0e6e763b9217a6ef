// What a control group says of an application: throttling by its CPU quota, memory charged to it. v2 and v1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace ppmm {

// Unknown where the kernel does not tell: no such controller, or no limit.
struct CgroupStats {
  std::optional<std::uint64_t> throttled_periods;
  std::optional<std::uint64_t> throttled_us;
  std::optional<std::uint64_t> memory_bytes;
  std::optional<std::uint64_t> memory_limit_bytes;
};

// Reads the group of a process.
//
// Shape:  `cgroup_text` is the text of /proc/PID/cgroup: lines "0::/path" (v2) and "N:controllers:/path" (v1). Both
//         hierarchies may be mounted; v1's controllers win where they are. A limit of 2^62 bytes or more is none.
// Units:  v1 counts throttled time in nanoseconds, v2 in microseconds.
// Source: Linux Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst, scheduler/sched-bwc.rst.
CgroupStats ReadCgroupStats(absl::string_view root, absl::string_view cgroup_text);

}  // namespace ppmm
