#include "collector/rating/judge.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <utility>

#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "common/human.h"

namespace ppmm {
namespace {

using State = Measured::State;

constexpr std::int64_t kFivePoints = 50'000;
constexpr absl::Duration kNewFor = absl::Hours(7 * 24);
constexpr std::size_t kContradictionsShown = 20;
constexpr std::size_t kLabelsShown = 8;
constexpr absl::Duration kMinute = absl::Minutes(1);
constexpr absl::Duration kUntilEvaluated = absl::Seconds(15);  // it closes, and an evaluation comes each ten seconds
// An agent that delivers no full minute by then is not only new.
constexpr absl::Duration kFirstMinuteAtMost = absl::Minutes(5);

std::int64_t Weight(const Scope& scope) {
  switch (scope.tier) {
    case 1:
      return 4;
    case 2:
      return 2;
    default:
      return 1;
  }
}

// numerator / denominator against millionths.
bool AtLeast(const Measured& measured, std::int64_t bound) {
  return absl::int128(measured.numerator) * kMillion >= absl::int128(bound) * measured.denominator;
}
bool AtMost(const Measured& measured, std::int64_t bound) {
  return absl::int128(measured.numerator) * kMillion <= absl::int128(bound) * measured.denominator;
}

bool Meets(const Criterion& criterion, const Measured& measured, bool lower) {
  const std::int64_t bound = lower ? LowerBound(criterion) : criterion.value;
  if (criterion.events) {
    return measured.quiet || EventsPass(measured.denominator - measured.numerator, measured.denominator, bound);
  }
  return criterion.at_least ? AtLeast(measured, bound) : AtMost(measured, bound);
}

bool IsExempt(const Scope& scope, const std::string& activity, absl::Time now) {
  return scope.tier != 1 &&
         std::any_of(scope.exemptions.begin(), scope.exemptions.end(), [&](const Exemption& exemption) {
           return exemption.activity == activity && absl::FromUnixSeconds(exemption.until_s) > now;
         });
}

bool Applies(const Criterion& criterion, const Scope& scope) {
  if (scope.excluded || (criterion.tier_1_only && scope.tier != 1)) {
    return false;
  }
  if (criterion.scope != ScopeKind::kApplication) {
    return true;
  }
  switch (criterion.applies_to) {
    case catalogue::APPLIES_TO_OFF_THE_SHELF:
      return scope.line_of_business && scope.origin != Origin::kInHouse;
    case catalogue::APPLIES_TO_IN_HOUSE:
      return scope.line_of_business && scope.origin != Origin::kOffTheShelf;
    default:
      return scope.line_of_business;
  }
}

bool IsNew(const Scope& scope, absl::Time now) {
  const std::int64_t from = scope.aged_from_s != 0 ? scope.aged_from_s : scope.enrolled_s;
  return scope.id.kind != ScopeKind::kOrganization && now - absl::FromUnixSeconds(from) < kNewFor;
}

// Misses by how they came about, outside and inside tier 1. A status counts as a miss unless it is passed over.
struct Misses {
  int others = 0;
  int exempt = 0;
  int tier_1 = 0;
  int tier_1_below_lower = 0;
};

// Whether the misses are within what is allowed among n scopes, n1 of them in tier 1.
bool Within(const Misses& misses, int n, int n1, std::int64_t share) {
  // The budget for exemptions counts the scopes that are no misses: else one more bad scope could enlarge it.
  const int unbudgeted = std::max(0, misses.exempt - AllowedExemptions(n - misses.others - misses.tier_1));
  return misses.others + unbudgeted <= AllowedMisses(n, share) && misses.tier_1 <= AllowedTier1Misses(n1) &&
         misses.tier_1_below_lower == 0;
}

// Judges one criterion over the scopes of its kind.
class CriterionJudge {
 public:
  CriterionJudge(const Activity& activity, const Criterion& criterion, const Facts& facts, absl::Time now, View view,
                 std::optional<absl::Time> known_from)
      : activity_(activity), criterion_(criterion), facts_(facts), now_(now), view_(view), known_from_(known_from) {}

