// The one thread that owns the state: takes what ingest queued, merges it, writes the rows, commits, then acknowledges.
//
// Readers wait while it works, so they see committed state only. If anything up to COMMIT fails, the transaction is
// rolled back, the queue dropped, every stream cut, and the state built anew from the file; while nothing can be
// committed nothing is taken, and State::Readiness() says why. It recovers by itself.
#pragma once

#include <cstdint>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"

#include "collector/ingest_queue.h"
#include "collector/merger.h"
#include "collector/state.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mutex.h"

namespace ppmm {

struct WriterOptions {
  absl::Duration gather = absl::Milliseconds(100);    // from the first batch that waits to the commit
  absl::Duration late_time = absl::Milliseconds(50);  // for late batches, in one commit
  absl::Duration retry = absl::Seconds(1);            // between attempts while nothing can be committed
  RegistryLimits limits;
};

// What the writer did, for metrics and status.
struct WriterStatus {
  std::uint64_t commits = 0;
  std::uint64_t failed_commits = 0;
  absl::Duration commit_time;  // sum, of the commits that succeeded
  absl::Duration longest_commit;
  absl::Time last_commit = absl::InfinitePast();
  std::uint64_t entries_refused = 0;  // series and applications beyond the limits
  MergeCounters merged;
};

// One part of the work that is neither merging nor reading: sealing, retention, facts. Called by the writer's thread
// after a commit and at least once a second; does one slice in transactions of its own, without the state's lock.
using Housekeeping = std::function<absl::Status(absl::Time now)>;

class Writer {
 public:
  // All must outlive the writer.
  Writer(State* state, Store* store, IngestQueue* queue, const Clock* clock, WriterOptions options = {});
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Before Start().
  void AddHousekeeping(Housekeeping work) { housekeeping_.push_back(std::move(work)); }

  // Builds the state from the file.
  // Errors: those of the store; the collector is not to start then.
  absl::Status Load();

  // Starts the thread, after Load().
  void Start();
  // Stops the queue, commits what waits in it, and joins the thread. Streams should have been told to stop before.
  void Stop();

  // One turn of the thread, for tests and simulation: recovers if need be, then merges and commits what is queued.
  // Errors: of the commit that failed; the state is then built anew.
  absl::Status CommitOnce();

  // Says of each row that it was added to `tables` and written; runs inside the next commit. For what other parts
  // have to keep: alert states, aliases, statements. Thread-safe. `done` gets the status of the commit.
  using Change = std::function<absl::Status(Tables& tables, Store& store)>;
  void Submit(Change change, std::function<void(const absl::Status&)> done);

  WriterStatus status() const;

 private:
  struct Submitted {
    Change change;
    std::function<void(const absl::Status&)> done;
  };

  void Loop();
  absl::Status Transaction(std::vector<QueuedEvent> live, const std::vector<Submitted>& changes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_->mutex());
  // After a failure: builds the state anew and proves that a commit is possible.
  absl::Status Recover();
  void Answer(std::map<StreamId, StreamReply> replies);
  void Housekeep();

  State* const state_;
  Store* const store_;
  IngestQueue* const queue_;
  const Clock* const clock_;
  const WriterOptions options_;
  std::vector<Housekeeping> housekeeping_;

  // Of the writer's thread.
  Merger merger_;
  bool healthy_ = true;
  LogLimiter failures_{absl::Seconds(10)};

  mutable Mutex mutex_;
  WriterStatus status_ ABSL_GUARDED_BY(mutex_);
  std::vector<Submitted> submitted_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace ppmm
