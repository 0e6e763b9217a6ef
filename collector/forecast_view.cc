#include "collector/forecast_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "collector/forecast/line.h"

namespace ppmm {
namespace {

constexpr std::int64_t kYearDays = 365;

std::string NameOf(const Tables& tables, const ForecastRow& row) {
  if (row.series == 0) {
    return row.kind == static_cast<std::int32_t>(Resource::kCpu) ? "CPU" : "memory";
  }
  const SeriesState* const series = tables.Series(row.series);
  if (series == nullptr) {
    return "";
  }
  const std::vector<absl::string_view> labels = series->LabelValues();
  const absl::string_view metric = series->metric->name;
  if (metric == "ppmm_host_disk_io_time_seconds_total" && labels.size() == 1) {
    return absl::StrCat("disk ", labels[0]);
  }
  if (labels.size() == 3) {  // of a file system: device, type, mount point
    return absl::StrCat(labels[2], metric == "ppmm_host_filesystem_files" ? " file nodes" : "");
  }
  return labels.empty() ? "" : std::string(labels[0]);
}

std::string ReasonOf(const std::string& refusal) {
  return refusal == RefusalName(Refusal::kTooShort)     ? "7 days of history are needed"
         : refusal == RefusalName(Refusal::kTooFew)     ? "5 days with values are needed"
         : refusal == RefusalName(Refusal::kNoCapacity) ? "its capacity is not known"
                                                        : refusal;
}

std::optional<std::int64_t> InSight(std::int64_t days) {
  return days < kNotInSight ? std::optional<std::int64_t>(days) : std::nullopt;
}

std::string WordsOf(const HostForecasts& forecasts) {
  if (forecasts.resources.empty() || !forecasts.resources.front().reason.empty()) {
    return forecasts.known_from.has_value()
               ? absl::StrCat("known from ", absl::FormatTime("%-d %b", *forecasts.known_from, absl::UTCTimeZone()))
               : "";
  }
  const ResourceForecast& soonest = forecasts.resources.front();
  if (!soonest.days.has_value()) {
    return "not in sight";
  }
  const std::string when = *soonest.days == 0           ? "now"
                           : *soonest.days >= kYearDays ? "in over a year"
                                                        : absl::StrCat("in ", *soonest.days, " d");
  return absl::StrCat(when, " (", soonest.resource, ")");
}

}  // namespace

HostForecasts ForecastsOf(const Tables& tables, const HostState& host, absl::Time now) {
  HostForecasts result;
  for (const ForecastRow& row : host.forecasts) {
    ResourceForecast& forecast = result.resources.emplace_back();
    forecast.kind = std::string(ResourceName(static_cast<Resource>(row.kind)));
    forecast.resource = NameOf(tables, row);
    forecast.used_ratio = row.capacity > 0 ? static_cast<double>(row.used) / static_cast<double>(row.capacity) : 0;
    forecast.reason = ReasonOf(row.refusal);
    if (row.refusal.empty()) {
      forecast.level_ratio = static_cast<double>(row.level_millionths) / kMillionths;
      forecast.slope_ratio_per_day = static_cast<double>(row.slope_millionths) / kMillionths;
      forecast.days = InSight(row.days);
      forecast.days_low = InSight(row.days_low);
      forecast.days_high = InSight(row.days_high);
    }
    result.as_of = StartOf(static_cast<Day>(row.day + 1));
  }
  std::stable_sort(result.resources.begin(), result.resources.end(),
                   [](const ResourceForecast& a, const ResourceForecast& b) {
                     const auto key = [](const ResourceForecast& forecast) {
                       return std::make_pair(!forecast.reason.empty(), forecast.days.value_or(kNotInSight));
                     };
                     return key(a) < key(b);
                   });
  // At the end of the day in which the history is long enough.
  const absl::Time enough =
      absl::FromUnixMicros(host.row.first_seen_us) + absl::Hours(24) * kForecastHistoryDays - absl::Nanoseconds(1);
  const absl::Time made = StartOf(DayOf(enough) + 1);
  const bool none = result.resources.empty() || !result.resources.front().reason.empty();
  if (none && now < made) {
    result.known_from = made;
  }
  result.words = WordsOf(result);
  return result;
}

}  // namespace ppmm
