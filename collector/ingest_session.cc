#include "collector/ingest_session.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "common/batch_codec.h"
#include "common/crc32c.h"
#include "common/human.h"
#include "common/log.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxText = 4096;
constexpr std::int64_t kMaxEpochsInHello = 65;

std::optional<MetricKind> KindOf(wire::Kind kind) {
  switch (kind) {
    case wire::GAUGE:
      return MetricKind::kGauge;
    case wire::COUNTER:
      return MetricKind::kCounter;
    case wire::HISTOGRAM:
      return MetricKind::kHistogram;
    default:
      return std::nullopt;
  }
}

absl::Status CheckHello(const wire::Hello& hello) {
  if (hello.protocol() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("protocol ", hello.protocol(), " is not known here, only 1: upgrade the collector first"));
  }
  if (hello.agent_id().size() != 16 || hello.host_id().size() != 16 || hello.duplicate_host_id().size() != 16) {
    return absl::InvalidArgumentError("agent_id, host_id and duplicate_host_id are 16 bytes each");
  }
  if (hello.host_name().empty() || hello.host_name().size() > kMaxNameBytes || hello.group().empty() ||
      hello.group().size() > kMaxNameBytes || hello.version().size() > kMaxNameBytes || hello.boot_id().size() > 16) {
    return absl::InvalidArgumentError("host_name and group are 1 to 256 bytes");
  }
  if (absl::StrContains(hello.group(), '/')) {
    return absl::InvalidArgumentError("a group has no slash: it ends the group in the key of an application");
  }
  if (!hello.store_id().empty() && hello.store_id().size() != 8) {
    return absl::InvalidArgumentError("store_id is 8 bytes");
  }
  if (hello.current_epoch() == 0 || hello.epochs_size() > kMaxEpochsInHello) {
    return absl::InvalidArgumentError("current_epoch is not 0, and at most 65 epochs are named");
  }
  return absl::OkStatus();
}

// Names of applications and labels go to pages, metrics and terminals: no controls, no invalid bytes, bounded.
void Clean(std::string* text) {
  *text = EscapeForDisplay(*text, kMaxNameBytes);
}

