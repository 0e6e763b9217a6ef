// Runs the SQL of docs/forecast.md and of the row CAP-001 in docs/rating.md, as a reader would.
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "collector/forecast/day_forecasts.h"
#include "collector/store/sqlite_connection.h"
#include "tests/testing/collector_rig.h"

namespace ppmm {
namespace {

constexpr Day kDay = 20000;

// The n-th block of SQL behind a heading, without its last semicolon.
std::string SqlOf(const std::string& page, const std::string& heading, int number) {
  std::ifstream file(absl::StrCat(PPMM_SOURCE_DIR, "/docs/", page));
  std::stringstream text;
  text << file.rdbuf();
  std::string rest = text.str();
  rest = rest.substr(rest.find(heading));
  for (int i = 0; i < number; ++i) {
    rest = rest.substr(rest.find("```sql\n") + 7);
  }
  return rest.substr(0, rest.find(';'));
}

class ForecastSqlTest : public testing::Test {
 protected:
  // Lines of values joined by "|".
  std::vector<std::string> Ask(const std::string& sql) {
    auto connection = SqliteConnection::Open(rig_.dir().File("ppmm.db"), false);
    EXPECT_TRUE(connection.ok()) << connection.status();
    auto statement = (*connection)->Prepare(sql.c_str());
    EXPECT_TRUE(statement.ok()) << statement.status() << "\n" << sql;
    std::vector<std::string> lines;
    while (statement.ok()) {
      const absl::StatusOr<bool> row = statement->Step();
      EXPECT_TRUE(row.ok()) << row.status();
      if (!row.ok() || !*row) {
        break;
      }
      std::string line;
      for (int column = 0; column < 8; ++column) {
        absl::StrAppend(&line, column == 0 ? "" : "|", statement->Text(column));
      }
      lines.push_back(line);
    }
    return lines;
  }
  template <class Write>
  void Commit(const Write& write) {
    ASSERT_TRUE(rig_.store().Begin().ok());
    write(rig_.store());
    ASSERT_TRUE(rig_.store().Commit().ok());
  }
  void PutHost(HostKey key, const std::string& label) {
    HostRow host;
    host.key = key;
    host.host_id = std::string(16, static_cast<char>(key));
    host.label = label;
    Commit([&](Store& store) { ASSERT_TRUE(store.Put(host).ok()); });
  }

  CollectorRig rig_;
};

TEST_F(ForecastSqlTest, FindsTheLinesThatAreStored) {
  PutHost(1, "web1");
  // Flat, rising, noisy, falling, saturated, with outliers, of 9 to 28 days.
  std::vector<ResourceSeries> resources(12);
  std::vector<ForecastRow> rows;
  for (Day day = kDay; day < kDay + 28; ++day) {
    HostValues values;
    for (std::size_t i = 0; i < resources.size(); ++i) {
      resources[i].measure = ResourceSeries::Measure::kSpace;
      resources[i].name = static_cast<SeriesId>(i + 1);
      const int at = day - kDay;
      const double noise = std::sin(12.9898 * at + 78.233 * at * at + static_cast<double>(i));
      const double used = i == 0   ? 500'000
                          : i == 1 ? 999'000
                          : i == 2 ? 900'000 - 9'000 * at
                          : i == 3 ? (at % 4 == 1 ? 1'400'000 : 300'000 + 12'345 * at)
                                   : 300'000 + 3'000.0 * static_cast<double>(i) * at + 30'000 * noise;
      if (at >= 28 - 9 - 2 * static_cast<int>(i)) {
        values.push_back({&resources[i], {day, 0, used, 1'000'000}});
      }
    }
    const std::vector<ForecastRow> made = ForecastDay(day, {{1, values}}, rows);
    rows.insert(rows.end(), made.begin(), made.end());
    std::sort(rows.begin(), rows.end(), [](const ForecastRow& a, const ForecastRow& b) {
      return std::tie(a.series, a.day) < std::tie(b.series, b.day);
    });
  }
  Commit([&](Store& store) {
    for (const ForecastRow& row : rows) {
      ASSERT_TRUE(store.Put(row).ok());
    }
  });
  std::vector<std::string> stored;
  for (const ForecastRow& row : rows) {
    if (row.day == kDay + 27) {
      EXPECT_EQ(row.refusal, "");
      EXPECT_EQ(row.step_day, 0) << row.series;
      stored.push_back(absl::StrCat("web1|3|", row.series, "|", row.level_millionths, ".0|", row.slope_millionths,
                                    ".0|", row.days, "|", row.days, "|"));
    }
  }
  ASSERT_EQ(stored.size(), resources.size());
  EXPECT_EQ(Ask(SqlOf("forecast.md", "## Check it by SQL", 2)), stored);
  const std::vector<std::string> list = Ask(SqlOf("forecast.md", "## Check it by SQL", 1));
  ASSERT_EQ(list.size(), resources.size());
  EXPECT_THAT(list.front(), testing::StartsWith("web1|3||99.9|0.0|0|")) << "the soonest first";
}

TEST_F(ForecastSqlTest, CountsWhatTheRowAsks) {
  PutHost(1, "web1");
  PutHost(2, "web2");
  Commit([](Store& store) {
    for (Day day = kDay; day < kDay + 10; ++day) {
      DayFacts facts;
      facts.kinds_present = kCpuBit | kMemoryBit | kDiskBit | kNetworkBit;
      facts.forecast_kinds = kCpuBit | kMemoryBit | kDiskBit;
      facts.exhaustion_cpu_days = facts.exhaustion_memory_days = kNotInSight;
      facts.exhaustion_disk_days = 12;
      ASSERT_TRUE(store.PutFactDay(day, {ScopeKind::kHost, 1}, facts).ok());
      facts.forecast_kinds = day == kDay + 9 ? kCpuBit | kMemoryBit | kDiskBit : kCpuBit;
      facts.exhaustion_disk_days = day == kDay + 9 ? kNotInSight : 0;
      ASSERT_TRUE(store.PutFactDay(day, {ScopeKind::kHost, 2}, facts).ok());
      DayFacts organization;
      organization.warnings = day == kDay + 4 ? 3 : 0;
      organization.warnings_answered = day == kDay + 4 ? 2 : 0;
      ASSERT_TRUE(store.PutFactDay(day, kOrganizationScope, organization).ok());
    }
  });
  EXPECT_THAT(Ask(SqlOf("rating.md", "### CAP-001", 1)), testing::ElementsAre("web1|7|1|12||||", "web2|1|1|3650||||"));
  EXPECT_THAT(Ask(SqlOf("rating.md", "### CAP-001", 2)), testing::ElementsAre("2024-10-08|3|2|||||"));
}

}  // namespace
}  // namespace ppmm
