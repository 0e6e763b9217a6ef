#include "agent/littles_law.h"

#include <algorithm>
#include <cmath>

namespace ppmm {
namespace {

constexpr double kWorst = 10;
constexpr double kTolerance = 0.05;
constexpr double kStandardErrors = 3;

}  // namespace

void LittlesLaw::Add(std::int64_t in_flight_ns, std::int64_t aged_ns) {
  const auto in_flight = static_cast<double>(in_flight_ns);
  const double difference = in_flight - static_cast<double>(aged_ns);
  weights_ = weights_ * kKept + 1;
  squared_weights_ = squared_weights_ * kKept * kKept + 1;
  seen_parts_ = seen_parts_ * kKept + (in_flight_ns > 0 ? 1 : 0);
  in_flight_ = in_flight_ * kKept + in_flight;
  differences_ = differences_ * kKept + difference;
  squares_ = squares_ * kKept + difference * difference;
}

double LittlesLaw::deviation() const {
  return in_flight_ > 0 ? std::clamp(differences_ / in_flight_, -kWorst, kWorst) : 0;
}

double LittlesLaw::standard_error() const {
  if (in_flight_ <= 0) {
    return 0;
  }
  const double mean = differences_ / weights_;
  const double variance = std::max(0.0, squares_ / weights_ - mean * mean);
  return std::min(kWorst, std::sqrt(variance * squared_weights_) / in_flight_);
}

bool LittlesLaw::disagrees() const {
  const double off = std::abs(deviation());
  return known() && off > kTolerance && off > kStandardErrors * standard_error();
}

}  // namespace ppmm
