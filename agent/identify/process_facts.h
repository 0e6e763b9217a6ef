// What the agent knows about one process before it knows what the process is. A plain value, and one way to fill it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ppmm {

struct ProcessFacts {
  int pid = 0;
  uint32_t uid = 0;
  std::string comm;               // /proc/PID/comm
  std::vector<std::string> argv;  // /proc/PID/cmdline, at most 32 KiB; empty: a kernel thread
  std::string exe;                // the link /proc/PID/exe, as the process sees it; may end in " (deleted)"
  std::string cwd;                // the link /proc/PID/cwd, as the process sees it
  std::string standard_input;     // the link /proc/PID/fd/0: "/dev/pts/3", "pipe:[4711]"; empty: unknown
  std::string cgroup;             // one path, as ChooseCgroupPath gives it

  // How the agent reaches the process's files: "/proc/PID/root" when its root is another than the host's. Empty: the
  // host's root.
  std::string root;
  // How the agent opens the running program itself, even when it was replaced or deleted: "/proc/PID/exe". Empty: by
  // `exe` below the root.
  std::string exe_file;
};

// Reads the facts of one process from a proc directory ("/proc", or a host's, mounted).
// Errors: NotFound: it ended; PermissionDenied: another user's, and we lack the capability. cwd and exe of such a
//         process stay empty if only they are denied.
// Source: proc(5).
absl::StatusOr<ProcessFacts> ReadProcessFacts(absl::string_view proc, int pid);

}  // namespace ppmm
