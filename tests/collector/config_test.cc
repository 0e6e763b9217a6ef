#include "collector/config.h"

#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

#include "tests/testing/certificates.h"
#include "tests/testing/sample_config.h"
#include "tests/testing/temp_folder.h"

namespace ppmm {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

DefaultPaths RootPaths() {
  return DefaultPathsOf("collector", true, [](const char*) { return std::string(); });
}

// The configuration from one file, or the mistakes, in which the file is called collector.yaml. $DIR is its folder, in
// which c, k and a are certificate, key and authority.
struct Outcome {
  config::CollectorConfig config;
  std::string error;
};
Outcome Load(absl::string_view yaml, CollectorFlags flags = {}) {
  static const TestAuthority authority;
  static const TestAuthority::Pair pair = authority.Issue("collector", "DNS:collector");
  const TempFolder folder;
  folder.Write("c", pair.certificate);
  folder.Write("k", pair.key);
  folder.Write("a", authority.root());
  flags.config = folder.Write("collector.yaml", absl::StrReplaceAll(yaml, {{"$DIR", folder.path()}}));
  const auto config = LoadCollectorConfig(flags, RootPaths());
  if (config.ok()) {
    return {*config, ""};
  }
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  return {{}, WithoutFolder(config.status().message(), folder.path())};
}

TEST(CollectorConfigTest, HasSensibleDefaults) {
  const config::CollectorConfig config = DefaultCollectorConfig(RootPaths());
  EXPECT_EQ(config.organization(), "default");
  EXPECT_EQ(config.http().listen(), "127.0.0.1:7766");
  EXPECT_EQ(config.grpc().listen(), "127.0.0.1:7767");
  EXPECT_EQ(config.grpc().limits().max_connections_per_address(), 100);
  EXPECT_EQ(config.data(), "/var/lib/ppmm/collector");
  EXPECT_EQ(config.socket(), "/run/ppmm/collector.sock");
  EXPECT_EQ(config.inventory(), "/etc/ppmm/inventory.yaml");
  EXPECT_EQ(config.retention().minutes_days(), 35);
  EXPECT_EQ(config.retention().hours_days(), 400);
  EXPECT_EQ(config.log_level(), config::LOG_LEVEL_INFO);
  ConfigReport report;
  Validate(config, &report);
  EXPECT_TRUE(report.ok()) << report.status();
}

TEST(CollectorConfigTest, RunsWithoutAFileButNotWithoutTheOneThatIsNamed) {
  const TempFolder folder;
  DefaultPaths paths = RootPaths();
  paths.config_file = folder.path() + "/collector.yaml";
  EXPECT_TRUE(LoadCollectorConfig({}, paths).ok());
  folder.Write("collector.yaml", "organization: Example\n");
  EXPECT_EQ(LoadCollectorConfig({}, paths).value().organization(), "Example");
  const auto missing = LoadCollectorConfig({.config = folder.path()}, paths);
  EXPECT_EQ(missing.status().message(), folder.path() + ": is a folder, not a file\n1 error, nothing loaded");
}

TEST(CollectorConfigTest, FlagsOverrideTheFile) {
  const Outcome outcome =
      Load("organization: A\nhttp: {listen: \"127.0.0.1:1\", names: [a]}\n", {.organization = "B",
                                                                              .http_listen = "0.0.0.0:80",
                                                                              .grpc_listen = "[::1]:0",
                                                                              .data = "/d/./x",
                                                                              .socket = "/d/./s.sock",
                                                                              .log_level = "warning"});
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.config.organization(), "B");
  EXPECT_EQ(outcome.config.http().listen(), "0.0.0.0:80") << "reading off loopback needs no certificate";
  EXPECT_EQ(outcome.config.http().names(0), "a");
  EXPECT_EQ(outcome.config.grpc().listen(), "[::1]:0");
  EXPECT_EQ(outcome.config.data(), "/d/x");
  EXPECT_EQ(outcome.config.socket(), "/d/s.sock");
  EXPECT_EQ(outcome.config.log_level(), config::LOG_LEVEL_WARNING);
}

