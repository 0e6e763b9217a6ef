// How far each connected agent's clock is from ours. Thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"

#include "common/mutex.h"

namespace ppmm {

class ClockOffsets {
 public:
  // `offset`: the agent's clock less ours.
  void Set(std::uint64_t stream, absl::Duration offset) {
    MutexLock lock(&mutex_);
    offsets_[stream] = offset;
  }
  void Remove(std::uint64_t stream) {
    MutexLock lock(&mutex_);
    offsets_.erase(stream);
  }
  // nullopt: no agent is connected.
  std::optional<absl::Duration> Median() const {
    std::vector<absl::Duration> all;
    {
      MutexLock lock(&mutex_);
      all.reserve(offsets_.size());
      for (const auto& [stream, offset] : offsets_) {
        all.push_back(offset);
      }
    }
    if (all.empty()) {
      return std::nullopt;
    }
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
    std::nth_element(all.begin(), middle, all.end());
    return *middle;
  }

 private:
  mutable Mutex mutex_;
  absl::flat_hash_map<std::uint64_t, absl::Duration> offsets_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ppmm
