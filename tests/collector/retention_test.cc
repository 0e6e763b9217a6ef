#include "collector/retention.h"

#include <map>

#include "gtest/gtest.h"

#include "collector/block.h"
#include "tests/testing/collector_rig.h"
#include "tests/testing/random.h"

namespace ppmm {
namespace {

constexpr std::int64_t kMinute = kRigStart / 60;
constexpr std::int64_t kDay = kRigStart / 86400;

std::vector<BlockSeries> RandomBlock(std::mt19937_64& random) {
  std::vector<BlockSeries> block;
  SeriesId id = 0;
  for (std::uint64_t n = Uniform(random, 0, 5); n > 0; --n) {
    BlockSeries& series = block.emplace_back();
    series.series = id += static_cast<SeriesId>(Uniform(random, 1, 9));
    for (std::uint32_t slot = 0; slot < 1440; slot += static_cast<std::uint32_t>(Uniform(random, 1, 300))) {
      Rollup rollup;
      for (std::uint64_t i = Uniform(random, 1, 5); i > 0; --i) {
        rollup.Add(static_cast<std::int64_t>(random() >> Uniform(random, 0, 63)), static_cast<std::uint8_t>(i));
      }
      series.points.push_back({slot, rollup});
      Sketch sketch;
      sketch.Add(static_cast<std::int64_t>(slot) + 1);
      series.sketches.push_back({slot, sketch});
    }
  }
  return block;
}

TEST(BlockTest, IsReadBackAndRefusesDamage) {
  PPMM_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 100; ++round) {
    const std::vector<BlockSeries> block = RandomBlock(random);
    std::string bytes = EncodeBlock(block);
    const absl::StatusOr<std::vector<BlockSeries>> read = DecodeBlock(bytes);
    ASSERT_TRUE(read.ok());
    ASSERT_EQ(*read, block);
    EXPECT_EQ(DecodeBlock(bytes.substr(0, bytes.size() - 1)).status().code(), absl::StatusCode::kDataLoss);
    bytes[Uniform(random, 0, bytes.size() - 1)] = static_cast<char>(random());
    DecodeBlock(bytes).status().IgnoreError();  // any answer but a crash
  }
}

TEST(BlockTest, AnHourIsTheMergeOfItsMinutes) {
  Rollup early;
  early.Add(5, 50);
  Rollup late;
  late.Add(3, 10);
  const std::vector<BlockSeries> hours = Coarser({{7, {{1, early}, {2, late}, {60, early}}, {}}}, 60);
  ASSERT_EQ(hours.size(), 1u);
  ASSERT_EQ(hours[0].points.size(), 2u);
  EXPECT_EQ(hours[0].points[0].rollup, (Rollup{2, 10, 8, 3, 5, 3}));
  EXPECT_EQ(hours[0].points[1].slot, 1u);
}

// A calm host: what design section 15 asks of sealed days is 4 bytes a point.
TEST(BlockTest, TakesAFewBytesAPoint) {
  std::mt19937_64 random(1);
  std::vector<BlockSeries> block;
  for (SeriesId id = 1; id <= 50; ++id) {
    BlockSeries& series = block.emplace_back();
    series.series = id;
    for (std::uint32_t slot = 0; slot < 1440; ++slot) {
      Rollup rollup;
      for (std::uint8_t second = 0; second < 60; ++second) {
        rollup.Add(static_cast<std::int64_t>(id % 3 == 0 ? 0 : Uniform(random, 0, id * 4)), second);
      }
      series.points.push_back({slot, rollup});
    }
  }
  const std::size_t bytes = EncodeBlock(block).size();
  RecordProperty("bytes_per_point_x100", static_cast<int>(bytes * 100 / (50 * 1440)));
  EXPECT_LE(bytes, 50u * 1440u * 5);
}

class RetentionTest : public testing::Test {
 protected:
  RetentionTest() : agent_(1) { cpu_ = agent_.AddSeries(1, "ppmm_host_cpu_seconds_total", {"0", "user"}); }
  // One sample in each of the minutes, then the day after.
  void Fill(int minutes) {
    auto [stream, sink] = rig_.Connect(agent_);
    for (int minute = 0; minute < minutes; ++minute) {
      rig_.Push(stream, agent_.Batch(kRigStart + minute * 60, 1, {{cpu_, 0, minute}}));
    }
    rig_.Push(stream, agent_.Batch(kRigStart + 86400, 1, {{cpu_, 0, 1}}));
    rig_.Commit();
  }
  void SliceUntil(absl::Time now) {
    Retention retention(&rig_.state(), &rig_.store(), &rig_.writer());
    for (int i = 0; i < 100; ++i) {
      const absl::Status status = retention.Slice(now);
      ASSERT_TRUE(status.ok()) << status;
      rig_.Commit();
    }
  }

