// Scripts: the collector's part is played by the test, frame by frame.
#include "agent/stream_logic.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/telemetry.pb.h"
#include "tests/testing/spool_rig.h"

namespace ppmm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Action = StreamLogic::Action;

// A serialized AgentFrame with a batch.
std::string BatchFrame(std::uint64_t epoch, std::uint64_t seq, std::size_t bytes) {
  wire::AgentFrame frame;
  frame.mutable_batch()->set_epoch(epoch);
  frame.mutable_batch()->set_seq(seq);
  frame.mutable_batch()->set_columns(std::string(bytes, 'c'));
  return frame.SerializeAsString();
}

std::vector<std::string> DictionaryFrames(std::uint64_t epoch) {
  wire::AgentFrame frame;
  frame.mutable_dictionary()->set_epoch(epoch);
  return {frame.SerializeAsString()};
}

class StreamLogicTest : public ::testing::Test, public EpochOwner {
 protected:
  StreamLogicTest() {
    options_.describe = [this](wire::Hello* hello) { hello->set_agent_id(agent_id_); };
    options_.renew_identity = [this] {
      agent_id_ = "renewed";
      return absl::OkStatus();
    };
    options_.retry_delay = [](int failures) { return absl::Seconds(failures); };
    spool_ = std::make_unique<Spool>(&disk_, SpoolOptions{.segment_bytes = 100'000}, now_.wall);
    NewEpoch();
  }

  // ---- the agent's side

  void RequestEpoch() override { ++epochs_requested_; }
  void SetGrid(std::uint32_t step_seconds, std::uint32_t steps_per_batch) override {
    grids_.push_back(absl::StrCat(step_seconds, "x", steps_per_batch));
  }
  void NewEpoch() {
    ++epoch_;
    seq_ = 0;
    spool_->BeginEpoch(epoch_, [e = epoch_] { return DictionaryFrames(e); });
  }
  void Append(int count, std::size_t bytes = 10) {
    for (int i = 0; i < count; ++i) {
      ++seq_;
      spool_->AppendBatch(seq_, 10, now_.wall, BatchFrame(epoch_, seq_, bytes));
    }
  }
  void Pass(absl::Duration time) {
    now_.wall += time;
    now_.boot += time;
  }
  StreamLogic& logic() {
    if (logic_ == nullptr) {
      logic_ = std::make_unique<StreamLogic>(options_, spool_.get(), this, now_);
    }
    return *logic_;
  }
  Action Next() { return logic().Next(now_); }
  // All frames the agent wants to send now, in words: "hello", "D1" a dictionary and "1/2" a batch by epoch, "state",
  // "goodbye".
  std::string Sends(int at_most = 1000) {
    std::vector<std::string> words;
    for (; at_most > 0; --at_most) {
      const std::optional<std::string> bytes = logic().FrameToSend(now_);
      if (!bytes.has_value()) {
        break;
      }
      wire::AgentFrame frame;
      EXPECT_TRUE(frame.ParseFromString(*bytes));
      EXPECT_EQ(frame.sent_wall_us(), absl::ToUnixMicros(now_.wall));
      switch (frame.body_case()) {
        case wire::AgentFrame::kHello:
          hello_ = frame.hello();
          words.push_back("hello");
          break;
        case wire::AgentFrame::kDictionary:
          words.push_back(absl::StrCat("D", frame.dictionary().epoch()));
          break;
        case wire::AgentFrame::kBatch:
          words.push_back(absl::StrCat(frame.batch().epoch(), "/", frame.batch().seq()));
          break;
        case wire::AgentFrame::kSpoolState:
          state_ = frame.spool_state();
          words.push_back("state");
          break;
        case wire::AgentFrame::kGoodbye:
          words.push_back(absl::StrCat("goodbye ", frame.goodbye().reason()));
          break;
        case wire::AgentFrame::BODY_NOT_SET:
          words.push_back("?");
      }
    }
    return absl::StrJoin(words, " ");
  }

  // ---- the collector's side

  using Numbers = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
  void Welcome(const Numbers& durable = {}, wire::Instruction instruction = wire::INSTRUCTION_NONE) {
    wire::CollectorFrame frame;
    wire::Welcome* welcome = frame.mutable_welcome();
    AddNumbers(durable, welcome->mutable_durable());
    welcome->set_step_seconds(1);
    welcome->set_steps_per_batch(1);
    welcome->set_instruction(instruction);
    welcome->set_host_label("web-1");
    welcome->set_store_id(store_id_);
    logic().OnFrame(frame.SerializeAsString(), now_);
  }
  void Ack(const Numbers& durable, const Numbers& refused = {},
           wire::Instruction instruction = wire::INSTRUCTION_NONE) {
    wire::CollectorFrame frame;
    AddNumbers(durable, frame.mutable_ack()->mutable_durable());
    for (const auto& [epoch, seq] : refused) {
      wire::Refused* entry = frame.mutable_ack()->add_refused();
      entry->set_epoch(epoch);
      entry->set_seq(seq);
      entry->set_reason(wire::REFUSAL_UNKNOWN_ID);
      entry->set_detail("series 7\nforged line");
    }
    frame.mutable_ack()->set_instruction(instruction);
    logic().OnFrame(frame.SerializeAsString(), now_);
  }
  void Grid(std::uint32_t step_seconds, std::uint32_t steps_per_batch) {
    wire::CollectorFrame frame;
    frame.mutable_ack()->set_step_seconds(step_seconds);
    frame.mutable_ack()->set_steps_per_batch(steps_per_batch);
    logic().OnFrame(frame.SerializeAsString(), now_);
  }
  void Closed(const absl::Status& status = absl::UnavailableError("connection reset")) {
    logic().OnClosed(status, now_);
  }
  // To the point where the stream is live.
  void Connect(const Numbers& durable = {}) {
    ASSERT_EQ(Next(), Action::kConnect);
    ASSERT_EQ(Sends(), "hello");
    Welcome(durable);
    ASSERT_EQ(Next(), Action::kNone);
  }

  static void AddNumbers(const Numbers& numbers, google::protobuf::RepeatedPtrField<wire::EpochNumber>* field) {
    for (const auto& [epoch, number] : numbers) {
      wire::EpochNumber* entry = field->Add();
      entry->set_epoch(epoch);
      entry->set_number(number);
    }
  }

  FaultyDirectory disk_;
  StreamTime now_{SpoolRig::kStart, absl::Hours(1)};
  std::unique_ptr<Spool> spool_;
  std::uint64_t epoch_ = 0;
  std::uint64_t seq_ = 0;
  StreamOptions options_;
  std::unique_ptr<StreamLogic> logic_;
  std::string agent_id_ = "first";
  int epochs_requested_ = 0;
  std::vector<std::string> grids_;
  wire::Hello hello_;
  std::string store_id_ = "store-id";
  wire::SpoolState state_;
};

// ---- the life of a stream -------------------------------------------------------------------------------------------

TEST_F(StreamLogicTest, NothingIsSentBeforeWelcome) {
  Append(2);
  EXPECT_EQ(Next(), Action::kConnect);
  EXPECT_EQ(Sends(), "hello");
  EXPECT_EQ(Sends(), "");
  EXPECT_FALSE(logic().status().connected);
  Welcome();
  EXPECT_EQ(Sends(), "D1 1/1 1/2");
  EXPECT_TRUE(logic().status().connected);
  EXPECT_EQ(logic().status().host_label, "web-1");
}

TEST_F(StreamLogicTest, HelloTellsWhoAndWhichEpochs) {
  Append(3);
  spool_->Acknowledge(1, 2);
  NewEpoch();
  Append(1);
  Next();
  Sends();
  EXPECT_EQ(hello_.protocol(), 1u);
  EXPECT_EQ(hello_.agent_id(), "first");
  EXPECT_EQ(hello_.boottime_us(), 3'600'000'000);
  EXPECT_EQ(hello_.current_epoch(), 2u);
  ASSERT_EQ(hello_.epochs_size(), 2);
  EXPECT_EQ(hello_.epochs(0).epoch(), 1u);
  EXPECT_EQ(hello_.epochs(0).acknowledged(), 2u);
  EXPECT_EQ(hello_.epochs(1).epoch(), 2u);
  EXPECT_EQ(hello_.spool().produced(), 40u);
}

TEST_F(StreamLogicTest, HelloTellsWhichStoreAcknowledged) {
  Next();
  Sends();
  EXPECT_EQ(hello_.store_id(), "");
  Welcome();
  Closed();
  now_.boot += absl::Minutes(5);
  Next();
  Sends();
  EXPECT_EQ(hello_.store_id(), store_id_);
  store_id_ = "too short to be one, or too long";
  Welcome();
  Closed();
  now_.boot += absl::Minutes(5);
  Next();
  Sends();
  EXPECT_EQ(hello_.store_id(), "");
}

TEST_F(StreamLogicTest, HelloNamesTheCurrentAndThe64OldestEpochs) {
  for (int i = 0; i < 70; ++i) {
    Append(1);
    NewEpoch();
  }
  Next();
  Sends();
  ASSERT_EQ(hello_.epochs_size(), 65);
  EXPECT_EQ(hello_.epochs(63).epoch(), 64u);
  EXPECT_EQ(hello_.epochs(64).epoch(), 71u);
}

TEST_F(StreamLogicTest, WaitsForTheFirstEpoch) {
  spool_ = std::make_unique<Spool>(&disk_, SpoolOptions{}, now_.wall);
  EXPECT_EQ(Next(), Action::kNone);
  NewEpoch();
  EXPECT_EQ(Next(), Action::kConnect);
}

TEST_F(StreamLogicTest, ABatchIsSentAgainUntilItIsAcknowledged) {
  Append(3);
  Connect();
  EXPECT_EQ(Sends(), "D1 1/1 1/2 1/3");
  Ack({{1, 1}});
  Closed();
  Pass(absl::Seconds(1));
  Connect();
  EXPECT_EQ(Sends(), "D1 1/2 1/3");
  Ack({{1, 3}});
  Closed();
  Pass(absl::Seconds(1));
  Connect();
  EXPECT_EQ(Sends(), "");
  EXPECT_EQ(spool_->Stats().samples, 0u);
  EXPECT_EQ(logic().status().batches_sent, 5u);
  EXPECT_EQ(logic().status().batches_acknowledged, 3u);
}

TEST_F(StreamLogicTest, WhatWelcomeSaysIsDurableIsNotSent) {
  Append(3);
  Connect({{1, 2}});
  EXPECT_EQ(Sends(), "D1 1/3");
  EXPECT_EQ(spool_->Stats().totals.acknowledged, 20u);
}

TEST_F(StreamLogicTest, NewBatchesFollowWithoutTheDictionary) {
  Append(1);
  Connect();
  EXPECT_EQ(Sends(), "D1 1/1");
  Append(2);
  EXPECT_EQ(Sends(), "1/2 1/3");
}

TEST_F(StreamLogicTest, AnAckOfWhatWasNeverSentSwallowsNothing) {
  Append(1);
  Connect();
  EXPECT_EQ(Sends(), "D1 1/1");
  Append(2);
  Ack({{1, 100}, {99, 1}});
  EXPECT_EQ(Sends(), "1/2 1/3");
  EXPECT_EQ(spool_->Stats().totals.acknowledged, 10u);
}

TEST_F(StreamLogicTest, LiveBatchesInFlightAreBounded) {
  options_.live_in_flight_bytes = 2500;
  Append(4, 1000);
  Connect();
  EXPECT_EQ(Sends(), "D1 1/1 1/2");
  Ack({{1, 1}});
  EXPECT_EQ(Sends(), "1/3");
  Append(1, 100'000);
  Ack({{1, 3}});
  EXPECT_EQ(Sends(), "1/4 D1");
  Ack({{1, 4}});
  EXPECT_EQ(Sends(), "1/5") << "alone, whatever its size";
}

// ---- older epochs ---------------------------------------------------------------------------------------------------

TEST_F(StreamLogicTest, TheCurrentEpochGoesFirstThenTheOldest) {
  Append(2);
  NewEpoch();
  Append(2);
  NewEpoch();
  Append(2);
  Connect();
  EXPECT_EQ(Sends(), "D3 3/1 3/2 D1 1/1 1/2 D2 2/1 2/2");
}

TEST_F(StreamLogicTest, ALiveBatchGoesBeforeTheNextOldOne) {
  Append(3);
  NewEpoch();
  Append(1);
  Connect();
  EXPECT_EQ(Sends(4), "D2 2/1 D1 1/1");
  Append(1);
  EXPECT_EQ(Sends(), "2/2 1/2 1/3");
}

TEST_F(StreamLogicTest, OldBatchesInFlightAreAtMost64KiB) {
  Append(5, 30'000);
  NewEpoch();
  Connect();
  EXPECT_EQ(Sends(), "D1 1/1 1/2");
  Append(1);
  EXPECT_EQ(Sends(), "D2 2/1") << "live ones are not held up";
  Ack({{1, 1}});
  EXPECT_EQ(Sends(), "1/3 D1") << "the next segment begins with its dictionary";
  Ack({{1, 3}});
  EXPECT_EQ(Sends(), "1/4 1/5");
}

TEST_F(StreamLogicTest, AnOldBatchLargerThanTheBoundGoesAlone) {
  Append(2, 90'000);
  NewEpoch();
  Connect();
  EXPECT_EQ(Sends(), "D1 1/1 D1");
  Ack({{1, 1}});
  EXPECT_EQ(Sends(), "1/2");
}

// ---- refusals -------------------------------------------------------------------------------------------------------

TEST_F(StreamLogicTest, ARefusedBatchIsCountedAndNotSentAgain) {
  Append(3);
  Connect();
  Sends();
  Ack({{1, 1}}, {{1, 2}, {1, 2}, {1, 50}, {7, 1}});
  EXPECT_EQ(spool_->Stats().totals.refused, 10u);
  EXPECT_EQ(logic().status().batches_refused, 1u);
  EXPECT_EQ(logic().status().last_refusal, "its series are not known there: series 7\\x0aforged line");
  Closed();
  Pass(absl::Seconds(1));
  Connect();
  EXPECT_EQ(Sends(), "D1 1/3");
}

TEST_F(StreamLogicTest, ARefusalMakesRoomInFlight) {
  options_.live_in_flight_bytes = 1500;
  Append(2, 1000);
  Connect();
  EXPECT_EQ(Sends(), "D1 1/1");
  Ack({}, {{1, 1}});
  EXPECT_EQ(Sends(), "1/2");
}

TEST_F(StreamLogicTest, LossesAreToldOnChange) {
  Append(2);
  Connect();
  Sends();
  Pass(absl::Seconds(10));
  Append(1);
  EXPECT_EQ(Sends(), "1/3") << "production alone is no change";
  Ack({}, {{1, 1}});
  EXPECT_EQ(Sends(), "") << "not more often than each 10 s";
  Pass(absl::Seconds(10));
  EXPECT_EQ(Sends(), "state");
  EXPECT_EQ(state_.refused(), 10u);
}

// ---- new epochs -----------------------------------------------------------------------------------------------------

TEST_F(StreamLogicTest, ABacklogIsOvertakenByANewEpoch) {
  Append(17);
  Connect();
  EXPECT_EQ(epochs_requested_, 1);
  EXPECT_EQ(Sends(), "") << "nothing that would have to be sent again";
  NewEpoch();
  Append(1);
  EXPECT_EQ(Next(), Action::kCancel);
  Closed(absl::CancelledError());
  Connect();  // at once
  EXPECT_EQ(hello_.current_epoch(), 2u);
  EXPECT_EQ(Sends(4), "D2 2/1 D1 1/1");
  EXPECT_EQ(epochs_requested_, 1);
}

TEST_F(StreamLogicTest, ASmallBacklogIsSentAsItIs) {
  Append(16);
  Connect();
  EXPECT_EQ(epochs_requested_, 0);
  EXPECT_EQ(Sends(2), "D1 1/1");
}

TEST_F(StreamLogicTest, FailedAttemptsBeginNoEpochs) {
  Append(100);
  for (int i = 1; i < 10; ++i) {
    ASSERT_EQ(Next(), Action::kConnect);
    Closed();
    Pass(absl::Seconds(i));
  }
  EXPECT_EQ(epochs_requested_, 0);
}

TEST_F(StreamLogicTest, AnOwnerThatBeginsNoEpochDoesNotStopTheStream) {
  Append(17);
  Connect();
  EXPECT_EQ(Sends(), "");
  Pass(absl::Seconds(15));
  EXPECT_EQ(Next(), Action::kNone);
  EXPECT_EQ(Sends(3), "D1 1/1 1/2");
}

TEST_F(StreamLogicTest, ANewIdentityIsMadeWhenTold) {
  Append(1);
  Connect();
  Sends();
  Ack({}, {}, wire::INSTRUCTION_NEW_IDENTITY);
  EXPECT_EQ(epochs_requested_, 1);
  EXPECT_EQ(Next(), Action::kCancel);
  EXPECT_EQ(Next(), Action::kNone);
  Closed(absl::CancelledError());
  EXPECT_THAT(logic().status().last_error, HasSubstr("new identity"));
  Pass(absl::Seconds(2));
  EXPECT_EQ(Next(), Action::kNone) << "not under the old epoch";
  NewEpoch();
  Connect();
  EXPECT_EQ(hello_.agent_id(), "renewed");
  EXPECT_EQ(Sends(), "D1 1/1") << "what waits is sent: the collector knows its numbers";
}

TEST_F(StreamLogicTest, AnEpochWhoseNumbersWereUsedIsLeftAndCounted) {
  Append(2);
  Connect();
  Sends();
  Ack({}, {}, wire::INSTRUCTION_NEW_EPOCH);
  EXPECT_EQ(Next(), Action::kCancel);
  Closed(absl::CancelledError());
  Append(1);  // before the sampler has begun the new one
  Pass(absl::Seconds(1));
  EXPECT_EQ(Next(), Action::kNone);
  NewEpoch();
  Append(1);
  Connect();
  EXPECT_EQ(Sends(), "D2 2/1");
  EXPECT_EQ(spool_->Stats().totals.dropped_set_back, 30u);
}

TEST_F(StreamLogicTest, AWelcomeThatKnowsMoreThanWasSentMeansTheMachineWasSetBack) {
  Append(2);
  ASSERT_EQ(Next(), Action::kConnect);
  Sends();
  Welcome({{1, 3}});
  EXPECT_EQ(epochs_requested_, 1);
  EXPECT_EQ(Next(), Action::kCancel);
  EXPECT_EQ(spool_->Stats().totals.acknowledged, 0u);
}

TEST_F(StreamLogicTest, AnEpochThatBeginsMeanwhileNeedsANewHello) {
  Append(1);
  Connect();
  NewEpoch();
  EXPECT_EQ(Next(), Action::kCancel);
  Closed(absl::CancelledError());
  EXPECT_EQ(Next(), Action::kConnect);
}

// ---- pauses ---------------------------------------------------------------------------------------------------------

TEST_F(StreamLogicTest, PausesGrowUntilSomethingIsAcknowledged) {
  Append(1);
  for (int failures = 1; failures <= 3; ++failures) {
    EXPECT_EQ(Next(), Action::kConnect);
    Sends();
    Welcome();  // a collector that dies after Welcome is backed off from, too
    Closed();
    Pass(absl::Seconds(failures) - absl::Milliseconds(1));
    EXPECT_EQ(Next(), Action::kNone);
    EXPECT_EQ(logic().WakeAfter(now_), absl::Milliseconds(1));
    Pass(absl::Milliseconds(1));
  }
  Connect();
  Sends();
  Ack({{1, 1}});
  Closed();
  Pass(absl::Seconds(1));
  EXPECT_EQ(Next(), Action::kConnect);
}

TEST_F(StreamLogicTest, ACollectorThatSaysNothingIsLeft) {
  EXPECT_EQ(Next(), Action::kConnect);
  Sends();
  Pass(absl::Seconds(30));
  EXPECT_EQ(Next(), Action::kCancel);
  Closed(absl::CancelledError("cancelled"));
  EXPECT_EQ(logic().status().last_error, "no Welcome within 30s");
}

TEST_F(StreamLogicTest, AServerOfHttp1IsNoCollector) {
  EXPECT_EQ(Next(), Action::kConnect);
  Closed(
      absl::UnavailableError("failed to connect to all addresses; last error: UNAVAILABLE: ipv4:127.0.0.1:80: "
                             "Failed parsing HTTP/2"));
  EXPECT_EQ(logic().status().last_error, "that is not a collector's gRPC port (7767 by default)");
}

TEST_F(StreamLogicTest, AClockThatDisagreesHoldsFor30Seconds) {
  EXPECT_EQ(Next(), Action::kConnect);
  Closed(absl::UnavailableError("clock: 7m ahead of the collector"));
  EXPECT_TRUE(logic().status().held_by_clock);
  EXPECT_EQ(logic().status().last_error, "clock: 7m ahead of the collector");
  Pass(absl::Seconds(29));
  EXPECT_EQ(Next(), Action::kNone);
  Pass(absl::Seconds(1));
  Connect();
  EXPECT_FALSE(logic().status().held_by_clock);
}

// ---- the grid -------------------------------------------------------------------------------------------------------

TEST_F(StreamLogicTest, TheGridIsHandedOnWhenItChanges) {
  Connect();
  Grid(10, 6);
  Grid(10, 6);
  Grid(0, 0);   // as it is
  Grid(7, 1);   // not in range
  Grid(1, 11);  // not in range
  EXPECT_THAT(grids_, ElementsAre("1x1", "10x6"));
  EXPECT_EQ(logic().status().step_seconds, 10u);
}

TEST_F(StreamLogicTest, WithoutAcknowledgementFor15MinutesStepsGetLonger) {
  Append(1);
  Connect();
  Grid(1, 10);
  Sends();
  Pass(absl::Minutes(15) - absl::Seconds(1));
  Next();
  EXPECT_FALSE(logic().status().slow);
  Pass(absl::Seconds(1));
  Next();
  Next();
  EXPECT_TRUE(logic().status().slow);
  Grid(1, 5);
  EXPECT_THAT(grids_, ElementsAre("1x1", "1x10", "10x10", "10x5"));
  Ack({{1, 1}});
  EXPECT_EQ(grids_.back(), "1x5");
  EXPECT_FALSE(logic().status().slow);
}

TEST_F(StreamLogicTest, ACollectorThatNeverAnswersMakesStepsLongerToo) {
  EXPECT_EQ(Next(), Action::kConnect);
  Closed();
  Pass(absl::Minutes(15));
  Next();
  EXPECT_THAT(grids_, ElementsAre("10x1"));
}

// ---- a collector that misbehaves ------------------------------------------------------------------------------------

TEST_F(StreamLogicTest, BytesThatAreNoFrameEndTheConnection) {
  Connect();
  logic().OnFrame("\xff\xff\xff", now_);
  EXPECT_EQ(Next(), Action::kCancel);
  Ack({{1, 1}});
  Closed(absl::CancelledError());
  EXPECT_THAT(logic().status().last_error, HasSubstr("no CollectorFrame"));
}

TEST_F(StreamLogicTest, FramesOfALaterVersionAreIgnored) {
  Connect();
  logic().OnFrame("", now_);
  EXPECT_EQ(Next(), Action::kNone);
}

TEST_F(StreamLogicTest, AnAckBeforeWelcomeEndsTheConnection) {
  Append(1);
  EXPECT_EQ(Next(), Action::kConnect);
  Ack({{1, 1}});
  EXPECT_EQ(Next(), Action::kCancel);
  EXPECT_EQ(spool_->Stats().totals.acknowledged, 0u);
}

TEST_F(StreamLogicTest, ASecondWelcomeEndsTheConnection) {
  Connect();
  Welcome();
  EXPECT_EQ(Next(), Action::kCancel);
}

TEST_F(StreamLogicTest, WhatComesWhenThereIsNoConnectionIsIgnored) {
  Welcome();
  Closed();
  Connect();
  Closed();
  Ack({{1, 1}});
  Closed();
  EXPECT_EQ(logic().status().connections, 1u);
}

// ---- the end --------------------------------------------------------------------------------------------------------

TEST_F(StreamLogicTest, DrainSendsWhatIsLiveWaitsForItAndSaysGoodbye) {
  Append(2, 30'000);
  Append(3, 30'000);
  NewEpoch();
  Append(2);
  Connect();
  EXPECT_EQ(Sends(1), "D2");
  logic().Drain(now_.boot + absl::Seconds(5), "SIGTERM");
  EXPECT_EQ(Sends(), "2/1 2/2") << "old ones are for the next run";
  EXPECT_FALSE(logic().TakeFinishWrites());
  Ack({{2, 2}});
  EXPECT_EQ(Sends(), "goodbye SIGTERM");
  EXPECT_TRUE(logic().TakeFinishWrites());
  EXPECT_FALSE(logic().TakeFinishWrites());
  EXPECT_FALSE(logic().finished());
  Closed(absl::OkStatus());
  EXPECT_TRUE(logic().finished());
  EXPECT_THAT(logic().status().last_error, IsEmpty());
}

TEST_F(StreamLogicTest, DrainEndsAtItsDeadline) {
  Append(1);
  Connect();
  Sends();
  logic().Drain(now_.boot + absl::Seconds(5), "SIGTERM");
  EXPECT_EQ(Next(), Action::kNone);
  Pass(absl::Seconds(5));
  EXPECT_EQ(Next(), Action::kCancel);
  Closed(absl::CancelledError());
  EXPECT_TRUE(logic().finished());
}

TEST_F(StreamLogicTest, DrainWithoutAConnectionEndsAtOnce) {
  EXPECT_EQ(Next(), Action::kConnect);
  Closed();
  logic().Drain(now_.boot + absl::Seconds(5), "SIGTERM");
  EXPECT_EQ(Next(), Action::kNone);
  EXPECT_TRUE(logic().finished());
}

}  // namespace
}  // namespace ppmm
