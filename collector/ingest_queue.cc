#include "collector/ingest_queue.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

#include "proto/telemetry.pb.h"

namespace ppmm {
namespace {

// Whether it waits with the live events. A close waits behind everything that its stream pushed, and live events are
// taken first, so its place is with the late ones.
bool IsLive(const StreamEvent& event) {
  if (const auto* batch = std::get_if<DecodedBatch>(&event)) {
    return batch->live;
  }
  if (const auto* update = std::get_if<DictionaryUpdate>(&event)) {
    return update->live;
  }
  return !std::holds_alternative<StreamClosed>(event);
}

}  // namespace

std::size_t QueuedBytes(const StreamEvent& event) {
  std::size_t bytes = sizeof(StreamEvent);
  if (const auto* batch = std::get_if<DecodedBatch>(&event)) {
    bytes += batch->samples.size() * sizeof(DecodedSample);
    for (const DecodedSketch& sketch : batch->sketches) {
      bytes += sizeof(DecodedSketch) + sketch.sketch.buckets().size() * sizeof(Sketch::Bucket);
    }
    bytes += batch->message == nullptr ? 0 : static_cast<std::size_t>(batch->message->ByteSizeLong());
  } else if (const auto* update = std::get_if<DictionaryUpdate>(&event)) {
    bytes += update->message == nullptr ? 0 : static_cast<std::size_t>(update->message->SpaceUsedLong());
  }
  return bytes;
}

absl::StatusOr<StreamId> IngestQueue::Open(std::shared_ptr<StreamSink> sink, StreamHello hello) {
  MutexLock lock(&mutex_);
  if (stopped_ || !closed_.ok()) {
    return absl::UnavailableError(stopped_ ? absl::string_view("the collector is stopping") : closed_.message());
  }
  const StreamId stream = next_stream_++;
  streams_[stream].sink = std::move(sink);
  Enqueue(stream, std::move(hello), true);
  return stream;
}

absl::StatusOr<bool> IngestQueue::Push(StreamId stream, StreamEvent event) {
  const bool live = IsLive(event);
  MutexLock lock(&mutex_);
  const auto found = streams_.find(stream);
  if (stopped_ || found == streams_.end()) {
    return absl::CancelledError("the stream is cut");
  }
  Enqueue(stream, std::move(event), live);
  if (bytes_ <= max_bytes_) {
    return true;
  }
  if (!found->second.paused) {
    found->second.paused = true;
    ++paused_;
  }
  return false;
}

void IngestQueue::Close(StreamId stream, bool goodbye) {
  MutexLock lock(&mutex_);
  if (!stopped_ && streams_.contains(stream)) {
    Enqueue(stream, StreamClosed{goodbye}, false);
  }
}

void IngestQueue::Enqueue(StreamId stream, StreamEvent event, bool live) {
  bytes_ += QueuedBytes(event);
  (live ? live_ : late_).emplace_back(stream, std::move(event));
  work_.NotifyAll();
}

bool IngestQueue::Wait(absl::Duration timeout) {
  const absl::Time until = absl::Now() + timeout;
  MutexLock lock(&mutex_);
  while (live_.empty() && late_.empty() && !stopped_ && !woken_) {
    const absl::Duration left = until - absl::Now();
    if (left <= absl::ZeroDuration()) {
      break;
    }
    work_.WaitFor(&mutex_, absl::ToChronoMicroseconds(left));
  }
  woken_ = false;
  return !live_.empty() || !late_.empty();
}

QueuedEvent IngestQueue::Remove(Entry entry) {
  bytes_ -= QueuedBytes(entry.second);
  QueuedEvent result{entry.first, nullptr, std::move(entry.second)};
  const auto found = streams_.find(entry.first);
  if (found != streams_.end()) {
    result.sink = found->second.sink;
    if (std::holds_alternative<StreamClosed>(result.event)) {
      paused_ -= found->second.paused ? 1 : 0;
      streams_.erase(found);
    }
  }
  return result;
}

std::vector<std::shared_ptr<StreamSink>> IngestQueue::Unpause() {
  std::vector<std::shared_ptr<StreamSink>> sinks;
  // Half empty, so that streams are not paused and resumed with every batch.
  if (paused_ == 0 || bytes_ > max_bytes_ / 2) {
    return sinks;
  }
  for (auto& [id, stream] : streams_) {
    if (stream.paused) {
      stream.paused = false;
      sinks.push_back(stream.sink);
    }
  }
  paused_ = 0;
  return sinks;
}

std::vector<QueuedEvent> IngestQueue::TakeLive() {
  std::vector<QueuedEvent> events;
  std::vector<std::shared_ptr<StreamSink>> resumed;
  {
    MutexLock lock(&mutex_);
    events.reserve(live_.size());
    for (Entry& entry : live_) {
      events.push_back(Remove(std::move(entry)));
    }
    live_.clear();
    resumed = Unpause();
  }
  for (const auto& sink : resumed) {
    sink->Resume();
  }
  return events;
}

std::optional<QueuedEvent> IngestQueue::TakeLate() {
  std::optional<QueuedEvent> event;
  std::vector<std::shared_ptr<StreamSink>> resumed;
  {
    MutexLock lock(&mutex_);
    if (late_.empty()) {
      return event;
    }
    event = Remove(std::move(late_.front()));
    late_.pop_front();
    resumed = Unpause();
  }
  for (const auto& sink : resumed) {
    sink->Resume();
  }
  return event;
}

void IngestQueue::CutAll(const absl::Status& why) {
  absl::flat_hash_map<StreamId, Stream> cut;
  {
    MutexLock lock(&mutex_);
    cut.swap(streams_);
    live_.clear();
    late_.clear();
    bytes_ = 0;
    paused_ = 0;
  }
  for (const auto& [id, stream] : cut) {
    stream.sink->Cut(why);
  }
}

void IngestQueue::Cut(StreamId stream, const absl::Status& why) {
  std::shared_ptr<StreamSink> sink;
  {
    MutexLock lock(&mutex_);
    const auto found = streams_.find(stream);
    if (found == streams_.end()) {
      return;
    }
    sink = found->second.sink;
    paused_ -= found->second.paused ? 1 : 0;
    streams_.erase(found);
    for (std::deque<Entry>* queue : {&live_, &late_}) {
      std::size_t dropped = 0;
      std::erase_if(*queue, [&](const Entry& entry) {
        const bool mine = entry.first == stream;
        dropped += mine ? QueuedBytes(entry.second) : 0;
        return mine;
      });
      bytes_ -= dropped;
    }
  }
  sink->Cut(why);
}

void IngestQueue::EndAll(const absl::Status& why) {
  std::vector<std::shared_ptr<StreamSink>> sinks;
  {
    MutexLock lock(&mutex_);
    closed_ = why;
    for (const auto& [id, stream] : streams_) {
      sinks.push_back(stream.sink);
    }
  }
  for (const std::shared_ptr<StreamSink>& sink : sinks) {
    sink->Cut(why);
  }
}

void IngestQueue::SetOpen(bool open, const absl::Status& why) {
  MutexLock lock(&mutex_);
  closed_ = open ? absl::OkStatus() : why;
}

void IngestQueue::Wake() {
  MutexLock lock(&mutex_);
  woken_ = true;
  work_.NotifyAll();
}

void IngestQueue::Stop() {
  MutexLock lock(&mutex_);
  stopped_ = true;
  work_.NotifyAll();
}

bool IngestQueue::stopped() const {
  MutexLock lock(&mutex_);
  return stopped_;
}

std::size_t IngestQueue::bytes() const {
  MutexLock lock(&mutex_);
  return bytes_;
}

std::size_t IngestQueue::streams() const {
  MutexLock lock(&mutex_);
  return streams_.size();
}

absl::Time IngestQueue::oldest_live() const {
  MutexLock lock(&mutex_);
  for (const auto& [stream, event] : live_) {
    if (const auto* batch = std::get_if<DecodedBatch>(&event)) {
      return batch->received;
    }
  }
  return absl::InfinitePast();
}

}  // namespace ppmm
