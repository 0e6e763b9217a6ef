#include "collector/store_time.h"

#include "gtest/gtest.h"

namespace ppmm {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1767225600);

TEST(StoreTimeTest, FollowsTheWallClockAndNeverFalls) {
  StoreTime time;
  EXPECT_EQ(time.Advance(kStart, absl::Hours(1), std::nullopt), kStart);
  EXPECT_EQ(time.Advance(kStart + absl::Seconds(1), absl::Hours(1) + absl::Seconds(1), std::nullopt),
            kStart + absl::Seconds(1));
  EXPECT_EQ(time.Advance(kStart - absl::Hours(5), absl::Hours(1) + absl::Seconds(2), std::nullopt),
            kStart + absl::Seconds(1));
  EXPECT_FALSE(time.waiting());
}

TEST(StoreTimeTest, WaitsAfterAJumpUntilAgentsAgree) {
  StoreTime time(kStart);
  time.Advance(kStart, absl::Hours(1), std::nullopt);
  const absl::Time jumped = kStart + absl::Hours(30);
  EXPECT_EQ(time.Advance(jumped, absl::Hours(1) + absl::Seconds(1), std::nullopt), kStart);
  EXPECT_TRUE(time.waiting());
  EXPECT_EQ(time.Advance(jumped, absl::Hours(1) + absl::Seconds(2), absl::Hours(-30)), kStart) << "agents disagree";
  EXPECT_EQ(time.Advance(jumped, absl::Hours(1) + absl::Seconds(3), absl::Minutes(-5)), jumped);
  EXPECT_FALSE(time.waiting());
}

TEST(StoreTimeTest, WaitsAfterAJumpUntilAnOperatorSaysSo) {
  StoreTime time(kStart);
  const absl::Time jumped = kStart + absl::Hours(2);
  EXPECT_EQ(time.Advance(jumped, absl::Hours(1), std::nullopt), kStart) << "a start after days of rest waits too";
  time.Accept();
  EXPECT_EQ(time.Advance(jumped, absl::Hours(1), std::nullopt), jumped);
  EXPECT_EQ(time.Advance(jumped + absl::Hours(2), absl::Hours(1), std::nullopt), jumped) << "accepted once";
}

TEST(StoreTimeTest, TimeThatReallyWentByIsNoJump) {
  StoreTime time(kStart);
  time.Advance(kStart, absl::Hours(1), std::nullopt);
  EXPECT_EQ(time.Advance(kStart + absl::Hours(9), absl::Hours(10), std::nullopt), kStart + absl::Hours(9));
}

}  // namespace
}  // namespace ppmm