  CriterionFinding Run(bool details) {
    finding_.criterion = &criterion_;
    std::vector<ScopeFinding> rows;
    rows.reserve(facts_.Scopes(criterion_.scope).size());
    int older = 0;
    for (const Scope& scope : facts_.Scopes(criterion_.scope)) {
      if (Applies(criterion_, scope)) {
        rows.push_back(JudgeScope(scope));
        subjects_.push_back(&scope);
        older += IsNew(scope, now_) ? 0 : 1;
      }
    }
    LeaveOutNewOnes(rows, (older + 9) / 10);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      Count(rows[i], *subjects_[i]);
    }
    Decide(rows.empty());
    if (details) {
      finding_.details = std::move(rows);
    }
    return std::move(finding_);
  }

 private:
  ScopeFinding JudgeScope(const Scope& scope) const {
    ScopeFinding row;
    row.scope = scope.id;
    row.measured = Evaluate(criterion_, facts_, scope, now_, view_ == View::kProvisional ? Basis::kCut : Basis::kWhole);
    switch (row.measured.state) {
      case State::kDecided:
        row.status = Meets(criterion_, row.measured, view_ == View::kHold) ? Status::kSatisfied
                     : row.measured.unrecorded                             ? Status::kNoSource
                                                                           : Status::kNotSatisfied;
        row.achievement = row.status == Status::kSatisfied ? kMillion : Achievement(criterion_, row.measured);
        break;
      case State::kUndecided:
        row.status = Status::kUndecided;
        row.achievement = view_ == View::kHigh ? kMillion : 0;
        break;
      case State::kNoSource:
        row.status = Status::kNoSource;
        break;
      case State::kNotApplicable:
        row.status = Status::kNotApplicable;
        break;
      case State::kContradicted:
        row.status = Status::kContradicted;
        break;
    }
    if (row.status != Status::kSatisfied && row.status != Status::kNotApplicable &&
        row.status != Status::kContradicted && IsExempt(scope, activity_.id, now_)) {
      row.status = Status::kExempt;
    }
    return row;
  }

  bool Passing(const ScopeFinding& row) const {
    return row.status == Status::kSatisfied || (row.status == Status::kUndecided && view_ == View::kHigh);
  }

  // At most `allowed` scopes that are too new leave the denominator. Those that would pass stay in it, and the worst
  // leave first: so one more bad scope never improves what is left.
  void LeaveOutNewOnes(std::vector<ScopeFinding>& rows, int allowed) const {
    std::vector<std::size_t> leaving;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const ScopeFinding& row = rows[i];
      const bool fails = !Passing(row) && row.status != Status::kNotApplicable && row.status != Status::kContradicted;
      if (fails && IsNew(*subjects_[i], now_)) {
        leaving.push_back(i);
      }
    }
    std::stable_sort(leaving.begin(), leaving.end(),
                     [&](std::size_t a, std::size_t b) { return subjects_[a]->tier < subjects_[b]->tier; });
    if (leaving.size() > static_cast<std::size_t>(allowed)) {
      leaving.resize(static_cast<std::size_t>(allowed));
    }
    for (const std::size_t i : leaving) {
      rows[i].counted = false;
    }
  }

  void Count(const ScopeFinding& row, const Scope& scope) {
    ++finding_.scopes[static_cast<std::size_t>(row.status)];
    if (row.status == Status::kNotApplicable || !row.counted) {
      return;
    }
    ++finding_.counted;
    weights_ += Weight(scope);
    achievements_ += Weight(scope) * row.achievement;
    finding_.quiet = finding_.quiet || row.measured.quiet;
    finding_.not_built = finding_.not_built || (row.status == Status::kNoSource && row.measured.not_built);
    if (row.status == Status::kUndecided) {
      finding_.until = std::max(finding_.until, row.measured.until);
    }
    const bool tier_1 = scope.tier == 1 && criterion_.scope != ScopeKind::kOrganization;
    tier_1_ += tier_1 ? 1 : 0;
    if (row.status == Status::kSatisfied) {
      return;
    }
    if (!has_worst_ || Worse(row, finding_.worst)) {
      finding_.worst = row;
      has_worst_ = true;
    }
    // What would be missed if undecided passed, and if what has no source passed too.
    AddMiss(row, tier_1, decided_fails_);
    if (row.status != Status::kUndecided) {
      AddMiss(row, tier_1, undecided_passes_);
      if (row.status != Status::kNoSource) {
        AddMiss(row, tier_1, unsourced_passes_);
      }
    }
  }

