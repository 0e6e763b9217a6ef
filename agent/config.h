// The agent's configuration: file, flags and defaults together, checked. Pure but for reading the file; no state.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "common/config_loader.h"
#include "common/default_paths.h"
#include "proto/agent_config.pb.h"

namespace ppmm {

// What the command line says; what is not given is not set.
struct AgentFlags {
  std::optional<std::string> config = std::nullopt;  // --config
  std::optional<std::string> collector = std::nullopt;
  std::optional<std::string> group = std::nullopt;
  std::optional<std::string> host_id = std::nullopt;
  std::optional<std::string> root = std::nullopt;
  std::optional<std::string> data = std::nullopt;
  std::optional<std::string> socket = std::nullopt;
  bool no_bpf = false;
  bool check_config = false;
  std::optional<std::string> log_level = std::nullopt;
};

// The configuration of an agent that nobody has configured.
config::AgentConfig DefaultAgentConfig(const DefaultPaths& paths);

// Checks what type and range don't tell: addresses, names, what goes together, and that each source to disable is one
// of `sources`.
void Validate(const config::AgentConfig& config, absl::Span<const absl::string_view> sources, ConfigReport* report);

// Reads file over defaults and flags over both. Behind the start, --check-config, each reload and `ppmm check`.
//
// Errors: added to `report`, which is to be thrown away then as is the result. The file named by --config must be
//         there, the default one need not. Certificates that cannot be used are mistakes for `check_config`; else they
//         are logged, since a running agent reads them anew at each connection and gathers meanwhile. Whether the
//         host's /proc is under `root` is looked at for `check_config` only: at a start it may be mounted soon.
config::AgentConfig LoadAgentConfig(const AgentFlags& flags, const DefaultPaths& paths,
                                    absl::Span<const absl::string_view> sources, ConfigReport* report);

// The same. Errors: InvalidArgument with one line per mistake and a last one that counts them; exit with 78 at start.
absl::StatusOr<config::AgentConfig> LoadAgentConfig(const AgentFlags& flags, const DefaultPaths& paths,
                                                    absl::Span<const absl::string_view> sources);

}  // namespace ppmm
