// The one thread that owns the state: takes what ingest queued, merges it, writes the rows, commits, then acknowledges.
//
// Readers wait while it works, so they see committed state only. If anything up to COMMIT fails, the transaction is
// rolled back, the queue dropped, every stream cut, and the state built anew from the file; while nothing can be
// committed nothing is taken, and State::Readiness() says why. It recovers by itself, when there is room for a commit
// like the one that failed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"

#include "collector/ingest_queue.h"
#include "collector/merger.h"
#include "collector/state.h"
#include "collector/store_time.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mutex.h"

namespace ppmm {

struct WriterOptions {
  absl::Duration gather = absl::Milliseconds(100);    // from the first batch that waits to the commit
  absl::Duration late_time = absl::Milliseconds(50);  // for late batches, in one commit
  absl::Duration retry = absl::Seconds(1);            // between attempts while nothing can be committed
  StoreLimits limits;
};

// What the writer did, for metrics and status.
struct WriterStatus {
  std::uint64_t commits = 0;
  std::uint64_t failed_commits = 0;
  absl::Duration commit_time;  // sum, of the commits that succeeded
  absl::Duration longest_commit;
  absl::Time last_commit = absl::InfinitePast();
  absl::Time store_time = absl::UnixEpoch();  // of a store that never had a commit
  bool store_time_waits = false;              // nobody vouches for the clock (store_time.h)
  std::string store_time_reason;              // why, for people; empty: nothing is wrong
  std::uint64_t store_time_set_back = 0;      // times it was found ahead of the right time
  std::uint64_t entries_refused = 0;          // series and applications beyond the limits
  std::uint64_t deployments_refused = 0;      // as Tables has it
  MergeCounters merged;
};

// Work between commits: sealing, retention. Called by the writer's thread after a commit and at least once a second,
// unless store time waits; does one slice in a transaction of its own, without the state's lock. `store_time` is never
// ahead of the wall clock: what the wall clock still lets in must find its day open and its cursor there.
using Housekeeping = std::function<absl::Status(absl::Time store_time)>;

class Writer {
 public:
  // All must outlive the writer.
  Writer(State* state, Store* store, IngestQueue* queue, const Clock* clock, WriterOptions options = {});
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Before Start().
  void AddHousekeeping(Housekeeping work) { housekeeping_.push_back(std::move(work)); }
  // Before Start(). Asked before each transaction; one that it refuses fails as a commit does.
  void SetGuard(std::function<absl::Status()> guard) { guard_ = std::move(guard); }

  // Builds the state from the file.
  // Errors: those of the store; the collector is not to start then.
  absl::Status Load();

  // Between Load() and Start(): the store was set back, by the operator's word; it begins anew (restore.h).
  // Errors: those of the store; the collector is not to start then.
  absl::Status BeginAnew();

  // Starts the thread, after Load().
  void Start();
  // Stops the queue, commits what waits in it, and joins the thread. Streams should have been told to stop before.
  void Stop();

  // One turn of the thread, for tests and simulation: recovers if need be, then merges and commits what is queued.
  // Errors: of the commit that failed; the state is then built anew.
  absl::Status CommitOnce();

  // One slice of each housekeeping work, for tests and simulation.
  void Housekeep();

  // Runs `change` inside the next commit; it changes the tables and writes the same into the store. For what other
  // parts keep: facts, alert states, aliases, statements. `done` gets the status of the commit, on the writer's thread.
  // Thread-safe.
  using Change = std::function<absl::Status(Tables& tables, Store& store)>;
  void Submit(Change change, std::function<void(const absl::Status&)> done);
  // The same, and waits for the commit. Where no thread was started, as in tests and simulations, it commits here.
  // Not to be called on the writer's thread. Errors: of the commit.
  absl::Status SubmitAndWait(Change change);

  WriterStatus status() const;

  // Before Load(): whom to ask whether our clock is right. Outlives the writer; without it only AcceptClock() vouches.
  void SetClocks(const ClockOffsets* agents) { agents_ = agents; }
  // An operator says that the clock is right (store_time.h). Thread-safe.
  void AcceptClock();

 private:
  struct Submitted {
    Change change;
    std::function<void(const absl::Status&)> done;
  };

  void Loop();
  // Moves store time on.
  void TakeTime();
  absl::Status Transaction(std::vector<QueuedEvent> live, const std::vector<Submitted>& changes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_->mutex());
  // After a failure: proves that a commit is possible.
  absl::Status Recover();
  absl::Status CommitAgain();
  void Answer(std::map<StreamId, StreamReply> replies);

  State* const state_;
  Store* const store_;
  IngestQueue* const queue_;
  const Clock* const clock_;
  const WriterOptions options_;
  std::vector<Housekeeping> housekeeping_;
  std::function<absl::Status()> guard_ = [] { return absl::OkStatus(); };
  const ClockOffsets* agents_ = nullptr;

  // Of the writer's thread.
  Merger merger_;
  bool healthy_ = true;
  bool built_ = true;  // the state is as committed
  StoreTime store_time_;
  bool wait_told_ = false;  // that store time waits
  LogLimiter failures_{absl::Seconds(10)};

  mutable Mutex mutex_;
  WriterStatus status_ ABSL_GUARDED_BY(mutex_);
  std::vector<Submitted> submitted_ ABSL_GUARDED_BY(mutex_);
  bool accept_clock_ ABSL_GUARDED_BY(mutex_) = false;
  bool started_ = false;  // set before anybody else knows the writer
  std::thread thread_;
};

}  // namespace ppmm