TEST(CollectorConfigTest, TellsEachMistakeOfAFileWithItsPlace) {
  EXPECT_EQ(
      Load("http:\n"
           "  listen: web1:80\n"
           "  lisen: 1\n"
           "  names: [\"https://a\", b.example, fd00::1]\n"
           "  external_url: ppmm.example\n"
           "organization: \"\"\n"
           "networks:\n"
           "  - 192.0.2.1/24\n"
           "  - 198.51.100.0/24\n"
           "  - office\n"
           "inventory: inventory.yaml\n"
           "retention: {minutes_days: 100, hours_days: 50}\n"
           "grpc: {limits: {max_connections_per_address: 0}}\n"
           "data: \"\"\n")
          .error,
      "collector.yaml:2:11: http.listen: \"web1:80\" names a host, and listening needs an address of this one; "
      "write ADDRESS:PORT, as 127.0.0.1:7766, [::1]:7766 or 0.0.0.0:7766\n"
      "collector.yaml:3:3: unknown key \"lisen\" in \"http\"; did you mean \"listen\"?\n"
      "collector.yaml:4:11: http.names[0]: \"https://a\" is no host name; write it without scheme and port, as "
      "ppmm.example\n"
      "collector.yaml:5:17: http.external_url: \"ppmm.example\" is no address that links can begin with; write it "
      "as https://ppmm.example or https://example.org/ppmm\n"
      "collector.yaml:6:15: organization: must be a name of 1 to 128 bytes\n"
      "collector.yaml:8:5: networks[0]: \"192.0.2.1/24\" has bits beyond its prefix; write 192.0.2.0/24\n"
      "collector.yaml:10:5: networks[2]: \"office\" is no network; write a network as 10.20.0.0/16 or "
      "fd00:1::/32\n"
      "collector.yaml:11:12: inventory: \"inventory.yaml\" must begin with \"/\"\n"
      "collector.yaml:12:44: retention.hours_days: 50 is less than retention.minutes_days, which is 100\n"
      "collector.yaml:13:46: grpc.limits.max_connections_per_address: 0 is out of range; allowed: 1 to 1000000\n"
      "collector.yaml:14:7: data: is not set; write a path (without HOME there is no default)\n"
      "11 errors, nothing loaded");
}

TEST(CollectorConfigTest, TakesAddressesThatLinksCanBeginWith) {
  for (const char* url :
       {"https://a", "http://a.example:8080", "https://[fd00::1]:1/", "https://[fd00::1]/x", "https://a/b/c"}) {
    EXPECT_EQ(Load(std::string("http: {external_url: \"") + url + "\"}").error, "") << url;
  }
  for (const char* url :
       {"ftp://a", "https://", "https:///x", "https://a b", "https://a/?q", "https://a/\\\"", "https://u@a"}) {
    EXPECT_NE(Load(std::string("http: {external_url: \"") + url + "\"}").error, "") << url;
  }
}

TEST(CollectorConfigTest, RefusesOneAddressForTwoListeners) {
  EXPECT_EQ(Load("http: {listen: \"localhost:80\"}\ngrpc: {listen: \"127.0.0.1:80\"}\n").error,
            "collector.yaml:2:16: grpc.listen: is the same as http.listen; each needs its own port\n"
            "1 error, nothing loaded");
  EXPECT_EQ(Load("http: {listen: \"127.0.0.1:0\"}\ngrpc: {listen: \"127.0.0.1:0\"}\n").error, "");
}

TEST(CollectorConfigTest, RefusesPlainTextOffLoopbackUnlessItIsOnPurpose) {
  EXPECT_EQ(
      Load("grpc:\n  listen: 0.0.0.0:7767\n").error,
      "collector.yaml:2:11: grpc.listen: \"0.0.0.0:7767\" is not on loopback, and without a certificate everything "
      "would go in plain text; set grpc.tls.certificate, key and client_ca, or, in a network you trust, "
      "grpc.tls.insecure_network: true\n"
      "1 error, nothing loaded");
  EXPECT_EQ(Load("", {.grpc_listen = "[::]:7767"}).error,
            "--grpc-listen: grpc.listen: \"[::]:7767\" is not on loopback, and without a certificate everything "
            "would go in plain text; set grpc.tls.certificate, key and client_ca, or, in a network you trust, "
            "grpc.tls.insecure_network: true\n"
            "1 error, nothing loaded");
  EXPECT_EQ(Load("grpc: {listen: \"0.0.0.0:7767\", tls: {insecure_network: true}}\n").error, "");
  EXPECT_EQ(Load("grpc: {listen: \"0.0.0.0:7767\", tls: insecure_network}\n").error, "");
  EXPECT_EQ(
      Load("grpc: {listen: \"0.0.0.0:7767\", tls: {certificate: $DIR/c, key: $DIR/k, client_ca: $DIR/a}}\n").error, "");
}