  CollectorRig rig_;
  BatchBuilder agent_;
  std::uint32_t cpu_ = 0;
};

TEST_F(RetentionTest, ADayIsSealedAfter73HoursAndItsMinutesGo) {
  Fill(300);
  SliceUntil(absl::FromUnixSeconds(kRigStart + 86400) + absl::Hours(72));
  EXPECT_FALSE(rig_.Row(kMinute).series.empty()) << "not yet";
  SliceUntil(absl::FromUnixSeconds(kRigStart + 86400) + absl::Hours(73));
  EXPECT_TRUE(rig_.Row(kMinute).series.empty());
  EXPECT_TRUE(rig_.Row(kMinute + 299).series.empty());
  EXPECT_FALSE(rig_.Row(kMinute + 1440).series.empty());
  {
    ReaderLock lock(&rig_.state().mutex());
    EXPECT_EQ(rig_.state().tables().sealed_day, kDay + 1);
  }
  const auto minutes = rig_.store().Blocks(1, 60, kDay, kDay + 1);
  const auto hours = rig_.store().Blocks(1, 3600, kDay, kDay + 1);
  ASSERT_EQ(minutes->size(), 1u);
  ASSERT_EQ(hours->size(), 1u);
  const auto block = DecodeBlock((*minutes)[0].blob);
  ASSERT_EQ(block->size(), 1u);
  ASSERT_EQ((*block)[0].points.size(), 300u);
  EXPECT_EQ((*block)[0].points[299].rollup.sum, 299);
  EXPECT_EQ((*DecodeBlock((*hours)[0].blob))[0].points.size(), 5u);
}

TEST_F(RetentionTest, WhatIsKeptChangesWithTheNextSlice) {
  constexpr std::int64_t kToday = kDay + 40;
  ASSERT_TRUE(rig_.store().Begin().ok());
  for (std::int64_t day = kToday - 500; day < kToday; ++day) {
    ASSERT_TRUE(rig_.store().Add(ApplicationMinuteRow{.minute = day * 1440, .application = 1}).ok());
    ASSERT_TRUE(rig_.store().PutFactDay(static_cast<Day>(day), kOrganizationScope, DayFacts()).ok());
  }
  ASSERT_TRUE(rig_.store().Commit().ok());
  const auto kept = [&] {
    std::int64_t facts = 0;
    EXPECT_TRUE(rig_.store()
                    .ScanFactDays(0, kToday + 1,
                                  [&facts](Day, ScopeId, const DayFacts&) {
                                    ++facts;
                                    return absl::OkStatus();
                                  })
                    .ok());
    return std::pair<std::size_t, std::int64_t>(rig_.store().ApplicationMinutes(1, 0, kToday * 1440)->size(), facts);
  };
  Retention retention(&rig_.state(), &rig_.store(), &rig_.writer());
  const auto slices = [&] {
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(retention.Slice(absl::FromUnixSeconds(kToday * 86400)).ok());
      rig_.Commit();
    }
  };
  retention.Keep(50, 450);
  slices();
  EXPECT_EQ(kept(), (std::pair<std::size_t, std::int64_t>(50, 450)));
  retention.Keep(40, 60);
  slices();
  EXPECT_EQ(kept(), (std::pair<std::size_t, std::int64_t>(40, 400))) << "facts are never kept for less";
}

TEST_F(RetentionTest, TheOpenMinuteOfASilentHostStays) {
  auto [stream, sink] = rig_.Connect(agent_);
  rig_.Push(stream, agent_.Batch(kRigStart, 1, {{cpu_, 0, 5}}));
  rig_.Commit();
  SliceUntil(absl::FromUnixSeconds(kRigStart) + absl::Hours(30 * 24));
  EXPECT_EQ(rig_.Row(kMinute).totals.size(), 1u);
  const std::string before = rig_.Dump();
  rig_.Restart();
  EXPECT_EQ(rig_.Dump(), before);
}

