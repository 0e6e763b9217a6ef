#include "agent/privacy.h"

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/frames.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Time kSent = absl::FromUnixSeconds(1'790'000'000);

TEST(FramePrinter, PrintsIdsInHexadecimalAndEscapesNames) {
  wire::AgentFrame hello = HelloFrame(7, kSent);
  hello.mutable_hello()->set_host_name("web\x1b[2J");
  const std::string text = FramePrinter().Print(hello.SerializeAsString()).value();
  EXPECT_THAT(text, HasSubstr("agent_id: 61616161616161616161616161616161\n"));
  EXPECT_THAT(text, HasSubstr("host_name: \"web\\x1b[2J\"\n"));
  EXPECT_TRUE(absl::StartsWith(text, "HELLO, when a connection opens: ")) << text;
}

TEST(FramePrinter, PrintsTheFirstValueOfASeriesAndTheNumberOfLaterOnes) {
  FramePrinter printer;
  const std::string dictionary =
      printer.Print(DictionaryFrame(7, {"ppmm_host_forks_total", "ppmm_host_load1"}, kSent).SerializeAsString())
          .value();
  EXPECT_THAT(dictionary, HasSubstr("series 1: ppmm_host_forks_total of entity 1, COUNTER, in 10^0, each step\n"));
  const auto batch = [](std::uint64_t seq) {
    return BatchFrame(7, seq, kSent, {{1, MetricKind::kCounter, 12}, {2, MetricKind::kGauge, 250}}, kSent)
        .SerializeAsString();
  };
  const std::string first = printer.Print(batch(1)).value();
  EXPECT_THAT(first, HasSubstr("ppmm_host_forks_total of entity 1 +12\n"));
  EXPECT_THAT(first, HasSubstr("ppmm_host_load1 of entity 1 2.5\n"));
  EXPECT_THAT(first, Not(HasSubstr("more of series")));
  const std::string second = printer.Print(batch(2)).value();
  EXPECT_THAT(second, HasSubstr("and 2 more of series shown before\n"));
  EXPECT_THAT(second, Not(HasSubstr("forks")));
}

TEST(FramePrinter, RefusesWhatItCannotRead) {
  EXPECT_TRUE(absl::IsInvalidArgument(FramePrinter().Print("\xff\xff\xff").status()));
  // A value of a series that nothing named.
  EXPECT_FALSE(
      FramePrinter().Print(BatchFrame(7, 1, kSent, {{1, MetricKind::kGauge, 1}}, kSent).SerializeAsString()).ok());
}

}  // namespace
}  // namespace ppmm
