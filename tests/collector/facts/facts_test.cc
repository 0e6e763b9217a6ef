#include "collector/facts/facts.h"

#include <map>
#include <utility>

#include "gtest/gtest.h"

namespace ppmm {
namespace {

constexpr Day kToday = 20000;
constexpr ScopeId kWeb{ScopeKind::kHost, 1};
constexpr ScopeId kShop{ScopeKind::kApplication, 3};

Scope Named(ScopeId id, absl::string_view label) {
  Scope scope;
  scope.id = id;
  scope.label = std::string(label);
  return scope;
}

DayFacts Covered(std::int64_t up, std::int64_t covered) {
  DayFacts facts;
  facts.up_minutes = up;
  facts.covered_minutes = covered;
  return facts;
}

// Keeps days, as the store does.
class Days {
 public:
  void Put(Facts& facts, ScopeId scope, Day day, const DayFacts& after) {
    const auto found = days_.find({day, scope});
    const absl::Status status = facts.Replace(scope, day, found == days_.end() ? nullptr : &found->second, after);
    ASSERT_TRUE(status.ok()) << status;
    days_[{day, scope}] = after;
  }
  void Advance(Facts& facts, Day day) {
    facts.AdvanceTo(day, [this](Day leaving, Facts::Visit visit) {
      ++reads_;
      for (auto row = days_.lower_bound({leaving, kOrganizationScope});
           row != days_.end() && row->first.first == leaving; ++row) {
        visit(row->first.second, row->second);
      }
    });
  }
  int reads() const { return reads_; }

