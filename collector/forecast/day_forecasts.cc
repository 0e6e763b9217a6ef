#include "collector/forecast/day_forecasts.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>

namespace ppmm {
namespace {

// Rounding of what a capacity is measured by is no growth.
constexpr double kGrown = 1.01;

using Key = std::tuple<HostKey, std::int32_t, SeriesId>;

Key KeyOf(const ForecastRow& row) {
  return {row.host, row.kind, row.series};
}

bool Before(const ForecastRow& row, const Key& key) {
  return KeyOf(row) < key;
}

std::int64_t Millionths(double share) {
  return std::llround(std::clamp(share, -1e6, 1e6) * kMillionths);
}

void SetForecast(const Forecast& forecast, ForecastRow& row) {
  row.refusal = std::string(RefusalName(forecast.refusal));
  row.day_count = forecast.values;
  if (forecast.refusal != Refusal::kNone) {
    return;
  }
  row.level_millionths = Millionths(forecast.level);
  row.slope_millionths = Millionths(forecast.slope);
  row.step_day = forecast.step;
  row.days = forecast.days;
  row.days_low = forecast.days_low;
  row.days_high = forecast.days_high;
}

// Of each kind the fullest resources.
HostValues Fullest(HostValues values) {
  std::stable_sort(values.begin(), values.end(), [](const auto& a, const auto& b) {
    return a.second.used / a.second.capacity > b.second.used / b.second.capacity;
  });
  std::map<Resource, std::size_t> taken;
  values.erase(std::remove_if(values.begin(), values.end(),
                              [&taken](const auto& value) {
                                return ++taken[ResourceOf(value.first->measure)] > kForecastsPerKind;
                              }),
               values.end());
  return values;
}

}  // namespace

std::vector<ForecastRow> ForecastDay(Day day, const std::map<HostKey, HostValues>& values,
                                     absl::Span<const ForecastRow> earlier) {
  std::vector<ForecastRow> rows;
  std::vector<DayUse> uses;
  for (const auto& [host, resources] : values) {
    for (const auto& [resource, use] : Fullest(resources)) {
      ForecastRow row;
      row.day = day;
      row.host = host;
      row.kind = static_cast<std::int32_t>(ResourceOf(resource->measure));
      row.series = resource->name;
      row.from_minute = use.from_minute;
      row.used = std::llround(use.used);
      row.capacity = std::llround(use.capacity);
      uses.clear();
      const auto* past = std::lower_bound(earlier.begin(), earlier.end(), KeyOf(row), Before);
      for (; past != earlier.end() && KeyOf(*past) == KeyOf(row); ++past) {
        if (past->day < day) {
          uses.push_back({static_cast<Day>(past->day), past->from_minute, static_cast<double>(past->used),
                          static_cast<double>(past->capacity)});
        }
      }
      // From the row, not from `use`: who recomputes it has the integers.
      uses.push_back({day, row.from_minute, static_cast<double>(row.used), static_cast<double>(row.capacity)});
      SetForecast(ForecastExhaustion(uses, day), row);
      rows.push_back(std::move(row));
    }
  }
  std::sort(rows.begin(), rows.end(), [](const ForecastRow& a, const ForecastRow& b) { return KeyOf(a) < KeyOf(b); });
  return rows;
}

void SetForecastFacts(absl::Span<const ForecastRow> rows, DayFacts& facts) {
  std::int64_t* const days[] = {&facts.exhaustion_cpu_days, &facts.exhaustion_memory_days, &facts.exhaustion_disk_days,
                                &facts.exhaustion_network_days};
  facts.forecast_kinds = 0;
  for (const ForecastRow& row : rows) {
    if (!row.refusal.empty() || row.kind < 1 || row.kind > 4) {
      continue;
    }
    const auto kind = static_cast<std::size_t>(row.kind - 1);
    const std::int64_t bit = std::int64_t{1} << kind;
    *days[kind] = (facts.forecast_kinds & bit) != 0 ? std::min(*days[kind], row.days) : row.days;
    facts.forecast_kinds |= bit;
  }
}

std::map<Day, WarningCounts> CountWarnings(absl::Span<const ForecastRow> rows, Day as_of) {
  std::map<Day, WarningCounts> counts;
  const ForecastRow* warning = nullptr;  // what began and is not over
  bool answered = false;
  const auto count = [&] {
    if (warning != nullptr && (answered || as_of - warning->day >= kAnswerDays)) {
      WarningCounts& day = counts[static_cast<Day>(warning->day)];
      ++day.warnings;
      day.answered += answered ? 1 : 0;
    }
    warning = nullptr;
    answered = false;
  };
  const ForecastRow* last = nullptr;
  for (const ForecastRow& row : rows) {
    if (row.day > as_of) {
      continue;
    }
    if (last == nullptr || KeyOf(*last) != KeyOf(row)) {
      count();
    }
    last = &row;
    if (!row.refusal.empty()) {
      continue;
    }
    if (warning == nullptr) {
      warning = row.days < kWarningDays ? &row : nullptr;
      continue;
    }
    const bool over = row.days >= kWarningOverDays;
    answered = answered || over || static_cast<double>(row.capacity) > kGrown * static_cast<double>(warning->capacity);
    if (over) {
      count();
    }
  }
  count();
  return counts;
}

}  // namespace ppmm
