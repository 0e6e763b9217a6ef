#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
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

constexpr absl::string_view kUnnamed = "~other";

std::string CallerOf(const Json& row) {
  const std::string application = TextAt(row, "application");
  return application.empty() ? std::string(kUnnamed) : application;
}

bool IsOf(const Json& row, absl::string_view only) {
  return only.empty() || CallerOf(row) == only || TextAt(MemberAt(row, "remote"), "application") == only;
}

// Calls by whom nobody can name, unless they lead often to a service that is known; and one short connection to a
// service that nobody knows: of a tool that looks who is there, of a download.
bool SaysLittle(const Json& row) {
  constexpr double kOften = 100;
  constexpr double kShortBytes = 4096;
  const bool known_service = !TextAt(MemberAt(row, "remote"), "application").empty();
  const double connections = NumberAt(row, "connections").value_or(0);
  if (TextAt(row, "application").empty()) {
    return !known_service || connections < kOften;
  }
  return !known_service && connections <= 1 && NumberAt(row, "bytes").value_or(0) < kShortBytes &&
         !NumberAt(row, "calls_per_second").has_value();
}

}  // namespace

std::string RenderDependencies(const Json& dependencies, absl::string_view only, bool all, const Screen& screen) {
  std::vector<const Json*> shown;
  double folded = 0;
  int widest_endpoint = 0;
  for (const Json& row : ArrayAt(dependencies, "dependencies")) {
    if (!IsOf(row, only)) {
      continue;
    }
    if (only.empty() && !all && SaysLittle(row)) {
      ++folded;
      continue;
    }
    shown.push_back(&row);
    widest_endpoint = std::max(widest_endpoint, DisplayWidth(Endpoint(MemberAt(row, "remote"))));
  }
  // An address that is cut names nothing: any of IPv4, and the shorter ones of IPv6, stay whole.
  constexpr int kWholeEndpoint = 24;
  Table table({{"application", false, true},
               {"from host", false, true, true},
               {"calls", false, true},
               {"to host", false, true, true},
               {"at", false, true, false, std::min(widest_endpoint, kWholeEndpoint)},
               {"conns", true},
               {"bytes", true, false, true},
               {"calls/s", true},
               {"p50", true},
               {"p90", true, false, true},
               {"p99", true, false, false, 0, true}});
  bool without_agent = false;
  bool unnamed = false;
  bool older = false;
  bool at_least = false;
  for (const Json* const pointer : shown) {
    const Json& row = *pointer;
    const Json& remote = MemberAt(row, "remote");
    const std::string remote_host = TextAt(remote, "host");
    const std::string application = CallerOf(row);
    without_agent |= remote_host.empty();
    unnamed |= application == kUnnamed;
    const std::optional<double> connections = NumberAt(row, "connections");
    const std::optional<double> bytes = NumberAt(row, "bytes");
    older |= connections == 0;
    const Json& time = MemberAt(row, "call_time");
    const bool more = TrueAt(row, "calls_at_least");
    at_least |= more;
    table.AddRow({application, DashFor(TextAt(row, "host")), DashFor(TextAt(remote, "application")),
                  remote_host.empty() ? Cell("no agent", Tone::kWarning) : Cell(remote_host), Endpoint(remote),
                  connections.has_value() ? HumanNumber(*connections) : "-",
                  bytes.has_value() ? HumanBytes(*bytes) : "-",
                  absl::StrCat(more ? kAtLeast : "", OrDash(row, "calls_per_second", HumanNumber)),
                  OrDash(time, "p50_seconds", HumanSeconds), OrDash(time, "p90_seconds", HumanSeconds),
                  OrDash(time, "p99_seconds", HumanSeconds)});
  }
  const std::string days = HumanNumber(NumberAt(dependencies, "days").value_or(0));
  const std::string more = folded > 0 ? absl::StrCat(HumanNumber(folded), " more, of ", kUnnamed,
                                                     " or one short connection each: ppmm dependencies --all\n")
                                      : "";
  if (table.empty()) {
    return absl::StrCat("No call ", folded > 0 ? "that says much " : "",
                        only.empty() ? "of a monitored host" : absl::StrCat("of or to ", EscapeForDisplay(only)),
                        " was seen in the last ", days, " days.\n", more);
  }
  std::vector<std::string> too_wide;
  std::string out = table.Render(screen, 0, &too_wide);
  const bool shows_host = std::find(too_wide.begin(), too_wide.end(), "to host") == too_wide.end();
  if (!too_wide.empty()) {
    absl::StrAppend(&out,
                    Wrap(absl::StrCat("Does not fit here: ", absl::StrJoin(too_wide, ", "),
                                      "; a wider terminal (or COLUMNS) and --json have it."),
                         screen.width, 0, 0),
                    "\n");
  }
  const double left_out = NumberAt(dependencies, "left_out").value_or(0);
  absl::StrAppend(
      &out,
      Wrap(absl::StrCat("Of the last ", days, " days, by connections begun; counted each minute.",
                        older ? " 0: those that are used began before the agent." : "",
                        without_agent && shows_host ? " no agent: no monitored host has this address alone." : "",
                        unnamed ? " ~other: processes that ended before they were named." : ""),
           screen.width, 0, 0),
      "\n",
      Wrap("Calls and their times are of the last minute, as the caller waits for the first byte of an answer.",
           screen.width, 0, 0),
      "\n", at_least ? absl::StrCat(Wrap(kAtLeastNote, screen.width, 0, 0), "\n") : "", more,
      left_out > 0 ? absl::StrCat(HumanNumber(left_out), " more are left out.\n") : "");
  return out;
}

}  // namespace ppmm
