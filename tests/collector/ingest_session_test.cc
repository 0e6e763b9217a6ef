#include "collector/ingest_session.h"

#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/frames.h"
#include "tests/testing/manual_clock.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::uint64_t kEpoch = 77;
constexpr char kForks[] = "ppmm_host_forks_total";
constexpr char kRunning[] = "ppmm_host_procs_running";

class SilentSink : public StreamSink {
 public:
  void Welcome(const StreamWelcome&) override {}
  void Acknowledge(const StreamAck&) override {}
  void Resume() override {}
  void Cut(const absl::Status&) override {}
};

class IngestSessionTest : public ::testing::Test {
 protected:
  absl::Time Now() const { return clock_.Now(); }
  absl::Status Open() {
    return session_.Open(HelloFrame(kEpoch, Now()).SerializeAsString(), std::make_shared<SilentSink>());
  }
  absl::StatusOr<IngestSession::Taken> Take(const wire::AgentFrame& frame) {
    return session_.Take(frame.SerializeAsString());
  }
  void OpenWithSeries() {
    ASSERT_TRUE(Open().ok());
    ASSERT_TRUE(Take(DictionaryFrame(kEpoch, {kForks, kRunning}, Now())).ok());
  }
  wire::AgentFrame Batch(absl::Time t0, std::uint64_t seq = 1) {
    return BatchFrame(kEpoch, seq, t0, {{1, MetricKind::kCounter, 5}, {2, MetricKind::kGauge, 3}}, Now());
  }
  // The reason for which `frame` is refused; UNSPECIFIED: it is not.
  wire::RefusalReason ReasonOf(const wire::AgentFrame& frame) {
    const auto taken = Take(frame);
    EXPECT_TRUE(taken.ok()) << taken.status();
    return taken.ok() && taken->refused.size() == 1 ? taken->refused[0].reason() : wire::REFUSAL_UNSPECIFIED;
  }
  std::vector<DecodedBatch> Queued() {
    std::vector<DecodedBatch> batches;
    for (QueuedEvent& event : queue_.TakeLive()) {
      if (auto* batch = std::get_if<DecodedBatch>(&event.event)) {
        batches.push_back(std::move(*batch));
      }
    }
    return batches;
  }

  ManualClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  IngestQueue queue_;
  IngestCounters counters_;
  IngestSession session_{&clock_, &queue_, &counters_};
};

TEST_F(IngestSessionTest, NotesWhetherTheAgentSaidThatItStops) {
  OpenWithSeries();
  const std::string host_id = HelloFrame(kEpoch, Now()).hello().host_id();
  EXPECT_FALSE(counters_.agents.LastEnd(host_id).has_value());
  wire::AgentFrame goodbye;
  goodbye.set_sent_wall_us(absl::ToUnixMicros(Now()));
  goodbye.mutable_goodbye()->set_reason("SIGTERM");
  ASSERT_TRUE(Take(goodbye).ok());
  session_.Close();
  ASSERT_TRUE(counters_.agents.LastEnd(host_id).has_value());
  EXPECT_TRUE(counters_.agents.LastEnd(host_id)->goodbye);
  EXPECT_EQ(counters_.agents.LastEnd(host_id)->at, clock_.Now());
}

TEST_F(IngestSessionTest, HandsDecodedBatchesToTheQueue) {
  OpenWithSeries();
  ASSERT_TRUE(Take(Batch(Now())).ok());
  const std::vector<DecodedBatch> batches = Queued();
  ASSERT_THAT(batches, SizeIs(1));
  EXPECT_EQ(batches[0].seq, 1u);
  EXPECT_TRUE(batches[0].live);
  ASSERT_THAT(batches[0].samples, SizeIs(2));
  EXPECT_EQ(batches[0].samples[0].value, 5);
  EXPECT_EQ(batches[0].samples[1].value, 3);
  EXPECT_EQ(counters_.samples.load(), 2u);
}

