// Accepts connections for gRPC, whose own listener never accepts again after one EMFILE (CVE-2023-4785, reproduced with
// the packaged 1.51). Keeps a descriptor in reserve, so that a connection it has no descriptor for is closed instead of
// waiting in the backlog; caps connections per address; paces storms of reconnects.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ppmm {

// Start, Stop: one thread.
class AcceptLoop {
 public:
  // Both are called by the loop's thread. `accept` takes over `fd`, which is connected and non-blocking; `address` as
  // text, without the port. `tick` is called about once a second.
  struct Handler {
    std::function<void(int listener, int fd, const std::string& address, int port)> accept;
    std::function<void()> tick;
  };

  // Thread-safe.
  struct Counters {
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::uint64_t> shed_no_descriptor{0};
    std::atomic<std::uint64_t> shed_per_address{0};
  };

  // A mutual-TLS handshake costs 3.5 ms of CPU: 200 a second leave the rest of a core to the streams that live.
  static constexpr int kAcceptsPerSecond = 200;

  // Shape:  `listen` is ADDR:PORT, port 0: any free one. `per_address`: connections accepted from one address within
  //         the last minute that are not shed. `counters` outlives the loop.
  // Errors: as http::ListenTcp; a taken port names who has it and the flag --grpc-listen.
  static absl::StatusOr<std::unique_ptr<AcceptLoop>> Start(absl::string_view listen, int per_address,
                                                           Counters* counters, Handler handler);
  ~AcceptLoop();

  // Accepts nothing more.
  void Stop();
  int port() const { return port_; }

 private:
  AcceptLoop(int listener, int port, int per_address, Counters* counters, Handler handler);
  void Run();
  void AcceptOne();
  bool AddressMayConnect(const std::string& address);

  const int listener_;
  const int port_;
  const int per_address_;
  Counters* const counters_;
  const Handler handler_;
  int wake_ = -1;            // eventfd
  int spare_ = -1;           // given up to shed a connection when descriptors run out
  std::int64_t window_ = 0;  // minute of the counts below
  absl::flat_hash_map<std::string, int> recent_;
  std::thread thread_;
};

}  // namespace ppmm
