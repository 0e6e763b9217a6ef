#include "collector/rating/level.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/collector/rating/world.h"

namespace ppmm {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Lives on and evaluates each day, until the end of `day`.
void LiveAndRate(World& world, LevelState& state, int& day, int until, const World::Spoil& spoil = nullptr) {
  while (day < until) {
    world.LiveUntil(++day, spoil);
    Advance(EvaluateDay(TestCatalogue(), world.facts), state);
  }
}

void SilenceHosts(ScopeId id, DayFacts& facts) {
  if (id.kind == ScopeKind::kHost) {
    facts.covered_minutes = 0;
  }
}

TEST(PromotionTest, PerfectEvidenceReaches21OnDay18AndOneRungADayAfterThat) {
  World world;
  LevelState state;
  int day = 0;
  LiveAndRate(world, state, day, 6);
  EXPECT_EQ(EvaluateDay(TestCatalogue(), world.facts).low, Rung::k1) << "7 days are not observed yet";
  LiveAndRate(world, state, day, 7);
  EXPECT_EQ(EvaluateDay(TestCatalogue(), world.facts).low, Rung::k23);
  LiveAndRate(world, state, day, 17);
  EXPECT_EQ(state.published, Rung::k1);
  LiveAndRate(world, state, day, 18);
  EXPECT_EQ(state.published, Rung::k21);
  LiveAndRate(world, state, day, 19);
  EXPECT_EQ(state.published, Rung::k22);
  LiveAndRate(world, state, day, 20);
  EXPECT_EQ(state.published, Rung::k23);
  EXPECT_EQ(state.held_since, kDay1 + 19);
  LiveAndRate(world, state, day, 40);
  EXPECT_EQ(state.published, Rung::k23) << "nothing observes level 3";
}

TEST(PromotionTest, ALevelAboveComesOnDay95) {
  LevelState state;
  for (Day day = 1; day <= 95; ++day) {
    Advance({day, day >= 84 ? Rung::k3 : day >= 7 ? Rung::k23 : Rung::k1, false, {}}, state);
    EXPECT_EQ(state.published, day >= 95   ? Rung::k3
                               : day >= 20 ? Rung::k23
                               : day >= 19 ? Rung::k22
                               : day >= 18 ? Rung::k21
                                           : Rung::k1)
        << "day " << day;
  }
}

TEST(PromotionTest, TakesTwelveOfFourteenWithTheLast) {
  LevelState state;
  for (Day day = 1; day <= 14; ++day) {
    Advance({day, day == 5 || day == 9 ? Rung::k1 : Rung::k21, false, {}}, state);
  }
  EXPECT_EQ(state.published, Rung::k21);
  LevelState last_fails;
  for (Day day = 1; day <= 14; ++day) {
    Advance({day, day == 14 ? Rung::k1 : Rung::k21, day <= 13, {}}, last_fails);
  }
  EXPECT_EQ(last_fails.published, Rung::k1);
  LevelState three_missed;
  for (Day day = 1; day <= 14; ++day) {
    Advance({day, day % 5 == 0 || day == 1 ? Rung::k1 : Rung::k21, false, {}}, three_missed);
  }
  EXPECT_EQ(three_missed.published, Rung::k1);
}

TEST(PromotionTest, AContradictionBlocksIt) {
  LevelState state;
  for (Day day = 1; day <= 30; ++day) {
    Advance({day, Rung::k23, day <= 25, {}}, state);
    EXPECT_EQ(state.published, day <= 25 ? Rung::k1 : day == 26 ? Rung::k21 : day == 27 ? Rung::k22 : Rung::k23);
  }
}

TEST(PromotionTest, APublishedDayIsNeverPublishedAgain) {
  LevelState state;
  Advance({10, Rung::k21, false, {}}, state);
  const LevelState before = state;
  Advance({10, Rung::k5, false, {}}, state);
  Advance({9, Rung::k5, false, {}}, state);
  EXPECT_EQ(state, before);
}

TEST(DemotionTest, ComesAfterSevenEvaluationsBelowTheLowerBound) {
  World world;
  LevelState state;
  int day = 0;
  LiveAndRate(world, state, day, 40);
  ASSERT_EQ(state.published, Rung::k23);
  // 28 days of which 2 are silent are 92.9 %, below the 94 % that hold; one day is 96.4 %.
  LiveAndRate(world, state, day, 41, SilenceHosts);
  EXPECT_THAT(EvaluateDay(TestCatalogue(), world.facts).below, Not(Contains(GateAt{Rung::k21, "MON-001"})));
  EXPECT_TRUE(Rate(TestCatalogue(), world.facts, state, world.End()).watch) << "at once";
  LiveAndRate(world, state, day, 47, SilenceHosts);
  EXPECT_EQ(state.published, Rung::k23);
  LiveAndRate(world, state, day, 48, SilenceHosts);
  EXPECT_EQ(state.published, Rung::k1) << "the 7th evaluation; nothing holds without utilization";
  EXPECT_EQ(state.held_since, kDay1 + 47);
}

TEST(DemotionTest, GoesToTheHighestRungThatHolds) {
  LevelState state;
  state.published = Rung::k23;
  for (Day day = 1; day <= 7; ++day) {
    Advance({day, Rung::k1, false, {{Rung::k23, "RSP-101"}}}, state);
  }
  EXPECT_EQ(state.published, Rung::k22);
}

TEST(DemotionTest, NeedsTheSameGateBelowOnDaysInARow) {
  LevelState state;
  state.published = Rung::k23;
  for (Day day = 1; day <= 60; ++day) {
    const bool good_day = day % 7 == 0;
    Advance({day, Rung::k1, false, good_day ? std::vector<GateAt>{} : std::vector<GateAt>{{Rung::k21, "MON-001"}}},
            state);
  }
  EXPECT_EQ(state.published, Rung::k23);
}

TEST(DemotionTest, WhatOnly23AsksDoesNotCost22) {
  LevelState state;
  state.published = Rung::k22;
  for (Day day = 1; day <= 20; ++day) {
    Advance({day, Rung::k22, false, {{Rung::k23, "RSP-002"}}}, state);
  }
  EXPECT_EQ(state.published, Rung::k22);
}

TEST(SupportedTest, AsksOfAllSoftwareWhat22AsksOfOffTheShelfSoftware) {
  World world;
  world.LiveUntil(10, [](ScopeId id, DayFacts& facts) {
    if (id == App(2)) {
      facts.percentile_enough_1h = 0;  // in-house
    }
  });
  const Judgement low = Judge(TestCatalogue(), world.facts, world.End(), View::kLow);
  EXPECT_EQ(Supported(low), Rung::k22);
  EXPECT_THAT(FailingGates(low, Rung::k22), IsEmpty());
  EXPECT_THAT(FailingGates(low, Rung::k23), ElementsAre("RSP-002"));
}

TEST(SupportedTest, UndecidedFailsLowAndPassesHigh) {
  World world;
  world.LiveUntil(3);
  const Rating rating = Rate(TestCatalogue(), world.facts, {}, world.End());
  EXPECT_EQ(rating.low, Rung::k1);
  EXPECT_EQ(rating.high, Rung::k23);
  EXPECT_EQ(rating.provisional.rung, Rung::k23);
}

TEST(SupportedTest, Level3NeedsItsGatesObserved) {
  Judgement judgement;
  const Catalogue& catalogue = TestCatalogue();
  for (const Activity& activity : catalogue.activities()) {
    ActivityFinding finding;
    finding.activity = &activity;
    finding.gating = activity.gating;
    finding.achievement = kMillion;
    finding.status = Status::kSatisfied;
    finding.observed = activity.rung < Rung::k3;
    judgement.activities.push_back(finding);
  }
  EXPECT_EQ(Supported(judgement), Rung::k23) << "all empty";
  int observed = 0;
  for (ActivityFinding& row : judgement.activities) {
    if (row.activity->rung == Rung::k3 && row.gating && observed < 11) {
      row.observed = true;
      ++observed;
    }
  }
  ASSERT_EQ(observed, 11);
  EXPECT_EQ(Supported(judgement), Rung::k3) << "11 of 20";
  int poor = 0;
  for (ActivityFinding& row : judgement.activities) {
    if (row.activity->rung == Rung::k3 && !row.gating && poor < 3) {
      row.achievement = kMillion / 2 - 1;
      ++poor;
    }
  }
  EXPECT_EQ(Supported(judgement), Rung::k23) << "3 of 5 supporting rows are not half achieved";
}

TEST(RateTest, SpeaksFromTheFirstFullMinute) {
  World world(1, 2);
  world.facts.organization().confirmed_s = 0;
  world.Change(App(1), [](Scope& scope) { scope.classified = false; });
  world.Change(App(2), [](Scope& scope) { scope.classified = false; });
  world.LiveToday([](ScopeId id, DayFacts& facts) {
    if (id.kind == ScopeKind::kHost) {
      facts.up_minutes = facts.covered_minutes = facts.clock_minutes = 0;
      facts.booting_minutes = facts.booting_covered_minutes = 1;
      facts.clock_minutes = 1;
    } else if (id.kind == ScopeKind::kApplication) {
      facts.up_minutes = facts.throughput_minutes = facts.timeable_minutes = facts.timed_minutes = 1;
    } else {
      facts.routes_acknowledged = 0;
    }
  });
  const Rating rating = Rate(CompleteCatalogue(), world.facts, {}, StartOf(kDay1) + absl::Minutes(2));
  EXPECT_EQ(rating.published, Rung::k1);
  EXPECT_EQ(rating.label, "1 (observing, earliest 2.1 on 19 Nov once 2 acts are done)");
  EXPECT_EQ(rating.provisional.rung, Rung::k1);
  EXPECT_EQ(rating.provisional.minutes, 1);
  EXPECT_EQ(rating.provisional.label, "1 (after 1 min of data; 2.3 once 2 acts are done)");
  ASSERT_FALSE(rating.next_steps.empty());
  EXPECT_EQ(rating.next_steps[0].rung, Rung::k23) << "what the acts alone would give";
  ASSERT_EQ(rating.next_steps[0].acts.size(), 2u);
  EXPECT_EQ(rating.next_steps[0].acts[0].cure.command, "ppmm doctor");
  EXPECT_EQ(rating.next_steps[0].acts[0].minutes_of_work, 2);
  EXPECT_EQ(rating.next_steps[0].acts[0].role, "management");
  EXPECT_EQ(rating.next_steps[0].acts[1].activity, "ALR-002");
  EXPECT_EQ(rating.next_steps[1].rung, Rung::k3);
}

std::vector<std::string> ActivitiesWithActs(const Rating& rating) {
  std::vector<std::string> ids;
  for (const NextStep& step : rating.next_steps) {
    for (const NextAct& act : step.acts) {
      ids.push_back(act.activity);
    }
  }
  return ids;
}

const ActivityStatus& StatusOf(const Rating& rating, absl::string_view id) {
  return *std::find_if(rating.activities.begin(), rating.activities.end(),
                       [&](const ActivityStatus& status) { return status.activity->id == id; });
}

TEST(RateTest, WhatOnlyWaitsForTimeOrDataIsNoAct) {
  World world(1, 2);
  world.LiveToday([](ScopeId, DayFacts& facts) { facts = {}; });
  const Rating fresh = Rate(CompleteCatalogue(), world.facts, {}, StartOf(kDay1) + absl::Seconds(70));
  for (const char* const id : {"MON-001", "MON-002", "MON-003", "CAP-001", "RSP-001", "RSP-002", "RSP-005"}) {
    EXPECT_THAT(ActivitiesWithActs(fresh), Not(Contains(id))) << "no minute is over, and nothing is known to fail";
  }
  for (const NextStep& step : fresh.next_steps) {
    for (const NextAct& act : step.acts) {
      EXPECT_NE(act.act, "synchronize the clocks") << "they are compared minute by minute";
    }
  }
  EXPECT_EQ(StatusOf(fresh, "RSP-001").status, Status::kUndecided);
  EXPECT_THAT(StatusOf(fresh, "RSP-001").reason, EndsWith(": no full minute yet"));

  int intervals = 3;
  const auto minutes = [&](ScopeId id, DayFacts& facts) {
    if (id.kind == ScopeKind::kHost) {
      facts = {};
      facts.up_minutes = facts.covered_minutes = facts.covered_cpu_minutes = 20;
      facts.kinds_present = kCpuBit | kDiskBit;
      facts.kinds_moved = kCpuBit;
    } else if (id.kind == ScopeKind::kApplication) {
      facts = {};
      facts.up_minutes = facts.throughput_minutes = 20;
      facts.timed_requests = 1000;
      facts.in_flight_minutes = 20;
      facts.little_intervals = intervals;
    }
  };
  World later(1, 2);
  later.LiveToday(minutes);
  const absl::Time now = StartOf(kDay1) + absl::Minutes(20);
  const Rating idle = Rate(CompleteCatalogue(), later.facts, {}, now);
  EXPECT_THAT(ActivitiesWithActs(idle), Not(Contains("MON-002"))) << "its disk did not write in 20 minutes";
  EXPECT_THAT(ActivitiesWithActs(idle), Not(Contains("MON-003"))) << "nobody called it";
  EXPECT_THAT(ActivitiesWithActs(idle), Not(Contains("RSP-005"))) << "fewer than 30 intervals";
  EXPECT_THAT(StatusOf(idle, "RSP-001").reason, EndsWith(": no traffic yet"));

  intervals = 60;
  World wrong(1, 2);
  wrong.LiveToday(minutes);
  const Rating failing = Rate(CompleteCatalogue(), wrong.facts, {}, now);
  EXPECT_THAT(ActivitiesWithActs(failing), Contains("RSP-005")) << "today's evidence says that it fails";
}

TEST(RateTest, BeforeTheFirstFullMinuteNobodySaysThatThereIsNothing) {
  World world(1, 2);
  for (const std::uint32_t number : {1U, 2U}) {
    world.Change(App(number), [](Scope& scope) { scope.line_of_business = false; });
  }
  world.LiveToday([](ScopeId, DayFacts& facts) { facts = {}; });
  const Rating fresh = Rate(TestCatalogue(), world.facts, {}, StartOf(kDay1) + absl::Seconds(8));
  EXPECT_EQ(fresh.label, "1 (not known yet, first full minute at 00:01:15 UTC)");
  EXPECT_EQ(fresh.low, Rung::k1);
  EXPECT_EQ(fresh.high, Rung::k1);
  for (const char* const id : {"INV-001", "MON-003", "RSP-001", "RSP-101"}) {
    EXPECT_EQ(StatusOf(fresh, id).status, Status::kUndecided) << id;
    EXPECT_THAT(StatusOf(fresh, id).reason, HasSubstr("not known yet: no full minute is over")) << id;
    EXPECT_THAT(ActivitiesWithActs(fresh), Not(Contains(id)));
  }
  EXPECT_EQ(StatusOf(fresh, "RSP-001").decidable_at, StartOf(kDay1) + absl::Seconds(75));
  EXPECT_EQ(fresh.after_next, std::nullopt);

  World later(1, 2);
  for (const std::uint32_t number : {1U, 2U}) {
    later.Change(App(number), [](Scope& scope) { scope.line_of_business = false; });
  }
  later.LiveToday([](ScopeId id, DayFacts& facts) {
    facts = {};
    facts.up_minutes = id.kind == ScopeKind::kOrganization ? 0 : 1;
  });
  const Rating known = Rate(TestCatalogue(), later.facts, {}, StartOf(kDay1) + absl::Seconds(80));
  EXPECT_EQ(known.label, "1 (nothing to rate)");
  EXPECT_EQ(StatusOf(known, "MON-003").status, Status::kNoSource);
  EXPECT_THAT(StatusOf(known, "MON-003").reason, HasSubstr("line-of-business"));
  EXPECT_THAT(ActivitiesWithActs(known), Not(Contains("MON-003"))) << "no act of the collector's people brings calls";
  const auto row = std::find_if(known.blocking.begin(), known.blocking.end(),
                                [](const BlockingRow& blocking) { return blocking.activity == "MON-003"; });
  ASSERT_NE(row, known.blocking.end());
  EXPECT_EQ(row->cure.words, "comes when another application or host calls one");
  EXPECT_EQ(row->minutes_of_work, std::nullopt);
}

TEST(RateTest, AFreshInstallWithoutAlertingOrResponseTimesIsHonest) {
  World world(1, 2);
  world.facts.organization().confirmed_s = 0;
  world.facts.organization().source_since_s.fill(0);
  world.LiveToday([](ScopeId, DayFacts& facts) {
    facts.timed_minutes = 0;
    facts.routes = 0;
  });
  const Rating rating = Rate(TestCatalogue(), world.facts, {}, world.End());
  EXPECT_EQ(rating.high, Rung::k1) << "what has no source is no interval";
  EXPECT_EQ(rating.label, "1 (observing; 6 of the 11 activities of 2.1 come with a later version)")
      << "no date is promised that waiting does not bring";
  const auto row = [&](absl::string_view id) {
    return *std::find_if(rating.activities.begin(), rating.activities.end(),
                         [&](const ActivityStatus& status) { return status.activity->id == id; });
  };
  EXPECT_EQ(row("MON-001").status, Status::kUndecided);
  EXPECT_EQ(row("MON-001").decidable_at, StartOf(kDay1 + 7));
  EXPECT_EQ(row("INV-001").status, Status::kNoSource);
  EXPECT_THAT(row("INV-001").reason, HasSubstr("the inventory is not confirmed"));
  EXPECT_EQ(row("RSP-001").status, Status::kNoSource);
  EXPECT_EQ(row("RSP-001").reason, "no agent reports yet that could take response times");
  EXPECT_EQ(row("MON-004").status, Status::kNoSource);
  EXPECT_THAT(row("MON-004").reason, HasSubstr("no service manager's watchdog watches the collector"));
  EXPECT_EQ(row("TST-001").status, Status::kNoSource);
  EXPECT_EQ(row("TST-001").evidence_age_seconds, std::nullopt);
  EXPECT_EQ(rating.activities.size(), 60u);
}

TEST(RateTest, TellsSizeAndBasis) {
  World world(2, 3);
  world.LiveUntil(20);
  world.Change(App(3), [](Scope& scope) { scope.excluded = true; });
  LevelState state;
  state.published = Rung::k22;
  const Rating rating = Rate(TestCatalogue(), world.facts, state, world.End());
  EXPECT_EQ(rating.label, "2.2 (2 hosts, 2 applications, 1 excluded with 33 % of requests, confirmed until 30 Apr)");
}

TEST(RateTest, NamesAClassThatIsConfirmedEmpty) {
  World world(1, 1);
  world.facts.organization().no_in_house_software = true;
  world.LiveUntil(20);
  LevelState state;
  state.published = Rung::k23;
  const Rating rating = Rate(TestCatalogue(), world.facts, state, world.End());
  EXPECT_EQ(rating.low, Rung::k23);
  EXPECT_THAT(rating.label, HasSubstr("2.3, no own software (1 host, 1 application"));
  const Judgement low = Judge(TestCatalogue(), world.facts, world.End(), View::kLow);
  for (const ActivityFinding& row : low.activities) {
    EXPECT_EQ(row.gating, row.activity->id == "VND-001" ||
                              (row.activity->gating && row.activity->id != "IMP-001" && row.activity->id != "IMP-002"))
        << row.activity->id;
  }
}

TEST(RateTest, NothingPassesWhereThereIsNothingToRate) {
  World world(2, 0);
  world.LiveUntil(30);
  const Rating rating = Rate(TestCatalogue(), world.facts, {}, world.End());
  EXPECT_EQ(rating.label, "1 (nothing to rate)");
  EXPECT_EQ(rating.high, Rung::k1);
  EXPECT_EQ(rating.provisional.label, "1 (nothing to rate)");
}

TEST(RateTest, WatchesContradictions) {
  World world;
  world.LiveUntil(30);
  LevelState state;
  state.published = Rung::k23;
  EXPECT_FALSE(Rate(TestCatalogue(), world.facts, state, world.End()).watch);
  world.Change(Host(2), [](Scope& scope) { scope.contradiction = "two machines share its identity"; });
  const Rating rating = Rate(TestCatalogue(), world.facts, state, world.End());
  EXPECT_TRUE(rating.watch);
  EXPECT_THAT(rating.watch_reasons, Contains("host2: two machines share its identity"));
  EXPECT_TRUE(EvaluateDay(TestCatalogue(), world.facts).contradicted);
}

TEST(RateTest, HostsThatAContradictionSharesStandInOneSentence) {
  World world(12);
  world.LiveUntil(30);
  LevelState state;
  state.published = Rung::k23;
  for (std::uint32_t i = 1; i <= 12; ++i) {
    world.Change(Host(i), [](Scope& scope) { scope.contradiction = "its clock is off"; });
  }
  world.Change(Host(2), [](Scope& scope) { scope.contradiction = "two machines share its identity"; });
  const Rating rating = Rate(TestCatalogue(), world.facts, state, world.End());
  EXPECT_THAT(rating.watch_reasons, Contains("host2: two machines share its identity"));
  EXPECT_THAT(rating.watch_reasons,
              Contains("host1, host10, host11, host12, host3, host4, host5, host6 and 3 more: its clock is off"));
}

TEST(RateTest, ListsWhatBlocksTheNextRungAndWhatOnlyWaits) {
  World world;
  world.facts.organization().confirmed_s = 0;
  world.LiveUntil(2);
  const Rating rating = Rate(TestCatalogue(), world.facts, {}, world.End());
  ASSERT_FALSE(rating.blocking.empty());
  EXPECT_EQ(rating.blocking[0].activity, "INV-001");
  EXPECT_EQ(rating.blocking[0].status, Status::kNoSource);
  EXPECT_EQ(rating.blocking[0].minutes_of_work, 2);
  EXPECT_EQ(rating.blocking[0].cure.command, "");
  EXPECT_EQ(rating.blocking[0].cure.words, "later, with confirmations; today: declare in inventory.yaml");
  EXPECT_EQ(rating.blocking.back().status, Status::kUndecided);
  EXPECT_EQ(rating.blocking.back().minutes_of_work, std::nullopt);
}

TEST(RateTest, WhatCanBeDoneTodayComesBeforeWhatALaterVersionBrings) {
  World world(1, 2);
  world.facts.organization().confirmed_s = 0;
  for (const Source source : {Source::kDeadman, Source::kWatchdog, Source::kRoutes, Source::kRules}) {
    world.facts.organization().source_since_s[static_cast<std::size_t>(source)] = 0;
  }
  world.LiveToday();
  const Rating rating = Rate(TestCatalogue(), world.facts, {}, world.End());
  ASSERT_FALSE(rating.blocking.empty());
  EXPECT_EQ(rating.blocking[0].activity, "MON-004");
  EXPECT_EQ(rating.blocking[0].cure.words, "docs/operations.md, Install") << "one host: its watchdog";
  EXPECT_EQ(rating.blocking[1].cure.command, "");
  for (const NextStep& step : rating.next_steps) {
    EXPECT_TRUE(std::is_sorted(step.acts.begin(), step.acts.end(), [](const NextAct& a, const NextAct& b) {
      return a.comes_with.empty() && !b.comes_with.empty();
    })) << RungName(step.rung);
  }
  ASSERT_FALSE(rating.next_steps.empty());
  EXPECT_EQ(rating.next_steps[0].acts[0].activity, "MON-004");
}

TEST(RateTest, WithSeveralHostsTheDeadManWaitsForAlerting) {
  World world(2, 2);
  world.facts.organization().source_since_s[static_cast<std::size_t>(Source::kDeadman)] = 0;
  world.LiveUntil(10);
  const Rating rating = Rate(CompleteCatalogue(), world.facts, {}, world.End());
  EXPECT_EQ(rating.label, "1 (observing; 1 of the 11 activities of 2.1 comes with a later version)");
  const Rating today = Rate(TestCatalogue(), world.facts, {}, world.End());
  const auto row = std::find_if(today.blocking.begin(), today.blocking.end(),
                                [](const BlockingRow& blocking) { return blocking.activity == "MON-004"; });
  ASSERT_NE(row, today.blocking.end());
  EXPECT_EQ(row->cure.words, "later, with alerting");
}

TEST(RateTest, ARowIsCuredByWhatItsReasonIsAbout) {
  World world(2, 2);
  world.LiveUntil(10, [](ScopeId id, DayFacts& facts) {
    if (id == Host(2)) {
      facts.clock_over_1s_minutes = 1440;
    }
  });
  const Rating rating = Rate(TestCatalogue(), world.facts, {}, world.End());
  ASSERT_FALSE(rating.blocking.empty());
  EXPECT_EQ(rating.blocking[0].activity, "MON-004");
  EXPECT_EQ(rating.blocking[0].status, Status::kNotSatisfied);
  EXPECT_EQ(rating.blocking[0].cure.words, "ppmm doctor") << "its clock, not its watchdog";
  EXPECT_EQ(rating.label, "1 (2 hosts, 2 applications, confirmed until 30 Apr)");
}

TEST(RateTest, CountsWhatWaitsForTimeOnceForEveryView) {
  World world;
  world.LiveUntil(2);
  const Rating rating = Rate(TestCatalogue(), world.facts, {}, world.End());
  int undecided = 0;
  absl::Time last = absl::InfinitePast();
  for (const ActivityStatus& row : rating.activities) {
    undecided += row.status == Status::kUndecided ? 1 : 0;
    last = std::max(last, row.decidable_at);
  }
  EXPECT_GT(undecided, 0);
  EXPECT_EQ(rating.waiting.count, undecided) << "supporting rows too";
  EXPECT_EQ(rating.waiting.until, last);
  EXPECT_EQ(rating.waiting.until, StartOf(kDay1 + 56)) << "the history of MON-005";
}

TEST(RateTest, TellsInOneLineWhatTheRungAfterTheNextAsks) {
  World world(2, 6);
  world.LiveUntil(2, [](ScopeId id, DayFacts& facts) {
    if (id == App(3)) {
      facts.timed_minutes = 0;
    }
  });
  LevelState state;
  const auto after = [&] { return Rate(TestCatalogue(), world.facts, state, world.End()).after_next; };
  ASSERT_TRUE(after().has_value());
  EXPECT_EQ(after()->rung, Rung::k22);
  EXPECT_EQ(after()->activity, "RSP-001");
  EXPECT_EQ(after()->words, "Response-time distributions of every off-the-shelf application: 2 of 3 applications now");
  world.facts.organization().source_since_s[static_cast<std::size_t>(Source::kRules)] = 0;
  EXPECT_THAT(after()->words, HasSubstr(": 2 of 3 applications now; and 1 activity more"));
  state.published = Rung::k21;
  EXPECT_EQ(after()->rung, Rung::k23);
  state.published = Rung::k4;
  EXPECT_FALSE(after().has_value());
}

TEST(RateTest, ProgressSpansWhatIsUndecided) {
  World world;
  world.LiveUntil(2);
  const Rating rating = Rate(TestCatalogue(), world.facts, {}, world.End());
  const Interval progress = rating.progress[static_cast<std::size_t>(Rung::k21)];
  EXPECT_LT(progress.low, progress.high);
  EXPECT_EQ(progress.high, kMillion);
  EXPECT_EQ(rating.progress[static_cast<std::size_t>(Rung::k4)].high, 0) << "no source is 0 in both bounds";
}

TEST(RateTest, EarliestDateCountsEvaluationsThatAlreadyPassed) {
  World world;
  LevelState state;
  int day = 0;
  LiveAndRate(world, state, day, 16);
  const Rating rating = Rate(TestCatalogue(), world.facts, state, world.End() + absl::Minutes(10));
  // Day 18 is 18 November; it is published as the 19th begins.
  EXPECT_EQ(rating.label, "1 (observing, earliest 2.1 on 19 Nov)");
}

}  // namespace
}  // namespace ppmm
