#include "collector/facts/little_intervals.h"

#include <algorithm>

#include "collector/facts/percentile_intervals.h"

namespace ppmm {
namespace {

constexpr std::int64_t kBusyRequests = kSamplesForP95;
// More than a minute can hold, whatever a sender claims: sums and their multiples do not overflow.
constexpr std::int64_t kMostUs = std::int64_t{1} << 50;

}  // namespace

LittleRest LittleRestOf(const DayFacts& day_before) {
  return {day_before.little_rest_in_flight_us, day_before.little_rest_elapsed_us};
}

void LittleIntervals::Add(std::int64_t requests, std::int64_t in_flight_us, std::int64_t elapsed_us) {
  if (elapsed_us <= 0) {
    return;  // nothing that could be compared
  }
  ++seen_minutes_;
  if (requests < kBusyRequests) {
    return;
  }
  ++busy_minutes_;
  rest_.in_flight_us += std::clamp<std::int64_t>(in_flight_us, 0, kMostUs);
  rest_.elapsed_us += std::min(elapsed_us, kMostUs);
  if (rest_.elapsed_us < kLittleIntervalUs) {
    return;
  }
  const std::int64_t difference =
      std::max(rest_.in_flight_us, rest_.elapsed_us) - std::min(rest_.in_flight_us, rest_.elapsed_us);
  ++intervals_;
  within_ += 4 * difference <= rest_.elapsed_us ? 1 : 0;
  half_off_ += rest_.in_flight_us >= 2 * rest_.elapsed_us || 2 * rest_.in_flight_us <= rest_.elapsed_us ? 1 : 0;
  rest_ = {};
}

void LittleIntervals::SetFacts(DayFacts& facts) const {
  facts.in_flight_minutes = seen_minutes_;
  facts.little_intervals = intervals_;
  facts.little_within = within_;
  facts.little_half_off = half_off_;
  const LittleRest rest = busy_minutes_ > 0 ? rest_ : LittleRest();
  facts.little_rest_in_flight_us = rest.in_flight_us;
  facts.little_rest_elapsed_us = rest.elapsed_us;
}

}  // namespace ppmm
