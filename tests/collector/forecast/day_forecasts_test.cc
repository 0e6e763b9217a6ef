#include "collector/forecast/day_forecasts.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr Day kDay = 20000;

ForecastRow Row(Day day, std::int64_t days, std::int64_t capacity = 100, HostKey host = 1, SeriesId series = 0) {
  ForecastRow row;
  row.day = day;
  row.host = host;
  row.kind = 3;
  row.series = series;
  row.capacity = capacity;
  row.days = days;
  return row;
}

ResourceSeries Resource(ResourceSeries::Measure measure, SeriesId name) {
  ResourceSeries resource;
  resource.measure = measure;
  resource.name = name;
  return resource;
}

TEST(ForecastDayTest, JoinsTheDayToTheDaysBefore) {
  const ResourceSeries space = Resource(ResourceSeries::Measure::kSpace, 7);
  std::vector<ForecastRow> rows;
  for (Day day = kDay; day < kDay + 7; ++day) {
    const std::map<HostKey, HostValues> values = {{1, {{&space, {day, 0, 500.0 + 20 * (day - kDay), 1000}}}}};
    // The rows of this day and of later ones are no past.
    std::vector<ForecastRow> earlier = rows;
    earlier.push_back(Row(day + 1, 0, 1, 1, 7));
    const std::vector<ForecastRow> made = ForecastDay(day, values, earlier);
    ASSERT_EQ(made.size(), 1U);
    EXPECT_EQ(made[0].refusal, day < kDay + 6 ? "too_short" : "");
    rows.push_back(made[0]);
  }
  const ForecastRow& last = rows.back();
  EXPECT_EQ(last.host, 1U);
  EXPECT_EQ(last.kind, 3);
  EXPECT_EQ(last.series, 7U);
  EXPECT_EQ(last.day_count, 7);
  EXPECT_EQ(last.level_millionths, 620'000);
  EXPECT_EQ(last.slope_millionths, 20'000);
  EXPECT_EQ(last.days, 18);
}

TEST(ForecastDayTest, KeepsTheFullestOfMany) {
  std::vector<ResourceSeries> disks;
  for (SeriesId id = 1; id <= 40; ++id) {
    disks.push_back(Resource(ResourceSeries::Measure::kSpace, id));
  }
  HostValues values;
  for (const ResourceSeries& disk : disks) {
    values.push_back({&disk, {kDay, 0, static_cast<double>(disk.name), 100}});
  }
  const std::vector<ForecastRow> rows = ForecastDay(kDay, {{1, values}}, {});
  ASSERT_EQ(rows.size(), kForecastsPerKind);
  EXPECT_EQ(rows.front().series, 25U) << "in order, the least full are left out";
  EXPECT_EQ(rows.back().series, 40U);
}

TEST(ForecastFactsTest, OfAKindTheSoonestCounts) {
  std::vector<ForecastRow> rows = {Row(kDay, 50), Row(kDay, 20), Row(kDay, 5)};
  rows[2].refusal = "too_short";
  rows[2].kind = 1;
  DayFacts facts;
  SetForecastFacts(rows, facts);
  EXPECT_EQ(facts.forecast_kinds, kDiskBit);
  EXPECT_EQ(facts.exhaustion_disk_days, 20);
  EXPECT_EQ(facts.exhaustion_cpu_days, 0);
}

TEST(WarningsTest, NothingNearIsNoWarning) {
  EXPECT_THAT(CountWarnings({}, kDay), IsEmpty());
  const std::vector<ForecastRow> rows = {Row(kDay, 30), Row(kDay + 1, 3650)};
  EXPECT_THAT(CountWarnings(rows, kDay + 20), IsEmpty());
}

TEST(WarningsTest, CountOnceAWeekOldUnlessAnswered) {
  std::vector<ForecastRow> rows;
  for (Day day = kDay; day < kDay + 10; ++day) {
    rows.push_back(Row(day, day < kDay + 2 ? 60 : 20));
  }
  EXPECT_THAT(CountWarnings(rows, kDay + 8), IsEmpty()) << "there is a day left to answer";
  EXPECT_THAT(CountWarnings(rows, kDay + 9), ElementsAre(Pair(kDay + 2, WarningCounts{1, 0})));
}

TEST(WarningsTest, MoreCapacityAnswers) {
  const std::vector<ForecastRow> rows = {Row(kDay, 20), Row(kDay + 1, 25, 120), Row(kDay + 2, 25, 120)};
  EXPECT_THAT(CountWarnings(rows, kDay), IsEmpty());
  EXPECT_THAT(CountWarnings(rows, kDay + 2), ElementsAre(Pair(kDay, WarningCounts{1, 1})));
}

TEST(WarningsTest, LessUseAnswersAndTheNextOneIsNew) {
  const std::vector<ForecastRow> rows = {Row(kDay, 20),     Row(kDay + 1, 40), Row(kDay + 2, 25),
                                         Row(kDay + 3, 45), Row(kDay + 4, 10), Row(kDay + 5, 9)};
  EXPECT_THAT(CountWarnings(rows, kDay + 5), ElementsAre(Pair(kDay, WarningCounts{1, 1})));
  EXPECT_THAT(CountWarnings(rows, kDay + 11),
              ElementsAre(Pair(kDay, WarningCounts{1, 1}), Pair(kDay + 4, WarningCounts{1, 0})));
}

TEST(WarningsTest, ALateAnswerCures) {
  std::vector<ForecastRow> rows = {Row(kDay, 20), Row(kDay + 19, 15)};
  EXPECT_THAT(CountWarnings(rows, kDay + 19), ElementsAre(Pair(kDay, WarningCounts{1, 0})));
  rows.push_back(Row(kDay + 20, 15, 200));
  EXPECT_THAT(CountWarnings(rows, kDay + 20), ElementsAre(Pair(kDay, WarningCounts{1, 1})));
}

TEST(WarningsTest, EachResourceOfEachHostWarnsForItself) {
  std::vector<ForecastRow> rows = {Row(kDay, 20), Row(kDay, 20, 100, 1, 5), Row(kDay, 20, 100, 2)};
  EXPECT_THAT(CountWarnings(rows, kDay + 7), ElementsAre(Pair(kDay, WarningCounts{3, 0})));
}

TEST(WarningsTest, ARefusedForecastNeitherWarnsNorAnswers) {
  std::vector<ForecastRow> rows = {Row(kDay, 0), Row(kDay + 1, 20), Row(kDay + 2, 3650)};
  rows[0].refusal = "too_short";
  rows[2].refusal = "too_few";
  EXPECT_THAT(CountWarnings(rows, kDay + 8), ElementsAre(Pair(kDay + 1, WarningCounts{1, 0})));
}

}  // namespace
}  // namespace ppmm
