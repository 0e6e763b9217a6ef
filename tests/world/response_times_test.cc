// RSP-001, RSP-002, RSP-003 and RSP-101: each outcome, with the number that follows from what befell the application,
// from samples on the wire to the documented SQL.
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/world/documented_sql.h"
#include "tests/world/findings.h"
#include "tests/world/shared_world.h"

namespace ppmm {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Key;
using testing::Not;

constexpr int kDays = 15;
constexpr int kLastDay = kDays - 1;
constexpr int kMinutes = kDays * 1440;
constexpr int kOfAllSoftware = 1;  // the criterion of 2.3 of RSP-002 and RSP-003
constexpr wire::Origin kBought = wire::ORIGIN_OFF_THE_SHELF;

// One line says which outcome an application is there for. Nginx has two thirds of the requests, so it is tier 1.
OrganizationScript Timed() {
  const Spans rarely = Daily(0, kDays, At(0, 9, 5), At(0, 9, 7));  // 12 requests a day
  const Spans hourly = Hourly(kDays, 5, 6);                        // 6 requests an hour
  const Spans once = Daily(0, kDays, At(0, 9, 5), At(0, 9, 6));    // 6 requests a day
  OrganizationScript world;
  world.push_back(
      {.name = "web",
       .address = "10.2.0.1",
       .applications = {
           {.name = "nginx", .origin = wire::ORIGIN_OFF_THE_SHELF, .requests = 40, .releases = {{At(3, 10)}}},
           {.name = "api", .requests = 5, .untimed = Hourly(kDays, 57, 60), .releases = {{At(5, 23, 56)}}},
           {.name = "legacy", .origin = wire::ORIGIN_UNKNOWN, .requests = 5},
           {.name = "envoy", .origin = wire::ORIGIN_OFF_THE_SHELF, .releases = {{At(7, 12)}}, .unparsed = 1},
           {.name = "canned", .requests = 10, .constant = true},
           {.name = "report", .origin = wire::ORIGIN_OFF_THE_SHELF, .used = hourly, .requests = 1},
           {.name = "archive", .origin = wire::ORIGIN_OFF_THE_SHELF, .used = rarely, .requests = 1},
           {.name = "attic",
            .origin = wire::ORIGIN_OFF_THE_SHELF,
            .used = once,
            .requests = 1,
            .releases = {{At(4, 10)}}},
           {.name = "unused", .still = true, .origin = wire::ORIGIN_OFF_THE_SHELF, .releases = {{At(4, 10)}}}}});
  world.push_back(
      {.name = "locked",
       .address = "10.2.0.2",
       .untimed = "bpf(): Operation not permitted",
       .applications = {{.name = "blind", .origin = wire::ORIGIN_OFF_THE_SHELF, .releases = {{At(13, 12)}}}}});
  world.push_back({.name = "courier",
                   .address = "10.2.0.3",
                   .cut = {{At(12, 6), At(12, 18)}},
                   .applications = {{.name = "parcel", .requests = 5}}});
  world.push_back({.name = "young",
                   .address = "10.2.0.4",
                   .lives = {.from = At(12)},
                   .applications = {{.name = "newborn", .requests = 5}}});
  return world;
}

// 240 requests a minute of 5 ms and more fill an interval of Little's law each minute, 72 fill one in three.
OrganizationScript Lawful() {
  return {
      {.name = "lab",
       .address = "10.3.0.1",
       .applications =
           {{.name = "exact", .origin = kBought, .requests = 40},
            {.name = "proxy", .origin = kBought, .used = Daily(0, kDays, 0, 1439), .requests = 12},
            {.name = "rough", .origin = kBought, .requests = 40, .seen_percent = 125},
            {.name = "drift",
             .origin = kBought,
             .requests = 40,
             .misseen_percent = 70,
             .misseen = Hourly(kDays, 0, 12)},
            {.name = "broken",
             .origin = kBought,
             .requests = 40,
             .misseen_percent = 50,
             .misseen = Hourly(kDays, 0, 30)},
            {.name = "cursory", .origin = kBought, .used = Daily(0, kDays, 0, 5), .requests = 40, .seen_percent = 200},
            {.name = "idle", .origin = kBought, .requests = 9},
            {.name = "gateway", .origin = kBought, .requests = 3, .unparsed = 3},
            {.name = "broker", .origin = kBought, .requests = 3, .unparsed = 4},
            {.name = "timerless", .origin = kBought, .requests = 40, .seen_percent = -1}}},
      {.name = "young",
       .address = "10.3.0.2",
       .lives = {.from = At(12)},
       .applications = {{.name = "newborn", .origin = kBought, .requests = 5},
                        {.name = "toddler", .origin = kBought, .requests = 40}}}};
}

OrganizationRun& TimedWorld() {
  static OrganizationRun* const world = [] {
    auto* const made = new OrganizationRun(Timed(), WorldPath("timed_world"));
    made->RateAtNoon();
    made->LiveUntil(At(kDays, 0, 10));
    return made;
  }();
  return *world;
}

OrganizationRun& LawfulWorld() {
  static OrganizationRun* const world = [] {
    auto* const made = new OrganizationRun(Lawful(), WorldPath("lawful_world"));
    made->LiveUntil(At(kDays, 0, 10));
    return made;
  }();
  return *world;
}

Finding Of(const std::string& activity, const std::string& application, int criterion = 0) {
  return FindingOf(TimedWorld().OfDay(kLastDay), activity, criterion, application);
}
std::map<std::string, Finding> All(const std::string& activity, int criterion = 0) {
  return FindingsOf(TimedWorld().OfDay(kLastDay), activity, criterion);
}

TEST(TimedTest, EveryTrafficMinuteTimedIsSatisfied) {
  EXPECT_EQ(Brief(Of("RSP-001", "nginx")), absl::StrCat("satisfied ", kMinutes, "/", kMinutes));
  EXPECT_EQ(Brief(Of("RSP-101", "legacy")), absl::StrCat("satisfied ", kMinutes, "/", kMinutes));
}

TEST(TimedTest, OnlyMinutesWithTrafficAreAsked) {
  EXPECT_EQ(Brief(Of("RSP-001", "report")), absl::StrCat("satisfied ", kDays * 24, "/", kDays * 24));
}

TEST(TimedTest, RequestsWithoutTimesCostTheirMinutes) {
  const Finding api = Of("RSP-101", "api");
  EXPECT_EQ(Brief(api), absl::StrCat("not_satisfied ", kDays * 24 * 57, "/", kMinutes));
  EXPECT_THAT(api.words, HasSubstr("95 %"));
}

TEST(TimedTest, MultiplexedConnectionsAreNamedAsTheReason) {
  const Finding envoy = Of("RSP-001", "envoy");
  EXPECT_EQ(Brief(envoy), absl::StrCat("not_satisfied 0/", kMinutes));
  EXPECT_EQ(envoy.reason, "some of its connections are pipelined or multiplexed, so they have no times");
}

TEST(TimedTest, AMultiplexedConnectionIsARequestWithoutATime) {
  const auto timed = [](const std::string& application) {
    return FindingOf(LawfulWorld().OfDay(kLastDay), "RSP-001", 0, application);
  };
  EXPECT_EQ(Brief(timed("gateway")), absl::StrCat("satisfied ", kMinutes, "/", kMinutes)) << "half of them";
  EXPECT_EQ(Brief(timed("broker")), absl::StrCat("not_satisfied 0/", kMinutes));
  EXPECT_EQ(timed("gateway").reason, timed("broker").reason) << "what it leaves out is said of what passes, too";
  EXPECT_EQ(timed("exact").reason, "");
}

TEST(TimedTest, TimesThatNobodyMeasuredContradict) {
  EXPECT_EQ(Brief(Of("RSP-101", "canned")), "contradicted");
  EXPECT_EQ(Brief(Of("RSP-002", "canned", kOfAllSoftware)), "contradicted");
  EXPECT_EQ(Brief(Of("RSP-003", "canned", kOfAllSoftware)), "contradicted");
  EXPECT_EQ(Brief(Of("RSP-005", "canned", 3)), "contradicted");
  EXPECT_THAT(Of("RSP-101", "canned").reason, HasSubstr("the same to the nanosecond"));
  EXPECT_EQ(RowOf(TimedWorld().OfDay(kLastDay), "RSP-101").status, "contradicted");
}

TEST(TimedTest, WhereBpfIsDeniedThereIsNoSourceAndACure) {
  for (const char* activity : {"RSP-001", "RSP-002", "RSP-003"}) {
    const Finding blind = Of(activity, "blind");
    EXPECT_EQ(Brief(blind), "no_source") << activity;
    EXPECT_THAT(blind.reason, testing::StartsWith("bpf(): Operation not permitted; cure: run ppmm-agent as its"));
  }
}

TEST(TimedTest, WithoutTrafficThereIsNothingToJudge) {
  EXPECT_EQ(Brief(Of("RSP-001", "unused")), "not_applicable");
  EXPECT_EQ(Of("RSP-001", "unused").reason, "no traffic in this window");
}

TEST(TimedTest, ANewApplicationIsUndecided) {
  EXPECT_THAT(Brief(Of("RSP-101", "newborn")), testing::StartsWith("undecided until 2026-01-20T00:0"));
}

TEST(TimedTest, ANewApplicationIsUndecidedHoweverManySamplesItHas) {
  for (const char* activity : {"RSP-002", "RSP-003"}) {
    const Finding bought = FindingOf(LawfulWorld().OfDay(kLastDay), activity, 0, "newborn");
    for (const Finding& newborn : {bought, Of(activity, "newborn", kOfAllSoftware)}) {
      EXPECT_THAT(Brief(newborn), testing::StartsWith("undecided until 2026-01-20T00:0")) << activity;
      EXPECT_EQ(newborn.reason, "not observed for long enough") << activity;
    }
  }
}

TEST(TimedTest, UnknownOriginsCountInBothClasses) {
  EXPECT_THAT(All("RSP-001"), Contains(Key("legacy")));
  EXPECT_THAT(All("RSP-101"), Contains(Key("legacy")));
  EXPECT_THAT(All("RSP-001"), Not(Contains(Key("api"))));
  EXPECT_THAT(All("RSP-101"), Not(Contains(Key("nginx"))));
}

TEST(TimedTest, TheRowIsThatOfItsWorstApplication) {
  const RowFinding row = RowOf(TimedWorld().OfDay(kLastDay), "RSP-001");
  EXPECT_EQ(row.status, "not_satisfied");
  EXPECT_THAT(row.reason, HasSubstr("worst envoy: some of its connections are pipelined or multiplexed"));
}

TEST(TimedTest, WhatComesLateIsTimedAsIfItHadComeInTime) {
  EXPECT_EQ(Brief(Of("RSP-101", "parcel")), absl::StrCat("satisfied ", kMinutes, "/", kMinutes));
  const auto facts = RunSql(TimedWorld().path(),
                            "SELECT min(timed_minutes) AS minutes, min(timed_requests) AS timed, "
                            "min(requests) AS requests, max(requests) AS most, min(timed_hour_07) AS hour, "
                            "min(errors) AS errors, min(busy_minutes) AS busy, min(percentile_enough_1h) AS enough, "
                            "max(synthetic) AS synthetic FROM fact_day "
                            "JOIN application a ON kind = 2 AND number = a.id WHERE a.key = 'default/parcel'",
                            TimedWorld().clock().Now());
  EXPECT_EQ(facts.at(0), (SqlRow{{"minutes", "1440"},
                                 {"timed", "43200"},
                                 {"requests", "43200"},
                                 {"most", "43200"},
                                 {"hour", "1800"},
                                 {"errors", "8640"},
                                 {"busy", "0"},
                                 {"enough", "24"},
                                 {"synthetic", "0"}}));
}

TEST(PercentileTest, IsTakenOverTheShortestIntervalThatHoldsEnoughSamples) {
  // The first day of an application is no whole interval, but what holds enough on it counts.
  EXPECT_EQ(Brief(Of("RSP-002", "nginx")), absl::StrCat("satisfied ", kDays * 24, "/", kDays * 24));
  EXPECT_EQ(Of("RSP-002", "report").words,
            absl::StrCat("100 % of intervals of 24 h hold 59 samples (", kDays, " of ", kDays, ")"));
  // 12 a day: the fifth day is the first that ends a week with 59, and from the eighth on a week is whole.
  EXPECT_EQ(Of("RSP-002", "archive").words, "100 % of intervals of 7 d hold 59 samples (11 of 11)");
}

TEST(PercentileTest, TooFewSamplesInAWeekAreNotSatisfied) {
  EXPECT_EQ(Brief(Of("RSP-002", "attic")), absl::StrCat("not_satisfied 0/", kDays - 7));
}

TEST(PercentileTest, In23AllSoftwareIsAsked) {
  EXPECT_THAT(All("RSP-002", 0), Not(Contains(Key("api"))));
  EXPECT_THAT(All("RSP-002", 1), Contains(Key("api")));
}

TEST(PercentileTest, TheOpenHourCountsOnceItHoldsEnough) {
  const auto today = FindingsOf(TimedWorld().AtNoon(0), "RSP-002");
  EXPECT_EQ(today.at("nginx").words, "100 % of intervals of 1 h hold 59 samples (12 of 12)") << "the thirteenth begins";
  EXPECT_THAT(Brief(today.at("attic")), testing::StartsWith("undecided until 2026-01-08T00:0"));
  EXPECT_EQ(today.at("attic").reason, "no interval with 59 timed requests, and none is over yet");
}

TEST(VantageTest, TheArrivalClockIsWhereUsersWait) {
  EXPECT_EQ(Brief(Of("RSP-003", "nginx")), absl::StrCat("satisfied ", kDays, "/1"));
  EXPECT_EQ(Brief(Of("RSP-003", "envoy")), "not_satisfied 0/1");
  EXPECT_EQ(Brief(Of("RSP-003", "unused")), "not_applicable");
}

TEST(VantageTest, WhatIsNewAndUnusedWaitsForTraffic) {
  const Finding unused = FindingOf(TimedWorld().AtNoon(0), "RSP-003", 0, "unused");
  EXPECT_THAT(Brief(unused), testing::StartsWith("undecided until 2026-01-08T00:0"));
  EXPECT_EQ(unused.reason, "no traffic yet");
}

Finding Law(const std::string& application) {
  return FindingOf(LawfulWorld().OfDay(kLastDay), "RSP-005", 0, application);
}

TEST(LittlesLawTest, TimesThatExplainWhatIsInFlightAreSatisfied) {
  EXPECT_EQ(Brief(Law("exact")), absl::StrCat("satisfied ", kMinutes, "/", kMinutes));
  EXPECT_EQ(Brief(Law("rough")), absl::StrCat("satisfied ", kMinutes, "/", kMinutes)) << "a quarter off";
  EXPECT_EQ(Law("exact").words, "N = X R within 25 % in 100 % of intervals (21600 of 21600)");
}

TEST(LittlesLawTest, AnIntervalCountsOnTheDayOnWhichItEnds) {
  const int intervals = kDays * 1439 / 3;
  ASSERT_GT(intervals, kDays * (1439 / 3));
  EXPECT_EQ(Brief(Law("proxy")), absl::StrCat("satisfied ", intervals, "/", intervals));
}

TEST(LittlesLawTest, TimesThatDoNotExplainWhatIsInFlightAreNotSatisfied) {
  EXPECT_EQ(Brief(Law("drift")), absl::StrCat("not_satisfied ", kDays * 24 * 48, "/", kMinutes));
  EXPECT_EQ(Brief(Law("cursory")), absl::StrCat("not_satisfied 0/", kDays * 5)) << "too few to contradict";
}

TEST(LittlesLawTest, HalfOfTheIntervalsOffByTwoContradict) {
  EXPECT_EQ(Brief(Law("broken")), "contradicted");
  EXPECT_EQ(Law("broken").reason, "response times differ from the requests in flight by a factor of 2");
  const RowFinding row = RowOf(LawfulWorld().OfDay(kLastDay), "RSP-005");
  EXPECT_EQ(row.status, "contradicted");
}

TEST(LittlesLawTest, WithTooFewRequestsThereIsNothingToJudge) {
  EXPECT_EQ(Brief(Law("idle")), "not_applicable");
  EXPECT_EQ(Law("idle").reason, "fewer than 30 intervals with enough requests in flight");
}

TEST(LittlesLawTest, ANewApplicationIsUndecided) {
  EXPECT_THAT(Brief(Law("toddler")), testing::StartsWith("undecided until 2026-01-20T00:0"));
  EXPECT_THAT(Brief(Law("newborn")), testing::StartsWith("undecided until 2026-01-20T00:0"));
  EXPECT_EQ(Law("newborn").reason, "fewer than 30 intervals with enough requests in flight yet");
}

TEST(LittlesLawTest, WithoutATimerThereIsNoSource) {
  EXPECT_EQ(Brief(Law("timerless")), "no_source");
  EXPECT_THAT(Law("timerless").reason, HasSubstr("requests in flight are not observed"));
  EXPECT_EQ(Brief(Of("RSP-005", "blind")), "no_source");
  EXPECT_THAT(Of("RSP-005", "blind").reason, testing::StartsWith("bpf(): Operation not permitted; cure: "));
}

Finding ReleasesTimed(int day) {
  return FindingOf(TimedWorld().OfDay(day), "IMP-101", 0, "Example Ltd");
}

TEST(ReleaseTest, NewVersionsThatAreTimedFromTheirFirstDayAreSatisfied) {
  EXPECT_EQ(Brief(ReleasesTimed(2)), "not_applicable") << "none was seen";
  EXPECT_THAT(Brief(ReleasesTimed(5)), testing::StartsWith("undecided until 2026-01-08"));
  // Nginx and api at once; attic was released after its only requests of the day, so it was timed a day later. The
  // release of what nobody uses does not count.
  EXPECT_EQ(Brief(ReleasesTimed(7)), "satisfied 3/3") << "of envoy it is not known yet";
}

TEST(ReleaseTest, ANewVersionWithoutTimesForADayMisses) {
  EXPECT_EQ(Brief(ReleasesTimed(8)), "not_satisfied 3/4") << "envoy's connections are multiplexed";
  EXPECT_EQ(Brief(ReleasesTimed(kLastDay)), "not_satisfied 3/5") << "and blind's host takes no times";
}

TEST(ReleaseTest, TheDocumentedSqlGivesTheNumbersOfTheExplanation) {
  const auto rows = RunSql(TimedWorld().path(), SqlBelow("IMP-101").at(0), TimedWorld().clock().Now());
  EXPECT_EQ(rows.at(0).at("timed"), "3");
  EXPECT_EQ(rows.at(0).at("used"), "5");
  const auto seen = RunSql(TimedWorld().path(), SqlBelow("IMP-101").at(1), TimedWorld().clock().Now());
  EXPECT_EQ(seen.size(), 6u);
  EXPECT_EQ(By("key", seen).at("default/nginx").at("change"), "1.9 to 2.0");
}

// The numbers of an explanation, by the key of the application.
void ExpectSqlGives(const std::string& heading, const std::vector<std::string>& activities,
                    const std::string& numerator, const std::string& denominator,
                    OrganizationRun& world = TimedWorld()) {
  const auto rows = By("key", RunSql(world.path(), SqlBelow(heading).at(0), world.clock().Now()));
  int compared = 0;
  for (const std::string& activity : activities) {
    for (const auto& [label, finding] : FindingsOf(world.OfDay(kLastDay), activity)) {
      if (finding.numerator.has_value()) {
        const SqlRow& row = rows.at(absl::StrCat("default/", label));
        EXPECT_EQ(absl::StrCat(*finding.numerator), row.at(numerator)) << label;
        EXPECT_EQ(absl::StrCat(*finding.denominator), denominator.empty() ? "1" : row.at(denominator)) << label;
        ++compared;
      }
    }
  }
  EXPECT_GE(compared, 5);
}

TEST(TimedTest, TheDocumentedSqlGivesTheNumbersOfTheExplanation) {
  ExpectSqlGives("RSP-001", {"RSP-001", "RSP-101"}, "timed", "traffic");
  ExpectSqlGives("RSP-001", {"RSP-001"}, "timed", "traffic", LawfulWorld());
  ExpectSqlGives("RSP-003", {"RSP-003"}, "days", "");
}

TEST(LittlesLawTest, TheDocumentedSqlGivesTheNumbersOfTheExplanation) {
  ExpectSqlGives("RSP-005", {"RSP-005"}, "within", "intervals", LawfulWorld());
  const auto rows = By("key", RunSql(LawfulWorld().path(), SqlBelow("RSP-005").at(0), LawfulWorld().clock().Now()));
  EXPECT_EQ(rows.at("default/broken").at("contradicted"), "1");
  EXPECT_EQ(rows.at("default/cursory").at("contradicted"), "0");
  EXPECT_EQ(rows.at("default/cursory").at("half_off"), absl::StrCat(kDays * 5));
}

TEST(LittlesLawTest, ThePooledMinutesGiveTheIntervalsOfEachDay) {
  std::map<std::string, SqlRow> facts;
  for (const SqlRow& row : RunSql(LawfulWorld().path(),
                                  "SELECT a.key, date(f.day * 86400, 'unixepoch') AS day, little_intervals, "
                                  "little_within, little_half_off FROM fact_day f JOIN application a "
                                  "ON f.kind = 2 AND f.number = a.id WHERE little_intervals > 0",
                                  LawfulWorld().clock().Now())) {
    facts[absl::StrCat(row.at("key"), " ", row.at("day"))] = row;
  }
  std::size_t compared = 0;
  for (const SqlRow& row : RunSql(LawfulWorld().path(), SqlBelow("RSP-005").at(1), LawfulWorld().clock().Now())) {
    if (row.at("day") >= "2026-01-16") {
      continue;
    }
    const SqlRow& fact = facts.at(absl::StrCat(row.at("key"), " ", row.at("day")));
    EXPECT_EQ(fact.at("little_intervals"), row.at("intervals")) << row.at("key") << row.at("day");
    EXPECT_EQ(fact.at("little_within"), row.at("within")) << row.at("key") << row.at("day");
    EXPECT_EQ(fact.at("little_half_off"), row.at("half_off")) << row.at("key") << row.at("day");
    ++compared;
  }
  EXPECT_EQ(compared, facts.size());
  EXPECT_GT(compared, 5U * kDays);
}

TEST(PercentileTest, TheDocumentedSqlGivesTheNumbersOfTheExplanation) {
  std::map<std::string, SqlRow> rows;
  for (const SqlRow& row : RunSql(TimedWorld().path(), SqlBelow("RSP-002").at(0), TimedWorld().clock().Now())) {
    rows[absl::StrCat(row.at("key"), " ", row.at("hours"))] = row;
  }
  int compared = 0;
  for (const auto& [label, hours] : std::map<std::string, int>{{"nginx", 1}, {"report", 24}, {"archive", 168}}) {
    const Finding finding = Of("RSP-002", label);
    const SqlRow& row = rows.at(absl::StrCat("default/", label, " ", hours));
    EXPECT_EQ(absl::StrCat(*finding.numerator, "/", *finding.denominator),
              absl::StrCat(row.at("enough"), "/", row.at("intervals")))
        << label;
    EXPECT_EQ(row.at("holds"), "1");
    ++compared;
  }
  EXPECT_EQ(compared, 3);
  EXPECT_EQ(rows.at("default/report 6").at("holds"), "0");
}

TEST(TimedTest, ThePooledMinutesAddUpToTheFactsOfTheDay) {
  int compared = 0;
  for (const SqlRow& row : RunSql(TimedWorld().path(), SqlBelow("RSP-001").at(1), TimedWorld().clock().Now())) {
    if (row.at("key") == "default/nginx" && row.at("day") < "2026-01-16") {
      EXPECT_EQ(row.at("requests"), absl::StrCat(40 * 6 * 1440));
      EXPECT_EQ(row.at("timed"), row.at("requests"));
      EXPECT_EQ(row.at("timed_minutes"), "1440");
      ++compared;
    }
    if (row.at("key") == "default/envoy" && row.at("day") < "2026-01-16") {
      EXPECT_EQ(row.at("unparsed_connections"), absl::StrCat(6 * 1440));
      EXPECT_EQ(row.at("timed_minutes"), "0");
    }
  }
  EXPECT_EQ(compared, kDays);
  std::map<std::string, std::string> minutes;  // of the first day
  for (const SqlRow& row : RunSql(LawfulWorld().path(), SqlBelow("RSP-001").at(1), LawfulWorld().clock().Now())) {
    minutes.try_emplace(row.at("key"), row.at("timed_minutes"));
  }
  EXPECT_EQ(minutes.at("default/gateway"), "1440");
  EXPECT_EQ(minutes.at("default/broker"), "0");
}

}  // namespace
}  // namespace ppmm
