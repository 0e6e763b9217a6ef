// Reads all processes of the host in one pass of a BPF iterator: some fifty times cheaper than /proc
// (docs/overhead.md). One thread only; owns the loaded program. Numbers of processes and namespaces are those of the
// host.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "agent/process_sample.h"

namespace ppmm {

class TaskScanner {
 public:
  // Loads the program.
  //
  // Errors: FailedPrecondition: built without BPF, no BTF, or a kernel that is too old; PermissionDenied names the
  //         missing capabilities. ProcTaskScanner is the way out.
  static absl::StatusOr<std::unique_ptr<TaskScanner>> Create();
  ~TaskScanner();

  // Replaces `out` by all processes, kernel threads included, ordered by pid. Keeps the memory of `out`.
  //
  // Errors: DataLoss, Unavailable, PermissionDenied; `out` is incomplete then.
  absl::Status Scan(std::vector<ProcessSample>* out);

  // Samples since Create() whose sums lack threads, because the process had more than 65536.
  std::uint64_t cut_samples() const;

 private:
  struct Impl;
  explicit TaskScanner(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace ppmm
