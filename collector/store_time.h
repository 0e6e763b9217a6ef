// Store time rules sealing, retention, the deletion of cursors, facts and publishing. It is the wall clock, except that
// a difference of more than an hour counts only when the median agent agrees with the wall clock for a minute, or an
// operator says so. A wrong clock would otherwise delete what cannot be had again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"

#include "collector/clock_offsets.h"

namespace ppmm {

// One thread only.
class StoreTime {
 public:
  static constexpr absl::Duration kJump = absl::Hours(1);
  static constexpr absl::Duration kAgree = absl::Minutes(5);
  // Agents come again after 30 s: in this time each is heard, not only the first that agrees.
  static constexpr absl::Duration kPatience = absl::Minutes(1);

  // `agents` outlives it; nullptr: only an operator vouches for the clock. `last`: what the store keeps; UnixEpoch: a
  // new store, which follows the wall clock wherever it goes until somebody vouches for it.
  explicit StoreTime(const ClockOffsets* agents = nullptr, absl::Time last = absl::UnixEpoch())
      : agents_(agents), is_new_(last == absl::UnixEpoch()), time_(last) {}

  // Moves on to the wall clock where the rules allow it. `since_boot`: of the same moment, tells how much time really
  // went by.
  absl::Time Advance(absl::Time wall, absl::Duration since_boot);

  // An operator says that the clock is right, at the next Advance().
  void Accept() { accepted_ = true; }

  absl::Time time() const { return time_; }
  // Whether what depends on store time waits: nobody vouches for the wall clock.
  bool waiting() const { return waiting_; }
  // Whether the last Advance() took it back by more than kJump: what was done for days to come is to be undone.
  bool fell() const { return fell_; }
  // Why it waits, for people; empty: it does not, or it is a new store that no agent contradicts.
  const std::string& reason() const { return reason_; }

 private:
  bool Agreed(std::optional<absl::Duration> median, absl::Duration since_boot);

  const ClockOffsets* agents_;
  bool is_new_;
  absl::Time time_;
  std::optional<absl::Duration> moved_at_;      // since boot, when time_ last moved
  std::optional<absl::Duration> agreed_since_;  // since boot
  bool accepted_ = false;
  bool waiting_ = false;
  bool fell_ = false;
  std::string reason_;
};

}  // namespace ppmm