  void AddMiss(const ScopeFinding& row, bool tier_1, Misses& misses) const {
    if (tier_1) {
      ++misses.tier_1;
      const bool held = row.measured.state == State::kDecided && Meets(criterion_, row.measured, true);
      misses.tier_1_below_lower += held ? 0 : 1;
    } else if (row.status == Status::kExempt) {
      ++misses.exempt;
    } else {
      ++misses.others;
    }
  }

  // Not by number of scopes but by how far one is; contradictions first. Of what is not decided by how far it is so
  // far.
  bool Worse(const ScopeFinding& a, const ScopeFinding& b) const {
    const auto rank = [](const ScopeFinding& row) {
      switch (row.status) {
        case Status::kContradicted:
          return 0;
        case Status::kNotSatisfied:
          return 1;
        case Status::kNoSource:
          return 2;
        case Status::kExempt:
          return 3;
        default:
          return 4;
      }
    };
    if (rank(a) != rank(b)) {
      return rank(a) < rank(b);
    }
    if (a.status == Status::kUndecided && b.status == Status::kUndecided) {
      return Achievement(criterion_, a.measured) < Achievement(criterion_, b.measured);
    }
    return a.achievement < b.achievement;
  }

  void Decide(bool no_scope) {
    finding_.achievement = weights_ > 0 ? achievements_ / weights_ : 0;
    if (finding_.counted == 0) {
      DecideEmpty(no_scope);
      return;
    }
    const std::int64_t share = criterion_.share == 0  ? kMillion
                               : view_ == View::kHold ? LowerShare(criterion_.share)
                                                      : criterion_.share;
    const auto within = [&](const Misses& misses) {
      return criterion_.share == 0 ? misses.others + misses.exempt + misses.tier_1 == 0
                                   : Within(misses, finding_.counted, tier_1_, share);
    };
    const bool low = within(decided_fails_);
    const bool high = within(undecided_passes_);
    finding_.passes = view_ == View::kHigh ? high : low;
    finding_.passes_after_act = finding_.passes || (criterion_.human && !criterion_.act.later());
    finding_.misses = decided_fails_.others + decided_fails_.exempt;
    finding_.tier_1_misses = decided_fails_.tier_1;
    finding_.allowed = criterion_.share == 0 ? 0 : AllowedMisses(finding_.counted, share);
    if (low) {
      finding_.status = Status::kSatisfied;
    } else if (high) {
      finding_.status = Status::kUndecided;
    } else if (finding_.scopes[static_cast<std::size_t>(Status::kContradicted)] > 0) {
      finding_.status = Status::kContradicted;
    } else {
      finding_.status = within(unsourced_passes_) ? Status::kNoSource : Status::kNotSatisfied;
    }
  }

  // Nothing was found, or nothing of what was found can be judged. Only what is known to be empty leaves the gate; what
  // could not be found yet waits.
  void DecideEmpty(bool no_scope) {
    const Organization& organization = facts_.organization();
    const bool confirmed = organization.confirmed_s != 0;
    const bool said =
        (criterion_.applies_to == catalogue::APPLIES_TO_OFF_THE_SHELF && confirmed &&
         organization.no_off_the_shelf_software) ||
        (criterion_.applies_to == catalogue::APPLIES_TO_IN_HOUSE && confirmed && organization.no_in_house_software) ||
        criterion_.tier_1_only;
    if (!no_scope || said) {
      finding_.empty = true;
      finding_.status = Status::kNotApplicable;
      return;
    }
    if (criterion_.scope == ScopeKind::kApplication && known_from_.has_value()) {
      finding_.status = Status::kUndecided;
      finding_.until = *known_from_;
      finding_.passes = finding_.passes_after_act = view_ == View::kHigh;
      finding_.achievement = view_ == View::kHigh ? kMillion : 0;
      return;
    }
    finding_.unconfirmed_empty = criterion_.applies_to != catalogue::APPLIES_TO_ALL;
    finding_.none_serves = criterion_.scope == ScopeKind::kApplication && !finding_.unconfirmed_empty;
    finding_.status = Status::kNoSource;
    finding_.passes = false;
    finding_.passes_after_act = finding_.unconfirmed_empty;
  }

