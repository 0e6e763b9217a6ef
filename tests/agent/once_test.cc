#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "agent/agent.h"
#include "common/text.h"
#include "tests/testing/fake_proc.h"
#include "tests/testing/manual_clock.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;

std::string NetDev(int received) {
  return "Inter-|   Receive                                                |  Transmit\n"
         " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls "
         "carrier compressed\n"
         "  eth0: " +
         std::to_string(received) + " 10 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
}

class OnceTest : public testing::Test {
 protected:
  OnceTest() {
    root_.Write("/proc/net/dev", NetDev(1000));
    root_.Write("/proc/1/net/dev", NetDev(1000));
    settings_.root = root_.root();
    settings_.use_bpf = false;
  }
  // It asks for two seconds; the host is busy, and five pass.
  std::string Describe(OnceForm form, int width = 80) {
    const absl::StatusOr<std::string> text =
        DescribeOnce(settings_, &clock_, form, width, [this](absl::Duration asked) {
          EXPECT_EQ(asked, absl::Seconds(2));
          clock_.Advance(absl::Seconds(5));
          root_.Write("/proc/net/dev", NetDev(6000));
          root_.Write("/proc/1/net/dev", NetDev(6000));
        });
    EXPECT_TRUE(text.ok()) << text.status();
    return text.value_or("");
  }

  FakeProc root_;
  AgentSettings settings_;
  ManualClock clock_{absl::FromUnixSeconds(1'790'000'000)};
};

TEST_F(OnceTest, RatesAreByTheTimeThatPassedNotByTheTimeThatWasMeant) {
  EXPECT_THAT(Describe(OnceForm::kPage), HasSubstr("  network    1000 B/s in, 0 B/s out\n"));
}

TEST_F(OnceTest, TheSameAsOneJsonObject) {
  const std::string text = Describe(OnceForm::kJson);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(json.is_object()) << text;
  EXPECT_EQ(json["seconds"], 5.0);
  EXPECT_EQ(json["receive_bytes_per_second"], 1000.0);
  EXPECT_TRUE(json["applications"].is_array());
  EXPECT_TRUE(json["not_seen"].is_array());
  EXPECT_FALSE(json["not_seen"].empty()) << "most of /proc is not there";
}

TEST_F(OnceTest, EvidenceTakesWhatRoomThereIs) {
  for (const int width : {80, 120, 200}) {
    const std::string page = Describe(OnceForm::kPage, width);
    const std::string table = page.substr(std::min(page.size(), page.find("\n\nAPPLICATIONS")));
    for (const absl::string_view line : absl::StrSplit(table, '\n')) {
      EXPECT_LE(DisplayWidth(line), width) << line;
    }
    EXPECT_EQ(absl::StrContains(table, "Does not fit here: evidence"), width == 80) << table;
    EXPECT_EQ(absl::StrContains(table, "ports        evidence\n"), width > 80) << table;
  }
}

}  // namespace
}  // namespace ppmm
