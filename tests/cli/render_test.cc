#include "cli/render.h"

#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/doctor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/testing/golden.h"

namespace ppmm {
namespace {

using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Json Load(const std::string& name) {
  std::ifstream file(std::string(PPMM_TESTDATA) + "/api/" + name);
  EXPECT_TRUE(file) << name;
  return Json::parse(file);
}

// Of a collector whose disk is full.
Json StatusNotReady() {
  Json status = Load("status.json");
  status["ready"] = false;
  status["reason"] =
      "cannot commit: store /var/lib/ppmm/collector/ppmm.db: database or disk is full, 0 B free; make room in "
      "/var/lib/ppmm/collector, or move the data to a larger disk (stop, copy, --data DIR)";
  status["components"].push_back({{"component", "store"}, {"state", "failed"}, {"reason", status["reason"]}});
  status["as_of"] = "2026-01-01T00:05:00Z";
  status["instances"] = nullptr;
  return status;
}

Screen ScreenOf(int width) {
  Screen screen;
  screen.width = width;
  screen.now = absl::FromUnixSeconds(1767226200);  // 2026-01-01 00:10:00 UTC
  return screen;
}

// Of applications whose requests are timed, some only in part.
Json TimedApplications() {
  Json applications = Load("applications.json");
  double seconds = 0.00017;
  for (Json& row : applications["applications"]) {
    if (row["instances"] != 0) {
      row["throughput_of"] = "requests";
      row["throughput_per_second"] = 0.02 / seconds;
      for (const char* const part : {"response_time", "wait_time", "service_time"}) {
        row[part].update({{"count", 4711},
                          {"quality", "exact"},
                          {"reason", nullptr},
                          {"p50_seconds", seconds},
                          {"p90_seconds", seconds * 9},
                          {"p95_seconds", seconds * 11},
                          {"p99_seconds", seconds * 20},
                          {"max_seconds", seconds * 100}});
        seconds *= 1.5;
      }
    }
  }
  Json& nginx = applications["applications"][1];
  nginx["throughput_at_least"] = true;
  nginx["response_time"]["connections_without_times"] = 2;
  nginx["response_time"]["open_connections_without_times"] = 16;
  return applications;
}

std::vector<DoctorFinding> Findings() {
  HostProbe probe;
  probe.host = "web7";
  probe.kernel = "5.10.0-28-amd64";
  probe.bpf_syscall = true;
  probe.agent_running = true;
  probe.capabilities = 0;
  probe.clock_synchronized = false;
  probe.disks = {{"/var/lib/ppmm/agent", 1 << 20, 100 << 20}};
  std::vector<DoctorFinding> findings = FindingsOfHost(probe, Json(), absl::UnixEpoch());
  for (const std::vector<DoctorFinding>& more :
       {FindingsOfHosts(Load("hosts.json"), absl::UnixEpoch()), FindingsOfStatus(Load("status.json"))}) {
    findings.insert(findings.end(), more.begin(), more.end());
  }
  return findings;
}

// Every view, by the name of its golden file.
std::vector<std::pair<std::string, std::string>> AllViews(const Screen& screen) {
  return {{"rating", RenderRating(Load("rating.json"), screen)},
          {"next_steps", RenderNextSteps(Load("next_steps.json"), screen)},
          {"activities", RenderActivities(Load("activities.json"), false, screen)},
          {"activities_waiting", RenderActivities(Load("activities.json"), true, screen)},
          {"explain", RenderExplain(Load("activity.json"), screen)},
          {"applications", RenderApplications(Load("applications.json"), "", false, screen)},
          {"application", RenderApplications(Load("applications.json"), "default/nginx", false, screen)},
          {"applications_timed", RenderApplications(TimedApplications(), "", false, screen)},
          {"application_timed", RenderApplications(TimedApplications(), "nginx", false, screen)},
          {"applications_declared", RenderApplications(Load("applications_declared.json"), "", false, screen)},
          {"application_declared", RenderApplications(Load("applications_declared.json"), "nginx", false, screen)},
          {"application_excluded", RenderApplications(Load("applications_declared.json"), "postgresql", false, screen)},
          {"hosts", RenderHosts(Load("hosts.json"), "", screen)},
          {"host", RenderHosts(Load("hosts.json"), "web1", screen)},
          {"inventory", RenderInventory(Load("inventory.json"), screen)},
          {"inventory_declared", RenderInventory(Load("inventory_declared.json"), screen)},
          {"status", RenderStatus(Load("status.json"), screen)},
          {"status_not_ready", RenderStatus(StatusNotReady(), screen)},
          {"doctor", RenderDoctor(Findings(), {"web2"}, screen)}};
}

TEST(Dependencies, TellWhoCallsWhomAndWhoHasNoAgent) {
  const Json dependencies = Json::parse(R"({"days":7,"left_out":2,"dependencies":[
        {"application":"checkout","host":"web1","connections":1234,"bytes":700000,
         "remote":{"address":"10.0.0.2","port":5432,"host":"db1","application":"postgresql"}},
        {"application":null,"host":"web1","connections":1,"bytes":0,
         "remote":{"address":"2001:db8::7","port":443,"host":null,"application":null}}]})");
  const std::string text = RenderDependencies(dependencies, "", /*all=*/true, ScreenOf(120));
  EXPECT_THAT(text, HasSubstr("checkout     web1       postgresql  db1       10.0.0.2:5432"));
  EXPECT_THAT(text, HasSubstr("~other       web1       -           no agent  [2001:db8::7]:443"));
  EXPECT_THAT(text, HasSubstr("Of the last 7 days"));
  EXPECT_THAT(text, HasSubstr("2 more are left out"));
  EXPECT_EQ(RenderDependencies(Json::parse(R"({"days":7,"left_out":0,"dependencies":[]})"), "", false, ScreenOf(120)),
            "No call of a monitored host was seen in the last 7 days.\n");
}

