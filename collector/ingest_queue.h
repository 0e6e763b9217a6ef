// The queue between ingest and the writer: live and late apart, 64 MiB at most. Streams are registered here, so that a
// cut reaches every batch of a stream: what a cut stream still pushes is refused, and no later batch of an epoch can
// overtake one that was dropped.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "collector/batch.h"
#include "common/mutex.h"

namespace ppmm {

struct QueuedEvent {
  StreamId stream = 0;
  std::shared_ptr<StreamSink> sink;
  StreamEvent event;
};

// Thread-safe. Sinks are called outside its lock.
class IngestQueue {
 public:
  static constexpr std::size_t kDefaultMaxBytes = std::size_t{64} << 20;

  explicit IngestQueue(std::size_t max_bytes = kDefaultMaxBytes) : max_bytes_(max_bytes) {}

  // Registers a stream; its Hello is the first event. The writer answers with Welcome(). A full queue takes it too.
  // Errors: Unavailable while the writer cannot commit (SetOpen(false)) or after Stop(); the agent is to come again.
  absl::StatusOr<StreamId> Open(std::shared_ptr<StreamSink> sink, StreamHello hello);

  // Takes the event in any case, unless the stream is cut; true: there is room for more. False: the stream is not to
  // be read until Resume(). So the bound is exceeded by one event a stream at most.
  // Errors: Cancelled: the stream was cut or closed.
  absl::StatusOr<bool> Push(StreamId stream, StreamEvent event);

  // The last event of a stream; waits behind everything it pushed. Unknown streams are ignored.
  void Close(StreamId stream, bool goodbye);

  // ---- the writer's side ----

  // Waits until an event is queued, the time is over, or Stop() or Wake() is called; true: something is queued.
  bool Wait(absl::Duration timeout);
  // All live events, oldest first.
  std::vector<QueuedEvent> TakeLive();
  // The oldest late event.
  std::optional<QueuedEvent> TakeLate();
  // Drops everything and cuts every stream.
  void CutAll(const absl::Status& why);
  // Cuts one stream and drops what it queued.
  void Cut(StreamId stream, const absl::Status& why);
  // Ends every stream and opens no other; what is queued stays, to be committed.
  void EndAll(const absl::Status& why);
  // Whether streams may be opened; false while the collector cannot commit.
  void SetOpen(bool open, const absl::Status& why);
  void Wake();
  // Wait() returns at once from here on, Open() and Push() fail.
  void Stop();
  bool stopped() const;

  std::size_t bytes() const;
  std::size_t streams() const;
  // Receipt of the oldest live event in the queue; InfinitePast: none waits.
  absl::Time oldest_live() const;

 private:
  struct Stream {
    std::shared_ptr<StreamSink> sink;
    bool paused = false;
  };
  using Entry = std::pair<StreamId, StreamEvent>;

  void Enqueue(StreamId stream, StreamEvent event, bool live) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sinks to resume, if there is room again.
  std::vector<std::shared_ptr<StreamSink>> Unpause() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  QueuedEvent Remove(Entry entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::size_t max_bytes_;
  mutable Mutex mutex_;
  CondVar work_;
  std::deque<Entry> live_ ABSL_GUARDED_BY(mutex_);
  std::deque<Entry> late_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<StreamId, Stream> streams_ ABSL_GUARDED_BY(mutex_);
  StreamId next_stream_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::Status closed_ ABSL_GUARDED_BY(mutex_);  // why Open() fails; OK: it does not
  std::size_t paused_ ABSL_GUARDED_BY(mutex_) = 0;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace ppmm
