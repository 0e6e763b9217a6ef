// The judge: the one place where measured values meet bounds, shares, allowances, tier 1, exemptions and the rule for
// events, and become statuses. Pure; everything is compared as integers.
//
// Source: model sections 13.3 (counting) and 13.4 (views).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "collector/facts/facts.h"
#include "collector/rating/catalogue.h"
#include "collector/rating/criteria.h"

namespace ppmm {

enum class View : std::uint8_t {
  kLow,          // undecided fails: promotion, watch, `low`
  kHigh,         // undecided passes: `high`
  kProvisional,  // windows cut to what exists, undecided fails
  kHold,         // lower bounds, undecided fails: demotion
};

enum class Status : std::uint8_t {
  kSatisfied,
  kNotSatisfied,
  kUndecided,
  kNoSource,
  kContradicted,
  kNotApplicable,
  kExempt,  // a scope only
};
inline constexpr int kStatuses = 7;

absl::string_view StatusName(Status status);  // "not_satisfied"

// One criterion on one scope.
struct ScopeFinding {
  ScopeId scope;
  Status status = Status::kNotApplicable;
  Measured measured;
  std::int64_t achievement = 0;  // millionths
  bool counted = true;           // false: too new to count
};

// One criterion over all its scopes.
struct CriterionFinding {
  const Criterion* criterion = nullptr;
  bool passes = true;  // the gate; true when it is empty
  // The best it could be once a person has done what only a person can.
  bool passes_after_act = true;
  bool empty = false;              // nothing to judge, and that is known
  bool not_built = false;          // without a source because this version has no part that could measure it
  bool unconfirmed_empty = false;  // nothing of this class was found, but nobody has confirmed that there is none
  bool none_serves = false;        // no application is known to be line-of-business, and calls alone make one so
  Status status = Status::kNotApplicable;
  std::int64_t achievement = 0;         // millionths, weighted by tier
  std::array<int, kStatuses> scopes{};  // by Status
  int counted = 0;                      // scopes in the denominator
  int misses = 0;                       // of these outside tier 1, exempt ones within the budget left out
  int allowed = 0;
  int tier_1_misses = 0;
  bool quiet = false;
  absl::Time until = absl::InfinitePast();  // latest date at which an undecided scope is decided
  ScopeFinding worst;                       // the counted scope that is farthest from passing
  std::vector<ScopeFinding> details;        // all scopes by number, where asked for
};

struct ActivityFinding {
  const Activity* activity = nullptr;
  bool gating = false;  // in this organization
  Status status = Status::kNotApplicable;
  std::int64_t achievement = 0;  // millionths; mean of its criteria
  bool observed = false;         // decided on a scope that exists
  std::vector<CriterionFinding> criteria;

  // Whether every criterion asked for at `rung` passes.
  bool Passes(Rung rung) const;
  bool PassesAfterAct(Rung rung) const;
};

struct Judgement {
  View view = View::kLow;
  bool nothing_to_rate = false;  // no line-of-business application
  // Until then nobody can say what serves whom: the end of the first full minute; nothing where it is over.
  std::optional<absl::Time> known_from;
  bool no_own_software = false;  // confirmed and found so
  bool no_off_the_shelf_software = false;
  std::vector<ActivityFinding> activities;  // in the order of the catalogue
  std::vector<std::string> contradictions;  // in words, at most 20
};

// Judges all rows. `details`: keep the finding of every scope.
Judgement Judge(const Catalogue& catalogue, const Facts& facts, absl::Time now, View view, bool details = false);

// Minutes in which the longest observed host that is rated was up, 28 days.
std::int64_t ObservedMinutes(const Facts& facts);
// When the first full minute of the oldest host is over and evaluated.
absl::Time FirstMinuteDue(const Facts& facts);

// Misses that are allowed among `n` scopes of which `share` (millionths) must hold: max(floor((1 - share) n), 1 from 8
// scopes on).
int AllowedMisses(int n, std::int64_t share);
// Of tier 1, each above its lower bound.
int AllowedTier1Misses(int n);
int AllowedExemptions(int n);

// Whether `misses` among `n` events may be chance when a share of `share` (millionths) go well: that many or more have
// a probability of at least 20 %. Shape: 0 <= misses <= n.
bool EventsPass(std::int64_t misses, std::int64_t n, std::int64_t share);

// The bound below which a value counts against what was reached, in millionths.
std::int64_t LowerBound(const Criterion& criterion);
std::int64_t LowerShare(std::int64_t share);

// Achievement of a decided value, in millionths.
std::int64_t Achievement(const Criterion& criterion, const Measured& measured);

// "17 of 412 hosts miss; worst db7: 91.2 %: 22 h of 10 d missing": why a finding is what it is, in one line.
std::string ReasonOf(const ActivityFinding& finding, const Facts& facts);
std::string ReasonOf(const CriterionFinding& finding, const Facts& facts);

}  // namespace ppmm