TEST_F(RetentionTest, CursorsGo73HoursAfterTheirNewestStep) {
  Fill(1);
  const absl::Time newest = absl::FromUnixSeconds(kRigStart + 86400);
  SliceUntil(newest + absl::Hours(73));
  EXPECT_EQ(rig_.store().LoadContents()->cursors.size(), 1u);
  SliceUntil(newest + absl::Hours(73) + absl::Seconds(1));
  EXPECT_TRUE(rig_.store().LoadContents()->cursors.empty());
  ReaderLock lock(&rig_.state().mutex());
  EXPECT_TRUE(rig_.state().tables().cursors.empty());
}

// By the wall clock the batch is young enough to be taken; store time is ahead of it.
TEST_F(RetentionTest, ACursorThatMovesInTheCommitThatForgetsItGoes) {
  Fill(1);
  Retention retention(&rig_.state(), &rig_.store(), &rig_.writer());
  ASSERT_TRUE(retention.Slice(absl::FromUnixSeconds(kRigStart + 86400) + absl::Hours(80)).ok());
  auto [stream, sink] = rig_.Connect(agent_);
  rig_.Push(stream, agent_.Batch(kRigStart + 86400, 1, {{cpu_, 0, 5}}));
  rig_.Commit();
  EXPECT_EQ(sink->cuts().size(), 0u);
  EXPECT_TRUE(rig_.store().LoadContents()->cursors.empty());
  const std::string before = rig_.Dump();
  rig_.Restart();
  EXPECT_EQ(rig_.Dump(), before);
}

// A store whose time was ahead, and is set back to noon of the first day.
class ReopenedTest : public RetentionTest {
 protected:
  static constexpr std::int64_t kNoon = kRigStart + 12 * 3600;

  ReopenedTest() : retention_(&rig_.state(), &rig_.store(), &rig_.writer()) { stream_ = rig_.Connect(agent_).first; }
  // A sample in each minute.
  void Live(int from, int to) {
    for (int minute = from; minute < to; ++minute) {
      rig_.Push(stream_, agent_.Batch(kRigStart + minute * 60, 1, {{cpu_, 0, minute}}));
    }
    rig_.Commit();
  }
  void Late(int minute, std::uint32_t second, std::int64_t value) {
    agent_.set_live(false);
    rig_.Push(stream_, agent_.Batch(kRigStart + minute * 60, second + 1, {{cpu_, second, value}}));
    rig_.Commit();
    agent_.set_live(true);
  }
  void Slices(absl::Time now, int count = 100) {
    for (int i = 0; i < count; ++i) {
      const absl::Status status = retention_.Slice(now);
      ASSERT_TRUE(status.ok()) << status;
      rig_.Commit();
    }
  }
  void SetBack() {
    ASSERT_TRUE(rig_.writer()
                    .SubmitAndWait([](Tables& tables, Store& store) {
                      return OpenDaysAgain(absl::FromUnixSeconds(kNoon), tables, store);
                    })
                    .ok());
    Slices(absl::FromUnixSeconds(kNoon), 3);
  }
  // Minute -> rollup, of the only series.
  std::map<int, Rollup> Block(EntityId entity = 1, int step = 60) {
    std::map<int, Rollup> points;
    const auto rows = rig_.store().Blocks(entity, step, kDay, kDay + 1);
    EXPECT_TRUE(rows.ok());
    for (const BlockRow& row : *rows) {
      const auto block = DecodeBlock(row.blob);
      EXPECT_TRUE(block.ok() && block->size() == 1);
      for (const BlockPoint& point : block->front().points) {
        points[static_cast<int>(point.slot)] = point.rollup;
      }
    }
    return points;
  }

  const absl::Time due_ = absl::FromUnixSeconds(kRigStart + 86400) + absl::Hours(73);
  Retention retention_;
  StreamId stream_ = 0;
};

