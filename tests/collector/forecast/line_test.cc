#include "collector/forecast/line.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/random.h"

namespace ppmm {
namespace {

constexpr Day kFirst = 20000;

// One value a day from kFirst on, of a capacity of 1000.
std::vector<DayUse> Days(int count, const std::function<double(int)>& share) {
  std::vector<DayUse> values;
  for (int i = 0; i < count; ++i) {
    values.push_back({kFirst + i, 0, 1000 * share(i), 1000});
  }
  return values;
}

Forecast Of(const std::vector<DayUse>& values) {
  return ForecastExhaustion(values, values.back().day);
}

// Within the amplitude, the same in each run.
double Noise(int i, double amplitude) {
  return amplitude * std::sin(12.9898 * i + 78.233 * i * i);
}

class SeededRandom {
 public:
  std::uint64_t Below(std::uint64_t bound) { return Uniform(random_, 0, bound - 1); }
  double Unit() { return static_cast<double>(Below(1'000'001)) / 1e6; }

 private:
  std::mt19937_64 random_{TestSeed()};
};

// How many of n values may be anything while more than half of the pairs are of the others.
int Bearable(int n) {
  int bearable = 0;
  for (int m = 1; m < n; ++m) {
    const int clean = (n - m) * (n - m - 1) / 2;
    bearable = 2 * clean > n * (n - 1) / 2 + 1 ? m : bearable;
  }
  return bearable;
}

TEST(LineTest, ALineIsFollowedToTheDay) {
  const Forecast forecast = Of(Days(28, [](int i) { return 0.40 + 0.01 * i; }));
  EXPECT_EQ(forecast.refusal, Refusal::kNone);
  EXPECT_TRUE(forecast.trend);
  EXPECT_NEAR(forecast.slope, 0.01, 1e-9);
  EXPECT_NEAR(forecast.level, 0.67, 1e-9);
  EXPECT_EQ(forecast.days, 32) << "from 67 % to 99 % at 1 % a day";
  EXPECT_EQ(forecast.days_low, 32);
  EXPECT_EQ(forecast.days_high, 32);
}

TEST(LineTest, SevenDaysAreEnoughForALine) {
  EXPECT_EQ(Of(Days(7, [](int i) { return 0.5 + 0.02 * i; })).days, 18);
}

TEST(LineTest, NoiseWidensTheInterval) {
  const Forecast forecast = Of(Days(28, [](int i) { return 0.40 + 0.01 * i + Noise(i, 0.03); }));
  EXPECT_TRUE(forecast.trend);
  EXPECT_NEAR(forecast.slope, 0.01, 0.002);
  EXPECT_THAT(forecast.days, testing::AllOf(testing::Ge(26), testing::Le(40)));
  EXPECT_LT(forecast.days_low, 32);
  EXPECT_GT(forecast.days_high, 32);
}

TEST(LineTest, ADirectionThatIsNotCertainIsNotExtrapolated) {
  const Forecast forecast = Of(Days(10, [](int i) { return 0.5 + 0.002 * i + Noise(i, 0.2); }));
  EXPECT_FALSE(forecast.trend);
  EXPECT_EQ(forecast.slope, 0);
  EXPECT_EQ(forecast.days, kNotInSight);
  EXPECT_LT(forecast.days_low, 60) << "what it might be stays visible";
}

TEST(LineTest, FlatAndFallingUseIsNotInSight) {
  EXPECT_EQ(Of(Days(28, [](int) { return 0.7; })).days, kNotInSight);
  const Forecast falling = Of(Days(28, [](int i) { return 0.9 - 0.01 * i; }));
  EXPECT_EQ(falling.days, kNotInSight);
  EXPECT_EQ(falling.days_low, kNotInSight);
  EXPECT_TRUE(falling.trend);
}

TEST(LineTest, WhatIsFullAlreadyIsExhausted) {
  const Forecast full = Of(Days(28, [](int) { return 1.0; }));
  EXPECT_EQ(full.days, 0);
  EXPECT_EQ(full.days_low, 0);
  EXPECT_EQ(full.days_high, 0);
}

TEST(LineTest, AWeeklySeasonIsNoTrend) {
  for (int begin = 0; begin < 7; ++begin) {
    for (const int days : {7, 10, 14, 20, 28}) {
      const Forecast forecast = Of(Days(days, [&](int i) { return (begin + i) % 7 < 5 ? 0.6 : 0.2; }));
      EXPECT_EQ(forecast.days, kNotInSight) << days << " days from weekday " << begin;
      EXPECT_EQ(forecast.step, 0) << days << " days from weekday " << begin;
    }
  }
}

TEST(LineTest, AWeeklySeasonOnATrendLeavesTheTrend) {
  const Forecast forecast = Of(Days(28, [](int i) { return 0.3 + 0.01 * i + (i % 7 < 5 ? 0.1 : 0.0); }));
  EXPECT_TRUE(forecast.trend);
  EXPECT_NEAR(forecast.slope, 0.01, 0.002);
}

TEST(LineTest, ScatteredOutliersDoNotMoveTheSlope) {
  PPMM_TRACE_SEED();
  SeededRandom random;
  ASSERT_EQ(Bearable(28), 8) << "29 %";
  for (int round = 0; round < 500; ++round) {
    const int n = 7 + static_cast<int>(random.Below(22));
    const double slope = 0.002 + 0.01 * random.Unit();
    std::vector<DayUse> values = Days(n, [&](int i) { return 0.3 + slope * i; });
    std::vector<std::size_t> order(values.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      order[i] = i;
      std::swap(order[i], order[random.Below(i + 1)]);
    }
    for (int k = 0; k < Bearable(n); ++k) {
      values[order[static_cast<std::size_t>(k)]].used = 2000 * random.Unit();
    }
    const Forecast forecast = Of(values);
    // A certain direction has the right slope; outliers may take the certainty, never turn the line.
    EXPECT_THAT(forecast.slope, testing::AnyOf(testing::DoubleNear(slope, 1e-9), 0.0)) << "round " << round;
  }
}

TEST(LineTest, ASeventhOfOutliersLeavesTheDirectionCertain) {
  PPMM_TRACE_SEED();
  SeededRandom random;
  for (int round = 0; round < 200; ++round) {
    std::vector<DayUse> values = Days(28, [](int i) { return 0.3 + 0.01 * i; });
    for (int k = 0; k < 4; ++k) {
      values[random.Below(values.size())].used = random.Below(2) == 0 ? 0 : 2000;
    }
    EXPECT_NEAR(Of(values).slope, 0.01, 1e-9) << "round " << round;
  }
}

TEST(LineTest, ANewLevelIsANewLevelAndNoTrend) {
  for (const int split : {5, 14, 20, 24}) {
    const Forecast forecast = Of(Days(28, [&](int i) { return (i < split ? 0.3 : 0.7) + Noise(i, 0.01); }));
    EXPECT_EQ(forecast.step, kFirst + split);
    EXPECT_NEAR(forecast.level, 0.7, 0.01);
    EXPECT_EQ(forecast.days, kNotInSight);
  }
}

TEST(LineTest, ATrendGoesOnFromANewLevel) {
  const Forecast forecast = Of(Days(28, [](int i) { return 0.2 + 0.005 * i + (i < 18 ? 0.0 : 0.3); }));
  EXPECT_EQ(forecast.step, kFirst + 18);
  EXPECT_NEAR(forecast.slope, 0.005, 1e-9);
  EXPECT_NEAR(forecast.level, 0.635, 1e-9);
  EXPECT_EQ(forecast.days, 71);
}

TEST(LineTest, ADiskThatGrewIsJudgedByItsNewSize) {
  std::vector<DayUse> values = Days(28, [](int i) { return 0.30 + 0.02 * i; });
  for (std::size_t i = 20; i < values.size(); ++i) {
    values[i].capacity = 2000;
  }
  const Forecast forecast = Of(values);
  EXPECT_EQ(forecast.step, 0);
  EXPECT_NEAR(forecast.level, 0.42, 1e-9);
  EXPECT_EQ(forecast.days, 57);
}

TEST(LineTest, GapsLeaveTheLineWhereItIs) {
  std::vector<DayUse> values = Days(28, [](int i) { return 0.40 + 0.01 * i; });
  values.erase(values.begin() + 3, values.begin() + 15);
  EXPECT_EQ(Of(values).days, 32);
}

TEST(LineTest, LessThanSevenDaysAreRefused) {
  EXPECT_EQ(Of(Days(6, [](int) { return 0.5; })).refusal, Refusal::kTooShort);
  std::vector<DayUse> values = Days(7, [](int) { return 0.5; });
  EXPECT_EQ(Of(values).refusal, Refusal::kNone);
  values.front().from_minute = 1;  // a minute is missing
  EXPECT_EQ(Of(values).refusal, Refusal::kTooShort);
}

TEST(LineTest, FiveValuesOfAWeekAreEnoughAndFourAreNot) {
  std::vector<DayUse> values = Days(7, [](int) { return 0.5; });
  values.erase(values.begin() + 2, values.begin() + 4);
  EXPECT_EQ(Of(values).refusal, Refusal::kNone);
  values.erase(values.begin() + 2);
  EXPECT_EQ(Of(values).refusal, Refusal::kTooFew);
  EXPECT_EQ(ForecastExhaustion({}, kFirst).refusal, Refusal::kTooFew);
}

TEST(LineTest, OlderDaysThanTheWindowDoNotCount) {
  const Forecast forecast = Of(Days(100, [](int i) { return i < 72 ? 0.1 : 0.5; }));
  EXPECT_EQ(forecast.values, 28);
  EXPECT_EQ(forecast.step, 0);
  EXPECT_NEAR(forecast.level, 0.5, 1e-9);
}

TEST(LineTest, AbsurdValuesAreLeftOutAndCounted) {
  std::vector<DayUse> values = Days(28, [](int i) { return 0.40 + 0.01 * i; });
  values[3].used = std::numeric_limits<double>::quiet_NaN();
  values[7].used = std::numeric_limits<double>::infinity();
  values[11].used = -1;
  values[15].used = 1e300;
  const Forecast forecast = Of(values);
  EXPECT_EQ(forecast.unusable, 4);
  EXPECT_EQ(forecast.values, 24);
  EXPECT_EQ(forecast.days, 32);
}

TEST(LineTest, WithoutACapacityThereIsNothingToExhaust) {
  std::vector<DayUse> values = Days(28, [](int) { return 0.5; });
  for (const double capacity : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
    values.back().capacity = capacity;
    EXPECT_EQ(Of(values).refusal, Refusal::kNoCapacity);
  }
}

TEST(LineTest, TheIntervalHoldsTheLineWhateverTheValues) {
  PPMM_TRACE_SEED();
  SeededRandom random;
  for (int round = 0; round < 2000; ++round) {
    std::vector<DayUse> values;
    Day day = kFirst;
    const int n = 1 + static_cast<int>(random.Below(40));
    for (int i = 0; i < n; ++i) {
      day += 1 + static_cast<Day>(random.Below(3));
      values.push_back({day, static_cast<std::int64_t>(random.Below(1440)), 2500 * random.Unit() - 200,
                        random.Below(5) == 0 ? 500.0 : 1000.0});
    }
    const Forecast forecast = Of(values);
    if (forecast.refusal == Refusal::kNone) {
      EXPECT_GE(forecast.days_low, 0);
      EXPECT_LE(forecast.days_low, forecast.days);
      EXPECT_LE(forecast.days, forecast.days_high);
      EXPECT_LE(forecast.days_high, kNotInSight);
      EXPECT_TRUE(std::isfinite(forecast.level));
      EXPECT_LE(forecast.slope_low, forecast.slope);
      EXPECT_GE(forecast.slope_high, forecast.slope);
    }
  }
}

TEST(LineTest, EveryRefusalHasAName) {
  EXPECT_EQ(RefusalName(Refusal::kNone), "");
  EXPECT_EQ(RefusalName(Refusal::kNoCapacity), "no_capacity");
  EXPECT_EQ(RefusalName(Refusal::kTooShort), "too_short");
  EXPECT_EQ(RefusalName(Refusal::kTooFew), "too_few");
}

}  // namespace
}  // namespace ppmm
