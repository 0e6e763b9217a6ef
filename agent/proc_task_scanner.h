// Reads all processes of the host from /proc: the way without BPF. Some fifty times the cost of TaskScanner, so it
// keeps what seldom changes (namespaces, control group, executable) and reads that again every 30th scan, or when the
// process has another name (exec). One thread only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "agent/process_sample.h"

namespace ppmm {

// Parses the text of /proc/PID/stat into pid, name, ppid, faults, CPU times, threads, start, kernel_thread.
//
// Shape:  the name may hold any bytes, parentheses and newlines too; 22 fields or more.
// Units:  the kernel prints ticks of 10 ms; the result is in ns.
// Errors: InvalidArgument names the field that could not be read.
// Source: proc(5).
absl::Status ParseProcessStat(absl::string_view text, ProcessSample* sample);

// Parses the text of /proc/PID/status into uid and resident memory. Kernel threads have no memory lines: 0.
//
// Units:  the kernel prints kB and means KiB; the result is in bytes.
// Errors: InvalidArgument if the line Uid is missing or a number cannot be read.
absl::Status ParseProcessStatus(absl::string_view text, ProcessSample* sample);

// Parses the text of /proc/PID/io into read_bytes and write_bytes.
//
// Errors: InvalidArgument if one of the two lines is missing or not a number.
absl::Status ParseProcessIo(absl::string_view text, ProcessSample* sample);

// The second number of /proc/PID/task/TID/schedstat: run delay in ns.
//
// Errors: InvalidArgument if there is none.
absl::StatusOr<std::uint64_t> ParseSchedstat(absl::string_view text);

// The path of the v2 hierarchy in /proc/PID/cgroup (the line "0::").
//
// Errors: NotFound if there is no such line.
absl::StatusOr<absl::string_view> ParseCgroupPath(absl::string_view text);

// The number in the target of a link of /proc/PID/ns, as "net:[4026531840]".
//
// Errors: InvalidArgument.
absl::StatusOr<std::uint32_t> ParseNamespaceLink(absl::string_view text);

class ProcTaskScanner {
 public:
  // `root` has the folders proc and sys/fs/cgroup; "/" but in tests and in containers that see the host below another.
  explicit ProcTaskScanner(absl::string_view root = "/");

  // Replaces `out` by all processes in the order of the directory. A process that ends while it is read is left out;
  // one whose files cannot be understood too, and counted.
  //
  // Errors: NotFound or PermissionDenied if the folder proc cannot be read.
  absl::Status Scan(std::vector<ProcessSample>* out);

  // Processes left out since the start because a file of theirs was not as promised; last_error() says why.
  std::uint64_t malformed() const { return malformed_; }
  const absl::Status& last_error() const { return last_error_; }

 private:
  // What seldom changes.
  struct Identity {
    std::int64_t start_ns = 0;
    std::uint64_t read_at_scan = 0;
    std::uint64_t seen_at_scan = 0;
    std::uint64_t cgroup_id = 0;
    std::uint64_t exe_inode = 0;
    std::uint64_t exe_device = 0;
    std::uint32_t net_ns = 0;
    std::uint32_t pid_ns = 0;
    std::uint32_t mnt_ns = 0;
    std::array<char, 16> comm{};
  };

  // Errors: NotFound if the process is gone, InvalidArgument if it cannot be understood.
  absl::Status ScanProcess(absl::string_view pid, ProcessSample* sample);
  absl::Status ReadRunDelay(absl::string_view pid, ProcessSample* sample);
  void ReadIdentity(absl::string_view pid, const ProcessSample& sample, Identity* identity);
  // Reads a small file below proc/PID into text_.
  absl::Status ReadFile(absl::string_view pid, absl::string_view file);

  const std::string root_;
  std::string cgroup_root_;
  std::string path_;  // scratch space, as text_
  std::string text_;
  absl::flat_hash_map<std::int32_t, Identity> identities_;
  std::uint64_t scan_ = 0;
  std::uint64_t malformed_ = 0;
  absl::Status last_error_;
};

}  // namespace ppmm
