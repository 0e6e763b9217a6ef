#include "collector/forecast/line.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace ppmm {
namespace {

// Of the normal distribution, two-sided: 95 % for the direction, 99 % for the interval. Days are not independent, so on
// real systems less is inside (docs/forecast.md); the direction is not to wait for weeks.
constexpr double kDirection = 1.96;
constexpr double kInterval = 2.58;
// A band around the line that holds nine of ten days.
constexpr double kBand = 0.9;
// A split into two levels is looked for when the days are, on average, further than this from the line, and taken when
// it leaves less than such a part of that distance; in less than two weeks a weekend looks like a new level.
constexpr double kStepLooksFor = 0.01;
constexpr double kStepLeaves = 0.5;
constexpr double kStepLeavesShort = 0.3;
constexpr double kStepJump = 2;
constexpr std::size_t kTwoWeeks = 14;
constexpr std::size_t kStepSide = 3;
// More than twice the capacity is a fault of a counter, not use.
constexpr double kAbsurd = 2;

struct Point {
  double day = 0;
  double share = 0;
};

double Median(std::vector<double>& values) {
  const std::size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle), values.end());
  if (values.size() % 2 == 1) {
    return values[middle];
  }
  const double above = values[middle];
  return (above + *std::max_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle))) / 2;
}

void AppendSlopes(absl::Span<const Point> points, std::vector<double>& slopes) {
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (std::size_t j = i + 1; j < points.size(); ++j) {
      slopes.push_back((points[j].share - points[i].share) / (points[j].day - points[i].day));
    }
  }
}

double Intercept(absl::Span<const Point> points, double slope) {
  std::vector<double> levels;
  levels.reserve(points.size());
  for (const Point& point : points) {
    levels.push_back(point.share - slope * point.day);
  }
  return Median(levels);
}

// One slope, and a level before and from point `split` on; with split 0 there is one level.
struct Fit {
  std::size_t split = 0;
  double slope = 0;
  double before = 0;
  double level = 0;
  double distance = 0;  // of a day from the line, mean

  double Residual(absl::Span<const Point> points, std::size_t i) const {
    return points[i].share - slope * points[i].day - (i < split ? before : level);
  }
};

Fit FitLine(absl::Span<const Point> points, std::size_t split, std::vector<double>& slopes) {
  slopes.clear();
  AppendSlopes(points.subspan(0, split), slopes);
  AppendSlopes(points.subspan(split), slopes);
  Fit fit;
  fit.split = split;
  fit.slope = Median(slopes);
  fit.before = split > 0 ? Intercept(points.subspan(0, split), fit.slope) : 0;
  fit.level = Intercept(points.subspan(split), fit.slope);
  for (std::size_t i = 0; i < points.size(); ++i) {
    fit.distance += std::abs(fit.Residual(points, i)) / static_cast<double>(points.size());
  }
  return fit;
}

Fit BestFit(absl::Span<const Point> points, std::vector<double>& slopes) {
  Fit best = FitLine(points, 0, slopes);
  if (best.distance > kStepLooksFor) {
    const double bound = best.distance * (points.size() >= kTwoWeeks ? kStepLeaves : kStepLeavesShort);
    for (std::size_t split = kStepSide; split + kStepSide <= points.size(); ++split) {
      if (std::abs(points[split].share - points[split - 1].share) < kStepJump * best.distance) {
        continue;  // a new level begins with a jump; each fit costs as much as the line
      }
      const Fit fit = FitLine(points, split, slopes);
      if (fit.distance < std::min(bound, best.distance)) {
        best = fit;
      }
    }
  }
  return best;
}

struct Interval {
  double low = 0;
  double high = 0;
};

double KendallVariance(std::size_t size) {
  const auto n = static_cast<double>(size);
  return n * (n - 1) * (2 * n + 5) / 18;
}

// Between which slopes the true one lies. Shape: `slopes` sorted.
Interval SlopeInterval(absl::Span<const Point> points, std::size_t split, absl::Span<const double> slopes,
                       double deviations) {
  const auto count = static_cast<double>(slopes.size());
  const double width = deviations * std::sqrt(KendallVariance(split) + KendallVariance(points.size() - split));
  const double rank = std::max(1.0, std::floor((count - width) / 2));
  const auto from_end = static_cast<std::size_t>(rank);
  return {slopes[from_end - 1], slopes[slopes.size() - from_end]};
}

