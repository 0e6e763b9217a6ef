// Who is at the other end of a Unix socket.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ppmm {

// For a sentence: " (pid 123)"; empty where the kernel does not tell.
//
// Source: unix(7), SO_PEERCRED: of a client's socket it is the process that began to listen.
std::string PeerPidText(int fd);

// What stands where a Unix socket should be made is something else.
// Errors: always FailedPrecondition.
absl::Status NoSocket(absl::string_view path);

}  // namespace ppmm