Json Call(const char* caller, const char* called, int connections, int bytes, const char* address = "10.0.0.2") {
  const auto text = [](const char* name) { return name == nullptr ? Json() : Json(name); };
  return {{"application", text(caller)},
          {"host", "web1"},
          {"remote", {{"address", address}, {"port", 34029}, {"host", "db1"}, {"application", text(called)}}},
          {"connections", connections},
          {"bytes", bytes},
          {"calls_per_second", nullptr}};
}

TEST(Dependencies, ThatSayLittleAreCounted) {
  const Json one_short = Call("nmap", nullptr, 1, 40);
  Json one_that_calls = Call("checkout", nullptr, 1, 40);
  one_that_calls["calls_per_second"] = 12;
  const Json kept = Json::array({one_that_calls, Call("archive", nullptr, 1, 4096), Call("orders", "redis", 1, 40),
                                 Call(nullptr, "postgresql", 100, 40)});
  Json rows = kept;
  rows.push_back(one_short);
  rows.push_back(Call(nullptr, nullptr, 2000, 1 << 20));
  rows.push_back(Call(nullptr, "mysql", 99, 1 << 20));
  const Json json = {{"days", 7}, {"dependencies", rows}};
  const std::string text = RenderDependencies(json, "", false, ScreenOf(120));
  for (const char* const name : {"checkout", "archive", "orders", "~other       web1       postgresql"}) {
    EXPECT_THAT(text, HasSubstr(name));
  }
  EXPECT_THAT(text, Not(HasSubstr("nmap")));
  EXPECT_THAT(text, Not(HasSubstr("mysql")));
  EXPECT_THAT(text, HasSubstr("3 more, of ~other or one short connection each: ppmm"));
  EXPECT_THAT(text, HasSubstr("ppmm dependencies --all\n"));
  EXPECT_THAT(RenderDependencies(json, "", true, ScreenOf(120)), Not(HasSubstr("--all")));
  EXPECT_THAT(RenderDependencies({{"days", 7}, {"dependencies", Json::array({one_short})}}, "", false, ScreenOf(120)),
              AllOf(HasSubstr("No call that says much of a monitored host "), HasSubstr("\n1 more, of ~other")));

  const std::string of_mysql = RenderDependencies(json, "mysql", false, ScreenOf(120));
  EXPECT_THAT(of_mysql, HasSubstr("~other       web1       mysql"));
  EXPECT_THAT(of_mysql, Not(HasSubstr("checkout")));
  EXPECT_THAT(of_mysql, Not(HasSubstr("more")));
  EXPECT_THAT(RenderDependencies(json, "nmap", false, ScreenOf(120)), HasSubstr("10.0.0.2:34029"));
  EXPECT_EQ(RenderDependencies(json, "cron", false, ScreenOf(120)),
            "No call of or to cron was seen in the last 7 days.\n");
}

