// The HTTP/1.1 conversation on one connection: parse, ask the handler, answer, again. Boost.Beast parses; the strict
// limits, the deadlines and the order of answers are here.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"

#include "collector/http/connection.h"
#include "collector/http/message.h"

namespace ppmm::http {

// What a client may cost. Each deadline is for a whole phase, so trickling bytes doesn't extend it.
struct SessionLimits {
  std::uint32_t header_bytes = 16 * 1024;
  std::uint64_t body_bytes = 1024 * 1024;
  absl::Duration header = absl::Seconds(10);  // from connecting, or the first byte of a request, to its whole header
  absl::Duration body = absl::Seconds(20);    // from there to the whole body
  absl::Duration idle = absl::Seconds(60);    // between two requests
  absl::Duration write = absl::Seconds(30);   // for the client to take one piece (kPieceBytes)
  absl::Duration linger = absl::Seconds(2);   // for the client to read our last words before the connection ends
};

// Counted by all sessions of a server.
struct SessionCounters {
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> client_errors{0};  // answered with 4xx, by whomever
  std::atomic<std::uint64_t> server_errors{0};  // 5xx, and streams that were cut by an error
  std::atomic<std::uint64_t> sent_bytes{0};
  std::atomic<std::uint64_t> cut_slow_request{0};  // a header or body that did not come in time
  std::atomic<std::uint64_t> cut_slow_reader{0};   // an answer that was not taken in time
  std::atomic<std::uint64_t> closed_idle{0};
};

// Lives as long as its connection has something to wait for. Methods run on the connection's strand.
class Session : public std::enable_shared_from_this<Session> {
 public:
  virtual ~Session() = default;
  virtual void Start() = 0;
  // Closes the connection now if no request is under way, else after the answer.
  virtual void Drain() = 0;
  virtual void Abort() = 0;
  // For other threads.
  virtual void Post(std::function<void()> task) = 0;
};

// `limits`, `handler` and `counters` outlive the session. `on_end` runs when it is destroyed.
std::shared_ptr<Session> MakeSession(std::unique_ptr<Connection> connection, const SessionLimits* limits,
                                     const Handler* handler, SessionCounters* counters, std::function<void()> on_end);

}  // namespace ppmm::http
