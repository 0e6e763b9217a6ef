// The machine of levels on the whole world: what is published day by day, and why it is not more.
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/world/documented_sql.h"
#include "tests/world/findings.h"
#include "tests/world/shared_world.h"

namespace ppmm {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int kLastDay = kWorldDays - 1;

TEST(RungTest, StaysAtOneAndSaysWhichActsAreMissing) {
  const RatingRecord& record = World().OfDay(kLastDay);
  EXPECT_EQ(TextAt(record.rating, "/published"), "1");
  EXPECT_EQ(TextAt(record.rating, "/high"), "1") << "what has no source supports nothing";
  const std::vector<std::string> blocking = BlockingOf(record);
  EXPECT_THAT(blocking, Contains(StartsWith("INV-001 contradicted: 3 of 16 hosts miss")));
  EXPECT_THAT(blocking, Contains("INV-002 no_source: the inventory is not confirmed"));
  EXPECT_THAT(blocking, Contains(StartsWith("MON-001 contradicted: ")));
  EXPECT_THAT(blocking, Contains(StartsWith("MON-003 not_satisfied: ")));
  EXPECT_THAT(record.rating, HasSubstr("later, with confirmations"));
}

TEST(RungTest, AContradictionIsWatchedAtOnce) {
  EXPECT_EQ(TextAt(World().OfDay(4).rating, "/watch"), "false");
  EXPECT_EQ(TextAt(World().OfDay(5).rating, "/watch"), "true");
  EXPECT_THAT(TextAt(World().OfDay(5).rating, "/watch_reasons"),
              HasSubstr("lent, lent-646464, twin, twin-646464: two agents deliver"));
}

TEST(RungTest, TheDocumentedSqlShowsEachDayAndTheStateOfTheMachine) {
  const std::vector<SqlRow> rows = RunSql(World().path(), SqlBelow("The published rung").at(0), World().clock().Now());
  ASSERT_EQ(rows.size(), static_cast<std::size_t>(kWorldDays));
  EXPECT_EQ(rows.front().at("day"), "2026-01-01");
  EXPECT_EQ(rows.back().at("day"), "2026-01-30");
  for (const SqlRow& row : rows) {
    EXPECT_EQ(row.at("published"), "1");
    EXPECT_EQ(row.at("low"), "1");
  }
  // It remembers fourteen evaluations, and counts how long a gate was below its lower bound.
  int kept = 0;
  for (std::size_t at = 0; (at = rows.back().at("state").find("low 1\n", at)) != std::string::npos; ++at) {
    ++kept;
  }
  EXPECT_EQ(kept, 14);
  EXPECT_THAT(rows.front().at("state"), HasSubstr("below 2.1 INV-001 1\n"));
  EXPECT_THAT(rows.back().at("state"), HasSubstr("below 2.1 INV-001 7\n"));
}

}  // namespace
}  // namespace ppmm
