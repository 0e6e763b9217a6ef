// The one way to time. Only main.cc owns a RealClock; tests own a ManualClock (tests/testing/manual_clock.h).
#pragma once

#include "absl/time/time.h"

namespace ppmm {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall clock; may jump.
  virtual absl::Time Now() const = 0;
  // CLOCK_BOOTTIME: since boot, never falls, goes on while suspended.
  virtual absl::Duration SinceBoot() const = 0;
};

class RealClock : public Clock {
 public:
  absl::Time Now() const override;
  absl::Duration SinceBoot() const override;
};

}  // namespace ppmm