TEST(Dependencies, NameTheWholeAddressOnANarrowScreen) {
  Json row = Call("application-with-a-long-name", "service-with-a-long-name", 123456, 1 << 30, "203.0.113.205");
  row["remote"]["host"] = "host-with-a-long-name.example.org";
  row["call_time"] = {{"p50_seconds", 0.0123}, {"p90_seconds", 0.0456}, {"p99_seconds", 0.0789}};
  row["calls_per_second"] = 12345;
  const std::string text =
      RenderDependencies({{"days", 7}, {"dependencies", Json::array({row})}}, "", false, ScreenOf(80));
  EXPECT_THAT(text, HasSubstr("  203.0.113.205:34029  "));
  EXPECT_THAT(text, HasSubstr("Does not fit here: from host, to host, bytes, p90"));
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(DisplayWidth(line), 80) << line;
  }
}

TEST(Doctor, TellsOnceWhyTheCollectorIsNotReadyAndWhatToDo) {
  const Json not_ready = StatusNotReady();
  std::vector<DoctorFinding> findings = FindingsOfStatus(not_ready);
  ASSERT_EQ(findings.size(), FindingsOfStatus(Load("status.json")).size() + 1);
  EXPECT_EQ(findings[0].what,
            "not ready: cannot commit: store /var/lib/ppmm/collector/ppmm.db: database or disk is full, 0 B free");
  EXPECT_EQ(findings[0].cure,
            "make room in /var/lib/ppmm/collector, or move the data to a larger disk (stop, copy, --data DIR)");
  for (std::size_t i = 1; i < findings.size(); ++i) {
    EXPECT_THAT(findings[i].what, Not(HasSubstr("store: cannot commit")));
  }
  findings = FindingsOfStatus(Json{{"ready", false}, {"reason", "starting"}});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].what, "not ready: starting");
  EXPECT_EQ(findings[0].cure, "look at its log: journalctl -u ppmm-collector");
}

TEST(Render, CriteriaOfOneActivityThatAskTheSameScopeAreToldApart) {
  Json activity = Load("activity.json");
  Json& criteria = activity["criteria"];
  criteria.push_back(criteria[0]);
  criteria[0].update({{"measure", "unseen hosts"}, {"bound", "at_most"}, {"value", 0.05}, {"unit", "share"}});
  criteria[1].update({{"measure", "confirmation age"}, {"bound", "at_most"}, {"value", 180}, {"unit", "days"}});
  criteria.push_back(criteria[0]);
  criteria[2].update({{"measure", nullptr},
                      {"status", "undecided"},
                      {"counted", 2},
                      {"misses", 2},
                      {"tier_1_misses", 0},
                      {"allowed", 0}});
  const std::string text = RenderExplain(activity, ScreenOf(120));
  EXPECT_THAT(text, HasSubstr("Per application  2 applications count: 2 wait, 0 may miss"));
  EXPECT_THAT(text, HasSubstr("Per application: unseen hosts, at most 5 %  11 applications count: 3 miss, 1 may miss"));
  EXPECT_THAT(text, HasSubstr("Per application: confirmation age, at most 180 d  11 applications count: 3 miss"));
}

TEST(Render, WhatIsNotKnownHasNoRowAndOneIsNotSeveral) {
  Json applications = Load("applications.json");
  for (Json& row : applications["applications"]) {
    row["product"] = nullptr;
    row["version"] = nullptr;
  }
  EXPECT_THAT(RenderApplications(applications, "default/nginx", false, ScreenOf(120)), Not(HasSubstr("product")));
  Json status = Load("status.json");
  status["ingest"]["connections_without_stream"] = 1;
  EXPECT_THAT(RenderStatus(status, ScreenOf(120)), HasSubstr(", 1 connection without a stream"));
}

