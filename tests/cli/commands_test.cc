#include "cli/commands.h"

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "agent/config.h"
#include "agent/source_names.h"
#include "common/environment.h"
#include "tests/testing/tcp_sockets.h"
#include "tests/testing/temp_folder.h"

namespace ppmm {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class CommandsTest : public testing::Test {
 protected:
  CommandsTest() {
    context_.get = [this](const std::string& path, std::string* cause) -> absl::StatusOr<HttpAnswer> {
      if (!reachable_) {
        *cause = "Connection refused";
        return absl::UnavailableError("no collector answers at http://127.0.0.1:7766: nobody listens; start it");
      }
      const auto found = answers_.find(path);
      return found == answers_.end() ? HttpAnswer{404, R"({"error":"no such path"})"} : found->second;
    };
    context_.post = [this](const std::string& path, const std::string& body,
                           std::string*) -> absl::StatusOr<HttpAnswer> {
      EXPECT_EQ(path, "/api/v1/deployments");
      said_ = body;
      return posted_;
    };
    context_.out = &out_;
    context_.error = &error_;
  }

  CommandContext context_;
  bool reachable_ = true;
  std::map<std::string, HttpAnswer> answers_;
  std::string said_;
  absl::StatusOr<HttpAnswer> posted_ = HttpAnswer{};
  std::ostringstream out_;
  std::ostringstream error_;
};

TEST_F(CommandsTest, DependenciesOfOneApplicationByAnyOfItsNames) {
  answers_["/api/v1/dependencies"] = {200, R"({"days":7,"dependencies":[
      {"application":"Checkout","connections":7,"remote":{"address":"10.0.0.2","port":5432,"application":"redis"}},
      {"application":"Orders","connections":7,"remote":{"address":"10.0.0.3","port":5432}}]})"};
  answers_["/api/v1/applications?window=60s"] = {200, R"({"applications":[
      {"key":"default/checkout","name":"checkout","shown_as":"Checkout"},
      {"key":"default/cron","name":"cron","shown_as":"cron"}]})"};
  for (const char* const name : {"redis", "Checkout", "checkout", "default/checkout"}) {
    out_.str("");
    EXPECT_EQ(DependenciesCommand(context_, name, false), kExitOk) << name;
    EXPECT_THAT(out_.str(), HasSubstr("10.0.0.2:5432")) << name;
    EXPECT_THAT(out_.str(), Not(HasSubstr("10.0.0.3"))) << name;
  }
  out_.str("");
  EXPECT_EQ(DependenciesCommand(context_, "cron", false), kExitOk);
  EXPECT_THAT(out_.str(), HasSubstr("No call of or to cron "));
  EXPECT_EQ(DependenciesCommand(context_, "chekout", false), kExitUsage);
  EXPECT_THAT(error_.str(), HasSubstr("no application \"chekout\"; did you mean \"checkout\"?"));
}

TEST_F(CommandsTest, DeployedSaysWhatWasNoted) {
  ASSERT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M", "2026-11-22 15:00", &context_.screen.now, nullptr));
  context_.screen.zone = absl::FixedTimeZone(3600);
  posted_ =
      HttpAnswer{200, R"({"application":"checkout","version":"4.2.0","at":"2026-11-22T12:30:00Z","is_new":true})"};
  EXPECT_EQ(DeployedCommand(context_, "checkout", "4.2.0", "13:30"), 0);
  EXPECT_EQ(Json::parse(said_),
            Json::parse(R"({"application":"checkout","version":"4.2.0","at":"2026-11-22T12:30:00Z"})"));
  EXPECT_THAT(out_.str(), testing::ContainsRegex("checkout 4.2.0, deployed .*13:30.*: noted .ppmm releases checkout"));
  for (const char* const at : {"2026-11-22 13:30", "2026-11-22 13:30:00", "2026-11-22T12:30:00Z"}) {
    EXPECT_EQ(DeployedCommand(context_, "checkout", "4.2.0", at), 0);
    EXPECT_EQ(Json::parse(said_).value("at", ""), "2026-11-22T12:30:00Z") << at;
  }
  EXPECT_EQ(DeployedCommand(context_, "checkout", "4.2.0", ""), 0);
  EXPECT_FALSE(Json::parse(said_).contains("at")) << "the collector's now";
  out_.str("");
  posted_ =
      HttpAnswer{200, R"({"application":"checkout","version":"4.2.0","at":"2026-11-22T12:30:00Z","is_new":false})"};
  EXPECT_EQ(DeployedCommand(context_, "checkout", "4.2.0", ""), 0);
  EXPECT_THAT(out_.str(), HasSubstr("was noted before"));
  out_.str("");
  context_.json = true;
  EXPECT_EQ(DeployedCommand(context_, "checkout", "4.2.0", ""), 0);
  EXPECT_EQ(out_.str(), posted_->body + "\n");
}

