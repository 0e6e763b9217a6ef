#include "agent/littles_law.h"

#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

TEST(LittlesLawTest, SaysNothingUntilRequestsWereSeenInThirtyParts) {
  LittlesLaw law;
  EXPECT_FALSE(law.known());
  for (int i = 0; i < 1000; ++i) {
    law.Add(0, 0);
  }
  for (int i = 0; i < 29; ++i) {
    EXPECT_FALSE(law.disagrees());
    law.Add(kSecond, kSecond / 2);
  }
  EXPECT_FALSE(law.known());
  law.Add(kSecond, kSecond / 2);
  law.Add(kSecond, kSecond / 2);
  EXPECT_TRUE(law.known());
  EXPECT_DOUBLE_EQ(law.deviation(), 0.5);
  EXPECT_TRUE(law.disagrees());
}

TEST(LittlesLawTest, ADifferenceWithinFivePercentIsNone) {
  LittlesLaw law;
  for (int i = 0; i < 100; ++i) {
    law.Add(100 * kSecond, 96 * kSecond);
  }
  EXPECT_NEAR(law.deviation(), 0.04, 1e-9);
  EXPECT_NEAR(law.standard_error(), 0, 1e-9);
  EXPECT_FALSE(law.disagrees());
}

TEST(LittlesLawTest, ADifferenceThatMayBeChanceIsNone) {
  LittlesLaw law;
  for (int i = 0; i < 100; ++i) {
    law.Add(i % 2 == 0 ? 10 * kSecond : 0, i % 2 == 0 ? 0 : 9 * kSecond);
  }
  EXPECT_NEAR(law.deviation(), 0.1, 0.01);
  EXPECT_GT(law.standard_error(), 0.1);
  EXPECT_FALSE(law.disagrees());
}

TEST(LittlesLawTest, TheStandardErrorIsThatOfTheMean) {
  std::mt19937 random(1);
  std::normal_distribution<double> noise(0, 1);
  LittlesLaw law;
  for (int i = 0; i < 900; ++i) {
    law.Add(5 * kSecond, static_cast<std::int64_t>((5 + noise(random)) * 1e9));
  }
  EXPECT_NEAR(law.standard_error(), 1.0 / 30 / 5, 0.1 / 30 / 5 * 2);
}

TEST(LittlesLawTest, AFaultThatWasMendedIsForgotten) {
  LittlesLaw law;
  for (int i = 0; i < 3600; ++i) {
    law.Add(kSecond, kSecond / 2);
  }
  EXPECT_TRUE(law.disagrees());
  for (int i = 0; i < 5 * 3600; ++i) {
    law.Add(kSecond, kSecond);
  }
  EXPECT_LT(law.deviation(), 0.01);
  EXPECT_FALSE(law.disagrees());
}

TEST(LittlesLawTest, MoreMeasuredThanSeenIsBelowZeroAndBounded) {
  LittlesLaw law;
  for (int i = 0; i < 60; ++i) {
    law.Add(1, kSecond);
  }
  EXPECT_EQ(law.deviation(), -10);
  EXPECT_TRUE(law.disagrees());
}

}  // namespace
}  // namespace ppmm
