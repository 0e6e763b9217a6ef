#include "common/log.h"

#include "gtest/gtest.h"

namespace ppmm {
namespace {

TEST(LogLimiterTest, LetsOneLineThroughAPeriodAndCountsTheOthers) {
  LogLimiter limiter(absl::Seconds(10));
  const absl::Time start = absl::FromUnixSeconds(1000);
  EXPECT_EQ(limiter.Allow(start), 1);
  EXPECT_EQ(limiter.Allow(start + absl::Seconds(1)), 0);
  EXPECT_EQ(limiter.Allow(start + absl::Seconds(9)), 0);
  EXPECT_EQ(limiter.Allow(start + absl::Seconds(10)), 3);
}

TEST(SetLogLevelTest, RefusesAnUnknownLevel) {
  EXPECT_EQ(SetLogLevel("loud").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(SetLogLevel("info").ok());
}

}  // namespace
}  // namespace ppmm
