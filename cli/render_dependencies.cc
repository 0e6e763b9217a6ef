#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/json_read.h"
#include "cli/render.h"
#include "cli/table.h"
#include "nlohmann/json.hpp"

#include "common/human.h"

namespace ppmm {
namespace {

using Json = nlohmann::json;

constexpr double kMaxPort = 65535;

// "10.0.0.5:5432", "[fd00::5]:5432".
std::string Endpoint(const Json& remote) {
  const std::string address = TextAt(remote, "address");
  const std::optional<double> port = NumberAt(remote, "port");
  return absl::StrCat(
      absl::StrContains(address, ':') ? absl::StrCat("[", address, "]") : address, ":",
      port.has_value() && *port >= 0 && *port <= kMaxPort ? absl::StrCat(static_cast<int>(*port)) : "-");
}

std::string OrDash(const Json& json, absl::string_view member, std::string (*words)(double)) {
  const std::optional<double> number = NumberAt(json, member);
  return number.has_value() ? words(*number) : "-";
}

}  // namespace

std::string RenderDependencies(const Json& dependencies, const Screen& screen) {
  Table table({{"application", false, true},
               {"on host", false, true, true},
               {"calls", false, true},
               {"on host", false, true},
               {"at", false, true},
               {"connections", true},
               {"bytes", true, false, true},
               {"calls/s", true},
               {"p50", true},
               {"p90", true, false, true},
               {"p99", true}});
  bool without_agent = false;
  bool unnamed = false;
  bool older = false;
  bool at_least = false;
  for (const Json& row : ArrayAt(dependencies, "dependencies")) {
    const Json& remote = MemberAt(row, "remote");
    const std::string remote_host = TextAt(remote, "host");
    const std::string application = TextAt(row, "application");
    without_agent |= remote_host.empty();
    unnamed |= application.empty();
    const std::optional<double> connections = NumberAt(row, "connections");
    const std::optional<double> bytes = NumberAt(row, "bytes");
    older |= connections == 0;
    const Json& time = MemberAt(row, "call_time");
    const bool more = TrueAt(row, "calls_at_least");
    at_least |= more;
    table.AddRow({application.empty() ? "~other" : application, DashFor(TextAt(row, "host")),
                  DashFor(TextAt(remote, "application")),
                  remote_host.empty() ? Cell("no agent", Tone::kWarning) : Cell(remote_host), Endpoint(remote),
                  connections.has_value() ? HumanNumber(*connections) : "-",
                  bytes.has_value() ? HumanBytes(*bytes) : "-",
                  absl::StrCat(more ? kAtLeast : "", OrDash(row, "calls_per_second", HumanNumber)),
                  OrDash(time, "p50_seconds", HumanSeconds), OrDash(time, "p90_seconds", HumanSeconds),
                  OrDash(time, "p99_seconds", HumanSeconds)});
  }
  const std::string days = HumanNumber(NumberAt(dependencies, "days").value_or(0));
  if (table.empty()) {
    return absl::StrCat("No call of a monitored host was seen in the last ", days, " days.\n");
  }
  const double left_out = NumberAt(dependencies, "left_out").value_or(0);
  return absl::StrCat(table.Render(screen),
                      Wrap(absl::StrCat("Of the last ", days, " days, by connections begun; counted each minute.",
                                        older ? " 0: those that are used began before the agent." : "",
                                        without_agent ? " no agent: no monitored host has this address alone." : "",
                                        unnamed ? " ~other: processes that ended before they were named." : ""),
                           screen.width, 0, 0),
                      "\nCalls and their times are of the last minute, as the caller waits for the first byte of an "
                      "answer.\n",
                      at_least ? absl::StrCat(Wrap(kAtLeastNote, screen.width, 0, 0), "\n") : "",
                      left_out > 0 ? absl::StrCat(HumanNumber(left_out), " more are left out.\n") : "");
}

}  // namespace ppmm
