// DEP-001, REL-002 and the new applications of IMP-101: each outcome that they have, from what agents and people say to
// the documented SQL.
#include "collector/deployments.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/world/documented_sql.h"
#include "tests/world/findings.h"
#include "tests/world/shared_world.h"

namespace ppmm {
namespace {

using testing::StartsWith;

constexpr int kLastDay = 30;

// One line says which outcome a release is there for.
OrganizationScript Deploying() {
  OrganizationScript world;
  world.push_back(
      {.name = "web",
       .address = "10.3.0.1",
       .cut = {{At(9) - 1, At(9)}, {At(12) - 1, At(12)}},
       .applications = {
           {.name = "nginx",
            .origin = wire::ORIGIN_OFF_THE_SHELF,
            .requests = 10,
            .releases = {{At(3, 10), At(3, 9, 50)},      // just within ten minutes
                         {At(4, 10), At(4, 10, 10)},     // seen before dpkg was done
                         {At(8, 0, 5), At(7, 23, 58)},   // around midnight
                         {At(29, 10), At(29, 9, 49)}}},  // a minute too early; and the collector is away for two hours
           {.name = "attic",
            .origin = wire::ORIGIN_OFF_THE_SHELF,
            .used = Daily(0, kLastDay, At(0, 9, 5), At(0, 9, 6)),  // six requests a day
            .requests = 1,
            .releases = {{At(10, 10), At(10, 10)}}},
           {.name = "checkout", .requests = 10, .releases = {{At(5, 10)}, {At(30, 10)}}},  // somebody says the first
           {.name = "cron", .serves = false, .requests = 1, .releases = {{At(6, 10)}}},    // nobody's business
           {.name = "fresh", .runs = {.from = At(9)}, .requests = 1, .appears = At(9)},
           {.name = "dark", .runs = {.from = At(12)}, .requests = 1, .untimed = {{.from = 0}}, .appears = At(12)}}});
  return world;
}

std::int64_t MicrosecondsAt(int minute) {
  return (kWorldBegin + std::int64_t{minute} * 60) * 1'000'000;
}

void Say(OrganizationRun& run, const std::string& application, const std::string& version, int minute) {
  const absl::Status said = run.collector().writer().SubmitAndWait([&](Tables& tables, Store& store) {
    DeploymentRow row;
    row.application = tables.application_by_key.at("default/" + application);
    row.version = version;
    row.at_us = row.received_us = MicrosecondsAt(minute);
    row.told_by = "root";
    return NoteDeployment(row, tables, store).status();
  });
  ASSERT_TRUE(said.ok()) << said;
}

OrganizationRun& DeployingWorld() {
  static OrganizationRun* const world = [] {
    auto* const made = new OrganizationRun(Deploying(), WorldPath("deploying_world"));
    made->LiveUntil(At(6, 12));
    Say(*made, "checkout", "2.0", At(5, 10, 3));  // a day late
    for (const int day : {29, 30}) {
      made->LiveUntil(At(day, 10, 30));
      made->StopCollector();
      made->LiveUntil(At(day, 12));
      made->StartCollector();
    }
    made->LiveUntil(At(kLastDay + 1, 0, 10));
    return made;
  }();
  return *world;
}

Finding Matched(int day) {
  return FindingOf(DeployingWorld().OfDay(day), "DEP-001", 0, "Example Ltd");
}

TEST(DeploymentTest, WithoutANewVersionThereIsNothingToMatch) {
  EXPECT_EQ(Brief(Matched(2)), "not_applicable");
  EXPECT_EQ(Matched(2).reason, "no new version in this window");
}

TEST(DeploymentTest, BeforeFourWeeksItIsUndecided) {
  EXPECT_THAT(Brief(Matched(5)), StartsWith("undecided until 2026-01-29"));
}

TEST(DeploymentTest, ReleasesThatSomebodyOrThePackageLogAnnouncedAreSatisfied) {
  EXPECT_EQ(Brief(Matched(28)), "satisfied 5/5") << "three of nginx, attic's, and checkout's, which was told late";
}

TEST(DeploymentTest, AReleaseThatNobodyAnnouncedMisses) {
  EXPECT_EQ(Brief(Matched(29)), "satisfied 5/6") << "of six one may miss";
  EXPECT_EQ(Brief(Matched(kLastDay)), "not_satisfied 5/7");
}

TEST(DeploymentTest, TheDocumentedSqlGivesTheNumbersOfTheExplanation) {
  OrganizationRun& world = DeployingWorld();
  const auto rows = RunSql(world.path(), SqlBelow("DEP-001").at(0), world.clock().Now());
  EXPECT_EQ(rows.at(0).at("matched"), "5");
  EXPECT_EQ(rows.at(0).at("seen"), "7");
  const auto releases = RunSql(world.path(), SqlBelow("DEP-001").at(1), world.clock().Now());
  std::vector<std::string> lines;
  for (const SqlRow& row : releases) {
    lines.push_back(row.at("key") + " " + row.at("version") + " " + row.at("deployed"));
  }
  EXPECT_THAT(lines, testing::ElementsAre(
                         "default/nginx 2.0 2026-01-04 09:50:00 nginx", "default/nginx 3.0 2026-01-05 10:10:00 nginx",
                         "default/checkout 2.0 2026-01-06 10:03:00 root", "default/cron 2.0 ",
                         "default/nginx 4.0 2026-01-08 23:58:00 nginx", "default/attic 2.0 2026-01-11 10:00:00 attic",
                         "default/nginx 5.0 ", "default/checkout 3.0 "));
}

Finding Compared(int day, int criterion = 0) {
  return FindingOf(DeployingWorld().OfDay(day), "REL-002", criterion, "Example Ltd");
}

TEST(ComparisonTest, WithoutANewVersionThereIsNothingToCompare) {
  EXPECT_EQ(Brief(Compared(2)), "not_applicable");
  EXPECT_EQ(Brief(Compared(2, 1)), "not_applicable");
}

TEST(ComparisonTest, BeforeFourWeeksItIsUndecided) {
  EXPECT_THAT(Brief(Compared(5)), StartsWith("undecided until 2026-01-29"));
}

TEST(ComparisonTest, ReleasesThatAreComparedInTimeAreSatisfied) {
  EXPECT_EQ(Brief(Compared(28)), "satisfied 5/5") << "four after an hour, attic's after a day";
  EXPECT_EQ(Brief(Compared(28, 1)), "satisfied 1/5") << "six requests are too few to say anything";
}

TEST(ComparisonTest, AVerdictThatCameTooLateMisses) {
  EXPECT_EQ(Brief(Compared(29)), "satisfied 5/6") << "the collector was away, but of six one may miss";
  EXPECT_EQ(Brief(Compared(kLastDay)), "not_satisfied 5/7");
}

TEST(ComparisonTest, TheDocumentedSqlGivesTheNumbersOfTheExplanation) {
  OrganizationRun& world = DeployingWorld();
  const auto rows = RunSql(world.path(), SqlBelow("REL-002").at(0), world.clock().Now());
  EXPECT_EQ(rows.at(0).at("compared"), "5");
  EXPECT_EQ(rows.at(0).at("due"), "7");
  EXPECT_EQ(rows.at(0).at("too_few"), "1");
  std::vector<std::string> lines;
  for (const SqlRow& row : RunSql(world.path(), SqlBelow("REL-002").at(1), world.clock().Now())) {
    lines.push_back(row.at("key") + " " + row.at("minutes") + " " + row.at("after_minutes") + " " + row.at("verdict"));
  }
  ASSERT_GE(lines.size(), 9u);
  EXPECT_EQ(lines[0], "default/nginx 60 70 no worse");
  EXPECT_EQ(lines[1], "default/nginx 1440 1450 no worse");
  EXPECT_THAT(lines, testing::Contains("default/attic 1440 1450 too few samples"));
  EXPECT_THAT(lines, testing::Not(testing::Contains(StartsWith("default/attic 60"))));
}

Finding Newcomers(int day) {
  return FindingOf(DeployingWorld().OfDay(day), "IMP-101", 1, "Example Ltd");
}

TEST(NewcomerTest, NewApplicationsAreToBeTimedWithinAWeekOfTheirFirstRequest) {
  EXPECT_EQ(Brief(Newcomers(8)), "not_applicable") << "what ran when its host came is not new";
  EXPECT_EQ(Brief(Newcomers(9)), "satisfied 1/1") << "fresh at once";
  EXPECT_EQ(Brief(Newcomers(18)), "satisfied 1/1") << "dark has a day left";
  EXPECT_EQ(Brief(Newcomers(19)), "not_satisfied 1/2");
  const auto rows = RunSql(DeployingWorld().path(), SqlBelow("IMP-101").at(2), DeployingWorld().clock().Now());
  EXPECT_EQ(rows.at(0).at("timed"), "1");
  EXPECT_EQ(rows.at(0).at("used"), "2");
}

// A collector whose first agent comes on its second day.
OrganizationRun& EmptyWorld() {
  static OrganizationRun* const world = [] {
    auto* const made = new OrganizationRun(
        {{.name = "web", .address = "10.3.0.1", .lives = {.from = At(1)}, .applications = {{.name = "nginx"}}}},
        WorldPath("empty_world"));
    made->RateAtNoon();
    made->LiveUntil(At(1, 12, 10));
    return made;
  }();
  return *world;
}

TEST(ReleaseSourceTest, BeforeTheFirstAgentThereIsNoSource) {
  for (const auto& [activity, reason] :
       {std::pair("DEP-001", "deployments are not recorded"), std::pair("REL-002", "deployments are not recorded"),
        std::pair("IMP-101", "new versions and their first response times are not recorded")}) {
    const Finding before = FindingOf(EmptyWorld().AtNoon(0), activity, 0, "Example Ltd");
    EXPECT_EQ(Brief(before), "no_source") << activity;
    EXPECT_EQ(before.reason, reason);
    EXPECT_EQ(RowOf(EmptyWorld().AtNoon(0), activity).status, "no_source") << activity;
    EXPECT_EQ(Brief(FindingOf(EmptyWorld().AtNoon(1), activity, 0, "Example Ltd")), "not_applicable") << activity;
  }
  EXPECT_EQ(Brief(FindingOf(EmptyWorld().AtNoon(0), "REL-002", 1, "Example Ltd")), "no_source");
  EXPECT_EQ(Brief(FindingOf(EmptyWorld().AtNoon(0), "IMP-101", 1, "Example Ltd")), "no_source");
}

}  // namespace
}  // namespace ppmm
