// A small organization that lives day by day on perfect evidence, until a test spoils some of it. For tests of the
// rating.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "collector/facts/facts.h"
#include "collector/rating/catalogue.h"

namespace ppmm {

inline const Catalogue& TestCatalogue() {
  static const Catalogue catalogue = [] {
    absl::StatusOr<Catalogue> loaded = LoadCatalogue();
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    return *std::move(loaded);
  }();
  return catalogue;
}

// As TestCatalogue(), of a version in which everything that an act needs is built.
inline const Catalogue& CompleteCatalogue() {
  static const Catalogue catalogue = [] {
    absl::StatusOr<catalogue::Catalogue> schema = ReadCatalogue();
    EXPECT_TRUE(schema.ok()) << schema.status();
    for (catalogue::Activity& activity : *schema->mutable_activities()) {
      for (catalogue::Criterion& criterion : *activity.mutable_criteria()) {
        if (criterion.has_act()) {
          criterion.mutable_act()->set_command("ppmm doctor");
          criterion.mutable_act()->clear_comes_with();
        }
      }
      for (catalogue::Remediation& remediation : *activity.mutable_remediation()) {
        remediation.set_command("ppmm doctor");
        remediation.clear_comes_with();
      }
    }
    absl::StatusOr<Catalogue> complete = Catalogue::From(*schema);
    EXPECT_TRUE(complete.ok()) << complete.status();
    return *std::move(complete);
  }();
  return catalogue;
}

inline ScopeId Host(std::uint32_t number) {
  return {ScopeKind::kHost, number};
}
inline ScopeId App(std::uint32_t number) {
  return {ScopeKind::kApplication, number};
}

// 1 November 2026 is day 1 of every test.
inline constexpr Day kDay1 = 20758;

class World {
 public:
  // Hosts 1 to `hosts` and applications 1 to `applications`, odd ones off the shelf, even ones in-house; the first of
  // each in tier 1. Everything is enrolled, every source there and the inventory confirmed as day 1 begins.
  explicit World(std::uint32_t hosts = 3, std::uint32_t applications = 4) : facts(kDay1) {
    const std::int64_t start = absl::ToUnixSeconds(StartOf(kDay1));
    Organization& organization = facts.organization();
    organization.name = "test";
    organization.started_s = start;
    organization.confirmed_s = start;
    organization.history_from_s = start;
    organization.retention_days = 400;
    organization.source_since_s.fill(start);
    for (std::uint32_t number = 1; number <= hosts; ++number) {
      Add(Host(number), absl::StrCat("host", number), start);
    }
    for (std::uint32_t number = 1; number <= applications; ++number) {
      Add(App(number), absl::StrCat("app", number), start);
    }
  }

  void Add(ScopeId id, absl::string_view label, std::int64_t since_s) {
    Scope scope;
    scope.id = id;
    scope.label = std::string(label);
    scope.group = "default";
    scope.enrolled_s = since_s;
    scope.aged_from_s = since_s;
    scope.tier = id.number == 1 ? 1 : 2;
    scope.origin = id.number % 2 == 1 ? Origin::kOffTheShelf : Origin::kInHouse;
    scope.line_of_business = id.kind == ScopeKind::kApplication;
    scope.classified = true;
    facts.SetScope(scope);
  }

  void Change(ScopeId id, const std::function<void(Scope&)>& change) {
    Scope scope = *facts.Find(id);
    change(scope);
    facts.SetScope(scope);
  }

  static DayFacts PerfectHost() {
    DayFacts day;
    day.up_minutes = day.covered_minutes = day.covered_cpu_minutes = day.covered_memory_minutes =
        day.covered_disk_minutes = day.covered_network_minutes = day.clock_minutes = 1440;
    day.samples_produced = day.samples_committed = 1'000'000;
    day.kinds_present = day.kinds_moved = kCpuBit | kMemoryBit | kDiskBit | kNetworkBit;
    day.saturation_present = kCpuBit | kMemoryBit | kDiskBit;
    day.forecast_kinds = kCpuBit | kMemoryBit | kDiskBit;
    day.exhaustion_cpu_days = day.exhaustion_memory_days = 3650;
    day.exhaustion_disk_days = 400;
    day.rule_proven = 1;
    return day;
  }

  static DayFacts PerfectApplication() {
    DayFacts day;
    day.up_minutes = day.throughput_minutes = day.traffic_minutes = day.timeable_minutes = day.timed_minutes = 1440;
    day.throughput_moved = day.rule_proven = day.response_rule_proven = 1;
    day.requests = day.timed_requests = day.named_requests = 100'000;
    day.percentile_intervals_1h = day.percentile_enough_1h = 24;
    day.in_flight_minutes = 1440;
    day.little_intervals = day.little_within = 100;
    day.vantages = kArrivalBit;
    return day;
  }

  static DayFacts PerfectOrganization() {
    DayFacts day;
    day.deadman_intervals = day.deadman_accepted = 1440;
    day.routes = day.routes_acknowledged = 1;
    day.canaries_sent = day.canaries_accepted = 1;
    return day;
  }

  // Spoils the facts of a day before they are taken in.
  using Spoil = std::function<void(ScopeId, DayFacts&)>;

  // The facts of the last day of the windows.
  void LiveToday(const Spoil& spoil = nullptr) {
    Put(kOrganizationScope, PerfectOrganization(), spoil);
    for (const Scope& host : facts.Scopes(ScopeKind::kHost)) {
      Put(host.id, host.monitored ? PerfectHost() : DayFacts{}, spoil);
    }
    for (const Scope& application : facts.Scopes(ScopeKind::kApplication)) {
      Put(application.id, application.monitored ? PerfectApplication() : DayFacts{}, spoil);
    }
    facts.organization().as_of_s = absl::ToUnixSeconds(End());
  }

  void NextDay() {
    facts.AdvanceTo(facts.day() + 1, [this](Day leaving, Facts::Visit visit) {
      for (auto row = days_.lower_bound({leaving, kOrganizationScope});
           row != days_.end() && row->first.first == leaving; ++row) {
        visit(row->first.second, row->second);
      }
    });
  }

  // Lives until the end of `day`, counted from 1.
  void LiveUntil(int day, const Spoil& spoil = nullptr) {
    for (; lived_ < day; ++lived_) {
      if (lived_ > 0) {
        NextDay();
      }
      LiveToday(spoil);
    }
  }

  absl::Time End() const { return StartOf(facts.day() + 1); }

  Facts facts;

 private:
  void Put(ScopeId id, DayFacts day, const Spoil& spoil) {
    if (spoil) {
      spoil(id, day);
    }
    const auto key = std::make_pair(facts.day(), id);
    const auto before = days_.find(key);
    ASSERT_TRUE(facts.Replace(id, facts.day(), before == days_.end() ? nullptr : &before->second, day).ok());
    days_[key] = day;
  }

  std::map<std::pair<Day, ScopeId>, DayFacts> days_;
  int lived_ = 0;
};

}  // namespace ppmm
