#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/json_read.h"
#include "cli/render.h"
#include "cli/table.h"
#include "nlohmann/json.hpp"

#include "common/human.h"

namespace ppmm {
namespace {

using Json = nlohmann::json;

constexpr int kBarWidth = 20;

Tone ToneOf(absl::string_view status) {
  if (status == "satisfied") {
    return Tone::kGood;
  }
  if (status == "not_satisfied" || status == "contradicted") {
    return Tone::kBad;
  }
  return status == "undecided" || status == "no_source" ? Tone::kWarning : Tone::kDim;
}

// What is proven as '#', what may yet be as '=', the rest as '-'.
std::string Bar(double low, double high) {
  const auto cells = [](double ratio) {
    return std::clamp(static_cast<int>(std::floor(ratio * kBarWidth + 1e-9)), 0, kBarWidth);
  };
  const int proven = cells(low);
  const int possible = std::max(proven, cells(high));
  return std::string(static_cast<std::size_t>(proven), '#') +
         std::string(static_cast<std::size_t>(possible - proven), '=') +
         std::string(static_cast<std::size_t>(kBarWidth - possible), '-');
}

std::string PercentRange(double low, double high) {
  if (low <= 0 && high > 0 && high < 0.01) {
    return "<1 %";
  }
  const std::string low_text = HumanPercent(low);
  const std::string high_text = HumanPercent(high);
  return low_text == high_text ? low_text : absl::StrCat(low_text.substr(0, low_text.size() - 2), "-", high_text);
}

std::string Ladder(const Json& progress, const Screen& screen) {
  std::string out;
  for (const char* const rung : {"2.1", "2.2", "2.3", "3", "4", "5"}) {
    const Json& interval = MemberAt(progress, rung);
    const std::optional<double> low = NumberAt(interval, "low");
    const std::optional<double> high = NumberAt(interval, "high");
    if (!low.has_value() || !high.has_value()) {
      continue;
    }
    absl::StrAppend(&out, absl::StrFormat("  %-3s  ", rung),
                    Toned(screen, *low >= 1 ? Tone::kGood : Tone::kPlain, Bar(*low, *high)), "  ",
                    PercentRange(*low, *high), "\n");
  }
  return out;
}

std::string WorkOf(const Json& row) {
  const std::optional<double> minutes = NumberAt(row, "minutes_of_work");
  return minutes.has_value() ? HumanWork(*minutes) : "-";
}

// A cure that is a command is to be typed: its column is not cut below the longest.
Column CureColumn(const Json& rows) {
  Column column{"cure", false, true};
  for (const Json& row : rows) {
    column.least = std::max(column.least, DisplayWidth(TextAt(row, "command")));
  }
  return column;
}

// What blocks and can be cured now.
std::string BlockingTable(const Json& rating, const Screen& screen) {
  Table table({{"activity"},
               {"what stops you", false, true},
               {"role", false, false, true},
               {"work", true},
               CureColumn(ArrayAt(rating, "blocking"))});
  for (const Json& row : ArrayAt(rating, "blocking")) {
    if (TextAt(row, "status") == "undecided") {
      continue;
    }
    const std::string id = TextAt(row, "activity");
    std::string reason = TextAt(row, "reason");
    table.AddRow({{id, ToneOf(TextAt(row, "status"))},
                  reason.empty() ? TextAt(row, "title") : reason,
                  TextAt(row, "role"),
                  WorkOf(row),
                  TextAt(row, "cure")});
  }
  return table.empty() ? ""
                       : absl::StrCat(Toned(screen, Tone::kHeading, "Stops you now"), "\n", table.Render(screen, 2));
}

std::string WaitingLine(const Json& waiting, const Screen& screen) {
  const auto count = static_cast<std::int64_t>(NumberAt(waiting, "activities").value_or(0));
  const std::optional<absl::Time> last = TimeAt(waiting, "until");
  if (count <= 0) {
    return "";
  }
  return absl::StrCat("Waits for time: ", count,
                      last.has_value() ? absl::StrCat(", the last until ", DateText(screen, *last)) : "",
                      " (ppmm activities --waiting)\n");
}

// "Then 2.2: ..."; the label says what the next rung itself needs.
std::string AfterNextLine(const Json& after, const Screen& screen) {
  const std::string words = TextAt(after, "words");
  const std::string activity = TextAt(after, "activity");
  if (words.empty()) {
    return "";
  }
  return absl::StrCat("\n",
                      Wrap(absl::StrCat("Then ", TextAt(after, "rung"), ": ", words,
                                        activity.empty() ? "" : absl::StrCat(" (ppmm explain ", activity, ")")),
                           screen.width, 2, 0),
                      "\n");
}

std::string ProvisionalText(const Json& rating) {
  const Json& provisional = MemberAt(rating, "provisional");
  const std::string label = TextAt(provisional, "label");
  // The label says from how much evidence.
  return label.empty() ? "" : absl::StrCat("Today's evidence, if it holds: ", label, "\n");
}

// "412 hosts count: 3 miss, 1 may miss"; "2 hosts count: 2 wait, 0 may miss". Empty of the organization, which is one.
std::string CountsOf(const Json& criterion) {
  const std::optional<double> counted = NumberAt(criterion, "counted");
  const std::string scope = TextAt(criterion, "scope");
  if (!counted.has_value() || *counted < 1 || scope == "organization") {
    return "";
  }
  const double misses = NumberAt(criterion, "misses").value_or(0) + NumberAt(criterion, "tier_1_misses").value_or(0);
  const std::string status = TextAt(criterion, "status");
  const bool one = misses == 1;
  const absl::string_view what = status == "undecided"   ? (one ? " waits" : " wait")
                                 : status == "no_source" ? (one ? " has no source" : " have no source")
                                                         : (one ? " misses" : " miss");
  return absl::StrCat(HumanCount(static_cast<std::int64_t>(*counted), scope),
                      *counted == 1 ? " counts: " : " count: ", HumanNumber(misses), what, ", ",
                      HumanNumber(NumberAt(criterion, "allowed").value_or(0)), " may miss");
}

// What tells two criteria of one activity apart that ask the same kind of scope: "unseen hosts, at most 5 %".
std::string MeasureText(const Json& criterion) {
  const std::string measure = TextAt(criterion, "measure");
  const std::optional<double> value = NumberAt(criterion, "value");
  const std::string unit = TextAt(criterion, "unit");
  if (measure.empty() || !value.has_value() || unit == "yes_no") {
    return measure;
  }
  return absl::StrCat(measure, TextAt(criterion, "bound") == "at_most" ? ", at most " : ", at least ",
                      unit == "share"  ? HumanPercent(*value)
                      : unit == "days" ? absl::StrCat(HumanNumber(*value), " d")
                                       : HumanNumber(*value));
}

std::string CriterionText(const Json& criterion, bool alone, const Screen& screen) {
  constexpr std::size_t kRows = 20;
  std::string out;
  const std::string reason = TextAt(criterion, "reason");
  const std::string counts = CountsOf(criterion);
  absl::StrAppend(&out, "\n", Toned(screen, Tone::kHeading, absl::StrCat("Per ", TextAt(criterion, "scope"))),
                  alone || MeasureText(criterion).empty() ? "" : absl::StrCat(": ", MeasureText(criterion)),
                  counts.empty() ? "" : absl::StrCat("  ", counts), "\n");
  if (!reason.empty()) {
    absl::StrAppend(&out, "  ", Wrap(reason, screen.width, 2, 2), "\n");
  }
  const Json& scopes = ArrayAt(criterion, "scopes");
  Table table({{TextAt(criterion, "scope"), false, true},
               {"status"},
               {"achieved", true},
               {"measured", false, true},
               {"tier", true, false, true}});
  std::size_t shown = 0;
  for (const Json& scope : scopes) {
    if (shown == kRows) {
      break;
    }
    ++shown;
    const std::optional<double> achievement = NumberAt(scope, "achievement");
    const std::optional<double> tier = NumberAt(scope, "tier");
    std::string words = TextAt(scope, "words");
    const std::string why = TextAt(scope, "reason");
    if (words.empty()) {
      words = why;
    } else if (TextAt(scope, "status") == "satisfied" && !why.empty()) {
      absl::StrAppend(&words, "; ", why);  // what it leaves out
    }
    table.AddRow({TextAt(scope, "scope"),
                  {StatusWords(scope, screen), ToneOf(TextAt(scope, "status"))},
                  achievement.has_value() ? HumanPercent(*achievement) : "-",
                  words.empty() ? "-" : words,
                  tier.has_value() ? HumanNumber(*tier) : ""});
  }
  if (!table.empty()) {
    absl::StrAppend(&out, table.Render(screen, 2));
  }
  const auto total = static_cast<std::size_t>(NumberAt(criterion, "scopes_total").value_or(0));
  if (total > shown) {
    absl::StrAppend(&out, "  ", total - shown, " more (--json lists 200)\n");
  }
  return out;
}

}  // namespace

std::string StatusWords(const Json& row, const Screen& screen) {
  const std::string status = TextAt(row, "status");
  if (status == "satisfied") {
    return "ok";
  }
  if (status == "not_satisfied") {
    return "fails";
  }
  if (status == "undecided") {
    const std::optional<absl::Time> until = TimeAt(row, "decidable_at");
    return until.has_value() ? absl::StrCat("waits until ", DateText(screen, *until)) : "undecided";
  }
  if (status == "no_source") {
    return "no source";
  }
  if (status == "not_applicable") {
    return "not applicable";
  }
  return status.empty() ? "-" : status;
}

std::string RenderRating(const Json& rating, const Screen& screen) {
  std::string out;
  const std::string organization = TextAt(rating, "organization");
  std::string label = TextAt(rating, "label");
  if (label.empty()) {
    label = absl::StrCat("Level ", TextAt(rating, "published"));
  }
  absl::StrAppend(&out, Toned(screen, Tone::kHeading, label),
                  organization.empty() ? "" : absl::StrCat("  ", organization), "\n", ProvisionalText(rating));
  if (TrueAt(rating, "watch")) {
    absl::StrAppend(&out, Toned(screen, Tone::kBad, "On watch"), ": ", JoinedAt(rating, "watch_reasons"), "\n");
  }
  absl::StrAppend(&out, "\n", Ladder(MemberAt(rating, "progress"), screen));
  const std::string blocking = BlockingTable(rating, screen);
  const std::string waiting = WaitingLine(MemberAt(rating, "waiting"), screen);
  absl::StrAppend(&out, blocking.empty() ? "" : "\n", blocking, waiting.empty() ? "" : "\n", waiting,
                  AfterNextLine(MemberAt(rating, "after_next"), screen));
  const std::optional<absl::Time> evaluated = TimeAt(rating, "evaluated_at");
  const std::optional<absl::Time> held = TimeAt(rating, "held_since");
  absl::StrAppend(&out, "\n");
  if (held.has_value()) {
    absl::StrAppend(&out, "Held since ", DateText(screen, *held), ". ");
  }
  if (evaluated.has_value()) {
    absl::StrAppend(&out, "Evaluated ", HumanAge(*evaluated, screen.now), ". ");
  }
  absl::StrAppend(&out, "What to do: ppmm next-steps\n");
  return out;
}

namespace {

void AddLater(const std::string& comes_with, const std::string& activity,
              std::vector<std::pair<std::string, std::string>>& later) {
  const auto same = std::find_if(later.begin(), later.end(), [&](const auto& one) { return one.first == comes_with; });
  if (same == later.end()) {
    later.emplace_back(comes_with, activity);
  } else if (!absl::StrContains(same->second, activity)) {
    absl::StrAppend(&same->second, ", ", activity);
  }
}

}  // namespace

std::string RenderNextSteps(const Json& steps, const Screen& screen) {
  std::string out;
  const std::string waiting = WaitingLine(MemberAt(steps, "waiting"), screen);
  std::vector<std::pair<std::string, std::string>> later;  // what it comes with, activities
  for (const Json& step : ArrayAt(steps, "next_steps")) {
    double minutes = 0;
    bool known = true;
    Table table({{"activity"},
                 {"act", false, true},
                 {"role", false, false, true},
                 {"work", true},
                 CureColumn(ArrayAt(step, "acts"))});
    for (const Json& act : ArrayAt(step, "acts")) {
      if (const std::string comes_with = TextAt(act, "comes_with"); !comes_with.empty()) {
        AddLater(comes_with, TextAt(act, "activity"), later);
        continue;
      }
      const std::optional<double> work = NumberAt(act, "minutes_of_work");
      minutes += work.value_or(0);
      known = known && work.has_value();
      table.AddRow(
          {TextAt(act, "activity"), TextAt(act, "act"), TextAt(act, "role"), WorkOf(act), TextAt(act, "cure")});
    }
    if (!table.empty()) {
      absl::StrAppend(&out, out.empty() ? "" : "\n",
                      Toned(screen, Tone::kHeading, absl::StrCat("For ", TextAt(step, "rung"))),
                      known ? absl::StrCat("  ", HumanWork(minutes), " of work") : "", "\n", table.Render(screen, 2));
    }
  }
  if (out.empty()) {
    out = later.empty() && waiting.empty() ? "Nothing is left to do.\n" : "Nothing is left to do today.\n";
  }
  if (!later.empty()) {
    absl::StrAppend(&out, "\n", Toned(screen, Tone::kHeading, "Comes with a later version"), "\n");
    for (const auto& [comes_with, activities] : later) {
      absl::StrAppend(&out, "  ", Wrap(absl::StrCat(comes_with, ": ", activities), screen.width, 4, 2), "\n");
    }
  }
  absl::StrAppend(&out, waiting.empty() ? "" : "\n", waiting);
  return out;
}

std::string RenderActivities(const Json& activities, bool waiting, const Screen& screen) {
  Table table({{"activity"},
               {"level"},
               {"status"},
               {"achieved", true},
               {"what", false, true},
               {"role", false, false, true},
               {"stage", false, false, true}});
  int ok = 0;
  int all = 0;
  for (const Json& row : ArrayAt(activities, "activities")) {
    const std::string status = TextAt(row, "status");
    if (waiting && status != "undecided") {
      continue;
    }
    ++all;
    ok += status == "satisfied" ? 1 : 0;
    const std::optional<double> achievement = NumberAt(row, "achievement");
    const std::string reason = TextAt(row, "reason");
    const std::string title = TextAt(row, "title");
    table.AddRow({TextAt(row, "id"),
                  absl::StrCat(TextAt(row, "level"), TrueAt(row, "gating") ? "" : " *"),
                  {StatusWords(row, screen), ToneOf(status)},
                  achievement.has_value() && status != "not_applicable" ? HumanPercent(*achievement) : "-",
                  reason.empty() || status == "satisfied" ? title : absl::StrCat(title, ": ", reason),
                  TextAt(row, "role"),
                  TextAt(row, "stage")});
  }
  if (all == 0) {
    return waiting ? "No activity waits for time.\n" : "No activities.\n";
  }
  std::string out = table.Render(screen);
  if (waiting) {
    absl::StrAppend(&out, HumanCount(all, "activity waits", "activities wait"), " for time only.\n");
  } else {
    absl::StrAppend(&out, ok, " of ", all, " are ok. *: does not gate its level. More: ppmm explain ACTIVITY\n");
  }
  return out;
}

std::string RenderExplain(const Json& activity, const Screen& screen) {
  std::string out;
  const std::string id = TextAt(activity, "id");
  absl::StrAppend(&out, Toned(screen, Tone::kHeading, absl::StrCat(id, "  ", TextAt(activity, "title"))), "\n",
                  "level ", TextAt(activity, "level"), ", ", TextAt(activity, "stage"), ", ", TextAt(activity, "role"),
                  TrueAt(activity, "gating") ? "" : ", supports its level", "\n");
  std::string words = StatusWords(activity, screen);
  std::transform(words.begin(),
                 words.begin() + (words.rfind("waits", 0) == 0 ? 5 : static_cast<std::ptrdiff_t>(words.size())),
                 words.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const std::string reason = TextAt(activity, "reason");
  absl::StrAppend(&out, Toned(screen, ToneOf(TextAt(activity, "status")), words), reason.empty() ? "" : "  ",
                  Wrap(reason, screen.width, DisplayWidth(words) + 2, DisplayWidth(words) + 2), "\n");
  const Json& criteria = ArrayAt(activity, "criteria");
  for (const Json& criterion : criteria) {
    const auto alike = std::count_if(criteria.begin(), criteria.end(), [&](const Json& other) {
      return TextAt(other, "scope") == TextAt(criterion, "scope");
    });
    absl::StrAppend(&out, CriterionText(criterion, alike == 1, screen));
  }
  absl::StrAppend(&out, "\n");
  const auto add = [&](absl::string_view heading, absl::string_view text) {
    constexpr int kIndent = 14;
    if (!text.empty()) {
      absl::StrAppend(&out, Toned(screen, Tone::kHeading, heading),
                      std::string(static_cast<std::size_t>(kIndent - DisplayWidth(heading)), ' '),
                      Wrap(text, screen.width, kIndent, kIndent), "\n");
    }
  };
  add("Asks", TextAt(activity, "threshold"));
  add("Evidence", TextAt(activity, "evidence"));
  add("Why", TextAt(activity, "why"));
  for (const Json& act : ArrayAt(activity, "remediation")) {
    std::string cure = TextAt(act, "cure");
    if (cure == absl::StrCat("ppmm explain ", id)) {
      cure = "";  // this is what it shows
    }
    const std::string work = WorkOf(act);
    add("Cure", absl::StrCat(TextAt(act, "what"), cure.empty() ? "" : absl::StrCat(": ", cure), " (",
                             TextAt(act, "role"), work == "-" ? "" : absl::StrCat(", ~", work), ")"));
  }
  add("Cannot see", TextAt(activity, "cannot_observe"));
  const std::optional<double> age = NumberAt(activity, "evidence_age_seconds");
  if (age.has_value()) {
    add("Newest", absl::StrCat("evidence of ", HumanAge(screen.now - absl::Seconds(*age), screen.now)));
  }
  return out;
}

}  // namespace ppmm
