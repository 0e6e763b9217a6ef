#include "collector/api.h"

#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/testing/golden.h"
#include "tests/testing/manual_clock.h"
#include "tests/testing/view_world.h"

namespace ppmm {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

// A reader that knows minutes of applications only.
class MinutesReader : public StoreReader {
 public:
  absl::StatusOr<std::optional<std::string>> GetMeta(absl::string_view) override { return Unused(); }
  absl::StatusOr<std::optional<std::string>> GetMinute(std::int64_t, HostKey) override { return Unused(); }
  absl::Status ScanMinutes(std::int64_t, std::int64_t, HostKey, const MinuteVisitor&) override { return Unused(); }
  absl::StatusOr<std::optional<std::string>> GetDayBits(std::int64_t, HostKey) override { return Unused(); }
  absl::StatusOr<std::vector<DayBitsRow>> DayBitsOf(std::int64_t) override { return Unused(); }
  absl::StatusOr<std::vector<ApplicationMinuteRow>> ApplicationMinutes(ApplicationId application, std::int64_t from,
                                                                       std::int64_t to) override {
    EXPECT_EQ(application, 0U);
    EXPECT_EQ(to - from, 5);
    // Of the five minutes only three were measured, and nginx did something in one of these.
    ApplicationMinuteRow row;
    row.application = 1;
    row.minute = from + 1;
    row.independent = 360;
    row.traffic = 1800;
    row.cpu_us = 90'000'000;
    ApplicationMinuteRow other;
    other.application = 2;
    other.minute = from + 2;
    ApplicationMinuteRow later = other;
    later.minute = from + 4;
    return std::vector<ApplicationMinuteRow>{row, other, later};
  }
  absl::StatusOr<std::vector<PeerDayRow>> PeersOf(std::int64_t day) override {
    if (day != absl::ToUnixSeconds(ViewWorld().now()) / 86400) {
      return std::vector<PeerDayRow>{};
    }
    PeerDayRow row;
    row.host = 1;
    row.application = 2;
    row.direction = wire::Peer::OUTBOUND;
    row.address = "127.0.0.1";
    row.port = 80;
    row.connections = 7;
    row.bytes = 700;
    return std::vector<PeerDayRow>{row};
  }
  absl::StatusOr<std::vector<InstanceDayRow>> InstancesOf(std::int64_t) override { return Unused(); }
  absl::StatusOr<std::vector<ReleaseRow>> ReleasesOf(std::int64_t) override { return std::vector<ReleaseRow>{}; }
  absl::StatusOr<std::vector<DeploymentRow>> Deployments(std::int64_t, std::int64_t) override {
    return std::vector<DeploymentRow>{};
  }
  absl::StatusOr<std::int64_t> CountDeployments(std::int64_t, std::int64_t) override { return Unused(); }
  absl::StatusOr<std::vector<ReleaseVerdictRow>> ReleaseVerdicts(std::int64_t, std::int64_t) override {
    return std::vector<ReleaseVerdictRow>{};
  }
  absl::StatusOr<std::vector<SampleDayRow>> SamplesOf(std::int64_t) override { return Unused(); }
  absl::StatusOr<std::vector<WatchdogRow>> WatchdogOf(std::int64_t) override { return Unused(); }
  absl::StatusOr<std::vector<BlockRow>> Blocks(EntityId, std::int32_t, std::int64_t, std::int64_t) override {
    return Unused();
  }
  absl::StatusOr<std::vector<BlockRow>> BlocksOfHost(HostKey, std::int32_t, std::int64_t) override { return Unused(); }
  absl::StatusOr<std::optional<DayFacts>> GetFactDay(Day, ScopeId) override { return Unused(); }
  absl::Status ScanFactDays(Day, Day, const FactVisitor&) override { return Unused(); }
  absl::StatusOr<std::vector<Tier1Row>> Tier1() override { return std::vector<Tier1Row>{}; }
  absl::StatusOr<std::vector<ForecastRow>> Forecasts(std::int64_t, std::int64_t) override { return Unused(); }
  absl::StatusOr<std::vector<RatingDayRow>> RatingDays(std::int64_t, std::int64_t) override { return Unused(); }

 private:
  static absl::Status Unused() { return absl::InternalError("not for this test"); }
};

class FakeRating : public RatingSource {
 public:
  absl::StatusOr<std::shared_ptr<const RatingSnapshot>> Current() const override {
    if (snapshot == nullptr) {
      return absl::UnavailableError("the rating is not computed yet; it is within a minute of the start");
    }
    return snapshot;
  }
  std::shared_ptr<const RatingSnapshot> snapshot = std::make_shared<RatingSnapshot>(ViewWorld::Rating());
};

class ApiTest : public testing::Test {
 protected:
  ApiTest() : clock_(world_.now()) {
    ViewContext context;
    context.state = &world_.state();
    context.clock = &clock_;
    context.rating = &rating_;
    context.clocks = &clocks_;
    context.agents = &agents_;
    context.self = [this] {
      SelfNumbers self = ViewWorld::Self();
      self.config_ok = config_error_.empty();
      self.config_error = config_error_;
      return self;
    };
    context.reader = [] { return std::make_unique<MinutesReader>(); };
    context.organization = [] { return "Example"; };
    context.inventory = [this] { return inventory_; };
    AddRoutes(router_, context);
  }

