#include "agent/stream_logic.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "common/human.h"
#include "common/status.h"
#include "proto/telemetry.pb.h"

namespace ppmm {
namespace {

constexpr absl::string_view kName = "stream";
constexpr std::size_t kMaxOldEpochsTold = 64;
constexpr std::size_t kStoreIdBytes = 8;
constexpr std::uint64_t kBatchOverhead = 64;  // so that tiny batches are bounded in number too
constexpr std::uint32_t kSlowStepSeconds = 10;

// The frame with the time of sending: fields may be appended to a serialized message.
std::string WithSendingTime(std::string frame, absl::Time wall) {
  wire::AgentFrame time;
  time.set_sent_wall_us(absl::ToUnixMicros(wall));
  time.AppendToString(&frame);
  return frame;
}

// What is worth a message: `produced` and `bytes` change with every batch.
std::string Losses(wire::SpoolState state) {
  state.clear_produced();
  state.clear_bytes();
  return state.SerializeAsString();
}

// What the collector found wrong with a batch.
absl::string_view RefusalWords(wire::RefusalReason reason) {
  switch (reason) {
    case wire::REFUSAL_MALFORMED:
      return "it is not formed as the protocol says";
    case wire::REFUSAL_DAMAGED:
      return "it arrived damaged";
    case wire::REFUSAL_UNKNOWN_ID:
      return "its series are not known there";
    case wire::REFUSAL_KIND:
      return "a series of it has another kind there";
    case wire::REFUSAL_TOO_LATE:
      return "it is too old";
    case wire::REFUSAL_FUTURE:
      return "it is of a time ahead";
    case wire::REFUSAL_TOO_LARGE:
      return "it is too large";
    case wire::REFUSAL_LIMIT:
      return "a limit of the store was reached";
    default:
      return "for a reason that this agent does not know";
  }
}

bool IsClockHold(const absl::Status& status) {
  return absl::IsUnavailable(status) && absl::StartsWith(status.message(), "clock");
}

}  // namespace

wire::SpoolState ToSpoolState(const SpoolStats& stats) {
  wire::SpoolState state;
  state.set_dropped_full(stats.totals.dropped_full);
  state.set_dropped_damaged_bytes(stats.totals.damaged_bytes);
  state.set_dropped_inherited_bytes(stats.totals.inherited_bytes);
  state.set_dropped_write(stats.totals.dropped_write);
  state.set_refused(stats.totals.refused);
  state.set_produced(stats.totals.produced);
  state.set_bytes(stats.bytes + stats.memory_bytes);
  state.set_dropped_damaged(stats.totals.dropped_damaged);
  state.set_dropped_set_back(stats.totals.dropped_set_back);
  return state;
}

StreamLogic::StreamLogic(StreamOptions options, Spool* spool, EpochOwner* owner, StreamTime now)
    : options_(std::move(options)),
      spool_(spool),
      owner_(owner),
      retry_at_(now.boot),
      last_progress_(now.boot),
      sending_at_(now) {}

StreamLogic::~StreamLogic() = default;

StreamLogic::Action StreamLogic::Next(StreamTime now) {
  if (!status_.slow && now.boot - last_progress_ >= options_.slow_after) {
    status_.slow = true;
    LogWarning(kName, "no acknowledgement for ", HumanDuration(options_.slow_after),
               ": going to 10 s steps, so that the spool lasts");
    ApplyGrid();
  }
  switch (state_) {
    case State::kIdle:
      if (draining_) {
        state_ = State::kFinished;
        return Action::kNone;
      }
      if (now.boot < retry_at_ || spool_->current_epoch() == 0 || AwaitsEpoch(now)) {
        return Action::kNone;
      }
      state_ = State::kOpening;
      opened_at_ = now.boot;
      hello_sent_ = false;
      ++status_.connections;
      return Action::kConnect;
    case State::kOpening:
      if (now.boot - opened_at_ >= options_.welcome_timeout) {
        Close(absl::StrCat("no Welcome within ", HumanDuration(options_.welcome_timeout)));
      }
      break;
    case State::kLive:
      AwaitsEpoch(now);
      if (spool_->current_epoch() != live_epoch_) {
        Close("a new epoch began", /*at_once=*/true);
      }
      break;
    case State::kClosing:
    case State::kFinished:
      return Action::kNone;
  }
  if (cancel_ || (draining_ && now.boot >= drain_deadline_)) {
    cancel_ = false;
    state_ = State::kClosing;
    return Action::kCancel;
  }
  return Action::kNone;
}

absl::Duration StreamLogic::WakeAfter(StreamTime now) const {
  const absl::Duration wait = state_ == State::kIdle ? retry_at_ - now.boot : absl::Seconds(1);
  return std::clamp(wait, absl::ZeroDuration(), absl::Seconds(1));
}

// ---- sending --------------------------------------------------------------------------------------------------------

std::optional<std::string> StreamLogic::FrameToSend(StreamTime now) {
  sending_at_ = now;
  if (state_ == State::kOpening && !hello_sent_) {
    hello_sent_ = true;
    return Hello(now);
  }
  if (state_ != State::kLive || cancel_ || goodbye_sent_ || (leaving_.has_value() && !draining_)) {
    return std::nullopt;
  }
  if (std::optional<std::string> frame = SpoolStateIfChanged(now)) {
    return frame;
  }
  if (std::optional<std::string> frame = NextLive()) {
    return frame;
  }
  if (!draining_) {
    return NextOld();
  }
  if (live_held_.has_value() || !flights_[live_epoch_].batches.empty()) {
    return std::nullopt;  // its acknowledgement first
  }
  goodbye_sent_ = true;
  wire::AgentFrame frame;
  frame.mutable_goodbye()->set_reason(drain_reason_);
  return WithSendingTime(frame.SerializeAsString(), now.wall);
}

bool StreamLogic::TakeFinishWrites() {
  return state_ == State::kLive && goodbye_sent_ && !std::exchange(writes_finished_, true);
}

std::string StreamLogic::Hello(StreamTime now) {
  wire::AgentFrame frame;
  wire::Hello* hello = frame.mutable_hello();
  if (options_.describe) {
    options_.describe(hello);
  }
  hello->set_protocol(1);
  hello->set_boottime_us(absl::ToInt64Microseconds(now.boot));
  live_epoch_ = spool_->current_epoch();
  hello->set_current_epoch(live_epoch_);
  hello->set_store_id(store_id_);
  old_epochs_.clear();
  for (const SpoolEpoch& epoch : spool_->Epochs()) {
    const bool current = epoch.epoch == live_epoch_;
    if (!current) {
      old_epochs_.push_back(epoch.epoch);
    }
    if (current || old_epochs_.size() <= kMaxOldEpochsTold) {
      wire::EpochState* state = hello->add_epochs();
      state->set_epoch(epoch.epoch);
      state->set_acknowledged(epoch.acknowledged);
    }
  }
  *hello->mutable_spool() = ToSpoolState(spool_->Stats());
  spool_state_at_ = now.boot;
  spool_state_sent_ = Losses(hello->spool());
  return WithSendingTime(frame.SerializeAsString(), now.wall);
}

std::optional<std::string> StreamLogic::SpoolStateIfChanged(StreamTime now) {
  if (now.boot - spool_state_at_ < options_.spool_state_period && !draining_) {
    return std::nullopt;
  }
  spool_state_at_ = now.boot;
  wire::AgentFrame frame;
  *frame.mutable_spool_state() = ToSpoolState(spool_->Stats());
  std::string losses = Losses(frame.spool_state());
  if (losses == spool_state_sent_) {
    return std::nullopt;
  }
  spool_state_sent_ = std::move(losses);
  return WithSendingTime(frame.SerializeAsString(), now.wall);
}

std::optional<std::string> StreamLogic::NextLive() {
  SpoolRecord record;
  if (!live_held_.has_value()) {
    if (!spool_->Next(&live_, &record)) {
      return std::nullopt;
    }
    live_held_ = std::move(record);
  }
  const std::uint64_t in_flight = flights_[live_epoch_].bytes;
  if (live_held_->is_batch && in_flight > 0 &&
      in_flight + live_held_->frame.size() + kBatchOverhead > options_.live_in_flight_bytes) {
    return std::nullopt;
  }
  return Send(*std::exchange(live_held_, std::nullopt));
}

std::optional<std::string> StreamLogic::NextOld() {
  while (!old_held_.has_value()) {
    if (old_epochs_.empty()) {
      return std::nullopt;
    }
    if (!old_.has_value()) {
      old_ = spool_->Begin(old_epochs_.front());
    }
    SpoolRecord record;
    if (spool_->Next(&*old_, &record)) {
      old_held_ = std::move(record);
    } else {
      old_epochs_.pop_front();
      old_.reset();
    }
  }
  const std::uint64_t in_flight = OldBytesInFlight();
  if (old_held_->is_batch && in_flight > 0 &&
      in_flight + old_held_->frame.size() + kBatchOverhead > options_.old_in_flight_bytes) {
    return std::nullopt;
  }
  return Send(*std::exchange(old_held_, std::nullopt));
}

std::string StreamLogic::Send(const SpoolRecord& record) {
  if (record.is_batch) {
    Flight& flight = flights_[record.epoch];
    const std::uint64_t bytes = record.frame.size() + kBatchOverhead;
    flight.batches.push_back({record.seq, bytes});
    flight.bytes += bytes;
    flight.highest_sent = record.seq;
    ++status_.batches_sent;
  }
  return WithSendingTime(record.frame, sending_at_.wall);
}

std::uint64_t StreamLogic::OldBytesInFlight() const {
  std::uint64_t bytes = 0;
  for (const auto& [epoch, flight] : flights_) {
    bytes += epoch == live_epoch_ ? 0 : flight.bytes;
  }
  return bytes;
}

// ---- what the collector says ----------------------------------------------------------------------------------------

void StreamLogic::OnFrame(absl::string_view bytes, StreamTime now) {
  if (cancel_ || (state_ != State::kOpening && state_ != State::kLive)) {
    return;
  }
  wire::CollectorFrame frame;
  if (!frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    Close("the collector sent what is no CollectorFrame");
    return;
  }
  switch (frame.body_case()) {
    case wire::CollectorFrame::kWelcome:
      OnWelcome(frame.welcome(), now);
      return;
    case wire::CollectorFrame::kAck:
      OnAck(frame.ack(), now);
      return;
    case wire::CollectorFrame::BODY_NOT_SET:
      return;  // of a later version
  }
}

void StreamLogic::OnWelcome(const wire::Welcome& welcome, StreamTime now) {
  if (state_ != State::kOpening || !hello_sent_) {
    Close("the collector sent Welcome when none was expected");
    return;
  }
  if (Obey(welcome.instruction(), now)) {
    return;
  }
  const std::vector<SpoolEpoch> epochs = spool_->Epochs();
  for (const wire::EpochNumber& durable : welcome.durable()) {
    if (durable.epoch() == live_epoch_ && !epochs.empty() && durable.number() > epochs.back().last_seq) {
      // It has more than we ever sent: this machine was set back to a snapshot.
      Obey(wire::INSTRUCTION_NEW_EPOCH, now);
      return;
    }
    spool_->Acknowledge(durable.epoch(), durable.number());
  }
  NoteGrid(welcome.step_seconds(), welcome.steps_per_batch());
  store_id_ = welcome.store_id().size() == kStoreIdBytes ? welcome.store_id() : "";
  state_ = State::kLive;
  status_.connected = true;
  status_.since = now.wall;
  status_.held_by_clock = false;
  status_.host_label = EscapeForDisplay(welcome.host_label());
  live_ = spool_->Begin(live_epoch_);
  LogInfo(kName, "connected; this host is called ", status_.host_label);
  if (const std::vector<SpoolEpoch> waiting = spool_->Epochs();
      !waiting.empty() && waiting.back().batches > options_.backlog_batches) {
    RequestEpoch(now, /*abandon=*/false);
  }
}

void StreamLogic::OnAck(const wire::Ack& ack, StreamTime now) {
  if (state_ != State::kLive) {
    Close("the collector sent Ack before Welcome");
    return;
  }
  for (const wire::Refused& refused : ack.refused()) {
    const auto found = flights_.find(refused.epoch());
    if (found == flights_.end()) {
      continue;
    }
    std::deque<Sent>& batches = found->second.batches;
    const auto sent = std::lower_bound(batches.begin(), batches.end(), refused.seq(),
                                       [](const Sent& entry, std::uint64_t seq) { return entry.seq < seq; });
    if (sent == batches.end() || sent->seq != refused.seq()) {
      continue;
    }
    found->second.bytes -= sent->bytes;
    batches.erase(sent);
    if (!spool_->Refused(refused.epoch(), refused.seq())) {
      continue;  // dropped meanwhile
    }
    ++status_.batches_refused;
    status_.last_refusal = absl::StrCat(RefusalWords(refused.reason()), refused.detail().empty() ? "" : ": ",
                                        EscapeForDisplay(refused.detail()));
    if (const std::int64_t n = refusal_log_.Allow(now.wall)) {
      LogWarning(kName, "the collector refused batch ", refused.seq(), ": ", status_.last_refusal, " (", n,
                 " since the last such line)");
    }
  }
  for (const wire::EpochNumber& durable : ack.durable()) {
    const auto found = flights_.find(durable.epoch());
    if (found == flights_.end()) {
      continue;
    }
    Flight& flight = found->second;
    // A number that was never sent must not swallow what is sent later.
    const std::uint64_t number = std::min(durable.number(), flight.highest_sent);
    bool progress = false;
    while (!flight.batches.empty() && flight.batches.front().seq <= number) {
      flight.bytes -= flight.batches.front().bytes;
      flight.batches.pop_front();
      ++status_.batches_acknowledged;
      progress = true;
    }
    if (progress) {
      spool_->Acknowledge(durable.epoch(), number);
      Progress(now);
    }
  }
  NoteGrid(ack.step_seconds(), ack.steps_per_batch());
  Obey(ack.instruction(), now);
}

void StreamLogic::Progress(StreamTime now) {
  failures_ = 0;
  last_progress_ = now.boot;
  status_.last_ack = now.wall;
  if (std::exchange(status_.slow, false)) {
    ApplyGrid();
  }
}

// Zeros, and what is out of range, mean: as it is.
void StreamLogic::NoteGrid(std::uint32_t step_seconds, std::uint32_t steps_per_batch) {
  if ((step_seconds != 1 && step_seconds != 10) || steps_per_batch < 1 || steps_per_batch > 10 ||
      (step_seconds == status_.step_seconds && steps_per_batch == status_.steps_per_batch)) {
    return;
  }
  status_.step_seconds = step_seconds;
  status_.steps_per_batch = steps_per_batch;
  ApplyGrid();
}

void StreamLogic::ApplyGrid() {
  const std::uint32_t step = std::max(status_.step_seconds, 1U);
  owner_->SetGrid(status_.slow ? kSlowStepSeconds : step, std::max(status_.steps_per_batch, 1U));
}

bool StreamLogic::Obey(int instruction, StreamTime now) {
  if (instruction == wire::INSTRUCTION_NEW_IDENTITY) {
    LogWarning(kName, "another live agent has this agent_id: making a new one");
    if (options_.renew_identity) {
      if (const absl::Status status = options_.renew_identity(); !status.ok()) {
        LogWarning(kName, "the new identity is not durable: ", status.message());
      }
    }
    RequestEpoch(now, /*abandon=*/false);
    Close("told to make a new identity");
    return true;
  }
  if (instruction == wire::INSTRUCTION_NEW_EPOCH) {
    LogWarning(kName, "this machine was set back: numbers of the current epoch were used before, beginning a new one");
    RequestEpoch(now, /*abandon=*/true);  // the collector would take each of its batches for a repetition
    Close("told to begin a new epoch");
    return true;
  }
  return false;
}

void StreamLogic::RequestEpoch(StreamTime now, bool abandon) {
  leaving_ = live_epoch_;
  abandon_ = abandon;
  leave_until_ = now.boot + options_.epoch_timeout;
  owner_->RequestEpoch();
}

bool StreamLogic::AwaitsEpoch(StreamTime now) {
  if (!leaving_.has_value()) {
    return false;
  }
  if (spool_->current_epoch() != *leaving_) {
    if (std::exchange(abandon_, false)) {
      spool_->Abandon(*leaving_);
    }
    leaving_.reset();
  } else if (now.boot >= leave_until_) {
    leaving_.reset();  // the old one goes on; if that is wrong, the collector says so again
  }
  return leaving_.has_value();
}

// ---- end of a connection --------------------------------------------------------------------------------------------

void StreamLogic::Close(absl::string_view why, bool at_once) {
  cancel_ = true;
  why_closed_ = std::string(why);
  reconnect_at_once_ = at_once;
}

void StreamLogic::OnClosed(const absl::Status& status, StreamTime now) {
  if (state_ == State::kIdle || state_ == State::kFinished) {
    return;
  }
  const bool at_once = std::exchange(reconnect_at_once_, false);
  std::string why = std::exchange(why_closed_, "");
  if (why.empty()) {
    // The words of the library for an answer that is of HTTP/1.
    const bool no_grpc = absl::StrContains(status.message(), "Failed parsing HTTP/2") ||
                         absl::StrContains(status.message(), "http1.x server");
    why = status.ok() ? "the collector ended the stream"
          : no_grpc   ? "that is not a collector's gRPC port (7767 by default)"
                      : EscapeForDisplay(status.message());
  }
  status_.connected = false;
  status_.since = now.wall;
  status_.held_by_clock = IsClockHold(status);
  cancel_ = false;
  live_held_.reset();
  old_held_.reset();
  old_.reset();
  old_epochs_.clear();
  flights_.clear();
  if (draining_) {
    state_ = State::kFinished;
    return;
  }
  status_.last_error = why;
  status_.last_error_at = now.wall;
  absl::Duration pause;
  if (status_.held_by_clock) {
    pause = options_.clock_retry;
  } else if (!at_once) {
    pause = options_.retry_delay(++failures_);
  }
  state_ = State::kIdle;
  retry_at_ = now.boot + pause;
  if (const std::int64_t n = at_once ? 0 : error_log_.Allow(now.wall)) {
    LogWarning(kName, why, "; next attempt in ", HumanDuration(pause), " (", n, " since the last such line)");
  }
}

void StreamLogic::Drain(absl::Duration deadline, absl::string_view reason) {
  draining_ = true;
  drain_deadline_ = deadline;
  drain_reason_ = std::string(reason);
}

}  // namespace ppmm
