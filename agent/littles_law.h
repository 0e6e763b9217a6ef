// Whether response times agree with the requests in flight. Seen at instants, the mean number of requests in flight is
// the throughput times the mean response time (Little's law). Both are measured apart, so a difference beyond chance
// shows a fault of the measurement, not of the application.
#pragma once

#include <cstdint>

namespace ppmm {

// The last hour or so of one application: older parts count less and less. A value; one thread only.
class LittlesLaw {
 public:
  // One part of time, a step: the requests in flight times how long, as seen at instants; and by how much the requests
  // grew older by what was measured.
  //
  // Units: nanoseconds.
  void Add(std::int64_t in_flight_ns, std::int64_t aged_ns);

  // Whether enough was seen to say anything: requests in 30 parts.
  bool known() const { return seen_parts_ >= kLeastParts; }
  // (N - X R) / N, at most 10 either way; above 0: less was measured than was seen.
  double deviation() const;
  // The standard error of deviation(), from the differences of the parts.
  double standard_error() const;
  // Known, by more than 5 % and more than three standard errors: we measure wrongly.
  bool disagrees() const;

 private:
  static constexpr double kKept = 1 - 1.0 / 3600;
  static constexpr double kLeastParts = 30;

  // Sums over the parts, each weighted.
  double weights_ = 0;
  double squared_weights_ = 0;
  double seen_parts_ = 0;
  double in_flight_ = 0;
  double differences_ = 0;
  double squares_ = 0;
};

}  // namespace ppmm
