// Stands for the BPF scanners in a build without BPF (WITH_BPF=OFF): the same classes, which cannot be created.
#include <utility>

#include "agent/task_scanner.h"

namespace ppmm {

struct TaskScanner::Impl {};

TaskScanner::TaskScanner(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TaskScanner::~TaskScanner() = default;

absl::StatusOr<std::unique_ptr<TaskScanner>> TaskScanner::Create() {
  return absl::FailedPreconditionError("BPF tasks: built without BPF (WITH_BPF=OFF)");
}

absl::Status TaskScanner::Scan(std::vector<ProcessSample>*) {
  return absl::FailedPreconditionError("BPF tasks: built without BPF (WITH_BPF=OFF)");
}

}  // namespace ppmm
