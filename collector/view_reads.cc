#include "collector/view_reads.h"

#include <algorithm>

namespace ppmm {
namespace {

// The increments of the steps (from, to].
double IncreaseBetween(const SeriesState& series, std::int64_t from, std::int64_t to) {
  double sum = 0;
  series.latest.ForEach([&](std::int64_t step, std::int64_t value) {
    if (step > from && step <= to) {
      sum += static_cast<double>(value);
    }
  });
  return sum;
}

}  // namespace

std::optional<double> RatePerSecond(const SeriesState& series, std::int64_t to, absl::Duration window) {
  if (series.latest.empty()) {
    return std::nullopt;
  }
  const std::int64_t from = std::max(to - absl::ToInt64Seconds(window), series.latest.oldest_step());
  if (from >= to) {
    return std::nullopt;
  }
  return IncreaseBetween(series, from, to) * ScaleFactor(series.metric->scale) / static_cast<double>(to - from);
}

double IncreaseWithin(const SeriesState& series, std::int64_t to, absl::Duration window) {
  return IncreaseBetween(series, to - absl::ToInt64Seconds(window), to);
}

}  // namespace ppmm