  http::Response Get(const std::string& target) {
    http::Request request;
    request.target = target;
    request.headers.Add("host", "localhost:7766");
    request.peer.address = "127.0.0.1";
    request.peer.local_address = "127.0.0.1";
    return router_.Handle(request);
  }
  Json GetJson(const std::string& target, int status = 200) {
    const http::Response response = Get(target);
    EXPECT_EQ(response.status, status) << response.body;
    return Json::parse(response.body, nullptr, false);
  }
  static const Json& Find(const Json& rows, const std::string& key, const std::string& value) {
    for (const Json& row : rows) {
      if (row[key] == value) {
        return row;
      }
    }
    ADD_FAILURE() << "no " << value;
    return rows[0];
  }

  ViewWorld world_;
  ManualClock clock_;
  ClockOffsets clocks_;
  AgentStreams agents_;
  FakeRating rating_;
  std::string config_error_;
  http::Router router_;
  std::shared_ptr<const Inventory> inventory_ = std::make_shared<const Inventory>();
};

TEST_F(ApiTest, ApplicationsTellThroughputAndOrigin) {
  const Json body = GetJson("/api/v1/applications?window=60s");
  const Json& nginx = Find(body["applications"], "key", "default/nginx");
  EXPECT_EQ(nginx["origin"], "off_the_shelf");
  EXPECT_EQ(nginx["origin_confidence"], 0.75);
  EXPECT_EQ(nginx["origin_evidence"], Json({"Debian package nginx 1.22.1"}));
  EXPECT_EQ(nginx["confirmed"], false);
  EXPECT_EQ(nginx["throughput_of"], "connections");
  EXPECT_EQ(nginx["throughput_per_second"], 38);
  EXPECT_EQ(nginx["cpu_cores"], 0.08);
  EXPECT_EQ(nginx["resident_memory_bytes"], 12'000'000);
  EXPECT_EQ(nginx["hosts"], Json({"web1"}));
  EXPECT_EQ(nginx["instances"], 1);
  EXPECT_EQ(nginx["ports"], Json({80}));
  EXPECT_EQ(nginx["version"], "1.22.1");
  EXPECT_EQ(body["as_of_commit"], 4711);
  EXPECT_EQ(body["to"], "2026-01-01T00:09:59Z");
  EXPECT_EQ(body["from"], "2026-01-01T00:08:59Z");
}

TEST_F(ApiTest, AResponseTimeThatIsNotMeasuredIsNullWithAReason) {
  const Json body = GetJson("/api/v1/applications");
  const Json& time = Find(body["applications"], "key", "default/nginx")["response_time"];
  EXPECT_EQ(time["source"], "none");
  EXPECT_EQ(time["reason"], "no request was seen on its sockets");
  for (const char* const key : {"count", "mean_seconds", "p50_seconds", "p99_seconds", "p999_seconds", "max_seconds"}) {
    EXPECT_TRUE(time[key].is_null()) << key;
  }
  EXPECT_EQ(Find(body["applications"], "key", "default/postgresql")["response_time"]["reason"], "not heard of now");
}

TEST_F(ApiTest, WhyAHostTakesNoTimesIsTheReason) {
  {
    WriterLock lock(&world_.state().mutex());
    world_.state().mutable_tables().hosts[1].sources["response_times"] = {
        1, "response_times", wire::SourceState::FAILED, "the times of requests are taken by BPF: CAP_BPF is missing",
        0};
  }
  const Json body = GetJson("/api/v1/applications");
  EXPECT_EQ(Find(body["applications"], "key", "default/nginx")["response_time"]["reason"],
            "the times of requests are taken by BPF: CAP_BPF is missing");
}

TEST_F(ApiTest, ResponseTimesAreThoseOfTheWindow) {
  {
    WriterLock lock(&world_.state().mutex());
    Tables& tables = world_.state().mutable_tables();
    const EntityId nginx = tables.applications[1].instances[0];
    Sketch times;
    times.Add(1'000'000, 90);
    times.Add(10'000'000, 10);
    for (const char* kind : {"total", "wait"}) {
      SeriesState& series = ViewWorld::AddSeries(tables, nginx, "ppmm_instance_response_time_seconds", {kind}, 0);
      series.histogram->ring.Add(kViewNow - 5, times);
      series.histogram->ring.Add(kViewNow - 65, times);
    }
  }
  const Json body = GetJson("/api/v1/applications?window=60s");
  const Json& row = Find(body["applications"], "key", "default/nginx");
  const Json& time = row["response_time"];
  EXPECT_EQ(time["source"], "kernel");
  EXPECT_EQ(time["vantage"], "server");
  EXPECT_EQ(time["clock"], "arrival");
  EXPECT_TRUE(time["reason"].is_null());
  EXPECT_EQ(time["count"], 100) << "those of 65 s ago are not in the window";
  EXPECT_NEAR(time["p50_seconds"].get<double>(), 0.001, 0.000011);
  EXPECT_NEAR(time["p99_seconds"].get<double>(), 0.01, 0.00011);
  EXPECT_DOUBLE_EQ(time["mean_seconds"].get<double>(), 0.0019);
  EXPECT_EQ(row["wait_time"]["count"], 100);
  EXPECT_EQ(row["service_time"]["reason"], "no request was answered in the last minute");
  EXPECT_THAT(Get("/").body, AllOf(HasSubstr(">1.0 ms<"), HasSubstr(">10 ms<"))) << "the page shows them, too";
  EXPECT_EQ(time["quality"], "exact");
  EXPECT_EQ(time["connections_without_times"], 0);
  EXPECT_EQ(time["open_connections_without_times"], 0);
  const auto window_of = [this](const std::string& window) {
    const Json answer = GetJson("/api/v1/applications?window=" + window);
    return Find(answer["applications"], "key", "default/nginx")["response_time"]["window_seconds"];
  };
  EXPECT_EQ(window_of("20s"), 20);
  EXPECT_EQ(window_of("120s"), 60) << "no more is kept";
  EXPECT_EQ(window_of("241s"), 60);
}

// Connections of nginx on which requests cannot be told apart: `found` in each of the latest ten steps, and `before`.
class UnparsedTest : public ApiTest {
 protected:
  void Label(std::int64_t found, std::int64_t before, std::int64_t established) {
    WriterLock lock(&world_.state().mutex());
    Tables& tables = world_.state().mutable_tables();
    nginx_ = tables.applications[1].instances[0];
    ViewWorld::AddSeries(tables, nginx_, "ppmm_instance_connections_without_times_total", {"pipelined"}, found).total +=
        before;
    ViewWorld::AddSeries(tables, nginx_, "ppmm_instance_connections_without_times_total", {"streams"}, 0);
    ViewWorld::AddSeries(tables, nginx_, "ppmm_instance_connections_established", {}, established);
  }
  // One request in each of the latest ten steps.
  void Answer() {
    WriterLock lock(&world_.state().mutex());
    Tables& tables = world_.state().mutable_tables();
    Sketch times;
    times.Add(1'000'000, 10);
    ViewWorld::AddSeries(tables, nginx_, "ppmm_instance_requests_total", {}, 1);
    ViewWorld::AddSeries(tables, nginx_, "ppmm_instance_response_time_seconds", {"total"}, 0)
        .histogram->ring.Add(kViewNow - 5, times);
  }
  Json Nginx(const std::string& window = "60s") {
    return Find(GetJson("/api/v1/applications?window=" + window)["applications"], "key", "default/nginx");
  }
  EntityId nginx_ = 0;
};

constexpr char kNoTurns[] = "its requests are pipelined or multiplexed, so none can be told from the next";

TEST_F(UnparsedTest, WhereNoRequestCanBeToldFromTheNextTimesAreUnparsed) {
  Label(1, 0, 3);
  const Json row = Nginx();
  const Json& time = row["response_time"];
  EXPECT_EQ(time["quality"], "unparsed");
  EXPECT_EQ(time["source"], "none");
  EXPECT_EQ(time["reason"], kNoTurns);
  EXPECT_EQ(time["connections_without_times"], 10);
  EXPECT_EQ(time["open_connections_without_times"], 3);
  EXPECT_EQ(row["throughput_of"], "connections") << "no request was counted";
  EXPECT_EQ(row["throughput_at_least"], false) << "connections are all counted";
  EXPECT_THAT(Get("/").body, Not(HasSubstr("\u2265")));
}

TEST_F(UnparsedTest, TimesOfTheOtherConnectionsAreExactAndTheirNumberIsTheLeast) {
  Label(1, 0, 3);
  Answer();
  const Json row = Nginx();
  EXPECT_EQ(row["response_time"]["quality"], "exact");
  EXPECT_EQ(row["response_time"]["count"], 10);
  EXPECT_EQ(row["response_time"]["connections_without_times"], 10);
  EXPECT_EQ(row["wait_time"]["quality"], nullptr);
  EXPECT_EQ(row["throughput_of"], "requests");
  EXPECT_EQ(row["throughput_per_second"], 1);
  EXPECT_EQ(row["throughput_at_least"], true);
  EXPECT_THAT(Get("/").body, AllOf(HasSubstr("\u22651<span"), HasSubstr("\u2265: at least")));
}

TEST_F(UnparsedTest, AConnectionThatWasFoundLongAgoMayBeOpen) {
  Label(0, 2, 1);
  EXPECT_EQ(Nginx()["response_time"]["quality"], "unparsed") << "bytes went through, and no request was counted";
  EXPECT_EQ(Nginx()["response_time"]["connections_without_times"], 0);
  EXPECT_EQ(Nginx()["response_time"]["open_connections_without_times"], 1);
  Answer();
  EXPECT_EQ(Nginx()["throughput_at_least"], true);
}

TEST_F(UnparsedTest, OneThatIsGoneTakesNothing) {
  Label(0, 2, 0);
  EXPECT_EQ(Nginx()["response_time"]["quality"], nullptr);
  EXPECT_EQ(Nginx()["response_time"]["reason"], "no request was seen on its sockets");
  Answer();
  EXPECT_EQ(Nginx()["throughput_at_least"], false);
}

TEST_F(UnparsedTest, WhereAHostTakesNoTimesThatIsTheReason) {
  Label(1, 0, 1);
  {
    WriterLock lock(&world_.state().mutex());
    world_.state().mutable_tables().hosts[1].sources["response_times"] = {
        1, "response_times", wire::SourceState::FAILED, "CAP_BPF is missing", 0};
  }
  EXPECT_EQ(Nginx()["response_time"]["quality"], nullptr);
  EXPECT_EQ(Nginx()["response_time"]["reason"], "CAP_BPF is missing");
}

TEST_F(ApiTest, AnApplicationThatIsNotHeardOfKeepsItsRowWithoutNumbers) {
  const Json body = GetJson("/api/v1/applications");
  const Json& postgresql = Find(body["applications"], "key", "default/postgresql");
  EXPECT_EQ(postgresql["instances"], 0);
  EXPECT_TRUE(postgresql["throughput_per_second"].is_null());
  EXPECT_EQ(postgresql["throughput_of"], "none");
  EXPECT_TRUE(postgresql["cpu_cores"].is_null());
  EXPECT_TRUE(postgresql["resident_memory_bytes"].is_null());
}

TEST_F(ApiTest, AWindowIsRoundedUpToWhatIsKept) {
  const Json body = GetJson("/api/v1/applications?window=61s");
  EXPECT_EQ(body["from"], "2026-01-01T00:08:49Z");
  const Json minutes = GetJson("/api/v1/applications?window=241s");
  EXPECT_EQ(minutes["from"], "2026-01-01T00:05:00Z") << "nothing was measured before";
  EXPECT_EQ(minutes["to"], "2026-01-01T00:09:00Z");
  EXPECT_EQ(minutes["measured_seconds"], 180);
  const Json& nginx = Find(minutes["applications"], "key", "default/nginx");
  EXPECT_EQ(nginx["throughput_per_second"], 2);
  EXPECT_EQ(nginx["cpu_cores"], 0.5);
}

TEST_F(ApiTest, AWrongWindowIsAnswered400WithTheCure) {
  EXPECT_THAT(GetJson("/api/v1/applications?window=soon", 400)["error"].get<std::string>(), HasSubstr("60s, 5m"));
  EXPECT_THAT(GetJson("/api/v1/applications?window=-5s", 400)["error"].get<std::string>(), HasSubstr("between"));
  GetJson("/api/v1/applications?window=25h", 400);
  GetJson("/api/v1/applications?window=inf", 400);
}

TEST_F(ApiTest, NoRouteIgnoresAParameter) {
  for (const char* const path :
       {"/", "/metrics", "/metrics/hosts", "/-/healthy", "/-/ready", "/api/v1/rating", "/api/v1/activities",
        "/api/v1/activities/INV-001", "/api/v1/next-steps", "/api/v1/applications", "/api/v1/dependencies",
        "/api/v1/hosts", "/api/v1/inventory", "/api/v1/status"}) {
    const http::Response response = Get(absl::StrCat(path, "?at=2026-01-01"));
    EXPECT_EQ(response.status, 400) << path;
    EXPECT_THAT(response.body, HasSubstr("at")) << path;
  }
}

TEST_F(ApiTest, DependenciesTellWhoCallsWhom) {
  const Json body = GetJson("/api/v1/dependencies");
  ASSERT_EQ(body["dependencies"].size(), 1U);
  const Json& row = body["dependencies"][0];
  EXPECT_EQ(row["application"], "shop/checkout\"d\"");
  EXPECT_EQ(row["host"], "web1");
  EXPECT_EQ(row["remote"], Json({{"address", "127.0.0.1"}, {"port", 80}, {"host", "web1"}, {"application", "nginx"}}));
  EXPECT_EQ(row["connections"], 7);
  EXPECT_EQ(row["bytes"], 700);
  EXPECT_EQ(body["days"], 7);
  EXPECT_EQ(body["left_out"], 0);
}

TEST_F(ApiTest, HostsTellHowTheyAreHeardOf) {
  const Json body = GetJson("/api/v1/hosts");
  const Json& web1 = Find(body["hosts"], "host", "web1");
  EXPECT_EQ(web1["state"], "live");
  EXPECT_EQ(web1["last_step_age_seconds"], 1);
  EXPECT_EQ(web1["cpu_utilization_ratio"], 0.25);
  EXPECT_EQ(web1["memory_utilization_ratio"], 0.25);
  EXPECT_EQ(web1["samples"]["produced"], 1000);
  const Json& db1 = Find(body["hosts"], "host", "db1");
  EXPECT_EQ(db1["state"], "silent");
  EXPECT_TRUE(db1["cpu_utilization_ratio"].is_null());
  EXPECT_EQ(Find(body["hosts"], "host", "cache1")["state"], "off");
}

TEST_F(ApiTest, AHostIsNotLiveOnceItsAgentSaidGoodbyeOrItsStreamEnded) {
  const auto state = [this](const std::string& host) {
    return std::string(Find(GetJson("/api/v1/hosts")["hosts"], "host", host)["state"]);
  };
  const auto id = [](char key) { return std::string(16, key); };
  const auto run = [&](char key, bool goodbye) {
    agents_.Opened(id(key));
    agents_.Closed(id(key), goodbye, clock_.Now() - absl::Seconds(12));
  };
  run(1, false);
  EXPECT_EQ(state("web1"), "disconnected");
  EXPECT_EQ(Find(GetJson("/api/v1/hosts")["hosts"], "host", "web1")["stream_ended_at"], "2026-01-01T00:09:48Z");
  EXPECT_EQ(GetJson("/api/v1/status")["hosts"]["disconnected"], 1);
  agents_.Opened(id(1));
  EXPECT_EQ(state("web1"), "live") << "it came again";
  EXPECT_TRUE(Find(GetJson("/api/v1/hosts")["hosts"], "host", "web1")["stream_ended_at"].is_null());
  agents_.Closed(id(1), /*goodbye=*/true, clock_.Now());
  EXPECT_EQ(state("web1"), "stopped") << "at once";
  EXPECT_THAT(Get("/").body, HasSubstr("stopped"));
  EXPECT_EQ(GetJson("/api/v1/status")["hosts"]["stopped"], 1);
  EXPECT_EQ(GetJson("/api/v1/status")["hosts"]["live"], 0);
  run(2, false);
  EXPECT_EQ(state("db1"), "silent") << "for longer than a connection may be away";
  run(2, true);
  EXPECT_EQ(state("db1"), "stopped");
  run(3, true);
  EXPECT_EQ(state("cache1"), "off") << "proven";
}

TEST_F(ApiTest, AConfigurationThatWasNotTakenStandsOnThePageInOneLine) {
  EXPECT_THAT(Get("/").body, Not(HasSubstr("the last one read was not taken")));
  config_error_ = "collector.yaml:1:1: unknown key\n1 error, nothing loaded";
  EXPECT_THAT(Get("/").body,
              HasSubstr("the last one read was not taken: collector.yaml:1:1: unknown key; 1 error, nothing loaded"));
}

TEST_F(ApiTest, ThePageListsWhatServesAndTheRestWhenAskedFor) {
  {
    WriterLock lock(&world_.state().mutex());
    Tables& tables = world_.state().mutable_tables();
    tables.Entity(tables.applications[2].instances[0])->listeners.clear();
    for (const SeriesId id : tables.Entity(tables.applications[2].instances[0])->series) {
      tables.Series(id)->latest = {};
      tables.Series(id)->last = 0;
    }
  }
  const Json body = GetJson("/api/v1/applications");
  EXPECT_EQ(body["applications"].size(), 3U) << "the API is complete";
  EXPECT_EQ(Find(body["applications"], "key", "default/nginx")["listed"], true) << "it serves";
  EXPECT_EQ(Find(body["applications"], "key", "shop/checkout\"d\"")["listed"], false);
  EXPECT_EQ(Find(body["applications"], "key", "default/postgresql")["listed"], false) << "it ended a while ago";
  EXPECT_EQ(body["not_listed"], "2 more serve nobody, and use less than 1 % of a host or ended");
  const std::string page = Get("/").body;
  EXPECT_THAT(page,
              AllOf(HasSubstr("nginx"), Not(HasSubstr("postgresql")), HasSubstr("href=\"/?all=1#applications\"")));
  EXPECT_THAT(page, HasSubstr("2 more serve nobody, and use less than 1 % of a host or ended"));
  EXPECT_THAT(Get("/?all=1").body, AllOf(HasSubstr("postgresql"), HasSubstr("leave them out")));
}

TEST_F(ApiTest, HostsTellWhatTheirClocksSayAndThatNothingIsTakenForThat) {
  const std::string id = Find(GetJson("/api/v1/hosts")["hosts"], "host", "web1")["host_id"];
  clocks_.Note("agent of web1", absl::HexStringToBytes(id), "web1 (default)", clock_.Now() + absl::Hours(2),
               clock_.SinceBoot(), /*held=*/true);
  const Json body = GetJson("/api/v1/hosts");
  const Json& web1 = Find(body["hosts"], "host", "web1");
  EXPECT_EQ(web1["clock_offset_seconds"], 7200);
  EXPECT_EQ(web1["held_for_clock"], true);
  const Json& db1 = Find(body["hosts"], "host", "db1");
  EXPECT_TRUE(db1["clock_offset_seconds"].is_null());
  EXPECT_EQ(db1["held_for_clock"], false);
}

TEST_F(ApiTest, HostsTellWhenTheirResourcesRunOut) {
  {
    WriterLock lock(&world_.state().mutex());
    Tables& tables = world_.state().mutable_tables();
    std::vector<ForecastRow>& rows = tables.hosts[1].forecasts;
    rows.clear();
    const SeriesState& disk = ViewWorld::AddSeries(tables, tables.hosts[1].entities.front(),
                                                   "ppmm_host_filesystem_size_bytes", {"/dev/sda1", "ext4", "/var"}, 9);
    rows.push_back({kViewNow / 86400 - 1, 1, 1, 0, 0, 310'000, 1'000'000, "", 9, 300'000, 0, 0, 3650, 70, 3650});
    rows.push_back({kViewNow / 86400 - 1, 1, 2, 0, 0, 5, 10, "too_short", 3, 0, 0, 0, 0, 0, 0});
    rows.push_back({kViewNow / 86400 - 1, 1, 3, disk.id, 0, 88, 100, "", 9, 875'000, 9'400, 0, 12, 9, 3650});
  }
  const Json body = GetJson("/api/v1/hosts");
  const Json web1 = Find(body["hosts"], "host", "web1")["exhaustion"];
  EXPECT_EQ(web1["words"], "in 12 d (/var)");
  EXPECT_EQ(web1["as_of"], "2026-01-01T00:00:00Z");
  ASSERT_EQ(web1["resources"].size(), 3U) << "the soonest first";
  EXPECT_EQ(web1["resources"][0]["resource"], "/var");
  EXPECT_EQ(web1["resources"][0]["kind"], "disk");
  EXPECT_EQ(web1["resources"][0]["days"], 12);
  EXPECT_EQ(web1["resources"][0]["days_low"], 9);
  EXPECT_TRUE(web1["resources"][0]["days_high"].is_null()) << "not in sight";
  EXPECT_EQ(web1["resources"][0]["slope_ratio_per_day"], 0.0094);
  EXPECT_EQ(web1["resources"][1]["resource"], "CPU");
  EXPECT_EQ(web1["resources"][1]["in_sight"], false);
  EXPECT_EQ(web1["resources"][2]["reason"], "7 days of history are needed");
  EXPECT_TRUE(web1["resources"][2]["level_ratio"].is_null());
  const Json db1 = Find(body["hosts"], "host", "db1")["exhaustion"];
  EXPECT_EQ(db1["words"], "known from 8 Jan") << "first seen 31 Dec 00:10, 7 days, the end of that day";
  EXPECT_TRUE(db1["as_of"].is_null());
  EXPECT_EQ(db1["resources"].size(), 0U);
}

TEST_F(ApiTest, ASourceThatFailedHasAReasonAndACure) {
  const Json body = GetJson("/api/v1/hosts");
  const Json& sources = Find(body["hosts"], "host", "web1")["sources"];
  EXPECT_THAT(Find(sources, "source", "sockets")["cure"].get<std::string>(), HasSubstr("CAP_BPF"));
  EXPECT_THAT(Find(sources, "source", "pressure")["cure"].get<std::string>(), HasSubstr("psi=1"));
  EXPECT_TRUE(Find(sources, "source", "cpu")["cure"].is_null());
}

TEST_F(ApiTest, TheRatingIsPassedThrough) {
  EXPECT_EQ(GetJson("/api/v1/rating")["level"], 1);
  EXPECT_EQ(GetJson("/api/v1/activities/INV-001")["id"], "INV-001");
  EXPECT_THAT(GetJson("/api/v1/activities/XYZ", 404)["error"].get<std::string>(), HasSubstr("INV-001"));
}

TEST_F(ApiTest, WhateverKeepsItFromCommittingIsAnswered503) {
  for (const absl::Status& why : {absl::UnavailableError("busy"), absl::ResourceExhaustedError("the disk is full"),
                                  absl::FailedPreconditionError("read-only file system")}) {
    world_.state().SetReadiness(why);
    for (const char* const path :
         {"/api/v1/hosts", "/api/v1/applications", "/api/v1/dependencies", "/api/v1/inventory"}) {
      EXPECT_EQ(GetJson(path, 503)["error"], std::string(why.message())) << path;
    }
  }
}

TEST_F(ApiTest, ARatingThatIsNotThereYetIsAnswered503WithTheReason) {
  rating_.snapshot = nullptr;
  EXPECT_THAT(GetJson("/api/v1/rating", 503)["error"].get<std::string>(), HasSubstr("not computed yet"));
  EXPECT_EQ(Get("/metrics").status, 200);
}

TEST_F(ApiTest, WhileNotReadyEverythingSaysWhy) {
  world_.state().SetReadiness(absl::UnavailableError("disk full"));
  const http::Response ready = Get("/-/ready");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(ready.body, "not ready: disk full\n");
  EXPECT_EQ(Get("/-/healthy").status, 200);
  EXPECT_EQ(Get("/metrics/hosts").status, 503);
  EXPECT_EQ(GetJson("/api/v1/hosts", 503)["error"], "disk full");
  EXPECT_EQ(GetJson("/api/v1/applications", 503)["error"], "disk full");
  const Json status = GetJson("/api/v1/status");
  EXPECT_EQ(status["ready"], false);
  EXPECT_EQ(status["reason"], "disk full");
}

TEST_F(ApiTest, WhileNothingCanBeCommittedStatusTellsWhatWas) {
  const Json before = GetJson("/api/v1/status");
  world_.state().SetReadiness(absl::ResourceExhaustedError("disk full"));
  const Json status = GetJson("/api/v1/status");
  for (const char* const key : {"store_id", "as_of_commit", "as_of", "hosts", "applications", "instances", "series",
                                "samples", "samples_lost_by_restore"}) {
    EXPECT_EQ(status[key], before[key]) << key;
    EXPECT_FALSE(status[key].is_null()) << key;
  }
}

TEST(StatusTest, WhatCouldNotBeReadIsNullNeverZero) {
  StatusNumbers numbers;
  numbers.readiness = absl::DataLossError("damaged");
  const Json status = Json::parse(StatusJson(numbers, SelfNumbers(), absl::FromUnixSeconds(1)));
  for (const char* const key : {"store_id", "as_of_commit", "as_of", "applications", "instances", "series", "samples",
                                "samples_lost_by_restore", "response_clocks"}) {
    EXPECT_TRUE(status.contains(key) && status[key].is_null()) << key;
  }
  for (const char* const key : {"live", "silent", "off"}) {
    EXPECT_TRUE(status["hosts"].contains(key) && status["hosts"][key].is_null()) << key;
  }
}

TEST_F(ApiTest, StatusIsOnePageOfNumbers) {
  const Json status = GetJson("/api/v1/status");
  EXPECT_EQ(status["ready"], true);
  EXPECT_EQ(status["store_id"], "0102030405060708");
  EXPECT_EQ(status["hosts"], Json({{"live", 1}, {"silent", 1}, {"off", 1}, {"stopped", 0}, {"disconnected", 0}}));
  ASSERT_EQ(status["response_clocks"].size(), 1U);
  EXPECT_EQ(status["response_clocks"][0], Json({{"arrival", "tp_btf/sk_data_ready"},
                                                {"read", nullptr},
                                                {"write", "tp_btf/sock_send_length"},
                                                {"limits", "an answer counts when its first write ends"},
                                                {"hosts", 1}}));
  EXPECT_EQ(status["applications"], 3);
  EXPECT_EQ(status["samples"]["produced"], 6000);
  EXPECT_EQ(status["ingest"]["refused_batches"]["too_late"], 2);
  EXPECT_EQ(status["commits"]["mean_seconds"], 0.0025);
  EXPECT_EQ(status["uptime_seconds"], 3600);
  EXPECT_EQ(status["store"]["size_bytes"], 12'582'912);
  EXPECT_EQ(Find(status["components"], "component", "rating")["state"], "failed");
}

TEST_F(ApiTest, TheInventoryListsWhatWasFoundAndThatNobodyConfirmedIt) {
  const Json body = GetJson("/api/v1/inventory");
  EXPECT_EQ(body["organization"], "Example");
  EXPECT_EQ(body["confirmed"], false);
  EXPECT_EQ(body["hosts"].size(), 3U);
  EXPECT_EQ(Find(body["applications"], "key", "shop/checkout\"d\"")["origin"], "in_house");
}

TEST_F(ApiTest, MetricsHaveTheTypeThatPrometheusAsksFor) {
  EXPECT_THAT(Get("/metrics").content_type, HasSubstr("version=0.0.4"));
  EXPECT_TRUE(Get("/metrics/hosts").stream);
}

// The answers as the command line's tests read them.
TEST_F(ApiTest, AnswersAreAsInTheGoldenFiles) {
  for (const char* const name : {"applications", "hosts", "status", "inventory"}) {
    ExpectGolden(absl::StrCat("../api/", name, ".json"), GetJson(absl::StrCat("/api/v1/", name)).dump(1) + "\n");
  }
}

TEST_F(ApiTest, ThePageShowsApplicationsHostsAndWhyThereIsNoRating) {
  rating_.snapshot = nullptr;
  const http::Response page = Get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body, HasSubstr("nginx"));
  EXPECT_THAT(page.body, HasSubstr("Debian package nginx 1.22.1"));
  EXPECT_THAT(page.body, HasSubstr("web1"));
  EXPECT_THAT(page.body, HasSubstr("not computed yet"));
}

