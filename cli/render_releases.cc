#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cli/json_read.h"
#include "cli/render.h"
#include "cli/table.h"
#include "nlohmann/json.hpp"

#include "common/human.h"

namespace ppmm {
namespace {

using Json = nlohmann::json;

// Of a change the part that must be seen: both ends.
constexpr int kWholeChange = 33;

// "1.22.0 to 1.22.1"; a build without a version by its digest: "build cc1c8209 to 4c538a08". What people call the new
// one goes first: "build cc1c8209 to 1.1 (4c538a08)". Where it is long and the screen narrow, each end gives way.
std::string ChangeOf(const Json& row, const Screen& screen) {
  constexpr int kWideScreen = 120;
  constexpr std::size_t kDigits = 8;
  const std::string old_version = TextAt(row, "previous_version");
  const std::string old_digest = TextAt(row, "previous_code_digest").substr(0, kDigits);
  const std::string new_version = TextAt(row, "version");
  const std::string new_digest = TextAt(row, "code_digest").substr(0, kDigits);
  const std::string announced = TextAt(MemberAt(row, "deployment"), "source") == "ppmm_deployed"
                                    ? TextAt(MemberAt(row, "deployment"), "version")
                                    : "";
  const std::string before = !old_version.empty()  ? old_version
                             : !old_digest.empty() ? absl::StrCat("build ", old_digest)
                                                   : "";
  const bool builds = !before.empty() && old_version.empty();
  const std::string own = !new_version.empty() ? new_version : absl::StrCat(builds ? "" : "build ", new_digest);
  const std::string after = announced.empty() || announced == new_version ? own
                            : new_version.empty() && new_digest.empty()   ? announced
                                                                          : absl::StrCat(announced, " (", own, ")");
  if (before.empty()) {
    return after;
  }
  constexpr absl::string_view kTo = " to ";
  int room_before = DisplayWidth(before);
  int room_after = DisplayWidth(after);
  if (screen.width < kWideScreen) {
    const int room = kWholeChange - DisplayWidth(kTo);
    room_after = std::max(room - room_before, std::min(room_after, room / 2));
    room_before = std::max(room - DisplayWidth(after), std::min(room_before, room / 2));
  }
  return absl::StrCat(CutTo(before, room_before), kTo, CutTo(after, room_after));
}

// "12 ms to 15 ms"; "-" where a side has no number, or too few requests to mean something.
std::string BeforeAfter(const Json& row, absl::string_view key, std::string (*human)(double)) {
  const std::optional<double> before = NumberAt(MemberAt(row, "before"), key);
  const std::optional<double> after = NumberAt(MemberAt(row, "after"), key);
  return !TrueAt(row, "enough_requests") || !before.has_value() || !after.has_value()
             ? "-"
             : absl::StrCat(human(*before), " to ", human(*after));
}

// How it became known that the release came.
std::string KnownBy(const Json& row, const std::optional<absl::Time>& to) {
  const Json& deployment = MemberAt(row, "deployment");
  if (TextAt(deployment, "source") == "package_log") {
    return "package log";
  }
  if (!TextAt(deployment, "source").empty()) {
    const std::string who = TextAt(deployment, "told_by");
    return who.empty() ? "ppmm deployed" : absl::StrCat("ppmm deployed, ", who);
  }
  if (!TrueAt(row, "deployments_known")) {
    return "-";
  }
  const std::optional<absl::Time> at = TimeAt(row, "at");
  return at.has_value() && to.has_value() && *to - *at < absl::Minutes(10) ? "not announced yet" : "not announced";
}

// What the collector found when an hour, or a day, of it was over; "-": neither is.
std::string VerdictText(const Json& row) {
  std::string text = "-";
  for (const Json& verdict : ArrayAt(row, "verdicts")) {
    text = TextAt(verdict, "verdict");
    absl::StrAppend(&text, NumberAt(verdict, "minutes").value_or(0) > 60 ? " (a day)" : " (an hour)");
  }
  return text;
}

}  // namespace

std::string RenderReleases(const Json& releases, absl::string_view only, const Screen& screen) {
  std::vector<const Json*> shown;
  int widest_change = 0;
  for (const Json& row : ArrayAt(releases, "releases")) {
    std::vector<std::string> names = NamesAt(row, {"application", "key"});
    names.emplace_back(absl::StripPrefix(TextAt(row, "key"), "default/"));  // the name that a declared one hides
    if (only.empty() || std::find(names.begin(), names.end(), only) != names.end()) {
      shown.push_back(&row);
      widest_change = std::max(widest_change, DisplayWidth(ChangeOf(row, screen)));
    }
  }
  Table table({{"when"},
               {"application", false, true},
               {"change", false, true, false, std::min(widest_change, kWholeChange)},
               {"known by", false, false, true},
               {"verdict", false, false, false, 0, true},
               {"requests", true, false, true},
               {"response time"},
               {"errors", false, false, true},
               {"cpu a request", false, false, true}});
  bool too_few = false;
  bool unannounced = false;
  for (const Json* const pointer : shown) {
    const Json& row = *pointer;
    too_few |= !TrueAt(row, "enough_requests");
    unannounced |= TrueAt(row, "deployments_known") && TextAt(MemberAt(row, "deployment"), "source").empty();
    const std::optional<absl::Time> at = TimeAt(row, "at");
    table.AddRow({at.has_value() ? DateTimeText(screen, *at) : "-", TextAt(row, "application"), ChangeOf(row, screen),
                  KnownBy(row, TimeAt(releases, "to")), VerdictText(row),
                  absl::StrCat(HumanNumber(NumberAt(MemberAt(row, "before"), "requests").value_or(0)), " to ",
                               HumanNumber(NumberAt(MemberAt(row, "after"), "requests").value_or(0))),
                  BeforeAfter(row, "mean_response_seconds", HumanSeconds),
                  BeforeAfter(row, "error_ratio", HumanPercent),
                  BeforeAfter(row, "cpu_seconds_per_request", HumanSeconds)});
  }
  if (table.empty()) {
    return absl::StrCat("No new version", only.empty() ? "" : absl::StrCat(" of ", only),
                        " was seen in the last 28 days.\n");
  }
  std::vector<std::string> too_wide;
  std::string out = table.Render(screen, 0, &too_wide);
  if (!too_wide.empty()) {
    absl::StrAppend(&out,
                    Wrap(absl::StrCat("Does not fit here: ", absl::StrJoin(too_wide, ", "),
                                      "; a wider terminal (or COLUMNS) and --json have it."),
                         screen.width, 0, 0),
                    "\n");
  }
  absl::StrAppend(&out,
                  Wrap(absl::StrCat("The hour before the new version to the hour after it; means over all instances.",
                                    too_few ? " -: fewer than 59 requests in one of them." : ""),
                       screen.width, 0, 0),
                  "\n");
  if (unannounced && std::find(too_wide.begin(), too_wide.end(), "known by") == too_wide.end()) {
    absl::StrAppend(
        &out,
        Wrap("Not announced: no package of it was installed and nobody said `ppmm deployed` within 10 minutes.",
             screen.width, 0, 0),
        "\n");
  }
  if (const std::optional<double> left_out = NumberAt(releases, "left_out"); left_out.value_or(0) > 0) {
    absl::StrAppend(&out, HumanCount(static_cast<std::int64_t>(*left_out), "older release"), " left out.\n");
  }
  return out;
}

}  // namespace ppmm