TEST_F(CommandsTest, DeployedSaysWhatIsWrong) {
  EXPECT_EQ(DeployedCommand(context_, "checkout", "4.2.0", "noon"), 2);
  EXPECT_EQ(said_, "");
  posted_ = HttpAnswer{404, R"({"error":"no application \"chekout\"; did you mean \"checkout\"?"})"};
  EXPECT_EQ(DeployedCommand(context_, "chekout", "4.2.0", ""), 2);
  EXPECT_THAT(error_.str(), HasSubstr("did you mean \"checkout\"?"));
  posted_ = HttpAnswer{400, R"({"error":"2026-11-22 14:00:00 UTC lies in the future"})"};
  EXPECT_EQ(DeployedCommand(context_, "checkout", "4.2.0", ""), 2);
  EXPECT_THAT(error_.str(), HasSubstr("lies in the future"));
  posted_ = HttpAnswer{404, R"({"error":"no such path"})"};
  EXPECT_EQ(DeployedCommand(context_, "checkout", "4.2.0", ""), 69);
  EXPECT_THAT(error_.str(), HasSubstr("it may be older than this command"));
  posted_ = HttpAnswer{503, R"({"error":"it cannot be written: the disk is full"})"};
  EXPECT_EQ(DeployedCommand(context_, "checkout", "4.2.0", ""), 69);
  posted_ = absl::NotFoundError("there is no collector's socket");
  EXPECT_EQ(DeployedCommand(context_, "checkout", "4.2.0", ""), 69);
  posted_ = absl::PermissionDeniedError("you may not write");
  EXPECT_EQ(DeployedCommand(context_, "checkout", "4.2.0", ""), 77);
  EXPECT_EQ(out_.str(), "");
}

TEST(HttpPostTest, WithoutASocketItSaysTheCure) {
  const TempFolder folder;
  CollectorAddress collector;
  collector.socket = folder.path() + "/none.sock";
  const absl::Status status = HttpPost(collector, "/api/v1/deployments", "{}", nullptr).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("--socket PATH"));
}

TEST_F(CommandsTest, AnUnreachableCollectorIs69AndOneLine) {
  reachable_ = false;
  EXPECT_EQ(RatingCommand(context_), 69);
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(error_.str(), "ppmm: no collector answers at http://127.0.0.1:7766: nobody listens; start it\n");
}

TEST_F(CommandsTest, VerboseShowsTheCause) {
  reachable_ = false;
  context_.verbose = true;
  EXPECT_EQ(StatusCommand(context_), 69);
  EXPECT_THAT(error_.str(), HasSubstr("cause: Connection refused"));
}

TEST_F(CommandsTest, JsonIsPrintedAsItCame) {
  answers_["/api/v1/rating"] = {200, R"({"level":1, "x" : 2})"};
  context_.json = true;
  EXPECT_EQ(RatingCommand(context_), 0);
  EXPECT_EQ(out_.str(), "{\"level\":1, \"x\" : 2}\n");
}

TEST_F(CommandsTest, ARatingThatIsNotThereYetSaysWhy) {
  answers_["/api/v1/rating"] = {503, R"({"error":"the rating is not computed yet"})"};
  EXPECT_EQ(RatingCommand(context_), 69);
  EXPECT_THAT(error_.str(), HasSubstr("the rating is not computed yet"));
}

TEST_F(CommandsTest, AWrongActivityIsAnsweredWithTheNearestRightOnes) {
  answers_["/api/v1/activities"] = {200, R"({"activities":[{"id":"INV-001"},{"id":"MON-001"}]})"};
  answers_["/api/v1/activities/INV-011"] = {404, R"({"error":"no activity has this id"})"};
  EXPECT_EQ(ExplainCommand(context_, "INV-11"), 2);
  EXPECT_EQ(error_.str(), "ppmm: no activity \"INV-11\"; did you mean \"INV-001\"?\n");
}

