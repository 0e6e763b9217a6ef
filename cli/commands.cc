#include "cli/commands.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "cli/check.h"
#include "cli/json_read.h"
#include "cli/render.h"
#include "nlohmann/json.hpp"

#include "common/config_loader.h"
#include "common/log.h"
#include "common/nearest.h"

namespace ppmm {
namespace {

using Json = nlohmann::json;

int Fail(const CommandContext& context, int code, absl::string_view message, absl::string_view cause = "") {
  *context.error << "ppmm: " << message << "\n";
  if (context.verbose && !cause.empty()) {
    *context.error << "  cause: " << cause << "\n";
  }
  return code;
}

// An answer of the API, or the exit code of what was said instead.
struct Answer {
  std::optional<Json> json;
  std::string text;
  int status = 0;
  int exit_code = kExitOk;
};

// `member`: what the answer of any ppmm-collector has.
Answer Ask(const CommandContext& context, const std::string& path, absl::string_view member) {
  Answer answer;
  std::string cause;
  const absl::StatusOr<HttpAnswer> http = context.get(path, &cause);
  if (!http.ok()) {
    const int code = absl::IsInvalidArgument(http.status()) ? kExitUsage : kExitUnreachable;
    answer.exit_code = Fail(context, code, http.status().message(), cause);
    return answer;
  }
  answer.status = http->status;
  answer.text = http->body;
  absl::StatusOr<Json> json = ParseJson(http->body);
  if (http->status == 200 && json.ok() && !MemberAt(*json, member).is_null()) {
    answer.json = *std::move(json);
    return answer;
  }
  const std::string said = json.ok() ? TextAt(*json, "error") : "";
  if (http->status == 404 && !said.empty()) {
    answer.exit_code = kExitUsage;  // the caller knows what is missing
    return answer;
  }
  const std::string body = EscapeForDisplay(http->body, 500);
  const std::string at =
      context.collector.empty() ? " there" : absl::StrCat(" at ", EscapeForDisplay(context.collector));
  if (http->status == 400) {
    answer.exit_code = Fail(context, kExitUsage, said.empty() ? "the collector refused the request" : said, body);
  } else if (http->status == 503) {
    answer.exit_code = Fail(context, kExitUnreachable, absl::StrCat("the collector has no answer yet: ", said), body);
  } else if (http->status == 421) {  // in the server's own words, with the cure
    answer.exit_code = Fail(context, kExitUnreachable,
                            absl::StrCat("the collector refused: ", absl::StripTrailingAsciiWhitespace(body)));
  } else if (http->status == 200) {
    answer.exit_code =
        Fail(context, kExitUnreachable,
             absl::StrCat("what answers", at, " is no ppmm-collector; name it with --collector URL"), body);
  } else {
    answer.exit_code = Fail(context, kExitUnreachable,
                            said.empty() ? absl::StrCat("what answers", at, " said ", http->status,
                                                        ": is that a ppmm-collector? Name it with --collector URL")
                                         : absl::StrCat("the collector answered ", http->status, ": ", said),
                            body);
  }
  return answer;
}

// Prints what `render` makes of the answer, or the answer as it is.
template <class Render>
int Print(const CommandContext& context, const Answer& answer, const Render& render) {
  if (!answer.json.has_value()) {
    if (answer.status == 404 && answer.exit_code == kExitUsage) {
      return Fail(context, kExitUnreachable, "this collector does not answer that; it may be older than this command",
                  EscapeForDisplay(answer.text, 500));
    }
    return answer.exit_code;
  }
  *context.out << (context.json ? absl::StrCat(answer.text, "\n") : render(*answer.json));
  return kExitOk;
}

// An id of an activity as people shorten it, in full: "mon-1" and "MON1" are MON-001.
std::string WrittenOut(absl::string_view id) {
  const auto is_digit = [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); };
  const auto digits = static_cast<std::size_t>(std::find_if(id.begin(), id.end(), is_digit) - id.begin());
  int number = 0;
  if (digits == 0 || !absl::SimpleAtoi(id.substr(digits), &number)) {
    return std::string(id);
  }
  return absl::StrFormat("%s-%03d", absl::AsciiStrToUpper(absl::StripSuffix(id.substr(0, digits), "-")), number);
}

// `; there are "db1", "web1" and 3 more`, each once.
std::string ThereAre(std::vector<std::string> names) {
  constexpr std::size_t kNamed = 8;
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kNamed); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", "\"", EscapeForDisplay(names[i]), "\"");
  }
  return names.empty()
             ? "; there is none yet"
             : absl::StrCat(names.size() == 1 ? "; there is " : "; there are ", text,
                            names.size() > kNamed ? absl::StrCat(" and ", names.size() - kNamed, " more") : "");
}