  const Activity& activity_;
  const Criterion& criterion_;
  const Facts& facts_;
  absl::Time now_;
  View view_;
  std::optional<absl::Time> known_from_;
  CriterionFinding finding_;
  std::vector<const Scope*> subjects_;  // of the rows, in their order
  std::int64_t weights_ = 0;
  std::int64_t achievements_ = 0;
  int tier_1_ = 0;
  bool has_worst_ = false;
  Misses decided_fails_;     // all that does not hold
  Misses undecided_passes_;  // of it, what is decided or has no source
  Misses unsourced_passes_;  // of it, what is decided
};

// The status of a row is that of its worst criterion.
Status Together(Status a, Status b) {
  const auto rank = [](Status status) {
    switch (status) {
      case Status::kContradicted:
        return 0;
      case Status::kNotSatisfied:
        return 1;
      case Status::kNoSource:
        return 2;
      case Status::kUndecided:
        return 3;
      case Status::kSatisfied:
        return 4;
      default:
        return 5;
    }
  };
  return rank(a) <= rank(b) ? a : b;
}

ActivityFinding JudgeActivity(const Activity& activity, const Facts& facts, absl::Time now, View view,
                              std::optional<absl::Time> known_from, bool details) {
  ActivityFinding finding;
  finding.activity = &activity;
  finding.gating = activity.gating;
  std::int64_t sum = 0;
  int count = 0;
  for (const Criterion& criterion : activity.criteria) {
    finding.criteria.push_back(CriterionJudge(activity, criterion, facts, now, view, known_from).Run(details));
    const CriterionFinding& row = finding.criteria.back();
    if (criterion.from > activity.rung || row.empty) {
      continue;
    }
    finding.status = Together(finding.status, row.status);
    finding.observed =
        finding.observed || (row.counted > 0 && row.status != Status::kNoSource && row.status != Status::kUndecided);
    sum += row.achievement;
    ++count;
  }
  finding.achievement = count > 0 ? sum / count : 0;
  return finding;
}

// Contradictions of scopes, whichever row meets them.
std::vector<std::string> Contradictions(const Facts& facts, const std::vector<ActivityFinding>& activities) {
  // One sentence for all that share it.
  std::vector<std::pair<std::string, std::set<std::string>>> labels_by_reason;
  const auto add = [&](const std::string& label, absl::string_view reason) {
    const auto same = std::find_if(labels_by_reason.begin(), labels_by_reason.end(),
                                   [&](const auto& one) { return one.first == reason; });
    if (same != labels_by_reason.end()) {
      same->second.insert(label);
    } else if (labels_by_reason.size() < kContradictionsShown) {
      labels_by_reason.push_back({std::string(reason), {label}});
    }
  };
  for (const ScopeKind kind : {ScopeKind::kOrganization, ScopeKind::kHost, ScopeKind::kApplication}) {
    for (const Scope& scope : facts.Scopes(kind)) {
      if (!scope.contradiction.empty() && !scope.excluded) {
        add(scope.label, scope.contradiction);
      }
    }
  }
  for (const ActivityFinding& activity : activities) {
    for (const CriterionFinding& row : activity.criteria) {
      if (row.scopes[static_cast<std::size_t>(Status::kContradicted)] > 0) {
        const Scope* const scope = facts.Find(row.worst.scope);
        add(scope != nullptr && !scope->label.empty() ? scope->label : facts.organization().name,
            row.worst.measured.reason);
      }
    }
  }
  std::vector<std::string> words;
  for (const auto& [reason, labels] : labels_by_reason) {
    const std::size_t named = std::min(labels.size(), kLabelsShown);
    words.push_back(
        absl::StrCat(absl::StrJoin(labels.begin(), std::next(labels.begin(), static_cast<std::ptrdiff_t>(named)), ", "),
                     named < labels.size() ? absl::StrCat(" and ", labels.size() - named, " more") : "", ": ", reason));
  }
  return words;
}

bool AnyOf(const Facts& facts, Origin other) {
  const std::vector<Scope>& applications = facts.Scopes(ScopeKind::kApplication);
  return std::any_of(applications.begin(), applications.end(), [&](const Scope& scope) {
    return scope.line_of_business && !scope.excluded && scope.origin != other;
  });
}

}  // namespace

absl::string_view StatusName(Status status) {
  static constexpr std::array<absl::string_view, kStatuses> kNames = {
      "satisfied", "not_satisfied", "undecided", "no_source", "contradicted", "not_applicable", "exempt"};
  return kNames[static_cast<std::size_t>(status)];
}

