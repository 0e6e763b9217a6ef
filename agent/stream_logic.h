// What the stream does, as a state machine without threads, clocks or network: events and time go in, frames and
// actions come out. agent/stream.h drives it.
//
// A connection begins with Hello, is live from Welcome on, and sends the spool's records as they lie: those of the
// current epoch first; of older epochs one batch whenever no live one waits and less than 64 KiB of them are not yet
// acknowledged. When a connection finds a backlog in the current epoch, a new epoch is asked for and the connection
// made anew with it, so that live data overtake the backlog. That is decided at Welcome, not before: else each attempt
// of a long outage would begin an epoch, with a dictionary of its own. docs/wire.md.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "agent/spool.h"
#include "common/log.h"

namespace ppmm::wire {
class Ack;
class Hello;
class SpoolState;
class Welcome;
}  // namespace ppmm::wire

namespace ppmm {

// Who numbers batches and keeps the grid: the sampler. Called on the stream's thread.
class EpochOwner {
 public:
  virtual ~EpochOwner() = default;
  // Begins a new epoch before the next step, with Spool::BeginEpoch; Spool::current_epoch() shows when.
  virtual void RequestEpoch() = 0;
  // Takes effect at the next whole minute. Shape: `step_seconds` 1 or 10, `steps_per_batch` 1 to 10.
  virtual void SetGrid(std::uint32_t step_seconds, std::uint32_t steps_per_batch) = 0;
};

struct StreamOptions {
  // Fills in what Hello tells of the agent: all but epochs and spool.
  std::function<void(wire::Hello*)> describe;
  // Makes a new agent_id, durable.
  std::function<absl::Status()> renew_identity;
  // The pause after that many failures in a row (1: the first), jittered.
  std::function<absl::Duration(int failures)> retry_delay;

  std::uint64_t backlog_batches = 16;  // more than these unsent at a connection: a new epoch lets live data overtake
  std::uint64_t old_in_flight_bytes = 64 * 1024;
  // More bridges a slower collector; it is what a lost connection sends twice.
  std::uint64_t live_in_flight_bytes = 1 << 20;
  absl::Duration welcome_timeout = absl::Seconds(30);
  absl::Duration clock_retry = absl::Seconds(30);    // while the collector holds us because clocks disagree
  absl::Duration slow_after = absl::Minutes(15);     // without acknowledgement: 10 s steps, so that the spool lasts
  absl::Duration epoch_timeout = absl::Seconds(15);  // for the owner to begin an epoch: more than one 10 s step
  absl::Duration spool_state_period = absl::Seconds(10);
};

// Wall clock for people and Hello, time since boot for intervals.
struct StreamTime {
  absl::Time wall;
  absl::Duration boot;
};

// For `status`.
struct StreamStatus {
  bool connected = false;                      // welcomed
  absl::Time since = absl::InfinitePast();     // when that last changed
  absl::Time last_ack = absl::InfinitePast();  // that brought something new
  std::string last_error;                      // why the last connection ended; empty: none did
  absl::Time last_error_at = absl::InfinitePast();
  std::string last_refusal;
  bool held_by_clock = false;  // the collector refuses the stream until clocks agree
  bool slow = false;           // 10 s steps for want of acknowledgements
  std::string host_label;
  std::uint32_t step_seconds = 0;  // 0: not told yet
  std::uint32_t steps_per_batch = 0;
  std::uint64_t connections = 0;
  std::uint64_t batches_sent = 0;  // again counts again
  std::uint64_t batches_acknowledged = 0;
  std::uint64_t batches_refused = 0;
};

// What the agent tells of samples that will not come.
wire::SpoolState ToSpoolState(const SpoolStats& stats);

// Thread-compatible. Never crashes on what the collector sends.
class StreamLogic {
 public:
  enum class Action {
    kNone,
    kConnect,
    kCancel,
  };

  // All outlive this.
  StreamLogic(StreamOptions options, Spool* spool, EpochOwner* owner, StreamTime now);
  ~StreamLogic();