TEST_F(CommandsTest, AnActivityMayBeWrittenShortAndInSmallLetters) {
  answers_["/api/v1/activities"] = {200, R"({"activities":[{"id":"INV-001"},{"id":"MON-001"},{"id":"MON-010"}]})"};
  answers_["/api/v1/activities/MON-001"] = {200, R"({"id":"MON-001","title":"Utilization is collected"})"};
  for (const char* word : {"MON-001", "mon-001", "MON-1", "mon1", "MON-01"}) {
    out_.str("");
    EXPECT_EQ(ExplainCommand(context_, word), 0) << word;
    EXPECT_THAT(out_.str(), HasSubstr("MON-001  Utilization is collected"));
    EXPECT_EQ(error_.str(), word == std::string("MON-001") ? "" : absl::StrCat(word, ": taken as MON-001\n"));
    error_.str("");
  }
  EXPECT_EQ(ExplainCommand(context_, "mom-1"), 2);
  EXPECT_EQ(error_.str(), "ppmm: no activity \"mom-1\"; did you mean \"MON-001\"?\n");
  error_.str("");
  answers_["/api/v1/activities/FOO-001"] = {404, R"({"error":"no activity has this id"})"};
  EXPECT_EQ(ExplainCommand(context_, "FOO-1"), 2);
  EXPECT_EQ(error_.str(), "ppmm: no activity \"FOO-1\" (ppmm activities lists them)\n");
  error_.str("");
  ExplainCommand(context_, "MON-99999999999999999999");
  EXPECT_EQ(error_.str(), "ppmm: no activity \"MON-99999999999999999999\" (ppmm activities lists them)\n");
}

TEST_F(CommandsTest, AWrongHostIsAnsweredWithTheNearestRightOne) {
  answers_["/api/v1/hosts"] = {200, R"({"hosts":[{"host":"web1","state":"live"}]})"};
  EXPECT_EQ(HostsCommand(context_, "web"), 2);
  EXPECT_THAT(error_.str(), HasSubstr("did you mean \"web1\"?"));
  error_.str("");
  EXPECT_EQ(HostsCommand(context_, "nope"), 2);
  EXPECT_EQ(error_.str(), "ppmm: no host \"nope\"; there is \"web1\"\n");
  answers_["/api/v1/hosts"] = {200, R"({"hosts":[{"host":"a1"},{"host":"b1"},{"host":"c1"},{"host":"d1"},{"host":"e1"},
      {"host":"f1"},{"host":"g1"},{"host":"h1"},{"host":"i1"},{"host":"a1"}]})"};
  error_.str("");
  HostsCommand(context_, "nope");
  EXPECT_EQ(
      error_.str(),
      "ppmm: no host \"nope\"; there are \"a1\", \"b1\", \"c1\", \"d1\", \"e1\", \"f1\", \"g1\", \"h1\" and 1 more\n");
  answers_["/api/v1/hosts"] = {200, R"({"hosts":[]})"};
  error_.str("");
  HostsCommand(context_, "nope");
  EXPECT_EQ(error_.str(), "ppmm: no host \"nope\"; there is none yet\n");
  answers_["/api/v1/hosts"] = {200, R"({"hosts":[{"host":"web1","state":"live"}]})"};
  EXPECT_EQ(HostsCommand(context_, "web1"), 0);
  EXPECT_THAT(out_.str(), HasSubstr("web1"));
}

TEST_F(CommandsTest, ANameIsSentAsOnePathSegment) {
  answers_["/api/v1/activities"] = {200, R"({"activities":[{"id":"INV-001"}]})"};
  EXPECT_EQ(ExplainCommand(context_, "../rating?x"), 2);
}

TEST_F(CommandsTest, AWrongWindowIsAUsageError) {
  answers_["/api/v1/applications?window=soon"] = {400, R"({"error":"window \"soon\" is not a duration"})"};
  EXPECT_EQ(ApplicationsCommand(context_, "soon", "", false), 2);
  EXPECT_THAT(error_.str(), HasSubstr("is not a duration"));
}

TEST_F(CommandsTest, AnErrorOfACollectorIsNotTakenForAnotherServer) {
  answers_["/api/v1/status"] = {500, R"({"error":"the store is damaged"})"};
  EXPECT_EQ(StatusCommand(context_), 69);
  EXPECT_THAT(error_.str(), HasSubstr("the collector answered 500: the store is damaged"));
  EXPECT_THAT(error_.str(), Not(HasSubstr("is that address")));
}

