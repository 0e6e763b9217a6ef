// Over which stretch of time a percentile of response times means something (RSP-002): how many intervals of an hour,
// of six, of a day and of a week hold enough samples. Pure: made of the hours of days that are facts already.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "collector/facts/day_facts.h"

namespace ppmm {

// The smallest n at which the largest sample lies above the 95th percentile with 95 % confidence.
inline constexpr std::int64_t kSamplesForP95 = 59;

struct PercentileLength {
  int hours = 0;
  std::int64_t DayFacts::*intervals = nullptr;
  std::int64_t DayFacts::*enough = nullptr;
};
inline constexpr std::array<PercentileLength, 4> kPercentileLengths = {{
    {1, &DayFacts::percentile_intervals_1h, &DayFacts::percentile_enough_1h},
    {6, &DayFacts::percentile_intervals_6h, &DayFacts::percentile_enough_6h},
    {24, &DayFacts::percentile_intervals_24h, &DayFacts::percentile_enough_24h},
    {168, &DayFacts::percentile_intervals_7d, &DayFacts::percentile_enough_7d},
}};

// How many days before a day tell what is asked of its intervals; so a day that changes late changes as many after it.
inline constexpr Day kPercentileHistory = 28;

// What the days before a day say of one application.
struct PercentileContext {
  // Hours of the day that count: those of the week with a tenth or more of the busiest hour's requests, by the median
  // of the weeks before; all hours in the first week.
  std::array<bool, 24> busy{};
  std::int64_t timed_before = 0;  // samples of the six days before
  Day first = 0;                  // the first day on which it was up and could be timed; the day itself: none before
};

// Shape: `days`: facts of one application; those from `day` on are not looked at. `since`: the first day on which
//        response times were counted.
PercentileContext PercentileContextOf(const std::map<Day, DayFacts>& days, Day day, Day since);

// Sets the columns of kPercentileLengths from the hours of the day.
//
// Shape:  hours from `hours_over` on are not over yet. Intervals of hours, of six and of a day lie on the grid of UTC,
//         that of a week ends with the day. One counts if it holds a busy hour and is whole; one that is not (it is not
//         over, or it begins on the first day of the application or before) counts only once it holds enough.
void SetPercentileIntervals(const PercentileContext& context, Day day, int hours_over, DayFacts& facts);

}  // namespace ppmm
