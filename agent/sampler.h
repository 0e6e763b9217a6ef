// Decides when each source runs, and turns what they record into batches.
//
// Steps lie on whole multiples of the step length since 1970. Their time comes from CLOCK_BOOTTIME plus an offset
// taken at start (the anchor), so a wall clock that is set does not tear the grid; when grid and wall clock differ by
// more than 2 s for 10 s, the sampler drains the batch, says so with a clock event, and goes on at the new time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "agent/recorder.h"
#include "agent/source.h"
#include "common/clock.h"
#include "common/mutex.h"

namespace ppmm {

// Where batches go: the spool, or nothing at all for `--once`.
class BatchSink {
 public:
  virtual ~BatchSink() = default;
  // From now on records belong to `epoch`. `dictionary` gives the complete record whenever a segment begins; it is
  // called on the thread that appends.
  virtual void BeginEpoch(std::uint64_t epoch, std::function<std::vector<std::string>()> dictionary) = 0;
  virtual void AppendDictionary(absl::string_view frame) = 0;
  virtual void AppendBatch(std::uint64_t seq, std::uint32_t samples, absl::Time t0, absl::string_view frame) = 0;
};

// Run, Tick: one thread. Everything else: any thread.
class Sampler {
 public:
  struct SourceStatus {
    std::string name;
    wire::SourceState::State state = wire::SourceState::UNSPECIFIED;
    std::string reason;
    absl::Duration last_duration;
    std::uint64_t runs = 0;
    std::uint64_t failures = 0;
  };

  // All pointers outlive the sampler. `random_epoch` gives 8 random bytes.
  Sampler(const Clock* clock, Recorder* recorder, BatchSink* sink, std::vector<std::unique_ptr<Source>> sources,
          std::function<std::uint64_t()> random_epoch);

  // Does what is due. Returns how long nothing is due, more than zero.
  absl::Duration Tick();

  // Ticks until Stop, then drains the open batch.
  void Run();
  void Stop();

  // Ends the open batch and begins a new epoch, now: at start, and when live data are to overtake a backlog. To be
  // called once before the first Tick.
  void BeginEpoch();
  // The new shape holds from the next whole minute on.
  // Shape: step_seconds 1 or 10, steps_per_batch 1 to 10; anything else is ignored.
  void RequestShape(BatchShape shape);

  std::vector<SourceStatus> Status() const;
  BatchShape shape() const;
  std::uint64_t steps_missed() const { return steps_missed_; }

 private:
  struct Scheduled {
    std::unique_ptr<Source> source;
    absl::Time next;
    SourceStatus status;
  };

  void Anchor() ABSL_EXCLUSIVE_LOCKS_REQUIRED(step_mutex_);
  void CheckAnchor(absl::Time grid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(step_mutex_);
  void TakeStep(std::int64_t step) ABSL_EXCLUSIVE_LOCKS_REQUIRED(step_mutex_);
  void RunSource(Scheduled& scheduled, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(step_mutex_);
  void Flush() ABSL_EXCLUSIVE_LOCKS_REQUIRED(step_mutex_);

  const Clock* const clock_;
  Recorder* const recorder_;
  BatchSink* const sink_;
  const std::function<std::uint64_t()> random_epoch_;

  // Held while a step is taken; guards recorder and sink too.
  Mutex step_mutex_;
  absl::Time anchor_ ABSL_GUARDED_BY(step_mutex_);  // wall time at boot, as the grid has it
  std::optional<absl::Time> off_since_ ABSL_GUARDED_BY(step_mutex_);
  std::int64_t next_step_ ABSL_GUARDED_BY(step_mutex_) = 0;
  std::optional<std::int64_t> batch_t0_ ABSL_GUARDED_BY(step_mutex_);
  std::uint32_t steps_in_batch_ ABSL_GUARDED_BY(step_mutex_) = 0;
  std::vector<Scheduled> sources_;  // `status` is guarded by mutex_, the rest by step_mutex_
  BatchShape active_;               // written under both
  std::atomic<std::uint64_t> steps_missed_{0};

  mutable Mutex mutex_;
  CondVar wake_;
  BatchShape wanted_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace ppmm
