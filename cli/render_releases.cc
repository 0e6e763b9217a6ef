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

// "1.22.0 to 1.22.1"; a build without a version by its digest.
std::string ChangeOf(const Json& row) {
  const auto named = [&row](absl::string_view version, absl::string_view digest) {
    const std::string text = TextAt(row, version);
    constexpr std::size_t kDigits = 8;
    return !text.empty() ? text : absl::StrCat("build ", TextAt(row, digest).substr(0, kDigits));
  };
  const std::string before = TextAt(row, "previous_version") + TextAt(row, "previous_code_digest");
  return absl::StrCat(before.empty() ? "" : absl::StrCat(named("previous_version", "previous_code_digest"), " to "),
                      named("version", "code_digest"));
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
  Table table({{"when"},
               {"application", false, true},
               {"change", false, true},
               {"known by"},
               {"verdict"},
               {"requests", true},
               {"response time"},
               {"errors", false, false, true},
               {"cpu a request", false, false, true}});
  bool too_few = false;
  bool unannounced = false;
  for (const Json& row : ArrayAt(releases, "releases")) {
    std::vector<std::string> names = NamesAt(row, {"application", "key"});
    names.emplace_back(absl::StripPrefix(TextAt(row, "key"), "default/"));  // the name that a declared one hides
    if (!only.empty() && std::find(names.begin(), names.end(), only) == names.end()) {
      continue;
    }
    too_few |= !TrueAt(row, "enough_requests");
    unannounced |= TrueAt(row, "deployments_known") && TextAt(MemberAt(row, "deployment"), "source").empty();
    const std::optional<absl::Time> at = TimeAt(row, "at");
    table.AddRow({at.has_value() ? DateTimeText(screen, *at) : "-", TextAt(row, "application"), ChangeOf(row),
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
    absl::StrAppend(&out, "Does not fit here: ", absl::StrJoin(too_wide, ", "),
                    "; a wider terminal (or COLUMNS) and --json have it.\n");
  }
  absl::StrAppend(&out, "The hour before the new version to the hour after it; means over all instances.",
                  too_few ? " -: fewer than 59 requests in one of them." : "", "\n");
  if (unannounced) {
    out += "Not announced: no package of it was installed and nobody said `ppmm deployed` within 10 minutes.\n";
  }
  if (const std::optional<double> left_out = NumberAt(releases, "left_out"); left_out.value_or(0) > 0) {
    absl::StrAppend(&out, HumanCount(static_cast<std::int64_t>(*left_out), "older release"), " left out.\n");
  }
  return out;
}

}  // namespace ppmm