TEST_F(CommandsTest, ANameThatTheCollectorDoesNotKnowIsRefusedWithTheCure) {
  answers_["/api/v1/status"] = {421, "Host \"db\" is not a name of this collector. Add it to http.names."};
  EXPECT_EQ(StatusCommand(context_), 69);
  EXPECT_THAT(error_.str(), HasSubstr("Add it to http.names."));
}

TEST_F(CommandsTest, WhatIsNoCollectorIsRecognized) {
  answers_["/api/v1/status"] = {200, "<html>\x1b[2J"};
  EXPECT_EQ(StatusCommand(context_), 69);
  EXPECT_THAT(error_.str(), HasSubstr("no ppmm-collector"));
  EXPECT_THAT(error_.str(), Not(HasSubstr("\x1b")));
}

TEST_F(CommandsTest, JsonOfAnotherProgramIsNoRating) {
  for (const char* other : {"{}", "[]", "null", R"({"error":"x"})"}) {
    answers_["/api/v1/rating"] = {200, other};
    answers_["/api/v1/status"] = {200, other};
    EXPECT_EQ(RatingCommand(context_), 69) << other;
    EXPECT_EQ(StatusCommand(context_), 69) << other;
    EXPECT_EQ(DoctorCommand(context_, HostProbe()), 1);
  }
  EXPECT_THAT(error_.str(), HasSubstr("what answers there is no ppmm-collector; name it with --collector URL"));
  EXPECT_THAT(out_.str(), HasSubstr("answers 200 when asked for its status"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("Level")));
}

TEST_F(CommandsTest, CheckFindsTheKindOfAFileByItsContent) {
  EXPECT_EQ(CheckCommand(context_, PPMM_SOURCE_DIR "/deploy/collector.yaml"), 0);
  EXPECT_THAT(out_.str(), HasSubstr("ok (collector configuration)"));
  EXPECT_EQ(CheckCommand(context_, PPMM_SOURCE_DIR "/deploy/agent.yaml"), 0);
  EXPECT_THAT(out_.str(), HasSubstr("ok (agent configuration)"));
}

TEST_F(CommandsTest, CheckNamesEachMistakeWithItsPlaceAndExits78) {
  TempFolder folder;
  const std::string file = folder.path() + "/agent.yaml";
  std::ofstream(file) << "group: web\nspol:\n  max_bytes: 128MiB\nhost_id: xyz\n";
  EXPECT_EQ(CheckCommand(context_, file), 78);
  EXPECT_THAT(out_.str(), HasSubstr("agent.yaml:2:1: unknown key \"spol\"; did you mean \"spool\"?"));
  EXPECT_THAT(out_.str(), HasSubstr("read as agent configuration"));
}

TEST_F(CommandsTest, CheckGuessesNoKindWhereNoneCanRead) {
  const TempFolder folder;
  const std::string file = folder.Write("some.yaml", "data:\n\tdisk: 1\n");
  EXPECT_EQ(CheckCommand(context_, file), 78);
  EXPECT_EQ(out_.str(), file + ":2:1: a tab in the indentation; use blanks\n1 error in " + file + ".\n");
}

TEST_F(CommandsTest, CheckSaysWhatFitsNoKind) {
  const std::string file = PPMM_SOURCE_DIR "/deploy/prometheus.yml";
  EXPECT_EQ(CheckCommand(context_, file), 78);
  EXPECT_EQ(out_.str(), file +
                            ": fits no kind of file that ppmm reads: most keys at its top are strange to a collector's "
                            "configuration, to an agent's, and to an inventory\n1 error in " +
                            file + ".\n");
  // A name says what was meant, and so do keys that are known.
  const TempFolder folder;
  out_.str("");
  CheckCommand(context_, folder.Write("agent.yaml", "scrape_configs: []\n"));
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("unknown key \"scrape_configs\""), HasSubstr("read as agent")));
  out_.str("");
  CheckCommand(context_, folder.Write("some.yaml", "# mine\nretention: {}\nscrape_configs:\n  - job: a\n"));
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("unknown key \"scrape_configs\""), HasSubstr("read as collector")));
}

