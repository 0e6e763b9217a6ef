#include "common/default_paths.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace ppmm {
namespace {

// systemd separates several folders by colons; the first is the one of the program.
std::string FirstFolder(const std::string& list) {
  const std::string first = list.substr(0, list.find(':'));
  return absl::StartsWith(first, "/") ? first : "";
}

}  // namespace

DefaultPaths DefaultPathsOf(absl::string_view program, bool is_root, const Environment& environment) {
  const std::string state_directory = FirstFolder(environment("STATE_DIRECTORY"));
  const std::string runtime_directory = FirstFolder(environment("RUNTIME_DIRECTORY"));
  const bool is_service = !state_directory.empty() || !runtime_directory.empty();
  DefaultPaths paths;
  if (is_root || is_service) {
    paths.config_file = absl::StrCat("/etc/ppmm/", program, ".yaml");
    paths.inventory_file = "/etc/ppmm/inventory.yaml";
    paths.data = state_directory.empty() ? absl::StrCat("/var/lib/ppmm/", program) : state_directory;
    paths.socket = absl::StrCat(runtime_directory.empty() ? "/run/ppmm" : runtime_directory, "/", program, ".sock");
    return paths;
  }
  // A relative XDG_STATE_HOME is to be ignored, says the specification.
  std::string state = FirstFolder(environment("XDG_STATE_HOME"));
  if (state.empty()) {
    const std::string home = environment("HOME");
    if (!absl::StartsWith(home, "/")) {
      return paths;
    }
    state = absl::StrCat(home, "/.local/state");
  }
  const std::string base = absl::StrCat(state, "/ppmm/");
  paths.config_file = absl::StrCat(base, program, ".yaml");
  paths.inventory_file = absl::StrCat(base, "inventory.yaml");
  paths.data = absl::StrCat(base, program);
  paths.socket = absl::StrCat(base, program, ".sock");
  return paths;
}

}  // namespace ppmm
