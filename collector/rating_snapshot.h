// Rates, and keeps what is shown of it until the next evaluation.
#pragma once

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "collector/facts/facts.h"
#include "collector/rating/catalogue.h"
#include "collector/rating/level.h"
#include "collector/rating_source.h"
#include "common/mutex.h"

namespace ppmm {

// Evaluates `facts` as of `now` and renders the bodies of the API.
//
// Shape: `catalogue` outlives the snapshot, which keeps the facts for /api/v1/activities/ID.
std::shared_ptr<const RatingSnapshot> TakeSnapshot(const Catalogue& catalogue, Facts facts, const LevelState& state,
                                                   absl::Time now);

// The newest snapshot. Thread-safe.
class LatestRating : public RatingSource {
 public:
  void Set(std::shared_ptr<const RatingSnapshot> snapshot);
  absl::StatusOr<std::shared_ptr<const RatingSnapshot>> Current() const override;

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const RatingSnapshot> snapshot_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ppmm