int AllowedMisses(int n, std::int64_t share) {
  return std::max(static_cast<int>((kMillion - share) * n / kMillion), n >= 8 ? 1 : 0);
}

int AllowedTier1Misses(int n) {
  return n / 50;
}

int AllowedExemptions(int n) {
  return n / 20;
}

bool EventsPass(std::int64_t misses, std::int64_t n, std::int64_t share) {
  if (misses <= 0) {
    return true;
  }
  const double miss = static_cast<double>(kMillion - share) / static_cast<double>(kMillion);
  if (miss <= 0 || n <= 0) {
    return miss > 0;
  }
  // P(X >= misses) = 1 - P(X < misses); in logarithms, because n may be large.
  double below = 0;
  const auto count = static_cast<double>(n);
  for (std::int64_t k = 0; k < misses && below < 1; ++k) {
    const auto i = static_cast<double>(k);
    below += std::exp(std::lgamma(count + 1) - std::lgamma(i + 1) - std::lgamma(count - i + 1) + i * std::log(miss) +
                      (count - i) * std::log1p(-miss));
  }
  return 1 - below >= 0.2 - 1e-9;  // ties pass, whatever the last digit of the arithmetic
}

std::int64_t LowerBound(const Criterion& criterion) {
  if (criterion.lower_is_value) {
    return criterion.value;
  }
  switch (criterion.unit) {
    case catalogue::UNIT_SHARE:
      return criterion.at_least ? LowerShare(criterion.value)
                                : std::min(criterion.value + kFivePoints, 2 * criterion.value);
    case catalogue::UNIT_DAYS:
    case catalogue::UNIT_RATIO:
      return criterion.at_least ? criterion.value * 4 / 5 : criterion.value * 5 / 4;
    default:
      return criterion.value;
  }
}

std::int64_t LowerShare(std::int64_t share) {
  return std::max<std::int64_t>(0, share - kFivePoints);
}

std::int64_t Achievement(const Criterion& criterion, const Measured& measured) {
  const absl::int128 value = absl::int128(measured.numerator) * kMillion;  // times the denominator
  const absl::int128 bound = absl::int128(criterion.value) * measured.denominator;
  absl::int128 achieved = 0;
  if (measured.quiet) {
    return kMillion;
  }
  if (bound <= 0) {
    return criterion.at_least || value <= 0 ? kMillion : 0;
  }
  achieved = criterion.at_least ? value * kMillion / bound : (4 * bound - value) * kMillion / (3 * bound);
  return static_cast<std::int64_t>(std::clamp<absl::int128>(achieved, 0, kMillion));
}

bool ActivityFinding::Passes(Rung rung) const {
  return std::all_of(criteria.begin(), criteria.end(),
                     [&](const CriterionFinding& row) { return row.criterion->from > rung || row.passes; });
}

bool ActivityFinding::PassesAfterAct(Rung rung) const {
  return std::all_of(criteria.begin(), criteria.end(), [&](const CriterionFinding& row) {
    return row.criterion->from > rung || row.passes || row.passes_after_act;
  });
}

std::int64_t ObservedMinutes(const Facts& facts) {
  std::int64_t minutes = 0;
  for (const Scope& host : facts.Scopes(ScopeKind::kHost)) {
    if (!host.excluded && host.monitored) {
      minutes = std::max(minutes, facts.Get(host, Sum::kUpMinutes, 28) + facts.Get(host, Sum::kBootingMinutes, 28));
    }
  }
  return minutes;
}

absl::Time FirstMinuteDue(const Facts& facts) {
  const std::int64_t minute_s = absl::ToInt64Seconds(kMinute);
  const std::int64_t whole = (facts.organization().started_s + minute_s - 1) / minute_s * minute_s;
  return absl::FromUnixSeconds(whole) + kMinute + kUntilEvaluated;
}