TEST_F(CommandsTest, CheckTellsWhatTheDaemonsOwnCheckTellsInTheOrderOfTheFile) {
  const TempFolder folder;
  const std::string agent =
      folder.Write("agent.yaml",
                   "host_id: xyz\ngrup: web\nsources: {disable: [zfs]}\ntls: {certificate: /none, key: /no, ca: /n}\n");
  EXPECT_EQ(CheckCommand(context_, agent), 78);
  const std::string as_daemon(LoadAgentConfig({.config = agent, .check_config = true},
                                              DefaultPathsOf("agent", true, ProcessEnvironment), kSourceNames)
                                  .status()
                                  .message());
  EXPECT_THAT(as_daemon, HasSubstr("6 errors, nothing loaded"));
  EXPECT_EQ(out_.str(),
            as_daemon.substr(0, as_daemon.rfind('\n')) + "\n6 errors in " + agent + ", read as agent configuration.\n");
  EXPECT_THAT(out_.str(),
              testing::ContainsRegex("agent.yaml:1:10: host_id.*\n.*agent.yaml:2:1: unknown key \"grup\".*\n"
                                     ".*agent.yaml:3:21: sources.disable.*\n.*agent.yaml:4:20: "
                                     "tls.certificate: /none: No such file or directory"));
}

TEST_F(CommandsTest, CheckTellsTheMistakesOfTheInventoryThatACollectorWouldRead) {
  const TempFolder folder;
  const std::string inventory = folder.Write("inventory.yaml", "aplications: []\n");
  EXPECT_EQ(CheckCommand(context_, folder.Write("collector.yaml", "inventory: " + inventory + "\nretention: {}\n")),
            78);
  EXPECT_THAT(out_.str(), HasSubstr(inventory + ":1:1: unknown key \"aplications\""));
}

TEST_F(CommandsTest, CheckOfAFileThatIsNotThereIsAUsageError) {
  EXPECT_EQ(CheckCommand(context_, "/nonexistent/agent.yaml"), 2);
  EXPECT_THAT(error_.str(), HasSubstr("/nonexistent/agent.yaml"));
}

HostProbe HealthyHost() {
  HostProbe probe;
  probe.host = "web1";
  probe.kernel = "6.1.0-18-amd64";
  probe.btf = probe.bpf_syscall = probe.pressure = probe.agent_running = true;
  probe.clock_synchronized = true;
  probe.capabilities = ~std::uint64_t{0};
  return probe;
}

TEST_F(CommandsTest, DoctorFindsNothingOnAHealthyHost) {
  answers_["/api/v1/status"] = {200, R"({"ready":true})"};
  answers_["/api/v1/hosts"] = {200, R"({"hosts":[{"host":"web1","state":"live"},{"host":"web2","state":"live"}]})"};
  EXPECT_EQ(DoctorCommand(context_, HealthyHost()), 0);
  EXPECT_EQ(out_.str(), "web1       ok\ncollector  ok\nweb2       ok\nNothing to cure.\n");
}

TEST_F(CommandsTest, DoctorTellsOfAnUnreachableCollectorAsAFinding) {
  reachable_ = false;
  EXPECT_EQ(DoctorCommand(context_, HealthyHost()), 1);
  EXPECT_THAT(out_.str(), HasSubstr("no collector answers"));
  EXPECT_THAT(out_.str(), HasSubstr("1 thing can be cured."));
}

TEST_F(CommandsTest, WhatIsNoCollectorIsNamedByItsAddress) {
  context_.collector = "http://127.0.0.1:8080";
  answers_["/api/v1/hosts"] = {200, "<h1>Welcome to nginx!</h1>"};
  EXPECT_EQ(HostsCommand(context_, ""), 69);
  EXPECT_EQ(error_.str(),
            "ppmm: what answers at http://127.0.0.1:8080 is no ppmm-collector; name it with --collector URL\n");
  answers_["/api/v1/hosts"] = {404, "<h1>404 Not Found</h1>"};
  error_.str("");
  EXPECT_EQ(HostsCommand(context_, ""), 69);
  EXPECT_EQ(error_.str(),
            "ppmm: what answers at http://127.0.0.1:8080 said 404: is that a ppmm-collector? Name it with --collector "
            "URL\n");
}

TEST_F(CommandsTest, DoctorTellsOfFailedSourcesOfAllHosts) {
  answers_["/api/v1/status"] = {200, R"({"ready":true})"};
  answers_["/api/v1/hosts"] = {200, R"({"hosts":[{"host":"db1","state":"live","sources":[
      {"source":"sockets","state":"failed","reason":"not permitted","cure":"run it as root"},
      {"source":"schedstat","state":"absent","reason":"no such file","cure":null}]}]})"};
  EXPECT_EQ(DoctorCommand(context_, HealthyHost()), 1);
  EXPECT_THAT(out_.str(), HasSubstr("sockets failed: not permitted"));
  EXPECT_THAT(out_.str(), HasSubstr("loses: connections and throughput of applications"));
  EXPECT_THAT(out_.str(), HasSubstr("or as root: it needs\n           CAP_BPF"));
  EXPECT_THAT(out_.str(), HasSubstr("1 thing can be cured."));
}

