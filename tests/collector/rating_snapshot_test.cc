#include "collector/rating_snapshot.h"

#include <map>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "collector/web/page.h"
#include "tests/collector/rating/world.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::shared_ptr<const RatingSnapshot> Snapshot() {
  World world(9, 5);
  world.LiveUntil(9, [](ScopeId, DayFacts&) {});
  return TakeSnapshot(TestCatalogue(), world.facts, {}, world.End() + absl::Seconds(90));
}

TEST(RatingSnapshot, AllViewsSayTheSame) {
  const std::shared_ptr<const RatingSnapshot> snapshot = Snapshot();
  const auto json = nlohmann::json::parse(snapshot->rating_json);
  EXPECT_EQ(json["level"], snapshot->level);
  EXPECT_EQ(json["provisional"]["level"], snapshot->provisional_level);
  ASSERT_EQ(snapshot->progress.size(), 6U);
  EXPECT_EQ(snapshot->progress.front().target, "2.1");
  EXPECT_NEAR(json["progress"]["2.1"]["low"].get<double>(), snapshot->progress.front().low, 1e-4);
  const auto rows = nlohmann::json::parse(snapshot->activities_json)["activities"];
  ASSERT_EQ(rows.size(), snapshot->activities.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i]["id"], snapshot->activities[i].id);
    EXPECT_EQ(rows[i]["status"], snapshot->activities[i].status);
    EXPECT_THAT(kActivityStatuses, testing::Contains(absl::string_view(snapshot->activities[i].status)));
  }
}

TEST(RatingSnapshot, TellsOneActivityAndRefusesUnknownOnes) {
  const std::shared_ptr<const RatingSnapshot> snapshot = Snapshot();
  const absl::StatusOr<std::string> known = snapshot->activity_json("MON-001");
  ASSERT_TRUE(known.ok()) << known.status();
  EXPECT_THAT(*known, HasSubstr("\"criteria\""));
  EXPECT_TRUE(absl::IsNotFound(snapshot->activity_json("MON-1").status()));
}

TEST(RatingSnapshot, FillsThePage) {
  PageData page;
  Snapshot()->fill_page(&page);
  EXPECT_EQ(page.published, "1");
  EXPECT_EQ(page.ladder.size(), 6U);
  EXPECT_EQ(page.activities.size(), 60U);
  EXPECT_THAT(page.label, Not(IsEmpty()));
  EXPECT_THAT(RenderPage(page), HasSubstr("MON-001"));
}

TEST(RatingSnapshot, EveryViewNamesTheSameCure) {
  World world(1, 2);
  world.facts.organization().confirmed_s = 0;
  for (const Source source : {Source::kDeadman, Source::kWatchdog, Source::kRoutes, Source::kRules, Source::kIncidents,
                              Source::kResponseTimes}) {
    world.facts.organization().source_since_s[static_cast<std::size_t>(source)] = 0;
  }
  world.LiveToday();
  const std::shared_ptr<const RatingSnapshot> snapshot = TakeSnapshot(TestCatalogue(), world.facts, {}, world.End());
  const auto json = nlohmann::json::parse(snapshot->rating_json);
  std::map<std::string, std::string> said;  // by activity
  for (const auto& row : json["blocking"]) {
    if (row["status"] != "undecided") {
      ASSERT_TRUE(row["cure"].is_string()) << row;
      said[row["activity"]] = row["cure"];
    }
  }
  ASSERT_GE(said.size(), 7U);
  PageData page;
  snapshot->fill_page(&page);
  EXPECT_EQ(page.blockers.size(), said.size());
  for (const PageData::Blocker& blocker : page.blockers) {
    EXPECT_EQ(blocker.cure, said[blocker.activity]) << blocker.activity;
  }
  std::map<std::string, std::set<std::string>> steps;
  const auto next = nlohmann::json::parse(snapshot->next_steps_json);
  for (const auto& act : next["next_steps"][0]["acts"]) {
    steps[act["activity"]].insert(act["cure"].get<std::string>());
  }
  for (const auto& [activity, cure] : said) {
    // One signature, asked for once, cures both.
    EXPECT_THAT(steps[activity == "INV-002" ? "INV-001" : activity], testing::Contains(cure)) << activity;
    bool explained = false;
    const auto one = nlohmann::json::parse(*snapshot->activity_json(activity));
    for (const auto& act : one["remediation"]) {
      explained = explained || act["cure"] == cure;
    }
    EXPECT_TRUE(explained) << activity;
  }
  EXPECT_EQ(json["waiting"]["activities"], page.waiting);
  EXPECT_EQ(json["label"], page.label);
}

TEST(LatestRating, SaysThatThereIsNoneUntilOneIsSet) {
  LatestRating latest;
  EXPECT_TRUE(absl::IsUnavailable(latest.Current().status()));
  latest.Set(Snapshot());
  ASSERT_TRUE(latest.Current().ok());
  EXPECT_EQ((*latest.Current())->level, 1);
}

}  // namespace
}  // namespace ppmm