TEST(Render, ApplicationsThatServeNobodyAreShownWhenAskedFor) {
  Json applications = Json::parse(
      R"({"applications":[{"key":"default/shop","name":"shop","group":"default","instances":1,"listed":true},
                          {"key":"default/bash","name":"bash","group":"default","instances":1,"listed":false}],
          "not_listed":"1 more serves nobody, and uses less than 1 % of a host or ended"})");
  const std::string some = RenderApplications(applications, "", false, ScreenOf(80));
  EXPECT_THAT(some, HasSubstr("shop"));
  EXPECT_THAT(some, Not(HasSubstr("bash")));
  EXPECT_THAT(some,
              HasSubstr("1 more serves nobody, and uses less than 1 % of a host or ended: ppmm\napplications --all"));
  const std::string all = RenderApplications(applications, "", true, ScreenOf(80));
  EXPECT_THAT(all, HasSubstr("bash"));
  EXPECT_THAT(all, Not(HasSubstr("--all")));
  EXPECT_THAT(RenderApplications(applications, "bash", false, ScreenOf(80)), HasSubstr("default/bash"))
      << "by its name";
  applications["applications"].erase(0);
  EXPECT_THAT(RenderApplications(applications, "", false, ScreenOf(80)),
              HasSubstr("No application serves or uses much yet.\n1 more serves nobody"));
}

TEST(Render, MistakesOfAConfigurationAreToldLineByLine) {
  Json status = Load("status.json");
  status["configuration"] = {
      {"last_reload_successful", false},
      {"error",
       "collector.yaml:1:1: unknown key \"grcp\"\ncollector.yaml:2:7: no number \x1b[2J\n2 errors, nothing loaded"}};
  EXPECT_THAT(RenderStatus(status, ScreenOf(120)), HasSubstr("configuration the last one read was not taken:\n"
                                                             "              collector.yaml:1:1: unknown key \"grcp\"\n"
                                                             "              collector.yaml:2:7: no number \\x1b[2J\n"
                                                             "              2 errors, nothing loaded\n"));
  const std::vector<DoctorFinding> findings = FindingsOfStatus(status);
  EXPECT_TRUE(std::any_of(findings.begin(), findings.end(), [](const DoctorFinding& finding) {
    return finding.what ==
           "the configuration was not taken: collector.yaml:1:1: unknown key \"grcp\"; "
           "collector.yaml:2:7: no number \\x1b[2J; 2 errors, nothing loaded";
  }));
}

TEST(Render, AHostWhoseAgentWasStoppedOrCutOffSaysSinceWhen) {
  Json hosts = Load("hosts.json");
  hosts["hosts"][0]["state"] = "stopped";
  hosts["hosts"][0]["stream_ended_at"] = "2026-01-01T00:09:48Z";
  EXPECT_THAT(RenderHosts(hosts, "", ScreenOf(200)), HasSubstr("its agent was stopped 12 s ago"));
  hosts["hosts"][0]["state"] = "disconnected";
  EXPECT_THAT(RenderHosts(hosts, "", ScreenOf(200)), HasSubstr("its agent's connection ended 12 s ago"));
}

TEST(Render, ABoundBelowOnePercentKeepsItsDigits) {
  Json activity = Load("activity.json");
  Json& criteria = activity["criteria"];
  criteria.push_back(criteria[0]);
  criteria[0].update({{"measure", "loss"}, {"bound", "at_most"}, {"value", 0.001}, {"unit", "share"}});
  EXPECT_THAT(RenderExplain(activity, ScreenOf(120)),
              HasSubstr("Per application: loss, at most 0.1 %  11 applications count"));
}

TEST(Render, EveryViewIsAsInItsGoldenFile) {
  for (const int width : {80, 120}) {
    for (const auto& [name, text] : AllViews(ScreenOf(width))) {
      SCOPED_TRACE(absl::StrCat(name, " at ", width));
      ExpectGolden(absl::StrCat("cli_", name, "_", width, ".txt"), text);
    }
  }
}

TEST(Render, TimesAreShownWithTheirPartsWhereThereIsRoom) {
  const auto heading = [](int width) {
    const std::string text = RenderApplications(TimedApplications(), "", false, ScreenOf(width));
    return text.substr(0, text.find('\n'));
  };
  EXPECT_THAT(heading(80), AllOf(HasSubstr("p50"), HasSubstr("p99"), Not(HasSubstr("service"))));
  EXPECT_THAT(heading(120), AllOf(HasSubstr("p90"), HasSubstr("wait  service"), Not(HasSubstr("evidence"))));
  EXPECT_THAT(heading(160), AllOf(HasSubstr("wait  service"), HasSubstr("evidence")));
}