TEST_F(CommandsTest, DoctorTellsWhatAKernelCannotAndDoesNotCountIt) {
  answers_["/api/v1/status"] = {200, R"({"ready":true})"};
  answers_["/api/v1/hosts"] = {200, R"({"hosts":[{"host":"web1","state":"live","sources":[
      {"source":"schedstat","state":"absent","reason":"/proc/schedstat: No such file or directory","cure":null}]}]})"};
  EXPECT_EQ(DoctorCommand(context_, HealthyHost()), 0);
  EXPECT_EQ(out_.str(),
            "web1       schedstat absent: /proc/schedstat: No such file or directory\n"
            "           loses: how long work waits for each CPU of the host; that of each\n"
            "           application is measured apart\n"
            "           cure: none on this kernel\n"
            "collector  ok\n"
            "Nothing to cure.\n");
  context_.json = true;
  out_.str("");
  EXPECT_EQ(DoctorCommand(context_, HealthyHost()), 0);
  EXPECT_THAT(out_.str(), HasSubstr(R"("cure":null,"hosts":["web1"])"));
}

TEST_F(CommandsTest, DoctorTellsWhatAgentsOfOtherHostsLackOnceForAll) {
  answers_["/api/v1/status"] = {200, R"({"ready":true})"};
  std::string hosts =
      R"({"host":"db1","state":"silent","last_step_age_seconds":240,"capture":"/proc, sock_diag: old"})";
  for (int i = 0; i < 12; ++i) {
    absl::StrAppend(&hosts, R"(,{"host":"app)", i, R"(","state":"live","capture":"/proc, sock_diag: switched off"})");
  }
  absl::StrAppend(
      &hosts,
      R"(,{"host":"db2","state":"silent","last_step_age_seconds":7200,"samples":{"dropped":7,"spool_damaged_bytes":2048}})");
  answers_["/api/v1/hosts"] = {200, absl::StrCat(R"({"hosts":[)", hosts, "]}")};
  EXPECT_EQ(DoctorCommand(context_, HealthyHost()), 1);
  EXPECT_THAT(out_.str(), HasSubstr("2 hosts    silent\n           hosts: db1 (4 min), db2 (2.0 h)\n"));
  EXPECT_THAT(out_.str(), HasSubstr("12 hosts   processes and sockets are seen by /proc, sock_diag:"));
  EXPECT_THAT(out_.str(), HasSubstr("hosts: app0, app1, app2, app3, app4, app5, app6, app7 and 4 more\n"));
  EXPECT_THAT(out_.str(), HasSubstr("db2        samples dropped by its agent: 7\n"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("sock_diag: old"))) << "a silent agent's word is old";
  EXPECT_THAT(out_.str(), HasSubstr("3 things can be cured."));
}

TEST_F(CommandsTest, DoctorTellsOfAnAgentThatStoppedOrWentAwayBeforeItsHostIsSilent) {
  ASSERT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M", "2026-11-22 15:00", &context_.screen.now, nullptr));
  answers_["/api/v1/status"] = {200, R"({"ready":true})"};
  const auto doctor = [&](const std::string& rows) {
    answers_["/api/v1/hosts"] = {200, absl::StrCat(R"({"hosts":[{"host":"web1","state":"live"},)", rows, "]}")};
    out_.str("");
    return DoctorCommand(context_, HealthyHost());
  };
  EXPECT_EQ(doctor(R"({"host":"db1","state":"disconnected","stream_ended_at":"2026-11-22T14:59:44Z"})"), 1);
  EXPECT_THAT(out_.str(), HasSubstr("db1        its agent's connection ended without a word: 16 s ago\n"
                                    "           loses: everything of it; its minutes count as not covered\n"
                                    "           cure: start it there: systemctl start ppmm-agent, or from the tree\n"
                                    "           deploy/quickstart; if it runs, its log says why it does not come\n"
                                    "           again: journalctl -u ppmm-agent\n"));
  EXPECT_THAT(out_.str(), HasSubstr("1 thing can be cured."));
  EXPECT_EQ(doctor(R"({"host":"db1","state":"disconnected","stream_ended_at":"2026-11-22T14:59:56Z"})"), 0)
      << "it may come again at once: " << out_.str();
  EXPECT_EQ(doctor(R"({"host":"db1","state":"stopped","stream_ended_at":"2026-11-22T14:58:00Z"})"), 1);
  EXPECT_THAT(out_.str(), HasSubstr("db1        its agent was stopped: 2 min ago\n"));
  EXPECT_THAT(out_.str(), HasSubstr("cure: start it there: systemctl start ppmm-agent, or from the tree\n"));
  EXPECT_EQ(doctor(R"({"host":"db1","state":"off","stream_ended_at":"2026-11-22T14:58:00Z"})"), 0)
      << "the whole host is off, and that is proven";
}

