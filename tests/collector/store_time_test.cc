#include "collector/store_time.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/manual_clock.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1767225600);

// Store time, our clocks, and agents that send each second, as streams note them.
class StoreTimeTest : public testing::Test {
 protected:
  // Time passes at both; `agent_ahead`: what the agents' clocks differ from the right time.
  void Run(absl::Duration by, int agents = 1) {
    for (; by > absl::ZeroDuration(); by -= absl::Seconds(1)) {
      clock_.Advance(absl::Seconds(1));
      right_ += absl::Seconds(1);
      for (int i = 0; i < agents; ++i) {
        agents_.Note(std::string(1, static_cast<char>('a' + i)), "host", "web1 (default)", right_ + ahead_,
                     clock_.SinceBoot(), /*held=*/false);
      }
      Advance();
    }
  }
  absl::Time Advance() { return time_.Advance(clock_.Now(), clock_.SinceBoot()); }

  ManualClock clock_{kStart};
  absl::Time right_ = kStart;
  absl::Duration ahead_;
  ClockOffsets agents_;
  StoreTime time_{&agents_, kStart};
};

TEST_F(StoreTimeTest, FollowsTheWallClockAndDoesNotFallWithASmallStepBack) {
  Run(absl::Seconds(10));
  EXPECT_EQ(time_.time(), clock_.Now());
  const absl::Time before = time_.time();
  clock_.JumpWall(absl::Minutes(-50));
  Run(absl::Seconds(10));
  EXPECT_EQ(time_.time(), before);
  EXPECT_FALSE(time_.waiting());
}

TEST_F(StoreTimeTest, ABriefJumpMovesNothingThoughTheAgentAgreedTheSecondBefore) {
  Run(absl::Minutes(2));
  const absl::Time before = time_.time();
  clock_.JumpWall(absl::Hours(450 * 24));
  EXPECT_EQ(Advance(), before) << "what the agent said before the jump says nothing for the clock after it";
  EXPECT_TRUE(time_.waiting());
  Run(absl::Seconds(26));
  EXPECT_EQ(time_.time(), before);
  EXPECT_TRUE(time_.waiting());
  EXPECT_THAT(time_.reason(), HasSubstr("the agents' clocks are 10800h behind"));
  clock_.JumpWall(absl::Hours(-450 * 24));
  Run(absl::Seconds(1));
  EXPECT_FALSE(time_.waiting()) << "nobody must vouch for the time that went by";
  EXPECT_EQ(time_.time(), clock_.Now());
}

TEST_F(StoreTimeTest, AJumpOfThreeHoursIsNotTakenEither) {
  Run(absl::Minutes(2));
  clock_.JumpWall(absl::Hours(3));
  Run(absl::Hours(1));
  EXPECT_TRUE(time_.waiting());
  EXPECT_LT(time_.time(), kStart + absl::Minutes(3));
  clock_.JumpWall(absl::Hours(-3));
  Run(absl::Seconds(1));
  EXPECT_FALSE(time_.waiting()) << "after a long wait too";
}

TEST_F(StoreTimeTest, AgentsThatAgreeForAMinuteVouchForTheClock) {
  Run(absl::Minutes(2));
  clock_.JumpWall(absl::Hours(30));
  Run(absl::Seconds(1));
  ahead_ = absl::Hours(30);
  Run(absl::Seconds(60));
  EXPECT_TRUE(time_.waiting());
  EXPECT_THAT(time_.reason(), HasSubstr("not for a minute yet"));
  Run(absl::Seconds(2));
  EXPECT_FALSE(time_.waiting());
  EXPECT_EQ(time_.time(), clock_.Now());
}

TEST_F(StoreTimeTest, TheMedianCountsNotTheFirst) {
  Run(absl::Minutes(2), 3);
  clock_.JumpWall(absl::Hours(30));
  const absl::Time before = time_.time();
  for (int i = 0; i < 200; ++i) {
    Run(absl::Seconds(1), 3);
    agents_.Note("a", "host", "as wrong as we are", clock_.Now(), clock_.SinceBoot(), false);
    Advance();
  }
  EXPECT_EQ(time_.time(), before);
  EXPECT_TRUE(time_.waiting());
}

TEST_F(StoreTimeTest, AfterALongStopItWaitsForAgents) {
  clock_.JumpWall(absl::Hours(2));
  right_ += absl::Hours(2);
  EXPECT_EQ(Advance(), kStart);
  EXPECT_THAT(time_.reason(), HasSubstr("no agent is heard"));
  Run(absl::Seconds(62));
  EXPECT_FALSE(time_.waiting());
  EXPECT_EQ(time_.time(), clock_.Now());
}

