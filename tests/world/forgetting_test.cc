// Nine days of an organization that runs many programs once, twice: with a collector that forgets, and with one that
// does not. Both must say the same; only the memory differs. docs/forgetting.md.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/world/documented_sql.h"
#include "tests/world/shared_world.h"

namespace ppmm {
namespace {

constexpr int kDays = 9;
constexpr int kProgramsADay = 8;
constexpr int kDaysInMemory = 5;  // the day of a step, and until it is sealed 73 h after its end
// An agent of this world names the programs of its coming days too when it is connected anew.
constexpr int kRestart = At(7, 6);
constexpr int kDaysAfterRestart = 2;

// Half of the programs are slots of one application, half are applications of their own.
std::vector<ApplicationScript> Programs() {
  std::vector<ApplicationScript> programs;
  for (int day = 0; day < kDays; ++day) {
    for (int i = 0; i < kProgramsADay; ++i) {
      ApplicationScript program;
      const std::string name = absl::StrCat("run-", day, "-", i);
      program.name = i % 2 == 0 ? "job" : name;
      program.slot = i % 2 == 0 ? name : "";
      program.serves = i % 4 == 1;
      program.runs = {At(day, 9 + i), At(day, 9 + i, 20)};
      programs.push_back(program);
    }
  }
  return programs;
}

OrganizationScript Churning() {
  HostScript web{.name = "web1",
                 .address = "10.1.0.1",
                 .applications = {{.name = "shop"}, {.name = "nginx", .origin = wire::ORIGIN_OFF_THE_SHELF}}};
  // Comes back after a week.
  web.applications.push_back({.name = "yearly", .slot = "a", .runs = {At(0, 2), At(0, 4)}});
  web.applications.push_back({.name = "yearly", .slot = "a", .runs = {At(8, 2), At(8, 4)}});
  for (ApplicationScript& program : Programs()) {
    web.applications.push_back(std::move(program));
  }
  // Silent for longer than memory lasts; and off, proven when its days are sealed.
  HostScript silent{.name = "db1",
                    .address = "10.1.0.2",
                    .silent = {{At(2), At(7, 12)}},
                    .applications = {{.name = "postgresql", .origin = wire::ORIGIN_OFF_THE_SHELF}}};
  HostScript off{.name = "cache1",
                 .address = "10.1.0.3",
                 .off = {{.span = {At(1, 20), At(7, 3)}}},
                 .applications = {{.name = "redis"}, {.name = "job", .slot = "c", .runs = {At(0, 5), At(0, 6)}}}};
  return {std::move(web), std::move(silent), std::move(off)};
}

// What a reader of memory saw each six hours.
struct Seen {
  int minute = 0;
  std::size_t series = 0;
  std::size_t entities = 0;
};

struct Life {
  std::unique_ptr<OrganizationRun> run;
  std::vector<Seen> seen;
  std::vector<std::string> fallen;  // totals that were lower than before
};

void Look(int minute, std::map<std::string, std::int64_t>& before, Life& life) {
  ReaderLock lock(&life.run->collector().state().mutex());
  const Tables& tables = life.run->collector().state().tables();
  life.seen.push_back({minute, tables.series.size(), tables.entities.size()});
  const auto take = [&](const std::string& name, std::int64_t total) {
    std::int64_t& known = before[name];
    if (total < known) {
      life.fallen.push_back(absl::StrCat(name, " at ", minute, ": ", total, " after ", known));
    }
    known = total;
  };
  for (const auto& [id, series] : tables.series) {
    take(absl::StrCat("series ", id), series->total);
  }
  for (const auto& [id, application] : tables.applications) {
    for (const auto& [key, pooled] : application.totals) {
      take(absl::StrCat("application ", id, " ", key.first), pooled.total);
    }
  }
}

// Restarts and kills come at the same minutes in both lives: while much is dormant, and while it wakes.
Life Live(bool forgets) {
  Life life;
  life.run = std::make_unique<OrganizationRun>(Churning(), WorldPath(forgets ? "forgets" : "remembers"), forgets);
  life.run->RateAtNoon();
  std::map<std::string, std::int64_t> before;
  for (int minute = 0; minute <= At(kDays); minute += 360) {
    if (minute == kRestart) {
      life.run->LiveUntil(minute + 3);
      life.run->RestartCollector();
    } else if (minute == At(8)) {
      life.run->LiveUntil(At(8, 2, 3));  // somebody comes back
      life.run->KillCollectorAt("before_commit");
      life.run->LiveUntil(At(8, 2, 23));
      life.run->KillCollectorAt("before_acknowledgement");
    } else {
      life.run->LiveUntil(minute);
    }
    Look(minute, before, life);
  }
  life.run->LiveUntil(At(kDays, 0, 10));
  return life;
}

// Never destroyed: they are there for every test.
Life& Forgets() {
  static Life* const life = new Life(Live(true));
  return *life;
}
Life& Remembers() {
  static Life* const life = new Life(Live(false));
  return *life;
}

std::vector<SqlRow> Rows(const Life& life, const std::string& sql) {
  return RunSql(life.run->path(), sql, life.run->clock().Now());
}

TEST(ForgettingTest, WhatIsInMemoryIsBoundedByWhatLivedInTheLastDays) {
  const Seen& all = Remembers().seen.back();
  ASSERT_GT(all.series, 4U * kProgramsADay * kDays);
  const std::size_t of_others = all.series - 4 * kProgramsADay * kDays;  // hosts and what runs for long
  const std::size_t of_jobs = kProgramsADay / 2 * kDays;                 // instances of one application
  for (const Seen& seen : Forgets().seen) {
    if (seen.minute < At(kDaysInMemory)) {
      continue;
    }
    const std::size_t days = kDaysInMemory + (seen.minute > kRestart ? kDaysAfterRestart : 0);
    EXPECT_LE(seen.series, of_others + 4 * kProgramsADay * days) << "minute " << seen.minute;
    EXPECT_LE(seen.entities, all.entities - of_jobs + kProgramsADay / 2 * days + 2) << "minute " << seen.minute;
  }
}

TEST(ForgettingTest, NoTotalFallsWhenItsSeriesComesBack) {
  EXPECT_THAT(Forgets().fallen, testing::IsEmpty());
  EXPECT_THAT(Remembers().fallen, testing::IsEmpty());
}

TEST(ForgettingTest, AwakeOrDormantEachTotalIsThatOfACollectorThatForgetsNothing) {
  WorldCollector& remembers = Remembers().run->collector();
  WorldCollector& forgets = Forgets().run->collector();
  ReaderLock lock(&remembers.state().mutex());
  ReaderLock other_lock(&forgets.state().mutex());
  int dormant = 0;
  for (const auto& [id, series] : remembers.state().tables().series) {
    const SeriesState* awake = forgets.state().tables().Series(id);
    if (awake != nullptr) {
      EXPECT_EQ(awake->total, series->total) << id;
      EXPECT_EQ(awake->last_step, series->last_step) << id;
      continue;
    }
    const auto row = forgets.store().GetDormantSeries(id);
    ASSERT_TRUE(row.ok() && row->has_value()) << "series " << id << " is nowhere";
    EXPECT_EQ((*row)->total, series->total) << id;
    EXPECT_EQ((*row)->last_step, series->last_step) << id;
    ++dormant;
  }
  EXPECT_GT(dormant, 100);
}

TEST(ForgettingTest, WhoComesBackContinuesItsSeries) {
  const std::string sql =
      "SELECT count(*) n, max(l.from_minute) - min(l.from_minute) apart FROM instance i JOIN application a "
      "ON a.id = i.application JOIN instance_life l ON l.entity = i.entity WHERE a.name = 'yearly' GROUP BY i.entity";
  const std::vector<SqlRow> rows = Rows(Forgets(), sql);
  ASSERT_EQ(rows.size(), 1u) << "one instance";
  EXPECT_EQ(rows[0].at("n"), "2") << "that lived twice";
  EXPECT_EQ(rows[0].at("apart"), absl::StrCat(At(8)));
  EXPECT_EQ(rows, Rows(Remembers(), sql));
}

TEST(ForgettingTest, EachFactAndEachWordOfARatingIsThatOfACollectorThatForgetsNothing) {
  for (const char* const sql :
       {"SELECT * FROM fact_day ORDER BY day, kind, number",
        "SELECT day, host, hex(blob) b FROM day_bits ORDER BY 1, 2",
        "SELECT entity, step_seconds, day, hex(blob) b FROM block ORDER BY 1, 2, 3",
        "SELECT * FROM application_minute ORDER BY id", "SELECT * FROM instance_life ORDER BY entity, from_minute",
        "SELECT * FROM peer_day ORDER BY 1, 2, 3, 4, 5, 6", "SELECT application, hex(blob) b FROM total ORDER BY 1",
        "SELECT * FROM forecast ORDER BY 1, 2, 3, 4", "SELECT id, host, kind, key FROM entity ORDER BY id",
        "SELECT * FROM series ORDER BY id", "SELECT * FROM tier_1 ORDER BY 1, 2"}) {
    EXPECT_TRUE(Rows(Forgets(), sql) == Rows(Remembers(), sql)) << sql;
    EXPECT_FALSE(Rows(Forgets(), sql).empty()) << sql;
  }
  for (int day = 0; day < kDays; ++day) {
    EXPECT_EQ(Forgets().run->OfDay(day).rating, Remembers().run->OfDay(day).rating) << "day " << day;
    EXPECT_EQ(Forgets().run->OfDay(day).activity, Remembers().run->OfDay(day).activity) << "day " << day;
    EXPECT_EQ(Forgets().run->AtNoon(day).rating, Remembers().run->AtNoon(day).rating) << "noon of day " << day;
  }
}

}  // namespace
}  // namespace ppmm