// Whether a row has that name under one of the keys; else says so, with the one nearest to it, or to what was meant.
bool Knows(const CommandContext& context, absl::string_view what, const Json& rows,
           std::initializer_list<absl::string_view> keys, const std::string& name, const std::string& meant) {
  std::vector<std::string> names;
  std::vector<std::string> shown;  // of each row the shortest
  for (const Json& row : rows) {
    shown.push_back(TextAt(row, *std::prev(keys.end())));
    for (std::string& one : NamesAt(row, keys)) {
      names.push_back(std::move(one));
    }
  }
  if (std::find(names.begin(), names.end(), name) != names.end()) {
    return true;
  }
  const std::string nearest = DidYouMean(meant, names);
  Fail(context, kExitUsage,
       absl::StrCat("no ", what, " \"", EscapeForDisplay(name), "\"",
                    !nearest.empty()     ? nearest
                    : what == "activity" ? " (ppmm activities lists them)"
                                         : ThereAre(std::move(shown))));
  return false;
}

template <class Render>
int PrintOne(const CommandContext& context, const Answer& answer, absl::string_view what, absl::string_view list,
             std::initializer_list<absl::string_view> keys, const std::string& only, const Render& render) {
  if (answer.json.has_value() && !only.empty() &&
      !Knows(context, what, ArrayAt(*answer.json, list), keys, only, only)) {
    return kExitUsage;
  }
  return Print(context, answer, render);
}

// The places of which nothing was found; of many hosts the number.
std::vector<std::string> HealthyOf(const std::vector<std::string>& places, const std::vector<DoctorFinding>& findings) {
  constexpr std::size_t kNamed = 10;
  std::set<std::string> told;
  for (const DoctorFinding& finding : findings) {
    told.insert(finding.where);
    for (const DoctorFinding::Host& host : finding.hosts) {
      told.insert(host.name);
    }
  }
  std::vector<std::string> healthy;
  for (const std::string& place : places) {
    if (told.insert(place).second) {
      healthy.push_back(place);
    }
  }
  if (healthy.size() > kNamed) {
    const std::size_t others = healthy.size() - (kNamed - 1);
    healthy.resize(kNamed - 1);
    healthy.push_back(absl::StrCat(others, " other hosts"));
  }
  return healthy;
}

}  // namespace

int RatingCommand(const CommandContext& context) {
  return Print(context, Ask(context, "/api/v1/rating", "level"),
               [&](const Json& json) { return RenderRating(json, context.screen); });
}

int NextStepsCommand(const CommandContext& context) {
  return Print(context, Ask(context, "/api/v1/next-steps", "next_steps"),
               [&](const Json& json) { return RenderNextSteps(json, context.screen); });
}

int ActivitiesCommand(const CommandContext& context, bool waiting) {
  return Print(context, Ask(context, "/api/v1/activities", "activities"),
               [&](const Json& json) { return RenderActivities(json, waiting, context.screen); });
}

int ExplainCommand(const CommandContext& context, const std::string& activity) {
  const std::string written_out = WrittenOut(activity);
  const Answer answer = Ask(context, absl::StrCat("/api/v1/activities/", UrlPart(written_out)), "id");
  if (answer.json.has_value() && written_out != activity) {
    *context.error << EscapeForDisplay(activity) << ": taken as " << written_out << "\n";
  }
  if (answer.status == 404) {
    const Answer all = Ask(context, "/api/v1/activities", "activities");
    // The number alone is no likeness: FOO-001 is not meant to be MON-001.
    const auto letters = [](const std::string& id) { return id.substr(0, id.find('-')); };
    const Json rows = all.json.has_value() ? ArrayAt(*all.json, "activities") : Json::array();
    const bool alike = std::any_of(rows.begin(), rows.end(), [&](const Json& row) {
      return EditDistance(letters(written_out), letters(TextAt(row, "id"))) <= 1;
    });
    if (all.json.has_value() && !alike) {
      return Fail(context, kExitUsage,
                  absl::StrCat("no activity \"", EscapeForDisplay(activity), "\" (ppmm activities lists them)"));
    }
    if (all.json.has_value() && !Knows(context, "activity", rows, {"id"}, activity, written_out)) {
      return kExitUsage;
    }
  }
  return Print(context, answer, [&](const Json& json) { return RenderExplain(json, context.screen); });
}

