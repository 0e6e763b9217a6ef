#include "collector/facts/percentile_intervals.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace ppmm {
namespace {

constexpr Day kWeek = 7;
constexpr std::size_t kHours = 24;

bool WasUp(const DayFacts& facts) {
  return facts.up_minutes + facts.booting_minutes > 0;
}

// Of an even number the lower of the two in the middle.
std::int64_t Median(std::vector<std::int64_t>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

PercentileContext PercentileContextOf(const std::map<Day, DayFacts>& days, Day day, Day since) {
  PercentileContext context;
  context.first = day;
  std::array<std::array<std::vector<std::int64_t>, kHours>, kWeek> weeks;  // requests, by weekday and hour
  for (auto at = days.lower_bound(std::max({day - kPercentileHistory, since, 0})); at != days.end() && at->first < day;
       ++at) {
    const auto& [of, facts] = *at;
    if (!WasUp(facts)) {
      continue;
    }
    context.first = std::min(context.first, of);
    for (std::size_t hour = 0; hour < kHours; ++hour) {
      weeks[static_cast<std::size_t>(of % kWeek)][hour].push_back(facts.requests_per_hour[hour]);
      context.timed_before += of > day - kWeek ? facts.timed_per_hour[hour] : 0;
    }
  }
  std::int64_t busiest = 0;
  std::array<std::int64_t, kHours> of_this_weekday{};
  for (std::size_t weekday = 0; weekday < weeks.size(); ++weekday) {
    for (std::size_t hour = 0; hour < kHours; ++hour) {
      std::vector<std::int64_t>& requests = weeks[weekday][hour];
      const std::int64_t median = requests.empty() ? 0 : Median(requests);
      busiest = std::max(busiest, median);
      if (weekday == static_cast<std::size_t>(day % kWeek)) {
        of_this_weekday[hour] = median;
      }
    }
  }
  const bool first_week = day - context.first < kWeek;
  for (std::size_t hour = 0; hour < kHours; ++hour) {
    context.busy[hour] = first_week || busiest == 0 || of_this_weekday[hour] >= (busiest + 9) / 10;
  }
  return context;
}

void SetPercentileIntervals(const PercentileContext& context, Day day, int hours_over, DayFacts& facts) {
  for (const PercentileLength& length : kPercentileLengths) {
    facts.*length.intervals = facts.*length.enough = 0;
    if (!WasUp(facts)) {
      continue;
    }
    const int hours = std::min(length.hours, static_cast<int>(kHours));
    const Day days_before = std::max(length.hours / static_cast<int>(kHours), 1) - 1;
    for (int from = 0; from < static_cast<int>(kHours); from += hours) {
      const auto begin = static_cast<std::ptrdiff_t>(from);
      const auto end = begin + hours;
      const std::int64_t samples =
          std::accumulate(facts.timed_per_hour.begin() + begin, facts.timed_per_hour.begin() + end,
                          days_before > 0 ? context.timed_before : std::int64_t{0});
      const bool busy = std::any_of(context.busy.begin() + begin, context.busy.begin() + end, [](bool b) { return b; });
      const bool whole = day - days_before > context.first && from + hours <= hours_over;
      const bool enough = samples >= kSamplesForP95;
      facts.*length.intervals += busy && (whole || enough) ? 1 : 0;
      facts.*length.enough += busy && enough ? 1 : 0;
    }
  }
}

}  // namespace ppmm
