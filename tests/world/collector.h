// The real collector from ingest to rating, on a file, without threads and sockets: whoever holds it gives it time. One
// thread.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"

#include "collector/forgetter.h"
#include "collector/ingest_queue.h"
#include "collector/ingest_session.h"
#include "collector/rating_engine.h"
#include "collector/release_judge.h"
#include "collector/retention.h"
#include "collector/state.h"
#include "collector/store/store.h"
#include "collector/writer.h"
#include "tests/testing/manual_clock.h"

namespace ppmm {

class WorldCollector {
 public:
  // Errors: those of the store.
  static absl::StatusOr<std::unique_ptr<WorldCollector>> Open(const std::string& path, const ManualClock* clock,
                                                              std::int64_t retention_days = 400, bool forgets = true);

  // Commits what streams delivered, then one slice of sealing or retention. Errors: of the commit.
  absl::Status Commit();
  // One turn of the rating. Errors: those of the store.
  absl::Status Rate() { return engine_->RunOnce(); }

  IngestQueue& queue() { return queue_; }
  IngestCounters& counters() { return counters_; }
  State& state() { return state_; }
  Store& store() { return *store_; }
  Writer& writer() { return *writer_; }
  RatingEngine& engine() { return *engine_; }

 private:
  WorldCollector() = default;

  IngestQueue queue_;
  IngestCounters counters_;
  State state_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<ReleaseJudge> judge_;
  std::unique_ptr<Forgetter> forgetter_;
  std::unique_ptr<RatingEngine> engine_;
};

}  // namespace ppmm
