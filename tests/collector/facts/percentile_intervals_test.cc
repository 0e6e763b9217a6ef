#include "collector/facts/percentile_intervals.h"

#include <numeric>

#include "gtest/gtest.h"

namespace ppmm {
namespace {

constexpr Day kFirst = 20000;

// Up, with so many timed requests in each of these hours.
DayFacts Up(std::int64_t an_hour, std::size_t from = 0, std::size_t to = 24) {
  DayFacts facts;
  facts.up_minutes = 1440;
  for (std::size_t hour = from; hour < to; ++hour) {
    facts.requests_per_hour[hour] = facts.timed_per_hour[hour] = an_hour;
  }
  return facts;
}

std::map<Day, DayFacts> Days(int count, const DayFacts& each) {
  std::map<Day, DayFacts> days;
  for (Day day = kFirst; day < kFirst + count; ++day) {
    days[day] = each;
  }
  return days;
}

// "1h 24/23": of 24 intervals of an hour 23 hold enough.
std::string Counted(const std::map<Day, DayFacts>& days, Day day, DayFacts facts, int hours_over = 24, Day since = 0) {
  SetPercentileIntervals(PercentileContextOf(days, day, since), day, hours_over, facts);
  std::string text;
  for (const PercentileLength& length : kPercentileLengths) {
    text += std::to_string(facts.*length.intervals) + "/" + std::to_string(facts.*length.enough) + " ";
  }
  return text;
}

TEST(PercentileIntervalsTest, FiftyNineSamplesAreEnough) {
  const auto before = Days(7, Up(59));
  EXPECT_EQ(Counted(before, kFirst + 7, Up(59)), "24/24 4/4 1/1 1/1 ");
  EXPECT_EQ(Counted(before, kFirst + 7, Up(58)), "24/0 4/4 1/1 1/1 ");
}

TEST(PercentileIntervalsTest, AWeekHoldsTheSixDaysBefore) {
  EXPECT_EQ(Counted(Days(7, Up(8, 9, 10)), kFirst + 7, Up(11, 9, 10)), "1/0 1/0 1/0 1/1 ") << "6 * 8 + 11";
  EXPECT_EQ(Counted(Days(7, Up(8, 9, 10)), kFirst + 7, Up(10, 9, 10)), "1/0 1/0 1/0 1/0 ");
}

TEST(PercentileIntervalsTest, WhatIsNotWholeCountsOnlyOnceItHoldsEnough) {
  EXPECT_EQ(Counted({}, kFirst, Up(58)), "0/0 4/4 1/1 1/1 ") << "the application's first day";
  EXPECT_EQ(Counted(Days(1, Up(1)), kFirst + 1, Up(1)), "24/0 4/0 1/0 0/0 ") << "no week is over";
  EXPECT_EQ(Counted(Days(7, Up(0)), kFirst + 7, Up(59, 0, 13), 12), "13/13 3/3 1/1 1/1 ");
  EXPECT_EQ(Counted(Days(7, Up(0)), kFirst + 7, Up(1, 0, 13), 12), "12/0 2/0 0/0 0/0 ");
}

TEST(PercentileIntervalsTest, InTheFirstWeekAllHoursAreAskedThenTheBusyOnes) {
  const DayFacts office = Up(100, 8, 18);
  EXPECT_EQ(Counted(Days(6, office), kFirst + 6, office), "24/10 4/2 1/1 1/1 ");
  EXPECT_EQ(Counted(Days(7, office), kFirst + 7, office), "10/10 2/2 1/1 1/1 ");
}

TEST(PercentileIntervalsTest, AnHourIsBusyWithATenthOfTheBusiestMedian) {
  DayFacts day = Up(100, 9, 10);
  day.requests_per_hour[3] = 10;
  day.requests_per_hour[4] = 9;
  auto days = Days(28, day);
  EXPECT_EQ(Counted(days, kFirst + 28, day), "2/1 2/1 1/1 1/1 ");
  days[kFirst].requests_per_hour[4] = 1'000'000;  // once in four weeks
  EXPECT_EQ(Counted(days, kFirst + 28, day), "2/1 2/1 1/1 1/1 ");
}

TEST(PercentileIntervalsTest, BusyHoursAreThoseOfTheSameWeekday) {
  std::map<Day, DayFacts> days;
  for (Day day = kFirst; day < kFirst + 28; ++day) {
    days[day] = day % 7 == kFirst % 7 ? Up(100, 0, 6) : Up(100, 12, 14);
  }
  EXPECT_EQ(Counted(days, kFirst + 28, Up(0)), "6/0 1/0 1/0 1/1 ");
  days[kFirst + 28] = Up(0);
  EXPECT_EQ(Counted(days, kFirst + 29, Up(0)), "2/0 1/0 1/0 1/1 ");
}

TEST(PercentileIntervalsTest, WithoutAnyRequestAllHoursAreAsked) {
  EXPECT_EQ(Counted(Days(10, Up(0)), kFirst + 10, Up(0)), "24/0 4/0 1/0 1/0 ");
}

TEST(PercentileIntervalsTest, ADayOnWhichItWasNotUpAsksNothing) {
  EXPECT_EQ(Counted(Days(10, Up(59)), kFirst + 10, DayFacts()), "0/0 0/0 0/0 0/0 ");
}

TEST(PercentileIntervalsTest, WhatWasBeforeResponseTimesWereCountedIsNotLookedAt) {
  const auto days = Days(28, Up(59));
  EXPECT_EQ(Counted(days, kFirst + 28, Up(2), 24, kFirst + 28), "0/0 0/0 0/0 0/0 ");
  EXPECT_EQ(Counted(days, kFirst + 28, Up(2), 24, kFirst + 27), "24/0 4/0 1/0 1/1 ");
  EXPECT_EQ(Counted(days, kFirst + 27, Up(2), 24, kFirst + 28), "0/0 0/0 0/0 0/0 ") << "rewritten by an older proof";
}

}  // namespace
}  // namespace ppmm
