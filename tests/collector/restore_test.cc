#include "collector/restore.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/collector_rig.h"

namespace ppmm {
namespace {

// An agent with one counter; each batch has one sample of value 1.
struct Sender {
  explicit Sender(int number, std::uint64_t epoch = 0) : agent(number, epoch) {
    cpu = agent.AddSeries(1, "ppmm_host_cpu_seconds_total", {"0", "user"});
  }
  DecodedBatch Batch(std::int64_t t0) { return agent.Batch(t0, 1, {{cpu, 0, 1}}); }

  BatchBuilder agent;
  std::uint32_t cpu;
};

class RestoreTest : public testing::Test {
 protected:
  // Connects, tells what it saw acknowledged of its epoch, and returns the Welcome.
  StreamWelcome Connect(Sender& sender, std::uint64_t acknowledged, const std::string& store_id) {
    StreamHello hello = sender.agent.Hello(rig_.clock().Now(), {{sender.agent.epoch(), acknowledged}});
    hello.store_id = store_id;
    auto sink = std::make_shared<RecordingSink>();
    stream_ = *rig_.queue().Open(sink, std::move(hello));
    rig_.Push(stream_, sender.agent.Dictionary(rig_.clock().Now()));
    rig_.Commit();
    EXPECT_EQ(sink->welcomes().size(), 1u);
    return sink->welcomes().empty() ? StreamWelcome() : sink->welcomes()[0];
  }
  void Send(Sender& sender, int batches) {
    for (int i = 0; i < batches; ++i) {
      rig_.Push(stream_, sender.Batch(kRigStart + second_++));
    }
    rig_.Commit();
  }
  std::string StoreId() {
    ReaderLock lock(&rig_.state().mutex());
    return rig_.state().tables().store_id;
  }
  std::uint64_t Lost() {
    ReaderLock lock(&rig_.state().mutex());
    return rig_.state().tables().lost_by_restore;
  }
  std::int64_t Totals() {
    ReaderLock lock(&rig_.state().mutex());
    std::int64_t total = 0;
    for (const auto& [id, series] : rig_.state().tables().series) {
      total += series->total;
    }
    return total;
  }
  // produced less all that became of it, over all agents.
  std::int64_t Unaccounted() {
    ReaderLock lock(&rig_.state().mutex());
    std::int64_t sum = 0;
    for (const auto& [id, agent] : rig_.state().tables().agents) {
      sum += static_cast<std::int64_t>(agent.row.produced) - static_cast<std::int64_t>(agent.row.committed) -
             static_cast<std::int64_t>(agent.row.refused) - static_cast<std::int64_t>(agent.row.dropped);
    }
    return sum;
  }

  CollectorRig rig_;
  StreamId stream_ = 0;
  int second_ = 0;
  Sender one_{1};
  Sender two_{2};
};

// Two agents, a backup after two batches of each, three more batches of each, then the backup comes back.
class SetBackTest : public RestoreTest {
 protected:
  void SetUp() override {
    before_ = Connect(one_, 0, "").store_id;
    Send(one_, 2);
    Connect(two_, 0, "");
    Send(two_, 2);
    rig_.Backup();
    Connect(one_, 2, before_);
    Send(one_, 3);
    Connect(two_, 2, before_);
    Send(two_, 3);
    rig_.Restore();
  }

