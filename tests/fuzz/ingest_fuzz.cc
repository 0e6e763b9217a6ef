// An agent's stream. Input: frames, each a byte of flags and a piece; a frame without the flag kRaw is given what no
// change of bytes finds by itself: the time of now and a batch's checksum.
#include "collector/ingest_session.h"
#include "tests/fuzz/fuzz.h"
#include "tests/testing/frames.h"
#include "tests/testing/manual_clock.h"

namespace ppmm::fuzz {
namespace {

constexpr std::uint8_t kRaw = 1;
constexpr std::uint8_t kNewSession = 2;
constexpr absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
constexpr std::uint64_t kEpoch = 7;

class SilentSink : public StreamSink {
 public:
  void Welcome(const StreamWelcome&) override {}
  void Acknowledge(const StreamAck&) override {}
  void Resume() override {}
  void Cut(const absl::Status&) override {}
};

std::string Completed(absl::string_view bytes) {
  wire::AgentFrame frame;
  if (!frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return std::string(bytes);
  }
  frame.set_sent_wall_us(absl::ToUnixMicros(kNow));
  if (frame.has_batch()) {
    frame.mutable_batch()->set_crc32c(Crc32c(frame.batch().columns()));
  }
  return frame.SerializeAsString();
}

void CheckQueued(IngestQueue* queue) {
  std::vector<QueuedEvent> events = queue->TakeLive();
  while (std::optional<QueuedEvent> late = queue->TakeLate()) {
    events.push_back(*std::move(late));
  }
  for (const QueuedEvent& event : events) {
    if (const auto* batch = std::get_if<DecodedBatch>(&event.event)) {
      Require(batch->steps >= 1 && batch->steps <= kMaxStepsPerBatch, "a queued batch has 1 to 60 steps");
      Require(batch->step_seconds > 0 && batch->t0 % batch->step_seconds == 0, "steps lie on whole multiples");
      for (const DecodedSample& sample : batch->samples) {
        Require(sample.step < batch->steps, "a sample's step is one of the batch");
      }
    }
  }
}

}  // namespace

void Run(absl::string_view input) {
  Input in(input);
  ManualClock clock(kNow);
  IngestQueue queue;
  IngestCounters counters;
  std::unique_ptr<IngestSession> session;
  while (!in.empty()) {
    const std::uint8_t flags = in.Byte();
    const absl::string_view piece = in.Piece();
    const std::string frame = (flags & kRaw) != 0 ? std::string(piece) : Completed(piece);
    if (session == nullptr || (flags & kNewSession) != 0) {
      session = std::make_unique<IngestSession>(&clock, &queue, &counters);
      if (!session->Open(frame, std::make_shared<SilentSink>()).ok()) {
        session.reset();
      }
      continue;
    }
    const absl::StatusOr<IngestSession::Taken> taken = session->Take(frame);
    CheckQueued(&queue);
    if (!taken.ok()) {
      session.reset();
      continue;
    }
    for (const wire::Refused& refused : taken->refused) {
      Require(refused.reason() != wire::REFUSAL_UNSPECIFIED, "a refusal has a reason");
    }
  }
}

std::vector<std::string> Seeds() {
  const auto part = [](const wire::AgentFrame& frame) {
    return std::string(1, '\0') + Piece(frame.SerializeAsString());
  };
  const std::string opening = part(HelloFrame(kEpoch, kNow)) +
                              part(DictionaryFrame(kEpoch, {"ppmm_host_forks_total", "ppmm_host_procs_running"}, kNow));
  const std::vector<FrameValue> values = {{1, MetricKind::kCounter, 5}, {2, MetricKind::kGauge, -3}};
  wire::AgentFrame events = BatchFrame(kEpoch, 2, kNow, values, kNow);
  events.mutable_batch()->add_expected()->set_samples_per_minute(60);
  events.mutable_batch()->add_releases()->set_entity(1);
  wire::AgentFrame late = BatchFrame(kEpoch, 3, kNow - absl::Hours(80), values, kNow);
  return {opening + part(BatchFrame(kEpoch, 1, kNow, values, kNow)) + part(events), opening + part(late),
          part(HelloFrame(kEpoch, kNow)) + part(BatchFrame(kEpoch, 1, kNow, values, kNow))};
}

}  // namespace ppmm::fuzz