TEST_F(IngestSessionTest, TheFirstFrameMustBeAHello) {
  EXPECT_THAT(session_.Open("rubbish", std::make_shared<SilentSink>()).message(), HasSubstr("is a Hello"));
  EXPECT_THAT(session_.Open(Batch(Now()).SerializeAsString(), std::make_shared<SilentSink>()).message(),
              HasSubstr("is a Hello"));
  wire::AgentFrame hello = HelloFrame(kEpoch, Now());
  hello.mutable_hello()->set_agent_id("short");
  EXPECT_THAT(session_.Open(hello.SerializeAsString(), std::make_shared<SilentSink>()).message(),
              HasSubstr("16 bytes each"));
  hello = HelloFrame(kEpoch, Now());
  hello.mutable_hello()->set_protocol(2);
  EXPECT_THAT(session_.Open(hello.SerializeAsString(), std::make_shared<SilentSink>()).message(),
              HasSubstr("upgrade the collector first"));
  hello = HelloFrame(kEpoch, Now());
  hello.mutable_hello()->set_group("shop/eu");  // its `web` had the key of the application `eu/web` of group `shop`
  EXPECT_THAT(session_.Open(hello.SerializeAsString(), std::make_shared<SilentSink>()).message(),
              HasSubstr("no slash"));
}

TEST_F(IngestSessionTest, RefusesASecondHelloAndWhatIsNoFrame) {
  OpenWithSeries();
  EXPECT_EQ(session_.Take("\xff\xff").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Take(HelloFrame(kEpoch, Now())).status().message(), HasSubstr("second Hello"));
}

TEST_F(IngestSessionTest, RefusesWithTheReasonAndGoesOn) {
  OpenWithSeries();
  EXPECT_EQ(ReasonOf(Batch(Now() - absl::Hours(72) - absl::Seconds(1))), wire::REFUSAL_TOO_LATE);
  EXPECT_EQ(ReasonOf(Batch(Now() + absl::Minutes(5) + absl::Seconds(1))), wire::REFUSAL_FUTURE);

  wire::AgentFrame damaged = Batch(Now());
  damaged.mutable_batch()->mutable_columns()->back() ^= 1;
  EXPECT_EQ(ReasonOf(damaged), wire::REFUSAL_DAMAGED);

  wire::AgentFrame unknown = BatchFrame(kEpoch, 1, Now(), {{9, MetricKind::kGauge, 1}}, Now());
  EXPECT_EQ(ReasonOf(unknown), wire::REFUSAL_UNKNOWN_ID);
  EXPECT_EQ(ReasonOf(BatchFrame(kEpoch + 1, 1, Now(), {{1, MetricKind::kCounter, 1}}, Now())), wire::REFUSAL_UNKNOWN_ID)
      << "no dictionary of that epoch";

  wire::AgentFrame malformed = Batch(Now());
  malformed.mutable_batch()->set_samples(3);
  EXPECT_EQ(ReasonOf(malformed), wire::REFUSAL_MALFORMED);
  malformed = Batch(Now());
  malformed.mutable_batch()->set_step_seconds(7);
  EXPECT_EQ(ReasonOf(malformed), wire::REFUSAL_MALFORMED);
  malformed = Batch(Now());
  malformed.mutable_batch()->set_steps(4'000'000'000);
  EXPECT_EQ(ReasonOf(malformed), wire::REFUSAL_MALFORMED);
  malformed = Batch(Now());
  malformed.mutable_batch()->set_t0(std::numeric_limits<std::int64_t>::max() / 10 * 10);
  EXPECT_EQ(ReasonOf(malformed), wire::REFUSAL_MALFORMED);

  wire::AgentFrame large = Batch(Now());
  large.mutable_batch()->mutable_columns()->append(300 << 10, 'x');
  EXPECT_EQ(ReasonOf(large), wire::REFUSAL_TOO_LARGE);

  EXPECT_EQ(counters_.refused_batches[wire::REFUSAL_MALFORMED].load(), 4u);
  EXPECT_EQ(counters_.refused_samples[wire::REFUSAL_TOO_LATE].load(), 2u);
  EXPECT_EQ(ReasonOf(Batch(Now())), wire::REFUSAL_UNSPECIFIED) << "the stream goes on";
  EXPECT_THAT(Queued(), SizeIs(1));
}

TEST_F(IngestSessionTest, SkipsAndCountsSeriesItDoesNotKnow) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Take(DictionaryFrame(kEpoch, {kForks, "ppmm_host_of_tomorrow"}, Now())).ok());
  ASSERT_TRUE(Take(Batch(Now())).ok());
  const std::vector<DecodedBatch> batches = Queued();
  ASSERT_THAT(batches, SizeIs(1));
  EXPECT_THAT(batches[0].samples, SizeIs(1));
  EXPECT_EQ(batches[0].skipped, 1u);
  EXPECT_EQ(counters_.unknown_series_samples.load(), 1u);
}