TEST_F(CommandsTest, DoctorTellsOnceThatTheAgentOfThisHostIsNotThere) {
  ASSERT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M", "2026-11-22 15:00", &context_.screen.now, nullptr));
  answers_["/api/v1/status"] = {200, R"({"ready":true})"};
  answers_["/api/v1/hosts"] = {
      200, R"({"hosts":[{"host":"web1","state":"stopped","stream_ended_at":"2026-11-22T14:59:58Z"}]})"};
  HostProbe probe = HealthyHost();
  probe.agent_running = false;
  EXPECT_EQ(DoctorCommand(context_, probe), 1);
  EXPECT_THAT(out_.str(), HasSubstr("web1       its agent was stopped: 2 s ago\n"));
  EXPECT_THAT(out_.str(), HasSubstr("1 thing can be cured."));
  answers_["/api/v1/hosts"] = {
      200, R"({"hosts":[{"host":"web1","state":"disconnected","stream_ended_at":"2026-11-22T14:59:58Z"}]})"};
  out_.str("");
  EXPECT_EQ(DoctorCommand(context_, probe), 1);
  EXPECT_THAT(out_.str(), HasSubstr("web1       no ppmm-agent runs here\n")) << "the connection may come again, alone";
  EXPECT_THAT(out_.str(), HasSubstr("1 thing can be cured."));
}

TEST_F(CommandsTest, DoctorDoesNotGuessAtWhatTheAgentOfThisHostTells) {
  HostProbe probe = HealthyHost();
  probe.btf = probe.pressure = false;
  answers_["/api/v1/status"] = {200, R"({"ready":true})"};
  answers_["/api/v1/hosts"] = {200,
                               R"({"hosts":[{"host":"web1","state":"live","capture":"iter/task, socket storage"}]})"};
  EXPECT_EQ(DoctorCommand(context_, probe), 0) << out_.str();
  answers_["/api/v1/hosts"] = {200, R"({"hosts":[]})"};
  EXPECT_EQ(DoctorCommand(context_, probe), 1);
  EXPECT_THAT(out_.str(), HasSubstr("cure: boot with psi=1"));
  probe.pressure_asked_for = true;
  EXPECT_EQ(FindingsOfHost(probe, Json(), absl::UnixEpoch()).back().cure, "");
}

TEST_F(CommandsTest, DoctorCountsTheHealthyHostsOfManyInsteadOfNamingThem) {
  answers_["/api/v1/status"] = {200, R"({"ready":true})"};
  std::string hosts = R"({"host":"web1","state":"live"})";
  for (int i = 0; i < 400; ++i) {
    absl::StrAppend(&hosts, R"(,{"host":"app)", i, R"(","state":"live"})");
  }
  answers_["/api/v1/hosts"] = {200, absl::StrCat(R"({"hosts":[)", hosts, "]}")};
  EXPECT_EQ(DoctorCommand(context_, HealthyHost()), 0);
  EXPECT_THAT(out_.str(), HasSubstr("app6             ok\n393 other hosts  ok\nNothing to cure.\n"));
}

TEST(Doctor, CapabilitiesOfSysAdminAreEnoughForBpf) {
  HostProbe probe = HealthyHost();
  probe.capabilities = (std::uint64_t{1} << 21) | (std::uint64_t{1} << 19) | (std::uint64_t{1} << 2);
  EXPECT_TRUE(FindingsOfHost(probe, Json(), absl::UnixEpoch()).empty());
  probe.capabilities = std::uint64_t{1} << 21;
  ASSERT_EQ(FindingsOfHost(probe, Json(), absl::UnixEpoch()).size(), 1U);
  EXPECT_THAT(FindingsOfHost(probe, Json(), absl::UnixEpoch()).front().what,
              HasSubstr("CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE"));
}

