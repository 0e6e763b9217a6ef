#include "collector/minute_row.h"

#include <algorithm>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "collector/latest_steps.h"
#include "tests/testing/random.h"

namespace ppmm {
namespace {

MinuteRow RandomRow(std::mt19937_64& random) {
  MinuteRow row;
  row.flags = static_cast<std::uint32_t>(Uniform(random, 0, 7));
  row.late_samples = static_cast<std::uint32_t>(Uniform(random, 0, 5));
  row.expected[1] = 60;
  if (Uniform(random, 0, 1) == 0) {
    row.NoteClock(static_cast<std::int64_t>(Uniform(random, 0, 2'000'000)) - 1'000'000);
  }
  for (std::uint64_t n = Uniform(random, 0, 200); n > 0; --n) {
    const auto id = static_cast<SeriesId>(Uniform(random, 1, 40));
    const auto value = static_cast<std::int64_t>(random() >> Uniform(random, 1, 63));
    row.Add(id, Uniform(random, 0, 1) == 0 ? value : -value, static_cast<std::uint8_t>(Uniform(random, 0, 59)));
  }
  for (std::uint64_t n = Uniform(random, 0, 20); n > 0; --n) {
    Sketch sketch;
    sketch.Add(static_cast<std::int64_t>(Uniform(random, 1, 1'000'000)));
    row.Add(static_cast<SeriesId>(Uniform(random, 41, 45)), sketch);
  }
  return row;
}

TEST(MinuteRowTest, IsReadBackAsItWasWritten) {
  PPMM_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 300; ++round) {
    MinuteRow row = RandomRow(random);
    row.totals = {{3, -5, 1767225600, 77}, {9, 1, 1767225599, std::numeric_limits<std::int64_t>::max()}};
    row.sketch_totals = row.sketches;
    row.late_samples_total = 12;
    for (const bool compressed : {false, true}) {
      const absl::StatusOr<MinuteRow> read = MinuteRow::Decode(row.Encode(compressed));
      ASSERT_TRUE(read.ok()) << read.status();
      ASSERT_EQ(*read, row);
    }
  }
}

TEST(MinuteRowTest, MergesTheSameInEveryOrder) {
  PPMM_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 300; ++round) {
    const MinuteRow a = RandomRow(random);
    const MinuteRow b = RandomRow(random);
    const MinuteRow c = RandomRow(random);
    MinuteRow left = a;
    left.Merge(b);
    left.Merge(c);
    MinuteRow right = c;
    MinuteRow tail = b;
    tail.Merge(a);
    right.Merge(tail);
    ASSERT_EQ(left, right);
  }
}

TEST(MinuteRowTest, ReadsRowsOfTheVersionBeforeClocks) {
  MinuteRow row;
  row.Add(1, 5, 3);
  std::string bytes = row.Encode(false);
  bytes.pop_back();  // the clock
  EXPECT_FALSE(MinuteRow::Decode(bytes).ok());
  bytes[0] = 1;
  EXPECT_EQ(MinuteRow::Decode(bytes).value(), row);
}

TEST(MinuteRowTest, CountsTheSamplesOfAHistogramBesideItsDurations) {
  Sketch three;
  three.Add(1000, 3);
  MinuteRow row;
  row.Add(7, three);
  row.Add(7, three);
  MinuteRow other;
  other.Add(7, three);
  row.Merge(other);
  ASSERT_EQ(row.sketches.size(), 1u);
  EXPECT_EQ(row.sketches[0].samples, 3u);
  EXPECT_EQ(row.sketches[0].sketch.count(), 9u);
}

