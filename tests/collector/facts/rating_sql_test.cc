// The SQL that docs/rating.md gives its readers: each statement runs, and those of MON-004 find what the rating found.
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "collector/facts/day_builder.h"
#include "collector/facts/facts.h"
#include "collector/store/sqlite_connection.h"
#include "tests/testing/collector_rig.h"

namespace ppmm {
namespace {

using testing::ElementsAre;

constexpr Day kDay = kRigStart / 86400;

// Statements by the heading they stand under, in order. They live as long as the program.
const std::map<std::string, std::vector<std::string>>& Statements() {
  static const auto* const statements = [] {
    auto* found = new std::map<std::string, std::vector<std::string>>;
    std::ifstream file(PPMM_SOURCE_DIR "/docs/rating.md");
    std::string line;
    std::string heading;
    bool inside = false;
    while (std::getline(file, line)) {
      if (line == "```sql") {
        (*found)[heading].emplace_back();
        inside = true;
      } else if (line == "```") {
        inside = false;
      } else if (inside) {
        (*found)[heading].back() += line + "\n";
      } else if (line.rfind("### ", 0) == 0) {
        heading = line.substr(4, line.find(' ', 4) - 4);
      }
    }
    return found;
  }();
  return *statements;
}

std::vector<std::vector<std::string>> Rows(SqliteConnection& connection, const std::string& sql, int columns) {
  std::vector<std::vector<std::string>> rows;
  auto statement = connection.Prepare(sql.c_str());
  EXPECT_TRUE(statement.ok()) << statement.status() << "\n" << sql;
  while (statement.ok()) {
    const absl::StatusOr<bool> row = statement->Step();
    EXPECT_TRUE(row.ok()) << row.status() << "\n" << sql;
    if (!row.ok() || !*row) {
      break;
    }
    rows.emplace_back();
    for (int column = 0; column < columns; ++column) {
      rows.back().push_back(statement->Text(column));
    }
  }
  return rows;
}

TEST(RatingSqlTest, EveryStatementRuns) {
  CollectorRig rig;
  const auto connection = SqliteConnection::Open(rig.dir().File("ppmm.db"), false);
  ASSERT_TRUE(connection.ok()) << connection.status();
  int run = 0;
  for (const auto& [heading, statements] : Statements()) {
    for (const std::string& statement : statements) {
      // A block may hold several.
      for (const absl::string_view one : absl::StrSplit(statement, ';', absl::SkipWhitespace())) {
        static auto* const kept = new std::vector<std::unique_ptr<std::string>>;
        kept->push_back(std::make_unique<std::string>(one));
        Rows(**connection, *kept->back(), 0);
        ++run;
      }
    }
  }
  EXPECT_GE(run, 10);
}

TEST(RatingSqlTest, FindsWhatSelfMonitoringFound) {
  CollectorRig rig;
  BatchBuilder agent(1);
  const std::uint32_t cpu = agent.AddSeries(1, "ppmm_host_cpu_seconds_total", {"0", "user"});
  const auto [stream, sink] = rig.Connect(agent);
  wire::SpoolState spool;
  const auto report = [&, stream = stream] {
    rig.Push(stream, SpoolReport{absl::FromUnixSeconds(kRigStart), std::make_shared<wire::SpoolState>(spool)});
  };
  report();
  for (const int minute : {0, 1, 2, 3, 10, 11}) {
    agent.set_clock_ahead(absl::Seconds(minute == 3 ? 2 : 0));
    rig.Push(stream, agent.Batch(kRigStart + minute * 60, 1, {{cpu, 0, 1}}));
  }
  agent.Batch(kRigStart + 12 * 60, 1, {{cpu, 0, 1}});
  spool.set_refused(1);
  report();
  rig.Commit();
  DayScopes scopes;
  {
    ReaderLock lock(&rig.state().mutex());
    scopes = CopyDayScopes(rig.state().tables());
  }
  scopes.watchdog_since_minute = kRigStart / 60 + 5;
  const auto facts = BuildDay(scopes, rig.store(), kDay, kRigStart / 60 + 12);
  ASSERT_TRUE(facts.ok()) << facts.status();
  rig.writer().Submit(
      [&](Tables&, Store& store) -> absl::Status {
        store.Put(WatchdogRow{kRigStart / 60 + 6, kRigStart / 60 + 8}).IgnoreError();
        for (const auto& [scope, day] : *facts) {
          store.PutFactDay(kDay, scope, day).IgnoreError();
        }
        return absl::OkStatus();
      },
      [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; });
  rig.Commit();

  const auto connection = SqliteConnection::Open(rig.dir().File("ppmm.db"), false);
  ASSERT_TRUE(connection.ok()) << connection.status();
  const std::vector<std::string>& sql = Statements().at("MON-004");
  ASSERT_EQ(sql.size(), 6u);
  EXPECT_THAT(Rows(**connection, sql[0], 3), ElementsAre(ElementsAre("7", "1", "0")));
  EXPECT_THAT(Rows(**connection, sql[1], 6), ElementsAre(ElementsAre(std::to_string(kDay), "1", "7", "6", "0", "1")));
  EXPECT_THAT(Rows(**connection, sql[2], 4), ElementsAre(ElementsAre("host1", "1", "5", "2.0")));
  EXPECT_THAT(Rows(**connection, sql[3], 3), ElementsAre(ElementsAre("1", "0", "360")));
  EXPECT_THAT(Rows(**connection, sql[4], 2), ElementsAre(ElementsAre("0", "7")));
  EXPECT_THAT(Rows(**connection, sql[5], 2), ElementsAre(ElementsAre("2026-01-01 00:06:00", "2026-01-01 00:09:00")));

  Facts sums(kDay);
  Scope host;
  host.id = {ScopeKind::kHost, 1};
  sums.SetScope(host);
  ASSERT_TRUE(sums.Replace(host.id, kDay, nullptr, facts->at(host.id)).ok());
  EXPECT_EQ(sums.Get(host.id, Sum::kSamplesProduced, 28), 7);
  EXPECT_EQ(sums.Get(host.id, Sum::kSamplesLost, 28), 1);
  EXPECT_EQ(sums.Get(host.id, Sum::kClockMinutes, 28), 5);
  EXPECT_EQ(sums.Get(host.id, Sum::kClockOver1sMinutes, 28), 1);
  EXPECT_EQ(sums.Get(host.id, Sum::kSilences, 28), 1);
}

}  // namespace
}  // namespace ppmm
