// Prometheus' own tool judges what Prometheus will read. Exits 77 where promtool is not installed.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "gtest/gtest.h"

namespace {

// Runs a command of the shell; its output, and whether it exited with 0.
std::string Output(const std::string& command, bool* ok) {
  std::FILE* const pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) {
    *ok = false;
    return "popen failed";
  }
  std::string text;
  char buffer[4096];
  for (std::size_t size = 0; (size = fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
    text.append(buffer, size);
  }
  *ok = pclose(pipe) == 0;
  return text;
}

class Promtool : public testing::Test {
 protected:
  void SetUp() override {
    bool found = false;
    Output("command -v promtool", &found);
    if (!found) {
      std::puts("skipped: promtool is not installed (Debian package prometheus)");
      std::fflush(stdout);
      std::_Exit(77);
    }
  }
  static void ExpectSilent(const std::string& command) {
    bool ok = false;
    const std::string text = Output(command, &ok);
    EXPECT_TRUE(ok) << command;
    EXPECT_EQ(text, "") << command;
  }
};

TEST_F(Promtool, IsSilentOnThePageOfTheOrganization) {
  ExpectSilent("promtool check metrics < " PPMM_TESTDATA "/golden/metrics.prom");
}

TEST_F(Promtool, IsSilentOnThePageOfTheHosts) {
  ExpectSilent("promtool check metrics < " PPMM_TESTDATA "/golden/metrics_hosts.prom");
}

TEST_F(Promtool, AcceptsTheScrapeConfiguration) {
  bool ok = false;
  const std::string text = Output("promtool check config " PPMM_SOURCE_DIR "/deploy/prometheus.yml", &ok);
  EXPECT_TRUE(ok) << text;
}

}  // namespace