TEST(MinuteRowTest, KeepsTheLeastClockOffset) {
  MinuteRow row;
  for (const std::int64_t offset : {5000, -20, 7}) {
    row.NoteClock(offset);
  }
  EXPECT_EQ(row.clock_offset_us, -20);
  row.NoteClock(INT64_MIN);
  EXPECT_EQ(MinuteRow::Decode(row.Encode(true)).value().clock_offset_us, -86'400'000'000);
}

TEST(MinuteRowTest, KeepsTheLaterValueAsLast) {
  Rollup rollup;
  rollup.Add(5, 30);
  rollup.Add(9, 10);
  EXPECT_EQ(rollup, (Rollup{2, 30, 14, 5, 9, 5}));
}

TEST(MinuteRowTest, SurvivesHostileSums) {
  Rollup rollup;
  rollup.Add(std::numeric_limits<std::int64_t>::max(), 1);
  rollup.Add(std::numeric_limits<std::int64_t>::max(), 2);
  rollup.Add(std::numeric_limits<std::int64_t>::min(), 3);
  MinuteRow row;
  row.series.push_back({1, rollup});
  EXPECT_EQ(*MinuteRow::Decode(row.Encode(false)), row);
}

TEST(MinuteRowTest, RefusesDamagedBytesWithoutHarm) {
  PPMM_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  const MinuteRow row = RandomRow(random);
  for (const bool compressed : {false, true}) {
    const std::string good = row.Encode(compressed);
    for (std::size_t size = 0; size < good.size(); ++size) {
      EXPECT_EQ(MinuteRow::Decode(good.substr(0, size)).status().code(), absl::StatusCode::kDataLoss) << size;
    }
    for (int round = 0; round < 2000; ++round) {
      std::string bad = good;
      bad[Uniform(random, 0, bad.size() - 1)] = static_cast<char>(random());
      MinuteRow::Decode(bad).status().IgnoreError();  // any answer but a crash
    }
  }
  EXPECT_FALSE(MinuteRow::Decode(row.Encode(false) + "x").ok());
}

// What design section 15 asks of sealed days: 4 bytes a point. A host of 2,000 series, of which some two thirds move.
TEST(MinuteRowTest, TakesAFewBytesAPoint) {
  std::mt19937_64 random(1);
  MinuteRow row;
  for (SeriesId id = 1; id <= 2000; ++id) {
    for (std::uint8_t second = 0; second < 60; ++second) {
      const auto value = static_cast<std::int64_t>(id % 3 == 0 ? 0 : Uniform(random, 0, id % 200));
      row.Add(id, id % 10 == 0 ? (1LL << 33) + value : value, second);
    }
  }
  const std::size_t bytes = row.Encode(true).size();
  RecordProperty("bytes_per_point_x100", static_cast<int>(bytes * 100 / 2000));
  EXPECT_LE(bytes, 2000u * 5);
}

TEST(LatestStepsTest, KeepsTheNewestTwoMinutesIn144Bytes) {
  LatestSteps steps;
  for (std::int64_t second = 0; second < 600; ++second) {
    steps.Add(1767225600 + second, 1000 + second % 3);
  }
  std::vector<std::pair<std::int64_t, std::int64_t>> seen;
  steps.ForEach([&seen](std::int64_t step, std::int64_t value) { seen.emplace_back(step, value); });
  EXPECT_EQ(seen.size(), LatestSteps::kMaxBytes + 1);
  EXPECT_EQ(seen.back(), std::make_pair(std::int64_t{1767225600 + 599}, std::int64_t{1000 + 599 % 3}));
  EXPECT_EQ(seen.front().first, steps.oldest_step());
  for (const auto& [step, value] : seen) {
    EXPECT_EQ(value, 1000 + (step - 1767225600) % 3);
  }
}

// Whatever the distances and values are, what is kept is the end of what came.
TEST(LatestStepsTest, WhatIsKeptIsTheEndOfWhatCame) {
  std::mt19937_64 random(7);
  for (const int kind : {0, 1, 2, 3}) {
    LatestSteps steps;
    std::vector<std::pair<std::int64_t, std::int64_t>> came;
    std::int64_t step = 1767225600;
    std::int64_t value = 0;
    for (int i = 0; i < 3000; ++i) {
      const auto large = static_cast<std::int64_t>(random());
      step += kind == 0 ? 1 : kind == 1 ? 1 + (i / 100) % 2 : 1 + static_cast<std::int64_t>(random() % 70'000);
      value = kind == 3   ? large
              : kind == 2 ? large >> (random() % 64)
                          : value + static_cast<std::int64_t>(random() % 9);
      steps.Add(step, value);
      came.emplace_back(step, value);
      std::vector<std::pair<std::int64_t, std::int64_t>> kept;
      steps.ForEach([&kept](std::int64_t s, std::int64_t v) { kept.emplace_back(s, v); });
      ASSERT_FALSE(kept.empty());
      ASSERT_LE(kept.size(), came.size());
      ASSERT_TRUE(std::equal(kept.rbegin(), kept.rend(), came.rbegin())) << "kind " << kind << " step " << i;
      ASSERT_EQ(steps.oldest_step(), kept.front().first);
      ASSERT_EQ(steps.newest_step(), step);
    }
  }
}

TEST(LatestStepsTest, BeginsAnewAfterALongGapAndAtADifferenceOf64Bits) {
  LatestSteps steps;
  steps.Add(100, 1);
  steps.Add(100 + LatestSteps::kLongestGap, 2);
  EXPECT_EQ(steps.oldest_step(), 100);
  steps.Add(101 + 2 * LatestSteps::kLongestGap, 3);
  EXPECT_EQ(steps.oldest_step(), 101 + 2 * LatestSteps::kLongestGap);
  steps.Add(102 + 2 * LatestSteps::kLongestGap, std::numeric_limits<std::int64_t>::min() + 3);
  EXPECT_EQ(steps.oldest_step(), 102 + 2 * LatestSteps::kLongestGap);
}

TEST(LatestStepsTest, BeginsAnewWhenTimeWentBack) {
  LatestSteps steps;
  steps.Add(100, 1);
  steps.Add(101, 2);
  steps.Add(50, 3);
  EXPECT_EQ(steps.oldest_step(), 50);
  EXPECT_EQ(steps.newest_step(), 50);
}

}  // namespace
}  // namespace ppmm