TEST_F(StoreTimeTest, WithoutAgentsOnlyAnOperatorVouches) {
  clock_.JumpWall(absl::Hours(2));
  Advance();
  clock_.Advance(absl::Hours(24));
  EXPECT_EQ(Advance(), kStart);
  EXPECT_TRUE(time_.waiting());
  time_.Accept();
  EXPECT_EQ(Advance(), clock_.Now());
  EXPECT_FALSE(time_.waiting());
  const absl::Time accepted = time_.time();
  clock_.JumpWall(absl::Hours(2));
  EXPECT_EQ(Advance(), accepted) << "accepted once";
}

TEST_F(StoreTimeTest, TimeThatReallyWentByIsNoJump) {
  Advance();
  clock_.Advance(absl::Hours(9));  // suspended, or nothing to commit
  EXPECT_EQ(Advance(), clock_.Now());
  EXPECT_FALSE(time_.waiting());
}

TEST_F(StoreTimeTest, SlewsAndSmallStepsStopNothing) {
  for (int i = 0; i < 1000; ++i) {
    clock_.JumpWall(i % 2 == 0 ? absl::Seconds(10) : absl::Seconds(-11));
    Run(absl::Seconds(1));
    ASSERT_FALSE(time_.waiting());
  }
}

TEST_F(StoreTimeTest, OfANewStoreIsTheClocksUntilAgentsVouchForIt) {
  time_ = StoreTime(&agents_);
  clock_.JumpWall(absl::Hours(3 * 365 * 24));
  EXPECT_EQ(Advance(), clock_.Now());
  EXPECT_TRUE(time_.waiting());
  EXPECT_THAT(time_.reason(), IsEmpty()) << "nothing is wrong: nobody is there yet";
  Run(absl::Minutes(2));
  EXPECT_TRUE(time_.waiting());
  EXPECT_THAT(time_.reason(), HasSubstr("behind the collector's"));
  clock_.JumpWall(absl::Hours(-3 * 365 * 24));
  EXPECT_EQ(Advance(), clock_.Now()) << "it follows back";
  Run(absl::Seconds(62));
  EXPECT_FALSE(time_.waiting());
  EXPECT_FALSE(time_.fell());
}

TEST_F(StoreTimeTest, AStoreThatWasAheadIsSetBackWhenAgentsAgreeWithTheClock) {
  time_ = StoreTime(&agents_, kStart + absl::Hours(240));
  EXPECT_EQ(Advance(), kStart + absl::Hours(240));
  EXPECT_TRUE(time_.waiting()) << "nothing may be deleted for a day that was never";
  EXPECT_THAT(time_.reason(), HasSubstr("240h behind the store's time"));
  bool fell = false;
  for (int i = 0; i < 62; ++i) {
    Run(absl::Seconds(1));
    fell = fell || time_.fell();
  }
  EXPECT_TRUE(fell);
  EXPECT_FALSE(time_.waiting());
  EXPECT_EQ(time_.time(), clock_.Now());
}

TEST_F(StoreTimeTest, AClockThatFellStopsTheRestAndSetsNothingBackWhileAgentsDisagree) {
  Run(absl::Minutes(2));
  const absl::Time before = time_.time();
  clock_.JumpWall(absl::Hours(-240));
  Run(absl::Minutes(5));
  EXPECT_TRUE(time_.waiting());
  EXPECT_EQ(time_.time(), before);
}

TEST(ClockOffsetsTest, ForgetsWhoIsSilentAndListensToABoundedNumber) {
  ClockOffsets agents;
  EXPECT_FALSE(agents.Median(kStart, absl::Hours(1)).has_value());
  for (std::size_t i = 0; i < ClockOffsets::kMaxAgents; ++i) {
    agents.Note(std::to_string(i), "host", "web1", kStart, absl::Hours(1), false);
  }
  agents.Note("one more", "host", "web1", kStart, absl::Hours(1), false);
  EXPECT_EQ(agents.All(kStart, absl::Hours(1)).size(), ClockOffsets::kMaxAgents);
  const absl::Duration later = absl::Hours(1) + ClockOffsets::kCounts + absl::Seconds(1);
  EXPECT_FALSE(agents.Median(kStart, later).has_value());
  agents.Note("one more", "host", "web1", kStart + absl::Minutes(7), later, true);
  const auto all = agents.All(kStart, later);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].ahead, absl::Minutes(7));
  EXPECT_TRUE(all[0].held);
}

}  // namespace
}  // namespace ppmm
