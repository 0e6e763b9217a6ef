// What the rating tells people to type, typed: the program itself runs each command that a cure or next step names.
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "collector/rating/catalogue.h"
#include "common/ppmm_commands.h"
#include "proto/agent_config.pb.h"
#include "proto/collector_config.pb.h"
#include "tests/testing/temp_folder.h"

namespace ppmm {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr int kUsage = 2;

struct Ran {
  int exit_code = -1;
  std::string output;  // of both
};

// Where no collector is, in a folder with an empty collector.yaml.
Ran Type(const std::string& words) {
  const TempFolder folder;
  folder.Write("collector.yaml", "organization: example\n");
  Ran ran;
  FILE* const pipe =
      popen(absl::StrCat("cd ", folder.path(), " && " PPMM_COMMAND " --collector http://127.0.0.1:1 ", words, " 2>&1")
                .c_str(),
            "r");
  if (pipe == nullptr) {
    return ran;
  }
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
    ran.output.push_back(static_cast<char>(c));
  }
  const int status = pclose(pipe);
  ran.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

// Every act of the catalogue, with its row.
std::vector<std::pair<std::string, Act>> ActsOfTheCatalogue() {
  std::vector<std::pair<std::string, Act>> acts;
  const absl::StatusOr<Catalogue> catalogue = LoadCatalogue();
  EXPECT_TRUE(catalogue.ok()) << catalogue.status();
  for (const Activity& activity : catalogue->activities()) {
    for (const Criterion& criterion : activity.criteria) {
      if (criterion.human) {
        acts.emplace_back(activity.id, criterion.act);
      }
    }
    for (const Act& act : activity.remediation) {
      acts.emplace_back(activity.id, act);
    }
  }
  return acts;
}

std::string TextOf(const std::string& file) {
  std::ifstream stream(absl::StrCat(PPMM_SOURCE_DIR, "/", file));
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

std::string Shipped(const std::string& file) {
  return TextOf("deploy/" + file);
}

// "docs/operations.md, Install": a document that has that heading.
void ExpectGuide(const std::string& guide) {
  const std::vector<std::string> parts = absl::StrSplit(guide, ", ");
  ASSERT_EQ(parts.size(), 2U) << guide;
  EXPECT_THAT(TextOf(parts[0]), HasSubstr(absl::StrCat("\n## ", parts[1], "\n"))) << guide;
}

// A command of the system: of a unit that is shipped and takes it.
void ExpectUnit(const std::string& command) {
  const std::vector<std::string> words = absl::StrSplit(command, ' ');
  ASSERT_EQ(words.front(), "systemctl") << command;
  const std::string unit = Shipped(words.back() + ".service");
  EXPECT_THAT(unit, HasSubstr("[Service]")) << command;
  EXPECT_THAT(unit, HasSubstr(words[1] == "reload" ? "ExecReload=" : "[Install]")) << command;
}

bool IsKeyOf(const google::protobuf::Descriptor* message, absl::string_view key) {
  const std::vector<std::string> names = absl::StrSplit(key, '.');
  for (const std::string& name : names) {
    const auto* const field = message == nullptr ? nullptr : message->FindFieldByName(name);
    if (field == nullptr) {
      return false;
    }
    message = field->message_type();
  }
  return true;
}

// Keys, files and flags that a text names are there.
void ExpectNamesExist(const std::string& text) {
  for (absl::string_view word : absl::StrSplit(text, absl::ByAnyChar(" ,;:()"), absl::SkipEmpty())) {
    if (absl::StartsWith(word, "--")) {
      EXPECT_THAT(Type("--help").output, HasSubstr(std::string(word))) << text;
    } else if (absl::ConsumePrefix(&word, "deploy/") || absl::EndsWith(word, ".yaml")) {
      EXPECT_THAT(Shipped(std::string(word)), Not(IsEmpty())) << text;
    } else if (absl::StrContains(absl::StripSuffix(word, "."), '.') &&
               !absl::ascii_isdigit(static_cast<unsigned char>(word[0]))) {
      EXPECT_TRUE(IsKeyOf(config::CollectorConfig::descriptor(), word) ||
                  IsKeyOf(config::AgentConfig::descriptor(), word))
          << word << ": " << text;
    }
  }
}

TEST(CuresTest, EveryCureIsAnActThatWorksTodayOrSaysWhatBringsIt) {
  const std::vector<std::pair<std::string, Act>> acts = ActsOfTheCatalogue();
  ASSERT_GE(acts.size(), 60U);
  std::set<std::string> typed;
  for (const auto& [activity, act] : acts) {
    SCOPED_TRACE(absl::StrCat(activity, ": ", act.what));
    const Cure cure = CureOf(act);
    EXPECT_THAT(cure.words, Not(IsEmpty()));
    EXPECT_EQ(act.later() || !act.guide.empty(), cure.command.empty());
    if (act.later()) {
      EXPECT_THAT(cure.words, StartsWith(absl::StrCat("later, with ", act.comes_with)));
      EXPECT_TRUE(act.command.empty() || FindPpmmCommand(act.command) != nullptr) << act.command;
      continue;
    }
    ExpectNamesExist(act.what);
    if (!act.guide.empty()) {
      ExpectGuide(act.guide);
      EXPECT_EQ(cure.words, act.guide);
      continue;
    }
    EXPECT_EQ(cure.words, cure.command);
    if (!typed.insert(cure.command).second) {
      continue;
    }
    if (!absl::StartsWith(cure.command, "ppmm ")) {
      ExpectUnit(cure.command);
      continue;
    }
    ASSERT_NE(FindPpmmCommand(cure.command), nullptr) << cure.command << " is no command of the contract";
    const Ran ran = Type(cure.command.substr(5));
    EXPECT_NE(ran.exit_code, kUsage) << cure.command << ": " << ran.output;
  }
}

TEST(CuresTest, WhatNothingMeasuresYetIsOfferedNoCureOfToday) {
  const absl::StatusOr<Catalogue> catalogue = LoadCatalogue();
  ASSERT_TRUE(catalogue.ok()) << catalogue.status();
  for (const Activity& activity : catalogue->activities()) {
    const bool unobserved =
        std::all_of(activity.criteria.begin(), activity.criteria.end(),
                    [](const Criterion& criterion) { return criterion.evaluator == catalogue::EVALUATOR_UNOBSERVED; });
    for (const Act& act : activity.remediation) {
      EXPECT_TRUE(!unobserved || act.later()) << activity.id << ": " << act.what;
    }
  }
}

TEST(CuresTest, ACommandThatIsToComeIsAnsweredWithOneLine) {
  for (const PpmmCommand& command : PpmmCommands()) {
    if (command.built()) {
      continue;
    }
    for (const char* const more : {"", " FILE --flag"}) {
      const Ran ran = Type(absl::StrCat(command.name, more));
      EXPECT_EQ(ran.exit_code, kUsage) << command.name;
      EXPECT_THAT(ran.output, HasSubstr(absl::StrCat("not in this release: comes with ", command.comes_with)));
      EXPECT_THAT(ran.output, EndsWith("\n"));
      EXPECT_EQ(ran.output.find('\n'), ran.output.size() - 1) << ran.output;
    }
  }
}

TEST(CuresTest, EveryCommandThatThisReleaseHasIsInItsHelp) {
  const Ran help = Type("--help");
  EXPECT_EQ(help.exit_code, 0);
  for (const PpmmCommand& command : PpmmCommands()) {
    const std::string first(command.name.substr(0, command.name.find(' ')));
    if (command.built()) {
      EXPECT_THAT(help.output, HasSubstr(absl::StrCat("\n  ", first, " "))) << command.name;
    }
  }
}

TEST(CuresTest, AnUnknownCommandIsAnsweredWithTheNearest) {
  const Ran typo = Type("ratng");
  EXPECT_EQ(typo.exit_code, kUsage);
  EXPECT_EQ(typo.output, "ppmm: no command \"ratng\"; did you mean \"rating\"? (ppmm --help lists them)\n");
  EXPECT_EQ(Type("'rm\x1b[2J'").exit_code, kUsage);
  EXPECT_THAT(Type("'rm\x1b[2J'").output, Not(HasSubstr("\x1b")));
}

TEST(CuresTest, AnUnknownFlagIsAnsweredWithTheNearest) {
  for (const char* const words :
       {"--colector http://127.0.0.1:1 rating", "rating --colector=x", "rating --colector x y"}) {
    const Ran typo = Type(words);
    EXPECT_EQ(typo.exit_code, kUsage);
    EXPECT_EQ(typo.output, "ppmm: no flag \"--colector\"; did you mean \"--collector\"? (--help lists them)\n")
        << words;
  }
  EXPECT_EQ(Type("--nope").output, "ppmm: no flag \"--nope\" (--help lists them)\n");
  EXPECT_EQ(Type("rating one two").output, "ppmm: not expected here: one two (--help says what is)\n");
}

TEST(CuresTest, WhatIsSaidOfACommandComesFromItsLongestName) {
  EXPECT_EQ(FindPpmmCommand("ppmm alerts ack 7")->name, "alerts ack");
  EXPECT_EQ(FindPpmmCommand("check FILE")->name, "check");
  EXPECT_EQ(FindPpmmCommand("checking"), nullptr);
  EXPECT_EQ(FindPpmmCommand("alerts"), nullptr) << "a group is no command";
  EXPECT_EQ(CureOf("ppmm doctor").command, "ppmm doctor");
  EXPECT_EQ(CureOf("").words, "");
}

}  // namespace
}  // namespace ppmm
