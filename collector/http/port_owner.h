// Who listens on a TCP port of this host: for the error that a taken port deserves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace ppmm::http {

struct PortOwner {
  int pid = 0;
  std::string program;  // as the kernel names it, at most 15 bytes; display it escaped
};

// Looks for a listener on `port`, whatever its address. nullopt when there is none, or when its process cannot be seen
// (another user's, another namespace's).
//
// Source: proc(5): net/tcp, net/tcp6, PID/fd, PID/comm; below `proc_root`, normally "/proc".
std::optional<PortOwner> FindPortOwner(std::uint16_t port, absl::string_view proc_root);

}  // namespace ppmm::http
