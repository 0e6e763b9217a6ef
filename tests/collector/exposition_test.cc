#include "collector/exposition.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "collector/view_reads.h"
#include "tests/testing/golden.h"
#include "tests/testing/view_world.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string ReadStream(const http::BodyStream& stream) {
  std::string text;
  while (true) {
    std::string piece;
    const absl::StatusOr<bool> more = stream(&piece);
    EXPECT_TRUE(more.ok()) << more.status();
    text += piece;
    if (!more.ok() || !*more) {
      return text;
    }
  }
}

TEST(Exposition, MetricsPageIsAsInTheGoldenFile) {
  ViewWorld world;
  const RatingSnapshot rating = ViewWorld::Rating();
  const absl::StatusOr<std::string> text = RenderMetrics(world.state(), ViewWorld::Self(), &rating, world.now());
  ASSERT_TRUE(text.ok()) << text.status();
  ExpectGolden("metrics.prom", *text);
}

TEST(Exposition, HostPageIsAsInTheGoldenFile) {
  ViewWorld world;
  ExpectGolden("metrics_hosts.prom", ReadStream(HostMetricsStream(world.state(), world.now())));
}

// The families of a page that a document does not name, in backquotes: `NAME`, `NAME{label}`, or `PREFIX_*`.
std::vector<std::string> FamiliesMissingIn(const std::string& document, absl::string_view page) {
  std::ifstream file(absl::StrCat(PPMM_SOURCE_DIR, "/docs/", document));
  std::stringstream read;
  read << file.rdbuf();
  const std::string text = read.str();
  const auto named = [&text](absl::string_view family) {
    for (const absl::string_view end : {"`", "{"}) {
      if (absl::StrContains(text, absl::StrCat("`", family, end))) {
        return true;
      }
    }
    for (std::size_t length = family.size(); length > 0; --length) {
      if (family[length - 1] == '_' && absl::StrContains(text, absl::StrCat("`", family.substr(0, length), "*`"))) {
        return true;
      }
    }
    return false;
  };
  std::vector<std::string> missing;
  for (absl::string_view line : absl::StrSplit(page, '\n')) {
    if (absl::ConsumePrefix(&line, "# TYPE ") && !named(line.substr(0, line.find(' ')))) {
      missing.emplace_back(line);
    }
  }
  return missing;
}

TEST(Exposition, TheDocumentsNameEveryFamily) {
  ViewWorld world;
  const RatingSnapshot rating = ViewWorld::Rating();
  const absl::StatusOr<std::string> text = RenderMetrics(world.state(), ViewWorld::Self(), &rating, world.now());
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(FamiliesMissingIn("operations.md", *text), IsEmpty());
  EXPECT_THAT(FamiliesMissingIn("metrics.md", ReadStream(HostMetricsStream(world.state(), world.now()))), IsEmpty());
  EXPECT_THAT(FamiliesMissingIn("metrics.md", "# TYPE ppmm_no_such_total counter\n"), SizeIs(1));
}

TEST(Exposition, WithoutARatingItsFamiliesAreAbsent) {
  ViewWorld world;
  const absl::StatusOr<std::string> text = RenderMetrics(world.state(), ViewWorld::Self(), nullptr, world.now());
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(*text, Not(HasSubstr("ppmm_level")));
  EXPECT_THAT(*text, HasSubstr("ppmm_application_info"));
}

TEST(Exposition, BeforeTheFirstFullMinuteNoProvisionalLevelIsClaimed) {
  ViewWorld world;
  RatingSnapshot rating = ViewWorld::Rating();
  rating.provisional_minutes = 0;
  const absl::StatusOr<std::string> text = RenderMetrics(world.state(), ViewWorld::Self(), &rating, world.now());
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(*text, Not(HasSubstr("ppmm_provisional_")));
  EXPECT_THAT(*text, HasSubstr("ppmm_level 1"));
}

