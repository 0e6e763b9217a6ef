#include "collector/rating/rating_json.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"

#include "common/config_loader.h"
#include "common/ppmm_commands.h"

namespace ppmm {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kScopesShown = 200;

std::string Dump(const Json& json) {
  // Names come from outside; what is not UTF-8 in them is replaced, never thrown.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Millionths as a ratio of four decimals.
Json Ratio(std::int64_t millionths) {
  const std::int64_t rounded = (millionths + 50) / 100;
  return static_cast<double>(rounded) / 10000.0;
}

Json RatioOf(const Interval& interval) {
  return {{"low", Ratio(interval.low)}, {"high", Ratio(interval.high)}};
}

Json TimeOf(absl::Time time) {
  if (time == absl::InfinitePast() || time == absl::InfiniteFuture()) {
    return nullptr;
  }
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

Json Text(absl::string_view text) {
  return std::string(text);
}

template <typename Number>
Json OrNull(const std::optional<Number>& number) {
  return number.has_value() ? Json(*number) : Json(nullptr);
}

// Empty texts are null.
Json TextOrNull(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

Json ActOf(const NextAct& act) {
  return {{"activity", act.activity},
          {"act", act.act},
          {"command", TextOrNull(act.cure.command)},
          {"cure", TextOrNull(act.cure.words)},
          {"comes_with", TextOrNull(act.comes_with)},
          {"role", act.role},
          {"minutes_of_work", OrNull(act.minutes_of_work)},
          {"missing", TextOrNull(act.missing)}};
}

Json StepsOf(const Rating& rating) {
  Json steps = Json::array();
  for (const NextStep& step : rating.next_steps) {
    Json acts = Json::array();
    for (const NextAct& act : step.acts) {
      acts.push_back(ActOf(act));
    }
    steps.push_back({{"rung", Text(RungName(step.rung))}, {"acts", std::move(acts)}});
  }
  return steps;
}

Json WaitingOf(const Rating& rating) {
  return {{"activities", rating.waiting.count}, {"until", TimeOf(rating.waiting.until)}};
}

Json AfterNextOf(const Rating& rating) {
  if (!rating.after_next.has_value()) {
    return nullptr;
  }
  return {{"rung", Text(RungName(rating.after_next->rung))},
          {"activity", TextOrNull(rating.after_next->activity)},
          {"words", rating.after_next->words}};
}

Json ScopesOf(const std::array<int, kStatuses>& counts) {
  Json scopes = Json::object();
  for (std::size_t status = 0; status < counts.size(); ++status) {
    scopes[std::string(StatusName(static_cast<Status>(status)))] = counts[status];
  }
  return scopes;
}

Json RowOf(const ActivityStatus& row) {
  const Activity& activity = *row.activity;
  return {{"id", activity.id},
          {"title", activity.title},
          {"level", Text(RungName(activity.rung))},
          {"stage", activity.stage},
          {"role", activity.role},
          {"gating", row.gating},
          {"status", Text(StatusName(row.status))},
          {"achievement", Ratio(row.achievement.low)},
          {"achievement_high", Ratio(row.achievement.high)},
          {"reason", row.reason},
          {"decidable_at", TimeOf(row.decidable_at)},
          {"evidence_age_seconds", OrNull(row.evidence_age_seconds)},
          {"scopes", ScopesOf(row.scopes)}};
}

absl::string_view UnitName(catalogue::Unit unit) {
  switch (unit) {
    case catalogue::UNIT_SHARE:
      return "share";
    case catalogue::UNIT_RATIO:
      return "ratio";
    case catalogue::UNIT_DAYS:
      return "days";
    case catalogue::UNIT_YES_NO:
      return "yes_no";
    default:
      return "count";
  }
}

Json ScopeOf(const ScopeFinding& finding, const Criterion& criterion, const Facts& facts) {
  const Scope* const scope = facts.Find(finding.scope);
  const bool valued = HasFigures(finding.measured);
  Json value = nullptr;
  if (valued) {
    value = static_cast<double>(finding.measured.numerator) / static_cast<double>(finding.measured.denominator);
  }
  const bool organization = finding.scope.kind == ScopeKind::kOrganization;
  return {{"scope", organization       ? facts.organization().name
                    : scope != nullptr ? scope->label
                                       : ""},
          {"kind", Text(ScopeKindName(finding.scope.kind))},
          {"tier", organization || scope == nullptr ? Json(nullptr) : Json(scope->tier)},
          {"status", Text(StatusName(finding.status))},
          {"counted", finding.counted},
          {"value", std::move(value)},
          {"numerator", valued ? Json(finding.measured.numerator) : Json(nullptr)},
          {"denominator", valued ? Json(finding.measured.denominator) : Json(nullptr)},
          {"achievement", Ratio(finding.achievement)},
          {"words", InWords(criterion, finding.measured)},
          {"reason", Text(finding.measured.reason)},
          {"decidable_at", finding.status == Status::kUndecided ? TimeOf(finding.measured.until) : Json(nullptr)},
          {"since", finding.status == Status::kNoSource ? TimeOf(finding.measured.since) : Json(nullptr)},
          {"from", TimeOf(StartOf(finding.measured.from))},
          {"to", TimeOf(StartOf(finding.measured.to + 1))}};
}

// "unseen hosts"; null where nothing measures it yet.
Json MeasureOf(const Criterion& criterion) {
  if (criterion.evaluator == catalogue::EVALUATOR_UNOBSERVED) {
    return nullptr;
  }
  const auto* const word = catalogue::Evaluator_descriptor()->FindValueByNumber(criterion.evaluator);
  return absl::StrReplaceAll(ConfigWord(*word), {{"_", " "}});
}

Json CriterionOf(const CriterionFinding& finding, const Facts& facts) {
  const Criterion& criterion = *finding.criterion;
  std::vector<ScopeFinding> rows = finding.details;
  std::stable_sort(rows.begin(), rows.end(), [](const ScopeFinding& a, const ScopeFinding& b) {
    const auto rank = [](const ScopeFinding& row) {
      return row.status == Status::kSatisfied ? 1 : row.status == Status::kNotApplicable ? 2 : 0;
    };
    return rank(a) != rank(b) ? rank(a) < rank(b) : a.achievement < b.achievement;
  });
  Json scopes = Json::array();
  for (std::size_t i = 0; i < std::min(rows.size(), kScopesShown); ++i) {
    scopes.push_back(ScopeOf(rows[i], criterion, facts));
  }
  return {{"scope", Text(ScopeKindName(criterion.scope))},
          {"measure", MeasureOf(criterion)},
          {"level", Text(RungName(criterion.from))},
          {"window_days", criterion.window_days},
          {"bound", criterion.at_least ? "at_least" : "at_most"},
          {"value", static_cast<double>(criterion.value) / static_cast<double>(kMillion)},
          {"unit", Text(UnitName(criterion.unit))},
          {"share", criterion.share == 0 ? Json(nullptr)
                                         : Json(static_cast<double>(criterion.share) / static_cast<double>(kMillion))},
          {"events", criterion.events},
          {"status", Text(StatusName(finding.status))},
          {"passes", finding.passes},
          {"reason", ReasonOf(finding, facts)},
          {"achievement", Ratio(finding.achievement)},
          {"counted", finding.counted},
          {"misses", finding.misses},
          {"allowed", finding.allowed},
          {"tier_1_misses", finding.tier_1_misses},
          {"scopes_total", finding.details.size()},
          {"scopes", std::move(scopes)}};
}

Json RemediationOf(const Activity& activity) {
  Json acts = Json::array();
  const auto add = [&](const Act& act, bool human) {
    const Cure cure = CureOf(act);
    acts.push_back({{"what", act.what},
                    {"command", TextOrNull(cure.command)},
                    {"cure", TextOrNull(cure.words)},
                    {"role", act.role},
                    {"minutes_of_work", act.minutes > 0 ? Json(act.minutes) : Json(nullptr)},
                    {"only_a_person", human}});
  };
  for (const Criterion& criterion : activity.criteria) {
    if (criterion.human) {
      add(criterion.act, true);
    }
  }
  for (const Act& act : activity.remediation) {
    add(act, false);
  }
  return acts;
}

}  // namespace

std::string RatingJson(const Rating& rating) {
  Json progress = Json::object();
  for (const Rung rung : kRungs) {
    if (rung != Rung::k1) {
      progress[std::string(RungName(rung))] = RatioOf(rating.progress[static_cast<std::size_t>(rung)]);
    }
  }
  Json blocking = Json::array();
  for (const BlockingRow& row : rating.blocking) {
    blocking.push_back({{"activity", row.activity},
                        {"title", row.title},
                        {"level", Text(RungName(row.rung))},
                        {"role", row.role},
                        {"status", Text(StatusName(row.status))},
                        {"reason", row.reason},
                        {"decidable_at", TimeOf(row.until)},
                        {"minutes_of_work", OrNull(row.minutes_of_work)},
                        {"command", TextOrNull(row.cure.command)},
                        {"cure", TextOrNull(row.cure.words)}});
  }
  return Dump({{"organization", rating.organization},
               {"level", LevelOf(rating.published)},
               {"sublevel", SublevelOf(rating.published)},
               {"label", rating.label},
               {"published", Text(RungName(rating.published))},
               {"low", Text(RungName(rating.low))},
               {"high", Text(RungName(rating.high))},
               {"provisional",
                {{"level", LevelOf(rating.provisional.rung)},
                 {"sublevel", SublevelOf(rating.provisional.rung)},
                 {"label", rating.provisional.label},
                 {"minutes", rating.provisional.minutes}}},
               {"watch", rating.watch},
               {"watch_reasons", rating.watch_reasons},
               {"progress", std::move(progress)},
               {"blocking", std::move(blocking)},
               {"waiting", WaitingOf(rating)},
               {"after_next", AfterNextOf(rating)},
               {"next_steps", StepsOf(rating)},
               {"catalogue_digest", rating.catalogue_digest},
               {"snapshot_digest", rating.snapshot_digest},
               {"evaluated_at", TimeOf(rating.evaluated_at)},
               {"held_since", TimeOf(rating.held_since)}});
}

std::string ActivitiesJson(const Rating& rating) {
  Json rows = Json::array();
  for (const ActivityStatus& row : rating.activities) {
    rows.push_back(RowOf(row));
  }
  return Dump({{"activities", std::move(rows)}});
}

std::string NextStepsJson(const Rating& rating) {
  return Dump({{"next_steps", StepsOf(rating)}, {"waiting", WaitingOf(rating)}});
}

absl::StatusOr<std::string> ActivityJson(const Rating& rating, const Judgement& low, const Facts& facts,
                                         absl::string_view id) {
  const auto row = std::find_if(rating.activities.begin(), rating.activities.end(),
                                [&](const ActivityStatus& status) { return status.activity->id == id; });
  const auto finding = std::find_if(low.activities.begin(), low.activities.end(),
                                    [&](const ActivityFinding& judged) { return judged.activity->id == id; });
  if (row == rating.activities.end() || finding == low.activities.end()) {
    return absl::NotFoundError(
        absl::StrCat("no activity has this id; there are ",
                     absl::StrJoin(rating.activities, ", ", [](std::string* out, const ActivityStatus& status) {
                       absl::StrAppend(out, status.activity->id);
                     })));
  }
  const Activity& activity = *row->activity;
  Json json = RowOf(*row);
  json["kind"] = activity.kind;
  json["scope"] = activity.scope;
  json["window"] = activity.window;
  json["evidence"] = activity.evidence;
  json["threshold"] = activity.threshold;
  json["why"] = activity.why;
  json["cannot_observe"] = activity.cannot_observe;
  json["criteria"] = Json::array();
  for (const CriterionFinding& criterion : finding->criteria) {
    json["criteria"].push_back(CriterionOf(criterion, facts));
  }
  json["remediation"] = RemediationOf(activity);
  return Dump(json);
}

}  // namespace ppmm