 private:
  std::map<std::pair<Day, ScopeId>, DayFacts> days_;
  int reads_ = 0;
};

TEST(FactsTest, SumsTheDaysOfAWindow) {
  Facts facts(kToday);
  facts.SetScope(Named(kWeb, "web"));
  Days days;
  for (Day day = kToday - 40; day <= kToday; ++day) {
    days.Put(facts, kWeb, day, Covered(1440, 1430));
  }
  EXPECT_EQ(facts.Get(kWeb, Sum::kUpMinutes, 28), 28 * 1440);
  EXPECT_EQ(facts.Get(kWeb, Sum::kCoveredMinutes, 28), 28 * 1430);
  EXPECT_EQ(facts.Get(kWeb, Sum::kSeenDays, 7), 7);
  EXPECT_EQ(facts.Get(kWeb, Sum::kLongDays, 7), 0) << "no single kind was covered for an hour";
}

TEST(FactsTest, ReplacesADayThatLateDataChanged) {
  Facts facts(kToday);
  facts.SetScope(Named(kWeb, "web"));
  Days days;
  days.Put(facts, kWeb, kToday - 1, Covered(1440, 100));
  days.Put(facts, kWeb, kToday - 1, Covered(1440, 1440));
  EXPECT_EQ(facts.Get(kWeb, Sum::kCoveredMinutes, 28), 1440);
}

TEST(FactsTest, CountsTheDaysOfYesNoFacts) {
  Facts facts(kToday);
  facts.SetScope(Named(kWeb, "web"));
  Days days;
  DayFacts day = Covered(1440, 1440);
  day.kinds_present = kCpuBit | kMemoryBit | kNetworkBit;
  day.kinds_moved = kCpuBit | kMemoryBit | kNetworkBit;
  day.saturation_present = kCpuBit | kMemoryBit;
  days.Put(facts, kWeb, kToday, day);
  day.kinds_moved = kCpuBit;
  days.Put(facts, kWeb, kToday - 1, day);
  day.kinds_moved = day.kinds_present;
  day.saturation_present = kCpuBit;
  days.Put(facts, kWeb, kToday - 2, day);
  EXPECT_EQ(facts.Get(kWeb, Sum::kSeenDays, 7), 3);
  EXPECT_EQ(facts.Get(kWeb, Sum::kCompleteDays, 7), 1);
}

TEST(FactsTest, AdvancingGivesWhatBuildingAnewWouldGive) {
  std::map<Day, DayFacts> written;
  Facts moved(kToday);
  moved.SetScope(Named(kWeb, "web"));
  Days days;
  const auto put = [&](Day day) {
    written[day] = Covered(1440, day % 1000);
    days.Put(moved, kWeb, day, written[day]);
  };
  for (Day day = kToday - 95; day <= kToday; ++day) {
    put(day);
  }
  for (const Day step : {1, 1, 3, 30, 200}) {
    days.Advance(moved, moved.day() + step);
    put(moved.day());
    Facts anew(moved.day());
    anew.SetScope(Named(kWeb, "web"));
    for (auto row = written.rbegin(); row != written.rend(); ++row) {
      ASSERT_TRUE(anew.Replace(kWeb, row->first, nullptr, row->second).ok());
    }
    EXPECT_EQ(moved.Digest(), anew.Digest()) << "after a step of " << step;
  }
}

TEST(FactsTest, AStepOfOneDayReadsOneDayAWindow) {
  Facts facts(kToday);
  Days days;
  days.Advance(facts, kToday + 1);
  EXPECT_EQ(days.reads(), static_cast<int>(kWindows.size()));
  days.Advance(facts, kToday);
  EXPECT_EQ(facts.day(), kToday + 1) << "windows never go back";
}

TEST(FactsTest, RefusesWhatItCannotCount) {
  Facts facts(kToday);
  EXPECT_EQ(facts.Replace(kWeb, kToday, nullptr, {}).code(), absl::StatusCode::kNotFound);
  facts.SetScope(Named(kWeb, "web"));
  EXPECT_EQ(facts.Replace(kWeb, kToday + 1, nullptr, {}).code(), absl::StatusCode::kOutOfRange);
}

TEST(FactsTest, KeepsScopesSortedWithTheirSums) {
  Facts facts(kToday);
  Days days;
  for (const std::uint32_t number : {5U, 1U, 9U, 3U}) {
    const ScopeId id{ScopeKind::kHost, number};
    facts.SetScope(Named(id, "h"));
    days.Put(facts, id, kToday, Covered(number, 0));
  }
  facts.RemoveScope({ScopeKind::kHost, 3});
  facts.RemoveScope({ScopeKind::kHost, 4});
  facts.SetScope(Named({ScopeKind::kHost, 9}, "renamed"));
  ASSERT_EQ(facts.Scopes(ScopeKind::kHost).size(), 3u);
  for (const Scope& scope : facts.Scopes(ScopeKind::kHost)) {
    EXPECT_EQ(facts.Get(scope.id, Sum::kUpMinutes, 28), scope.id.number);
  }
  EXPECT_EQ(facts.Find({ScopeKind::kHost, 9})->label, "renamed");
  EXPECT_EQ(facts.Find({ScopeKind::kHost, 3}), nullptr);
  EXPECT_EQ(facts.Get(ScopeId{ScopeKind::kHost, 3}, Sum::kUpMinutes, 28), 0);
}

TEST(FactsTest, KeepsTheNewestDayOfTheOrganization) {
  Facts facts(kToday);
  DayFacts day;
  day.routes = 2;
  ASSERT_TRUE(facts.Replace(kOrganizationScope, kToday - 1, nullptr, day).ok());
  day.routes = 1;
  ASSERT_TRUE(facts.Replace(kOrganizationScope, kToday - 5, nullptr, day).ok());
  EXPECT_EQ(facts.latest_organization().routes, 2);
}

TEST(FactsTest, DigestFollowsEveryAttributeAndSum) {
  Facts facts(kToday);
  facts.SetScope(Named(kShop, "shop"));
  const Facts copy = facts;
  EXPECT_EQ(facts.Digest(), copy.Digest());
  EXPECT_EQ(facts.Digest().size(), 64u);
  facts.organization().retention_days = 400;
  EXPECT_NE(facts.Digest(), copy.Digest());
  Facts tier = copy;
  Scope scope = Named(kShop, "shop");
  scope.tier = 1;
  tier.SetScope(scope);
  EXPECT_NE(tier.Digest(), copy.Digest());
  Facts sums = copy;
  DayFacts day;
  day.requests = 1;
  ASSERT_TRUE(sums.Replace(kShop, kToday, nullptr, day).ok());
  EXPECT_NE(sums.Digest(), copy.Digest());
}

TEST(FactsTest, AnApplicationCostsLessThan600BytesWhateverItsHistory) {
  Facts facts(kToday);
  for (std::uint32_t number = 0; number < 4096; ++number) {
    facts.SetScope(Named({ScopeKind::kApplication, number}, "shop"));
  }
  EXPECT_LT(facts.MemoryBytes() / 4096, 600u);
}

}  // namespace
}  // namespace ppmm
