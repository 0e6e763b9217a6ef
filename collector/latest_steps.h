// The latest steps of one series, as differences in 144 bytes: at 1 s more than 2 minutes of small changes, 48 s of
// large ones. For windows shorter than what minutes can answer; not kept over a restart.
#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"

namespace ppmm {

// A value; thread-compatible.
class LatestSteps {
 public:
  static constexpr std::size_t kMaxBytes = 144;
  static constexpr std::int64_t kLongestGap = 65'535;  // seconds; what came before a longer one is of no window

  // Shape: to be called in live order; a step that is not newer than the one before begins anew: a clock was set back.
  // Units: seconds since 1970.
  void Add(std::int64_t step, std::int64_t value);
  // Oldest first.
  void ForEach(absl::FunctionRef<void(std::int64_t step, std::int64_t value)> visit) const;
  bool empty() const { return newest_step_ == 0; }
  // 0: none.
  std::int64_t oldest_step() const { return newest_step_ - span_; }
  std::int64_t newest_step() const { return newest_step_; }

 private:
  std::int64_t newest_step_ = 0;
  std::int64_t newest_value_ = 0;
  std::int64_t oldest_value_ = 0;
  std::uint32_t span_ = 0;            // seconds from the oldest step to the newest
  std::uint16_t first_distance_ = 0;  // seconds from the oldest step to the next
  std::uint16_t last_distance_ = 0;   // seconds to the newest step from the one before
  // From the oldest step on: varint of 1 + the zig-zag difference of values; before it, where the distance of steps is
  // another than before, 0 and a varint of it.
  std::string differences_;
};

}  // namespace ppmm
