#include "agent/config.h"

#include <filesystem>
#include <string>

#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

#include "tests/testing/sample_config.h"
#include "tests/testing/temp_folder.h"

namespace ppmm {
namespace {

constexpr absl::string_view kSources[] = {"cpu", "memory", "softnet"};

DefaultPaths RootPaths() {
  return DefaultPathsOf("agent", true, [](const char*) { return std::string(); });
}

// The configuration from one file, or the mistakes, in which the file is called agent.yaml.
struct Outcome {
  config::AgentConfig config;
  std::string error;
};
Outcome Load(absl::string_view yaml, AgentFlags flags = {}) {
  const TempFolder folder;
  flags.config = folder.Write("agent.yaml", yaml);
  const auto config = LoadAgentConfig(flags, RootPaths(), kSources);
  if (config.ok()) {
    return {*config, ""};
  }
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  return {{}, WithoutFolder(config.status().message(), folder.path())};
}

TEST(AgentConfigTest, HasSensibleDefaults) {
  const config::AgentConfig config = DefaultAgentConfig(RootPaths());
  EXPECT_EQ(config.collector(), "127.0.0.1:7767");
  EXPECT_EQ(config.group(), "default");
  EXPECT_EQ(config.root(), "/");
  EXPECT_EQ(config.data(), "/var/lib/ppmm/agent");
  EXPECT_EQ(config.socket(), "/run/ppmm/agent.sock");
  EXPECT_EQ(config.spool().max_bytes(), 128u << 20);
  EXPECT_EQ(config.spool().segment_bytes(), 4u << 20);
  EXPECT_EQ(config.sources().bpf(), config::BPF_MODE_AUTO);
  EXPECT_EQ(config.log_level(), config::LOG_LEVEL_INFO);
  ConfigReport report;
  Validate(config, kSources, &report);
  EXPECT_TRUE(report.ok()) << report.status();
}

TEST(AgentConfigTest, RunsWithoutAFileButNotWithoutTheOneThatIsNamed) {
  const TempFolder folder;
  DefaultPaths paths = RootPaths();
  paths.config_file = folder.path() + "/agent.yaml";
  EXPECT_TRUE(LoadAgentConfig({}, paths, kSources).ok());
  folder.Write("agent.yaml", "group: web\n");
  EXPECT_EQ(LoadAgentConfig({}, paths, kSources).value().group(), "web");
  const auto missing =
      LoadAgentConfig({.config = folder.path() + "/other.yaml", .collector = "10.0.0.1:1"}, paths, kSources);
  EXPECT_EQ(WithoutFolder(missing.status().message(), folder.path()),
            "other.yaml: No such file or directory\n1 error, nothing loaded");
}

TEST(AgentConfigTest, FlagsOverrideTheFile) {
  const std::string yaml = "group: web\ncollector: 127.0.0.1:1\nlog_level: error\ndata: /a\n";
  const Outcome outcome = Load(yaml, {.collector = "[::1]:2",
                                      .host_id = "0123456789abcdefABCDEF0123456789",
                                      .root = "/host",
                                      .data = "relative/../data",
                                      .socket = "agent.sock",
                                      .no_bpf = true,
                                      .log_level = "debug"});
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.config.group(), "web");
  EXPECT_EQ(outcome.config.collector(), "[::1]:2");
  EXPECT_EQ(outcome.config.host_id(), "0123456789abcdefABCDEF0123456789");
  EXPECT_EQ(outcome.config.root(), "/host");
  EXPECT_EQ(outcome.config.data(), (std::filesystem::current_path() / "data").string());
  EXPECT_EQ(outcome.config.socket(), (std::filesystem::current_path() / "agent.sock").string());
  EXPECT_EQ(outcome.config.sources().bpf(), config::BPF_MODE_OFF);
  EXPECT_EQ(outcome.config.log_level(), config::LOG_LEVEL_DEBUG);
}

TEST(AgentConfigTest, TellsMistakesOfFlagsByTheirName) {
  EXPECT_EQ(Load("", {.group = "a/b", .host_id = "42", .log_level = "loud"}).error,
            "--log-level: \"loud\" is not one of info, debug, warning, error\n"
            "--group: \"a/b\" must be 1 to 64 letters, digits, \".\", \"_\" or \"-\"\n"
            "--host-id: \"42\" must be 32 hexadecimal digits\n"
            "3 errors, nothing loaded");
}

TEST(AgentConfigTest, TellsEachMistakeOfAFileWithItsPlace) {
  EXPECT_EQ(Load("colector: 127.0.0.1:1\n"
                 "group: \"\"\n"
                 "root: host\n"
                 "socket: run/agent.sock\n"
                 "spool: {max_bytes: 8MiB, segment_bytes: 4MiB}\n"
                 "sources:\n"
                 "  disable: [softnt, zfs, cpu]\n"
                 "  bpf: on\n")
                .error,
            "agent.yaml:1:1: unknown key \"colector\"; did you mean \"collector\"?\n"
            "agent.yaml:2:8: group: \"\" must be 1 to 64 letters, digits, \".\", \"_\" or \"-\"\n"
            "agent.yaml:3:7: root: \"host\" must begin with \"/\"\n"
            "agent.yaml:4:9: socket: \"run/agent.sock\" must begin with \"/\"\n"
            "agent.yaml:5:41: spool.segment_bytes: must be at most a quarter of spool.max_bytes: a full spool drops a "
            "segment\n"
            "agent.yaml:7:13: sources.disable[0]: unknown source \"softnt\"; did you mean \"softnet\"?\n"
            "agent.yaml:7:21: sources.disable[1]: unknown source \"zfs\"; there are cpu, memory, softnet\n"
            "agent.yaml:8:8: sources.bpf: \"on\" is not one of auto, off\n"
            "8 errors, nothing loaded");
}

TEST(AgentConfigTest, ACheckLooksWhetherTheHostIsUnderItsRoot) {
  const std::string yaml = "group: web\nroot: /nonexistent/\n";
  EXPECT_EQ(Load(yaml, {.check_config = true}).error,
            "agent.yaml:2:7: root: /nonexistent/proc/sys/kernel/random/boot_id: No such file or directory; name the "
            "folder under which the host's / is seen\n"
            "1 error, nothing loaded");
  EXPECT_EQ(Load(yaml).error, "") << "at a start it may be mounted soon";
  EXPECT_EQ(Load("root: /\n", {.check_config = true}).error, "");
}

TEST(AgentConfigTest, SocketsAreNotReadWithoutApplications) {
  EXPECT_EQ(Load("sources: {disable: [sockets]}\n").error,
            "agent.yaml:1:21: sources.disable[0]: \"sockets\" are read for applications: write applications, and both "
            "are not read\n"
            "1 error, nothing loaded");
}

TEST(AgentConfigTest, TellsNothingFurtherOfAFileThatIsNoYaml) {
  EXPECT_EQ(Load("collector: [10.0.0.1:1\n", {.collector = "10.0.0.1:1"}).error,
            "agent.yaml:1:12: this [ is not closed, or a comma is missing in it\n1 error, nothing loaded");
}

TEST(AgentConfigTest, RefusesACollectorThatIsNoAddress) {
  EXPECT_EQ(Load("collector: 10.0.0.1\n").error,
            "agent.yaml:1:12: collector: \"10.0.0.1\" has no port; write ADDRESS:PORT, as 10.0.0.7:7767, "
            "[fd00::7]:7767 or collector.example:7767\n"
            "1 error, nothing loaded");
}

TEST(AgentConfigTest, RefusesPlainTextOffLoopbackUnlessItIsOnPurpose) {
  EXPECT_EQ(
      Load("collector: ppmm.example:7767\n").error,
      "agent.yaml:1:12: collector: \"ppmm.example:7767\" is not on loopback, and without a certificate everything "
      "would go in plain text; set tls.certificate, key and ca, or, in a network you trust, "
      "tls.insecure_network: true\n"
      "1 error, nothing loaded");
  EXPECT_THAT(Load("", {.collector = "ppmm.example:7767"}).error,
              ::testing::StartsWith("--collector: \"ppmm.example:7767\" is not on loopback, "));
  EXPECT_EQ(Load("collector: 10.0.0.1:7767\ntls: {insecure_network: true}\n").error, "");
  EXPECT_EQ(Load("collector: 10.0.0.1:7767\ntls: insecure_network\n").error, "");
  EXPECT_EQ(Load("collector: 10.0.0.1:7767\ntls: {certificate: /c, key: /k, ca: /a, server_name: x}\n").error, "")
      << "a running agent waits for its certificates";
  for (const char* loopback : {"localhost:1", "127.9.9.9:1", "\"[::1]:1\""}) {
    EXPECT_EQ(Load(std::string("collector: ") + loopback).error, "") << loopback;
  }
}

TEST(AgentConfigTest, WantsCertificateKeyAndCaTogether) {
  EXPECT_EQ(Load("collector: 10.0.0.1:7767\ntls:\n  key: /k\n").error,
            "agent.yaml:3:8: tls.key: goes together with certificate and ca\n1 error, nothing loaded");
  EXPECT_EQ(Load("tls: {certificate: c, key: /k, ca: /a, insecure_network: true}\n").error,
            "agent.yaml:1:20: tls.certificate: \"c\" must begin with \"/\"\n"
            "agent.yaml:1:58: tls.insecure_network: means plain text, and there is a certificate; remove one of them\n"
            "2 errors, nothing loaded");
  EXPECT_EQ(Load("tls: {server_name: x}\n").error,
            "agent.yaml:1:20: tls.server_name: is checked against a certificate, and there is none; set "
            "tls.certificate\n"
            "1 error, nothing loaded");
}

TEST(AgentConfigTest, CertificatesThatCannotBeUsedAreMistakesWhenTheConfigurationIsChecked) {
  const std::string yaml = "tls:\n  certificate: /none/c\n  key: /none/k\n  ca: k\n";
  EXPECT_EQ(Load(yaml, {.check_config = true}).error,
            "agent.yaml:2:16: tls.certificate: /none/c: No such file or directory; correct the path, or make the file "
            "(docs/operations.md, \"Mutual TLS\", makes them)\n"
            "agent.yaml:3:8: tls.key: /none/k: No such file or directory; correct the path, or make the file "
            "(docs/operations.md, \"Mutual TLS\", makes them)\n"
            "agent.yaml:4:7: tls.ca: \"k\" must begin with \"/\"\n"
            "3 errors, nothing loaded");
  testing::internal::CaptureStderr();
  EXPECT_EQ(Load("tls: {certificate: /none/c, key: /none/k, ca: /none/a}\n").error, "");
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("agent.yaml:1:20: tls.certificate: /none/c: No such file or directory"), std::string::npos) << log;
  EXPECT_NE(log.find("agent.yaml:1:47: tls.ca: /none/a: "), std::string::npos) << log;
}