TEST_F(IngestSessionTest, SkipsASeriesWhoseScaleDiffersFromTheMetricList) {
  ASSERT_TRUE(Open().ok());
  wire::AgentFrame dictionary = DictionaryFrame(kEpoch, {kForks, kRunning}, Now());
  dictionary.mutable_dictionary()->mutable_series(1)->set_scale(3);
  ASSERT_TRUE(Take(dictionary).ok());
  ASSERT_TRUE(Take(Batch(Now())).ok());
  EXPECT_EQ(Queued()[0].skipped, 1u);
}

TEST_F(IngestSessionTest, HoldsTheStreamWhileClocksDisagree) {
  wire::AgentFrame hello = HelloFrame(kEpoch, Now() - absl::Minutes(6));
  const absl::Status status = session_.Open(hello.SerializeAsString(), std::make_shared<SilentSink>());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("clock: the agent's clock is 6m behind the collector's"));
}

TEST_F(IngestSessionTest, SaysWhichOfTheClocksIsAhead) {
  wire::AgentFrame hello = HelloFrame(kEpoch, Now() + absl::Minutes(7));
  EXPECT_THAT(session_.Open(hello.SerializeAsString(), std::make_shared<SilentSink>()).message(),
              HasSubstr("clock: the agent's clock is 7m ahead of the collector's"));
}

TEST_F(IngestSessionTest, TakesAClockThatIsFiveMinutesOff) {
  wire::AgentFrame hello = HelloFrame(kEpoch, Now() - absl::Minutes(5));
  EXPECT_TRUE(session_.Open(hello.SerializeAsString(), std::make_shared<SilentSink>()).ok());
}

TEST_F(IngestSessionTest, ALiveStreamWhoseClockComesRightIsNotHeld) {
  OpenWithSeries();
  const auto sent = [&](std::uint64_t seq, absl::Duration off) {
    return BatchFrame(kEpoch, seq, Now(), {{1, MetricKind::kCounter, 1}}, Now() - off);
  };
  EXPECT_TRUE(Take(sent(1, absl::Minutes(7))).ok());
  clock_.Advance(absl::Seconds(9));
  EXPECT_TRUE(Take(sent(2, absl::ZeroDuration())).ok());
  clock_.Advance(absl::Seconds(9));
  EXPECT_TRUE(Take(sent(3, absl::Minutes(7))).ok()) << "ten seconds begin anew";
}

