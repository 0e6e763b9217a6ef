// MON-004 as far as it is counted: lost samples, clocks, silences.
#include "absl/strings/match.h"
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
constexpr int kLoss = 0;
constexpr int kClocks = 1;
constexpr int kSilences = 2;
constexpr int kDeadMan = 3;

Finding Of(int criterion, const std::string& scope, int day = kLastDay) {
  return FindingOf(World().OfDay(day), "MON-004", criterion, scope);
}
std::string Clock(const std::string& host) {
  return Brief(Of(kClocks, host));
}

TEST(LossTest, WhatComesTooLateIsLost) {
  EXPECT_EQ(Of(kLoss, "Example Ltd", 5).status, "undecided");
  EXPECT_EQ(Of(kLoss, "Example Ltd", 16).status, "satisfied");
  EXPECT_EQ(*Of(kLoss, "Example Ltd", 16).numerator, 0);
  // Twelve hours of the thirteen series of one host, heard of on day 17: above one in a thousand of all.
  EXPECT_EQ(Of(kLoss, "Example Ltd", 17).status, "not_satisfied");
  EXPECT_EQ(*Of(kLoss, "Example Ltd").numerator, 12 * 60 * 6 * 13);
  EXPECT_EQ(Of(kLoss, "Example Ltd").status, "not_satisfied");
}

TEST(LossTest, TheDocumentedSqlGivesTheNumbersOfTheExplanation) {
  const SqlRow row = RunSql(World().path(), SqlBelow("MON-004").at(0), World().clock().Now()).at(0);
  const Finding finding = Of(kLoss, "Example Ltd");
  EXPECT_EQ(row.at("lost"), absl::StrCat(*finding.numerator));
  EXPECT_EQ(row.at("produced"), absl::StrCat(*finding.denominator));
  EXPECT_EQ(row.at("holds"), "0");
}

TEST(ClockTest, EachOutcomeHasItsHost) {
  EXPECT_EQ(Clock("steady"), absl::StrCat("satisfied 0/", kWindow));
  EXPECT_EQ(Clock("blunt"), absl::StrCat("not_satisfied ", kWindow, "/", kWindow)) << "three seconds ahead";
  EXPECT_EQ(Clock("late"), "undecided until 2026-02-04T06:00:00Z");
  EXPECT_EQ(Clock("10.0.0.77"), "no_source");
  EXPECT_EQ(Clock("twin"), "contradicted");
  EXPECT_EQ(Clock("lent"), absl::StrCat("satisfied 0/", kWindow));
  EXPECT_EQ(Clock("courier"), absl::StrCat("satisfied 0/", kWindow - 12 * 60)) << "a backlog says nothing of its clock";
}

TEST(ClockTest, TheDocumentedSqlGivesTheNumbersOfTheExplanation) {
  const auto rows = By("label", RunSql(World().path(), SqlBelow("MON-004").at(2), World().clock().Now()));
  int compared = 0;
  for (const auto& [label, finding] : FindingsOf(World().OfDay(kLastDay), "MON-004", kClocks)) {
    if (finding.numerator.has_value()) {
      EXPECT_EQ(absl::StrCat(*finding.numerator, "/", *finding.denominator),
                absl::StrCat(rows.at(label).at("over_1s"), "/", rows.at(label).at("known")))
          << label;
      ++compared;
    }
  }
  EXPECT_GE(compared, 9);
  EXPECT_EQ(rows.at("blunt").at("worst_seconds"), "3.0");
}

TEST(SilenceTest, NobodyNoticesWithoutAlertRules) {
  EXPECT_EQ(Of(kSilences, "Example Ltd", 4).status, "undecided") << "three minutes are no silence";
  EXPECT_EQ(Of(kSilences, "Example Ltd").status, "no_source") << "the copy that was lent fell silent on day 5";
  EXPECT_EQ(Of(kDeadMan, "Example Ltd").status, "no_source");
}

}  // namespace
}  // namespace ppmm
