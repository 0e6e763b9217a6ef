// INV-001 and INV-002, as far as they are measured, and MON-005.
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/world/documented_sql.h"
#include "tests/world/findings.h"
#include "tests/world/shared_world.h"

namespace ppmm {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr int kLastDay = kWorldDays - 1;
constexpr int kMonitoredHosts = 0;
constexpr int kMonitoredApplications = 1;
constexpr int kConfirmed = 2;
constexpr int kClassified = 0;
constexpr int kOriginAgrees = 1;

std::string Inventory(int criterion, const std::string& scope, int day = kLastDay) {
  return Brief(FindingOf(World().OfDay(day), "INV-001", criterion, scope));
}

TEST(InventoryTest, AHostWithAnAgentIsMonitored) {
  EXPECT_EQ(Inventory(kMonitoredHosts, "steady"), "satisfied 1/1");
  EXPECT_EQ(Inventory(kMonitoredHosts, "patchy"), "satisfied 1/1") << "silence is another row's failure";
  EXPECT_EQ(Inventory(kMonitoredApplications, "shop"), "satisfied 1/1");
}

TEST(InventoryTest, AHostWithoutAgentIsUndecidedForAWeekThenNotSatisfied) {
  EXPECT_EQ(Inventory(kMonitoredHosts, "10.0.0.77", 6), "undecided until 2026-01-09T00:00:00Z");
  EXPECT_EQ(Inventory(kMonitoredHosts, "10.0.0.77"), "not_satisfied 0/1");
  EXPECT_TRUE(FindingOf(World().OfDay(kLastDay), "INV-001", kMonitoredHosts, "10.0.0.77").counted);
}

TEST(InventoryTest, NewScopesAreUndecidedAndLeaveTheDenominator) {
  EXPECT_EQ(Inventory(kMonitoredHosts, "late"), "undecided until 2026-02-04T06:00:00Z");
  EXPECT_EQ(Inventory(kMonitoredApplications, "newborn"), "undecided until 2026-02-04T06:01:00Z");
  EXPECT_FALSE(FindingOf(World().OfDay(kLastDay), "INV-001", kMonitoredHosts, "late").counted);
}

TEST(InventoryTest, TheTwinIsContradictedWhileItsCopyLives) {
  EXPECT_EQ(Inventory(kMonitoredHosts, "twin"), "contradicted");
  EXPECT_EQ(Inventory(kMonitoredHosts, "lent", 5), "contradicted");
  EXPECT_EQ(Inventory(kMonitoredHosts, "lent"), "satisfied 1/1");
}

TEST(InventoryTest, WhatOnlyAPersonCanConfirmHasNoSource) {
  EXPECT_EQ(Inventory(kConfirmed, "Example Ltd"), "no_source");
  const Finding classified = FindingOf(World().OfDay(kLastDay), "INV-002", kClassified, "shop");
  EXPECT_EQ(Brief(classified), "no_source");
  EXPECT_EQ(classified.reason, "the inventory is not confirmed");
  EXPECT_THAT(RowOf(World().OfDay(kLastDay), "INV-002").reason, HasSubstr("the inventory is not confirmed"));
}

TEST(InventoryTest, NobodyDisagreesWithAnOriginThatNobodyDeclared) {
  EXPECT_EQ(Brief(FindingOf(World().OfDay(kLastDay), "INV-002", kOriginAgrees, "shop")), "satisfied 1/1");
  EXPECT_EQ(Brief(FindingOf(World().OfDay(27), "INV-002", kOriginAgrees, "newborn")),
            "undecided until 2026-01-29T06:01:00Z");
}

TEST(InventoryTest, WhoServesAnotherHostOrANeighbourIsLineOfBusiness) {
  std::set<std::string> rated;
  for (const auto& [label, finding] : FindingsOf(World().OfDay(kLastDay), "INV-001", kMonitoredApplications)) {
    rated.insert(label);
  }
  EXPECT_THAT(rated, UnorderedElementsAre("shop", "postgresql", "mailer", "newborn", "mute", "idle"));
}

TEST(InventoryTest, TheDocumentedSqlNamesWhoIsSeenAndWhoServesANeighbour) {
  std::set<std::string> addresses;
  std::set<std::string> applications;
  for (const SqlRow& row : RunSql(World().path(), SqlBelow("INV-001").at(0), World().clock().Now())) {
    if (row.contains("address")) {
      addresses.insert(row.at("address"));
    } else {
      applications.insert(row.at("key"));
    }
  }
  EXPECT_THAT(addresses, testing::IsSupersetOf({"10.0.0.77"}));
  EXPECT_THAT(applications, UnorderedElementsAre("default/postgresql"));
}

// The world goes on without samples, in a copy of its store.
std::string HistoryOn(int day, int criterion, std::int64_t retention_days) {
  const std::string copy = WorldPath("history");
  CopyStore(World().path(), copy);
  ManualClock clock(absl::FromUnixSeconds(kWorldBegin) + absl::Hours(24 * day) + absl::Minutes(10));
  absl::StatusOr<std::unique_ptr<WorldCollector>> collector = WorldCollector::Open(copy, &clock, retention_days);
  EXPECT_TRUE(collector.ok()) << collector.status();
  (*collector)->writer().AcceptClock();  // nobody else vouches for the jump
  EXPECT_TRUE((*collector)->Commit().ok());
  const absl::Status rated = (*collector)->Rate();
  EXPECT_TRUE(rated.ok()) << rated;
  return Brief(FindingOf(Record(*(*collector)->engine().OfClosedDay()), "MON-005", criterion, "Example Ltd"));
}

TEST(HistoryTest, IsUndecidedUntilItIs56DaysOld) {
  EXPECT_EQ(Brief(FindingOf(World().OfDay(kLastDay), "MON-005", 0, "Example Ltd")),
            "undecided until 2026-02-26T00:00:00Z");
  EXPECT_EQ(RowOf(World().OfDay(kLastDay), "MON-005").status, "undecided");
}

TEST(HistoryTest, IsSatisfiedAfter56DaysAndRetentionIsWhatIsConfigured) {
  EXPECT_EQ(HistoryOn(56, 0, 400), "satisfied 4838400/86400") << "seconds by those of a day";
  EXPECT_EQ(HistoryOn(31, 1, 400), "satisfied 400/1");
  EXPECT_EQ(HistoryOn(31, 1, 399), "not_satisfied 399/1");
}

TEST(HistoryTest, TheDocumentedSqlGivesTheAgeOfTheHistory) {
  const auto rows = RunSql(World().path(), SqlBelow("MON-005").at(0), World().clock().Now());
  EXPECT_EQ(rows.at(0), (SqlRow{{"history_from", "2026-01-01 00:00:00"}, {"days", "30"}}));
}

TEST(HistoryTest, AStoreWithoutAnyHostHasNoSource) {
  OrganizationRun nobody({}, WorldPath("nobody"));
  nobody.LiveUntil(At(1, 0, 10));
  EXPECT_EQ(Brief(FindingOf(nobody.OfDay(0), "MON-005", 0, "Example Ltd")), "no_source");
  EXPECT_EQ(RowOf(nobody.OfDay(0), "MON-003").status, "no_source") << "nothing to rate is nothing proven";
}

}  // namespace
}  // namespace ppmm
