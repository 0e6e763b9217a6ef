#include "collector/store_time.h"

#include <algorithm>

namespace ppmm {

absl::Time StoreTime::Advance(absl::Time wall, absl::Duration since_boot, std::optional<absl::Duration> agents) {
  const absl::Duration passed = since_boot_.has_value() ? since_boot - *since_boot_ : absl::ZeroDuration();
  since_boot_ = since_boot;
  const bool is_new = time_ == absl::UnixEpoch();
  const bool jumped = !is_new && wall - (time_ + std::max(passed, absl::ZeroDuration())) > kJump;
  const bool agreed = agents.has_value() && absl::AbsDuration(*agents) <= kAgree;
  waiting_ = jumped && !agreed && !accepted_;
  if (!waiting_) {
    time_ = std::max(time_, wall);
    accepted_ = false;
  }
  return time_;
}

}  // namespace ppmm
