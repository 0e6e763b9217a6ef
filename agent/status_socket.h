// Answers each connection on a Unix socket with one JSON object: the agent's status. The agent opens no TCP port.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace ppmm {

// One thread only.
class StatusSocket {
 public:
  // Shape:  mode 0660; a socket that nobody listens on any more is replaced.
  // Errors: AlreadyExists: another agent listens there; else as ErrnoStatus.
  static absl::StatusOr<std::unique_ptr<StatusSocket>> Listen(const std::string& path);
  ~StatusSocket();
  StatusSocket(const StatusSocket&) = delete;
  StatusSocket& operator=(const StatusSocket&) = delete;

  // For poll(2).
  int fd() const { return fd_; }
  // Answers the connection that waits, if any. Never blocks: a client that does not read gets nothing.
  void Answer(const std::function<std::string()>& status);

 private:
  StatusSocket(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  const std::string path_;
  const int fd_;
};

}  // namespace ppmm
