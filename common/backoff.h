// How long to wait before the next attempt. Pure, given a random number.
#pragma once

#include "absl/time/time.h"

namespace ppmm {

struct BackoffLimits {
  absl::Duration first = absl::Milliseconds(500);
  absl::Duration longest = absl::Seconds(30);
};

// The wait after `failures` failures in a row: it doubles from `first` to `longest`, and is then drawn from the upper
// half of that, so that a fleet that lost its collector at one moment doesn't come back at one moment.
//
// Shape:  `failures` <= 0 gives zero; `random` in [0, 1), anything outside is moved to the nearest end.
absl::Duration BackoffDelay(int failures, double random, const BackoffLimits& limits = {});

}  // namespace ppmm