int ApplicationsCommand(const CommandContext& context, const std::string& window, const std::string& only, bool all) {
  const Answer answer = Ask(context, absl::StrCat("/api/v1/applications?window=", UrlPart(window)), "applications");
  return PrintOne(context, answer, "application", "applications", {"key", "shown_as", "name"}, only,
                  [&](const Json& json) { return RenderApplications(json, only, all, context.screen); });
}

int HostsCommand(const CommandContext& context, const std::string& only) {
  return PrintOne(context, Ask(context, "/api/v1/hosts", "hosts"), "host", "hosts", {"host"}, only,
                  [&](const Json& json) { return RenderHosts(json, only, context.screen); });
}

int DependenciesCommand(const CommandContext& context, const std::string& only, bool all) {
  const Answer answer = Ask(context, "/api/v1/dependencies", "dependencies");
  std::string shown = only;
  const auto has_calls = [&only](const Json& row) {
    return TextAt(row, "application") == only || TextAt(MemberAt(row, "remote"), "application") == only;
  };
  if (answer.json.has_value() && !only.empty() && only != "~other" &&
      std::none_of(ArrayAt(*answer.json, "dependencies").begin(), ArrayAt(*answer.json, "dependencies").end(),
                   has_calls)) {
    // A key, the discovered name of what a declared one hides, or an application without calls.
    const Answer applications = Ask(context, "/api/v1/applications?window=60s", "applications");
    if (!applications.json.has_value()) {
      return applications.exit_code == kExitOk ? kExitUnreachable : applications.exit_code;
    }
    const Json& rows = ArrayAt(*applications.json, "applications");
    if (!Knows(context, "application", rows, {"key", "shown_as", "name"}, only, only)) {
      return kExitUsage;
    }
    for (const Json& row : rows) {
      const std::vector<std::string> names = NamesAt(row, {"key", "shown_as", "name"});
      if (std::find(names.begin(), names.end(), only) != names.end()) {
        shown = ShownAs(row);
        break;
      }
    }
  }
  return Print(context, answer, [&](const Json& json) { return RenderDependencies(json, shown, all, context.screen); });
}

int ReleasesCommand(const CommandContext& context, const std::string& only) {
  return Print(context, Ask(context, "/api/v1/releases", "releases"),
               [&](const Json& json) { return RenderReleases(json, only, context.screen); });
}

namespace {

// Nothing: it is no time. What lacks a date is of the day of `screen.now`.
std::optional<absl::Time> TypedTime(const std::string& text, const Screen& screen) {
  absl::Time time;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, nullptr)) {
    return time;
  }
  const std::string today = absl::FormatTime("%Y-%m-%d ", screen.now, screen.zone);
  for (const std::string& full : {text, today + text}) {
    for (const char* const format : {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"}) {
      if (absl::ParseTime(format, full, screen.zone, &time, nullptr)) {
        return time;
      }
    }
  }
  return std::nullopt;
}

}  // namespace

