// MON-003: each outcome, with the number that follows from what befell the application (shared_world.cc).
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/world/documented_sql.h"
#include "tests/world/findings.h"
#include "tests/world/shared_world.h"

namespace ppmm {
namespace {

constexpr int kLastDay = kWorldDays - 1;
constexpr int kWindow = 28 * 1440;

std::string Throughput(const std::string& application) {
  return Brief(FindingOf(World().OfDay(kLastDay), "MON-003", 0, application));
}
std::string Moved(const std::string& application) {
  return Brief(FindingOf(World().OfDay(kLastDay), "MON-003", 1, application));
}
std::string Of(const char* status, int counted, int up) {
  return absl::StrCat(status, " ", counted, "/", up);
}

TEST(ThroughputTest, CountedAllTheTimeIsSatisfiedAndMarkedCoarse) {
  for (const char* application : {"shop", "postgresql"}) {
    EXPECT_EQ(Throughput(application), Of("satisfied", kWindow, kWindow));
    EXPECT_EQ(Moved(application), Of("satisfied", 28, 1));
    EXPECT_THAT(FindingOf(World().OfDay(kLastDay), "MON-003", 0, application).words,
                testing::HasSubstr("by connections or bytes"));
  }
}

TEST(ThroughputTest, AnAgentThatIsDownCostsTheApplicationToo) {
  EXPECT_EQ(Throughput("mailer"), Of("not_satisfied", 28 * 24 * 57, kWindow));
  EXPECT_EQ(Moved("mailer"), Of("satisfied", 28, 1));
}

TEST(ThroughputTest, ACounterThatNeverMovesIsNotSatisfied) {
  EXPECT_EQ(Throughput("idle"), Of("satisfied", kWindow, kWindow));
  EXPECT_EQ(Moved("idle"), Of("not_satisfied", 0, 1));
}

TEST(ThroughputTest, ANewApplicationIsUndecided) {
  EXPECT_EQ(Throughput("newborn"), "undecided until 2026-02-04T06:01:00Z");
  EXPECT_EQ(Moved("newborn"), "undecided until 2026-02-04T06:01:00Z");
}

TEST(ThroughputTest, AnApplicationWhoseSocketsNobodySeesHasNoSource) {
  const Finding finding = FindingOf(World().OfDay(kLastDay), "MON-003", 0, "mute");
  EXPECT_EQ(Brief(finding), "no_source");
  EXPECT_EQ(finding.reason, "no requests, connections or bytes of it are counted");
  EXPECT_EQ(Moved("mute"), "no_source");
}

TEST(ThroughputTest, TheRowIsThatOfItsWorstApplication) {
  const RowFinding row = RowOf(World().OfDay(kLastDay), "MON-003");
  EXPECT_EQ(row.status, "not_satisfied");
  EXPECT_THAT(row.reason,
              testing::StartsWith("2 of 5 applications miss, 1 of them in tier 1 (allowed: 0); worst mailer: 95 %"));
}

TEST(ThroughputTest, TheDocumentedSqlGivesTheNumbersOfTheExplanation) {
  const auto rows = By("key", RunSql(World().path(), SqlBelow("MON-003").at(0), World().clock().Now()));
  const auto moved = FindingsOf(World().OfDay(kLastDay), "MON-003", 1);
  int compared = 0;
  for (const auto& [label, finding] : FindingsOf(World().OfDay(kLastDay), "MON-003", 0)) {
    if (finding.numerator.has_value()) {
      const SqlRow& row = rows.at(absl::StrCat("default/", label));
      EXPECT_EQ(absl::StrCat(*finding.numerator, "/", *finding.denominator),
                absl::StrCat(row.at("counted"), "/", row.at("up")))
          << label;
      EXPECT_EQ(absl::StrCat(*moved.at(label).numerator), row.at("days_moved")) << label;
      ++compared;
    }
  }
  EXPECT_GE(compared, 4);
}

TEST(ThroughputTest, ThePooledMinutesAddUpToTheFactsOfTheDay) {
  // Two connections in each step of ten seconds.
  int compared = 0;
  for (const SqlRow& row : RunSql(World().path(), SqlBelow("MON-003").at(1), World().clock().Now())) {
    if (row.at("key") == "default/shop" && row.at("day") < "2026-01-31") {
      EXPECT_EQ(row.at("connections"), absl::StrCat(2 * 6 * 1440)) << row.at("day");
      ++compared;
    }
  }
  EXPECT_EQ(compared, kWorldDays);
  const auto facts =
      RunSql(World().path(),
             "SELECT count(*) AS days, min(connections) AS least, max(connections) AS most FROM fact_day "
             "JOIN application a ON kind = 2 AND number = a.id WHERE a.key = 'default/shop'",
             World().clock().Now());
  EXPECT_EQ(facts.at(0), (SqlRow{{"days", "30"}, {"least", "17280"}, {"most", "17280"}}));
}

}  // namespace
}  // namespace ppmm
