// Lets series, entities and applications fall dormant when nothing can come of them any more (docs/forgetting.md): once
// for each day that is sealed and once after a start, in small commits between the writer's others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "collector/state.h"

namespace ppmm {

class Writer;

struct ForgetterOptions {
  std::size_t most_ids = 1000;         // that fall dormant in one commit
  std::size_t most_looked_at = 5000;   // under one lock
  std::int64_t application_days = 29;  // without any sign: windows of line of business and tier 1 are shorter
};

// What may fall dormant, of one round.
struct DormantIds {
  std::vector<SeriesId> series;
  std::vector<EntityId> entities;
  std::vector<ApplicationId> applications;
  std::size_t size() const { return series.size() + entities.size() + applications.size(); }
};

// One thread only: the writer's.
class Forgetter {
 public:
  Forgetter(State* state, Writer* writer, ForgetterOptions options = {})
      : state_(state), writer_(writer), options_(options) {}

  // Looks at the next hosts or applications of the round that is due, and submits what may fall dormant.
  // Errors: none yet; a commit that fails begins the round anew.
  absl::Status Slice(absl::Time store_time);

 private:
  enum class Phase : std::uint8_t { kHosts, kApplications, kDone };

  DormantIds LookAtHosts(const Tables& tables);
  DormantIds LookAtApplications(const Tables& tables, std::int64_t last_day);

  State* const state_;
  Writer* const writer_;
  const ForgetterOptions options_;

  std::int64_t round_ = -1;  // sealed_day of the round
  Phase phase_ = Phase::kDone;
  std::uint32_t next_ = 0;  // host or application
  bool submitted_ = false;
};

}  // namespace ppmm