TEST(Exposition, ADeclaredNameDrivesNoTerminal) {
  ViewWorld world;
  {
    WriterLock lock(&world.state().mutex());
    for (auto& [id, application] : world.state().mutable_tables().applications) {
      application.display_name = "till\x1b[2J\u202E";
    }
  }
  const absl::StatusOr<std::string> text = RenderMetrics(world.state(), ViewWorld::Self(), nullptr, world.now());
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(*text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(*text, Not(HasSubstr("\u202E")));
  EXPECT_THAT(*text, HasSubstr("name=\"till\\\\x1b[2J"));
}

TEST(Exposition, WhileNotReadyOnlyTheCollectorItselfIsShown) {
  ViewWorld world;
  world.state().SetReadiness(absl::UnavailableError("disk full"));
  const RatingSnapshot rating = ViewWorld::Rating();
  const absl::StatusOr<std::string> text = RenderMetrics(world.state(), ViewWorld::Self(), &rating, world.now());
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(*text, HasSubstr("ppmm_commit_failures_total 1"));
  EXPECT_THAT(*text, Not(HasSubstr("ppmm_level")));
  EXPECT_THAT(*text, Not(HasSubstr("ppmm_application_info")));
}

TEST(Exposition, SeriesLeaveBothPagesFiveMinutesAfterTheirNewestStep) {
  ViewWorld world;
  const absl::Time last_moment = absl::FromUnixSeconds(kViewNow - 1) + kFresh;
  EXPECT_THAT(ReadStream(HostMetricsStream(world.state(), last_moment)), HasSubstr("ppmm_host_load1{host=\"web1\"}"));
  const absl::Time later = last_moment + absl::Seconds(1);
  EXPECT_THAT(ReadStream(HostMetricsStream(world.state(), later)), Not(HasSubstr("ppmm_host_load1")));
  const absl::StatusOr<std::string> text = RenderMetrics(world.state(), ViewWorld::Self(), nullptr, later);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(*text, Not(HasSubstr("ppmm_application_")));
}

TEST(Exposition, OfManyServicesThatAreCalledThoseCalledMostAreExposed) {
  ViewWorld world;
  {
    WriterLock lock(&world.state().mutex());
    Tables& tables = world.state().mutable_tables();
    const EntityId caller = tables.applications.begin()->second.instances.front();
    for (std::uint64_t port = 1; port <= 25; ++port) {
      SeriesState& series =
          ViewWorld::AddSeries(tables, caller, "ppmm_instance_call_time_seconds", {"10.0.0.7", absl::StrCat(port)}, 0);
      series.pooled->sketch.Add(1'000'000, 100 + port);
    }
    ViewWorld::AddSeries(tables, caller, "ppmm_instance_call_time_seconds", {"~other", ""}, 0)
        .pooled->sketch.Add(1'000'000, 1000);
  }
  const absl::StatusOr<std::string> text = RenderMetrics(world.state(), ViewWorld::Self(), nullptr, world.now());
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(*text, HasSubstr("address=\"10.0.0.7\",port=\"6\"} 106\n"));
  EXPECT_THAT(*text, Not(HasSubstr("address=\"10.0.0.7\",port=\"5\"")));
  EXPECT_THAT(*text, HasSubstr(absl::StrCat("address=\"~other\",port=\"\"} ", 1000 + 101 + 102 + 103 + 104 + 105)));
  EXPECT_THAT(FamiliesMissingIn("operations.md", *text), IsEmpty());
}

TEST(Exposition, AHostileNameStaysWithinItsLabel) {
  ViewWorld world;
  EXPECT_THAT(ReadStream(HostMetricsStream(world.state(), world.now())),
              HasSubstr(R"(mountpoint="/a\"b\\c\nd"} 4096)"));
}

TEST(Exposition, APieceOfTheHostPageIsBounded) {
  ViewWorld world;
  {
    WriterLock lock(&world.state().mutex());
    Tables& tables = world.state().mutable_tables();
    for (int i = 0; i < 5000; ++i) {
      ViewWorld::AddSeries(tables, 1, "ppmm_host_disk_io_now", {absl::StrCat("disk", i)}, i);
    }
  }
  const http::BodyStream stream = HostMetricsStream(world.state(), world.now());
  std::string piece;
  std::size_t pieces = 0;
  std::size_t lines = 0;
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more) {
    piece.clear();
    more = stream(&piece);
    EXPECT_LE(piece.size(), 2 * http::kPieceBytes);
    ++pieces;
    lines += static_cast<std::size_t>(std::count(piece.begin(), piece.end(), '\n'));
  }
  EXPECT_GT(pieces, 3U);
  EXPECT_GT(lines, 5000U);
}

TEST(Exposition, AnEmptyStateGivesAnEmptyHostPage) {
  State state;
  EXPECT_EQ(ReadStream(HostMetricsStream(state, absl::FromUnixSeconds(kViewNow))), "");
}

// Decimals are exact: the page says what the agent counted, not a double next to it.
TEST(Exposition, CountersAreExactDecimals) {
  ViewWorld world;
  {
    WriterLock lock(&world.state().mutex());
    SeriesState& series =
        ViewWorld::AddSeries(world.state().mutable_tables(), 1, "ppmm_host_pressure_cpu_waiting_seconds_total", {}, 0);
    series.total = 9'007'199'254'740'993;  // 2^53 + 1
    ViewWorld::AddSeries(world.state().mutable_tables(), 1, "ppmm_host_timex_offset_seconds", {}, -1'500'000);
  }
  const std::string page = ReadStream(HostMetricsStream(world.state(), world.now()));
  EXPECT_THAT(page, HasSubstr("ppmm_host_pressure_cpu_waiting_seconds_total{host=\"web1\"} 9007199254.740993\n"));
  EXPECT_THAT(page, HasSubstr("ppmm_host_timex_offset_seconds{host=\"web1\"} -0.0015\n"));
}

}  // namespace
}  // namespace ppmm