double BandOf(absl::Span<const Point> points, const Fit& fit) {
  std::vector<double> distances;
  distances.reserve(points.size());
  for (std::size_t i = 0; i < points.size(); ++i) {
    distances.push_back(std::abs(fit.Residual(points, i)));
  }
  std::sort(distances.begin(), distances.end());
  const auto rank = static_cast<std::size_t>(std::ceil(kBand * static_cast<double>(distances.size())));
  return distances[rank - 1];
}

// Whole days, cut: what lasts 12.9 days is exhausted within the 13th.
std::int64_t DaysUntil(double level, double slope) {
  if (level >= kExhaustedAt) {
    return 0;
  }
  if (slope <= 0) {
    return kNotInSight;
  }
  // The cut of a whole number of days that division made 41.999...
  const double days = std::floor((kExhaustedAt - level) / slope + 1e-6);
  return days >= static_cast<double>(kNotInSight) ? kNotInSight : static_cast<std::int64_t>(days);
}

bool IsUsable(const DayUse& value) {
  return std::isfinite(value.used) && value.used >= 0 && value.used <= kAbsurd * value.capacity;
}

bool HasCapacity(const DayUse& value) {
  return std::isfinite(value.capacity) && value.capacity > 0;
}

}  // namespace

absl::string_view RefusalName(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone:
      return "";
    case Refusal::kNoCapacity:
      return "no_capacity";
    case Refusal::kTooShort:
      return "too_short";
    case Refusal::kTooFew:
      return "too_few";
  }
  return "";
}

Forecast ForecastExhaustion(absl::Span<const DayUse> values, Day day) {
  Forecast forecast;
  while (!values.empty() && values.front().day <= day - kForecastWindowDays) {
    values.remove_prefix(1);
  }
  if (values.empty()) {
    forecast.refusal = Refusal::kTooFew;
    return forecast;
  }
  const double capacity = values.back().capacity;
  if (!HasCapacity(values.back())) {
    forecast.refusal = Refusal::kNoCapacity;
    return forecast;
  }
  std::vector<Point> points;
  points.reserve(values.size());
  for (const DayUse& value : values) {
    if (!HasCapacity(value)) {
      continue;
    }
    if (IsUsable(value)) {
      // Time counts from the last day: the level of the line at 0 is what is wanted.
      points.push_back({static_cast<double>(value.day - day), value.used / capacity});
    } else {
      ++forecast.unusable;
    }
  }
  forecast.values = static_cast<int>(points.size());
  const std::int64_t history = (std::int64_t{day} + 1 - values.front().day) * 1440 - values.front().from_minute;
  if (history < std::int64_t{kForecastHistoryDays} * 1440) {
    forecast.refusal = Refusal::kTooShort;
    return forecast;
  }
  if (forecast.values < kForecastMinValues) {
    forecast.refusal = Refusal::kTooFew;
    return forecast;
  }

  std::vector<double> slopes;
  slopes.reserve(points.size() * (points.size() - 1) / 2);
  Fit fit = BestFit(points, slopes);
  if (fit.split > 0) {
    forecast.step = day + static_cast<Day>(points[fit.split].day);
  }
  // The search left the slopes of its last try behind.
  fit = FitLine(points, fit.split, slopes);
  std::sort(slopes.begin(), slopes.end());
  const Interval direction = SlopeInterval(points, fit.split, slopes, kDirection);
  const Interval interval = SlopeInterval(points, fit.split, slopes, kInterval);
  forecast.trend = direction.low > 0 || direction.high < 0;
  if (!forecast.trend) {
    // No direction is certain, so none is extrapolated; the interval keeps what it might be.
    fit.slope = 0;
    fit.before = fit.split > 0 ? Intercept(absl::MakeSpan(points).subspan(0, fit.split), 0) : 0;
    fit.level = Intercept(absl::MakeSpan(points).subspan(fit.split), 0);
  }
  forecast.level = fit.level;
  forecast.slope = fit.slope;
  forecast.slope_low = std::min(interval.low, fit.slope);
  forecast.slope_high = std::max(interval.high, fit.slope);
  forecast.band = BandOf(points, fit);
  forecast.days = DaysUntil(fit.level, fit.slope);
  forecast.days_low = DaysUntil(fit.level + forecast.band, forecast.slope_high);
  forecast.days_high = DaysUntil(fit.level - forecast.band, forecast.slope_low);
  return forecast;
}

}  // namespace ppmm
