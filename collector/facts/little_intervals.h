// Little's law, N = X R, over intervals of one application (RSP-005). N is what a timer of the kernel saw in flight, X
// R what the times of the same requests say; both as request-time: requests times how long. Pure.
//
// An interval is the shortest run of busy minutes in which 100 observations of a request in flight are expected. Others
// of its minutes are passed over. It belongs to the day on which it ends; what is not full at midnight is carried into
// the next day, unless the day had no busy minute.
#pragma once

#include <cstdint>

#include "collector/facts/day_facts.h"

namespace ppmm {

// 100 observations at the 100 looks a second of the agent's timer: a request-time of a second.
inline constexpr std::int64_t kLittleIntervalUs = 1'000'000;

// Of an interval that is not full: request-time in microseconds.
struct LittleRest {
  std::int64_t in_flight_us = 0;
  std::int64_t elapsed_us = 0;

  bool operator==(const LittleRest&) const = default;
};

// What the day before left.
LittleRest LittleRestOf(const DayFacts& day_before);

// The intervals of one day. A value; one thread only.
class LittleIntervals {
 public:
  explicit LittleIntervals(LittleRest rest = {}) : rest_(rest) {}

  // Minutes in their order.
  void Add(std::int64_t requests, std::int64_t in_flight_us, std::int64_t elapsed_us);
  // Sets in_flight_minutes and the little_ columns.
  void SetFacts(DayFacts& facts) const;

 private:
  LittleRest rest_;
  std::int64_t seen_minutes_ = 0;
  std::int64_t busy_minutes_ = 0;
  std::int64_t intervals_ = 0;
  std::int64_t within_ = 0;
  std::int64_t half_off_ = 0;
};

}  // namespace ppmm
