// The commands of `ppmm`, without the command line: each asks the collector, prints, and gives the exit code.
#pragma once

#include <functional>
#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/doctor.h"
#include "cli/http_client.h"
#include "cli/screen.h"

namespace ppmm {

// Exit codes of the contract.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFindings = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnreachable = 69;
inline constexpr int kExitNotPermitted = 77;
inline constexpr int kExitConfigInvalid = 78;

struct CommandContext {
  std::string collector;  // its address, as it is told; perhaps empty
  // Asks the collector; path with query -> answer. `cause` gets what the system said of an error.
  std::function<absl::StatusOr<HttpAnswer>(const std::string& path, std::string* cause)> get;
  // Sends JSON through the collector's socket; path, body -> answer. May be missing where nothing writes.
  std::function<absl::StatusOr<HttpAnswer>(const std::string& path, const std::string& body, std::string* cause)> post;
  Screen screen;
  bool json = false;     // print the answer of the API as it is
  bool verbose = false;  // print the cause behind an error
  std::ostream* out = nullptr;
  std::ostream* error = nullptr;
};

int RatingCommand(const CommandContext& context);
int NextStepsCommand(const CommandContext& context);
int ActivitiesCommand(const CommandContext& context, bool waiting);
int ExplainCommand(const CommandContext& context, const std::string& activity);
// `only`: one of that name; empty: those that are listed, or `all`.
int ApplicationsCommand(const CommandContext& context, const std::string& window, const std::string& only, bool all);
// `only`: of one application, as caller or as what is called.
int DependenciesCommand(const CommandContext& context, const std::string& only, bool all);
// `only`: one of that name; empty: all.
int ReleasesCommand(const CommandContext& context, const std::string& only);
// Tells the collector that a version of an application was deployed. `at`: "2026-11-22 13:00", with seconds or without,
// "13:00" (both local time), or as RFC 3339 has it; empty: now.
int DeployedCommand(const CommandContext& context, const std::string& application, const std::string& version,
                    const std::string& at);
int HostsCommand(const CommandContext& context, const std::string& only);
int InventoryShowCommand(const CommandContext& context);
int StatusCommand(const CommandContext& context);
// Asks nobody: reads the file.
int CheckCommand(const CommandContext& context, const std::string& file);
int DoctorCommand(const CommandContext& context, const HostProbe& probe);

}  // namespace ppmm
