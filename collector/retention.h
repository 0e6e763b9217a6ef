// Seals days and deletes what is no longer kept, a slice at a time between the writer's commits.
//
// A day is sealed 73 h after its end, when nothing of it can come any more, in three steps each of which may be done
// again: its minutes become blocks, host by host; meta.sealed_day moves; the minute rows go, each host's open one
// excepted.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "collector/state.h"
#include "collector/store/store.h"

namespace ppmm {

class Writer;

struct RetentionOptions {
  int slice = 200;                // rows; measured: 28 ms at the longest
  std::int64_t minute_days = 35;  // 60 s blocks, pooled minutes, bits, peers
  std::int64_t hour_days = 400;   // 3600 s blocks, facts
};

// One thread only: the writer's.
class Retention {
 public:
  Retention(State* state, Store* store, Writer* writer, RetentionOptions options = {})
      : state_(state), store_(store), writer_(writer), options_(options) {}

  // Does one slice of whatever is due.
  // Errors: those of the store; what was not done is due again.
  absl::Status Slice(absl::Time store_time);

 private:
  absl::Status SealNext(std::int64_t day);
  absl::Status SealHost(std::int64_t day, HostKey host);
  absl::StatusOr<int> DeleteSlice(std::int64_t sealed_day, std::int64_t today);
  void ForgetOldCursors(absl::Time store_time);

  State* const state_;
  Store* const store_;
  Writer* const writer_;
  const RetentionOptions options_;

  std::int64_t sealing_day_ = 0;
  HostKey sealed_host_ = 0;  // of sealing_day_, the last one done
  bool seal_submitted_ = false;
  std::int64_t clean_for_ = 0;  // nothing is left to delete for this day and sealed day
  absl::Time cursors_at_ = absl::InfinitePast();
};

}  // namespace ppmm
