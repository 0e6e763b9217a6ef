// A calm organization lives ten days, twice: once undisturbed, once with a collector that is stopped, is away over a
// midnight, and is killed before and after a commit. Both must say the same, but for the agents' clocks while nobody
// heard them.
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/world/documented_sql.h"
#include "tests/world/findings.h"
#include "tests/world/shared_world.h"

namespace ppmm {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr int kDays = 10;

OrganizationScript CalmOrganization() {
  return {{.name = "web1",
           .address = "10.1.0.1",
           .applications = {{.name = "shop"},
                            {.name = "nginx",
                             .origin = wire::ORIGIN_OFF_THE_SHELF,
                             .used = Daily(0, kDays, 0, 1439),  // so that intervals do not end with the day
                             .requests = 12}}},
          {.name = "db1",
           .address = "10.1.0.2",
           .applications = {{.name = "postgresql", .origin = wire::ORIGIN_OFF_THE_SHELF}}}};
}

// Never destroyed: they are there for every test.
OrganizationRun& Undisturbed() {
  static OrganizationRun* const run = [] {
    auto* const made = new OrganizationRun(CalmOrganization(), WorldPath("undisturbed"));
    made->RateAtNoon();
    made->LiveUntil(At(kDays, 0, 10));
    return made;
  }();
  return *run;
}

OrganizationRun& Disturbed() {
  static OrganizationRun* const run = [] {
    auto* const made = new OrganizationRun(CalmOrganization(), WorldPath("disturbed"));
    made->RateAtNoon();
    made->LiveUntil(At(2, 7, 3));
    made->RestartCollector();
    made->LiveUntil(At(3, 23, 30));
    made->StopCollector();
    made->LiveUntil(At(4, 1, 15));  // a midnight passes
    made->StartCollector();
    made->LiveUntil(At(5, 9, 45));
    made->KillCollectorAt("before_commit");  // merged, not committed
    made->LiveUntil(At(7, 13, 27));
    made->KillCollectorAt("before_acknowledgement");  // committed, not said
    made->LiveUntil(At(kDays, 0, 10));
    return made;
  }();
  return *run;
}

const std::string& RatingOf(int day) {
  return Undisturbed().OfDay(day).rating;
}

TEST(TenDaysTest, ThePublishedLevelIsOneAndPromisesNoDateThatThisVersionCannotKeep) {
  for (int day = 0; day < kDays; ++day) {
    EXPECT_EQ(TextAt(RatingOf(day), "/published"), "1");
    EXPECT_EQ(TextAt(RatingOf(day), "/low"), "1");
    EXPECT_EQ(TextAt(RatingOf(day), "/watch"), "false");
    EXPECT_EQ(TextAt(RatingOf(day), "/held_since"), "2026-01-01T00:00:00Z");
    EXPECT_EQ(TextAt(RatingOf(day), "/label"), "1 (observing; 7 of the 11 activities of 2.1 come with a later version)")
        << day;
  }
}

TEST(TenDaysTest, TheProvisionalLevelSaysFromHowLong) {
  EXPECT_EQ(TextAt(Undisturbed().AtNoon(0).rating, "/provisional/label"), "1 (after 12 h of data)");
  EXPECT_EQ(TextAt(RatingOf(0), "/provisional/label"), "1 (after 24 h of data)");
  EXPECT_EQ(TextAt(RatingOf(9), "/provisional/label"), "1 (after 10 d of data)");
  EXPECT_EQ(NumberAt(RatingOf(9), "/provisional/minutes"), 10 * 1440);
}

TEST(TenDaysTest, TheProgressIntervalNarrowsAsRowsAreDecided) {
  const auto low = [](int day) { return NumberAt(RatingOf(day), "/progress/2.1/low"); };
  const auto high = [](int day) { return NumberAt(RatingOf(day), "/progress/2.1/high"); };
  for (int day = 1; day < kDays; ++day) {
    EXPECT_GE(low(day), low(day - 1)) << day;
    EXPECT_GE(high(day), low(day)) << day;
  }
  // On the seventh day coverage and throughput are decided. History alone stays open: half of a supporting row.
  EXPECT_GT(low(6), low(5));
  EXPECT_LT(high(6) - low(6), high(5) - low(5));
  EXPECT_LT(high(9), 1) << "what has no source proves nothing in either bound";
}

TEST(TenDaysTest, RowsBlockUntilTheyAreDecidedAndThoseWithoutSourceStay) {
  const auto undecided = testing::AllOf(StartsWith("MON-001 undecided"), HasSubstr("not observed for long enough"));
  EXPECT_THAT(BlockingOf(Undisturbed().OfDay(5)), Contains(undecided));
  EXPECT_THAT(BlockingOf(Undisturbed().OfDay(6)), Not(Contains(StartsWith("MON-001"))));
  EXPECT_THAT(BlockingOf(Undisturbed().OfDay(6)), Contains(StartsWith("MON-003 undecided"))) << "seen a minute later";
  EXPECT_THAT(BlockingOf(Undisturbed().OfDay(7)), Not(Contains(StartsWith("MON-003"))));
  EXPECT_THAT(BlockingOf(Undisturbed().OfDay(9)), Contains("INV-001 no_source: the inventory is not confirmed"));
  EXPECT_THAT(RatingOf(9), HasSubstr("later, with confirmations"));
}

// Clock offsets are known from receipts, and nobody received from 23:30 of day 3 to 1:15 of day 4. The digest covers
// the facts that say so; every other word of a rating stays the same.
constexpr int kFirstDayAway = 3;
constexpr int kMinutesAway = 105;

std::string WithoutDigest(const std::string& rating) {
  nlohmann::json json = nlohmann::json::parse(rating);
  json.erase("snapshot_digest");
  return json.dump();
}

std::map<std::string, std::string> WithoutClocks(std::map<std::string, std::string> activities) {
  activities.erase("MON-004");
  return activities;
}

TEST(TenDaysTest, RestartsAndKillsChangeNoWordOfARatingAndNoDigestUnlessTheCollectorWasAway) {
  ASSERT_EQ(Undisturbed().OfDay(9).activity.size(), ComputedRows().size());
  for (int day = 0; day < kDays; ++day) {
    const auto& calm = Undisturbed().OfDay(day);
    if (day < kFirstDayAway) {
      EXPECT_EQ(calm.rating, Disturbed().OfDay(day).rating) << "day " << day;
      EXPECT_EQ(calm.activity, Disturbed().OfDay(day).activity) << "day " << day;
    } else if (day > kFirstDayAway) {  // on that day the collector was away when the rating was due
      EXPECT_EQ(WithoutDigest(calm.rating), WithoutDigest(Disturbed().OfDay(day).rating)) << "day " << day;
      EXPECT_EQ(WithoutClocks(calm.activity), WithoutClocks(Disturbed().OfDay(day).activity)) << "day " << day;
    }
    EXPECT_EQ(WithoutDigest(Undisturbed().AtNoon(day).rating), WithoutDigest(Disturbed().AtNoon(day).rating))
        << "noon of day " << day;
  }
  EXPECT_NE(TextAt(RatingOf(8), "/snapshot_digest"), TextAt(RatingOf(9), "/snapshot_digest"));
}

TEST(TenDaysTest, AMissedDayIsMadeUpAndEveryDayPublishedOnce) {
  const std::string sql = SqlBelow("The published rung").at(0);
  const std::vector<SqlRow> rows = RunSql(Disturbed().path(), sql, Disturbed().clock().Now());
  EXPECT_EQ(rows.size(), static_cast<std::size_t>(kDays));
  EXPECT_EQ(rows, RunSql(Undisturbed().path(), sql, Undisturbed().clock().Now()));
}

std::vector<SqlRow> WithoutTimesOfReceipt(const OrganizationRun& run, const std::string& sql) {
  std::vector<SqlRow> rows = RunSql(run.path(), sql, run.clock().Now());
  for (SqlRow& row : rows) {
    for (const char* column : {"late_minutes", "clock_minutes", "samples_produced", "samples_committed"}) {
      row.erase(column);
    }
  }
  return rows;
}

// Facts and pooled minutes row by row: nothing is lost, nothing counts twice. What came while the collector was away is
// the same, but late; the clocks of that time are unknown, and samples count on the day that they came.
TEST(TenDaysTest, TheStoreHoldsTheSameAfterRestartsAndKills) {
  for (const char* table : {"fact_day", "application_minute", "instance_life", "host_life"}) {
    const std::string sql = absl::StrCat("SELECT * FROM ", table);
    const std::vector<SqlRow> rows = WithoutTimesOfReceipt(Disturbed(), sql);
    EXPECT_TRUE(rows == WithoutTimesOfReceipt(Undisturbed(), sql)) << table;
    EXPECT_EQ(rows.empty(), std::string(table) == "host_life") << "no boot was seen";
  }
  const std::string agents = "SELECT produced, committed, refused, dropped FROM agent ORDER BY agent_id";
  EXPECT_EQ(RunSql(Disturbed().path(), agents, Disturbed().clock().Now()),
            RunSql(Undisturbed().path(), agents, Undisturbed().clock().Now()));
}

TEST(TenDaysTest, ClocksAreUnknownWhileTheCollectorWasAway) {
  const std::string sql = "SELECT number, sum(clock_minutes) AS known FROM fact_day WHERE kind = 1 GROUP BY number";
  const auto calm = By("number", RunSql(Undisturbed().path(), sql, Undisturbed().clock().Now()));
  const auto disturbed = By("number", RunSql(Disturbed().path(), sql, Disturbed().clock().Now()));
  ASSERT_EQ(calm.size(), 2u);
  ASSERT_EQ(disturbed.size(), calm.size());
  for (const auto& [host, row] : calm) {
    EXPECT_EQ(std::stoi(row.at("known")), kDays * 1440) << host;
    EXPECT_EQ(std::stoi(disturbed.at(host).at("known")), kDays * 1440 - kMinutesAway) << host;
  }
}

}  // namespace
}  // namespace ppmm
