#include "collector/rating_snapshot.h"

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

TEST(LatestRating, SaysThatThereIsNoneUntilOneIsSet) {
  LatestRating latest;
  EXPECT_TRUE(absl::IsUnavailable(latest.Current().status()));
  latest.Set(Snapshot());
  ASSERT_TRUE(latest.Current().ok());
  EXPECT_EQ((*latest.Current())->level, 1);
}

}  // namespace
}  // namespace ppmm
