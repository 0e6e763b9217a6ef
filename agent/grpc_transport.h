// The transport over gRPC: one bidirectional call of /ppmm.wire.Telemetry/Stream with raw messages. Each Connect opens
// a connection of its own, so that new certificates take effect and the caller's pauses are the only ones.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "agent/transport.h"

namespace ppmm {

struct GrpcTransportOptions {
  std::string target;  // "collector.example:7767", "127.0.0.1:7767", "[::1]:7767", "unix:/path"
  // PEM files for mutual TLS, read anew at each connection; all three or none.
  std::string ca_file = {};
  std::string certificate_file = {};
  std::string key_file = {};
  // The name in the collector's certificate; empty: the one in `target`.
  std::string server_name = {};
  // Plain text to another machine, on purpose: everyone on the way can read and change what is sent.
  bool insecure_network = false;
};

// True when what is sent to `target` does not leave this machine.
bool IsLoopbackTarget(absl::string_view target);

// Errors: InvalidArgument when there is no target, when some but not all TLS files are given, or for plain text off
// loopback without `insecure_network`. Whether the files can be read shows at Connect.
absl::StatusOr<std::unique_ptr<Transport>> MakeGrpcTransport(const GrpcTransportOptions& options);

}  // namespace ppmm
