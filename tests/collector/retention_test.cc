#include "collector/retention.h"

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

}  // namespace
}  // namespace ppmm
