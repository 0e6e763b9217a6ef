// The forecasts of one day, as rows: from what the days before used and what the day itself did; and the warnings that
// the rows of some weeks amount to. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/types/span.h"

#include "collector/facts/day_facts.h"
#include "collector/forecast/resource_use.h"
#include "collector/store/rows.h"

namespace ppmm {

// A warning of exhaustion begins when a resource comes this close, and is over when it is that far again.
inline constexpr std::int64_t kWarningDays = 30;
inline constexpr std::int64_t kWarningOverDays = 45;
// It is to be answered within so many days.
inline constexpr Day kAnswerDays = 7;
// Of a kind of a host so many resources are forecast, the fullest ones.
inline constexpr std::size_t kForecastsPerKind = 16;

using HostValues = std::vector<std::pair<const ResourceSeries*, DayUse>>;

// Forecasts for every resource that has a value on the day.
// Shape: `earlier` ordered by host, kind, series, then day; rows of `day` and later are left out.
std::vector<ForecastRow> ForecastDay(Day day, const std::map<HostKey, HostValues>& values,
                                     absl::Span<const ForecastRow> earlier);

// Sets forecast_kinds and exhaustion_*_days from the rows of a host and day: of a kind the soonest.
void SetForecastFacts(absl::Span<const ForecastRow> rows, DayFacts& facts);

// Warnings that began on one day: those that are answered or were to be answered by now, and of these the answered
// ones.
struct WarningCounts {
  std::int64_t warnings = 0;
  std::int64_t answered = 0;
  bool operator==(const WarningCounts&) const = default;
};

// By the day they began, as known at the end of `as_of`. An answer is what the rows show of it: more capacity, or a use
// that took the resource out of danger.
// Shape: `rows` as `earlier` above, up to `as_of`.
std::map<Day, WarningCounts> CountWarnings(absl::Span<const ForecastRow> rows, Day as_of);

}  // namespace ppmm
