// Stands for the BPF scanners in a build without BPF (WITH_BPF=OFF): the same classes, which cannot be created.
#include <utility>

#include "agent/socket_scanner.h"
#include "agent/task_scanner.h"

namespace ppmm {
namespace {

absl::Status BuiltWithoutBpf() {
  return absl::FailedPreconditionError("built without BPF (WITH_BPF=OFF)");
}

}  // namespace

struct TaskScanner::Impl {};

TaskScanner::TaskScanner(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TaskScanner::~TaskScanner() = default;

absl::StatusOr<std::unique_ptr<TaskScanner>> TaskScanner::Create() {
  return BuiltWithoutBpf();
}

absl::Status TaskScanner::Scan(std::vector<ProcessSample>*) {
  return BuiltWithoutBpf();
}

std::uint64_t TaskScanner::cut_samples() const {
  return 0;
}

struct SocketScanner::Impl {};

SocketScanner::SocketScanner(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SocketScanner::~SocketScanner() = default;

absl::StatusOr<std::unique_ptr<SocketScanner>> SocketScanner::Create() {
  return BuiltWithoutBpf();
}

absl::Status SocketScanner::Seed() {
  return BuiltWithoutBpf();
}

absl::Status SocketScanner::Poll(std::vector<ListenerSample>*) {
  return BuiltWithoutBpf();
}

absl::Status SocketScanner::TakeCalls(std::vector<CallSample>*) {
  return BuiltWithoutBpf();
}

absl::Status SocketScanner::ReadPeers(std::vector<PeerSample>*) {
  return BuiltWithoutBpf();
}

SocketScanner::Losses SocketScanner::losses() const {
  return Losses{};
}

std::uint64_t SocketScanner::looked_ns() const {
  return 0;
}

void SocketScanner::PauseCapture(Pause) {}

const CaptureHooks& SocketScanner::hooks() const {
  static const CaptureHooks kNone;
  return kNone;
}

}  // namespace ppmm
