// The collector's HTTP server: listeners, accept loop, connection limits, threads, drain. What is answered is the
// handler's business (router.h), the conversation is session.h's.
//
//   Router router(AllowedNames(names));
//   router.Add(Method::kGet, "/-/healthy", [](Request&) { return TextResponse(200, "ok"); });
//   Server server({}, [&router](Request& request) { return router.Handle(request); });
//   RETURN_IF_ERROR(server.ListenTcp("127.0.0.1:7766", "--http-listen"));
//   RETURN_IF_ERROR(server.ListenUnix("/run/ppmm/collector.sock"));
//   server.Start();
//   ...
//   server.Stop(absl::Seconds(10));
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "collector/http/message.h"
#include "collector/http/session.h"

namespace ppmm::http {

struct ServerOptions {
  // Handlers run on these threads: one that takes long holds up a share of all answers. Two, so that a slow one leaves
  // /-/healthy alive.
  int threads = 2;
  int max_connections = 512;             // TCP and Unix each
  int max_connections_per_address = 64;  // on the Unix socket: per user
  SessionLimits session;
};

// Since the start. What the limits cost is counted, so that it can be exported.
struct ServerStats {
  std::uint64_t accepted = 0;
  std::uint64_t open = 0;                 // now
  std::uint64_t refused_total = 0;        // beyond max_connections
  std::uint64_t refused_per_address = 0;  // beyond max_connections_per_address
  std::uint64_t accept_errors = 0;        // no descriptors left; retried every 100 ms
  std::uint64_t requests = 0;
  std::uint64_t client_errors = 0;
  std::uint64_t server_errors = 0;
  std::uint64_t sent_bytes = 0;
  std::uint64_t cut_slow_request = 0;
  std::uint64_t cut_slow_reader = 0;
  std::uint64_t closed_idle = 0;
};

// Listen, then Start, then Stop, each from one thread; stats() from any.
class Server {
 public:
  // `handler` is called from several threads at a time.
  Server(const ServerOptions& options, Handler handler);
  ~Server();  // stops at once when Stop was not called
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Listens on "ADDRESS:PORT" (port 0: any free one). Errors: as ListenTcp in listener.h; `flag` is named in them.
  absl::Status ListenTcp(absl::string_view listen, absl::string_view flag);
  // Listens on a Unix socket; removed again by Stop. Errors: as ListenUnix in listener.h.
  absl::Status ListenUnix(const std::string& path);

  void Start();

  // Accepts nothing more, closes idle connections, lets requests under way finish until `deadline` has passed, cuts
  // what is left. Returns how many were cut. After it no handler runs.
  int Stop(absl::Duration deadline);

  // Of the first TCP listener; 0 when there is none.
  std::uint16_t port() const;
  ServerStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ppmm::http
