#include "common/unix_peer.h"

#include <sys/socket.h>

#include "absl/strings/str_cat.h"

namespace ppmm {

std::string PeerPidText(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool told = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0;
  return told ? absl::StrCat(" (pid ", peer.pid, ")") : "";
}

absl::Status NoSocket(absl::string_view path) {
  return absl::FailedPreconditionError(absl::StrCat(
      path,
      " is no socket and is left untouched; move it away, or choose another path: --socket, or `socket` in the "
      "configuration"));
}

}  // namespace ppmm