absl::Status CleanEntity(wire::Entity* entity) {
  if (entity->id() == 0) {
    return absl::InvalidArgumentError("entity 0");
  }
  if (entity->ByteSizeLong() > 16 * kMaxText) {
    return absl::InvalidArgumentError(absl::StrCat("entity ", entity->id(), " is larger than 64 KiB"));
  }
  if (entity->has_instance()) {
    wire::Instance* instance = entity->mutable_instance();
    for (std::string* text :
         {instance->mutable_name(), instance->mutable_slot(), instance->mutable_name_source(),
          instance->mutable_name_evidence(), instance->mutable_product(), instance->mutable_version(),
          instance->mutable_code_digest(), instance->mutable_executable(), instance->mutable_unit()}) {
      Clean(text);
    }
    for (wire::Evidence& evidence : *instance->mutable_origin_evidence()) {
      Clean(evidence.mutable_kind());
      Clean(evidence.mutable_text());
    }
    if (instance->name().empty()) {
      return absl::InvalidArgumentError(absl::StrCat("instance ", entity->id(), " has no name"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string RefusalName(wire::RefusalReason reason) {
  return absl::AsciiStrToLower(absl::StripPrefix(wire::RefusalReason_Name(reason), "REFUSAL_"));
}

// Collects what a batch holds; series that are not known here are counted and passed over.
class IngestSession::Collected : public ColumnVisitor {
 public:
  Collected(const Epoch& epoch, DecodedBatch* out) : epoch_(epoch), out_(out) {}

  std::optional<MetricKind> OnSeries(std::uint32_t id) override {
    const auto found = epoch_.series.find(id);
    if (found == epoch_.series.end()) {
      return std::nullopt;
    }
    skip_ = found->second.skip;
    return found->second.kind;
  }
  void OnValue(std::uint32_t id, std::uint32_t step, std::int64_t value) override {
    if (skip_) {
      ++skipped_;
    } else {
      out_->samples.push_back({id, step, value});
    }
  }
  void OnSketch(std::uint32_t id, std::uint32_t step, Sketch sketch) override {
    if (skip_) {
      ++skipped_;
    } else {
      out_->sketches.push_back({id, step, std::move(sketch)});
    }
  }
  std::uint32_t skipped() const { return skipped_; }

 private:
  const Epoch& epoch_;
  DecodedBatch* const out_;
  bool skip_ = false;
  std::uint32_t skipped_ = 0;
};

IngestSession::IngestSession(const Clock* clock, IngestQueue* queue, IngestCounters* counters)
    : clock_(clock), queue_(queue), counters_(counters) {}

absl::Status IngestSession::CheckClock(std::int64_t sent_wall_us, bool at_hello) {
  if (sent_wall_us == 0) {
    return absl::InvalidArgumentError("sent_wall_us is missing");
  }
  const absl::Time now = clock_->Now();
  const absl::Duration offset = now - absl::FromUnixMicros(sent_wall_us);
  const bool differs = absl::AbsDuration(offset) > kMaxClockOffset;
  clock_off_since_ = differs ? std::min(clock_off_since_, now) : absl::InfiniteFuture();
  const bool held = differs && (at_hello || now - clock_off_since_ >= kClockPatience);
  return NoteClock(sent_wall_us, offset, held);
}

absl::Status IngestSession::NoteClock(std::int64_t sent_wall_us, absl::Duration offset, bool held) {
  counters_->clocks.Note(agent_id_, host_id_, agent_, absl::FromUnixMicros(sent_wall_us), clock_->SinceBoot(), held);
  if (!held) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat("clock: the agent's clock is ", HumanDuration(absl::AbsDuration(offset)),
                                             offset > absl::ZeroDuration() ? " behind" : " ahead of",
                                             " the collector's; more than 5 minutes; set the one that is wrong"));
}

absl::Status IngestSession::Open(absl::string_view bytes, std::shared_ptr<StreamSink> sink) {
  counters_->frames.fetch_add(1, std::memory_order_relaxed);
  counters_->bytes.fetch_add(bytes.size(), std::memory_order_relaxed);
  wire::AgentFrame frame;
  if (bytes.size() > kMaxBatchBytes || !frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      !frame.has_hello()) {
    return absl::InvalidArgumentError("the first frame of a stream is a Hello");
  }
  wire::Hello* hello = frame.mutable_hello();
  RETURN_IF_ERROR(CheckHello(*hello));
  Clean(hello->mutable_host_name());
  Clean(hello->mutable_group());
  Clean(hello->mutable_version());
  agent_ = absl::StrCat(hello->host_name(), " (", hello->group(), ")");
  agent_id_ = hello->agent_id();
  host_id_ = hello->host_id();
  RETURN_IF_ERROR(CheckClock(frame.sent_wall_us(), /*at_hello=*/true));
  current_epoch_ = hello->current_epoch();

  StreamHello event;
  event.agent_id = hello->agent_id();
  event.host_id = hello->host_id();
  event.duplicate_host_id = hello->duplicate_host_id();
  event.host_name = hello->host_name();
  event.group = hello->group();
  event.boot_id = hello->boot_id();
  event.version = hello->version();
  event.current_epoch = hello->current_epoch();
  event.store_id = hello->store_id();
  for (const wire::EpochState& epoch : hello->epochs()) {
    event.epochs.emplace_back(epoch.epoch(), epoch.acknowledged());
  }
  event.received = clock_->Now();
  ASSIGN_OR_RETURN(stream_, queue_->Open(std::move(sink), std::move(event)));
  counters_->streams_opened.fetch_add(1, std::memory_order_relaxed);
  counters_->streams.fetch_add(1, std::memory_order_relaxed);
  counters_->agents.Opened(host_id_);
  if (hello->has_spool()) {
    const auto report = std::make_shared<wire::SpoolState>(hello->spool());
    Taken taken;
    RETURN_IF_ERROR(Push(SpoolReport{clock_->Now(), report}, &taken));
  }
  return absl::OkStatus();
}

absl::StatusOr<IngestSession::Taken> IngestSession::Take(absl::string_view bytes) {
  counters_->frames.fetch_add(1, std::memory_order_relaxed);
  counters_->bytes.fetch_add(bytes.size(), std::memory_order_relaxed);
  const auto frame = std::make_shared<wire::AgentFrame>();
  if (!frame->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError("a frame that is no AgentFrame");
  }
  RETURN_IF_ERROR(CheckClock(frame->sent_wall_us(), /*at_hello=*/false));
  Taken taken;
  switch (frame->body_case()) {
    case wire::AgentFrame::kHello:
      return absl::InvalidArgumentError("a second Hello");
    case wire::AgentFrame::kDictionary:
      RETURN_IF_ERROR(TakeDictionary(frame->mutable_dictionary(), &taken));
      break;
    case wire::AgentFrame::kBatch:
      RETURN_IF_ERROR(TakeBatch(frame->mutable_batch(), bytes.size(), frame->sent_wall_us(), &taken));
      break;
    case wire::AgentFrame::kSpoolState:
      RETURN_IF_ERROR(
          Push(SpoolReport{clock_->Now(), std::shared_ptr<const wire::SpoolState>(frame, frame->mutable_spool_state())},
               &taken));
      break;
    case wire::AgentFrame::kGoodbye:
      goodbye_ = true;
      break;
    case wire::AgentFrame::BODY_NOT_SET:
      // A kind of frame that a newer agent knows: skipped, so that agents may be upgraded first.
      break;
  }
  return taken;
}

absl::Status IngestSession::TakeDictionary(wire::Dictionary* dictionary, Taken* taken) {
  Epoch& epoch = epochs_[dictionary->epoch()];
  if (dictionary->complete()) {
    ids_ -= epoch.series.size() + epoch.entities.size();
    epoch = Epoch{};
  }
  auto update = std::make_shared<wire::Dictionary>();
  for (wire::Entity& entity : *dictionary->mutable_entities()) {
    const absl::Status status = CleanEntity(&entity);
    if (!status.ok()) {
      LogWarning("ingest", agent_, ": ", status.message());
      continue;  // batches that need it are refused as unknown_id
    }
    ids_ += epoch.entities.insert(entity.id()).second ? 1 : 0;
    update->add_entities()->Swap(&entity);
  }
  for (wire::Series& series : *dictionary->mutable_series()) {
    const Metric* metric = FindMetric(series.name());
    const std::optional<MetricKind> kind = KindOf(series.kind());
    if (series.id() == 0 || !kind.has_value() || !epoch.entities.contains(series.entity())) {
      continue;  // its batches are refused as unknown_id
    }
    const bool known = metric != nullptr && metric->kind == *kind && metric->scale == series.scale() &&
                       metric->labels.size() == static_cast<std::size_t>(series.labels_size());
    if (metric != nullptr && !known) {
      LogWarning("ingest", agent_, ": series ", EscapeForDisplay(series.name()),
                 " has another kind, scale or number of labels than this collector's metric list; it is not taken");
    }
    ids_ += epoch.series.insert_or_assign(series.id(), Epoch::Known{*kind, !known}).second ? 1 : 0;
    if (known) {
      for (std::string& label : *series.mutable_labels()) {
        Clean(&label);
      }
      update->add_series()->Swap(&series);
    }
  }
  if (ids_ > kMaxIds) {
    return absl::ResourceExhaustedError(absl::StrCat("more than ", kMaxIds, " ids of series and entities"));
  }
  for (wire::SourceState& source : *dictionary->mutable_sources()) {
    Clean(source.mutable_source());
    source.set_reason(EscapeForDisplay(source.reason(), kMaxText));
  }
  for (wire::Listener& listener : *dictionary->mutable_listeners()) {
    Clean(listener.mutable_address());
    Clean(listener.mutable_protocol());
  }
  update->set_epoch(dictionary->epoch());
  update->set_complete(dictionary->complete());
  update->set_listeners_complete(dictionary->listeners_complete());
  update->mutable_sources()->Swap(dictionary->mutable_sources());
  update->mutable_listeners()->Swap(dictionary->mutable_listeners());
  if (dictionary->has_host_life()) {
    update->mutable_host_life()->Swap(dictionary->mutable_host_life());
  }
  DictionaryUpdate event;
  event.epoch = dictionary->epoch();
  event.live = dictionary->epoch() == current_epoch_;
  event.received = clock_->Now();
  event.message = std::move(update);
  return Push(std::move(event), taken);
}

void IngestSession::Refuse(const wire::Batch& batch, wire::RefusalReason reason, std::string detail, Taken* taken) {
  counters_->refused_batches[static_cast<std::size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
  counters_->refused_samples[static_cast<std::size_t>(reason)].fetch_add(batch.samples(), std::memory_order_relaxed);
  wire::Refused refused;
  refused.set_epoch(batch.epoch());
  refused.set_seq(batch.seq());
  refused.set_reason(reason);
  refused.set_detail(EscapeForDisplay(detail));
  taken->refused.push_back(std::move(refused));
}

absl::Status IngestSession::TakeBatch(wire::Batch* batch, std::size_t bytes, std::int64_t sent_wall_us, Taken* taken) {
  const absl::Time now = clock_->Now();
  const auto refuse = [&](wire::RefusalReason reason, std::string detail) {
    Refuse(*batch, reason, std::move(detail), taken);
    return absl::OkStatus();
  };
  if (bytes > kMaxBatchBytes) {
    return refuse(wire::REFUSAL_TOO_LARGE, absl::StrCat(bytes, " bytes, at most ", kMaxBatchBytes));
  }
  if (Crc32c(batch->columns()) != batch->crc32c()) {
    return refuse(wire::REFUSAL_DAMAGED, "its bytes are damaged (the checksum differs)");
  }
  if (batch->seq() == 0 || (batch->step_seconds() != 1 && batch->step_seconds() != 10) || batch->steps() == 0 ||
      batch->steps() > kMaxStepsPerBatch || batch->t0() <= 0 || batch->t0() % batch->step_seconds() != 0 ||
      batch->t0() > absl::ToUnixSeconds(absl::FromUnixSeconds(1) + absl::Hours(24 * 365 * 200))) {
    return refuse(wire::REFUSAL_MALFORMED, "seq, t0, step_seconds or steps is out of range");
  }
  const absl::Time first = absl::FromUnixSeconds(batch->t0());
  const absl::Time last = first + absl::Seconds(batch->step_seconds()) * (batch->steps() - 1);
  const bool too_late = first < now - kMaxAge;
  const bool future = last > now + kMaxAhead;
  if ((too_late || future) && clock_off_since_ != absl::InfiniteFuture()) {
    // Nothing is refused for its age while clocks differ: it stays in the spool until one of them is set.
    return NoteClock(sent_wall_us, now - absl::FromUnixMicros(sent_wall_us), /*held=*/true);
  }
  if (too_late) {
    return refuse(wire::REFUSAL_TOO_LATE, absl::StrCat("step of ", absl::FormatTime(first), " is older than 72 h"));
  }
  if (future) {
    return refuse(wire::REFUSAL_FUTURE, absl::StrCat("step of ", absl::FormatTime(last), " is more than 5 min ahead"));
  }
  const auto epoch = epochs_.find(batch->epoch());
  if (epoch == epochs_.end()) {
    return refuse(wire::REFUSAL_UNKNOWN_ID,
                  "nothing was told of its series before: what names them was lost or damaged at the agent");
  }
  DecodedBatch decoded;
  Collected collected(epoch->second, &decoded);
  const absl::StatusOr<std::uint32_t> samples = DecodeColumns(batch->columns(), batch->steps(), collected);
  if (absl::IsNotFound(samples.status())) {
    return refuse(wire::REFUSAL_UNKNOWN_ID,
                  absl::StrCat(samples.status().message(), ": what names it was lost or damaged at the agent"));
  }
  if (!samples.ok() || *samples != batch->samples()) {
    return refuse(wire::REFUSAL_MALFORMED,
                  samples.ok() ? absl::StrCat(*samples, " samples where ", batch->samples(), " are announced")
                               : std::string(samples.status().message()));
  }
  counters_->batches.fetch_add(1, std::memory_order_relaxed);
  counters_->samples.fetch_add(*samples - collected.skipped(), std::memory_order_relaxed);
  counters_->unknown_series_samples.fetch_add(collected.skipped(), std::memory_order_relaxed);
  decoded.epoch = batch->epoch();
  decoded.seq = batch->seq();
  decoded.live = batch->epoch() == current_epoch_;
  decoded.t0 = batch->t0();
  decoded.step_seconds = batch->step_seconds();
  decoded.steps = batch->steps();
  decoded.produced = batch->produced();
  decoded.received = now;
  decoded.sent = absl::FromUnixMicros(sent_wall_us);
  decoded.skipped = collected.skipped();
  batch->clear_columns();
  auto message = std::make_shared<wire::Batch>();
  message->Swap(batch);
  decoded.message = std::move(message);
  return Push(std::move(decoded), taken);
}

absl::Status IngestSession::Push(StreamEvent event, Taken* taken) {
  ASSIGN_OR_RETURN(const bool room, queue_->Push(stream_, std::move(event)));
  taken->room = taken->room && room;
  return absl::OkStatus();
}

void IngestSession::Close() {
  if (stream_ != 0) {
    queue_->Close(stream_, goodbye_);
    counters_->streams.fetch_sub(1, std::memory_order_relaxed);
    counters_->agents.Closed(host_id_, goodbye_, clock_->Now());
    stream_ = 0;
  }
}

}  // namespace ppmm
