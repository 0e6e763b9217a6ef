// CAP-001: each outcome, with the number that follows from what befell the host (shared_world.cc).
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
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
constexpr int kForecasts = 0;
constexpr int kAnswers = 1;
constexpr char kDisk[] = "3";

std::string Forecasts(const std::string& host, int day = kLastDay) {
  return Brief(FindingOf(World().OfDay(day), "CAP-001", kForecasts, host));
}
Finding Answers(int day = kLastDay) {
  return FindingOf(World().OfDay(day), "CAP-001", kAnswers, "Example Ltd");
}
std::vector<SqlRow> Ask(const std::string& heading, int number, const std::string& document = "rating.md") {
  return RunSql(World().path(), SqlBelow(heading, document).at(static_cast<std::size_t>(number)),
                World().clock().Now());
}

TEST(ForecastTest, AHostWhoseResourcesAreForecastIsSatisfied) {
  EXPECT_EQ(Forecasts("steady"), "satisfied 7/1");
  EXPECT_EQ(Forecasts("neglected"), "satisfied 7/1") << "how soon it is full is not the question here";
  EXPECT_EQ(Forecasts("halfblind", 22), "satisfied 7/1")
      << "its disk was blind for three days, its file system was not";
}

TEST(ForecastTest, IsUndecidedUntilTheDayInWhichSevenDaysAreFull) {
  EXPECT_EQ(Forecasts("steady", 5), "undecided until 2026-01-08T00:00:00Z");
  EXPECT_EQ(Forecasts("steady", 6), "satisfied 1/1");
  EXPECT_EQ(Forecasts("late"), "undecided until 2026-02-05T00:00:00Z") << "it joined at six in the morning";
}

TEST(ForecastTest, AMemoryOfUnknownSizeIsNotSatisfied) {
  EXPECT_EQ(Forecasts("blunt"), "not_satisfied 0/1");
}

TEST(ForecastTest, AHostThatFellSilentIsNotSatisfied) {
  EXPECT_EQ(Forecasts(CopyOf(World().OfDay(kLastDay), "lent")), "not_satisfied 0/1");
}

TEST(ForecastTest, WhoHasNoAgentHasNoSourceAndTheTwinIsContradicted) {
  const Finding finding = FindingOf(World().OfDay(kLastDay), "CAP-001", kForecasts, "10.0.0.77");
  EXPECT_EQ(Brief(finding), "no_source");
  EXPECT_EQ(finding.reason, "no agent on this host");
  EXPECT_EQ(Forecasts("twin"), "contradicted");
  EXPECT_EQ(Forecasts(CopyOf(World().OfDay(kLastDay), "twin")), "contradicted");
  EXPECT_EQ(Forecasts("lent"), "satisfied 7/1");
  EXPECT_EQ(Forecasts("liar"), "satisfied 7/1") << "when it was off is the question of another row";
  EXPECT_EQ(RowOf(World().OfDay(kLastDay), "CAP-001").status, "contradicted");
}

TEST(WarningTest, IsUndecidedThenQuietThenAnsweredThenWithoutSource) {
  EXPECT_EQ(Brief(Answers(5)), "undecided until 2026-01-08T00:00:00Z");
  EXPECT_EQ(Brief(Answers(6)), "satisfied");
  EXPECT_EQ(Answers(6).words, "none happened");
  // Both disks are half full at the begin and reach 99 % after 49 days, so a warning begins at the end of day 19.
  EXPECT_EQ(Brief(Answers(21)), "satisfied") << "there is a week to answer it";
  EXPECT_EQ(Brief(Answers(22)), "satisfied 1/1") << "one disk was made larger";
  EXPECT_EQ(Brief(Answers(25)), "satisfied 1/1");
  EXPECT_EQ(Answers(26).status, "no_source") << "the week is over";
  EXPECT_THAT(Answers(26).reason, HasSubstr("only a change is seen as an answer"));
}

TEST(ForecastTest, TheDocumentedSqlGivesTheNumbersOfTheExplanation) {
  const std::map<std::string, SqlRow> rows = By("label", Ask("CAP-001", 0));
  int compared = 0;
  for (const auto& [label, finding] : FindingsOf(World().OfDay(kLastDay), "CAP-001", kForecasts)) {
    if (finding.numerator.has_value()) {
      ASSERT_THAT(rows, Contains(Key(label)));
      EXPECT_EQ(absl::StrCat(*finding.numerator), rows.at(label).at("days")) << label;
      EXPECT_EQ(finding.status == "satisfied", rows.at(label).at("holds") == "1") << label;
      ++compared;
    }
  }
  EXPECT_GE(compared, 10);
  EXPECT_EQ(rows.at("neglected").at("soonest_days"), "19") << "49 less the 30 days of the world";
  EXPECT_EQ(rows.at("steady").at("soonest_days"), "3650");
}

TEST(WarningTest, TheDocumentedSqlGivesTheNumbersOfTheExplanation) {
  int warnings = 0;
  int answered = 0;
  for (const SqlRow& row : Ask("CAP-001", 1)) {
    EXPECT_EQ(row.at("day"), "2026-01-20");
    warnings += std::atoi(row.at("warnings").c_str());
    answered += std::atoi(row.at("warnings_answered").c_str());
  }
  EXPECT_EQ(warnings, 2);
  EXPECT_EQ(answered, 1);
}

TEST(ForecastTest, TheDocumentedSqlFindsTheLinesThatAreStored) {
  std::map<std::pair<std::string, std::string>, std::string> soonest;  // host and kind, days
  for (const SqlRow& row : Ask("Check it by SQL", 0, "forecast.md")) {
    soonest.try_emplace({row.at("label"), row.at("kind")}, row.at("refusal").empty() ? row.at("days") : "");
  }
  EXPECT_EQ(soonest.at({"neglected", kDisk}), "19");
  EXPECT_EQ(soonest.at({"late", kDisk}), "") << "too short";
  EXPECT_EQ(soonest.count({"blunt", "2"}), 0u) << "its memory";
  int compared = 0;
  for (const SqlRow& row : Ask("Check it by SQL", 1, "forecast.md")) {
    EXPECT_EQ(row.at("days"), row.at("days_stored")) << row.at("label") << " " << row.at("kind");
    ++compared;
  }
  EXPECT_GE(compared, 50);
}

}  // namespace
}  // namespace ppmm