TEST(Render, WhatMayBeTooLittleIsMarked) {
  const std::string text = RenderApplications(TimedApplications(), "", false, ScreenOf(200));
  EXPECT_THAT(text, HasSubstr("\u226535 req/s"));
  EXPECT_THAT(text, HasSubstr("wait, service: medians. \u2265: at least; what is asked over pipelined or multiplexed"));
  EXPECT_THAT(RenderApplications(Load("applications.json"), "", false, ScreenOf(200)), Not(HasSubstr("\u2265")));
  const std::string calls = RenderDependencies(
      Json::parse(R"({"days":7,"dependencies":[{"calls_per_second":12,"calls_at_least":true,"remote":{}}]})"), "", true,
      ScreenOf(120));
  EXPECT_THAT(calls, AllOf(HasSubstr("\u226512 "), HasSubstr("\n\u2265: at least; ")));
}

TEST(Render, NoLineIsWiderThanTheScreenOrEndsInBlanks) {
  for (const int width : {80, 100, 120, 160, 200}) {
    for (const auto& [name, text] : AllViews(ScreenOf(width))) {
      for (const absl::string_view line : absl::StrSplit(text, '\n')) {
        EXPECT_LE(DisplayWidth(line), width) << name << ": " << line;
        EXPECT_FALSE(!line.empty() && line.back() == ' ') << name << ": " << line << "|";
      }
    }
  }
}

TEST(Render, HostileNamesCannotReachTheTerminal) {
  for (const auto& [name, text] : AllViews(ScreenOf(120))) {
    EXPECT_THAT(text, Not(HasSubstr("\x1b"))) << name;
  }
}

TEST(Render, WhatWaitsForTimeIsSaidBesideTheActsAndALoneWaitIsNoEnd) {
  Json steps = Json::parse(R"({"next_steps":[],"waiting":{"activities":0,"until":null}})");
  EXPECT_EQ(RenderNextSteps(steps, ScreenOf(80)), "Nothing is left to do.\n");
  steps["waiting"] = {{"activities", 12}, {"until", "2026-12-01T00:00:00Z"}};
  EXPECT_THAT(RenderNextSteps(steps, ScreenOf(80)),
              AllOf(HasSubstr("Nothing is left to do today.\n\nWaits for time: 12, the last until "),
                    HasSubstr("(ppmm activities --waiting)\n")));
}

TEST(Render, ACureThatLeadsToItselfIsLeftOut) {
  Json activity = Load("activity.json");
  activity["id"] = "RSP-003";
  activity["remediation"] = {
      {{"what", "time them at the edge"}, {"cure", "ppmm explain RSP-003"}, {"role", "operations"}}};
  EXPECT_THAT(RenderExplain(activity, ScreenOf(80)), HasSubstr("time them at the edge (operations)\n"));
}

TEST(Render, AHostWhoseAgentIsSentAwayForItsClockSaysSo) {
  Json hosts = Load("hosts.json");
  hosts["hosts"][0]["held_for_clock"] = true;
  hosts["hosts"][0]["clock_offset_seconds"] = -7200;
  EXPECT_THAT(RenderHosts(hosts, "", ScreenOf(200)), HasSubstr("sent away: its clock is 2h behind the collector's"));
}

TEST(Render, ColourIsForScreensThatTakeIt) {
  Screen screen = ScreenOf(80);
  EXPECT_THAT(RenderRating(Load("rating.json"), screen), Not(HasSubstr("\x1b[")));
  screen.colour = true;
  EXPECT_THAT(RenderRating(Load("rating.json"), screen), HasSubstr("\x1b["));
}

// What answers may be of another version, or no collector at all.
TEST(Render, AnyJsonIsRenderedWithoutHarm) {
  for (const char* const text :
       {"null", "{}", "[]", "1",
        R"({"activities":7,"hosts":{},"applications":[1,null,[]],"dependencies":[1,{"remote":[]}],
       "blocking":[[],{"status":5}],"progress":{"2.1":{"low":"x"}},"next_steps":[3,{"acts":[null]}],
       "criteria":[{"scopes":[1],"counted":"many"}],"remediation":[[]],"components":[true]})"}) {
    const Json json = Json::parse(text);
    const Screen screen = ScreenOf(80);
    EXPECT_NE(RenderRating(json, screen), "");
    EXPECT_NE(RenderNextSteps(json, screen), "");
    EXPECT_NE(RenderActivities(json, false, screen), "");
    EXPECT_NE(RenderExplain(json, screen), "");
    EXPECT_NE(RenderApplications(json, "", false, screen), "");
    EXPECT_NE(RenderDependencies(json, "", false, screen), "");
    EXPECT_NE(RenderHosts(json, "", screen), "");
    EXPECT_NE(RenderStatus(json, screen), "");
    FindingsOfHosts(json, absl::UnixEpoch());
    FindingsOfStatus(json);
  }
}

