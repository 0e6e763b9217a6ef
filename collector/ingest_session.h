// One agent's stream, without the transport: checks frames, knows what the ids of each epoch mean, decodes batches and
// hands them to the writer's queue. What cannot be merged is refused with its reason and counted; the stream goes on.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "collector/accept_loop.h"
#include "collector/agent_streams.h"
#include "collector/batch.h"
#include "collector/clock_offsets.h"
#include "collector/ingest_queue.h"
#include "common/clock.h"
#include "common/metrics.h"
#include "proto/telemetry.pb.h"

namespace ppmm {

// What ingest saw of all streams; exported as ppmm_ingest_*. Thread-safe.
struct IngestCounters {
  std::atomic<std::uint64_t> frames{0};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> batches{0};
  std::atomic<std::uint64_t> samples{0};
  std::atomic<std::uint64_t> unknown_series_samples{0};  // of metrics this collector does not know
  std::array<std::atomic<std::uint64_t>, wire::RefusalReason_ARRAYSIZE> refused_batches{};  // by reason
  std::array<std::atomic<std::uint64_t>, wire::RefusalReason_ARRAYSIZE> refused_samples{};
  std::atomic<std::uint64_t> streams_opened{0};
  std::atomic<std::uint64_t> streams_refused{0};
  std::atomic<std::uint64_t> connections_without_stream{0};
  std::atomic<std::int64_t> streams{0};
  AcceptLoop::Counters connections;
  ClockOffsets clocks;
  AgentStreams agents;
};

// "malformed", "too_late", ...: the value of the label `reason`.
std::string RefusalName(wire::RefusalReason reason);

// Thread-compatible: one call at a time.
class IngestSession {
 public:
  static constexpr std::size_t kMaxBatchBytes = 256 << 10;
  static constexpr absl::Duration kMaxAge = absl::Hours(72);
  static constexpr absl::Duration kMaxAhead = absl::Minutes(5);
  static constexpr absl::Duration kMaxClockOffset = absl::Minutes(5);
  static constexpr absl::Duration kClockPatience = absl::Seconds(10);
  // Ids of an epoch that are remembered; an agent has at most 20,000 series in force.
  static constexpr std::size_t kMaxIds = 65536;

  // The pointers outlive the session.
  IngestSession(const Clock* clock, IngestQueue* queue, IngestCounters* counters);

  // Takes the first frame, which must be a Hello, and registers the stream with `sink`.
  //
  // Errors: InvalidArgument: not a Hello, or one that is out of shape; Unavailable: the clocks differ by more than
  //         5 minutes, or the collector cannot take streams now: the agent is to come again.
  absl::Status Open(absl::string_view frame, std::shared_ptr<StreamSink> sink);

  // What became of a frame.
  struct Taken {
    bool room = true;  // false: do not read on before StreamSink::Resume
    std::vector<wire::Refused> refused;
  };
  // Takes any later frame.
  //
  // Errors: InvalidArgument: the frame is no message of this protocol; Unavailable: the clocks differ, see Open;
  //         ResourceExhausted: more ids than kMaxIds; Cancelled: the stream was cut. The stream is to be ended.
  absl::StatusOr<Taken> Take(absl::string_view frame);

  // The stream ended.
  void Close();

  const std::string& agent() const { return agent_; }  // for the log: "web1 (default)"

 private:
  struct Epoch {
    struct Known {
      MetricKind kind = MetricKind::kGauge;
      bool skip = false;  // of a metric that this collector does not know
    };
    absl::flat_hash_map<std::uint32_t, Known> series;
    absl::flat_hash_set<std::uint32_t> entities;
  };
  class Collected;

  absl::Status CheckClock(std::int64_t sent_wall_us, bool at_hello);
  // Errors: Unavailable: `held`, nothing of this agent is taken.
  absl::Status NoteClock(std::int64_t sent_wall_us, absl::Duration offset, bool held);
  absl::Status TakeDictionary(wire::Dictionary* dictionary, Taken* taken);
  absl::Status TakeBatch(wire::Batch* batch, std::size_t bytes, std::int64_t sent_wall_us, Taken* taken);
  void Refuse(const wire::Batch& batch, wire::RefusalReason reason, std::string detail, Taken* taken);
  absl::Status Push(StreamEvent event, Taken* taken);

  const Clock* const clock_;
  IngestQueue* const queue_;
  IngestCounters* const counters_;
  StreamId stream_ = 0;
  std::string agent_;
  std::string agent_id_;
  std::string host_id_;
  std::uint64_t current_epoch_ = 0;
  absl::flat_hash_map<std::uint64_t, Epoch> epochs_;
  std::size_t ids_ = 0;
  bool goodbye_ = false;
  absl::Time clock_off_since_ = absl::InfiniteFuture();
};

}  // namespace ppmm
