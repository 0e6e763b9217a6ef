#include "collector/rating/criteria.h"

#include <string>
#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/collector/rating/world.h"

namespace ppmm {
namespace {

using State = Measured::State;

// The criterion of a row, by its evaluator.
const Criterion& Of(absl::string_view id, catalogue::Evaluator evaluator) {
  for (const Criterion& criterion : TestCatalogue().Find(id)->criteria) {
    if (criterion.evaluator == evaluator) {
      return criterion;
    }
  }
  ADD_FAILURE() << id << " has no such criterion";
  return TestCatalogue().Find(id)->criteria.front();
}

// The value with its state, like "decided 3/4", or the state with its reason.
std::string Found(const World& world, const Criterion& criterion, ScopeId scope, Basis basis = Basis::kWhole) {
  const Measured measured = Evaluate(criterion, world.facts, scope, world.End(), basis);
  const std::string value = absl::StrCat(measured.numerator, "/", measured.denominator);
  switch (measured.state) {
    case State::kDecided:
      return measured.quiet ? "quiet" : absl::StrCat("decided ", value);
    case State::kUndecided:
      return absl::StrCat("undecided until day ", DayOf(measured.until) - kDay1 + 1, ": ", measured.reason);
    case State::kNoSource:
      return absl::StrCat("no source since day ", DayOf(measured.since) - kDay1 + 1, ": ", measured.reason);
    case State::kNotApplicable:
      return absl::StrCat("not applicable: ", measured.reason);
    case State::kContradicted:
      return absl::StrCat("contradicted: ", measured.reason);
  }
  return "";
}

TEST(CoverageTest, IsTheShareOfUpMinutesSinceEnrolment) {
  const Criterion& coverage = Of("MON-001", catalogue::EVALUATOR_COVERAGE);
  World world;
  world.LiveUntil(6, [](ScopeId, DayFacts& facts) { facts.covered_minutes = 1400; });
  EXPECT_EQ(Found(world, coverage, Host(1)), "undecided until day 8: not observed for long enough");
  EXPECT_EQ(Found(world, coverage, Host(1), Basis::kCut), "decided 8400/8640");
  world.LiveUntil(7, [](ScopeId, DayFacts& facts) { facts.covered_minutes = 1400; });
  EXPECT_EQ(Found(world, coverage, Host(1)), "decided 9800/10080") << "the 7th day is over";
  world.LiveUntil(40);
  EXPECT_EQ(Found(world, coverage, Host(1)), "decided 40320/40320") << "28 days back at most";
  const Measured measured = Evaluate(coverage, world.facts, Host(1), world.End());
  EXPECT_EQ(measured.to, world.facts.day());
  EXPECT_EQ(measured.from, world.facts.day() - 27);
}

TEST(CoverageTest, CountsBootingMinutesInTheProvisionalViewOnly) {
  const Criterion& coverage = Of("MON-001", catalogue::EVALUATOR_COVERAGE);
  World world;
  world.LiveToday([](ScopeId, DayFacts& facts) {
    facts.up_minutes = facts.covered_minutes = 0;
    facts.booting_minutes = 3;
    facts.booting_covered_minutes = 2;
  });
  EXPECT_EQ(Found(world, coverage, Host(1)), "undecided until day 8: no full minute yet");
  EXPECT_EQ(Found(world, coverage, Host(1), Basis::kCut), "decided 2/3");
}

TEST(CoverageTest, KnowsHostsThatItCannotJudge) {
  const Criterion& coverage = Of("MON-001", catalogue::EVALUATOR_COVERAGE);
  World world;
  world.Change(Host(1), [](Scope& scope) { scope.agentless = true; });
  world.Change(Host(2), [](Scope& scope) { scope.monitored = false; });
  world.Change(Host(3), [](Scope& scope) { scope.contradiction = "duplicate identity"; });
  world.LiveUntil(10);
  EXPECT_EQ(Found(world, coverage, Host(1)), "not applicable: agentless");
  EXPECT_EQ(Found(world, coverage, Host(2)), "no source since day 1: no agent on this host");
  EXPECT_EQ(Found(world, coverage, Host(3)), "contradicted: duplicate identity");
}

TEST(CoverageTest, SamplesFromOffTimeContradict) {
  const Criterion& coverage = Of("MON-001", catalogue::EVALUATOR_COVERAGE);
  World world;
  world.LiveUntil(10, [](ScopeId id, DayFacts& facts) { facts.off_contradicted = id == Host(2) ? 1 : 0; });
  EXPECT_EQ(Found(world, coverage, Host(1)), "decided 14400/14400");
  EXPECT_EQ(Found(world, coverage, Host(2)),
            "contradicted: samples came from a time in which, by its next boot, it was off");
}

TEST(CoverageTest, AHostThatWasOffAllTheTimeIsNotJudged) {
  const Criterion& coverage = Of("MON-001", catalogue::EVALUATOR_COVERAGE);
  World world;
  world.LiveUntil(10, [](ScopeId, DayFacts& facts) {
    facts.up_minutes = facts.covered_minutes = 0;
    facts.off_minutes = 1440;
  });
  EXPECT_EQ(Found(world, coverage, Host(1)), "not applicable: not up in this window");
}

TEST(CoverageTest, SaysTheGapInTime) {
  const Criterion& coverage = Of("MON-001", catalogue::EVALUATOR_COVERAGE);
  World world;
  world.LiveUntil(10, [](ScopeId, DayFacts& facts) { facts.covered_minutes = 1310; });
  EXPECT_EQ(InWords(coverage, Evaluate(coverage, world.facts, Host(1), world.End())), "90.9 %: 21 h of 10 d missing");
}

TEST(KindsTest, AsksForEveryKindOnEachDayThatWasLongEnough) {
  const Criterion& kinds = Of("MON-002", catalogue::EVALUATOR_KINDS_COMPLETE);
  World world;
  world.LiveUntil(7);
  EXPECT_EQ(Found(world, kinds, Host(1)), "decided 7/7");
  world.LiveUntil(8, [](ScopeId, DayFacts& facts) { facts.kinds_moved = kCpuBit; });
  EXPECT_EQ(Found(world, kinds, Host(1)), "decided 6/7");
  world.LiveUntil(9, [](ScopeId, DayFacts& facts) {
    facts.kinds_moved = 0;
    facts.covered_cpu_minutes = facts.covered_memory_minutes = facts.covered_disk_minutes =
        facts.covered_network_minutes = 30;
  });
  EXPECT_EQ(Found(world, kinds, Host(1)), "decided 5/6") << "half an hour says nothing about a counter";
}

TEST(KindsTest, AHostWithoutADiskNeedsNone) {
  const Criterion& kinds = Of("MON-002", catalogue::EVALUATOR_KINDS_COMPLETE);
  World world;
  world.LiveUntil(3, [](ScopeId, DayFacts& facts) {
    facts.kinds_present = facts.kinds_moved = kCpuBit | kMemoryBit;
    facts.saturation_present = kCpuBit | kMemoryBit;
  });
  EXPECT_EQ(Found(world, kinds, Host(1)), "decided 3/3");
}

TEST(KindsTest, AHostThatIsSilentForDaysDoesNotPass) {
  const Criterion& kinds = Of("MON-002", catalogue::EVALUATOR_KINDS_COMPLETE);
  World world;
  world.LiveUntil(8, [](ScopeId, DayFacts& facts) {
    facts = DayFacts();
    facts.up_minutes = 1440;
  });
  EXPECT_EQ(Found(world, kinds, Host(1)), "decided 0/7");
}

TEST(ThroughputTest, IsTheShareOfUpMinutesAndMustMove) {
  const Criterion& throughput = Of("MON-003", catalogue::EVALUATOR_THROUGHPUT);
  const Criterion& moved = Of("MON-003", catalogue::EVALUATOR_THROUGHPUT_MOVED);
  World world;
  world.LiveUntil(10, [](ScopeId id, DayFacts& facts) {
    facts.throughput_minutes = 720;
    facts.throughput_coarse_minutes = id == App(2) ? 720 : 0;
    facts.throughput_moved = id == App(3) ? 0 : 1;
  });
  EXPECT_EQ(Found(world, throughput, App(1)), "decided 7200/14400");
  EXPECT_EQ(Found(world, moved, App(1)), "decided 10/1");
  EXPECT_EQ(Found(world, moved, App(3)), "decided 0/1");
  EXPECT_THAT(InWords(throughput, Evaluate(throughput, world.facts, App(2), world.End())),
              testing::HasSubstr("by connections or bytes"));
  world.Change(App(1), [](Scope& scope) { scope.monitored = false; });
  EXPECT_EQ(Found(world, throughput, App(1)), "no source since day 1: no agent sees this application");
  World unseen;
  unseen.LiveUntil(10, [](ScopeId, DayFacts& facts) { facts.throughput_minutes = facts.throughput_moved = 0; });
  const std::string nobody_counts = "no source since day 1: no requests, connections or bytes of it are counted";
  EXPECT_EQ(Found(unseen, throughput, App(1)), nobody_counts);
  EXPECT_EQ(Found(unseen, moved, App(1)), nobody_counts);
}

TEST(SelfMonitoringTest, AddsLossOverAllHosts) {
  const Criterion& loss = Of("MON-004", catalogue::EVALUATOR_LOSS);
  World world;
  EXPECT_EQ(Found(world, loss, kOrganizationScope), "no source since day 1: no sample was counted in this window");
  world.LiveUntil(7, [](ScopeId id, DayFacts& facts) {
    if (id == Host(2)) {
      facts.samples_dropped = 600;
      facts.samples_refused = 400;
    }
  });
  EXPECT_EQ(Found(world, loss, kOrganizationScope), "decided 7000/21000000");
}

TEST(SelfMonitoringTest, MeasuresClocksPerHost) {
  const Criterion& clock = Of("MON-004", catalogue::EVALUATOR_CLOCK_OFFSET);
  World world;
  world.LiveUntil(7, [](ScopeId id, DayFacts& facts) {
    facts.clock_over_1s_minutes = id == Host(1) ? 10 : 0;
    facts.clock_minutes = id == Host(3) ? 0 : 1440;
  });
  EXPECT_EQ(Found(world, clock, Host(1)), "decided 70/10080");
  EXPECT_EQ(Found(world, clock, Host(2)), "decided 0/10080");
  EXPECT_EQ(Found(world, clock, Host(3)),
            "no source since day 1: its clock was not compared with the collector's in this window");
}

TEST(SelfMonitoringTest, CountsSilencesThatWereNoticed) {
  const Criterion& silence = Of("MON-004", catalogue::EVALUATOR_SILENCE_NOTICED);
  World world;
  world.LiveUntil(7);
  EXPECT_EQ(Found(world, silence, kOrganizationScope), "quiet");
  world.LiveUntil(8, [](ScopeId, DayFacts& facts) {
    facts.silences = 2;
    facts.silences_noticed = 1;
  });
  EXPECT_EQ(Found(world, silence, kOrganizationScope), "decided 3/6");
}

TEST(SelfMonitoringTest, HasNoDeadManSignalWithoutAlerting) {
  const Criterion& deadman = Of("MON-004", catalogue::EVALUATOR_DEADMAN);
  World world;
  world.LiveUntil(8);
  EXPECT_EQ(Found(world, deadman, kOrganizationScope), "decided 11520/11520");
  world.facts.organization().source_since_s[static_cast<std::size_t>(Source::kDeadman)] = 0;
  EXPECT_EQ(
      Found(world, deadman, kOrganizationScope),
      "no source since day 1: the dead-man signal needs alerting, which sends nothing to a destination outside the "
      "collector");
  World young;
  EXPECT_EQ(Found(young, deadman, kOrganizationScope), "undecided until day 8: no dead-man interval is over yet");
}

TEST(SelfMonitoringTest, HasNoSourceForASilenceThatNoRuleWatchesFor) {
  const Criterion& silence = Of("MON-004", catalogue::EVALUATOR_SILENCE_NOTICED);
  World world;
  world.facts.organization().source_since_s[static_cast<std::size_t>(Source::kRules)] = 0;
  EXPECT_EQ(Found(world, silence, kOrganizationScope), "no source since day 1: no sample was counted in this window");
  world.LiveUntil(7);
  EXPECT_EQ(Found(world, silence, kOrganizationScope), "quiet");
  world.LiveUntil(8, [](ScopeId id, DayFacts& facts) { facts.silences = id == Host(2) ? 1 : 0; });
  EXPECT_EQ(Found(world, silence, kOrganizationScope),
            "no source since day 1: agents were silent, and nothing watches for silence: that needs alert rules");
}

TEST(SelfMonitoringTest, CountsFromWhenAnOlderStoreBeganToCount) {
  const Criterion& loss = Of("MON-004", catalogue::EVALUATOR_LOSS);
  World world;
  world.LiveUntil(9);
  world.facts.organization().source_since_s[static_cast<std::size_t>(Source::kDayCounts)] =
      absl::ToUnixSeconds(StartOf(kDay1 + 5));
  EXPECT_EQ(Found(world, loss, kOrganizationScope), "undecided until day 13: not observed for long enough");
}

TEST(SelfMonitoringTest, OnOneHostTheServiceManagerIsTheDeadMan) {
  const Criterion& deadman = Of("MON-004", catalogue::EVALUATOR_DEADMAN);
  const auto without_alerting = [](World& world) {
    world.facts.organization().source_since_s[static_cast<std::size_t>(Source::kDeadman)] = 0;
  };
  World one(1);
  without_alerting(one);
  EXPECT_EQ(Found(one, deadman, kOrganizationScope), "undecided until day 8: no minute under the watchdog is over yet");
  one.LiveUntil(8, [](ScopeId, DayFacts& facts) {
    facts.watchdog_minutes = 1440;
    facts.watchdog_heard = 1400;
  });
  EXPECT_EQ(Found(one, deadman, kOrganizationScope), "decided 11200/11520");
  one.facts.organization().source_since_s[static_cast<std::size_t>(Source::kWatchdog)] = 0;
  EXPECT_EQ(Found(one, deadman, kOrganizationScope),
            "no source since day 1: no service manager's watchdog watches the collector");
  World two(2);
  without_alerting(two);
  two.LiveUntil(8, [](ScopeId, DayFacts& facts) { facts.watchdog_minutes = facts.watchdog_heard = 1440; });
  EXPECT_THAT(Found(two, deadman, kOrganizationScope), testing::HasSubstr("needs alerting"));
  two.Change(Host(2), [](Scope& scope) { scope.excluded = true; });
  EXPECT_EQ(Found(two, deadman, kOrganizationScope), "decided 11520/11520");
}

TEST(SourceTest, ObservationBeginsWhenTheSourceDoes) {
  const Criterion& deadman = Of("MON-004", catalogue::EVALUATOR_DEADMAN);
  World world;
  world.LiveUntil(20);
  world.facts.organization().source_since_s[static_cast<std::size_t>(Source::kDeadman)] =
      absl::ToUnixSeconds(StartOf(kDay1 + 15));
  EXPECT_EQ(Found(world, deadman, kOrganizationScope), "undecided until day 23: not observed for long enough");
}

TEST(HistoryTest, WaitsWhileItGrows) {
  const Criterion& age = Of("MON-005", catalogue::EVALUATOR_HISTORY_AGE);
  World world;
  world.LiveUntil(10);
  EXPECT_EQ(Found(world, age, kOrganizationScope), "undecided until day 57: history grows by a day a day");
  world.LiveUntil(56);
  EXPECT_EQ(Found(world, age, kOrganizationScope), absl::StrCat("decided ", 56 * 86400, "/86400"));
  world.facts.organization().history_from_s = 0;
  EXPECT_EQ(Found(world, age, kOrganizationScope), "no source since day 1: no history is kept");
}

TEST(HistoryTest, ARetentionThatKeepsNothingYetProvesNothing) {
  const Criterion& retention = Of("MON-005", catalogue::EVALUATOR_RETENTION);
  World world;
  world.facts.organization().history_from_s = 0;  // no host reports
  EXPECT_EQ(Found(world, retention, kOrganizationScope), "no source since day 1: no history is kept");
}

TEST(CoverageTest, AHostInItsFirstMinuteWaits) {
  World world;
  world.Change(Host(1), [](Scope& scope) { scope.aged_from_s += 86300; });
  world.LiveToday([](ScopeId, DayFacts& facts) { facts = DayFacts(); });
  for (const auto& [activity, evaluator, found] :
       {std::tuple("MON-002", catalogue::EVALUATOR_KINDS_COMPLETE, "undecided until day 2: no full minute yet"),
        std::tuple("CAP-001", catalogue::EVALUATOR_FORECAST_FRESH,
                   "undecided until day 9: a forecast needs 7 days of history")}) {
    EXPECT_EQ(Found(world, Of(activity, evaluator), Host(1)), found);
    EXPECT_EQ(Found(world, Of(activity, evaluator), Host(1), Basis::kCut), found);
  }
}

TEST(HistoryTest, ReadsTheRetention) {
  const Criterion& retention = Of("MON-005", catalogue::EVALUATOR_RETENTION);
  World world;
  world.LiveUntil(1);
  EXPECT_EQ(Found(world, retention, kOrganizationScope), "decided 400/1");
  world.facts.organization().retention_days = 0;
  EXPECT_EQ(Found(world, retention, kOrganizationScope), "no source since day 1: the retention is not known");
}

TEST(InventoryTest, IsUnknownUntilItIsConfirmed) {
  const Criterion& age = Of("INV-001", catalogue::EVALUATOR_CONFIRMATION_AGE);
  const Criterion& classified = Of("INV-002", catalogue::EVALUATOR_CLASSIFIED);
  World world;
  world.LiveUntil(2);
  EXPECT_EQ(Found(world, age, kOrganizationScope), "decided 172800/86400");
  EXPECT_EQ(Found(world, classified, App(1)), "decided 1/1");
  world.Change(App(1), [](Scope& scope) { scope.origin = Origin::kUnknown; });
  EXPECT_EQ(Found(world, classified, App(1)), "decided 0/1");
  world.Change(App(2), [](Scope& scope) { scope.classified = false; });
  EXPECT_EQ(Found(world, classified, App(2)), "decided 0/1");
  world.facts.organization().confirmed_s = 0;
  EXPECT_EQ(Found(world, age, kOrganizationScope), "no source since day 1: the inventory is not confirmed");
  EXPECT_EQ(Found(world, classified, App(1)), "no source since day 1: the inventory is not confirmed");
  EXPECT_EQ(age.act.command, "ppmm inventory confirm");
  EXPECT_EQ(age.act.minutes, 2);
  EXPECT_EQ(age.act.role, "management");
}

TEST(InventoryTest, ABrokenChainContradictsTheConfirmation) {
  World world;
  world.LiveUntil(3, [](ScopeId, DayFacts& facts) { facts.chain_breaks = 1; });
  EXPECT_EQ(Found(world, Of("INV-001", catalogue::EVALUATOR_CONFIRMATION_AGE), kOrganizationScope),
            "contradicted: the chain of the ledger is broken");
}

TEST(InventoryTest, CountsPeersThatNobodyMonitors) {
  const Criterion& monitored = Of("INV-001", catalogue::EVALUATOR_MONITORED);
  World world;
  world.Change(Host(2), [](Scope& scope) { scope.monitored = false; });
  world.LiveUntil(7);
  EXPECT_EQ(Found(world, monitored, Host(1)), "decided 1/1");
  EXPECT_EQ(Found(world, monitored, Host(2)), "decided 0/1");
}

TEST(InventoryTest, TellsConflictsBetweenGuessAndDeclaration) {
  const Criterion& agrees = Of("INV-002", catalogue::EVALUATOR_ORIGIN_AGREES);
  World world;
  world.Change(App(2), [](Scope& scope) { scope.origin_conflict = true; });
  world.LiveUntil(1);
  EXPECT_EQ(Found(world, agrees, App(1)), "decided 1/1");
  EXPECT_EQ(Found(world, agrees, App(2)), "decided 0/1");
}

TEST(InventoryTest, EstimatesUnseenHostsFrom50On) {
  const Criterion& unseen = Of("INV-001", catalogue::EVALUATOR_UNSEEN_HOSTS);
  World few;
  few.LiveUntil(7);
  EXPECT_EQ(Found(few, unseen, kOrganizationScope), "not applicable: fewer than 50 hosts");
  World world(60);
  for (std::uint32_t number = 1; number <= 60; ++number) {
    world.Change(Host(number), [&](Scope& scope) {
      scope.monitored = number <= 40;
      scope.seen_as_peer = number > 20;
    });
  }
  world.LiveUntil(7);
  // 40 agents, 40 peers, 20 both: N = 41 * 41 / 21 - 1 = 79.05; unseen 19.05 of them.
  EXPECT_EQ(Found(world, unseen, kOrganizationScope), "decided 400/1660");
}

TEST(AlertTest, AsksForAProofWithinSevenDays) {
  const Criterion& proven = Of("ALR-001", catalogue::EVALUATOR_RULE_PROVEN);
  World world;
  world.LiveUntil(1);
  EXPECT_EQ(Found(world, proven, Host(1)), "decided 1/1");
  world.LiveUntil(8, [](ScopeId, DayFacts& facts) { facts.rule_proven = 0; });
  EXPECT_EQ(Found(world, proven, Host(1)), "decided 0/1");
  world.facts.organization().source_since_s.fill(0);
  EXPECT_EQ(Found(world, proven, Host(1)), "no source since day 1: no alert rules are evaluated");
}

TEST(AlertTest, FollowsThePathToAPerson) {
  const Criterion& accepted = Of("ALR-002", catalogue::EVALUATOR_CANARY_ACCEPTED);
  const Criterion& acknowledged = Of("ALR-002", catalogue::EVALUATOR_ROUTES_ACKNOWLEDGED);
  World world;
  world.LiveUntil(8, [](ScopeId, DayFacts& facts) { facts.routes_acknowledged = 0; });
  EXPECT_EQ(Found(world, accepted, kOrganizationScope), "decided 8/8");
  EXPECT_EQ(Found(world, acknowledged, kOrganizationScope), "decided 0/1");
  World unsent;
  unsent.LiveUntil(8, [](ScopeId, DayFacts& facts) { facts.canaries_sent = facts.canaries_accepted = 0; });
  EXPECT_EQ(Found(unsent, accepted, kOrganizationScope), "decided 0/1") << "nothing sent is not quiet";
  World no_route;
  no_route.LiveUntil(8, [](ScopeId, DayFacts& facts) { facts.routes = 0; });
  EXPECT_EQ(Found(no_route, accepted, kOrganizationScope), "no source since day 1: no notification route exists");
}

TEST(AlertTest, CountsIncidents) {
  const Criterion& answered = Of("INC-001", catalogue::EVALUATOR_BREACHES_ANSWERED);
  const Criterion& first = Of("ALR-003", catalogue::EVALUATOR_DETECTED_FIRST);
  World world;
  world.LiveUntil(7);
  EXPECT_EQ(Found(world, answered, kOrganizationScope), "quiet");
  EXPECT_EQ(Found(world, first, kOrganizationScope), "quiet");
  world.LiveUntil(8, [](ScopeId, DayFacts& facts) {
    facts.breaches = 3;
    facts.breaches_answered = 2;
    facts.incidents_detectable = 2;
    facts.incidents_alerted_first = 1;
  });
  EXPECT_EQ(Found(world, answered, kOrganizationScope), "decided 2/3");
  EXPECT_EQ(Found(world, first, kOrganizationScope), "decided 1/2");
  world.facts.organization().source_since_s.fill(0);
  EXPECT_THAT(Found(world, answered, kOrganizationScope), testing::StartsWith("no source"));
  EXPECT_THAT(Found(world, first, kOrganizationScope), testing::StartsWith("no source"));
}

TEST(CapacityTest, WantsAForecastOfTheWeek) {
  const Criterion& fresh = Of("CAP-001", catalogue::EVALUATOR_FORECAST_FRESH);
  World world;
  world.LiveUntil(7);
  EXPECT_EQ(Found(world, fresh, Host(1)), "decided 7/1");
  EXPECT_EQ(InWords(fresh, Evaluate(fresh, world.facts, Host(1), world.End())), "computed on 7 of 7 days");
  world.LiveUntil(14, [](ScopeId, DayFacts& facts) { facts.forecast_kinds = kDiskBit; });
  EXPECT_EQ(Found(world, fresh, Host(1)), "decided 0/1") << "CPU and memory are there and have none";
  world.facts.organization().source_since_s.fill(0);
  EXPECT_EQ(Found(world, fresh, Host(1)), "no source since day 1: time to exhaustion is not computed on any host");
}

TEST(CapacityTest, ANetworkWithoutASpeedAndAHostWithoutADiskNeedNone) {
  const Criterion& fresh = Of("CAP-001", catalogue::EVALUATOR_FORECAST_FRESH);
  World world;
  world.LiveUntil(7, [](ScopeId, DayFacts& facts) {
    facts.kinds_present = kCpuBit | kMemoryBit | kNetworkBit;
    facts.forecast_kinds = kCpuBit | kMemoryBit;
  });
  EXPECT_EQ(Found(world, fresh, Host(1)), "decided 7/1");
}

TEST(CapacityTest, WaitsForTheEndOfTheDayInWhichTheHistoryIsLongEnough) {
  const Criterion& fresh = Of("CAP-001", catalogue::EVALUATOR_FORECAST_FRESH);
  World world;
  world.Change(Host(1), [](Scope& scope) { scope.aged_from_s += 3600; });
  world.LiveUntil(7, [](ScopeId, DayFacts& facts) { facts.forecast_kinds = 0; });
  EXPECT_EQ(Found(world, fresh, Host(1)), "undecided until day 9: a forecast needs 7 days of history");
  EXPECT_EQ(Found(world, fresh, Host(2)), "decided 0/1");
  world.LiveUntil(8, [](ScopeId, DayFacts& facts) { facts.forecast_kinds = 0; });
  EXPECT_EQ(Found(world, fresh, Host(1)), "decided 0/1");
}

TEST(CapacityTest, AHostThatWasOffAllWeekIsNotJudged) {
  const Criterion& fresh = Of("CAP-001", catalogue::EVALUATOR_FORECAST_FRESH);
  World world;
  world.LiveUntil(8, [](ScopeId, DayFacts& facts) { facts = DayFacts(); });
  EXPECT_EQ(Found(world, fresh, Host(1)), "not applicable: not up in this window");
  world.Change(Host(2), [](Scope& scope) { scope.monitored = false; });
  EXPECT_EQ(Found(world, fresh, Host(2)), "no source since day 1: no agent on this host");
}

TEST(CapacityTest, SeesAnswersToWarningsThatAreChanges) {
  const Criterion& answered = Of("CAP-001", catalogue::EVALUATOR_WARNINGS_ANSWERED);
  World world;
  world.LiveUntil(6);
  EXPECT_EQ(Found(world, answered, kOrganizationScope), "undecided until day 8: not observed for long enough");
  world.LiveUntil(7);
  EXPECT_EQ(Found(world, answered, kOrganizationScope), "quiet");
  world.LiveUntil(8, [](ScopeId, DayFacts& facts) { facts.warnings = facts.warnings_answered = 3; });
  EXPECT_EQ(Found(world, answered, kOrganizationScope), "decided 3/3");
  EXPECT_FALSE(Evaluate(answered, world.facts, kOrganizationScope, world.End()).unrecorded);
  world.LiveUntil(9, [](ScopeId, DayFacts& facts) { facts.warnings = 2; });
  EXPECT_EQ(Found(world, answered, kOrganizationScope), "decided 3/5");
  EXPECT_TRUE(Evaluate(answered, world.facts, kOrganizationScope, world.End()).unrecorded)
      << "an acknowledgement nobody recorded is not a missing one";
  world.facts.organization().source_since_s.fill(0);
  EXPECT_THAT(Found(world, answered, kOrganizationScope), testing::StartsWith("no source"));
}

TEST(CapacityTest, NothingIsQuietWhileNothingIsForecast) {
  const Criterion& answered = Of("CAP-001", catalogue::EVALUATOR_WARNINGS_ANSWERED);
  World world;
  world.LiveUntil(8, [](ScopeId, DayFacts& facts) { facts.forecast_kinds = 0; });
  EXPECT_EQ(Found(world, answered, kOrganizationScope), "undecided until day 9: no forecast yet that could warn");
}

TEST(ResponseTimeTest, HasNoSourceBeforeAnyAgentReports) {
  World world;
  world.LiveUntil(10);
  world.facts.organization().source_since_s.fill(0);
  for (const absl::string_view id : {"RSP-001", "RSP-002", "RSP-003", "RSP-005", "RSP-101", "RSP-102"}) {
    for (const Criterion& criterion : TestCatalogue().Find(id)->criteria) {
      EXPECT_EQ(Found(world, criterion, App(1)),
                "no source since day 1: no agent reports yet that could take response times")
          << id;
    }
  }
}

TEST(ResponseTimeTest, HasNoSourceWhereNoHostOfTheApplicationTakesThem) {
  World world;
  const auto live = [](std::int64_t timed) {
    return [timed](ScopeId id, DayFacts& facts) {
      if (id == App(1)) {
        facts.timed_requests = timed;
        facts.timed_minutes = 0;
      }
    };
  };
  world.LiveUntil(10, live(0));
  world.Change(App(1), [](Scope& scope) { scope.untimed = "BPF is switched off; cure: take it out"; });
  for (const absl::string_view id : {"RSP-001", "RSP-002", "RSP-003", "RSP-101"}) {
    EXPECT_EQ(Found(world, TestCatalogue().Find(id)->criteria[0], App(1)),
              "no source since day 1: BPF is switched off; cure: take it out")
        << id;
  }
  world.LiveUntil(11, live(7));
  EXPECT_EQ(Found(world, Of("RSP-001", catalogue::EVALUATOR_TIMED), App(1)), "decided 0/15840")
      << "what was measured before stays evidence";
}

TEST(ResponseTimeTest, IsTheShareOfTrafficMinutes) {
  const Criterion& timed = Of("RSP-001", catalogue::EVALUATOR_TIMED);
  World world;
  const auto live = [](ScopeId id, DayFacts& facts) {
    facts.timeable_minutes = id == App(3) ? 0 : 100;
    facts.timed_minutes = id == App(1) ? 60 : 0;
    facts.unparsed_connections = id == App(1) ? 1 : 0;
  };
  world.LiveUntil(5, live);
  EXPECT_EQ(Found(world, timed, App(3)), "undecided until day 8: no traffic yet");
  world.LiveUntil(10, live);
  EXPECT_EQ(Found(world, timed, App(1)), "decided 600/1000");
  EXPECT_EQ(Found(world, timed, App(3)), "not applicable: no traffic in this window");
  EXPECT_EQ(Evaluate(timed, world.facts, App(1), world.End()).reason,
            "some of its connections are pipelined or multiplexed, so they have no times");
  EXPECT_EQ(Evaluate(timed, world.facts, App(2), world.End()).reason, "none of its requests was timed");
}

TEST(ResponseTimeTest, ConnectionsWithoutTimesAreNamedWhereAllMinutesAreTimedToo) {
  const Criterion& timed = Of("RSP-001", catalogue::EVALUATOR_TIMED);
  World world;
  world.LiveUntil(10, [](ScopeId id, DayFacts& facts) {
    facts.timeable_minutes = 100;
    facts.timed_minutes = 100;
    facts.unparsed_connections = id == App(1) ? 1 : 0;
  });
  EXPECT_EQ(Found(world, timed, App(1)), "decided 1000/1000");
  EXPECT_EQ(Evaluate(timed, world.facts, App(1), world.End()).reason,
            "some of its connections are pipelined or multiplexed, so they have no times");
  EXPECT_EQ(Evaluate(timed, world.facts, App(2), world.End()).reason, "");
}

TEST(ResponseTimeTest, PercentilesAreTakenOverTheShortestIntervalThatHoldsEnough) {
  const Criterion& percentile = Of("RSP-002", catalogue::EVALUATOR_PERCENTILE);
  World world;
  world.LiveUntil(20, [](ScopeId, DayFacts& facts) {
    facts.percentile_intervals_1h = 24;
    facts.percentile_enough_1h = 12;
    facts.percentile_intervals_6h = 4;
    facts.percentile_enough_6h = 3;
    facts.percentile_intervals_24h = 1;
    facts.percentile_enough_24h = 0;
    facts.percentile_intervals_7d = 1;
    facts.percentile_enough_7d = 1;
  });
  EXPECT_EQ(Found(world, percentile, App(2)), "decided 20/20");
  EXPECT_EQ(InWords(percentile, Evaluate(percentile, world.facts, App(2), world.End())),
            "100 % of intervals of 7 d hold 59 samples (20 of 20)");
  EXPECT_EQ(Found(world, percentile, App(1)), "decided 0/20") << "tier 1: 24 h at most";
  world.LiveUntil(50, [](ScopeId, DayFacts& facts) {
    facts.percentile_intervals_6h = 20;
    facts.percentile_enough_6h = 19;
  });
  EXPECT_EQ(InWords(percentile, Evaluate(percentile, world.facts, App(1), world.End())),
            "100 % of intervals of 1 h hold 59 samples (672 of 672)");
  EXPECT_EQ(Found(world, percentile, App(1)), "decided 672/672") << "the shortest is asked first";
}

TEST(ResponseTimeTest, WithoutAnyIntervalNothingIsDecided) {
  const Criterion& percentile = Of("RSP-002", catalogue::EVALUATOR_PERCENTILE);
  World world;
  world.LiveUntil(10, [](ScopeId id, DayFacts& facts) {
    facts.percentile_intervals_1h = facts.percentile_enough_1h = 0;
    facts.timeable_minutes = id == App(1) ? 5 : 0;
  });
  EXPECT_THAT(Found(world, percentile, App(1)),
              testing::HasSubstr("no interval with 59 timed requests, and none is over yet"));
  EXPECT_EQ(Found(world, percentile, App(2)), "not applicable: no traffic in this window");
}

TEST(ResponseTimeTest, NothingButTheArrivalClockIsShownAsSuch) {
  const Criterion& vantage = Of("RSP-003", catalogue::EVALUATOR_USER_VANTAGE);
  World world;
  world.LiveUntil(30);
  EXPECT_EQ(InWords(vantage, Evaluate(vantage, world.facts, App(1), world.End())),
            "on the arrival clock, or nearer to the user, on 28 of 28 days");
}

TEST(ResponseTimeTest, MustObeyLittlesLaw) {
  const Criterion& little = Of("RSP-005", catalogue::EVALUATOR_LITTLE);
  const Criterion& synthetic = Of("RSP-005", catalogue::EVALUATOR_NOT_SYNTHETIC);
  World world;
  world.LiveUntil(10, [](ScopeId id, DayFacts& facts) {
    facts.little_intervals = id == App(3) ? 2 : 10;
    facts.little_within = id == App(1) ? 9 : 5;
    facts.little_half_off = id == App(2) ? 5 : 0;
    facts.synthetic = id == App(4) ? 1 : 0;
  });
  EXPECT_EQ(Found(world, little, App(1)), "decided 90/100");
  EXPECT_EQ(Found(world, little, App(2)),
            "contradicted: response times differ from the requests in flight by a factor of 2");
  EXPECT_EQ(Found(world, little, App(3)), "not applicable: fewer than 30 intervals with enough requests in flight");
  EXPECT_EQ(InWords(little, Evaluate(little, world.facts, App(1), world.End())),
            "N = X R within 25 % in 90 % of intervals (90 of 100)");
  EXPECT_EQ(Found(world, synthetic, App(1)), "decided 0/1");
  EXPECT_THAT(Found(world, Of("RSP-001", catalogue::EVALUATOR_TIMED), App(4)), testing::StartsWith("contradicted"));
  EXPECT_EQ(Found(world, synthetic, App(4)),
            "contradicted: its response times are the same to the nanosecond: nobody measured them");
}

TEST(ResponseTimeTest, WithoutRequestsInFlightNoLawIsJudged) {
  const Criterion& little = Of("RSP-005", catalogue::EVALUATOR_LITTLE);
  World world;
  world.LiveUntil(10, [](ScopeId id, DayFacts& facts) {
    facts.little_intervals = facts.little_within = 0;
    facts.in_flight_minutes = id == App(1) ? 0 : 1;
  });
  EXPECT_THAT(Found(world, little, App(1)),
              testing::StartsWith("no source since day 1: its requests in flight are not observed"));
  EXPECT_EQ(Found(world, little, App(2)), "not applicable: fewer than 30 intervals with enough requests in flight");
}

TEST(ResponseTimeTest, KnowsBatchQuietAndUnnamedApplications) {
  World world;
  world.Change(App(1), [](Scope& scope) { scope.batch = true; });
  world.LiveUntil(10, [](ScopeId, DayFacts& facts) {
    facts.timed_requests = 0;
    facts.vantages = kApplicationBit;
  });
  EXPECT_EQ(Found(world, Of("RSP-002", catalogue::EVALUATOR_PERCENTILE), App(1)), "not applicable: batch");
  EXPECT_EQ(Found(world, Of("RSP-002", catalogue::EVALUATOR_PERCENTILE), App(2)), "decided 240/240");
  EXPECT_EQ(Found(world, Of("RSP-003", catalogue::EVALUATOR_USER_VANTAGE), App(2)), "decided 0/1");
  EXPECT_EQ(Found(world, Of("RSP-102", catalogue::EVALUATOR_NAMED), App(2)),
            "not applicable: no timed request in this window");
}

TEST(ReleaseTest, CountsTheOnesThatWereTimedInTime) {
  const Criterion& timed = Of("IMP-101", catalogue::EVALUATOR_RELEASES_TIMED);
  World world;
  world.LiveUntil(8);
  EXPECT_EQ(Found(world, timed, kOrganizationScope), "not applicable: no new version in this window");
  world.LiveUntil(9, [](ScopeId, DayFacts& facts) {
    facts.releases_used = 2;
    facts.releases_timed = 1;
  });
  EXPECT_EQ(Found(world, timed, kOrganizationScope), "decided 1/2");
  world.facts.organization().source_since_s.fill(0);
  EXPECT_THAT(Found(world, timed, kOrganizationScope), testing::StartsWith("no source"));
}

TEST(ReleaseTest, RowsOfReleasesHaveNoSourceOnlyBeforeTheFirstAgent) {
  World world;
  world.LiveUntil(30, [](ScopeId, DayFacts& facts) {
    facts.releases_used = facts.releases_seen = facts.releases_due = facts.releases_compared = facts.newcomers_used = 1;
    facts.timed_requests = facts.requests = 0;
  });
  world.Change(App(1), [](Scope& scope) { scope.untimed = "BPF is switched off"; });
  const auto expect = [&world](State state) {
    for (const absl::string_view id : {"IMP-101", "DEP-001", "REL-002"}) {
      for (const Criterion& criterion : TestCatalogue().Find(id)->criteria) {
        EXPECT_EQ(Evaluate(criterion, world.facts, kOrganizationScope, world.End()).state, state) << id;
      }
    }
  };
  expect(State::kDecided);
  world.facts.organization().source_since_s.fill(0);
  expect(State::kNoSource);
}

TEST(ReleaseTest, RowsOfReleasesAreNeverContradicted) {
  World world;
  for (const ScopeId scope : {Host(1), App(1)}) {
    world.Change(scope, [](Scope& changed) { changed.contradiction = "duplicate identity"; });
  }
  for (int day = 1; day <= 30; ++day) {
    world.LiveUntil(day, [day](ScopeId, DayFacts& facts) {
      facts.off_contradicted = facts.chain_breaks = facts.synthetic = 1;
      facts.little_half_off = facts.little_intervals;
      facts.releases_used = facts.releases_seen = facts.releases_due = facts.releases_compared = facts.newcomers_used =
          day / 10;
    });
    for (const absl::string_view id : {"IMP-101", "DEP-001", "REL-002"}) {
      for (const Criterion& criterion : TestCatalogue().Find(id)->criteria) {
        EXPECT_NE(Evaluate(criterion, world.facts, kOrganizationScope, world.End()).state, State::kContradicted) << id;
      }
    }
  }
  EXPECT_EQ(Evaluate(Of("RSP-002", catalogue::EVALUATOR_PERCENTILE), world.facts, App(3), world.End()).state,
            State::kContradicted);
}

TEST(UnobservedTest, SaysWhatIsMissing) {
  World world;
  world.LiveUntil(400 / 10);
  EXPECT_EQ(Found(world, TestCatalogue().Find("TST-001")->criteria[0], kOrganizationScope),
            "no source since day 1: no load test results are imported");
  EXPECT_EQ(Found(world, TestCatalogue().Find("MON-001")->criteria[0], Host(99)), "not applicable: unknown");
}

TEST(WordsTest, CutSharesSoThatAMissNeverReadsAsWhole) {
  EXPECT_EQ(ShareInWords(99'999, 100'000), "99.99 %");
  EXPECT_EQ(ShareInWords(1, 1), "100 %");
  EXPECT_EQ(ShareInWords(98'999, 100'000), "98.9 %");
  EXPECT_EQ(ShareInWords(5, 6), "83.3 %");
  EXPECT_EQ(ShareInWords(995, 1000), "99.5 %");
  EXPECT_EQ(ShareInWords(9, 10'000), "0.09 %");
  EXPECT_EQ(ShareInWords(95, 100), "95 %");
  EXPECT_EQ(ShareInWords(0, 7), "0 %");
}

TEST(WordsTest, NeverShowAShareThatIsTooHighAsItsBound) {
  EXPECT_EQ(ShareInWords(1'001, 1'000'000, /*at_least=*/false), "0.11 %");
  EXPECT_EQ(ShareInWords(1'000, 1'000'000, /*at_least=*/false), "0.1 %");
  EXPECT_EQ(ShareInWords(5'001, 100'000, /*at_least=*/false), "5.1 %");
  EXPECT_EQ(ShareInWords(99'999, 100'000, /*at_least=*/false), "99.99 %");
  EXPECT_EQ(ShareInWords(1, 1, /*at_least=*/false), "100 %");
  EXPECT_EQ(ShareInWords(0, 7, /*at_least=*/false), "0 %");
}

}  // namespace
}  // namespace ppmm
