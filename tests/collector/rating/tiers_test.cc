#include "collector/rating/tiers.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/collector/rating/world.h"

namespace ppmm {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Day kDay = kDay1 + 5;

class TiersTest : public ::testing::Test {
 protected:
  void Add(std::uint32_t number, std::int64_t requests, std::int64_t cpu_us, bool line_of_business = true) {
    Scope scope;
    scope.id = App(number);
    scope.label = absl::StrCat("app", number);
    scope.line_of_business = line_of_business;
    facts_.SetScope(scope);
    DayFacts day;
    day.requests = requests;
    day.cpu_us = cpu_us;
    ASSERT_TRUE(facts_.Replace(App(number), kDay, nullptr, day).ok());
  }
  std::vector<std::uint32_t> Draw(const std::set<std::uint32_t>& declared = {}) {
    std::vector<std::uint32_t> numbers;
    for (const Tier1Member& member : DrawTier1(facts_, declared)) {
      numbers.push_back(member.application);
    }
    return numbers;
  }

  Facts facts_{kDay};
};

TEST_F(TiersTest, WhoHasAFifthOfRequestsOrCpuTimeIsIn) {
  Add(1, 20, 0);
  Add(2, 19, 0);
  Add(3, 61, 0);
  Add(4, 0, 20);
  Add(5, 0, 80);
  EXPECT_THAT(Draw(), ElementsAre(1, 3, 4, 5));
  EXPECT_THAT(DrawTier1(facts_, {}),
              ElementsAre(Tier1Member{1, "20 % of requests"}, Tier1Member{3, "61 % of requests"},
                          Tier1Member{4, "20 % of CPU time"}, Tier1Member{5, "80 % of CPU time"}));
}

TEST_F(TiersTest, TheBusiestFillItUpToATenth) {
  for (std::uint32_t number = 1; number <= 21; ++number) {
    Add(number, 100 + number % 20, 0);  // nobody has a fifth
  }
  EXPECT_THAT(Draw(), ElementsAre(17, 18, 19)) << "a tenth of 21, rounded up";
  EXPECT_THAT(Draw({2}), ElementsAre(2, 18, 19));
  EXPECT_THAT(Draw({2, 4, 6, 8}), ElementsAre(2, 4, 6, 8)) << "what is declared is in, however many";
}

TEST_F(TiersTest, EquallyBusyOnesGoByLabel) {
  for (const std::uint32_t number : {3u, 1u, 2u}) {
    Add(number, 0, 0);
  }
  EXPECT_THAT(Draw(), ElementsAre(1)) << "also when nothing was counted";
}

TEST_F(TiersTest, OnlyWhatIsRatedIsDrawn) {
  EXPECT_THAT(Draw(), IsEmpty());
  Add(1, 1000, 1000, /*line_of_business=*/false);
  EXPECT_THAT(Draw(), IsEmpty());
  Add(2, 1, 1);
  EXPECT_THAT(Draw(), ElementsAre(2)) << "its share is of what is rated";
  EXPECT_THAT(Draw({1}), ElementsAre(2));
}

TEST_F(TiersTest, IsDrawnFirstOfAllAndOnTheFirstOfAMonth) {
  EXPECT_TRUE(Tier1IsDue(kDay1 + 12, std::nullopt));
  EXPECT_FALSE(Tier1IsDue(kDay1 + 13, kDay1 + 12));
  EXPECT_FALSE(Tier1IsDue(kDay1 + 29, kDay1 + 12)) << "30 November";
  EXPECT_TRUE(Tier1IsDue(kDay1 + 30, kDay1 + 12)) << "1 December";
  EXPECT_FALSE(Tier1IsDue(kDay1 + 30, kDay1 + 30)) << "once";
}

TEST_F(TiersTest, AHostTakesTheHighestOfItsApplications) {
  Add(1, 1, 1);
  Add(2, 1, 1);
  Add(3, 1, 1, /*line_of_business=*/false);
  for (std::uint32_t number = 1; number <= 4; ++number) {
    Scope host;
    host.id = Host(number);
    facts_.SetScope(host);
  }
  ApplyTiers({1}, {{1, {1}}, {2, {1, 2}}, {3, {3}}}, facts_);
  EXPECT_EQ(facts_.Find(App(1))->tier, 1);
  EXPECT_EQ(facts_.Find(App(2))->tier, 2);
  EXPECT_EQ(facts_.Find(Host(1))->tier, 1);
  EXPECT_EQ(facts_.Find(Host(2))->tier, 2);
  EXPECT_EQ(facts_.Find(Host(3))->tier, 3) << "what is not rated lifts nobody";
  EXPECT_EQ(facts_.Find(Host(4))->tier, 3);
  ApplyTiers({}, {}, facts_);
  EXPECT_EQ(facts_.Find(Host(1))->tier, 3);
}

}  // namespace
}  // namespace ppmm