TEST_F(ReopenedTest, ADayThatWasSealedTooEarlyIsSealedAgainWithWhatItsBlockHolds) {
  Live(0, 300);
  Slices(due_);
  ASSERT_TRUE(rig_.Row(kMinute + 5).series.empty());
  ASSERT_EQ(Block().size(), 300u);
  SetBack();
  Live(300, 400);
  Late(5, 30, 1000);  // of a minute that lies in the block
  Late(5, 31, 1000);
  EXPECT_EQ(rig_.Row(kMinute + 5).series.at(0).rollup, (Rollup{3, 31, 2005, 5, 1000, 1000})) << "the row is whole";
  Late(299, 30, 1000);  // of the open minute of then, whose row was never deleted
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    Slices(due_);
    EXPECT_TRUE(rig_.Row(kMinute + 5).series.empty());
    const std::map<int, Rollup> points = Block();
    ASSERT_EQ(points.size(), 400u);
    EXPECT_EQ(points.at(4), (Rollup{1, 0, 4, 4, 4, 4}));
    EXPECT_EQ(points.at(5), (Rollup{3, 31, 2005, 5, 1000, 1000}));
    EXPECT_EQ(points.at(299), (Rollup{2, 30, 1299, 299, 1000, 1000}));
    EXPECT_EQ(points.at(399), (Rollup{1, 0, 399, 399, 399, 399}));
    std::uint32_t samples = 0;
    for (const auto& [hour, rollup] : Block(1, 3600)) {
      samples += rollup.count;
    }
    EXPECT_EQ(samples, 403u) << "each once";
    SetBack();
  }
}

TEST_F(ReopenedTest, ARestartKnowsWhichDaysWereSealedBefore) {
  Live(0, 300);
  Slices(due_);
  SetBack();
  rig_.Restart();
  stream_ = rig_.Connect(agent_).first;
  Late(5, 30, 1000);
  Live(300, 310);
  Retention retention(&rig_.state(), &rig_.store(), &rig_.writer());
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(retention.Slice(due_).ok());
    rig_.Commit();
  }
  const std::map<int, Rollup> points = Block();
  EXPECT_EQ(points.size(), 310u);
  EXPECT_EQ(points.at(5), (Rollup{2, 30, 1005, 5, 1000, 1000}));
}

TEST_F(ReopenedTest, ADayThatWasHalfSealedIsSealedWhole) {
  BatchBuilder second(2);
  const std::uint32_t cpu = second.AddSeries(1, "ppmm_host_cpu_seconds_total", {"0", "user"});
  const StreamId stream = rig_.Connect(second).first;
  rig_.Push(stream, second.Batch(kRigStart, 1, {{cpu, 0, 1}}));
  Live(0, 10);
  while (Block(1).empty()) {
    Slices(due_, 1);  // a host each
  }
  ASSERT_TRUE(Block(2).empty());
  SetBack();
  Live(10, 20);
  rig_.Push(stream, second.Batch(kRigStart + 60, 1, {{cpu, 0, 2}}));
  rig_.Commit();
  Slices(due_);
  EXPECT_EQ(Block(1).size(), 20u);
  EXPECT_EQ(Block(2).size(), 2u);
}

TEST_F(ReopenedTest, AMinuteThatIsLivedAgainIsTwice) {
  Live(0, 300);
  Slices(due_);
  SetBack();
  Live(100, 102);  // the host's clock was ahead too
  EXPECT_NE(rig_.Row(kMinute + 100).flags & MinuteRow::kTwice, 0u);
  EXPECT_EQ(rig_.Row(kMinute + 100).series.at(0).rollup.count, 2u);
}

TEST_F(ReopenedTest, ADamagedBlockCostsWhatItHeldAndStopsNothing) {
  Live(0, 300);
  Slices(due_);
  SetBack();
  ASSERT_TRUE(rig_.store().Put(BlockRow{kDay, 1, 60, kDay + 35, "no block"}).ok());
  Late(5, 30, 1000);
  Live(300, 310);
  Slices(due_);
  const std::map<int, Rollup> points = Block();
  EXPECT_EQ(points.size(), 12u) << "late, open when it was sealed, and after it";
  EXPECT_EQ(points.at(5).count, 1u);
}

}  // namespace
}  // namespace ppmm
