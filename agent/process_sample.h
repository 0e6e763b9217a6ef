// What one look at one process gives. The value both task scanners produce: from the kernel by BPF (task_scanner.h) and
// from /proc (proc_task_scanner.h). A plain value; 0 where a number is unknown, unless said otherwise.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"

namespace ppmm {

inline constexpr std::uint64_t kTickNs = 10'000'000;  // USER_HZ is 100 on every architecture we build for

struct ProcessSample {
  std::int32_t pid = 0;
  std::int32_t ppid = 0;
  // Since boot, cut to 10 ms as /proc shows it, so that (pid, start_ns) names the same process in both scanners.
  std::int64_t start_ns = 0;

  // CPU time of all threads, the ended ones too. The sum user + system never falls; each of the two may fall by some
  // milliseconds, because the kernel splits an exact sum in the proportion of sampled ticks.
  std::uint64_t user_ns = 0;
  std::uint64_t system_ns = 0;
  // Of its children that ended and that it waited for, and of theirs.
  std::uint64_t children_ns = 0;
  // Waiting for a CPU while runnable, sum over living threads: falls when a thread ends.
  std::uint64_t run_delay_ns = 0;
  std::uint64_t minor_faults = 0;
  std::uint64_t major_faults = 0;
  // Moved from and to storage, not through the page cache.
  std::uint64_t read_bytes = 0;
  std::uint64_t write_bytes = 0;

  // Resident memory. Kernels since 6.2 keep per-CPU parts that are not added here: each of the three may be off by
  // 64 pages or more per CPU.
  std::uint64_t rss_anon_bytes = 0;
  std::uint64_t rss_file_bytes = 0;
  std::uint64_t rss_shmem_bytes = 0;
  std::uint64_t resident_bytes() const { return rss_anon_bytes + rss_file_bytes + rss_shmem_bytes; }

  // Of the v2 hierarchy: the inode of the directory.
  std::uint64_t cgroup_id = 0;
  std::uint64_t exe_inode = 0;
  // As stat() gives it (st_dev).
  std::uint64_t exe_device = 0;
  // Inode numbers of the namespaces, as in the links /proc/PID/ns.
  std::uint32_t net_ns = 0;
  std::uint32_t pid_ns = 0;
  std::uint32_t mnt_ns = 0;
  // Real user id.
  std::uint32_t uid = 0;
  std::uint32_t threads = 0;
  bool kernel_thread = false;
  // False if /proc/PID/io cannot be read: both byte counters are unknown then.
  bool has_io = true;
  // Whatever bytes the process chose, ended by a zero: EscapeForDisplay() before anyone sees it.
  std::array<char, 16> comm{};

  absl::string_view name() const { return absl::string_view(comm.data(), strnlen(comm.data(), comm.size())); }
  void set_name(absl::string_view text) {
    comm.fill(0);
    std::memcpy(comm.data(), text.data(), text.size() < comm.size() ? text.size() : comm.size() - 1);
  }
};

}  // namespace ppmm
