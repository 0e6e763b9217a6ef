#include "collector/rating/level.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "common/human.h"

namespace ppmm {
namespace {

constexpr std::int64_t kHalf = kMillion / 2;

Rung Above(Rung rung) {
  return rung == Rung::k5 ? rung : kRungs[static_cast<std::size_t>(rung) + 1];
}

bool IsLevel(Rung rung, std::initializer_list<Rung> rungs) {
  return std::find(rungs.begin(), rungs.end(), rung) != rungs.end();
}

// What a rung asks besides its gates, before and after what people can do.
bool HoldsBesidesGates(const Judgement& judgement, Rung rung) {
  int gates = 0;
  int observed = 0;
  int supporting = 0;
  int largely = 0;
  for (const ActivityFinding& row : judgement.activities) {
    if (row.activity->rung != rung) {
      continue;
    }
    if (row.gating) {
      ++gates;
      observed += row.observed ? 1 : 0;
    } else if (row.status != Status::kNotApplicable) {
      ++supporting;
      largely += row.achievement >= kHalf ? 1 : 0;
    }
  }
  if (IsLevel(rung, {Rung::k3, Rung::k4}) && 2 * largely < supporting) {
    return false;
  }
  return !IsLevel(rung, {Rung::k3, Rung::k4, Rung::k5}) || 2 * observed > gates;
}

template <typename Passes>
Rung Highest(const Judgement& judgement, Passes passes) {
  Rung highest = Rung::k1;
  if (judgement.nothing_to_rate) {
    return highest;
  }
  for (const Rung rung : kRungs) {
    if (rung == Rung::k1) {
      continue;
    }
    for (const ActivityFinding& row : judgement.activities) {
      if (row.gating && row.activity->rung <= rung && !passes(row, rung)) {
        return highest;
      }
    }
    if (!HoldsBesidesGates(judgement, rung)) {
      return highest;
    }
    highest = rung;
  }
  return highest;
}

Rung SupportedAfterActs(const Judgement& judgement) {
  return Highest(judgement, [](const ActivityFinding& row, Rung rung) { return row.PassesAfterAct(rung); });
}

// "10 Dec", UTC.
std::string DateInWords(absl::Time time) {
  return absl::FormatTime("%-d %b", time, absl::UTCTimeZone());
}

// "10:14:15 UTC".
std::string TimeOfDay(absl::Time time) {
  return absl::StrCat(absl::FormatTime("%H:%M:%S", time, absl::UTCTimeZone()), " UTC");
}

// "12 hosts, 11 applications, 1 excluded with 3 % of requests, confirmed until 3 May": size and basis of a rating.
std::string Basis(const Facts& facts) {
  std::int64_t counts[2] = {0, 0};
  std::int64_t excluded = 0;
  std::int64_t requests = 0;
  std::int64_t excluded_requests = 0;
  for (const Scope& scope : facts.Scopes(ScopeKind::kHost)) {
    (scope.excluded ? excluded : counts[0]) += 1;
  }
  for (const Scope& scope : facts.Scopes(ScopeKind::kApplication)) {
    if (!scope.line_of_business) {
      continue;
    }
    const std::int64_t own = facts.Get(scope, Sum::kRequests, 28);
    requests += own;
    excluded_requests += scope.excluded ? own : 0;
    (scope.excluded ? excluded : counts[1]) += 1;
  }
  std::string text = absl::StrCat(HumanCount(counts[0], "host"), ", ", HumanCount(counts[1], "application"));
  if (excluded > 0) {
    absl::StrAppend(&text, ", ", excluded, " excluded");
    if (requests > 0) {
      absl::StrAppend(&text, " with ", (excluded_requests * 100 + requests / 2) / requests, " % of requests");
    }
  }
  const std::int64_t confirmed = facts.organization().confirmed_s;
  absl::StrAppend(&text, confirmed == 0
                             ? std::string(", not confirmed")
                             : absl::StrCat(", confirmed until ",
                                            DateInWords(absl::FromUnixSeconds(confirmed) + absl::Hours(24 * 180))));
  return text;
}

// "2 acts are done".
std::string OnceDone(std::size_t acts) {
  return HumanCount(static_cast<std::int64_t>(acts), "act is done", "acts are done");
}

std::string WithClasses(Rung rung, const Judgement& judgement) {
  std::string text(RungName(rung));
  if (rung != Rung::k1) {
    absl::StrAppend(&text, judgement.no_own_software ? ", no own software" : "",
                    judgement.no_off_the_shelf_software ? ", no off-the-shelf software" : "");
  }
  return text;
}

// The first day on which 2.1 could be published, if every gate holds from the day on which it is decided.
Day EarliestDay(const Judgement& low, const LevelState& state, absl::Time now) {
  absl::Time ready = absl::InfinitePast();
  bool failing = false;
  for (const ActivityFinding& row : low.activities) {
    if (!row.gating || row.activity->rung != Rung::k21 || row.Passes(Rung::k21)) {
      continue;
    }
    failing = true;
    for (const CriterionFinding& criterion : row.criteria) {
      ready = std::max(ready, criterion.until);
      if (criterion.status == Status::kNoSource && !criterion.criterion->missing.empty()) {
        // Observation begins with the source.
        ready = std::max(ready, now + absl::Hours(24) * criterion.criterion->decidable_after_days);
      }
    }
  }
  // A day is judged at its end: the day before `ready` if that is a midnight, else its own.
  const Day today = DayOf(now);
  Day first_good = today;
  if (failing && ready > now) {
    first_good = std::max(today, DayOf(ready - absl::Nanoseconds(1)));
  }
  std::vector<bool> supported;
  for (const Rung rung : state.low) {
    supported.push_back(rung >= Rung::k21);
  }
  Day day = state.last.has_value() ? *state.last + 1 : today;
  for (;; ++day) {
    supported.push_back(day >= first_good);
    const std::size_t begin = supported.size() - std::min(supported.size(), kEvaluationsKept);
    const auto good = std::count(supported.begin() + static_cast<std::ptrdiff_t>(begin), supported.end(), true);
    if (supported.back() && good >= kEvaluationsToRise) {
      return day;
    }
  }
}

// While no gate of 2.1 is known to fail: when it may come. A date only where time, and acts that can be done today,
// bring it.
std::string Observing(const Judgement& low, const Judgement& provisional, const Catalogue& catalogue,
                      const LevelState& state, absl::Time now) {
  int gates = 0;
  int later = 0;
  std::set<std::string> acts;
  for (const ActivityFinding& row : low.activities) {
    if (!row.gating || row.activity->rung != Rung::k21) {
      continue;
    }
    ++gates;
    later += WayOf(row, Rung::k21, catalogue) == Way::kLater ? 1 : 0;
    for (const CriterionFinding& finding : row.criteria) {
      const Remedy remedy = RemedyOf(row, finding, catalogue);
      if (finding.criterion->from <= Rung::k21 && !finding.passes && remedy.way == Way::kAct) {
        acts.insert(remedy.act->what);
      }
    }
  }
  // What only people can do is missing, too, where it is not judged yet.
  for (const ActivityFinding& row : provisional.activities) {
    for (const CriterionFinding& finding : row.criteria) {
      if (row.gating && row.activity->rung == Rung::k21 && finding.criterion->from <= Rung::k21 && !finding.passes &&
          finding.criterion->human && finding.status != Status::kUndecided) {
        acts.insert(finding.criterion->act.what);
      }
    }
  }
  if (later > 0) {
    return absl::StrCat("observing; ", later, " of the ", gates, " activities of 2.1 ", later == 1 ? "comes" : "come",
                        " with a later version");
  }
  // Published ten minutes after the day is over.
  return absl::StrCat("observing, earliest 2.1 on ", DateInWords(StartOf(EarliestDay(low, state, now) + 1)),
                      acts.empty() ? "" : absl::StrCat(" once ", OnceDone(acts.size())));
}

std::string PublishedLabel(const Judgement& low, const Judgement& provisional, const Catalogue& catalogue,
                           const Facts& facts, const LevelState& state, absl::Time now) {
  if (low.nothing_to_rate && low.known_from.has_value()) {
    return absl::StrCat(RungName(state.published), " (not known yet, first full minute at ", TimeOfDay(*low.known_from),
                        ")");
  }
  if (low.nothing_to_rate) {
    return absl::StrCat(RungName(state.published), " (nothing to rate)");
  }
  const bool failing = std::any_of(low.activities.begin(), low.activities.end(), [](const ActivityFinding& row) {
    return row.gating && row.activity->rung == Rung::k21 &&
           (row.status == Status::kNotSatisfied || row.status == Status::kContradicted);
  });
  if (state.published == Rung::k1 && !failing) {
    return absl::StrCat("1 (", Observing(low, provisional, catalogue, state, now), ")");
  }
  return absl::StrCat(WithClasses(state.published, low), " (", Basis(facts), ")");
}

// The mean over the rung's own rows, supporting ones at half weight.
std::int64_t Progress(const Judgement& judgement, Rung rung) {
  std::int64_t sum = 0;
  std::int64_t weight = 0;
  for (const ActivityFinding& row : judgement.activities) {
    if (row.activity->rung == rung && row.status != Status::kNotApplicable) {
      const std::int64_t own = row.gating ? 2 : 1;
      sum += own * row.achievement;
      weight += own;
    }
  }
  return weight > 0 ? sum / weight : 0;
}

absl::Time DecidableAt(const ActivityFinding& finding) {
  absl::Time until = absl::InfinitePast();
  for (const CriterionFinding& row : finding.criteria) {
    if (row.criterion->from <= finding.activity->rung && row.status == Status::kUndecided) {
      until = std::max(until, row.until);
    }
  }
  return until;
}

// People's acts first, beside the rung that they alone would give; then, rung by rung, what else is missing. No act is
// listed twice.
std::vector<NextStep> NextSteps(const Judgement& provisional, Rung rung, const Catalogue& catalogue) {
  std::vector<NextStep> steps;
  std::vector<NextAct> listed;
  const auto add = [&](NextStep& step, NextAct act) {
    const bool twice =
        std::any_of(listed.begin(), listed.end(), [&](const NextAct& other) { return other.act == act.act; });
    if (!twice) {
      listed.push_back(act);
      step.acts.push_back(std::move(act));
    }
  };
  const Rung with_acts = SupportedAfterActs(provisional);
  for (const Rung target : kRungs) {
    if (target <= rung || (target < with_acts)) {
      continue;
    }
    NextStep step;
    step.rung = target;
    for (const ActivityFinding& row : provisional.activities) {
      if (row.gating && row.activity->rung <= target && !row.Passes(target)) {
        for (NextAct& act : ActsFor(row, target, catalogue)) {
          add(step, std::move(act));
        }
      }
    }
    // Of what can be done today, and of what comes later, the least work first; what only time cures comes last.
    const auto order = [](const NextAct& act) {
      return std::make_pair(!act.comes_with.empty(), act.minutes_of_work.value_or(INT32_MAX));
    };
    std::stable_sort(step.acts.begin(), step.acts.end(),
                     [&](const NextAct& a, const NextAct& b) { return order(a) < order(b); });
    if (!step.acts.empty()) {
      steps.push_back(std::move(step));
    }
  }
  return steps;
}

// Who reports already, and when the first full minute of the oldest host is over and evaluated.
std::string BeforeTheFirstMinute(const Facts& facts) {
  const std::vector<Scope>& scopes = facts.Scopes(ScopeKind::kHost);
  const auto hosts =
      std::count_if(scopes.begin(), scopes.end(), [](const Scope& host) { return host.monitored && !host.excluded; });
  if (hosts == 0) {
    return "not known yet (no host reports)";
  }
  const auto applications = static_cast<std::int64_t>(facts.Scopes(ScopeKind::kApplication).size());
  return absl::StrCat("not known yet (", HumanCount(hosts, "host"), " and ", HumanCount(applications, "application"),
                      hosts + applications == 1 ? " reports" : " report", "; due ", TimeOfDay(FirstMinuteDue(facts)),
                      ", after the first full minute)");
}

ProvisionalRating Provisional(const Judgement& judgement, const Facts& facts) {
  ProvisionalRating rating;
  rating.rung = Supported(judgement);
  rating.minutes = ObservedMinutes(facts);
  if (rating.minutes == 0) {
    rating.label = BeforeTheFirstMinute(facts);
    return rating;
  }
  if (judgement.nothing_to_rate) {
    rating.label = "1 (nothing to rate)";
    return rating;
  }
  rating.label =
      absl::StrCat(WithClasses(rating.rung, judgement), " (after ", MinutesInWords(rating.minutes), " of data");
  const Rung with_acts = SupportedAfterActs(judgement);
  if (with_acts > rating.rung) {
    std::set<std::string> acts;
    for (const ActivityFinding& row : judgement.activities) {
      for (const CriterionFinding& criterion : row.criteria) {
        if (row.gating && row.activity->rung <= with_acts && criterion.criterion->from <= with_acts &&
            !criterion.passes && criterion.criterion->human) {
          acts.insert(criterion.criterion->act.what);
        }
      }
    }
    absl::StrAppend(&rating.label, "; ", RungName(with_acts), " once ", OnceDone(acts.size()));
  }
  absl::StrAppend(&rating.label, ")");
  return rating;
}

// Rows that fail, and how they are cured.
std::vector<BlockingRow> Blocking(const Judgement& low, Rung target, const Catalogue& catalogue, const Facts& facts) {
  std::vector<std::pair<Way, BlockingRow>> ordered;
  for (const ActivityFinding& finding : low.activities) {
    if (!finding.gating || finding.activity->rung > target || finding.Passes(target)) {
      continue;
    }
    BlockingRow row;
    row.activity = finding.activity->id;
    row.title = finding.activity->title;
    row.rung = finding.activity->rung;
    row.role = finding.activity->role;
    row.status = finding.status;
    row.reason = ReasonOf(finding, facts);
    row.until = DecidableAt(finding);
    const CriterionFinding* reason = nullptr;  // the criterion that the row is about
    for (const CriterionFinding& criterion : finding.criteria) {
      if (criterion.criterion->from > target || criterion.passes) {
        continue;
      }
      if (criterion.criterion->from > finding.activity->rung) {
        row.status = criterion.status;  // asked by the rung above the row's own
        row.reason = ReasonOf(criterion, facts);
        row.until = criterion.until;
      }
      if (reason == nullptr || (reason->status != row.status && criterion.status == row.status)) {
        reason = &criterion;
      }
    }
    Way way = Way::kTime;
    if (row.status != Status::kUndecided) {
      Remedy remedy = RemedyOf(finding, *reason, catalogue);
      row.cure = std::move(remedy.cure);
      if (remedy.act->minutes > 0 && remedy.way != Way::kTime) {
        row.minutes_of_work = remedy.act->minutes;
      }
      way = remedy.way;
    }
    ordered.emplace_back(way, std::move(row));
  }
  const auto order = [](Way way) { return way == Way::kAct ? 0 : way == Way::kLater ? 1 : 2; };
  std::stable_sort(ordered.begin(), ordered.end(),
                   [&](const auto& a, const auto& b) { return order(a.first) < order(b.first); });
  std::vector<BlockingRow> rows;
  rows.reserve(ordered.size());
  for (auto& [way, row] : ordered) {
    rows.push_back(std::move(row));
  }
  return rows;
}

// As the provisional view sees it: what would hold if today's evidence did.
std::optional<AfterNext> TellAfterNext(const Judgement& provisional, Rung published, const Facts& facts) {
  AfterNext after;
  after.rung = Above(Above(published));
  if (after.rung == Above(published) || provisional.known_from.has_value()) {
    return std::nullopt;  // before the first full minute today's evidence says nothing
  }
  int more = 0;
  for (const ActivityFinding& row : provisional.activities) {
    if (!row.gating || row.activity->rung != after.rung || row.Passes(after.rung)) {
      continue;
    }
    if (!after.activity.empty()) {
      ++more;
      continue;
    }
    after.activity = row.activity->id;
    const auto failing = std::find_if(row.criteria.begin(), row.criteria.end(), [&](const CriterionFinding& finding) {
      return finding.criterion->from <= after.rung && !finding.passes;
    });
    const int holding = failing->scopes[static_cast<std::size_t>(Status::kSatisfied)];
    const bool counted =
        failing->counted > 0 && !failing->not_built && failing->criterion->scope != ScopeKind::kOrganization;
    after.words = absl::StrCat(
        row.activity->title, ": ",
        counted ? absl::StrCat(holding, " of ", HumanCount(failing->counted, ScopeKindName(failing->criterion->scope)),
                               " now")
                : ReasonOf(*failing, facts));
  }
  if (after.activity.empty()) {
    after.words = "what it asks holds today";
  } else if (more > 0) {
    absl::StrAppend(&after.words, "; and ", HumanCount(more, "activity", "activities"), " more");
  }
  return after;
}

WaitingRows Waiting(const std::vector<ActivityStatus>& rows) {
  WaitingRows waiting;
  for (const ActivityStatus& row : rows) {
    if (row.status == Status::kUndecided) {
      ++waiting.count;
      waiting.until = std::max(waiting.until, row.decidable_at);
    }
  }
  return waiting;
}

std::vector<ActivityStatus> Activities(const Judgement& low, const Judgement& high, const Facts& facts,
                                       absl::Time now) {
  std::vector<ActivityStatus> rows;
  rows.reserve(low.activities.size());
  for (std::size_t i = 0; i < low.activities.size(); ++i) {
    const ActivityFinding& finding = low.activities[i];
    ActivityStatus row;
    row.activity = finding.activity;
    row.gating = finding.gating;
    row.status = finding.status;
    row.achievement = {finding.achievement, high.activities[i].achievement};
    row.reason = ReasonOf(finding, facts);
    row.decidable_at = DecidableAt(finding);
    const bool evidence = finding.status != Status::kNoSource && finding.status != Status::kNotApplicable;
    if (evidence && facts.organization().as_of_s != 0) {
      row.evidence_age_seconds = std::max<std::int64_t>(0, absl::ToUnixSeconds(now) - facts.organization().as_of_s);
    }
    for (const CriterionFinding& criterion : finding.criteria) {
      if (criterion.criterion->from <= finding.activity->rung) {
        for (std::size_t status = 0; status < row.scopes.size(); ++status) {
          row.scopes[status] += criterion.scopes[status];
        }
      }
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

Rung Supported(const Judgement& judgement) {
  return Highest(judgement, [](const ActivityFinding& row, Rung rung) { return row.Passes(rung); });
}

std::vector<std::string> FailingGates(const Judgement& judgement, Rung rung) {
  std::vector<std::string> ids;
  for (const ActivityFinding& row : judgement.activities) {
    if (row.gating && row.activity->rung <= rung && !row.Passes(rung)) {
      ids.push_back(row.activity->id);
    }
  }
  return ids;
}

DayEvaluation EvaluateDay(const Catalogue& catalogue, const Facts& facts) {
  const absl::Time end = StartOf(facts.day() + 1);
  const Judgement low = Judge(catalogue, facts, end, View::kLow);
  const Judgement hold = Judge(catalogue, facts, end, View::kHold);
  DayEvaluation evaluation;
  evaluation.day = facts.day();
  evaluation.low = Supported(low);
  evaluation.contradicted = !low.contradictions.empty();
  for (const ActivityFinding& row : hold.activities) {
    const auto* const fails = std::find_if(kRungs.begin(), kRungs.end(),
                                           [&](Rung rung) { return rung >= row.activity->rung && !row.Passes(rung); });
    if (row.gating && fails != kRungs.end()) {
      evaluation.below.emplace_back(*fails, row.activity->id);
    }
  }
  return evaluation;
}

void Advance(const DayEvaluation& evaluation, LevelState& state) {
  if (state.last.has_value() && evaluation.day <= *state.last) {
    return;
  }
  if (!state.last.has_value()) {
    state.held_since = evaluation.day;
  }
  state.last = evaluation.day;
  state.low.push_back(evaluation.low);
  if (state.low.size() > kEvaluationsKept) {
    state.low.erase(state.low.begin());
  }
  std::map<GateAt, int> below;
  for (const GateAt& gate : evaluation.below) {
    const auto found = state.below.find(gate);
    below[gate] = found == state.below.end() ? 1 : std::min(found->second + 1, kEvaluationsToFall);
  }
  state.below = std::move(below);

  Rung held = state.published;
  for (const auto& [gate, days] : state.below) {
    if (days >= kEvaluationsToFall && gate.first <= held) {
      held = kRungs[static_cast<std::size_t>(gate.first) - 1];
    }
  }
  const Rung above = Above(state.published);
  const auto supporting = std::count_if(state.low.begin(), state.low.end(), [&](Rung rung) { return rung >= above; });
  if (held < state.published) {
    state.published = held;
    state.held_since = evaluation.day;
  } else if (above != state.published && evaluation.low >= above && supporting >= kEvaluationsToRise &&
             !evaluation.contradicted) {
    state.published = above;
    state.held_since = evaluation.day;
  }
}

Rating Rate(const Catalogue& catalogue, const Facts& facts, const LevelState& state, absl::Time now) {
  const Judgement low = Judge(catalogue, facts, now, View::kLow);
  const Judgement high = Judge(catalogue, facts, now, View::kHigh);
  const Judgement provisional = Judge(catalogue, facts, now, View::kProvisional);
  Rating rating;
  rating.organization = facts.organization().name;
  rating.published = state.published;
  rating.low = Supported(low);
  rating.high = Supported(high);
  rating.label = PublishedLabel(low, provisional, catalogue, facts, state, now);
  rating.provisional = Provisional(provisional, facts);
  for (const std::string& id : FailingGates(low, state.published)) {
    rating.watch_reasons.push_back(absl::StrCat(id, " fails"));
  }
  rating.watch_reasons.insert(rating.watch_reasons.end(), low.contradictions.begin(), low.contradictions.end());
  rating.watch = !rating.watch_reasons.empty();
  for (const Rung rung : kRungs) {
    if (rung != Rung::k1) {
      rating.progress[static_cast<std::size_t>(rung)] = {Progress(low, rung), Progress(high, rung)};
    }
  }
  rating.blocking = Blocking(low, Above(state.published), catalogue, facts);
  rating.next_steps = NextSteps(provisional, rating.provisional.rung, catalogue);
  rating.activities = Activities(low, high, facts, now);
  rating.waiting = Waiting(rating.activities);
  rating.after_next = TellAfterNext(provisional, state.published, facts);
  rating.catalogue_digest = catalogue.digest();
  rating.snapshot_digest = facts.Digest();
  rating.evaluated_at = now;
  if (state.last.has_value()) {
    rating.held_since = StartOf(state.held_since);
  } else if (facts.organization().started_s > 0) {
    rating.held_since = absl::FromUnixSeconds(facts.organization().started_s);
  } else {
    rating.held_since = now;  // nobody has reported yet
  }
  return rating;
}

}  // namespace ppmm
