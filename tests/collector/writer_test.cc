#include "collector/writer.h"

#include <atomic>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/collector_rig.h"
#include "tests/testing/faulty_store.h"

namespace ppmm {
namespace {

struct Sender {
  explicit Sender(int number = 1) : agent(number) {
    cpu = agent.AddSeries(1, "ppmm_host_cpu_seconds_total", {"0", "user"});
  }
  DecodedBatch Batch(std::int64_t t0) { return agent.Batch(t0, 1, {{cpu, 0, 1}}); }
  BatchBuilder agent;
  std::uint32_t cpu;
};

std::int64_t Total(const Tables& tables) {
  std::int64_t total = 0;
  for (const auto& [id, series] : tables.series) {
    total += series->total;
  }
  return total;
}

class FailingCommitTest : public testing::Test {
 protected:
  FailingCommitTest()
      : rig_([this](std::unique_ptr<Store> store) {
          return std::make_unique<FaultyStore>(std::move(store), &fault_);
        }) {}

  StoreFault fault_;
  CollectorRig rig_;
};

TEST_F(FailingCommitTest, RebuildsTheStateCutsStreamsAndRecoversByItself) {
  Sender sender;
  const auto [stream, sink] = rig_.Connect(sender.agent);
  rig_.Push(stream, sender.Batch(kRigStart));
  rig_.Commit();
  const std::string before = rig_.Dump();

  fault_.commit = absl::ResourceExhaustedError("disk full");
  rig_.Push(stream, sender.Batch(kRigStart + 1));
  EXPECT_EQ(rig_.writer().CommitOnce().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(rig_.Dump(), before);
  EXPECT_FALSE(rig_.state().ready());
  EXPECT_THAT(std::string(rig_.state().Readiness().message()), testing::HasSubstr("disk full"));
  EXPECT_EQ(sink->cuts().size(), 1u);
  EXPECT_EQ(sink->Durable(1), 1u);
  EXPECT_EQ(rig_.queue().bytes(), 0u);
  EXPECT_EQ(rig_.queue().Open(sink, sender.agent.Hello(rig_.clock().Now())).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_FALSE(rig_.writer().CommitOnce().ok()) << "still full";
  EXPECT_EQ(rig_.Dump(), before);

  fault_.commit = absl::OkStatus();
  rig_.Commit();
  EXPECT_TRUE(rig_.state().ready());
  Sender again;
  const auto [stream2, sink2] = rig_.Connect(again.agent);
  rig_.Push(stream2, again.Batch(kRigStart));
  rig_.Push(stream2, again.Batch(kRigStart + 1));
  rig_.Commit();
  EXPECT_EQ(sink2->Durable(1), 2u);
  ReaderLock lock(&rig_.state().mutex());
  EXPECT_EQ(Total(rig_.state().tables()), 2);
}

TEST_F(FailingCommitTest, NothingIsTakenWhileTheGuardRefusesAlsoWhenNoBatchComes) {
  absl::Status guard;
  rig_.writer().SetGuard([&] { return guard; });
  Sender sender;
  const auto [stream, sink] = rig_.Connect(sender.agent);
  rig_.Push(stream, sender.Batch(kRigStart));
  rig_.Commit();
  guard = absl::UnavailableError("ppmm.db was moved");
  rig_.writer().Submit([](Tables&, Store&) { return absl::OkStatus(); }, [](const absl::Status&) {});
  EXPECT_FALSE(rig_.writer().CommitOnce().ok());
  EXPECT_FALSE(rig_.state().ready());
  EXPECT_THAT(std::string(rig_.state().Readiness().message()), testing::HasSubstr("cannot commit: ppmm.db was moved"));
  EXPECT_EQ(sink->cuts().size(), 1u);
  EXPECT_FALSE(rig_.writer().CommitOnce().ok()) << "still away";
  guard = absl::OkStatus();
  rig_.Commit();
  EXPECT_TRUE(rig_.state().ready());
}

TEST_F(FailingCommitTest, IsReadyOnlyWhenThereIsRoomForACommitLikeTheOneThatFailed) {
  Sender sender;
  const auto [stream, sink] = rig_.Connect(sender.agent);
  rig_.Push(stream, sender.Batch(kRigStart));
  rig_.Commit();
  const std::string before = rig_.Dump();
  fault_.commit = absl::ResourceExhaustedError("disk full");
  rig_.Push(stream, sender.Batch(kRigStart + 1));
  EXPECT_FALSE(rig_.writer().CommitOnce().ok());

  fault_.commit = absl::OkStatus();
  fault_.room = absl::ResourceExhaustedError("a small commit would pass");
  EXPECT_FALSE(rig_.writer().CommitOnce().ok());
  EXPECT_FALSE(rig_.state().ready());
  EXPECT_THAT(std::string(rig_.state().Readiness().message()), testing::HasSubstr("a small commit would pass"));
  EXPECT_EQ(rig_.queue().Open(sink, sender.agent.Hello(rig_.clock().Now())).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(rig_.Dump(), before);

  fault_.room = absl::OkStatus();
  rig_.Commit();
  EXPECT_TRUE(rig_.state().ready());
}

TEST_F(FailingCommitTest, TheNextCommitKnowsNothingOfTheOneThatFailed) {
  Sender sender;
  const auto [stream, sink] = rig_.Connect(sender.agent);
  fault_.commit = absl::ResourceExhaustedError("disk full");
  rig_.Push(stream, sender.Batch(kRigStart));
  EXPECT_FALSE(rig_.writer().CommitOnce().ok());

  fault_.commit = absl::OkStatus();
  rig_.Commit();
  Sender other(2);
  const auto [stream2, sink2] = rig_.Connect(other.agent);
  rig_.Push(stream2, other.Batch(kRigStart));
  rig_.Commit();
  EXPECT_EQ(sink2->Durable(other.agent.epoch()), 1u);
  EXPECT_TRUE(sink->welcomes().empty()) << "its host was never stored";
  EXPECT_EQ(sink->Durable(sender.agent.epoch()), 0u) << "its batch was never stored";
}

TEST_F(FailingCommitTest, AnyWriteOfATransactionMayFail) {
  Sender sender;
  for (int failing_write = 1; failing_write < 30; ++failing_write) {
    const std::string before = rig_.Dump();
    Sender fresh;
    const auto [stream, sink] = rig_.Connect(fresh.agent);
    rig_.Push(stream, fresh.Batch(kRigStart));
    fault_.write_number = failing_write;
    fault_.write = absl::UnavailableError("input/output error");
    const absl::Status status = rig_.writer().CommitOnce();
    fault_.write_number = 0;
    if (status.ok()) {
      EXPECT_GT(failing_write, 5) << "the transaction writes more rows than that";
      return;
    }
    EXPECT_EQ(rig_.Dump(), before) << "write " << failing_write;
    EXPECT_EQ(sink->Durable(1), 0u);
    rig_.Commit();
    // The number of the commit that proved the recovery is all that differs.
    rig_.Restart();
  }
  FAIL() << "a transaction of one batch does not write 30 rows";
}

TEST_F(FailingCommitTest, ASubmittedChangeHearsOfTheFailure) {
  absl::Status heard = absl::UnknownError("not called");
  fault_.commit = absl::FailedPreconditionError("read-only");
  rig_.writer().Submit([](Tables&, Store& store) { return store.PutMeta("test", "1"); },
                       [&heard](const absl::Status& status) { heard = status; });
  EXPECT_FALSE(rig_.writer().CommitOnce().ok());
  EXPECT_EQ(heard.code(), absl::StatusCode::kFailedPrecondition);
  fault_.commit = absl::OkStatus();
  rig_.writer().Submit([](Tables&, Store& store) { return store.PutMeta("test", "2"); },
                       [&heard](const absl::Status& status) { heard = status; });
  rig_.Commit();
  EXPECT_TRUE(heard.ok());
  EXPECT_EQ(rig_.store().GetMeta("test")->value_or(""), "2");
}

TEST(WriterThreadTest, ReadersSeeTotalsThatNeverFallAndNoHalfOfACommit) {
  constexpr int kSenders = 3;
  constexpr int kBatches = 100;
  WriterOptions options;
  options.gather = absl::Milliseconds(1);
  CollectorRig rig(nullptr, options);
  rig.writer().Start();
  std::atomic<bool> done{false};
  std::thread reader([&] {
    std::int64_t highest = 0;
    while (!done) {
      ReaderLock lock(&rig.state().mutex());
      const Tables& tables = rig.state().tables();
      const std::int64_t total = Total(tables);
      EXPECT_GE(total, highest);
      highest = total;
      std::uint64_t committed = 0;
      for (const auto& [id, agent] : tables.agents) {
        committed += agent.row.committed;
      }
      EXPECT_EQ(static_cast<std::int64_t>(committed), total);
    }
  });
  std::vector<std::thread> senders;
  for (int number = 1; number <= kSenders; ++number) {
    senders.emplace_back([&rig, number] {
      Sender sender(number);
      const auto [stream, sink] = rig.Connect(sender.agent);
      for (int i = 0; i < kBatches; ++i) {
        rig.Push(stream, sender.Batch(kRigStart + i));
      }
      sink->WaitForDurable(sender.agent.epoch(), kBatches);
      EXPECT_TRUE(sink->cuts().empty());
      rig.queue().Close(stream, true);
    });
  }
  for (std::thread& sender : senders) {
    sender.join();
  }
  done = true;
  reader.join();
  rig.writer().Stop();
  ReaderLock lock(&rig.state().mutex());
  EXPECT_EQ(Total(rig.state().tables()), kSenders * kBatches);
}

TEST(WriterTest, KnowsATimeFromTheStartOn) {
  CollectorRig rig;
  EXPECT_EQ(rig.writer().status().store_time, absl::UnixEpoch());
  Sender sender;
  const auto [stream, sink] = rig.Connect(sender.agent);
  rig.Push(stream, sender.Batch(kRigStart));
  rig.Commit();
  const absl::Time known = rig.writer().status().store_time;
  EXPECT_GT(known, absl::UnixEpoch());
  rig.Restart();
  EXPECT_EQ(rig.writer().status().store_time, known);
}

TEST(WriterTest, HousekeepingWaitsWhileNobodyVouchesForTheClock) {
  CollectorRig rig;
  std::vector<absl::Time> worked;
  rig.writer().AddHousekeeping([&worked](absl::Time store_time) {
    worked.push_back(store_time);
    return absl::OkStatus();
  });
  const auto turn = [&rig] {
    rig.Commit();
    rig.writer().Housekeep();
    return rig.writer().status();
  };
  turn();
  rig.agents().Note("agent", "host", "web1 (default)", rig.clock().Now(), rig.clock().SinceBoot(), /*held=*/false);
  rig.clock().JumpWall(absl::Hours(450 * 24));
  const WriterStatus wrong = turn();
  EXPECT_TRUE(wrong.store_time_waits);
  EXPECT_THAT(wrong.store_time_reason, testing::HasSubstr("ahead of the store's time"));
  EXPECT_EQ(wrong.store_time, absl::FromUnixSeconds(kRigStart));
  EXPECT_THAT(worked, testing::SizeIs(1));

  rig.clock().JumpWall(absl::Hours(-450 * 24));
  EXPECT_FALSE(turn().store_time_waits);
  EXPECT_THAT(worked, testing::SizeIs(2));
  rig.clock().JumpWall(absl::Minutes(-30));
  turn();
  ASSERT_THAT(worked, testing::SizeIs(3));
  EXPECT_EQ(worked[2], rig.clock().Now()) << "what the wall clock still lets in must find its day open";
}

TEST(WriterTest, AStoreThatWasAheadOpensItsDaysAgainWhenAgentsVouchForTheClock) {
  CollectorRig rig;
  constexpr std::int64_t kToday = kRigStart / 86400;
  ASSERT_TRUE(rig.writer()
                  .SubmitAndWait([](Tables& tables, Store& store) {
                    tables.sealed_day = kToday + 400;
                    tables.facts_day = kToday + 403;
                    return store.PutMeta("sealed_day", std::to_string(tables.sealed_day));
                  })
                  .ok());
  rig.clock().JumpWall(absl::Hours(-24));
  int worked = 0;
  rig.writer().AddHousekeeping([&worked](absl::Time) {
    ++worked;
    return absl::OkStatus();
  });
  for (int second = 0; second <= 60; ++second) {
    EXPECT_EQ(worked, 0);
    rig.agents().Note("agent", "host", "web1 (default)", rig.clock().Now(), rig.clock().SinceBoot(), /*held=*/false);
    rig.Commit();
    rig.writer().Housekeep();
    rig.clock().Advance(absl::Seconds(1));
  }
  EXPECT_EQ(rig.writer().status().store_time_set_back, 1u);
  rig.Commit();
  rig.Restart();
  EXPECT_LT(rig.writer().status().store_time, absl::FromUnixSeconds(kRigStart));
  ReaderLock lock(&rig.state().mutex());
  EXPECT_EQ(rig.state().tables().sealed_day, kToday - 5) << "73 h before the right time";
  EXPECT_EQ(rig.state().tables().facts_day, kToday - 1);
}

TEST(WriterThreadTest, AStopCommitsWhatWasTaken) {
  CollectorRig rig;
  rig.writer().Start();
  Sender sender;
  const auto [stream, sink] = rig.Connect(sender.agent);
  rig.Push(stream, sender.Batch(kRigStart));
  rig.writer().Stop();
  EXPECT_EQ(sink->Durable(1), 1u);
  EXPECT_FALSE(rig.queue().Push(stream, sender.Batch(kRigStart + 1)).ok());
}

}  // namespace
}  // namespace ppmm
