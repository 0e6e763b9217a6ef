#include "collector/rating/judge.h"

#include <algorithm>
#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "collector/rating/level.h"
#include "tests/collector/rating/world.h"
#include "tests/testing/random.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;

ActivityFinding Row(const World& world, absl::string_view id, View view = View::kLow) {
  const Judgement judgement = Judge(TestCatalogue(), world.facts, world.End(), view);
  return *std::find_if(judgement.activities.begin(), judgement.activities.end(),
                       [&](const ActivityFinding& finding) { return finding.activity->id == id; });
}

// Half of the minutes of these hosts are silent.
World::Spoil HalfSilent(std::uint32_t from, std::uint32_t to) {
  return [from, to](ScopeId id, DayFacts& facts) {
    if (id.kind == ScopeKind::kHost && id.number >= from && id.number <= to) {
      facts.covered_minutes = 720;
    }
  };
}

int Count(const ActivityFinding& finding, Status status) {
  return finding.criteria[0].scopes[static_cast<std::size_t>(status)];
}

// ---- counting
// --------------------------------------------------------------------------------------------------------

TEST(AllowancesTest, AreOneFromEightScopesOnThenAShare) {
  EXPECT_EQ(AllowedMisses(7, 950'000), 0);
  EXPECT_EQ(AllowedMisses(8, 950'000), 1);
  EXPECT_EQ(AllowedMisses(39, 950'000), 1);
  EXPECT_EQ(AllowedMisses(40, 950'000), 2);
  EXPECT_EQ(AllowedMisses(412, 950'000), 20);
  EXPECT_EQ(AllowedMisses(100, 850'000), 15);
  EXPECT_EQ(AllowedTier1Misses(49), 0);
  EXPECT_EQ(AllowedTier1Misses(50), 1);
  EXPECT_EQ(AllowedExemptions(19), 0);
  EXPECT_EQ(AllowedExemptions(20), 1);
}

TEST(EventsPassTest, AllowsWhatChanceExplains) {
  // Model section 13.3: at 70 % 1 of 1-2, 2 of 3-5; at 90 % 1 of 3-8; at 95 % 1 of 5-16.
  const auto most = [](std::int64_t n, std::int64_t share) {
    std::int64_t misses = 0;
    while (misses < n && EventsPass(misses + 1, n, share)) {
      ++misses;
    }
    return misses;
  };
  for (std::int64_t n = 1; n <= 2; ++n) {
    EXPECT_EQ(most(n, 700'000), 1) << n;
  }
  for (std::int64_t n = 3; n <= 5; ++n) {
    EXPECT_EQ(most(n, 700'000), 2) << n;
  }
  EXPECT_EQ(most(6, 700'000), 3);
  for (std::int64_t n = 1; n <= 9; ++n) {
    EXPECT_EQ(most(n, 900'000), n < 3 ? 0 : n < 9 ? 1 : 2) << n;
  }
  for (std::int64_t n = 1; n <= 17; ++n) {
    EXPECT_EQ(most(n, 950'000), n < 5 ? 0 : n < 17 ? 1 : 2) << n;
  }
  EXPECT_TRUE(EventsPass(1, 1, 800'000)) << "exactly 20 %: ties pass";
  EXPECT_TRUE(EventsPass(0, 0, 900'000));
  EXPECT_FALSE(EventsPass(1, 1000, 1'000'000));
  EXPECT_TRUE(EventsPass(100'000, 1'000'000, 900'000)) << "many events";
  EXPECT_FALSE(EventsPass(101'000, 1'000'000, 900'000));
}

TEST(LowerBoundTest, IsFivePointsAQuarterOrTheValueItself) {
  Criterion criterion;
  criterion.unit = catalogue::UNIT_SHARE;
  criterion.value = 990'000;
  EXPECT_EQ(LowerBound(criterion), 940'000);
  criterion.at_least = false;
  criterion.value = 1'000;
  EXPECT_EQ(LowerBound(criterion), 2'000) << "the smaller of 5 points more and the double";
  criterion.value = 100'000;
  EXPECT_EQ(LowerBound(criterion), 150'000);
  criterion.unit = catalogue::UNIT_DAYS;
  criterion.value = 180 * kMillion;
  EXPECT_EQ(LowerBound(criterion), 225 * kMillion);
  criterion.unit = catalogue::UNIT_COUNT;
  criterion.value = kMillion;
  EXPECT_EQ(LowerBound(criterion), kMillion);
  criterion.unit = catalogue::UNIT_RATIO;
  criterion.lower_is_value = true;
  EXPECT_EQ(LowerBound(criterion), kMillion);
  EXPECT_EQ(LowerShare(950'000), 900'000);
}

TEST(AchievementTest, IsValueOverThresholdClamped) {
  Criterion criterion;
  criterion.value = 800'000;
  Measured measured;
  measured.numerator = 2;
  measured.denominator = 5;
  EXPECT_EQ(Achievement(criterion, measured), kMillion / 2);
  measured.numerator = 5;
  EXPECT_EQ(Achievement(criterion, measured), kMillion);
  criterion.at_least = false;  // (4 t - v) / 3 t
  measured.numerator = 8;      // v = 1.6 = 2 t
  EXPECT_EQ(Achievement(criterion, measured), kMillion * 2 / 3);
  measured.numerator = 100;
  EXPECT_EQ(Achievement(criterion, measured), 0);
}

// ---- shares
// ----------------------------------------------------------------------------------------------------------

TEST(ShareTest, OneMissInEightPassesAndOneInSevenDoesNot) {
  World seven(7);
  seven.LiveUntil(10, HalfSilent(2, 2));
  EXPECT_EQ(Row(seven, "MON-001").status, Status::kNotSatisfied);
  World eight(8);
  eight.LiveUntil(10, HalfSilent(2, 2));
  const ActivityFinding finding = Row(eight, "MON-001");
  EXPECT_EQ(finding.status, Status::kSatisfied);
  EXPECT_EQ(Count(finding, Status::kNotSatisfied), 1);
  EXPECT_LT(finding.achievement, kMillion);
}

TEST(ShareTest, OfUndecidedScopesTheWorstIsTheOneThatIsFurthestOff) {
  World world(3);
  world.LiveUntil(2, HalfSilent(2, 2));
  const ActivityFinding finding = Row(world, "MON-001");
  ASSERT_EQ(finding.status, Status::kUndecided);
  EXPECT_THAT(ReasonOf(finding, world.facts), testing::HasSubstr("worst host2: "));
}

TEST(ShareTest, Tier1MustPassWhole) {
  World world(40);
  world.LiveUntil(10, HalfSilent(1, 1));
  const ActivityFinding finding = Row(world, "MON-001");
  EXPECT_EQ(finding.status, Status::kNotSatisfied);
  EXPECT_EQ(finding.criteria[0].tier_1_misses, 1);
  EXPECT_EQ(ReasonOf(finding, world.facts),
            "1 of 40 hosts misses, 1 of them in tier 1 (allowed: 2); worst host1: 50 %: 5 d of 10 d missing");
}

TEST(ShareTest, Of50InTier1OneMayMissAboveItsLowerBound) {
  World world(50);
  for (std::uint32_t number = 1; number <= 50; ++number) {
    world.Change(Host(number), [](Scope& scope) { scope.tier = 1; });
  }
  const auto covered = [&](std::int64_t minutes) {
    world.NextDay();
    for (int i = 0; i < 40; ++i) {  // whole windows of it
      world.NextDay();
      world.LiveToday([&](ScopeId id, DayFacts& facts) {
        if (id == Host(7)) {
          facts.covered_minutes = minutes;
        }
      });
    }
    return Row(world, "MON-001").status;
  };
  EXPECT_EQ(covered(1400), Status::kSatisfied) << "97.2 %, between 94 and 99";
  EXPECT_EQ(covered(1300), Status::kNotSatisfied) << "90.3 %, below 94";
}

TEST(ShareTest, WeighsAchievementByTier) {
  World world(2);
  world.Change(Host(2), [](Scope& scope) { scope.tier = 3; });
  world.LiveUntil(10, [](ScopeId id, DayFacts& facts) {
    if (id == Host(2)) {
      facts.covered_minutes = 0;
    }
  });
  EXPECT_EQ(Row(world, "MON-001").achievement, 4 * kMillion / 5);
}

TEST(ExemptionTest, IsToleratedWithinItsBudgetAndNeverInTier1) {
  const auto exempt = [](World& world, std::uint32_t host, int days) {
    world.Change(Host(host), [&](Scope& scope) {
      scope.exemptions.push_back({"MON-001", absl::ToUnixSeconds(StartOf(kDay1 + days))});
    });
  };
  World world(20);
  exempt(world, 2, 60);
  world.LiveUntil(10, HalfSilent(2, 3));
  EXPECT_EQ(Row(world, "MON-001").status, Status::kNotSatisfied)
      << "the budget counts the 19 that are no misses, so the exemption is over it";
  World larger(21);
  exempt(larger, 2, 60);
  larger.LiveUntil(10, HalfSilent(2, 3));
  EXPECT_EQ(Row(larger, "MON-001").status, Status::kSatisfied);
  EXPECT_EQ(Count(Row(larger, "MON-001"), Status::kExempt), 1);
  World expired(21);
  exempt(expired, 2, 5);
  expired.LiveUntil(10, HalfSilent(2, 3));
  EXPECT_EQ(Row(expired, "MON-001").status, Status::kNotSatisfied);
  World tier_1(21);
  exempt(tier_1, 1, 60);
  tier_1.LiveUntil(10, HalfSilent(1, 1));
  EXPECT_EQ(Row(tier_1, "MON-001").status, Status::kNotSatisfied);
}

TEST(NewScopeTest, LeavesTheDenominatorForSevenDays) {
  World world(10);
  world.LiveUntil(20);
  world.Add(Host(11), "new", absl::ToUnixSeconds(StartOf(kDay1 + 19)));
  EXPECT_EQ(Row(world, "MON-001").status, Status::kSatisfied);
  EXPECT_EQ(Row(world, "MON-001").criteria[0].counted, 10);
  world.Add(Host(12), "newer", absl::ToUnixSeconds(StartOf(kDay1 + 19)));
  EXPECT_EQ(Row(world, "MON-001").criteria[0].counted, 11) << "one per ten older ones";
  // After seven days it is judged like all others.
  world.facts.RemoveScope(Host(12));
  world.LiveUntil(25, HalfSilent(11, 11));
  EXPECT_EQ(Row(world, "MON-001").criteria[0].counted, 10);
  world.LiveUntil(26, HalfSilent(11, 11));
  EXPECT_EQ(Row(world, "MON-001").criteria[0].counted, 11);
  EXPECT_EQ(Count(Row(world, "MON-001"), Status::kNotSatisfied), 1);
}

TEST(NewScopeTest, AgeFollowsMachineAndPortNotTheName) {
  World world(10);
  world.LiveUntil(20);
  world.Add(Host(11), "renamed", absl::ToUnixSeconds(StartOf(kDay1 + 19)));
  world.Change(Host(11), [](Scope& scope) { scope.aged_from_s = absl::ToUnixSeconds(StartOf(kDay1)); });
  EXPECT_EQ(Row(world, "MON-001").criteria[0].counted, 10) << "judged, and not up yet in this window";
  world.LiveUntil(21, HalfSilent(11, 11));
  EXPECT_EQ(Row(world, "MON-001").criteria[0].counted, 11);
}

// ---- classes
// ---------------------------------------------------------------------------------------------------------

TEST(OriginTest, UnknownCountsInBothClasses) {
  World world(1, 2);
  world.Change(App(1), [](Scope& scope) { scope.origin = Origin::kUnknown; });
  world.Change(App(2), [](Scope& scope) { scope.origin = Origin::kUnknown; });
  world.LiveUntil(10);
  EXPECT_EQ(Row(world, "RSP-001").criteria[0].counted, 2);
  EXPECT_EQ(Row(world, "RSP-101").criteria[0].counted, 2);
}

TEST(EmptyClassTest, LeavesTheGateOnlyWhenItIsConfirmed) {
  World world(1, 1);  // off the shelf
  world.LiveUntil(10);
  const ActivityFinding open = Row(world, "RSP-101");
  EXPECT_EQ(open.status, Status::kNoSource);
  EXPECT_FALSE(open.Passes(Rung::k23));
  EXPECT_TRUE(open.PassesAfterAct(Rung::k23));
  EXPECT_EQ(ReasonOf(open, world.facts), "no own software was found, and no confirmation says that there is none");
  world.facts.organization().no_in_house_software = true;
  EXPECT_EQ(Row(world, "RSP-101").status, Status::kNotApplicable);
  EXPECT_TRUE(Row(world, "RSP-101").Passes(Rung::k23));
}

TEST(EmptyClassTest, ASignatureDoesNotHideWhatIsFound) {
  World world(1, 2);
  world.facts.organization().no_in_house_software = true;
  world.LiveUntil(10, [](ScopeId id, DayFacts& facts) {
    if (id == App(2)) {
      facts.timed_minutes = 0;
    }
  });
  EXPECT_EQ(Row(world, "RSP-101").status, Status::kNotSatisfied);
}

TEST(PlumbingTest, OnlyLineOfBusinessIsJudged) {
  World world(1, 3);
  world.Change(App(3), [](Scope& scope) { scope.line_of_business = false; });
  world.LiveUntil(10, [](ScopeId id, DayFacts& facts) {
    if (id == App(3)) {
      facts.throughput_minutes = 0;
    }
  });
  EXPECT_EQ(Row(world, "MON-003").status, Status::kSatisfied);
  EXPECT_EQ(Row(world, "MON-003").criteria[0].counted, 2);
}

// ---- statuses of rows, and views
// -------------------------------------------------------------------------------------

TEST(StatusTest, NotSatisfiedUndecidedNoSourceAndContradictedStayApart) {
  World world(2);
  EXPECT_EQ(Row(world, "MON-001").status, Status::kUndecided);
  world.LiveUntil(10);
  EXPECT_EQ(Row(world, "MON-001").status, Status::kSatisfied);
  world.Change(Host(2), [](Scope& scope) { scope.monitored = false; });
  EXPECT_EQ(Row(world, "MON-001").status, Status::kNoSource);
  EXPECT_EQ(Row(world, "INV-001").status, Status::kNotSatisfied) << "an unmonitored host is a measured gap";
  world.Change(Host(2), [](Scope& scope) { scope.contradiction = "duplicate identity"; });
  EXPECT_EQ(Row(world, "MON-001").status, Status::kContradicted);
  World failing(2);
  failing.LiveUntil(10, HalfSilent(2, 2));
  EXPECT_EQ(Row(failing, "MON-001").status, Status::kNotSatisfied);
}

TEST(StatusTest, ARowIsAsBadAsItsWorstCriterion) {
  World world;
  world.LiveUntil(10);
  EXPECT_EQ(Row(world, "MON-004").status, Status::kSatisfied);
  world.facts.organization().source_since_s[static_cast<std::size_t>(Source::kDeadman)] = 0;
  EXPECT_EQ(Row(world, "MON-004").status, Status::kNoSource);
  EXPECT_EQ(Row(world, "MON-004").achievement, 3 * kMillion / 4);
  world.NextDay();
  world.LiveToday([](ScopeId, DayFacts& facts) { facts.samples_dropped = 100'000; });
  EXPECT_EQ(Row(world, "MON-004").status, Status::kNotSatisfied);
  EXPECT_THAT(ReasonOf(Row(world, "MON-004"), world.facts), HasSubstr("0.91 % (300000 of 33000000 samples lost)"));
}

TEST(StatusTest, OneHostMeetsSelfMonitoringWithoutAlerting) {
  const auto organization = [] {
    World world(1);
    for (const Source source : {Source::kDeadman, Source::kRules, Source::kRoutes}) {
      world.facts.organization().source_since_s[static_cast<std::size_t>(source)] = 0;
    }
    return world;
  };
  const auto live = [](World& world, int days, std::int64_t heard, std::int64_t dropped, std::int64_t silences) {
    world.LiveUntil(days, [&](ScopeId id, DayFacts& facts) {
      facts.watchdog_minutes = 1440;
      facts.watchdog_heard = heard;
      facts.samples_dropped = id == Host(1) ? dropped : 0;
      facts.silences = id == Host(1) ? silences : 0;
    });
    return Row(world, "MON-004").status;
  };
  World well = organization();
  EXPECT_EQ(live(well, 3, 1440, 0, 0), Status::kUndecided);
  EXPECT_EQ(live(well, 8, 1430, 1000, 0), Status::kSatisfied);
  World lossy = organization();
  EXPECT_EQ(live(lossy, 8, 1440, 1001, 0), Status::kNotSatisfied);
  World unheard = organization();
  EXPECT_EQ(live(unheard, 8, 1400, 0, 0), Status::kNotSatisfied);
  World silent = organization();
  EXPECT_EQ(live(silent, 8, 1440, 0, 1), Status::kNoSource);
}

TEST(StatusTest, WhatPeopleMayHaveDoneUnrecordedIsNoSource) {
  const auto warned = [](std::int64_t answered) {
    World world;
    world.LiveUntil(7);
    world.LiveUntil(8, [answered](ScopeId, DayFacts& facts) {
      facts.warnings = 4;
      facts.warnings_answered = answered;
    });
    return Row(world, "CAP-001");
  };
  EXPECT_EQ(warned(4).status, Status::kSatisfied);
  EXPECT_EQ(warned(3).status, Status::kSatisfied) << "chance explains one miss in four";
  EXPECT_EQ(warned(1).status, Status::kNoSource);
  World world;
  world.LiveUntil(8, [](ScopeId, DayFacts& facts) { facts.forecast_kinds = 0; });
  EXPECT_EQ(Row(world, "CAP-001").status, Status::kNotSatisfied) << "of what is measured nothing is forgiven";
}

TEST(StatusTest, QuietIsSatisfiedAndSaidSo) {
  World world;
  world.LiveUntil(10);
  EXPECT_EQ(Row(world, "INC-001").status, Status::kSatisfied);
  EXPECT_EQ(ReasonOf(Row(world, "INC-001"), world.facts), "quiet: none happened");
}

TEST(ViewTest, HoldUsesLowerBoundsOfValuesAndShares) {
  World world(10);
  world.LiveUntil(40, [](ScopeId, DayFacts& facts) { facts.covered_minutes = 1360; });  // 94.4 %
  EXPECT_FALSE(Row(world, "MON-001", View::kLow).Passes(Rung::k21));
  EXPECT_TRUE(Row(world, "MON-001", View::kHold).Passes(Rung::k21));
  World lower(10);
  lower.LiveUntil(40, [](ScopeId, DayFacts& facts) { facts.covered_minutes = 1350; });  // 93.75 %
  EXPECT_FALSE(Row(lower, "MON-001", View::kHold).Passes(Rung::k21));
  World share(20);
  share.LiveUntil(10, HalfSilent(2, 3));  // 90 % of hosts
  EXPECT_FALSE(Row(share, "MON-001", View::kLow).Passes(Rung::k21));
  EXPECT_TRUE(Row(share, "MON-001", View::kHold).Passes(Rung::k21));
}

TEST(ViewTest, TheConfirmationHoldsAQuarterLonger) {
  World world;
  world.LiveUntil(190);
  EXPECT_FALSE(Row(world, "INV-001", View::kLow).Passes(Rung::k21));
  EXPECT_TRUE(Row(world, "INV-001", View::kHold).Passes(Rung::k21));
  EXPECT_EQ(Row(world, "INV-001").status, Status::kNotSatisfied);
  world.LiveUntil(226);
  EXPECT_FALSE(Row(world, "INV-001", View::kHold).Passes(Rung::k21));
}

// ---- properties
// ------------------------------------------------------------------------------------------------------

// An organization in which some days of some scopes went wrong; tier 1 is as drawn, whatever is added.
void LiveAtRandom(World& world, std::mt19937_64& random, int days, std::uint32_t hosts) {
  std::vector<std::uint32_t> spoiled;
  for (std::uint32_t number = 2; number <= hosts; ++number) {
    if (Uniform(random, 1, 12) == 1) {
      spoiled.push_back(number);
    }
    if (Uniform(random, 1, 10) == 1) {
      world.Change(Host(number), [](Scope& scope) { scope.exemptions.push_back({"MON-001", INT32_MAX}); });
    }
  }
  world.LiveUntil(days, [&](ScopeId id, DayFacts& facts) {
    if (id.kind == ScopeKind::kHost && std::count(spoiled.begin(), spoiled.end(), id.number) > 0) {
      facts.covered_minutes = 700;
      facts.kinds_moved = 0;
      facts.rule_proven = 0;
    }
  });
}

TEST(JudgeProperty, UndecidedNeverPassesLowAndAlwaysPassesHigh) {
  PPMM_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 40; ++round) {
    const auto hosts = static_cast<std::uint32_t>(Uniform(random, 1, 30));
    World world(hosts, static_cast<std::uint32_t>(Uniform(random, 1, 6)));
    LiveAtRandom(world, random, static_cast<int>(Uniform(random, 1, 12)), hosts);
    const Judgement low = Judge(TestCatalogue(), world.facts, world.End(), View::kLow);
    const Judgement high = Judge(TestCatalogue(), world.facts, world.End(), View::kHigh);
    const Judgement hold = Judge(TestCatalogue(), world.facts, world.End(), View::kHold);
    for (std::size_t i = 0; i < low.activities.size(); ++i) {
      for (std::size_t c = 0; c < low.activities[i].criteria.size(); ++c) {
        const CriterionFinding& row = low.activities[i].criteria[c];
        const CriterionFinding& above = high.activities[i].criteria[c];
        EXPECT_EQ(row.passes, row.status == Status::kSatisfied || row.status == Status::kNotApplicable);
        if (row.status == Status::kUndecided) {
          EXPECT_TRUE(above.passes) << low.activities[i].activity->id;
        }
        if (row.passes) {
          EXPECT_TRUE(above.passes) << low.activities[i].activity->id;
          EXPECT_TRUE(hold.activities[i].criteria[c].passes) << low.activities[i].activity->id;
        }
        EXPECT_LE(row.achievement, above.achievement);
      }
    }
    EXPECT_LE(Supported(low), Supported(high));
    EXPECT_LE(Supported(low), Supported(hold));
  }
}

TEST(JudgeProperty, OneMoreBadScopeNeverRaises) {
  PPMM_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 120; ++round) {
    const auto hosts = static_cast<std::uint32_t>(Uniform(random, 1, 90));
    World world(hosts, 4);
    LiveAtRandom(world, random, 10, hosts);
    World worse = world;
    const bool young = Uniform(random, 0, 1) == 0;
    worse.Add(Host(hosts + 1), "bad", absl::ToUnixSeconds(StartOf(young ? kDay1 + 8 : kDay1)));
    DayFacts bad;
    bad.up_minutes = 1440;
    bad.kinds_present = kCpuBit;
    ASSERT_TRUE(worse.facts.Replace(Host(hosts + 1), worse.facts.day(), nullptr, bad).ok());
    for (const View view : {View::kLow, View::kHigh, View::kProvisional, View::kHold}) {
      if (view == View::kHigh && young) {
        continue;  // not bad there, but undecided
      }
      const Judgement before = Judge(TestCatalogue(), world.facts, world.End(), view);
      const Judgement after = Judge(TestCatalogue(), worse.facts, worse.End(), view);
      for (std::size_t i = 0; i < before.activities.size(); ++i) {
        if (after.activities[i].Passes(Rung::k5)) {
          EXPECT_TRUE(before.activities[i].Passes(Rung::k5))
              << before.activities[i].activity->id << " of " << hosts << " hosts, round " << round;
        }
      }
      EXPECT_LE(Supported(after), Supported(before));
    }
  }
}

}  // namespace
}  // namespace ppmm