TEST(Render, AnUnknownNumberIsADashNeverZero) {
  const std::string text = RenderApplications(
      Json::parse(R"({"applications":[{"key":"default/a","name":"a","group":"default","origin":"unknown",
                      "throughput_per_second":null,"cpu_cores":null,"instances":1,
                      "response_time":{"reason":"no request was seen on its sockets"}}]})"),
      "", false, ScreenOf(80));
  EXPECT_THAT(text, HasSubstr("-: no request was seen on its sockets"));
  EXPECT_THAT(text, Not(HasSubstr(" 0")));
}

TEST(Render, ADashIsExplainedForTheRowsThatHaveIt) {
  const auto row = [](const char* name, const char* reason) {
    return Json{{"key", std::string("default/") + name},
                {"name", name},
                {"group", "default"},
                {"instances", 1},
                {"name_evidence", "processes that ended before they were identified"},
                {"response_time", {{"reason", reason}}}};
  };
  const Json gone = row("redis", "not heard of now");
  const Json quiet = row("cron", "no request was seen on its sockets");
  EXPECT_THAT(RenderApplications(Json{{"applications", Json::array({gone, gone})}}, "", true, ScreenOf(120)),
              HasSubstr("\n-: not heard of now.\n"));
  const Json rows = Json::array({gone, quiet, quiet, row("~other", "no request was seen on its sockets")});
  EXPECT_THAT(RenderApplications(Json{{"applications", rows}}, "", true, ScreenOf(200)),
              HasSubstr("-: redis: not heard of now; any other: no request was seen on its sockets. ~other: processes "
                        "that ended before they were identified."));
}

TEST(RenderReleasesTest, SaysWhatDoesNotFit) {
  const Json releases = Json::parse(R"({"releases": [
      {"application": "Orders shop", "key": "default/orders", "at": "2026-11-22T13:00:00Z", "enough_requests": true,
       "code_digest": "0123456789abcdef", "previous_code_digest": "fedcba9876543210",
       "before": {"requests": 7200, "mean_response_seconds": 0.012, "error_ratio": 0.01,
                  "cpu_seconds_per_request": 0.0001},
       "after": {"requests": 7000, "mean_response_seconds": 0.018, "error_ratio": 0,
                 "cpu_seconds_per_request": 0.0001}}]})");
  EXPECT_THAT(RenderReleases(releases, "orders", ScreenOf(80)), HasSubstr("cpu a request; a wider"));
  EXPECT_THAT(RenderReleases(releases, "Orders shop", ScreenOf(200)), Not(HasSubstr("fit")));
}

TEST(RenderReleasesTest, BothEndsOfAChangeAreSeenOnANarrowScreen) {
  Json row = {{"application", "orders"},
              {"at", "2026-11-22T13:00:00Z"},
              {"code_digest", "4c538a0811111111"},
              {"previous_code_digest", "cc1c820911111111"},
              {"enough_requests", true},
              {"deployments_known", true},
              {"verdicts", Json::array({{{"minutes", 60}, {"verdict", "no worse"}}})},
              {"before", {{"requests", 7200}, {"mean_response_seconds", 0.012}}},
              {"after", {{"requests", 7000}, {"mean_response_seconds", 0.018}}}};
  const auto text_of = [&row](int width) {
    return RenderReleases(Json{{"releases", Json::array({row})}}, "", ScreenOf(width));
  };
  EXPECT_THAT(text_of(80), HasSubstr("  build cc1c8209 to 4c538a08  "));
  row["deployment"] = {{"source", "ppmm_deployed"}, {"told_by", "root"}, {"version", "1.1"}};
  EXPECT_THAT(text_of(80), HasSubstr("  build cc1c8209 to 1.1 (4c538a08)"));
  EXPECT_THAT(text_of(200), HasSubstr("  build cc1c8209 to 1.1 (4c538a08)  ppmm deployed, root  "));
  row["version"] = "2.0.0~rc2+dfsg-1ubuntu1";
  row["previous_version"] = "1.9.0~rc1+dfsg-1ubuntu3.2";
  EXPECT_THAT(text_of(80), HasSubstr("  1.9.0~rc1+dfs\u2026 to 1.1 (2.0.0~rc\u2026"));
  EXPECT_THAT(text_of(200), HasSubstr("  1.9.0~rc1+dfsg-1ubuntu3.2 to 1.1 (2.0.0~rc2+dfsg-1ubuntu1)  "));
  row["deployment"]["version"] = row["version"] = "1.9.1";
  EXPECT_THAT(text_of(80), HasSubstr("  1.9.0~rc1+dfsg-1ubuntu3\u2026 to 1.9.1  "));
  for (const absl::string_view line : absl::StrSplit(text_of(80), '\n')) {
    EXPECT_LE(DisplayWidth(line), 80) << line;
  }
}

