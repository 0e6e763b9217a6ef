// A clock that stands until the test moves it.
#pragma once

#include "absl/time/time.h"

#include "common/clock.h"
#include "common/mutex.h"

namespace ppmm {

// Thread-safe.
class ManualClock : public Clock {
 public:
  explicit ManualClock(absl::Time now, absl::Duration since_boot = absl::Hours(1))
      : now_(now), since_boot_(since_boot) {}

  absl::Time Now() const override {
    MutexLock lock(&mutex_);
    return now_;
  }
  absl::Duration SinceBoot() const override {
    MutexLock lock(&mutex_);
    return since_boot_;
  }
  // Time passes.
  void Advance(absl::Duration by) {
    MutexLock lock(&mutex_);
    now_ += by;
    since_boot_ += by;
  }
  // Somebody sets the wall clock.
  void JumpWall(absl::Duration by) {
    MutexLock lock(&mutex_);
    now_ += by;
  }

 private:
  mutable Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
  absl::Duration since_boot_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ppmm
