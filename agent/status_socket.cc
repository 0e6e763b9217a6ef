#include "agent/status_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"

#include "common/status.h"
#include "common/unix_peer.h"

namespace ppmm {

absl::StatusOr<std::unique_ptr<StatusSocket>> StatusSocket::Listen(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat("socket \"", path, "\": a path of 1 to ",
                                                   sizeof address.sun_path - 1, " bytes is needed (--socket)"));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  std::error_code ignored;  // bind says what is wrong
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    return ErrnoStatus(errno, "socket");
  }
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string pid = PeerPidText(fd);
    close(fd);
    return absl::AlreadyExistsError(absl::StrCat(
        path, ": another agent", pid, " listens there; stop it, or give this one its own --data and --socket"));
  }
  struct stat info = {};
  if (lstat(path.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode)) {
    close(fd);
    return NoSocket(path);
  }
  unlink(path.c_str());  // left by a process that was killed
  std::unique_ptr<StatusSocket> made(new StatusSocket(path, fd));
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || chmod(path.c_str(), 0660) != 0 ||
      listen(fd, 8) != 0) {
    return ErrnoStatus(errno, path);
  }
  return made;
}

StatusSocket::~StatusSocket() {
  close(fd_);
  unlink(path_.c_str());
}

void StatusSocket::Answer(const std::function<std::string()>& status) {
  const int client = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (client < 0) {
    return;
  }
  const std::string text = status() + "\n";
  const int size = static_cast<int>(text.size());
  setsockopt(client, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  static_cast<void>(send(client, text.data(), text.size(), MSG_NOSIGNAL));
  close(client);
}

}  // namespace ppmm