TEST(RenderReleasesTest, ShowsTheHourBeforeAndTheHourAfter) {
  const nlohmann::json releases = nlohmann::json::parse(R"({"left_out": 3, "to": "2026-11-22T13:05:00Z", "releases": [
      {"application": "api", "at": "2026-11-22T13:00:00Z", "version": "to 3", "deployments_known": true},
      {"application": "api", "at": "2026-11-22T12:50:00Z", "version": "to 4", "deployments_known": true,
       "deployment": null},
      {"application": "api", "at": "2026-11-22T12:40:00Z", "version": "to 5", "deployments_known": true,
       "deployment": {"source": "ppmm_deployed", "told_by": "ann"}},
      {"application": "nginx", "key": "default/nginx", "at": "2026-11-22T13:00:00Z", "version": "1.22.1",
       "previous_version": "1.22.0", "enough_requests": true,
       "deployments_known": true, "deployment": {"source": "package_log", "package": "nginx"},
       "verdicts": [{"minutes": 60, "verdict": "no worse"}],
       "before": {"requests": 7200, "mean_response_seconds": 0.012, "error_ratio": 0.01,
                  "cpu_seconds_per_request": 0.0001},
       "after": {"requests": 7000, "mean_response_seconds": 0.018, "error_ratio": 0, "cpu_seconds_per_request": null}},
      {"application": "web/api", "key": "web/api", "at": "2026-11-21T13:00:00Z", "version": null,
       "code_digest": "0123456789abcdef", "previous_code_digest": "fedcba9876543210", "enough_requests": false,
       "before": {"requests": 3, "mean_response_seconds": 0.012}, "after": {"requests": 0}}, "no object"]})");
  const std::string all = RenderReleases(releases, "", ScreenOf(200));
  EXPECT_THAT(
      all,
      testing::ContainsRegex(
          "nginx +1.22.0 to 1.22.1 +package log +no worse .an hour. +7,200 to 7,000 +12 ms to 18 ms +1 % to 0 % +-"));
  EXPECT_THAT(all, testing::ContainsRegex("web/api +build fedcba98 to 01234567 +- +- +3 to 0 +- +- +-"));
  EXPECT_THAT(all, testing::ContainsRegex("api +to 3 +not announced yet"));
  EXPECT_THAT(all, testing::ContainsRegex("api +to 4 +not announced "));
  EXPECT_THAT(all, testing::ContainsRegex("api +to 5 +ppmm deployed, ann"));
  EXPECT_THAT(all, HasSubstr("nobody said `ppmm deployed` within 10 minutes"));
  EXPECT_THAT(all, HasSubstr("-: fewer than 59 requests in one of them."));
  EXPECT_THAT(all, HasSubstr("3 older releases left out."));
  EXPECT_THAT(RenderReleases(releases, "nginx", ScreenOf(80)), testing::Not(HasSubstr("web/api")));
  EXPECT_EQ(RenderReleases(releases, "redis", ScreenOf(80)), "No new version of redis was seen in the last 28 days.\n");
  EXPECT_EQ(RenderReleases(nlohmann::json(), "", ScreenOf(80)), "No new version was seen in the last 28 days.\n");
}

}  // namespace
}  // namespace ppmm
