// When a resource is exhausted: a robust straight line through what its days used, and where it meets the capacity.
// Pure arithmetic on a few numbers; docs/forecast.md has the method, its accuracy, and SQL that finds the same line.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "collector/facts/day_facts.h"

namespace ppmm {

// A line is drawn through the values of this many days at most.
inline constexpr int kForecastWindowDays = 28;
// From as much history, of which so many days have a value (an office host has five a week).
inline constexpr int kForecastHistoryDays = 7;
inline constexpr int kForecastMinValues = 5;
// Nobody can see further; stands for "not in sight".
inline constexpr std::int64_t kNotInSight = 3650;
// Exhausted is what has 1 % left: nothing works well to the last byte, and saturated counters rarely read 100 %.
inline constexpr double kExhaustedAt = 0.99;
// Shares are kept in millionths.
inline constexpr double kMillionths = 1e6;

// What one day says of one resource: the mean of its busiest hour.
struct DayUse {
  Day day = 0;
  std::int64_t from_minute = 0;  // of the day, the first minute with a sample
  double used = 0;               // in the unit of the capacity
  double capacity = 0;
};

// Why there is no line.
enum class Refusal : std::uint8_t {
  kNone,
  kNoCapacity,  // what it is a part of is not known: a network device without a speed
  kTooShort,    // less than 7 days between the first value and the end of the day
  kTooFew,      // fewer than 5 usable values in the window
};
absl::string_view RefusalName(Refusal refusal);  // "too_short"

// Shares are parts of the capacity that the last day has, so a disk that grew is judged by its new size.
struct Forecast {
  Refusal refusal = Refusal::kNone;
  int values = 0;        // usable ones in the window
  int unusable = 0;      // not a number, negative, or beyond twice the capacity they were measured against
  double level = 0;      // of the line at the end of the day; a share
  double slope = 0;      // a day; 0 unless `trend`
  bool trend = false;    // the sign of the slope is certain (95 %)
  double slope_low = 0;  // between which slopes the true one lies (99 %)
  double slope_high = 0;
  double band = 0;            // nine of ten days are at most this far from the line
  Day step = 0;               // the level changed with this day; 0: it did not
  std::int64_t days = 0;      // until the line reaches kExhaustedAt; 0: it has; kNotInSight: it does not
  std::int64_t days_low = 0;  // earliest and latest by the interval; days_low <= days <= days_high
  std::int64_t days_high = 0;
};

// Forecasts at the end of `day`.
//
// Shape:  `values` by rising day, none after `day`; older ones than the window are left out.
// Source: Theil 1950, Sen 1968 (slope, its interval from Kendall's statistic); docs/forecast.md.
Forecast ForecastExhaustion(absl::Span<const DayUse> values, Day day);

}  // namespace ppmm
