// What the rating tells people to type, typed: the program itself runs each command that a cure or next step names.
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "collector/rating/catalogue.h"
#include "common/ppmm_commands.h"
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

std::set<std::string> CommandsOfTheCatalogue() {
  std::set<std::string> commands;
  const absl::StatusOr<Catalogue> catalogue = LoadCatalogue();
  EXPECT_TRUE(catalogue.ok()) << catalogue.status();
  for (const Activity& activity : catalogue->activities()) {
    for (const Criterion& criterion : activity.criteria) {
      commands.insert(criterion.act.command);
    }
    for (const Act& act : activity.remediation) {
      commands.insert(act.command);
    }
  }
  commands.erase("");
  return commands;
}

TEST(CuresTest, EveryCommandThatACureNamesIsKnown) {
  const std::set<std::string> commands = CommandsOfTheCatalogue();
  ASSERT_THAT(commands, Not(IsEmpty()));
  for (const std::string& command : commands) {
    EXPECT_THAT(command, StartsWith("ppmm "));
    ASSERT_NE(FindPpmmCommand(command), nullptr) << command << " is no command of the contract";
    const Cure cure = CureOf(command);
    EXPECT_THAT(cure.words, Not(IsEmpty())) << command;
    if (cure.command.empty()) {
      EXPECT_THAT(cure.words, StartsWith("later, with ")) << command;
      continue;
    }
    const Ran ran = Type(cure.command.substr(5));
    EXPECT_NE(ran.exit_code, kUsage) << cure.command << ": " << ran.output;
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