int DeployedCommand(const CommandContext& context, const std::string& application, const std::string& version,
                    const std::string& at) {
  Json said = {{"application", application}, {"version", version}};
  if (!at.empty()) {
    const std::optional<absl::Time> time = TypedTime(at, context.screen);
    if (!time.has_value()) {
      return Fail(context, kExitUsage,
                  absl::StrCat("\"", EscapeForDisplay(at),
                               "\" is no time; write --at '2026-11-22 13:00', --at 13:00 or --at "
                               "2026-11-22T13:00:00Z"));
    }
    said["at"] = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", *time, absl::UTCTimeZone());
  }
  std::string cause;
  const absl::StatusOr<HttpAnswer> http =
      context.post("/api/v1/deployments", said.dump(-1, ' ', false, Json::error_handler_t::replace), &cause);
  if (!http.ok()) {
    return Fail(context, absl::IsPermissionDenied(http.status()) ? kExitNotPermitted : kExitUnreachable,
                http.status().message(), cause);
  }
  const absl::StatusOr<Json> json = ParseJson(http->body);
  const std::string error = json.ok() ? TextAt(*json, "error") : "";
  if (http->status != 200 || !json.ok()) {
    const bool is_mistake = http->status == 400 || (http->status == 404 && absl::StartsWith(error, "no application"));
    return Fail(context, is_mistake ? kExitUsage : kExitUnreachable,
                !is_mistake && (http->status == 404 || http->status == 405)
                    ? "this collector does not take deployments; it may be older than this command"
                : error.empty() ? absl::StrCat("the collector answered ", http->status)
                                : error,
                EscapeForDisplay(http->body, 500));
  }
  if (context.json) {
    *context.out << http->body << "\n";
    return kExitOk;
  }
  const std::optional<absl::Time> noted = TimeAt(*json, "at");
  *context.out << TextAt(*json, "application") << " " << TextAt(*json, "version") << ", deployed "
               << (noted.has_value() ? DateTimeText(context.screen, *noted) : "-")
               << (TrueAt(*json, "is_new") ? ": noted" : ": was noted before") << " (ppmm releases "
               << TextAt(*json, "application") << ")\n";
  return kExitOk;
}

int InventoryShowCommand(const CommandContext& context) {
  return Print(context, Ask(context, "/api/v1/inventory", "hosts"),
               [&](const Json& json) { return RenderInventory(json, context.screen); });
}

int StatusCommand(const CommandContext& context) {
  return Print(context, Ask(context, "/api/v1/status", "ready"),
               [&](const Json& json) { return RenderStatus(json, context.screen); });
}

int CheckCommand(const CommandContext& context, const std::string& file) {
  if (const absl::Status readable = ReadConfigFile(file).status(); !readable.ok()) {
    return Fail(context, kExitUsage, readable.message());
  }
  const CheckResult result = CheckFile(file);
  *context.out << (context.json ? absl::StrCat(CheckJson(file, result), "\n") : RenderCheck(file, result));
  return result.errors.empty() ? kExitOk : kExitConfigInvalid;
}

int DoctorCommand(const CommandContext& context, const HostProbe& probe) {
  std::string cause;
  const auto get = [&](const std::string& path) -> absl::StatusOr<Json> {
    const absl::StatusOr<HttpAnswer> answer = context.get(path, &cause);
    return ParseJson(answer.ok() && answer->status == 200 ? answer->body : "");
  };
  const Json hosts = get("/api/v1/hosts").value_or(Json());
  std::vector<DoctorFinding> findings = FindingsOfHost(probe, hosts, context.screen.now);
  const auto add = [&](std::vector<DoctorFinding> more) {
    findings.insert(findings.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  std::vector<std::string> places = {probe.host};
  // Whether the collector answers is a finding, so nothing is said of it apart.
  const absl::StatusOr<HttpAnswer> status = context.get("/api/v1/status", &cause);
  if (!status.ok()) {
    add({{"collector", std::string(status.status().message()), "nothing is kept or rated",
          "systemctl start ppmm-collector"}});
  } else {
    places.emplace_back("collector");
    const absl::StatusOr<Json> json = ParseJson(status->body);
    if (status->status != 200 || !json.ok() || MemberAt(*json, "ready").is_null()) {
      add({{"collector", absl::StrCat("answers ", status->status, " when asked for its status"), "",
            "name a ppmm-collector with --collector URL"}});
    } else {
      add(FindingsOfStatus(*json));
    }
    for (const Json& row : ArrayAt(hosts, "hosts")) {
      places.push_back(TextAt(row, "host"));
    }
    add(FindingsOfHosts(hosts, context.screen.now));
  }
  *context.out << (context.json ? absl::StrCat(DoctorJson(findings), "\n")
                                : RenderDoctor(findings, HealthyOf(places, findings), context.screen));
  return CountCurable(findings) == 0 ? kExitOk : kExitFindings;
}

}  // namespace ppmm
