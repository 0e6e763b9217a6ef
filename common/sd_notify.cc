#include "common/sd_notify.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "common/status.h"

namespace ppmm {

SdNotify::SdNotify(const Environment& environment) : socket_(environment("NOTIFY_SOCKET")) {
  std::int64_t period_us = 0;
  if (!absl::SimpleAtoi(environment("WATCHDOG_USEC"), &period_us) || period_us <= 0) {
    return;
  }
  // The variables are inherited by children, whom systemd doesn't watch.
  const std::string watched = environment("WATCHDOG_PID");
  std::int64_t pid = 0;
  if (watched.empty() || (absl::SimpleAtoi(watched, &pid) && pid == getpid())) {
    watchdog_period_ = absl::Microseconds(period_us) / 2;
  }
}

absl::Status SdNotify::Status(absl::string_view text) const {
  std::string line = absl::StrCat("STATUS=", text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r' || c == '\0'; }, ' ');
  return Send(line);
}

absl::Status SdNotify::Send(absl::string_view message) const {
  if (!enabled()) {
    return absl::OkStatus();
  }
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if ((socket_[0] != '/' && socket_[0] != '@') || socket_.size() < 2 || socket_.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("NOTIFY_SOCKET=", socket_, " is no Unix socket"));
  }
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_[0] == '@') {
    address.sun_path[0] = '\0';  // abstract: no file, no terminating zero
  }
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    return ErrnoStatus(errno, "socket for systemd");
  }
  const ssize_t sent =
      sendto(fd, message.data(), message.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), length);
  const int error_number = errno;
  close(fd);
  return sent < 0 ? ErrnoStatus(error_number, absl::StrCat("notify systemd at ", socket_)) : absl::OkStatus();
}

}  // namespace ppmm
