#include "collector/facts/little_intervals.h"

#include <limits>
#include <string>

#include "gtest/gtest.h"

namespace ppmm {
namespace {

// "2/1/0 rest 3,4": two intervals, of which one is within and none half off, and what is left.
std::string Counted(const LittleIntervals& intervals) {
  DayFacts facts;
  intervals.SetFacts(facts);
  const LittleRest rest = LittleRestOf(facts);
  return std::to_string(facts.little_intervals) + "/" + std::to_string(facts.little_within) + "/" +
         std::to_string(facts.little_half_off) + " rest " + std::to_string(rest.in_flight_us) + "," +
         std::to_string(rest.elapsed_us);
}

// One interval in one minute.
std::string Judged(std::int64_t in_flight_us, std::int64_t elapsed_us) {
  LittleIntervals intervals;
  intervals.Add(59, in_flight_us, elapsed_us);
  return Counted(intervals);
}

TEST(LittleIntervalsTest, AreWithinAQuarterOrOffByTwo) {
  EXPECT_EQ(Judged(1'000'000, 1'000'000), "1/1/0 rest 0,0");
  EXPECT_EQ(Judged(1'250'000, 1'000'000), "1/1/0 rest 0,0");
  EXPECT_EQ(Judged(1'250'001, 1'000'000), "1/0/0 rest 0,0");
  EXPECT_EQ(Judged(750'000, 1'000'000), "1/1/0 rest 0,0");
  EXPECT_EQ(Judged(749'999, 1'000'000), "1/0/0 rest 0,0");
  EXPECT_EQ(Judged(2'000'000, 1'000'000), "1/0/1 rest 0,0");
  EXPECT_EQ(Judged(500'000, 1'000'000), "1/0/1 rest 0,0");
  EXPECT_EQ(Judged(0, 1'000'000), "1/0/1 rest 0,0");
}

TEST(LittleIntervalsTest, EndWithTheMinuteInWhichAHundredObservationsAreExpected) {
  LittleIntervals intervals;
  intervals.Add(59, 0, 999'999);  // of short requests a minute may be missed altogether
  EXPECT_EQ(Counted(intervals), "0/0/0 rest 0,999999");
  intervals.Add(59, 1'000'000, 1);
  EXPECT_EQ(Counted(intervals), "1/1/0 rest 0,0");
}

TEST(LittleIntervalsTest, PassOverMinutesThatAreNotBusyOrNotObserved) {
  LittleIntervals intervals;
  intervals.Add(59, 600'000, 600'000);
  intervals.Add(58, 9'000'000, 900'000);
  intervals.Add(0, 0, 0);
  intervals.Add(59, 600'000, 0);
  EXPECT_EQ(Counted(intervals), "0/0/0 rest 600000,600000");
  intervals.Add(1000, 600'000, 600'000);
  EXPECT_EQ(Counted(intervals), "1/1/0 rest 0,0");
  DayFacts facts;
  intervals.SetFacts(facts);
  EXPECT_EQ(facts.in_flight_minutes, 3) << "quiet ones show that somebody looks";
}

TEST(LittleIntervalsTest, GoOnAfterMidnightUnlessADayWithoutABusyMinuteLiesBetween) {
  LittleIntervals first;
  first.Add(59, 700'000, 700'000);
  DayFacts facts;
  first.SetFacts(facts);
  LittleIntervals second(LittleRestOf(facts));
  second.Add(59, 300'000, 300'000);
  EXPECT_EQ(Counted(second), "1/1/0 rest 0,0");
  LittleIntervals quiet(LittleRestOf(facts));
  quiet.Add(58, 700'000, 700'000);
  EXPECT_EQ(Counted(quiet), "0/0/0 rest 0,0");
}

TEST(LittleIntervalsTest, TakeWhateverASenderClaims) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(Judged(kMost, kMost), "1/1/0 rest 0,0");
  EXPECT_EQ(Judged(-1, kMost), "1/0/1 rest 0,0");
  EXPECT_EQ(Judged(kMost, -1), "0/0/0 rest 0,0");
}

}  // namespace
}  // namespace ppmm
