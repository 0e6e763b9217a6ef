#include "collector/facts/day_facts.h"

#include <limits>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

TEST(DayTest, BelongsToTheUtcCalendar) {
  EXPECT_EQ(DayOf(absl::FromCivil(absl::CivilSecond(1970, 1, 1, 23, 59, 59), absl::UTCTimeZone())), 0);
  EXPECT_EQ(DayOf(absl::FromCivil(absl::CivilSecond(2026, 11, 22), absl::UTCTimeZone())), 20779);
  EXPECT_EQ(DayOf(absl::UnixEpoch() - absl::Seconds(1)), -1);
  EXPECT_EQ(DayOf(absl::UnixEpoch() - absl::Nanoseconds(1)), -1);
  EXPECT_EQ(DayOf(absl::InfinitePast()), std::numeric_limits<Day>::min());
  EXPECT_EQ(DayOf(absl::InfiniteFuture()), std::numeric_limits<Day>::max());
  EXPECT_EQ(StartOf(20779), absl::FromCivil(absl::CivilSecond(2026, 11, 22), absl::UTCTimeZone()));
}

TEST(ColumnsTest, NameEachMemberOnce) {
  std::set<std::string> names;
  DayFacts facts;
  std::int64_t value = 1;
  for (const FactColumn& column : FactColumns()) {
    EXPECT_TRUE(names.emplace(column.name).second) << column.name;
    EXPECT_NE(column.scopes, 0) << column.name;
    EXPECT_EQ(column.Of(facts), 0) << column.name << " is a member that another column names too";
    column.In(facts) = value++;
  }
  EXPECT_EQ(names.size() * sizeof(std::int64_t), sizeof(DayFacts)) << "every member has its column";
}

TEST(AppendCanonicalTest, WritesWhatIsNotZeroInTheOrderOfTheTable) {
  DayFacts facts;
  facts.requests_per_hour[9] = 12;
  facts.requests = 12;
  facts.up_minutes = 1440;
  std::string text = "before\n";
  AppendCanonical({ScopeKind::kApplication, 7}, 20779, facts, text);
  EXPECT_EQ(text, "before\napplication 7 20779\nup_minutes=1440\nrequests=12\nrequests_hour_09=12\n");
}

TEST(ScopeIdTest, SortsByKindThenNumber) {
  EXPECT_LT(kOrganizationScope, (ScopeId{ScopeKind::kHost, 0}));
  EXPECT_LT((ScopeId{ScopeKind::kHost, 9}), (ScopeId{ScopeKind::kApplication, 1}));
  EXPECT_EQ(ScopeKindName(ScopeKind::kApplication), "application");
}

}  // namespace
}  // namespace ppmm
