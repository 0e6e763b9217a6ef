// Who is at the other end of a Unix socket.
#pragma once

#include <string>

namespace ppmm {

// For a sentence: " (pid 123)"; empty where the kernel does not tell.
//
// Source: unix(7), SO_PEERCRED: of a client's socket it is the process that began to listen.
std::string PeerPidText(int fd);

}  // namespace ppmm
