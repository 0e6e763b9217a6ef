#include "common/backoff.h"

#include <algorithm>

namespace ppmm {

absl::Duration BackoffDelay(int failures, double random, const BackoffLimits& limits) {
  if (failures <= 0) {
    return absl::ZeroDuration();
  }
  absl::Duration delay = std::min(limits.first, limits.longest);
  for (int i = 1; i < failures && delay < limits.longest; ++i) {
    delay = std::min(2 * delay, limits.longest);
    if (delay <= absl::ZeroDuration()) {
      break;
    }
  }
  // Not `std::clamp`: a NaN shall become 0, not stay.
  const double share = random > 0 ? std::min(random, 1.0) : 0;
  return delay / 2 + share * (delay / 2);
}

}  // namespace ppmm
