// What ingest hands to the writer: plain values, checked and decoded. Ids of series and entities are those of the
// epoch's dictionary; the writer alone turns them into ids of the store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "common/sketch.h"

namespace ppmm {

namespace wire {
class Batch;
class Dictionary;
class SpoolState;
}  // namespace wire

// One connection of an agent; never used twice in the life of the process. 0: none.
using StreamId = std::uint64_t;

// The first frame of a stream. Ids are raw bytes.
struct StreamHello {
  std::string agent_id;           // 16 bytes
  std::string host_id;            // 16 bytes
  std::string duplicate_host_id;  // 16 bytes
  std::string host_name;
  std::string group;
  std::string boot_id;
  std::string version;
  std::uint64_t current_epoch = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> epochs;  // epoch, highest number the agent saw acknowledged
  std::string store_id;  // of the store that welcomed this process last; empty: none yet, or not told
  absl::Time received;
};

// What an epoch's ids mean from here on. `message` is checked: every series names an entity of the dictionary or of an
// earlier record of the epoch, kinds and scales are those of the metric list.
struct DictionaryUpdate {
  std::uint64_t epoch = 0;
  bool live = true;  // of the agent's current epoch
  absl::Time received;
  std::shared_ptr<const wire::Dictionary> message;
};

// One value of a gauge or increment of a counter: value * 10^scale in the metric's unit.
struct DecodedSample {
  std::uint32_t series = 0;  // id of the epoch's dictionary
  std::uint32_t step = 0;    // 0 to steps - 1
  std::int64_t value = 0;
};

// The increments of one histogram in one step.
struct DecodedSketch {
  std::uint32_t series = 0;
  std::uint32_t step = 0;
  Sketch sketch;
};

// A batch that may be merged: all its ids are known, its steps are neither older than 72 h nor in the future. Series
// whose metric the collector does not know are left out and counted by ingest.
struct DecodedBatch {
  std::uint64_t epoch = 0;
  std::uint64_t seq = 0;
  bool live = true;     // of the agent's current epoch
  std::int64_t t0 = 0;  // seconds since 1970, a multiple of step_seconds
  std::uint32_t step_seconds = 1;
  std::uint32_t steps = 1;
  std::uint64_t produced = 0;  // samples since the epoch began, this batch included
  std::uint32_t skipped = 0;   // samples of series that this collector does not know, not in `samples`
  absl::Time received;
  absl::Time sent;  // by the agent's wall clock: received - sent is its clock's offset plus the way
  // Shape: in order of time within a series.
  std::vector<DecodedSample> samples;
  std::vector<DecodedSketch> sketches;
  // The message itself, for `expected` and the events (ended, releases, peers, clock); its columns may be cleared.
  std::shared_ptr<const wire::Batch> message;
};

// What the agent says of its spool, in Hello and on change.
struct SpoolReport {
  absl::Time received;
  std::shared_ptr<const wire::SpoolState> message;
};

// The stream is over. `goodbye`: the agent said so.
struct StreamClosed {
  bool goodbye = false;
};

using StreamEvent = std::variant<StreamHello, DictionaryUpdate, DecodedBatch, SpoolReport, StreamClosed>;

// What an agent is told to do; the values are those of wire::Instruction.
enum class StreamInstruction : std::uint8_t { kNone = 0, kNewIdentity = 1, kNewEpoch = 2 };

// The answer to a Hello: everything in it is committed.
struct StreamWelcome {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> durable;  // epoch, number; of the epochs that Hello named
  StreamInstruction instruction = StreamInstruction::kNone;
  std::string host_label;
  std::string store_id;  // 8 bytes
};

struct StreamAck {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> durable;  // epoch, number
  // epoch, number; the store holds as many series or applications as it may (REFUSAL_LIMIT).
  std::vector<std::pair<std::uint64_t, std::uint64_t>> refused;
  StreamInstruction instruction = StreamInstruction::kNone;  // kNewEpoch: the stream is cut after this
};

// The way back to a stream, implemented by ingest. Called by the writer's thread outside the state's lock, Resume() by
// whichever thread made room; must not block nor call the queue from within.
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  virtual void Welcome(const StreamWelcome& welcome) = 0;
  virtual void Acknowledge(const StreamAck& ack) = 0;
  // The queue has room again for a stream whose Push() said that it had none.
  virtual void Resume() = 0;
  // Nothing of this stream that was not acknowledged is kept; the agent is to connect anew.
  virtual void Cut(const absl::Status& why) = 0;
};

// Bytes that an event counts against the bound of the queue.
std::size_t QueuedBytes(const StreamEvent& event);

}  // namespace ppmm