  // What to do with the connection now. To be called after each event and when WakeAfter is over.
  Action Next(StreamTime now);
  // The frame to write now, if any. To be called while the transport takes one.
  std::optional<std::string> FrameToSend(StreamTime now);
  // True once, after Goodbye: end the writes, when the transport takes them.
  bool TakeFinishWrites();
  void OnFrame(absl::string_view bytes, StreamTime now);
  void OnClosed(const absl::Status& status, StreamTime now);

  // Sends what waits in the current epoch, then Goodbye; at `deadline` (since boot) it ends whatever waits.
  void Drain(absl::Duration deadline, absl::string_view reason);
  // Drained: nothing more happens.
  bool finished() const { return state_ == State::kFinished; }

  // How long nothing happens without an event.
  absl::Duration WakeAfter(StreamTime now) const;
  const StreamStatus& status() const { return status_; }

 private:
  enum class State {
    kIdle,     // until retry_at_
    kOpening,  // Hello, no Welcome yet
    kLive,
    kClosing,  // cancelled, not yet closed
    kFinished,
  };
  struct Sent {
    std::uint64_t seq = 0;
    std::uint64_t bytes = 0;
  };
  // Sent on this connection and not acknowledged.
  struct Flight {
    std::deque<Sent> batches;
    std::uint64_t bytes = 0;
    std::uint64_t highest_sent = 0;
  };

  std::string Hello(StreamTime now);
  std::optional<std::string> SpoolStateIfChanged(StreamTime now);
  std::optional<std::string> NextLive();
  std::optional<std::string> NextOld();
  std::string Send(const SpoolRecord& record);
  void OnWelcome(const wire::Welcome& welcome, StreamTime now);
  void OnAck(const wire::Ack& ack, StreamTime now);
  void NoteGrid(std::uint32_t step_seconds, std::uint32_t steps_per_batch);
  void ApplyGrid();
  void Progress(StreamTime now);
  // False when there is nothing to obey.
  bool Obey(int instruction, StreamTime now);
  void RequestEpoch(StreamTime now, bool abandon);
  // True while the owner has not yet begun the epoch asked for.
  bool AwaitsEpoch(StreamTime now);
  // Ends the connection; the next begins after a pause, or at once.
  void Close(absl::string_view why, bool at_once = false);
  std::uint64_t OldBytesInFlight() const;

  const StreamOptions options_;
  Spool* const spool_;
  EpochOwner* const owner_;

  State state_ = State::kIdle;
  absl::Duration retry_at_;       // since boot
  absl::Duration opened_at_;      // of the connection
  absl::Duration last_progress_;  // acknowledgement, or start
  int failures_ = 0;
  bool cancel_ = false;  // asked for, not yet told to the transport
  bool reconnect_at_once_ = false;
  std::string why_closed_;
  std::string store_id_;  // of the store that welcomed us last

  std::optional<std::uint64_t> leaving_;  // the epoch that the one asked for is to replace
  bool abandon_ = false;                  // what waits in it cannot be sent
  absl::Duration leave_until_;            // since boot; then the old one goes on

  // Of the connection.
  bool hello_sent_ = false;
  std::uint64_t live_epoch_ = 0;
  SpoolCursor live_;
  std::optional<SpoolRecord> live_held_;  // read, but too much is in flight
  std::deque<std::uint64_t> old_epochs_;  // not yet sent to their end, oldest first
  std::optional<SpoolCursor> old_;
  std::optional<SpoolRecord> old_held_;
  std::map<std::uint64_t, Flight> flights_;
  std::string spool_state_sent_;
  StreamTime sending_at_;
  absl::Duration spool_state_at_;

  bool draining_ = false;
  absl::Duration drain_deadline_;
  std::string drain_reason_;
  bool goodbye_sent_ = false;
  bool writes_finished_ = false;

  StreamStatus status_;
  LogLimiter refusal_log_{absl::Minutes(1)};
  LogLimiter error_log_{absl::Minutes(1)};
};

}  // namespace ppmm
