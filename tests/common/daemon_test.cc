#include "common/daemon.h"

#include <signal.h>

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "common/version.h"

namespace ppmm {
namespace {

// A daemon of which only the way to its configuration is there.
struct Program {
  int Main(std::vector<std::string> words) {
    words.insert(words.begin(), "program");
    std::vector<char*> arguments;
    for (std::string& word : words) {
      arguments.push_back(word.data());
    }
    CLI::App app("A program.");
    return DaemonMain(
        app, "ppmm-agent", static_cast<int>(arguments.size()), arguments.data(), DefaultPaths{},
        {&config, &data, &log_level, &check_config}, [this] { return loaded; },
        [this] {
          ++runs;
          return 7;
        });
  }
  std::optional<std::string> config, data, log_level;
  bool check_config = false;
  absl::Status loaded;
  int runs = 0;
};

TEST(DaemonTest, RunsWithTheFlagsItWasGiven) {
  Program program;
  EXPECT_EQ(program.Main({"--data", "here", "--log-level", "debug"}), 7);
  EXPECT_EQ(program.runs, 1);
  EXPECT_EQ(program.data, "here");
  EXPECT_EQ(program.log_level, "debug");
  EXPECT_EQ(program.config, std::nullopt);
}

TEST(DaemonTest, AFlagItDoesNotKnowEndsItWith2) {
  Program program;
  EXPECT_EQ(program.Main({"--nonsense"}), kExitUsage);
  EXPECT_EQ(program.runs, 0);
}

TEST(DaemonTest, AConfigurationThatIsInvalidEndsItWith78AlsoWhenOnlyChecked) {
  Program program;
  program.loaded = absl::InvalidArgumentError("a.yaml:1:1: no");
  EXPECT_EQ(program.Main({}), kExitConfig);
  EXPECT_EQ(program.Main({"--check-config"}), kExitConfig);
  EXPECT_EQ(program.runs, 0);
}

TEST(DaemonTest, CheckingAValidConfigurationEndsItWith0) {
  Program program;
  EXPECT_EQ(program.Main({"--check-config"}), 0);
  EXPECT_EQ(program.runs, 0);
}

TEST(DaemonTest, ItsVersionIsToldWithItsName) {
  Program program;
  testing::internal::CaptureStdout();
  EXPECT_EQ(program.Main({"--version"}), 0);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), absl::StrCat("ppmm-agent ", kVersion, "\n"));
  EXPECT_EQ(program.runs, 0);
}

TEST(DaemonTest, WhatCannotRunEndsWith69AndWhatMakesNoSenseWith78) {
  EXPECT_EQ(Complain("program", absl::AlreadyExistsError("taken")), kExitUnavailable);
  EXPECT_EQ(Complain("program", absl::InvalidArgumentError("no address")), kExitConfig);
}

TEST(DaemonTest, SignalsAreToldOneByOne) {
  DaemonSignals signals;
  EXPECT_EQ(signals.Take(), DaemonSignals::Wish::kNone);
  raise(SIGHUP);
  EXPECT_EQ(signals.Take(), DaemonSignals::Wish::kReload);
  raise(SIGTERM);
  EXPECT_EQ(signals.Take(), DaemonSignals::Wish::kEnd);
  raise(SIGINT);
  EXPECT_EQ(signals.Take(), DaemonSignals::Wish::kEnd);
  EXPECT_EQ(signals.Take(), DaemonSignals::Wish::kNone);
}

}  // namespace
}  // namespace ppmm
