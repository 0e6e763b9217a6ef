#include "collector/sample_counts.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/collector_rig.h"
#include "tests/testing/faulty_store.h"

namespace ppmm {
namespace {

constexpr std::int64_t kDay = kRigStart / 86400;

DecodedBatch OfSamples(std::uint64_t produced, std::size_t samples, std::uint32_t skipped = 0) {
  DecodedBatch batch;
  batch.produced = produced;
  batch.samples.resize(samples);
  batch.skipped = skipped;
  return batch;
}

wire::SpoolState Losses(std::uint64_t full, std::uint64_t refused, std::uint64_t write = 0, std::uint64_t damaged = 0,
                        std::uint64_t set_back = 0) {
  wire::SpoolState state;
  state.set_dropped_full(full);
  state.set_refused(refused);
  state.set_dropped_write(write);
  state.set_dropped_damaged(damaged);
  state.set_dropped_set_back(set_back);
  return state;
}

std::int64_t Waiting(const AgentRow& agent) {
  return static_cast<std::int64_t>(agent.produced) - static_cast<std::int64_t>(agent.committed) -
         static_cast<std::int64_t>(agent.refused) - static_cast<std::int64_t>(agent.dropped);
}

TEST(SampleCountsTest, AllThatIsProducedIsCommitted) {
  AgentRow agent;
  CursorState cursor;
  CountBatch(OfSamples(10, 10), agent, cursor);
  CountBatch(OfSamples(30, 20), agent, cursor);
  EXPECT_EQ(agent.produced, 30u);
  EXPECT_EQ(agent.committed, 30u);
  EXPECT_EQ(cursor.produced, 30u);
}

TEST(SampleCountsTest, ALossSeenAsAGapAndToldCountsOnceInEitherOrder) {
  for (const bool told_first : {false, true}) {
    AgentRow agent;
    CursorState cursor;
    CountReport(Losses(0, 0), agent);
    CountBatch(OfSamples(10, 10), agent, cursor);
    if (told_first) {
      CountReport(Losses(3, 4), agent);
      EXPECT_EQ(agent.produced, 17u);
    }
    CountBatch(OfSamples(27, 10), agent, cursor);  // 7 are missing between
    EXPECT_EQ(Waiting(agent), told_first ? 0 : 7) << "missing, until the agent says what became of them";
    if (!told_first) {
      CountReport(Losses(3, 4), agent);
    }
    EXPECT_EQ(agent.produced, 27u);
    EXPECT_EQ(agent.committed, 20u);
    EXPECT_EQ(agent.dropped, 3u);
    EXPECT_EQ(agent.refused, 4u);
  }
}

TEST(SampleCountsTest, ALossBehindWhichNoBatchComesIsProducedToo) {
  AgentRow agent;
  CursorState old_epoch;
  CursorState epoch;
  CountReport(Losses(0, 0), agent);
  CountBatch(OfSamples(10, 10), agent, old_epoch);
  CountReport(Losses(1, 2, 3, 4, 5), agent);  // the rest of the old epoch
  CountBatch(OfSamples(5, 5), agent, epoch);
  EXPECT_EQ(agent.produced, 30u);
  EXPECT_EQ(agent.dropped, 13u);
  EXPECT_EQ(agent.refused, 2u);
  EXPECT_EQ(Waiting(agent), 0);
}

TEST(SampleCountsTest, SamplesOfUnknownSeriesAreRefused) {
  AgentRow agent;
  CursorState cursor;
  CountBatch(OfSamples(10, 7, 3), agent, cursor);
  EXPECT_EQ(agent.committed, 7u);
  EXPECT_EQ(agent.refused, 3u);
  EXPECT_EQ(Waiting(agent), 0);
}

TEST(SampleCountsTest, WhatWasBeforeThisStoreKnewTheAgentIsNotCounted) {
  AgentRow agent;
  CursorState cursor;
  cursor.number = 100;  // as Hello told
  cursor.moved = true;
  CountReport(Losses(1000, 50), agent);
  CountBatch(OfSamples(5010, 10), agent, cursor);
  EXPECT_EQ(agent.produced, 10u);
  EXPECT_EQ(Waiting(agent), 0);
  CountReport(Losses(1001, 50), agent);
  EXPECT_EQ(agent.dropped, 1u);
  EXPECT_EQ(Waiting(agent), 0);
}

TEST(SampleCountsTest, WhatARestoredStoreLostIsDropped) {
  AgentRow agent;
  CursorState cursor;
  CountBatch(OfSamples(10, 10), agent, cursor);
  cursor.moved = true;  // Hello told more than this store has
  CountBatch(OfSamples(40, 10), agent, cursor);
  EXPECT_EQ(agent.produced, 40u);
  EXPECT_EQ(agent.dropped, 20u);
  EXPECT_EQ(Waiting(agent), 0);
  EXPECT_FALSE(cursor.moved);
}

TEST(SampleCountsTest, NumbersThatFallOrLieNeitherFallNorOverflow) {
  AgentRow agent;
  CursorState cursor;
  CountReport(Losses(5, 5), agent);
  CountReport(Losses(2, 2), agent);
  CountReport(Losses(5, 5), agent);
  EXPECT_EQ(agent.dropped + agent.refused, 0u);
  CountBatch(OfSamples(50, 10), agent, cursor);
  CountBatch(OfSamples(20, 10), agent, cursor);
  EXPECT_EQ(cursor.produced, 50u);
  EXPECT_EQ(Waiting(agent), 40);
  for (int i = 0; i < 100; ++i) {
    CursorState other;
    CountBatch(OfSamples(UINT64_MAX, 10), agent, other);
    CountReport(Losses(UINT64_MAX - 7, UINT64_MAX), agent);
    EXPECT_GE(Waiting(agent), 0);
    EXPECT_LT(agent.produced, std::uint64_t{1} << 62U);
  }
}

// ---- in the writer --------------------------------------------------------------------------------------------------

struct Host {
  explicit Host(std::uint64_t epoch) : agent(1, epoch) {
    cpu = agent.AddSeries(1, "ppmm_host_cpu_seconds_total", {"0", "user"});
  }
  DecodedBatch Batch(std::int64_t t0, absl::Time received) {
    DecodedBatch batch = agent.Batch(t0, 1, {{cpu, 0, 1}});
    batch.received = received;
    return batch;
  }
  BatchBuilder agent;
  std::uint32_t cpu;
};

SpoolReport Report(absl::Time received, wire::SpoolState state) {
  return {received, std::make_shared<wire::SpoolState>(std::move(state))};
}

SampleDayRow OfDay(CollectorRig& rig, std::int64_t day) {
  const auto rows = rig.store().SamplesOf(day);
  EXPECT_TRUE(rows.ok()) << rows.status();
  return rows.ok() && !rows->empty() ? rows->front() : SampleDayRow();
}

TEST(SamplesOfDaysTest, TwoEpochsAndLateBatchesAddUpOverTheDays) {
  CollectorRig rig;
  Host live(2);
  Host old(1);
  old.agent.set_live(false);
  const auto [stream, sink] = rig.Connect(live.agent);
  rig.Push(stream, old.agent.Dictionary(rig.clock().Now()));
  const absl::Time day1 = absl::FromUnixSeconds(kRigStart + 80000);
  const absl::Time day2 = absl::FromUnixSeconds(kRigStart + 86400 + 100);
  rig.Push(stream, Report(day1, Losses(0, 0)));
  rig.Push(stream, live.Batch(kRigStart + 80000, day1));
  rig.Push(stream, live.Batch(kRigStart + 80001, day1));
  rig.Commit();
  old.Batch(kRigStart + 100, day2);  // never comes
  rig.Push(stream, live.Batch(kRigStart + 86500, day2));
  rig.Push(stream, old.Batch(kRigStart + 200, day2));
  rig.Push(stream, Report(day2, Losses(1, 0)));
  rig.Commit();
  rig.Restart();
  EXPECT_EQ(OfDay(rig, kDay).produced, 2);
  EXPECT_EQ(OfDay(rig, kDay).committed, 2);
  EXPECT_EQ(OfDay(rig, kDay + 1).produced, 3);
  EXPECT_EQ(OfDay(rig, kDay + 1).committed, 2);
  EXPECT_EQ(OfDay(rig, kDay + 1).dropped, 1);
  EXPECT_EQ(OfDay(rig, kDay + 2).produced, 0);
  ReaderLock lock(&rig.state().mutex());
  const AgentRow& agent = rig.state().tables().agents.begin()->second.row;
  EXPECT_EQ(agent.produced, 5u);
  EXPECT_EQ(agent.committed, 4u);
  EXPECT_EQ(agent.dropped, 1u);
}

TEST(SamplesOfDaysTest, DamagedBytesAreWhatTheAgentToldLastAndUnknownUntilThen) {
  CollectorRig rig;
  Host host(1);
  const auto [stream, sink] = rig.Connect(host.agent);
  rig.Push(stream, host.Batch(kRigStart, rig.clock().Now()));
  rig.Commit();
  const auto told = [&] {
    ReaderLock lock(&rig.state().mutex());
    return rig.state().tables().agents.begin()->second.damaged_bytes;
  };
  EXPECT_EQ(told(), std::nullopt);
  wire::SpoolState state;
  state.set_dropped_damaged_bytes(94282);
  rig.Push(stream, Report(rig.clock().Now(), state));
  rig.Commit();
  EXPECT_EQ(told(), 94282u);
}

TEST(SamplesOfDaysTest, ACommitThatFailsAtTheBeginOfADayLeavesNoTrace) {
  StoreFault fault;
  CollectorRig rig(
      [&fault](std::unique_ptr<Store> store) { return std::make_unique<FaultyStore>(std::move(store), &fault); });
  Host host(1);
  const absl::Time day1 = absl::FromUnixSeconds(kRigStart + 1);
  const absl::Time day2 = absl::FromUnixSeconds(kRigStart + 86400 + 1);
  const auto [stream, sink] = rig.Connect(host.agent);
  rig.Push(stream, host.Batch(kRigStart, day1));
  rig.Commit();
  const DecodedBatch second = host.Batch(kRigStart + 86400, day2);
  fault.commit = absl::ResourceExhaustedError("disk full");
  rig.Push(stream, second);
  EXPECT_FALSE(rig.writer().CommitOnce().ok());
  fault.commit = absl::OkStatus();
  rig.Commit();
  EXPECT_EQ(OfDay(rig, kDay + 1).produced, 0);
  rig.Restart();
  const auto [again, again_sink] = rig.Connect(host.agent);
  rig.Push(again, second);
  rig.Push(again, second);
  rig.Commit();
  EXPECT_EQ(OfDay(rig, kDay).produced, 1);
  EXPECT_EQ(OfDay(rig, kDay + 1).produced, 1);
  EXPECT_EQ(OfDay(rig, kDay + 1).committed, 1);
}

TEST(SamplesOfDaysTest, WhatIsMergedAfterItsDayWasWrittenTouchesIt) {
  CollectorRig rig;
  Host host(1);
  const absl::Time day1 = absl::FromUnixSeconds(kRigStart + 86399);
  const auto [stream, sink] = rig.Connect(host.agent);
  rig.Push(stream, host.Batch(kRigStart + 86398, day1));
  rig.Commit();
  rig.writer().Submit(
      [](Tables& tables, Store& store) {
        tables.facts_day = kDay + 1;
        return PutTouchedDays(tables, store);
      },
      [](const absl::Status&) {});
  rig.Push(stream, host.Batch(kRigStart + 86399, day1));
  rig.Commit();
  rig.Push(stream, host.Batch(kRigStart + 86399, day1));
  rig.Commit();
  ReaderLock lock(&rig.state().mutex());
  EXPECT_THAT(rig.state().tables().touched_days, testing::ElementsAre(kDay));
}

TEST(SamplesOfDaysTest, AnAgentNewToThisStoreBringsNoLossesAlong) {
  CollectorRig rig;
  Host host(1);
  for (int i = 0; i < 9; ++i) {
    host.Batch(kRigStart + i, rig.clock().Now());  // another store has them
  }
  auto sink = std::make_shared<RecordingSink>();
  const auto stream = rig.queue().Open(sink, host.agent.Hello(rig.clock().Now(), {{1, 9}}));
  ASSERT_TRUE(stream.ok());
  rig.Push(*stream, host.agent.Dictionary(rig.clock().Now()));
  rig.Commit();
  rig.Restart();
  const auto again = rig.queue().Open(sink, host.agent.Hello(rig.clock().Now(), {{1, 9}}));
  rig.Push(*again, host.agent.Dictionary(rig.clock().Now()));
  rig.Push(*again, Report(rig.clock().Now(), Losses(500, 7)));
  rig.Push(*again, host.Batch(kRigStart + 9, rig.clock().Now()));
  rig.Commit();
  EXPECT_EQ(OfDay(rig, kDay).produced, 1);
  EXPECT_EQ(OfDay(rig, kDay).committed, 1);
  EXPECT_EQ(OfDay(rig, kDay).dropped + OfDay(rig, kDay).refused, 0);
}

}  // namespace
}  // namespace ppmm
