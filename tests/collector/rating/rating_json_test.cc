#include "collector/rating/rating_json.h"

#include <cstdlib>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/collector/rating/world.h"
#include "tests/testing/golden.h"

namespace ppmm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// An organization with something of everything: a young store, a silent host, one open confirmation.
World Mixed() {
  World world(9, 5);
  world.facts.organization().confirmed_s = 0;
  world.facts.organization().source_since_s[static_cast<std::size_t>(Source::kDeadman)] = 0;
  world.Change(App(5), [](Scope& scope) { scope.line_of_business = false; });
  world.LiveUntil(9, [](ScopeId id, DayFacts& facts) {
    if (id == Host(4)) {
      facts.covered_minutes = 1200;
    }
  });
  return world;
}

Rating RatingOf(const World& world) {
  return Rate(TestCatalogue(), world.facts, {}, world.End() + absl::Seconds(90));
}

std::vector<std::string> Keys(const nlohmann::ordered_json& json) {
  std::vector<std::string> keys;
  for (const auto& item : json.items()) {
    keys.push_back(item.key());
  }
  return keys;
}

TEST(RatingJsonTest, HasTheKeysOfTheContract) {
  const Rating rating = RatingOf(Mixed());
  const auto json = nlohmann::ordered_json::parse(RatingJson(rating));
  EXPECT_THAT(Keys(json),
              ElementsAre("organization", "level", "sublevel", "label", "published", "low", "high", "provisional",
                          "watch", "watch_reasons", "progress", "blocking", "waiting", "after_next", "next_steps",
                          "catalogue_digest", "snapshot_digest", "evaluated_at", "held_since"));
  EXPECT_THAT(Keys(json["provisional"]), ElementsAre("level", "sublevel", "label", "minutes"));
  EXPECT_THAT(Keys(json["progress"]), ElementsAre("2.1", "2.2", "2.3", "3", "4", "5"));
  EXPECT_THAT(Keys(json["progress"]["3"]), ElementsAre("low", "high"));
  EXPECT_THAT(Keys(json["next_steps"][0]), ElementsAre("rung", "acts"));
  const auto steps = nlohmann::ordered_json::parse(NextStepsJson(rating));
  EXPECT_THAT(Keys(steps), ElementsAre("next_steps", "waiting"));
  EXPECT_EQ(steps["waiting"], json["waiting"]);
  EXPECT_THAT(Keys(json["next_steps"][0]["acts"][0]),
              ElementsAre("activity", "act", "command", "cure", "comes_with", "role", "minutes_of_work", "missing"));
  EXPECT_THAT(Keys(json["waiting"]), ElementsAre("activities", "until"));
  EXPECT_EQ(json["level"], 1);
  EXPECT_EQ(json["sublevel"], 0);
  EXPECT_EQ(json["published"], "1");
  EXPECT_EQ(json["evaluated_at"], "2026-11-10T00:01:30Z");
}

TEST(RatingJsonTest, ListsAllSixtyActivitiesWithNullForWhatIsUnknown) {
  const auto json = nlohmann::ordered_json::parse(ActivitiesJson(RatingOf(Mixed())));
  ASSERT_EQ(json["activities"].size(), 60u);
  const auto& row = json["activities"][0];
  EXPECT_THAT(Keys(row), ElementsAre("id", "title", "level", "stage", "role", "gating", "status", "achievement",
                                     "achievement_high", "reason", "decidable_at", "evidence_age_seconds", "scopes"));
  EXPECT_THAT(Keys(row["scopes"]), ElementsAre("satisfied", "not_satisfied", "undecided", "no_source", "contradicted",
                                               "not_applicable", "exempt"));
  EXPECT_EQ(row["status"], "no_source");
  EXPECT_TRUE(row["evidence_age_seconds"].is_null());
  EXPECT_TRUE(row["decidable_at"].is_null());
  for (const auto& other : json["activities"]) {
    if (other["id"] == "MON-002") {
      EXPECT_EQ(other["evidence_age_seconds"], 90);
      EXPECT_EQ(other["achievement"], 1.0);
      EXPECT_EQ(other["scopes"]["satisfied"], 9);
    }
  }
}

