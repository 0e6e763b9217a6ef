// The collector's configuration: file, flags and defaults together, checked. Pure but for reading the file; no state.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"

#include "common/config_checks.h"
#include "common/config_loader.h"
#include "common/default_paths.h"
#include "proto/collector_config.pb.h"

namespace ppmm {

// What the command line says; what is not given is not set.
struct CollectorFlags {
  std::optional<std::string> config = std::nullopt;  // --config
  std::optional<std::string> organization = std::nullopt;
  std::optional<std::string> http_listen = std::nullopt;
  std::optional<std::string> grpc_listen = std::nullopt;
  std::optional<std::string> data = std::nullopt;
  std::optional<std::string> socket = std::nullopt;
  std::optional<std::string> log_level = std::nullopt;
  bool check_config = false;
};

// The configuration of a collector that nobody has configured.
config::CollectorConfig DefaultCollectorConfig(const DefaultPaths& paths);

// What protects the connections of agents. The views are into `grpc`.
TlsFields TlsFieldsOf(const config::CollectorGrpc& grpc);

// Checks what type and range don't tell: addresses, networks, names, what goes together. Looks at no other file.
void Validate(const config::CollectorConfig& config, ConfigReport* report);

// Reads file over defaults and flags over both, and looks whether what they name (certificates, inventory) can be
// used. Behind the start, --check-config, each reload and `ppmm check`.
//
// Errors: added to `report`, which is to be thrown away then as is the result. The file named by --config must be
//         there, the default one and the inventory need not.
config::CollectorConfig LoadCollectorConfig(const CollectorFlags& flags, const DefaultPaths& paths,
                                            ConfigReport* report);

// The same. Errors: InvalidArgument with one line per mistake and a last one that counts them; exit with 78 at start.
absl::StatusOr<config::CollectorConfig> LoadCollectorConfig(const CollectorFlags& flags, const DefaultPaths& paths);

}  // namespace ppmm