TEST(Doctor, CapabilitiesThatTheAgentAsksForAreToldOnce) {
  HostProbe probe = HealthyHost();
  probe.capabilities = 0;
  Json host = {{"host", probe.host},
               {"state", "live"},
               {"capture", "/proc and sock_diag: BPF: load: Operation not permitted: the agent needs CAP_BPF"}};
  const Json asks = {{"hosts", {host}}};
  EXPECT_TRUE(FindingsOfHost(probe, asks, absl::UnixEpoch()).empty());
  EXPECT_EQ(FindingsOfHosts(asks, absl::UnixEpoch()).size(), 1U);
  host["capture"] = "/proc and sock_diag: switched off (sources.bpf)";
  EXPECT_EQ(FindingsOfHost(probe, Json{{"hosts", {host}}}, absl::UnixEpoch()).size(), 1U) << "these are another cause";
}

TEST(HttpGet, AnAddressNobodyListensOnIsUnavailableWithTheCure) {
  std::string cause;
  const absl::StatusOr<HttpAnswer> answer =
      HttpGet({.url = "http://127.0.0.1:1", .socket = ""}, "/api/v1/status", &cause);
  ASSERT_TRUE(absl::IsUnavailable(answer.status())) << answer.status();
  EXPECT_THAT(std::string(answer.status().message()), HasSubstr("--collector URL"));
  EXPECT_NE(cause, "");
}

TEST(HttpGet, WhatSpeaksNoHttpIsNoCollector) {
  const Socket listener = Listen();
  std::thread agents_port([&] {
    const Socket connection = Accept(listener);
    const std::string settings("\0\0\0\4\0\0\0\0\0", 9);  // as gRPC greets
    send(connection.fd(), settings.data(), settings.size(), MSG_NOSIGNAL);
    shutdown(connection.fd(), SHUT_WR);
    char bytes[4096];
    while (recv(connection.fd(), bytes, sizeof(bytes), 0) > 0) {
    }
  });
  const absl::Status status =
      HttpGet({.url = absl::StrCat("http://127.0.0.1:", LocalPort(listener)), .socket = ""}, "/", nullptr).status();
  agents_port.join();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("what listens there speaks no HTTP, as the port for agents; start"));
}

TEST(HttpGet, AnAddressThatIsNoneIsAUsageError) {
  EXPECT_TRUE(absl::IsInvalidArgument(HttpGet({.url = "ftp://x", .socket = ""}, "/", nullptr).status()));
  for (const char* url : {"", "http://", "http:", "https://", "http://:7766"}) {
    const absl::Status none = HttpGet({.url = url, .socket = ""}, "/", nullptr).status();
    EXPECT_EQ(none, absl::InvalidArgumentError(
                        absl::StrCat("\"", url, "\" is not an address; write --collector http://HOST:7766")));
  }
  const absl::Status no_socket = HttpGet({.url = "", .socket = "/nonexistent/socket"}, "/", nullptr).status();
  EXPECT_TRUE(absl::IsUnavailable(no_socket));
  EXPECT_THAT(std::string(no_socket.message()), HasSubstr("say where it is: --socket PATH"));
}

TEST_F(CommandsTest, CheckKnowsAnInventoryByItsContent) {
  const TempFolder folder;
  EXPECT_EQ(CheckCommand(context_, folder.Write("any.yaml", "applications:\n- application: nginx\n  owner: anna\n")),
            0);
  EXPECT_THAT(out_.str(), HasSubstr("ok (inventory)"));
  out_.str("");
  EXPECT_EQ(CheckCommand(context_, folder.Write("any.yaml", "applications:\n- application: nginx\n  onwer: anna\n")),
            78);
  EXPECT_THAT(out_.str(), HasSubstr(":3:3: unknown key \"onwer\" in \"applications[0]\"; did you mean \"owner\"?"));
  EXPECT_THAT(out_.str(), HasSubstr("read as inventory"));
  out_.str("");
  CheckCommand(context_, folder.Write("any.yaml", "networks: [192.0.2.0/24]\nhost: []\n"));
  EXPECT_THAT(out_.str(), HasSubstr(":2:1: unknown key \"host\"; did you mean \"hosts\"?"));
  EXPECT_THAT(out_.str(), HasSubstr("read as inventory")) << "a key that is nearly right counts more than none";
  out_.str("");
  CheckCommand(context_, folder.Write("inventory.yaml", "# nothing yet\n"));
  EXPECT_THAT(out_.str(), HasSubstr("ok (inventory)")) << "the name decides";
}

}  // namespace
}  // namespace ppmm
