// Connections that gRPC was given and that nobody called on: bytes that are no HTTP/2, frames without a call, a TLS
// handshake that failed. gRPC ends these by itself and tells nobody.
#pragma once

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "common/mutex.h"

namespace ppmm {

// Thread-safe.
class SilentConnections {
 public:
  // An agent calls at once; this is twice what gRPC gives a handshake.
  static constexpr absl::Duration kPatience = absl::Seconds(10);

  // Shape:  `peer`: address and port, as PeerKey gives it. `now`: since boot.
  void Accepted(std::string peer, absl::Duration now);
  void Called(absl::string_view peer);

  struct Overdue {
    std::uint64_t connections = 0;
    std::string peer;  // one of them
  };
  // Those that were accepted kPatience ago and had no call since, each told once.
  Overdue Take(absl::Duration now);

 private:
  Mutex mutex_;
  // By peer. Bounded by what is accepted in kPatience.
  absl::flat_hash_map<std::string, absl::Duration> accepted_ ABSL_GUARDED_BY(mutex_);
  Overdue overtaken_ ABSL_GUARDED_BY(mutex_);  // whose peer connected again from the same port
};

// "192.0.2.1 4711" for gRPC's "ipv4:192.0.2.1:4711"; of IPv6 without brackets, escapes and scope.
std::string PeerKey(absl::string_view grpc_peer);
// The same of the kernel's "192.0.2.1" and 4711. IPv4 within IPv6 is IPv4.
std::string PeerKey(absl::string_view address, int port);

}  // namespace ppmm