TEST(AgentConfigTest, BoundsThePathOfTheSocket) {
  EXPECT_EQ(Load("socket: /" + std::string(106, 'a') + "\n").error, "");
  EXPECT_EQ(
      Load("socket: /" + std::string(107, 'a') + "\n").error,
      "agent.yaml:1:9: socket: has 108 bytes; the path of a Unix socket has at most 107\n1 error, nothing loaded");
}

TEST(AgentConfigTest, SaysWhatIsMissingWithoutAHome) {
  const auto config = LoadAgentConfig({}, DefaultPaths{}, kSources);
  EXPECT_EQ(config.status().message(),
            "configuration: data: is not set; write a path (without HOME there is no default)\n"
            "configuration: socket: is not set; write a path (without HOME there is no default)\n"
            "2 errors, nothing loaded");
}

TEST(AgentConfigTest, NeedsARestartForAllButTheLogLevel) {
  EXPECT_TRUE(ChangesThatNeedRestart(Load("").config, Load("log_level: debug").config).empty());
  EXPECT_EQ(ChangesThatNeedRestart(Load("").config, Load("spool: {max_bytes: 1GiB}\ngroup: a").config),
            (std::vector<std::string>{"group", "spool.max_bytes"}));
}

TEST(AgentConfigTest, TheSampleIsTheDefaults) {
  const std::string sample = SampleConfig("agent.yaml");
  ASSERT_NE(sample, "");
  for (const std::string& yaml : {sample, Uncommented(sample)}) {
    const Outcome outcome = Load(yaml);
    EXPECT_EQ(outcome.error, "");
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(outcome.config, DefaultAgentConfig(RootPaths())))
        << outcome.config.DebugString();
  }
  EXPECT_EQ(KeysMissingIn(Uncommented(sample), *config::AgentConfig::descriptor()), "");
}

}  // namespace
}  // namespace ppmm
