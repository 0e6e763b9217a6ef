#include "common/config_loader.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

#include "common/config_value.h"
#include "tests/common/config_loader_test.pb.h"
#include "tests/testing/temp_folder.h"

namespace ppmm {
namespace {

using config_test::Everything;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Everything Defaults() {
  Everything message;
  SetDefaults(&message);
  return message;
}

Everything Load(absl::string_view text) {
  Everything message = Defaults();
  ConfigReport report;
  const absl::Status status = LoadYaml("f.yaml", text, &message, &report);
  EXPECT_TRUE(status.ok()) << status;
  return message;
}

std::vector<std::string> Errors(absl::string_view text) {
  Everything message = Defaults();
  ConfigReport report;
  const bool ok = LoadYaml("f.yaml", text, &message, &report).ok();
  EXPECT_EQ(ok, report.ok());
  std::vector<std::string> result;
  for (const ConfigError& error : report.errors()) {
    result.push_back(ToString(error));
  }
  return result;
}

TEST(SetDefaultsTest, ComeFromTheSchema) {
  const Everything message = Defaults();
  EXPECT_EQ(message.organization(), "default");
  EXPECT_EQ(message.http().listen(), "127.0.0.1:7766");
  EXPECT_EQ(message.http().workers(), 2);
  EXPECT_EQ(message.max_bytes(), 128u << 20);
  EXPECT_EQ(ToDuration(message.interval()), absl::Seconds(10));
  EXPECT_EQ(message.capture(), config_test::CAPTURE_MODE_AUTO);
  EXPECT_FALSE(message.verbose());
}

TEST(LoadYamlTest, AnEmptyDocumentIsTheDefaults) {
  for (const char* text : {"", "# nothing\n", "---\n", "http:\n  # listen: 1.2.3.4:1\nnetworks:\nlabels:\n"}) {
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(Load(text), Defaults())) << text;
  }
}

TEST(LoadYamlTest, ReadsEachKindOfField) {
  const Everything message = Load(R"(
organization: 4711
http: {workers: 64, tls: {key: /k}}
max_bytes: 8MiB
interval: 1500ms
capture: full_only
verbose: true
share: 0.25
small: 4294967295
offset: -9223372036854775808
networks: [10.1.0.0/16, "fd00::/8"]
ports:
  - 80
  - 443
rules:
  - name: fast
    window: 5s
  - name: usual
labels: {team: web, "a.b": c}
named_rules:
  one: {name: x}
)");
  EXPECT_EQ(message.organization(), "4711");
  EXPECT_EQ(message.http().listen(), "127.0.0.1:7766") << "what the file does not name keeps its default";
  EXPECT_EQ(message.http().workers(), 64);
  EXPECT_EQ(message.http().tls().key(), "/k");
  EXPECT_EQ(message.max_bytes(), 8u << 20);
  EXPECT_EQ(ToDuration(message.interval()), absl::Milliseconds(1500));
  EXPECT_EQ(message.capture(), config_test::CAPTURE_MODE_FULL_ONLY);
  EXPECT_TRUE(message.verbose());
  EXPECT_EQ(message.share(), 0.25);
  EXPECT_EQ(message.small(), 4294967295u);
  EXPECT_EQ(message.offset(), INT64_MIN);
  EXPECT_THAT(message.networks(), ElementsAre("10.1.0.0/16", "fd00::/8"));
  EXPECT_THAT(message.ports(), ElementsAre(80, 443));
  ASSERT_EQ(message.rules_size(), 2);
  EXPECT_EQ(ToDuration(message.rules(0).window()), absl::Seconds(5));
  EXPECT_EQ(ToDuration(message.rules(1).window()), absl::Seconds(60)) << "items have defaults too";
  EXPECT_EQ(message.labels().at("a.b"), "c");
  EXPECT_EQ(message.named_rules().at("one").name(), "x");
  EXPECT_EQ(ToDuration(message.named_rules().at("one").window()), absl::Seconds(60));
}

TEST(LoadYamlTest, AListOfTheFileReplacesTheOneBefore) {
  Everything message = Load("networks: [a, b]");
  ConfigReport report;
  ASSERT_TRUE(LoadYaml("g.yaml", "networks: [c]", &message, &report).ok());
  EXPECT_THAT(message.networks(), ElementsAre("c"));
}

TEST(LoadYamlTest, OneWordSetsAFlagOfAMessage) {
  EXPECT_TRUE(Load("http: {tls: insecure_network}").http().tls().insecure_network());
}

TEST(LoadYamlTest, NamesTheNearestKey) {
  EXPECT_THAT(Errors("http:\n  lisen: 1.2.3.4:80\n"),
              ElementsAre("f.yaml:2:3: unknown key \"lisen\" in \"http\"; did you mean \"listen\"?"));
  EXPECT_THAT(Errors("organisation: a"),
              ElementsAre("f.yaml:1:1: unknown key \"organisation\"; did you mean \"organization\"?"));
}

TEST(LoadYamlTest, ListsTheKeysWhenNoneIsNear) {
  EXPECT_THAT(Errors("http: {colour: red}"),
              ElementsAre("f.yaml:1:8: unknown key \"colour\" in \"http\"; allowed: listen, workers, tls"));
  EXPECT_THAT(Errors("xyzzyplugh: 1"), ElementsAre("f.yaml:1:1: unknown key \"xyzzyplugh\""));
}

TEST(LoadYamlTest, TellsWhereAMisplacedKeyBelongs) {
  EXPECT_THAT(Errors("http:\nworkers: 3\n"),
              ElementsAre("f.yaml:2:1: unknown key \"workers\"; it belongs to \"http\" or "
                          "\"grpc\" (check the indentation)"));
  EXPECT_THAT(
      Errors("http:\n  organization: x\n"),
      ElementsAre("f.yaml:2:3: unknown key \"organization\" in \"http\"; it belongs to the top level (check the "
                  "indentation)"));
}

TEST(LoadYamlTest, RefusesAKeyGivenTwice) {
  EXPECT_THAT(Errors("organization: a\nverbose: true\norganization: b\n"),
              ElementsAre("f.yaml:3:1: key \"organization\" is given twice, first in line 1"));
  EXPECT_THAT(Errors("labels: {a: 1, a: 2}"), ElementsAre("f.yaml:1:16: key \"a\" is given twice, first in line 1"));
}

TEST(LoadYamlTest, RefusesWhatIsNoSuchType) {
  EXPECT_THAT(
      Errors("small: many\nverbose: yes\nshare: half\ncapture: atuo\nnetworks: 10.0.0.0/8\nhttp: [1]\n"
             "organization: [a]\ninterval: {a: b}\nlabels: x\nrules: [7]\nmax_bytes: lots\nports: [a, 2, [3]]\n"),
      ElementsAre("f.yaml:1:8: small: \"many\" is not a whole number",
                  "f.yaml:2:10: verbose: \"yes\" is neither true nor false",
                  "f.yaml:3:8: share: \"half\" is not a number",
                  "f.yaml:4:10: capture: \"atuo\" is not one of auto, full_only, off; did you mean \"auto\"?",
                  "f.yaml:5:11: networks: must be a list (\"- \" before each item, or [a, b]), not a single value",
                  "f.yaml:6:7: http: must hold keys (listen, workers, tls), not a list",
                  "f.yaml:7:15: organization: must be a single value, not a list",
                  "f.yaml:8:11: interval: must be a single value, not keys",
                  "f.yaml:9:9: labels: must hold keys of your choice, not a single value",
                  "f.yaml:10:9: rules[0]: must hold keys (name, window), not a single value",
                  "f.yaml:11:12: max_bytes: \"lots\" is not a size; write a size as 512B, 64KiB, 128MiB or 2GiB",
                  "f.yaml:12:9: ports[0]: \"a\" is not a whole number",
                  "f.yaml:12:15: ports[2]: must be a single value, not a list"));
}

TEST(LoadYamlTest, RefusesWhatIsOutOfRange) {
  EXPECT_THAT(Errors("http: {workers: 65}\nmax_bytes: 1KiB\ninterval: 2h\nshare: 1.5\nsmall: 4294967296\noffset: 6\n"
                     "ports: [0]\nrules: [{window: 0s}]\n"),
              ElementsAre("f.yaml:1:17: http.workers: 65 is out of range; allowed: 1 to 64",
                          "f.yaml:2:12: max_bytes: 1KiB is out of range; allowed: 8MiB to 1TiB",
                          "f.yaml:3:11: interval: 2h is out of range; allowed: 500ms to 1h",
                          "f.yaml:4:8: share: 1.5 is out of range; allowed: 0 to 1",
                          "f.yaml:5:8: small: 4294967296 is out of range; allowed: 0 to 4294967295",
                          "f.yaml:6:9: offset: 6 is out of range; allowed: -9223372036854775808 to 5",
                          "f.yaml:7:9: ports[0]: 0 is out of range; allowed: 1 to 65535",
                          "f.yaml:8:18: rules[0].window: 0s is too small; at least 1s"));
  EXPECT_THAT(Errors("small: -1\nshare: nan\nshare: 1"),
              ElementsAre("f.yaml:1:8: small: -1 is out of range; allowed: 0 to 4294967295",
                          "f.yaml:2:8: share: \"nan\" is not a number",
                          "f.yaml:3:1: key \"share\" is given twice, first in line 2"));
}

TEST(LoadYamlTest, WantsAUnitWhereOneIsMeant) {
  EXPECT_THAT(
      Errors("interval: 10\nmax_bytes: 134217728\n"),
      ElementsAre("f.yaml:1:11: interval: \"10\" has no unit; write a duration as 500ms, 10s, 5m, 72h or 30d",
                  "f.yaml:2:12: max_bytes: \"134217728\" has no unit; write a size as 512B, 64KiB, 128MiB or 2GiB"));
}

TEST(LoadYamlTest, RefusesAKeyWithoutValueAndAKeyThatIsNoWord) {
  EXPECT_THAT(Errors("organization:\n"),
              ElementsAre("f.yaml:1:1: organization: has no value; write one or remove the key"));
  EXPECT_THAT(Errors("[a, b]: c\n"), ElementsAre("f.yaml:1:1: a key must be a word, not a list"));
}

TEST(LoadYamlTest, RefusesADocumentThatIsNoMap) {
  EXPECT_THAT(Errors("just text"), ElementsAre(HasSubstr("f.yaml:1:1: the file must hold keys (organization, http,")));
}

TEST(LoadYamlTest, ReportsBrokenYamlOnceAndNothingElse) {
  EXPECT_THAT(Errors("http: [1\nunknown: 3\n"),
              ElementsAre("f.yaml:1:7: this [ is not closed, or a comma is missing in it"));
  EXPECT_THAT(Errors(std::string(2 << 20, ' ')), ElementsAre("f.yaml: is larger than 1 MiB"));
}

TEST(LoadYamlTest, EscapesWhatWouldForgeALine) {
  EXPECT_THAT(Errors("\"a\\nb\": 1"), ElementsAre("f.yaml:1:1: unknown key \"a\\x0ab\""));
  EXPECT_THAT(Errors("small: \"1\\e[2J\""), ElementsAre("f.yaml:1:8: small: \"1\\x1b[2J\" is not a whole number"));
}

TEST(LoadYamlTest, KeepsABoundedNumberOfMistakes) {
  std::string text;
  for (int i = 0; i < 500; ++i) {
    absl::StrAppend(&text, "plugh", i, ": 1\n");
  }
  const std::vector<std::string> errors = Errors(text);
  ASSERT_EQ(errors.size(), ConfigReport::kMaxErrors + 1);
  EXPECT_EQ(errors.back(), "f.yaml: more mistakes follow; correct these first");
}

TEST(LoadYamlTest, TellsASchemaThatIsItselfWrong) {
  config_test::WrongSchema message;
  ConfigReport report;
  EXPECT_FALSE(LoadYaml("f.yaml", "bad_bound: 1\nraw: x\n", &message, &report).ok());
  EXPECT_EQ(report.status().message(),
            "f.yaml:1:12: bad_bound: schema: ppmm.config_test.WrongSchema.bad_bound: min: \"one\" is not a whole "
            "number\n"
            "f.yaml:2:6: raw: schema: ppmm.config_test.WrongSchema.raw: a type that configurations do not have");
}

TEST(ConfigReportTest, FindsThePlaceOfAFieldOrOfWhatIsAroundIt) {
  Everything message = Defaults();
  ConfigReport report("f.yaml");
  ASSERT_TRUE(LoadYaml("f.yaml", "http:\n  listen: nowhere\nnetworks: [a]\n", &message, &report).ok());
  SetFromFlag("--interval", "interval", "5s", &message, &report);
  report.AddError("http.listen", "is no address");
  report.AddError("http.tls.key", "is missing");
  report.AddError("networks[0]", "is no network");
  report.AddError("interval", "is odd");
  report.AddError("grpc.listen", "is no address");
  EXPECT_EQ(report.status().message(),
            "f.yaml: grpc.listen: is no address\n"
            "f.yaml:1:1: http.tls.key: is missing\n"
            "f.yaml:2:11: http.listen: is no address\n"
            "f.yaml:3:12: networks[0]: is no network\n"
            "--interval: is odd");
}

TEST(ConfigReportTest, MistakesStandByFileLineAndColumnHoweverTheyWereFound) {
  ConfigReport report;
  report.AddErrorAt({"b.yaml", 2, 1}, "third");
  report.AddErrorAt({"a.yaml", 9, 1}, "fourth");
  report.AddErrorAt({"b.yaml", 1, 7}, "second");
  report.AddErrorAt({"b.yaml", 1, 2}, "first");
  report.AddErrorAt({"b.yaml", 1, 7}, "second, too");
  EXPECT_EQ(report.status().message(),
            "b.yaml:1:2: first\nb.yaml:1:7: second\nb.yaml:1:7: second, too\nb.yaml:2:1: third\na.yaml:9:1: fourth");
}

TEST(ConfigReportTest, ARefusalCountsTheMistakes) {
  Everything message = Defaults();
  ConfigReport report;
  EXPECT_FALSE(LoadYaml("f.yaml", "small: x\nshare: y\n", &message, &report).ok());
  EXPECT_EQ(report.Refusal().message(),
            "f.yaml:1:8: small: \"x\" is not a whole number\n"
            "f.yaml:2:8: share: \"y\" is not a number\n"
            "2 errors, nothing loaded");
}

TEST(SetFromFlagTest, OverridesAsAFileWould) {
  Everything message = Load("http: {listen: a}");
  ConfigReport report;
  SetFromFlag("--http-listen", "http.listen", "b", &message, &report);
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(message.http().listen(), "b");
  SetFromFlag("--capture", "capture", "loud", &message, &report);
  SetFromFlag("--http", "http", "x", &message, &report);
  SetFromFlag("--nothing", "http.nothing", "x", &message, &report);
  EXPECT_EQ(report.status().message(),
            "--capture: \"loud\" is not one of auto, full_only, off\n"
            "--http: no such setting: http\n"
            "--nothing: no such setting: http.nothing");
}

TEST(ChangesThatNeedRestartTest, ListsMarkedFieldsOnly) {
  const Everything running = Load("");
  EXPECT_THAT(ChangesThatNeedRestart(running, Load("")), IsEmpty());
  EXPECT_THAT(ChangesThatNeedRestart(
                  running, Load("http: {listen: a, workers: 3}\ngrpc: {workers: 3, tls: {key: k}}\nverbose: true")),
              ElementsAre("grpc.tls.key", "grpc.workers", "http.listen"));
}

TEST(ReadConfigFileTest, ReadsAFileAndTellsWhatItCannot) {
  const TempFolder folder;
  EXPECT_EQ(ReadConfigFile(folder.path() + "/none.yaml").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadConfigFile(folder.Write("a.yaml", "verbose: true\n")).value(), "verbose: true\n");
  const std::string large = folder.Write("large.yaml", std::string((1 << 20) + 1, ' '));
  EXPECT_EQ(ReadConfigFile(large).status().message(), large + ": is larger than 1 MiB");
  EXPECT_EQ(ReadConfigFile(folder.path()).status().message(), folder.path() + ": is a folder, not a file");
}

TEST(ConfigWordTest, IsTheEnumeratorWithoutItsEnumeration) {
  EXPECT_EQ(ConfigWord(*config_test::CaptureMode_descriptor()->FindValueByNumber(2)), "full_only");
}

}  // namespace
}  // namespace ppmm