TEST_F(IngestSessionTest, HoldsALiveStreamAfterTenSecondsOfDisagreement) {
  OpenWithSeries();
  const auto late_sender = [&](std::uint64_t seq) {
    return BatchFrame(kEpoch, seq, Now(), {{1, MetricKind::kCounter, 1}}, Now() - absl::Minutes(7));
  };
  EXPECT_TRUE(Take(late_sender(1)).ok());
  clock_.Advance(absl::Seconds(9));
  EXPECT_TRUE(Take(late_sender(2)).ok());
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(Take(late_sender(3)).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(IngestSessionTest, RefusesNothingForItsAgeWhileClocksDisagree) {
  OpenWithSeries();
  for (const absl::Duration jump : {absl::Hours(450 * 24), absl::Hours(-900 * 24)}) {
    const wire::AgentFrame frame = Batch(Now());
    clock_.JumpWall(jump);
    EXPECT_EQ(Take(frame).status().code(), absl::StatusCode::kUnavailable) << "it stays in the spool";
  }
  EXPECT_EQ(counters_.refused_batches[wire::REFUSAL_TOO_LATE].load(), 0u);
  EXPECT_EQ(counters_.refused_batches[wire::REFUSAL_FUTURE].load(), 0u);
}

TEST_F(IngestSessionTest, KnowsTheMedianOfTheAgentsClocks) {
  const auto median = [this] { return counters_.clocks.Median(Now(), clock_.SinceBoot()); };
  EXPECT_FALSE(median().has_value());
  OpenWithSeries();
  ASSERT_TRUE(Take(BatchFrame(kEpoch, 1, Now(), {{1, MetricKind::kCounter, 1}}, Now() - absl::Seconds(3))).ok());
  EXPECT_EQ(median(), -absl::Seconds(3));
  clock_.JumpWall(absl::Hours(3));
  EXPECT_EQ(median(), -absl::Seconds(3) - absl::Hours(3)) << "our own jump shows in what was measured before it";
  session_.Close();
  clock_.Advance(absl::Minutes(3));
  EXPECT_FALSE(median().has_value());
}

TEST_F(IngestSessionTest, AnAgentThatIsSentAwayIsHeardAllTheSame) {
  wire::AgentFrame hello = HelloFrame(kEpoch, Now() + absl::Hours(2));
  EXPECT_FALSE(session_.Open(hello.SerializeAsString(), std::make_shared<SilentSink>()).ok());
  const auto all = counters_.clocks.All(Now(), clock_.SinceBoot());
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_EQ(all[0].ahead, absl::Hours(2));
  EXPECT_TRUE(all[0].held);
  EXPECT_EQ(all[0].host_id, hello.hello().host_id());
}

TEST_F(IngestSessionTest, EscapesHostileNames) {
  ASSERT_TRUE(Open().ok());
  wire::AgentFrame frame = DictionaryFrame(kEpoch, {}, Now());
  wire::Entity* entity = frame.mutable_dictionary()->add_entities();
  entity->set_id(2);
  entity->mutable_instance()->set_name("evil\x1b[2J\nname");
  ASSERT_TRUE(Take(frame).ok());
  bool seen = false;
  for (const QueuedEvent& event : queue_.TakeLive()) {
    if (const auto* update = std::get_if<DictionaryUpdate>(&event.event)) {
      seen = true;
      EXPECT_EQ(update->message->entities(1).instance().name(), "evil\\x1b[2J\\x0aname");
    }
  }
  EXPECT_TRUE(seen);
}

TEST_F(IngestSessionTest, EndsAStreamThatNamesTooManyIds) {
  ASSERT_TRUE(Open().ok());
  wire::AgentFrame frame = DictionaryFrame(kEpoch, {}, Now());
  for (std::uint32_t id = 2; id < IngestSession::kMaxIds + 10; ++id) {
    wire::Entity* entity = frame.mutable_dictionary()->add_entities();
    entity->set_id(id);
    entity->mutable_remote()->set_port(1);
  }
  EXPECT_EQ(Take(frame).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(IngestSessionTest, BatchesOfOlderEpochsAreLate) {
  OpenWithSeries();
  ASSERT_TRUE(Take(DictionaryFrame(kEpoch - 1, {kForks, kRunning}, Now())).ok());
  ASSERT_TRUE(Take(BatchFrame(kEpoch - 1, 4, Now() - absl::Hours(1), {{1, MetricKind::kCounter, 1}}, Now())).ok());
  Queued();
  const std::optional<QueuedEvent> dictionary = queue_.TakeLate();
  const std::optional<QueuedEvent> batch = queue_.TakeLate();
  ASSERT_TRUE(dictionary.has_value() && batch.has_value());
  EXPECT_FALSE(std::get<DecodedBatch>(batch->event).live);
}

// Every single-byte change of a valid batch is either refused, harmless or an error of the stream; it never crashes.
TEST_F(IngestSessionTest, SurvivesEveryFlippedByte) {
  OpenWithSeries();
  const std::string valid = Batch(Now()).SerializeAsString();
  for (std::size_t at = 0; at < valid.size(); ++at) {
    for (const int mask : {1, 0x80, 0xFF}) {
      std::string flipped = valid;
      flipped[at] = static_cast<char>(flipped[at] ^ mask);
      session_.Take(flipped).status().IgnoreError();  // any status will do
    }
    session_.Take(valid.substr(0, at)).status().IgnoreError();
  }
  Queued();
}

}  // namespace
}  // namespace ppmm
