// Criteria measure: what a scope's facts say about one criterion, as a value that the judge compares with bounds. A
// closed set of evaluators, each a few lines over window sums. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "collector/facts/facts.h"
#include "collector/rating/catalogue.h"

namespace ppmm {

// Which part of a window counts.
enum class Basis {
  kWhole,  // undecided until the criterion's time of observation is over; booting minutes left out
  kCut,    // what exists, from the first minute on; booting minutes count
};

struct Measured {
  enum class State : std::uint8_t { kDecided, kUndecided, kNoSource, kNotApplicable, kContradicted };
  State state = State::kDecided;
  bool quiet = false;      // a share of events, of which there was none while they would have been seen
  bool coarse = false;     // throughput by connections or bytes only
  int interval_hours = 0;  // percentiles: over how long they are taken; 0: says nothing
  // What is missing may have been done by people, and nothing records that yet: if it does not hold, there is no
  // source.
  bool unrecorded = false;
  bool not_built = false;  // kNoSource: this version has no part that could measure it
  // value = numerator / denominator in the criterion's unit; events: those that went well of those there were.
  std::int64_t numerator = 0;
  std::int64_t denominator = 1;
  absl::Time until = absl::InfiniteFuture();  // kUndecided: decided then, or later
  absl::Time since = absl::InfinitePast();    // kNoSource
  // Why it is not decided; it lives as long as the catalogue and the facts.
  absl::string_view reason;
  // The days that were looked at, both included; what a reader of the evidence asks the store for.
  Day from = 0;
  Day to = 0;
};

// Measures one scope.
//
// Shape:  `scope` is of the criterion's kind, and of `facts`; `now` is the end of the last day of `facts`, or within
// that day. Source: model sections 13.2 and 13.5.
Measured Evaluate(const Criterion& criterion, const Facts& facts, const Scope& scope, absl::Time now, Basis basis);
// The same by number; an unknown scope is not applicable.
Measured Evaluate(const Criterion& criterion, const Facts& facts, ScopeId scope, absl::Time now,
                  Basis basis = Basis::kWhole);

// Whether there are figures to show: the value, or, while it is undecided, what a window that is not over says so far.
bool HasFigures(const Measured& measured);

// The value with its unit and what lies behind it: "91.2 %: 22 h of 10 d missing". Empty where nothing was measured.
std::string InWords(const Criterion& criterion, const Measured& measured);

// "35 min", "22 h", "10 d": at most three digits, cut.
std::string MinutesInWords(std::int64_t minutes);
// "83.3 %", "99.31 %", "0.09 %": cut, not rounded, so that 99.996 % never reads as 100 %. One decimal, two from 99 % on
// and below 1 %, no zeros at the end. `at_least` false, for a value that must be low: its last digit is the next higher
// one, so that 0.104 % never reads as 0.1 %. Shape: denominator above 0.
std::string ShareInWords(std::int64_t numerator, std::int64_t denominator, bool at_least = true);

// Whether the facts keep every sum that the criterion's evaluator needs over its window.
//
// Errors: InvalidArgument names the scope and the window.
absl::Status CheckSums(const Criterion& criterion);

}  // namespace ppmm
