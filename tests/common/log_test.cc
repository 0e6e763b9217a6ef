#include "common/log.h"

#include <string>

#include "gtest/gtest.h"

namespace ppmm {
namespace {

TEST(EscapeForDisplayTest, KeepsPrintableUtf8) {
  EXPECT_EQ(EscapeForDisplay("naïve 数 😀"), "naïve 数 😀");
}

TEST(EscapeForDisplayTest, EscapesControlsAndInvalidBytes) {
  EXPECT_EQ(EscapeForDisplay("a\nb\x1b[2J\x7f"), "a\\x0ab\\x1b[2J\\x7f");
  EXPECT_EQ(EscapeForDisplay("\xff\xc0\xaf\xed\xa0\x80"), "\\xff\\xc0\\xaf\\xed\\xa0\\x80");
  EXPECT_EQ(EscapeForDisplay("\xc2\x9b"), "\\xc2\\x9b") << "C1 controls drive terminals too";
}

TEST(EscapeForDisplayTest, CutsAtACharacter) {
  EXPECT_EQ(EscapeForDisplay("ab数", 4), "ab");
  EXPECT_EQ(EscapeForDisplay(std::string(300, 'x')).size(), 256u);
}

TEST(LogLimiterTest, LetsOneLineThroughAPeriodAndCountsTheOthers) {
  LogLimiter limiter(absl::Seconds(10));
  const absl::Time start = absl::FromUnixSeconds(1000);
  EXPECT_EQ(limiter.Allow(start), 1);
  EXPECT_EQ(limiter.Allow(start + absl::Seconds(1)), 0);
  EXPECT_EQ(limiter.Allow(start + absl::Seconds(9)), 0);
  EXPECT_EQ(limiter.Allow(start + absl::Seconds(10)), 3);
}

TEST(SetLogLevelTest, RefusesAnUnknownLevel) {
  EXPECT_EQ(SetLogLevel("loud").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(SetLogLevel("info").ok());
}

}  // namespace
}  // namespace ppmm