Judgement Judge(const Catalogue& catalogue, const Facts& facts, absl::Time now, View view, bool details) {
  Judgement judgement;
  judgement.view = view;
  const std::vector<Scope>& applications = facts.Scopes(ScopeKind::kApplication);
  judgement.nothing_to_rate = std::none_of(applications.begin(), applications.end(), [](const Scope& scope) {
    return scope.line_of_business && !scope.excluded;
  });
  if (const absl::Time due = FirstMinuteDue(facts); ObservedMinutes(facts) == 0 && now < due + kFirstMinuteAtMost) {
    judgement.known_from = due;
  }
  const Organization& organization = facts.organization();
  const bool confirmed = organization.confirmed_s != 0;
  judgement.no_own_software = confirmed && organization.no_in_house_software && !AnyOf(facts, Origin::kOffTheShelf);
  judgement.no_off_the_shelf_software =
      confirmed && organization.no_off_the_shelf_software && !AnyOf(facts, Origin::kInHouse);
  judgement.activities.reserve(catalogue.activities().size());
  for (const Activity& activity : catalogue.activities()) {
    judgement.activities.push_back(JudgeActivity(activity, facts, now, view, judgement.known_from, details));
    ActivityFinding& finding = judgement.activities.back();
    finding.gating = (activity.gating && !(activity.waived_without_own_software && judgement.no_own_software)) ||
                     (activity.gating_without_own_software && judgement.no_own_software);
  }
  judgement.contradictions = Contradictions(facts, judgement.activities);
  return judgement;
}

namespace {

// Why, and the value as far as it says more.
std::string Detail(const Criterion& criterion, const Measured& measured) {
  std::string value = InWords(criterion, measured);
  if (measured.reason.empty()) {
    return value;
  }
  if (value.empty() || value == "yes" || value == "no") {
    return std::string(measured.reason);
  }
  return absl::StrCat(measured.reason, measured.state == State::kUndecided ? ", so far " : ", ", value);
}

}  // namespace

std::string ReasonOf(const CriterionFinding& finding, const Facts& facts) {
  const Criterion& criterion = *finding.criterion;
  if (finding.empty) {
    return "nothing to judge";
  }
  if (finding.counted == 0) {
    if (finding.status == Status::kUndecided) {
      return "not known yet: no full minute is over";
    }
    if (finding.unconfirmed_empty) {
      return criterion.applies_to == catalogue::APPLIES_TO_IN_HOUSE
                 ? "no own software was found, and no confirmation says that there is none"
                 : "no off-the-shelf software was found, and no confirmation says that there is none";
    }
    if (criterion.scope != ScopeKind::kHost) {
      return "no application served another application or host so far, so none is line-of-business";
    }
    return facts.Scopes(ScopeKind::kHost).empty() ? "no host reports" : "no full minute yet";
  }
  if (finding.status == Status::kSatisfied) {
    return finding.quiet ? "quiet: none happened" : "";
  }
  const std::string detail = Detail(criterion, finding.worst.measured);
  if (criterion.scope == ScopeKind::kOrganization) {
    return detail;
  }
  const int failing = finding.misses + finding.tier_1_misses;
  if (failing == finding.counted && finding.worst.status == Status::kNoSource) {
    return detail;  // the same for all: one sentence says it
  }
  const Scope* const worst = facts.Find(finding.worst.scope);
  return absl::StrCat(failing, " of ", HumanCount(finding.counted, ScopeKindName(criterion.scope)),
                      finding.status == Status::kUndecided ? " wait" : " miss",
                      failing != 1                           ? ""
                      : finding.status == Status::kUndecided ? "s"
                                                             : "es",
                      finding.tier_1_misses > 0 ? absl::StrCat(", ", finding.tier_1_misses, " of them in tier 1") : "",
                      " (allowed: ", finding.allowed, "); worst ", worst != nullptr ? worst->label : "", ": ", detail);
}

std::string ReasonOf(const ActivityFinding& finding, const Facts& facts) {
  if (finding.status == Status::kNotApplicable) {
    return "nothing to judge";
  }
  std::string reason;
  const bool all_quiet = std::all_of(finding.criteria.begin(), finding.criteria.end(),
                                     [](const CriterionFinding& row) { return row.quiet || row.empty; });
  for (const CriterionFinding& row : finding.criteria) {
    const bool own = row.criterion->from <= finding.activity->rung;
    if (own && !row.empty && row.status == finding.status && (row.status != Status::kSatisfied || all_quiet)) {
      const std::string words = ReasonOf(row, facts);
      if (!words.empty() && reason.find(words) == std::string::npos) {
        absl::StrAppend(&reason, reason.empty() ? "" : "; ", words);
      }
    }
  }
  return reason;
}

}  // namespace ppmm
