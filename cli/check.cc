#include "cli/check.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"

#include "agent/config.h"
#include "collector/config.h"
#include "collector/inventory.h"
#include "common/config_loader.h"
#include "common/log.h"

namespace ppmm {
namespace {

// Paths that every configuration has, so that the text alone is judged.
DefaultPaths AnyPaths() {
  return {.config_file = "/etc/ppmm/ppmm.yaml",
          .inventory_file = "/etc/ppmm/inventory.yaml",
          .data = "/var/lib/ppmm",
          .socket = "/run/ppmm/ppmm.sock"};
}

CheckResult ResultOf(std::string kind, const ConfigReport& report) {
  CheckResult result{std::move(kind), {}};
  for (const ConfigError& error : report.errors()) {
    result.errors.push_back(ToString(error));
  }
  return result;
}

CheckResult AsCollector(const std::string& name, absl::string_view text) {
  config::CollectorConfig config = DefaultCollectorConfig(AnyPaths());
  ConfigReport report(name);
  if (LoadYaml(name, text, &config, &report).ok()) {
    Validate(config, &report);
  }
  return ResultOf("collector configuration", report);
}

CheckResult AsInventory(const std::string& name, absl::string_view text) {
  config::Inventory inventory;
  ConfigReport report(name);
  if (LoadYaml(name, text, &inventory, &report).ok()) {
    Validate(inventory, &report);
  }
  return ResultOf("inventory", report);
}

CheckResult AsAgent(const std::string& name, absl::string_view text) {
  config::AgentConfig config = DefaultAgentConfig(AnyPaths());
  ConfigReport report(name);
  if (LoadYaml(name, text, &config, &report).ok()) {
    const std::vector<absl::string_view> sources(config.sources().disable().begin(), config.sources().disable().end());
    Validate(config, sources, &report);
  }
  return ResultOf("agent configuration", report);
}

}  // namespace

CheckResult CheckText(const std::string& name, absl::string_view text) {
  // In whichever kind the file makes most sense: fewest keys at the top that are strange to it, then fewest mistakes.
  const std::string file = name.substr(name.rfind('/') + 1);
  std::vector<std::pair<CheckResult, absl::string_view>> kinds;
  kinds.emplace_back(AsCollector(name, text), "collector");
  kinds.emplace_back(AsAgent(name, text), "agent");
  kinds.emplace_back(AsInventory(name, text), "inventory");
  const auto strangeness = [&file](const std::pair<CheckResult, absl::string_view>& kind) {
    const std::vector<std::string>& errors = kind.first.errors;
    const auto strange = std::count_if(errors.begin(), errors.end(), [](const std::string& error) {
      return absl::StrContains(error, ":1: unknown key");
    });
    return std::make_tuple(strange, errors.size(), !absl::StrContains(file, kind.second));
  };
  return std::min_element(kinds.begin(), kinds.end(),
                          [&](const auto& a, const auto& b) { return strangeness(a) < strangeness(b); })
      ->first;
}

std::string RenderCheck(const std::string& name, const CheckResult& result) {
  const std::string shown = EscapeForDisplay(name);
  if (result.errors.empty()) {
    return absl::StrCat(shown, ": ok (", result.kind, ")\n");
  }
  return absl::StrCat(absl::StrJoin(result.errors, "\n"), "\n", result.errors.size(),
                      result.errors.size() == 1 ? " error" : " errors", " in ", shown, ", read as ", result.kind,
                      ".\n");
}

std::string CheckJson(const std::string& name, const CheckResult& result) {
  return nlohmann::ordered_json{{"file", name}, {"kind", result.kind}, {"errors", result.errors}}.dump(
      -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace ppmm
