// The latest steps of one series, as differences in 192 bytes: about 3 minutes at 1 s. For windows shorter than what
// minutes can answer; not kept over a restart.
#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"

namespace ppmm {

// A value; thread-compatible.
class LatestSteps {
 public:
  static constexpr std::size_t kMaxBytes = 192;

  // Shape: to be called in live order; a step that is not newer than the one before begins anew: a clock was set back.
  // Units: seconds since 1970.
  void Add(std::int64_t step, std::int64_t value);
  // Oldest first.
  void ForEach(absl::FunctionRef<void(std::int64_t step, std::int64_t value)> visit) const;
  bool empty() const { return newest_step_ == 0; }
  // 0: none.
  std::int64_t oldest_step() const { return oldest_step_; }
  std::int64_t newest_step() const { return newest_step_; }

 private:
  std::int64_t oldest_step_ = 0;
  std::int64_t oldest_value_ = 0;
  std::int64_t newest_step_ = 0;
  std::int64_t newest_value_ = 0;
  std::string differences_;  // from the oldest on: varint of seconds, zig-zag of values
};

}  // namespace ppmm
