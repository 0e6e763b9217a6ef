// From findings to the rating: gates, rungs, the state machine over daily evaluations, and what is said about it. Pure:
// the same catalogue, facts, state and time give the same rating, byte by byte.
//
// Source: model section 13.4.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "collector/facts/facts.h"
#include "collector/rating/catalogue.h"
#include "collector/rating/judge.h"
#include "collector/rating/remedy.h"

namespace ppmm {

// The highest rung whose gates, and those of all rungs below, pass; 3 and 4 also need half of their supporting rows
// half achieved, 3 to 5 more than half of their own gates observed.
Rung Supported(const Judgement& judgement);

// Ids of gates asked for at `rung` or below that do not pass, in the order of the catalogue.
std::vector<std::string> FailingGates(const Judgement& judgement, Rung rung);

// ---- the state machine ---------------------------------------------------------------------------------------------

inline constexpr std::size_t kEvaluationsKept = 14;
inline constexpr int kEvaluationsToRise = 12;
inline constexpr int kEvaluationsToFall = 7;

// A gate, and the lowest rung at which it does not hold: what a row asks may grow from one rung to the next.
using GateAt = std::pair<Rung, std::string>;

// What one closed day said.
struct DayEvaluation {
  Day day = 0;
  Rung low = Rung::k1;        // supported
  bool contradicted = false;  // nothing is promoted
  std::vector<GateAt> below;  // below their lower bound (the hold view)
};

// Kept by the store in `rating_day`.
struct LevelState {
  Rung published = Rung::k1;
  std::optional<Day> last;      // the day last evaluated
  Day held_since = 0;           // the first day of `published`
  std::vector<Rung> low;        // of the last evaluations, oldest first, at most kEvaluationsKept
  std::map<GateAt, int> below;  // with the number of evaluations in a row below their lower bound

  bool operator==(const LevelState&) const = default;
};

// Judges a closed day; the windows of `facts` end with it.
DayEvaluation EvaluateDay(const Catalogue& catalogue, const Facts& facts);

// Takes one evaluation in. A day that is not later than the last one changes nothing: a published day stays published.
//
// Source: model section 13.4. Up one rung when the low view supports it on 12 of the last 14 evaluations, this one
//         among them, and nothing is contradicted. Down to the highest rung none of whose gates was below its lower
//         bound on 7 evaluations in a row.
void Advance(const DayEvaluation& evaluation, LevelState& state);

// ---- the rating ----------------------------------------------------------------------------------------------------

struct Interval {
  std::int64_t low = 0;  // millionths
  std::int64_t high = 0;
};

struct ProvisionalRating {
  Rung rung = Rung::k1;
  std::string label;
  std::int64_t minutes = 0;  // of observation behind it
};

struct BlockingRow {
  std::string activity;
  std::string title;
  Rung rung = Rung::k1;
  std::string role;
  Status status = Status::kNoSource;
  std::string reason;
  absl::Time until = absl::InfinitePast();  // of kUndecided
  std::optional<int> minutes_of_work;       // unknown where time alone cures
  Cure cure;                                // empty where time alone cures
};

// What would have to be done for a rung, besides what the entries before it ask; what can be done today first.
struct NextStep {
  Rung rung = Rung::k1;
  std::vector<NextAct> acts;
};

// One row of the catalogue with what is known of it.
struct ActivityStatus {
  const Activity* activity = nullptr;
  bool gating = false;
  Status status = Status::kNotApplicable;
  Interval achievement;
  std::string reason;
  absl::Time decidable_at = absl::InfinitePast();  // of kUndecided
  std::optional<std::int64_t> evidence_age_seconds;
  std::array<int, kStatuses> scopes{};
};

// Rows that are undecided, of any rung.
struct WaitingRows {
  int count = 0;
  absl::Time until = absl::InfinitePast();  // the last of them
};

// What the rung above the next one asks, as far as it holds today, in one line.
struct AfterNext {
  Rung rung = Rung::k1;
  std::string activity;  // the first gate of it that does not hold; empty: all of its own hold
  std::string words;     // "Response-time distributions of ...: 1 of 2 applications now; 3 more activities"
};

struct Rating {
  std::string organization;
  Rung published = Rung::k1;
  Rung low = Rung::k1;
  Rung high = Rung::k1;
  std::string label;
  ProvisionalRating provisional;
  bool watch = false;
  std::vector<std::string> watch_reasons;
  std::array<Interval, kRungs.size()> progress{};  // by Rung; rung 1 has none
  // Toward the rung above `published`: what can be done today, what comes with a later version, what waits for time.
  std::vector<BlockingRow> blocking;
  WaitingRows waiting;
  std::optional<AfterNext> after_next;
  std::vector<NextStep> next_steps;
  std::vector<ActivityStatus> activities;  // all rows; they point into the catalogue
  std::string catalogue_digest;
  std::string snapshot_digest;
  absl::Time evaluated_at;
  absl::Time held_since;
};

// The rating as of `now`, which lies within the last day of `facts` or at its end.
Rating Rate(const Catalogue& catalogue, const Facts& facts, const LevelState& state, absl::Time now);

}  // namespace ppmm
