// Opens the sockets a server listens on, with errors that name the cause and the cure. No threads.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ppmm::http {

struct Listener {
  int fd = -1;  // non-blocking, listening; the caller's to close
  int family = 0;
  std::string address;     // as bound: "127.0.0.1:7766", "[::]:7766", or the path
  std::uint16_t port = 0;  // 0 for a Unix socket
};

// Listens on "ADDRESS:PORT"; an empty address is every address of this host, port 0 any free one.
//
// Errors: InvalidArgument for what is no address; AlreadyExists for a taken port: the message names the program that
// has
//         it, where it can be seen, and `flag`; PermissionDenied, Unavailable else.
absl::StatusOr<Listener> ListenTcp(absl::string_view listen, absl::string_view flag,
                                   absl::string_view proc_root = "/proc");

// Listens on a Unix socket of mode 0660. A socket file that nobody listens on any more is replaced.
//
// Errors: AlreadyExists when somebody listens there, InvalidArgument for a path that is too long, else as ErrnoStatus.
absl::StatusOr<Listener> ListenUnix(const std::string& path);

}  // namespace ppmm::http
