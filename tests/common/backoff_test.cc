#include "common/backoff.h"

#include <limits>

#include "gtest/gtest.h"

namespace ppmm {
namespace {

constexpr BackoffLimits kLimits = {.first = absl::Seconds(1), .longest = absl::Seconds(10)};
constexpr double kAlmostOne = 1 - 1e-12;

TEST(BackoffTest, DoublesUpToItsLongest) {
  const int seconds[] = {1, 2, 4, 8, 10, 10};
  for (int failures = 1; failures <= 6; ++failures) {
    const absl::Duration full = absl::Seconds(seconds[failures - 1]);
    EXPECT_EQ(BackoffDelay(failures, 0, kLimits), full / 2);
    EXPECT_LE(BackoffDelay(failures, kAlmostOne, kLimits), full);
    EXPECT_GT(BackoffDelay(failures, kAlmostOne, kLimits), full - absl::Milliseconds(1));
  }
  EXPECT_EQ(BackoffDelay(std::numeric_limits<int>::max(), 0, kLimits), absl::Seconds(5));
}

TEST(BackoffTest, DoesNotWaitWithoutAFailure) {
  EXPECT_EQ(BackoffDelay(0, 0.5, kLimits), absl::ZeroDuration());
  EXPECT_EQ(BackoffDelay(-3, 0.5, kLimits), absl::ZeroDuration());
}

TEST(BackoffTest, MovesBadRandomNumbersToTheNearestEnd) {
  EXPECT_EQ(BackoffDelay(1, -1, kLimits), absl::Milliseconds(500));
  EXPECT_EQ(BackoffDelay(1, 7, kLimits), absl::Seconds(1));
  EXPECT_EQ(BackoffDelay(1, std::numeric_limits<double>::quiet_NaN(), kLimits), absl::Milliseconds(500));
}

TEST(BackoffTest, SurvivesOddLimits) {
  EXPECT_EQ(BackoffDelay(5, 0, {.first = absl::Seconds(60), .longest = absl::Seconds(10)}), absl::Seconds(5));
  EXPECT_EQ(
      BackoffDelay(std::numeric_limits<int>::max(), 0, {.first = absl::ZeroDuration(), .longest = absl::Seconds(10)}),
      absl::ZeroDuration());
}

}  // namespace
}  // namespace ppmm
