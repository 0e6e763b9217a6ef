#include "cli/check.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"

#include "agent/config.h"
#include "agent/source_names.h"
#include "collector/config.h"
#include "collector/inventory.h"
#include "common/config_loader.h"
#include "common/human.h"
#include "common/log.h"

namespace ppmm {
namespace {

// Those of the installed daemons, whoever asks.
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

CheckResult AsCollector(const std::string& file) {
  ConfigReport report(file);
  LoadCollectorConfig({.config = file}, AnyPaths(), &report);
  return ResultOf("collector configuration", report);
}

CheckResult AsAgent(const std::string& file) {
  ConfigReport report(file);
  LoadAgentConfig({.config = file, .check_config = true}, AnyPaths(), kSourceNames, &report);
  return ResultOf("agent configuration", report);
}

CheckResult AsInventory(const std::string& file) {
  ConfigReport report(file);
  ReadInventory(file, &report);
  return ResultOf("inventory", report);
}

// An unknown key at the top, and none that is near it.
bool IsStrangeKey(absl::string_view error) {
  return absl::StrContains(error, ":1: unknown key") && !absl::StrContains(error, "; did you mean ");
}

// How many keys stand at the top of a file of YAML.
std::ptrdiff_t CountTopKeys(const std::string& path) {
  const std::string text = ReadConfigFile(path).value_or("");
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  return std::count_if(lines.begin(), lines.end(), [](absl::string_view line) {
    return !line.empty() && !absl::StrContains(" \t#-%.}]", line.substr(0, 1)) && absl::StrContains(line, ':');
  });
}

}  // namespace

CheckResult CheckFile(const std::string& path) {
  // In whichever kind the file makes most sense: fewest keys at the top that are strange to it, first those that are
  // not even near one of its own, then fewest mistakes.
  const std::string file = path.substr(path.rfind('/') + 1);
  std::vector<std::pair<CheckResult, absl::string_view>> kinds;
  kinds.emplace_back(AsCollector(path), "collector");
  kinds.emplace_back(AsAgent(path), "agent");
  kinds.emplace_back(AsInventory(path), "inventory");
  const auto strangeness = [&file](const std::pair<CheckResult, absl::string_view>& kind) {
    const std::vector<std::string>& errors = kind.first.errors;
    const auto is_strange = [](const std::string& error) { return absl::StrContains(error, ":1: unknown key"); };
    const auto strange = std::count_if(errors.begin(), errors.end(), is_strange);
    const auto misspelt = std::count_if(errors.begin(), errors.end(), [&](const std::string& error) {
      return is_strange(error) && absl::StrContains(error, "; did you mean ");
    });
    return std::make_tuple(strange - misspelt, strange, errors.size(), !absl::StrContains(file, kind.second));
  };
  CheckResult& best = std::min_element(kinds.begin(), kinds.end(), [&](const auto& a, const auto& b) {
                        return strangeness(a) < strangeness(b);
                      })->first;
  // What is no YAML, or cannot be read at all, is of no kind.
  if (!best.errors.empty() &&
      std::all_of(kinds.begin(), kinds.end(), [&](const auto& kind) { return kind.first.errors == best.errors; })) {
    best.kind.clear();
    return std::move(best);
  }
  // Most of it is strange even to the kind that it fits best: its mistakes would be told of what it is not.
  const auto strange = std::count_if(best.errors.begin(), best.errors.end(), [&path](const std::string& error) {
    return absl::StartsWith(error, path + ":") && IsStrangeKey(error);
  });
  const bool named = std::any_of(kinds.begin(), kinds.end(),
                                 [&file](const auto& kind) { return absl::StrContains(file, kind.second); });
  if (!named && 2 * strange > CountTopKeys(path)) {
    return {"",
            {absl::StrCat(path,
                          ": fits no kind of file that ppmm reads: most keys at its top are strange to a "
                          "collector's configuration, to an agent's, and to an inventory")}};
  }
  return std::move(best);
}

std::string RenderCheck(const std::string& name, const CheckResult& result) {
  const std::string shown = EscapeForDisplay(name);
  if (result.errors.empty()) {
    return absl::StrCat(shown, ": ok (", result.kind, ")\n");
  }
  return absl::StrCat(absl::StrJoin(result.errors, "\n"), "\n",
                      HumanCount(static_cast<std::int64_t>(result.errors.size()), "error"), " in ", shown,
                      result.kind.empty() ? "" : absl::StrCat(", read as ", result.kind), ".\n");
}

std::string CheckJson(const std::string& name, const CheckResult& result) {
  nlohmann::ordered_json json{{"file", name}, {"kind", nullptr}, {"errors", result.errors}};
  if (!result.kind.empty()) {
    json["kind"] = result.kind;
  }
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace ppmm