TEST(RatingJsonTest, ShowsOneActivityWithItsScopesTheWorstFirst) {
  const World world = Mixed();
  const Judgement low = Judge(TestCatalogue(), world.facts, world.End(), View::kLow, true);
  const absl::StatusOr<std::string> text = ActivityJson(RatingOf(world), low, world.facts, "MON-001");
  ASSERT_TRUE(text.ok()) << text.status();
  const auto json = nlohmann::ordered_json::parse(*text);
  EXPECT_EQ(json["id"], "MON-001");
  EXPECT_THAT(std::string(json["why"]), HasSubstr("24x7"));
  const auto& criterion = json["criteria"][0];
  EXPECT_EQ(criterion["value"], 0.99);
  EXPECT_EQ(criterion["share"], 0.95);
  EXPECT_EQ(criterion["scopes_total"], 9);
  EXPECT_EQ(criterion["scopes"][0]["scope"], "host4");
  EXPECT_EQ(criterion["scopes"][0]["status"], "not_satisfied");
  EXPECT_EQ(criterion["scopes"][0]["words"], "83.3 %: 36 h of 9 d missing");
  EXPECT_EQ(criterion["scopes"][0]["numerator"], 9 * 1200);
  EXPECT_EQ(json["remediation"][0]["command"], "ppmm doctor");
}

TEST(RatingJsonTest, GivesTheFiguresSoFarOfWhatIsUndecidedWhereItsWordsDo) {
  World world(9, 5);
  world.LiveUntil(3);
  const Judgement low = Judge(TestCatalogue(), world.facts, world.End(), View::kLow, true);
  const Rating rating = RatingOf(world);
  int with_figures = 0;
  for (const ActivityStatus& row : rating.activities) {
    const auto json = nlohmann::ordered_json::parse(*ActivityJson(rating, low, world.facts, row.activity->id));
    for (const auto& criterion : json["criteria"]) {
      for (const auto& scope : criterion["scopes"]) {
        if (scope["status"] != "undecided") {
          continue;
        }
        const bool has_figures = scope["words"] != "" && scope["words"] != "none happened";
        EXPECT_EQ(scope["numerator"].is_null(), !has_figures) << row.activity->id << " " << scope;
        EXPECT_EQ(scope["denominator"].is_null(), !has_figures) << row.activity->id << " " << scope;
        ASSERT_EQ(scope["value"].is_null(), !has_figures) << row.activity->id << " " << scope;
        if (has_figures) {
          EXPECT_EQ(scope["value"], scope["numerator"].get<double>() / scope["denominator"].get<double>());
          ++with_figures;
        }
      }
    }
  }
  EXPECT_GE(with_figures, 9) << "the coverage of each host";
}

TEST(RatingJsonTest, RefusesAnUnknownActivity) {
  const World world = Mixed();
  const Judgement low = Judge(TestCatalogue(), world.facts, world.End(), View::kLow, true);
  const absl::Status status = ActivityJson(RatingOf(world), low, world.facts, "MON-999").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("INV-001, INV-002"));
}

TEST(RatingJsonTest, SurvivesNamesThatAreNotUtf8) {
  World world = Mixed();
  world.facts.organization().name = "caf\xe9";
  EXPECT_THAT(RatingJson(RatingOf(world)), HasSubstr("caf\xef\xbf\xbd"));
}

// Equal facts and time give equal bytes, also of tomorrow's build: PPMM_UPDATE_GOLDEN=1 writes the file anew.
TEST(RatingJsonTest, GivesTheBytesOfTheGoldenFile) {
  const World world = Mixed();
  const Rating rating = RatingOf(world);
  const std::string bytes = RatingJson(rating) + "\n" + ActivitiesJson(rating) + "\n" + NextStepsJson(rating) + "\n";
  World again = Mixed();
  for (const ScopeKind kind : {ScopeKind::kApplication, ScopeKind::kHost}) {
    const std::vector<Scope> scopes = again.facts.Scopes(kind);
    for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope) {
      again.facts.SetScope(*scope);  // in whatever order
    }
  }
  const Rating second = RatingOf(again);
  EXPECT_EQ(bytes, RatingJson(second) + "\n" + ActivitiesJson(second) + "\n" + NextStepsJson(second) + "\n");

  ExpectGolden("rating.json", bytes);
}

}  // namespace
}  // namespace ppmm
