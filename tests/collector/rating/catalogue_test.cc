#include "collector/rating/catalogue.h"

#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/collector/rating/world.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;

TEST(CatalogueTest, HasTheRowsOfEditionOne) {
  const Catalogue& catalogue = TestCatalogue();
  EXPECT_EQ(catalogue.activities().size(), 60u);
  std::map<Rung, int> rows;
  int gates = 0;
  for (const Activity& activity : catalogue.activities()) {
    ++rows[activity.rung];
    gates += activity.gating ? 1 : 0;
  }
  EXPECT_EQ(gates, 48);
  EXPECT_EQ(rows, (std::map<Rung, int>{
                      {Rung::k21, 12}, {Rung::k22, 5}, {Rung::k23, 5}, {Rung::k3, 25}, {Rung::k4, 7}, {Rung::k5, 6}}));
  EXPECT_EQ(catalogue.edition(), "1.0");
  EXPECT_EQ(catalogue.digest().size(), 64u);
  EXPECT_EQ(catalogue.digest(), LoadCatalogue()->digest());
}

TEST(CatalogueTest, SaysForEachRowWhatAPersonNeeds) {
  for (const Activity& activity : TestCatalogue().activities()) {
    EXPECT_FALSE(activity.why.empty() || activity.evidence.empty() || activity.threshold.empty() ||
                 activity.window.empty() || activity.scope.empty())
        << activity.id;
    for (const Criterion& criterion : activity.criteria) {
      EXPECT_TRUE(criterion.at_least ? criterion.value > 0 : true) << activity.id;
      EXPECT_TRUE(!criterion.human || criterion.act.minutes > 0) << activity.id;
      EXPECT_TRUE(!criterion.events || criterion.unit == catalogue::UNIT_SHARE) << activity.id;
      EXPECT_TRUE(criterion.scope == ScopeKind::kOrganization || criterion.share > 0 || criterion.events ||
                  criterion.evaluator == catalogue::EVALUATOR_UNOBSERVED)
          << activity.id;
    }
    for (const Act& act : activity.remediation) {
      EXPECT_FALSE(act.what.empty() || act.role.empty()) << activity.id;
    }
  }
}

TEST(CatalogueTest, MeasuresTheRowsOfLevel2) {
  for (const Activity& activity : TestCatalogue().activities()) {
    for (const Criterion& criterion : activity.criteria) {
      if (activity.rung <= Rung::k23 && activity.gating) {
        EXPECT_NE(criterion.evaluator, catalogue::EVALUATOR_UNOBSERVED) << activity.id;
      }
    }
  }
}

TEST(CatalogueTest, FindsRowsById) {
  EXPECT_EQ(TestCatalogue().Find("MON-001")->title, "Utilization is collected around the clock");
  EXPECT_EQ(TestCatalogue().Find("MON-999"), nullptr);
}

TEST(RungTest, HasNameLevelAndSublevel) {
  EXPECT_EQ(*ParseRung("2.3"), Rung::k23);
  EXPECT_EQ(ParseRung("2").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(LevelOf(Rung::k22), 2);
  EXPECT_EQ(SublevelOf(Rung::k22), 2);
  EXPECT_EQ(LevelOf(Rung::k4), 4);
  EXPECT_EQ(SublevelOf(Rung::k4), 0);
}

catalogue::Catalogue OneRow() {
  catalogue::Catalogue schema;
  catalogue::Activity& row = *schema.add_activities();
  row.set_id("MON-001");
  row.set_title("t");
  row.set_level("2.1");
  row.set_stage(catalogue::STAGE_PLAN);
  row.set_role(catalogue::ROLE_OPERATIONS);
  row.set_kind(catalogue::KIND_MEASURED);
  catalogue::Criterion& criterion = *row.add_criteria();
  criterion.set_scope(catalogue::SCOPE_KIND_HOST);
  criterion.set_evaluator(catalogue::EVALUATOR_COVERAGE);
  criterion.set_window_days(28);
  criterion.set_bound(catalogue::BOUND_AT_LEAST);
  criterion.set_value(0.99);
  criterion.set_unit(catalogue::UNIT_SHARE);
  criterion.set_share(0.95);
  row.add_remediation()->set_what("w");
  row.mutable_remediation(0)->set_command("ppmm doctor");
  return schema;
}

TEST(CatalogueFromTest, KeepsNumbersAsMillionths) {
  const absl::StatusOr<Catalogue> catalogue = Catalogue::From(OneRow());
  ASSERT_TRUE(catalogue.ok()) << catalogue.status();
  EXPECT_EQ(catalogue->activities()[0].criteria[0].value, 990'000);
  EXPECT_EQ(catalogue->activities()[0].criteria[0].share, 950'000);
}

TEST(CatalogueFromTest, NamesTheRowThatIsWrong) {
  const auto error = [](const std::function<void(catalogue::Catalogue&)>& spoil) {
    catalogue::Catalogue schema = OneRow();
    spoil(schema);
    const absl::StatusOr<Catalogue> made = Catalogue::From(schema);
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(made.status().message());
  };
  const auto row = [](catalogue::Catalogue& schema) { return schema.mutable_activities(0); };
  EXPECT_THAT(error([&](auto& s) { row(s)->set_level("2.4"); }),
              HasSubstr("catalogue row MON-001: \"2.4\" is no rung"));
  EXPECT_THAT(error([&](auto& s) { row(s)->set_level("1"); }), HasSubstr("level 1 asks nothing"));
  EXPECT_THAT(error([&](auto& s) { row(s)->clear_stage(); }), HasSubstr("needs title, stage, role and kind"));
  EXPECT_THAT(error([&](auto& s) { row(s)->clear_criteria(); }), HasSubstr("needs a criterion"));
  EXPECT_THAT(error([&](auto& s) { row(s)->clear_remediation(); }), HasSubstr("and a remediation"));
  EXPECT_THAT(error([&](auto& s) { row(s)->mutable_remediation(0)->clear_command(); }),
              HasSubstr("the act \"w\" needs words, and a command, a guide or what it comes with"));
  EXPECT_THAT(error([&](auto& s) { *s.add_activities() = s.activities(0); }), HasSubstr("twice"));
  EXPECT_THAT(error([&](auto& s) { row(s)->mutable_criteria(0)->clear_bound(); }), HasSubstr("needs scope"));
  EXPECT_THAT(error([&](auto& s) { row(s)->mutable_criteria(0)->set_value(1.5); }), HasSubstr("above 1"));
  EXPECT_THAT(error([&](auto& s) { row(s)->mutable_criteria(0)->set_share(-1); }), HasSubstr("not between"));
  EXPECT_THAT(error([&](auto& s) { row(s)->mutable_criteria(0)->set_window_days(31); }),
              HasSubstr("no sum is kept for hosts over 31 days"));
  EXPECT_THAT(error([&](auto& s) { row(s)->mutable_criteria(0)->set_scope(catalogue::SCOPE_KIND_RELEASE); }),
              HasSubstr("releases"));
  EXPECT_THAT(error([&](auto& s) { row(s)->mutable_criteria(0)->set_from_level("9"); }), HasSubstr("no rung"));
  EXPECT_THAT(error([&](auto& s) { row(s)->mutable_criteria(0)->set_evaluator(catalogue::EVALUATOR_UNOBSERVED); }),
              HasSubstr("missing"));
}

}  // namespace
}  // namespace ppmm
