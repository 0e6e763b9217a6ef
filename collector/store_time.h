// Store time rules sealing, retention, the deletion of cursors and publishing: the wall clock, except that it never
// falls, and that a jump ahead of more than an hour counts only when the median agent agrees or an operator says so.
// A wrong clock would otherwise delete what cannot be had again.
#pragma once

#include <optional>

#include "absl/time/time.h"

namespace ppmm {

// One thread only.
class StoreTime {
 public:
  static constexpr absl::Duration kJump = absl::Hours(1);
  static constexpr absl::Duration kAgree = absl::Minutes(5);

  // `last`: what the store keeps; UnixEpoch: a new store, which takes the wall clock as it is.
  explicit StoreTime(absl::Time last = absl::UnixEpoch()) : time_(last) {}

  // Moves on to the wall clock where the rules allow it.
  // `since_boot`: of the same moment, tells how much time really went by. `agents`: median of agents' clocks less ours;
  // nullopt: no agent is connected.
  absl::Time Advance(absl::Time wall, absl::Duration since_boot, std::optional<absl::Duration> agents);

  // An operator says that the clock is right.
  void Accept() { accepted_ = true; }

  absl::Time time() const { return time_; }
  // Whether the wall clock is ahead and nobody vouches for it: what depends on store time waits.
  bool waiting() const { return waiting_; }

 private:
  absl::Time time_;
  std::optional<absl::Duration> since_boot_;  // of the last call
  bool accepted_ = false;
  bool waiting_ = false;
};

}  // namespace ppmm