TEST_F(ApiTest, EveryLinkOfThePageIsAnswered) {
  const std::string page = Get("/").body;
  int links = 0;
  for (absl::string_view rest = page; absl::StrContains(rest, "href=\"/"); ++links) {
    rest.remove_prefix(rest.find("href=\"/") + 6);
    const std::string link(rest.substr(0, rest.find('"')));
    EXPECT_EQ(Get(link).status, 200) << link;
  }
  EXPECT_GE(links, 7);
}

TEST_F(ApiTest, ThePageSaysWhatIsWrongWithTheCollector) {
  EXPECT_THAT(Get("/").body, HasSubstr("This collector, rating:</strong> the facts of 2025-12-31 are damaged"));
}

TEST_F(ApiTest, NamesThatAreNotUtf8AreShownAnyway) {
  {
    WriterLock lock(&world_.state().mutex());
    world_.state().mutable_tables().hosts[1].row.label = "web\xff";
  }
  EXPECT_FALSE(GetJson("/api/v1/hosts").is_discarded());
}

TEST_F(ApiTest, WhatIsDeclaredIsShownWithItsAuthorAndDoesNotCount) {
  config::Inventory said;
  config::DeclaredApplication* nginx = said.add_applications();
  nginx->set_application("nginx");
  nginx->set_name("Front door");
  nginx->set_owner("anna@example.org");
  nginx->set_origin(config::DECLARED_ORIGIN_IN_HOUSE);
  nginx->set_tier(1);
  nginx->set_line_of_business(true);
  said.add_applications()->set_application("nowhere");
  said.add_applications()->set_application("shop/checkout\"d\"");
  said.mutable_applications(2)->set_name("Checkout");
  for (const char* const host : {"web1", "10.0.0.9", "db9"}) {
    config::DeclaredHost* declared_host = said.add_hosts();
    declared_host->set_host(host);
    declared_host->set_owner("operations");
  }
  said.add_networks("192.0.2.0/24");
  config::Maintenance* maintenance = said.add_maintenance();
  maintenance->set_from("2025-12-24 02:00");
  maintenance->set_to("2025-12-24 04:00");
  *said.add_maintenance() = *maintenance;
  said.mutable_maintenance(1)->set_application("nginx");
  said.mutable_maintenance(1)->set_to("2026-02-24 04:00");
  said.mutable_maintenance(1)->set_reason("a new database");
  config::Exclusion* exclusion = said.add_exclusions();
  exclusion->set_host("10.0.0.9");
  exclusion->set_kind(config::EXCLUSION_KIND_AGENTLESS);
  exclusion->set_reason("storage appliance");
  exclusion->set_until("2027-05-31");
  *said.add_exclusions() = *exclusion;
  said.mutable_exclusions(1)->clear_host();
  said.mutable_exclusions(1)->set_application("default/postgresql");
  said.mutable_exclusions(1)->set_kind(config::EXCLUSION_KIND_NOT_OURS);
  said.mutable_exclusions(1)->set_reason("of <the> landlord");
  config::DeclaredExemption* exemption = said.add_exemptions();
  exemption->set_application("nginx");
  exemption->set_activity("RSP-101");
  exemption->set_reason("replaced in spring");
  exemption->set_until("2025-12-31");
  {  // as the collector keeps them
    WriterLock lock(&world_.state().mutex());
    world_.state().mutable_tables().applications[1].display_name = "Front door";
    world_.state().mutable_tables().applications[2].display_name = "Checkout";
  }
  auto rating = std::make_shared<RatingSnapshot>(ViewWorld::Rating());
  rating->hosts_without_agent = {"10.0.0.9", "10.0.0.77"};
  rating_.snapshot = rating;
  inventory_ = std::make_shared<const Inventory>(said, "/etc/ppmm/inventory.yaml");

  const auto find = [](const nlohmann::json& rows, absl::string_view key) {
    for (const nlohmann::json& row : rows) {
      if (row["key"] == std::string(key)) {
        return row;
      }
    }
    return nlohmann::json();
  };
  const auto answer = nlohmann::json::parse(Get("/api/v1/applications").body);
  ExpectGolden("../api/applications_declared.json", answer.dump(1) + "\n");
  const auto& applications = answer["applications"];
  const nlohmann::json declared = find(applications, "default/nginx");
  EXPECT_EQ(declared["name"], "Front door");
  EXPECT_EQ(find(applications, "shop/checkout\"d\"")["shown_as"], "Checkout");
  EXPECT_EQ(declared["owner"], "anna@example.org");
  EXPECT_EQ(declared["origin"], "in_house");
  EXPECT_EQ(declared["origin_confidence"], nullptr);
  EXPECT_EQ(declared["origin_evidence"][0],
            "declared in /etc/ppmm/inventory.yaml, not confirmed; the agents say off_the_shelf");
  EXPECT_EQ(declared["origin_evidence"][1], "Debian package nginx 1.22.1") << "the guess stays visible";
  EXPECT_EQ(declared["tier"], 1);
  EXPECT_EQ(declared["line_of_business"], true);
  EXPECT_EQ(declared["confirmed"], false);
  EXPECT_EQ(declared["declared_by"], "/etc/ppmm/inventory.yaml");
  EXPECT_EQ(declared["counted"]["origin"], "off_the_shelf");
  EXPECT_EQ(declared["counted"]["tier"], nullptr) << "this rating knows no tiers";
  const nlohmann::json other = find(applications, "default/postgresql");
  EXPECT_EQ(other["declared_by"], "/etc/ppmm/inventory.yaml") << "an exclusion is declared, too";
  EXPECT_EQ(other["exclusion"]["kind"], "not_ours");
  EXPECT_EQ(other["exclusion"]["confirmed"], false);
  EXPECT_EQ(declared["exclusion"], nullptr);
  EXPECT_EQ(other["counted"]["origin"], other["origin"]);

  const auto inventory = nlohmann::json::parse(Get("/api/v1/inventory").body);
  EXPECT_EQ(inventory["confirmed"], false);
  EXPECT_EQ(inventory["declared"]["declared_by"], "/etc/ppmm/inventory.yaml");
  EXPECT_EQ(inventory["declared"]["applications"][0]["origin"], "in_house");
  EXPECT_EQ(inventory["declared"]["exclusions"][0]["kind"], "agentless");
  EXPECT_EQ(inventory["declared"]["not_seen"], nlohmann::json({"nowhere", "db9"}));
  EXPECT_EQ(find(inventory["applications"], "default/nginx")["owner"], "anna@example.org");
  EXPECT_EQ(Find(inventory["hosts"], "host", "web1")["owner"], "operations");
  EXPECT_EQ(Find(inventory["hosts"], "host", "db1")["declared_by"], nullptr);
  EXPECT_EQ(Find(inventory["hosts_without_agent"], "host", "10.0.0.9")["owner"], "operations");
  EXPECT_EQ(Find(inventory["hosts_without_agent"], "host", "10.0.0.77")["declared_by"], nullptr);
  ExpectGolden("../api/inventory_declared.json", inventory.dump(1) + "\n");

  const auto hosts = nlohmann::json::parse(Get("/api/v1/hosts").body)["hosts"];
  EXPECT_EQ(Find(hosts, "host", "web1")["owner"], "operations");
  EXPECT_EQ(Find(hosts, "host", "web1")["declared_by"], "/etc/ppmm/inventory.yaml");
  EXPECT_EQ(Find(hosts, "host", "db1")["declared_by"], nullptr);
  EXPECT_EQ(Find(inventory["hosts_without_agent"], "host", "10.0.0.9")["exclusion"]["reason"], "storage appliance");

  const std::string page = Get("/").body;
  EXPECT_NE(page.find("Front door"), std::string::npos);
  EXPECT_NE(page.find("<small>declared, not confirmed</small>"), std::string::npos);
  for (const char* const text :
       {"shown as Front door, in house, tier 1, rated, owner anna@example.org",
        "off the shelf, no tier yet, not rated, no owner", "nothing: nobody sees it", "host 10.0.0.9",
        "excluded as agentless until 2027-05-31: storage appliance", "of &lt;the&gt; landlord", "not excluded",
        "exempt from RSP-101 until 2025-12-31 (over): replaced in spring", "not exempt", "network 192.0.2.0/24",
        "maintenance from 2025-12-24 02:00 to 2026-02-24 04:00 UTC: a new database", "host web1", "owner operations"}) {
    EXPECT_NE(page.find(text), std::string::npos) << text;
  }
  EXPECT_NE(page.find("Checkout"), std::string::npos) << "no key of another group";
  EXPECT_NE(page.find("declared in /etc/ppmm/inventory.yaml, not confirmed"), std::string::npos);
}

}  // namespace
}  // namespace ppmm