  std::string before_;
};

TEST_F(SetBackTest, TheStoreIsANewOneAndTotalsBeginAtZero) {
  EXPECT_EQ(StoreId(), before_);
  EXPECT_EQ(Totals(), 4);
  const StreamWelcome welcome = Connect(one_, 5, before_);
  EXPECT_NE(welcome.store_id, before_);
  EXPECT_EQ(welcome.store_id, StoreId());
  EXPECT_THAT(welcome.durable, testing::ElementsAre(testing::Pair(1u, 5u))) << "what is gone is not asked for again";
  EXPECT_EQ(Totals(), 0);
  Send(one_, 1);
  EXPECT_EQ(Totals(), 1);
  EXPECT_EQ(Lost(), 3u);
  const std::string dump = rig_.Dump();
  rig_.Restart();
  EXPECT_EQ(rig_.Dump(), dump);
  EXPECT_EQ(Lost(), 3u);
}

TEST_F(SetBackTest, AnAgentThatComesAfterARestartOfTheCollectorDoesNotRenewItAgain) {
  const std::string renewed = Connect(one_, 5, before_).store_id;
  Send(one_, 1);
  rig_.Restart();
  EXPECT_EQ(Connect(two_, 5, before_).store_id, renewed);
  Send(two_, 1);
  EXPECT_EQ(Totals(), 2);
  EXPECT_EQ(Lost(), 6u);
  EXPECT_EQ(Unaccounted(), 0);
}

TEST_F(SetBackTest, NorDoesAnAgentThatRestartedAndForgotWhichStoreItWas) {
  const std::string renewed = Connect(one_, 5, before_).store_id;
  rig_.Restart();
  EXPECT_EQ(Connect(two_, 5, "").store_id, renewed);
  Send(two_, 1);
  EXPECT_EQ(Lost(), 3u);
}

TEST_F(SetBackTest, AnAgentThatForgotWhichStoreItWasMayBeTheFirstToTell) {
  EXPECT_NE(Connect(two_, 5, "").store_id, before_);
}

TEST_F(SetBackTest, ASecondRestoreOfTheSameBackupIsSeenToo) {
  const std::string renewed = Connect(one_, 5, before_).store_id;
  Send(one_, 1);
  rig_.Restore();
  const std::string again = Connect(one_, 6, renewed).store_id;
  EXPECT_NE(again, before_);
  EXPECT_NE(again, renewed);
  Send(one_, 1);
  EXPECT_EQ(Lost(), 4u);
}

TEST_F(SetBackTest, ASecondRestoreIsToldOnceThoughItTookTheNameThatTheFirstOneGave) {
  const std::string renewed = Connect(one_, 5, before_).store_id;
  EXPECT_EQ(Connect(two_, 5, before_).store_id, renewed);
  rig_.Restore();
  const std::string again = Connect(one_, 5, renewed).store_id;
  EXPECT_NE(again, renewed);
  EXPECT_EQ(Connect(two_, 5, renewed).store_id, again);
  rig_.Restore();
  ASSERT_TRUE(rig_.writer().BeginAnew().ok());
  const std::string said = StoreId();
  EXPECT_EQ(Connect(one_, 5, again).store_id, said);
  EXPECT_EQ(Connect(two_, 5, again).store_id, said);
}

TEST_F(SetBackTest, ARestoreOfALaterBackupIsSeenToo) {
  const std::string renewed = Connect(one_, 5, before_).store_id;
  Send(one_, 1);
  rig_.Backup();
  Connect(one_, 6, renewed);
  Send(one_, 2);
  rig_.Restore();
  EXPECT_EQ(StoreId(), renewed);
  EXPECT_NE(Connect(one_, 8, renewed).store_id, renewed);
  Send(one_, 1);
  EXPECT_EQ(Lost(), 5u);
}

TEST_F(SetBackTest, AClockSetBackDoesNotHideWhoToldAlready) {
  rig_.clock().JumpWall(-absl::Hours(1));
  const std::string renewed = Connect(one_, 5, "").store_id;
  EXPECT_NE(renewed, before_);
  rig_.Restart();
  EXPECT_EQ(Connect(two_, 5, "").store_id, renewed);
}

TEST_F(SetBackTest, AnAgentEnrolledAfterTheBackupTellsToo) {
  Sender late(3);
  const std::string renewed = Connect(late, 7, before_).store_id;
  EXPECT_NE(renewed, before_);
  EXPECT_EQ(Connect(one_, 5, before_).store_id, renewed);
}

TEST_F(SetBackTest, AnAgentWhoseProcessIsNewerThanTheBackupTellsToo) {
  Sender restarted(1, 77);
  for (int i = 0; i < 4; ++i) {
    restarted.Batch(kRigStart + i);  // acknowledged after the backup
  }
  EXPECT_NE(Connect(restarted, 4, before_).store_id, before_);
  Send(restarted, 1);
  EXPECT_EQ(Lost(), 4u);
  EXPECT_EQ(Unaccounted(), 0);
}

TEST_F(SetBackTest, TheOperatorsWordComesBeforeTheFirstAgent) {
  ASSERT_TRUE(rig_.writer().BeginAnew().ok());
  const std::string renewed = StoreId();
  EXPECT_NE(renewed, before_);
  EXPECT_EQ(Totals(), 0);
  const std::string dump = rig_.Dump();
  rig_.Restart();
  EXPECT_EQ(rig_.Dump(), dump);
  EXPECT_EQ(Connect(one_, 5, before_).store_id, renewed);
  EXPECT_EQ(Connect(two_, 5, "").store_id, renewed);
}

TEST_F(RestoreTest, AnAgentThatComesFromAnotherCollectorIsNoRestore) {
  const std::string store_id = Connect(one_, 0, "").store_id;
  Send(one_, 2);
  Sender moved(2, 88);
  for (int i = 0; i < 40; ++i) {
    moved.Batch(kRigStart + i);  // these are in the other store
  }
  EXPECT_EQ(Connect(moved, 40, "another.").store_id, store_id);
  Send(moved, 1);
  EXPECT_EQ(Totals(), 3);
  EXPECT_EQ(Lost(), 0u);
  EXPECT_EQ(Unaccounted(), 0) << "what another collector has was not produced for this one";
}

TEST_F(RestoreTest, ACursorDeletedForItsAgeIsNoRestore) {
  const std::string store_id = Connect(one_, 0, "").store_id;
  Send(one_, 2);
  {
    WriterLock lock(&rig_.state().mutex());
    rig_.state().mutable_tables().cursors.clear();
  }
  rig_.clock().Advance(absl::Hours(80));
  EXPECT_EQ(Connect(one_, 2, store_id).store_id, store_id);
}

TEST_F(RestoreTest, AStoreFromBeforeKeepsTheHigherOfTwoCursorsOfAnEpoch) {
  Connect(one_, 0, "");
  Send(one_, 2);
  Connect(two_, 0, "");
  // As an older collector wrote it, which had one for each agent that sent the epoch.
  ASSERT_TRUE(rig_.store().Begin().ok());
  ASSERT_TRUE(rig_.store().Put(CursorRow{1, two_.agent.agent_id(), 5, kRigStart + 4, 5, false}).ok());
  ASSERT_TRUE(rig_.store().Commit().ok());
  rig_.Restart();
  const std::string store_id = StoreId();
  const StreamWelcome welcome = Connect(one_, 2, store_id);
  EXPECT_THAT(welcome.durable, testing::ElementsAre(testing::Pair(1u, 5u)));
  EXPECT_EQ(welcome.store_id, store_id);
}

TEST_F(RestoreTest, BatchesThatACopiedMachineBringsAreMergedOnceWhoeverSendsThem) {
  Connect(one_, 0, "");
  Send(one_, 2);
  // The copy got a new agent_id; the epoch it had until then was acknowledged under the old one.
  Sender copy(2, 99);
  StreamHello hello = copy.agent.Hello(rig_.clock().Now(), {{1, 2}, {99, 0}});
  hello.store_id = StoreId();
  auto sink = std::make_shared<RecordingSink>();
  stream_ = *rig_.queue().Open(sink, std::move(hello));
  const std::string store_id = StoreId();
  Sender inherited(1);
  inherited.agent.set_live(false);
  rig_.Push(stream_, inherited.agent.Dictionary(rig_.clock().Now()));
  for (int second = 0; second < 3; ++second) {
    rig_.Push(stream_, inherited.Batch(kRigStart + second));
  }
  rig_.Commit();
  while (rig_.queue().bytes() > 0) {
    rig_.Commit();
  }
  EXPECT_EQ(StoreId(), store_id);
  EXPECT_THAT(sink->welcomes()[0].durable, testing::ElementsAre(testing::Pair(1u, 2u)));
  EXPECT_EQ(sink->Durable(1), 3u);
  EXPECT_EQ(Totals(), 3);
  EXPECT_EQ(Unaccounted(), 0);
}

}  // namespace
}  // namespace ppmm
