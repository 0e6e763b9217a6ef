#include "cli/check.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"

#include "agent/config.h"
#include "collector/config.h"
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
  CheckResult collector = AsCollector(name, text);
  CheckResult agent = AsAgent(name, text);
  const bool named_agent = absl::StrContains(name.substr(name.rfind('/') + 1), "agent");
  const std::size_t tie = named_agent ? 1 : 0;
  return agent.errors.size() < collector.errors.size() + tie ? agent : collector;
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
