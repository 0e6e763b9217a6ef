// MON-001 and MON-002: each outcome, with the number that follows from what befell the host (shared_world.cc).
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/world/documented_sql.h"
#include "tests/world/findings.h"
#include "tests/world/shared_world.h"

namespace ppmm {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Key;

constexpr int kLastDay = kWorldDays - 1;
constexpr int kWindow = 28 * 1440;

std::string Coverage(const std::string& host, int day = kLastDay) {
  return Brief(FindingOf(World().OfDay(day), "MON-001", 0, host));
}
std::string Kinds(const std::string& host, int day = kLastDay) {
  return Brief(FindingOf(World().OfDay(day), "MON-002", 0, host));
}
std::string Of(const char* status, int covered, int up) {
  return absl::StrCat(status, " ", covered, "/", up);
}

TEST(UtilizationTest, AHostWhoseSamplesAllCameIsSatisfied) {
  EXPECT_EQ(Coverage("steady"), Of("satisfied", kWindow, kWindow));
}

TEST(UtilizationTest, SilenceOfFivePercentIsNotSatisfied) {
  EXPECT_EQ(Coverage("patchy"), Of("not_satisfied", 28 * 24 * 57, kWindow));
  EXPECT_EQ(FindingOf(World().OfDay(kLastDay), "MON-001", 0, "patchy").words, "95 %: 33 h of 28 d missing");
}

TEST(UtilizationTest, AHostIsUndecidedUntilItWasSeenForSevenDays) {
  EXPECT_EQ(Coverage("late"), "undecided until 2026-02-04T06:00:00Z");
  EXPECT_EQ(Coverage("steady", 0), "undecided until 2026-01-08T00:00:00Z");
  EXPECT_EQ(Coverage("steady", 5), "undecided until 2026-01-08T00:00:00Z");
  EXPECT_EQ(Coverage("steady", 6), Of("satisfied", 7 * 1440, 7 * 1440));
}

TEST(UtilizationTest, AHostThatOnlyOthersSeeHasNoSource) {
  const Finding finding = FindingOf(World().OfDay(kLastDay), "MON-001", 0, "10.0.0.77");
  EXPECT_EQ(Brief(finding), "no_source");
  EXPECT_EQ(finding.reason, "no agent on this host");
  EXPECT_THAT(FindingsOf(World().OfDay(1), "MON-001"), testing::Not(Contains(Key("10.0.0.77"))))
      << "seen on one day only";
}

TEST(UtilizationTest, TwoMachinesWithOneIdentityAreContradictedBoth) {
  EXPECT_EQ(Coverage("twin", 4), "undecided until 2026-01-08T00:00:00Z");
  for (const int day : {5, kLastDay}) {
    for (const std::string& host : {std::string("twin"), CopyOf(World().OfDay(kLastDay), "twin")}) {
      const Finding finding = FindingOf(World().OfDay(day), "MON-001", 0, host);
      EXPECT_EQ(Brief(finding), "contradicted") << host << " on day " << day;
      EXPECT_THAT(finding.reason, HasSubstr("two agents deliver for one host id"));
    }
  }
  EXPECT_EQ(RowOf(World().OfDay(kLastDay), "MON-001").status, "contradicted");
}

TEST(UtilizationTest, ADayAfterTheCopyFellSilentOnlyItsSilenceCounts) {
  EXPECT_EQ(Coverage("lent", 5), "contradicted");
  EXPECT_EQ(Coverage(CopyOf(World().OfDay(kLastDay), "lent"), 5), "contradicted");
  EXPECT_EQ(Coverage("lent", 6), Of("satisfied", 7 * 1440, 7 * 1440));
  EXPECT_EQ(Coverage("lent"), Of("satisfied", kWindow, kWindow));
  const Finding copy = FindingOf(World().OfDay(kLastDay), "MON-001", 0, CopyOf(World().OfDay(kLastDay), "lent"));
  EXPECT_EQ(copy.status, "not_satisfied") << "a host of its own, silent ever after";
  EXPECT_LT(*copy.numerator, 60);
}

TEST(UtilizationTest, SamplesFromProvenOffTimeAreContradicted) {
  EXPECT_EQ(Coverage("liar", 7), Of("satisfied", 8 * 1440, 8 * 1440));
  for (const int day : {8, kLastDay}) {
    const Finding finding = FindingOf(World().OfDay(day), "MON-001", 0, "liar");
    EXPECT_EQ(Brief(finding), "contradicted");
    EXPECT_EQ(finding.reason, "samples came from a time in which, by its next boot, it was off");
  }
  const auto rows = RunSql(World().path(),
                           "SELECT sum(off_minutes) AS off, sum(up_minutes) AS up FROM fact_day JOIN host ON kind = 1 "
                           "AND number = key WHERE label = 'liar'",
                           World().clock().Now());
  EXPECT_EQ(rows.at(0), (SqlRow{{"off", "0"}, {"up", absl::StrCat(kWorldDays * 1440 - 10)}}))
      << "the interval is not used; ten minutes it was booting";
}

TEST(UtilizationTest, ProvenOffTimeLeavesTheDenominatorAtAnyLength) {
  // Of 28 days: 27 nights with 20 minutes off and 10 booting, one stretch of 25 hours off and 10 minutes booting, in
  // which the 28th night lies, and an hour asleep.
  constexpr int kUp = kWindow - 27 * 30 - (25 * 60 + 10) - 60;
  EXPECT_EQ(Coverage("rebooter"), Of("satisfied", kUp, kUp));
}

TEST(UtilizationTest, SamplesOfAHalfDayWithoutNetworkComeLateAndCount) {
  EXPECT_EQ(Coverage("courier"), Of("satisfied", kWindow, kWindow));
  const auto rows = RunSql(World().path(),
                           "SELECT sum(late_minutes) AS late FROM fact_day JOIN host ON kind = 1 AND number = key "
                           "WHERE label = 'courier'",
                           World().clock().Now());
  // All but those that were still fresh when the network came back, and the one that was open.
  const int late = std::atoi(rows.at(0).at("late").c_str());
  EXPECT_GT(late, 12 * 60 - 20);
  EXPECT_LE(late, 12 * 60);
}

TEST(UtilizationTest, SamplesOlderThan72HoursAreRefusedAndMissing) {
  EXPECT_EQ(Coverage("stranded"), Of("not_satisfied", kWindow - 12 * 60, kWindow));
  // Thirteen series of the host, six samples a minute each.
  EXPECT_EQ(World().agent("stranded").refused(), 12u * 60 * 6 * 13);
}

TEST(UtilizationTest, TheWorstKindDecidesTheMinute) {
  EXPECT_EQ(Coverage("halfblind"), Of("not_satisfied", kWindow - 3 * 1440, kWindow));
  const auto rows = RunSql(World().path(),
                           "SELECT sum(covered_cpu_minutes) AS cpu, sum(covered_disk_minutes) AS disk FROM fact_day "
                           "JOIN host ON kind = 1 AND number = key WHERE label = 'halfblind' AND day >= 20454 + 2",
                           World().clock().Now());
  EXPECT_EQ(rows.at(0).at("cpu"), absl::StrCat(kWindow));
  EXPECT_EQ(rows.at(0).at("disk"), absl::StrCat(kWindow - 3 * 1440));
}

TEST(UtilizationTest, TheDocumentedSqlGivesTheNumbersOfTheExplanation) {
  const std::vector<std::string> sql = SqlBelow("MON-001");
  const auto rows = By("label", RunSql(World().path(), sql.at(0), World().clock().Now()));
  int compared = 0;
  for (const auto& [label, finding] : FindingsOf(World().OfDay(kLastDay), "MON-001")) {
    if (finding.numerator.has_value()) {
      ASSERT_THAT(rows, Contains(Key(label)));
      EXPECT_EQ(absl::StrCat(*finding.numerator, "/", *finding.denominator),
                absl::StrCat(rows.at(label).at("covered"), "/", rows.at(label).at("up")))
          << label;
      EXPECT_EQ(finding.status == "satisfied", rows.at(label).at("holds") == "1") << label;
      ++compared;
    }
  }
  EXPECT_GE(compared, 8);
}

TEST(UtilizationTest, TheDocumentedSqlShowsTheOffTimes) {
  int off = 0;
  int minutes = 0;
  for (const SqlRow& row : RunSql(World().path(), SqlBelow("MON-001").at(1), World().clock().Now())) {
    if (row.contains("off_from") && row.at("label") == "rebooter") {
      off += 1;
      if (row.at("off_from") == "2026-01-11 23:30:00") {
        EXPECT_EQ(row.at("off_to"), "2026-01-13 00:30:00");
        EXPECT_EQ(row.at("why"), "journal");
      }
    } else if (row.contains("minutes_with_samples") && row.at("label") == "steady" && row.at("day") == "2026-01-30") {
      minutes = std::atoi(row.at("minutes_with_samples").c_str());
    }
  }
  EXPECT_EQ(off, 29 + 1 + 1) << "a night is inside the long stretch; one sleep";
  EXPECT_EQ(minutes, 1440);
}

TEST(KindsTest, AllKindsMovedWithSaturationIsSatisfied) {
  EXPECT_EQ(Kinds("steady"), Of("satisfied", 7, 7));
  EXPECT_EQ(Kinds("patchy"), Of("satisfied", 7, 7)) << "silence is another row's failure";
}

TEST(KindsTest, ACounterThatNeverMovesIsNotSatisfied) {
  EXPECT_EQ(Kinds("stuck"), Of("not_satisfied", 0, 7));
  EXPECT_THAT(Coverage("stuck"), Of("satisfied", kWindow, kWindow)) << "its samples came all the same";
}

TEST(KindsTest, AKindWithoutSaturationIsNotSatisfied) {
  EXPECT_EQ(Kinds("blunt"), Of("not_satisfied", 0, 7));
}

TEST(KindsTest, AKindThatFailedForThreeDaysIsNotSatisfiedUntilItWorkedForSeven) {
  EXPECT_EQ(Kinds("halfblind", 19), Of("satisfied", 7, 7));
  EXPECT_EQ(Kinds("halfblind", 22), Of("not_satisfied", 4, 7));
  EXPECT_EQ(Kinds("halfblind", 28), Of("not_satisfied", 6, 7));
  EXPECT_EQ(Kinds("halfblind", 29), Of("satisfied", 7, 7));
}

TEST(KindsTest, AHostOfLessThanADayIsUndecided) {
  EXPECT_EQ(Kinds("late", 27), "undecided until 2026-01-29T06:00:00Z");
  EXPECT_EQ(Kinds("late", 28), Of("satisfied", 2, 2));
}

TEST(KindsTest, WhoHasNoAgentHasNoSourceAndTheTwinIsContradicted) {
  EXPECT_EQ(Kinds("10.0.0.77"), "no_source");
  EXPECT_EQ(Kinds("twin"), "contradicted");
  EXPECT_EQ(Kinds(CopyOf(World().OfDay(kLastDay), "twin")), "contradicted");
  EXPECT_EQ(Kinds("lent", 5), "contradicted");
  EXPECT_EQ(Kinds("lent"), Of("satisfied", 7, 7));
}

TEST(KindsTest, TheDocumentedSqlGivesTheNumbersOfTheExplanation) {
  const auto rows = By("label", RunSql(World().path(), SqlBelow("MON-002").at(0), World().clock().Now()));
  int compared = 0;
  for (const auto& [label, finding] : FindingsOf(World().OfDay(kLastDay), "MON-002")) {
    if (finding.numerator.has_value() && rows.contains(label)) {
      EXPECT_EQ(absl::StrCat(*finding.numerator, "/", *finding.denominator),
                absl::StrCat(rows.at(label).at("complete"), "/", rows.at(label).at("days")))
          << label;
      ++compared;
    }
  }
  EXPECT_GE(compared, 9);
}

}  // namespace
}  // namespace ppmm
