// The gRPC side of ingest: one bidirectional stream per agent, raw messages, plain text on loopback and mutual TLS
// elsewhere. Connections come from an accept loop of our own (accept_loop.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "collector/ingest_queue.h"
#include "collector/ingest_session.h"
#include "common/clock.h"

namespace ppmm {

struct IngestOptions {
  std::string listen = "127.0.0.1:7767";  // ADDR:PORT, port 0: any
  // All three or none; PEM texts that ReadTlsFiles took (common/tls_files.h): gRPC takes any.
  std::string certificate;
  std::string key;
  std::string client_ca;
  int max_connections_per_address = 100;
};

// Thread-safe.
class IngestServer {
 public:
  // Listens. The pointers outlive the server.
  //
  // Errors: InvalidArgument: `listen` cannot be used; Unavailable: the address is taken, the text
  //         says by whom and which flag cures it.
  static absl::StatusOr<std::unique_ptr<IngestServer>> Start(const IngestOptions& options, const Clock* clock,
                                                             IngestQueue* queue, IngestCounters* counters);
  // Ends all streams within 5 s.
  virtual ~IngestServer() = default;
  virtual void Stop() = 0;
  virtual int port() const = 0;
};

}  // namespace ppmm
