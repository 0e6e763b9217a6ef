// Seals days and deletes what is no longer kept, a slice at a time between the writer's commits.
//
// A day is sealed 73 h after its end, when nothing of it can come any more, in three steps each of which may be done
// again: its minutes become blocks, host by host; meta.sealed_day moves; the minute rows go, each host's open one
// excepted.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"

#include "collector/state.h"
#include "collector/store/store.h"
#include "common/mutex.h"

namespace ppmm {

class Writer;

struct RetentionOptions {
  int slice = 200;                // rows; measured: 28 ms at the longest
  std::int64_t minute_days = 35;  // 60 s blocks, pooled minutes, bits, peers
  std::int64_t hour_days = 400;   // 3600 s blocks; facts too, where that is longer than 400 days
};

// Keep: any thread. The rest: one thread, the writer's.
class Retention {
 public:
  Retention(State* state, Store* store, Writer* writer, RetentionOptions options = {})
      : state_(state),
        store_(store),
        writer_(writer),
        slice_(options.slice),
        kept_({options.minute_days, options.hour_days}) {}

  // How many days are kept from the next slice on. A block that was sealed before keeps the end that it was given.
  void Keep(std::int64_t minute_days, std::int64_t hour_days);

  // Does one slice of whatever is due.
  // Errors: those of the store; what was not done is due again.
  absl::Status Slice(absl::Time store_time);

 private:
  struct Kept {
    std::int64_t minute_days = 0;
    std::int64_t hour_days = 0;
    bool operator==(const Kept&) const = default;
  };

  absl::Status SealNext(std::int64_t day, const Kept& kept);
  absl::Status SealHost(std::int64_t day, HostKey host, const Kept& kept);
  absl::StatusOr<int> DeleteSlice(std::int64_t sealed_day, std::int64_t today, const Kept& kept);
  void ForgetOldCursors(absl::Time store_time);

  State* const state_;
  Store* const store_;
  Writer* const writer_;
  const int slice_;
  Mutex mutex_;
  Kept kept_ ABSL_GUARDED_BY(mutex_);

  std::int64_t sealing_day_ = 0;
  HostKey sealed_host_ = 0;  // of sealing_day_, the last one done
  bool seal_submitted_ = false;
  std::int64_t clean_for_ = 0;  // nothing is left to delete for this day and sealed day
  Kept clean_kept_;             // and when so much is kept
  absl::Time cursors_at_ = absl::InfinitePast();
};

// Store time was ahead of the right time: days that are not over 73 h before `store_time` are not sealed, and those
// that are not over have no facts, forecasts and ratings: they are made when they are due. Part of a transaction.
absl::Status OpenDaysAgain(absl::Time store_time, Tables& tables, Store& store);

}  // namespace ppmm