TEST(CollectorConfigTest, WantsCertificateKeyAndCaTogether) {
  EXPECT_EQ(Load("grpc:\n  tls:\n    certificate: $DIR/c\n    client_ca: $DIR/a\n").error,
            "collector.yaml:3:18: grpc.tls.certificate: goes together with key\n1 error, nothing loaded");
}

TEST(CollectorConfigTest, TellsCertificatesThatCannotBeUsedInTheOrderOfTheFile) {
  EXPECT_EQ(Load("log_level: loud\ngrpc:\n  tls:\n    client_ca: $DIR/none\n    key: $DIR/c\n    certificate: $DIR/c\n"
                 "organization: \"\"\n")
                .error,
            "collector.yaml:1:12: log_level: \"loud\" is not one of info, debug, warning, error\n"
            "collector.yaml:4:16: grpc.tls.client_ca: none: No such file or directory; correct the path, or make the "
            "file (docs/operations.md, \"Mutual TLS\", makes them)\n"
            "collector.yaml:5:10: grpc.tls.key: c: holds no PEM private key (-----BEGIN PRIVATE KEY-----); name one "
            "that does (docs/operations.md, \"Mutual TLS\", makes them)\n"
            "collector.yaml:7:15: organization: must be a name of 1 to 128 bytes\n"
            "4 errors, nothing loaded");
}

TEST(CollectorConfigTest, TellsTheMistakesOfTheInventoryThatItNames) {
  const TempFolder folder;
  const std::string inventory =
      folder.Write("inventory.yaml", "applications:\n- application: nginx\n  onwer: anna\nnetworks: [10.0.0.0/99]\n");
  const std::string error = Load("networks: [x]\ninventory: " + inventory + "\n").error;
  EXPECT_THAT(error, StartsWith("collector.yaml:1:12: networks[0]: "));
  EXPECT_THAT(error, HasSubstr(inventory + ":3:3: unknown key \"onwer\" in \"applications[0]\"; did you mean "));
  EXPECT_THAT(error, HasSubstr(inventory + ":4:12: networks[0]: "));
  EXPECT_THAT(error, EndsWith("3 errors, nothing loaded"));
  EXPECT_EQ(Load("inventory: " + folder.path() + "\n").error,
            "collector.yaml:1:12: inventory: " + folder.path() + ": is a folder, not a file\n1 error, nothing loaded");
  EXPECT_EQ(Load("inventory: " + folder.path() + "/none\n").error, "") << "nothing is declared";
}

TEST(CollectorConfigTest, NeedsARestartForWhatAReloadDoesNotTake) {
  EXPECT_TRUE(ChangesThatNeedRestart(Load("").config, Load("log_level: debug\nnetworks: [192.0.2.0/24]\n"
                                                           "inventory: /i\nhttp: {external_url: \"https://a\"}\n"
                                                           "organization: x\nretention: {minutes_days: 40}\n")
                                                          .config)
                  .empty());
  EXPECT_EQ(ChangesThatNeedRestart(Load("").config, Load("socket: /s\norganization: x\n").config),
            (std::vector<std::string>{"socket"}));
  EXPECT_EQ(ChangesThatNeedRestart(Load("").config,
                                   Load("data: /d\nhttp: {listen: \"127.0.0.1:1\", names: [a]}\n"
                                        "grpc: {tls: {certificate: $DIR/c, key: $DIR/k, client_ca: $DIR/a}}\n")
                                       .config),
            (std::vector<std::string>{"data", "grpc.tls.certificate", "grpc.tls.client_ca", "grpc.tls.key",
                                      "http.listen", "http.names"}));
}

TEST(CollectorConfigTest, TheSampleIsTheDefaults) {
  const std::string sample = SampleConfig("collector.yaml");
  ASSERT_NE(sample, "");
  for (const std::string& yaml : {sample, Uncommented(sample)}) {
    const Outcome outcome = Load(yaml);
    EXPECT_EQ(outcome.error, "");
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(outcome.config, DefaultCollectorConfig(RootPaths())))
        << outcome.config.DebugString();
  }
  EXPECT_EQ(KeysMissingIn(Uncommented(sample), *config::CollectorConfig::descriptor()), "");
}

}  // namespace
}  // namespace ppmm
