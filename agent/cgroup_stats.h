// What a control group says of an application: throttling by its CPU quota, memory and I/O charged to it. v2 and v1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ppmm {

// Unknown where the kernel does not tell: no such controller, or no limit.
struct CgroupStats {
  std::optional<std::uint64_t> throttled_periods;
  std::optional<std::uint64_t> throttled_us;
  std::optional<std::uint64_t> memory_bytes;
  std::optional<std::uint64_t> memory_limit_bytes;
  // Summed over devices; a sum falls when a device goes. Unknown until the group used one.
  std::optional<std::uint64_t> io_read_bytes;
  std::optional<std::uint64_t> io_written_bytes;
  std::optional<std::uint64_t> io_reads;
  std::optional<std::uint64_t> io_writes;
};

// Reads the group of a process again and again.
//
// Most of the files that could be there are not, so what is absent is looked for only at each 30th reading.
class CgroupReader {
 public:
  CgroupReader() = default;

  // Shape:  `cgroup_text` is the text of /proc/PID/cgroup: lines "0::/path" (v2) and "N:controllers:/path" (v1). Both
  //         hierarchies may be mounted; v1's controllers win where they are. A v1 group counts only where it is the
  //         group that v2 or `name=systemd` names, for otherwise it is one that others share.
  CgroupReader(absl::string_view root, absl::string_view cgroup_text);

  // Units:  v1 counts throttled time in nanoseconds, v2 in microseconds. A limit of 2^62 bytes or more is none.
  // Source: Linux Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst,
  //         cgroup-v1/blkio-controller.rst, scheduler/sched-bwc.rst.
  CgroupStats Read();

 private:
  enum class What { kCpuV1, kCpuV2, kMemory, kMemoryLimit, kIoV2, kIoBytesV1, kIoOperationsV1 };
  struct File {
    std::string path;
    What what;
    bool is_substitute = false;  // read only where the file before it is absent
    int readings_without = 0;    // since it was last looked for and was absent
  };
  void AddV2(absl::string_view folder);

  std::vector<File> files_;  // later ones win
};

}  // namespace ppmm
