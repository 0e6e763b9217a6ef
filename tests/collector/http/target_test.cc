#include "collector/http/target.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ppmm::http {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

absl::StatusCode CodeOf(absl::string_view target) {
  return ParseTarget(target).status().code();
}

TEST(ParseTarget, SplitsPathAndQuery) {
  const auto target = ParseTarget("/api/v1/applications?window=60s&name=a%20b+c");
  ASSERT_TRUE(target.ok());
  EXPECT_THAT(target->segments, ElementsAre("api", "v1", "applications"));
  EXPECT_THAT(target->query.items(), ElementsAre(Pair("window", "60s"), Pair("name", "a b c")));
}

TEST(ParseTarget, AnEncodedSlashStaysInItsSegment) {
  EXPECT_THAT(ParseTarget("/applications/default%2Fnginx")->segments, ElementsAre("applications", "default/nginx"));
}

TEST(ParseTarget, TheRootHasNoSegments) {
  EXPECT_THAT(ParseTarget("/")->segments, IsEmpty());
  EXPECT_THAT(ParseTarget("/?a=1")->segments, IsEmpty());
}

TEST(ParseTarget, AFinalSlashIsAnEmptySegment) {
  EXPECT_THAT(ParseTarget("/a/")->segments, ElementsAre("a", ""));
}

TEST(ParseTarget, AParameterMayLackItsValueAndAPlusInAPathIsAPlus) {
  const auto target = ParseTarget("/c++?at&x=&=y");
  ASSERT_TRUE(target.ok());
  EXPECT_THAT(target->segments, ElementsAre("c++"));
  EXPECT_THAT(target->query.items(), ElementsAre(Pair("at", ""), Pair("x", ""), Pair("", "y")));
}

TEST(ParseTarget, RefusesBadEscapes) {
  for (const char* target : {"/%", "/%1", "/%zz", "/a?b=%4", "/a?%g0=1"}) {
    EXPECT_EQ(CodeOf(target), absl::StatusCode::kInvalidArgument) << target;
  }
}

TEST(ParseTarget, RefusesControlCharactersHoweverTheyCome) {
  for (const char* target : {"/%00", "/a%0d%0ab", "/a?b=%1f", "/\x7f"}) {
    EXPECT_EQ(CodeOf(target), absl::StatusCode::kInvalidArgument) << target;
  }
}

TEST(ParseTarget, RefusesOtherForms) {
  for (const char* target : {"", "*", "http://example.org/", "example.org:80"}) {
    EXPECT_EQ(CodeOf(target), absl::StatusCode::kInvalidArgument) << target;
  }
}

TEST(ParseTarget, RefusesWhatPassesABound) {
  EXPECT_THAT(ParseTarget("/" + std::string(5000, 'a')).status().message(), HasSubstr("4096"));
  std::string deep;
  std::string wide = "/?";
  for (int i = 0; i < 65; ++i) {
    deep += "/a";
    wide += "a=1&";
  }
  EXPECT_THAT(ParseTarget(deep).status().message(), HasSubstr("16 parts"));
  EXPECT_THAT(ParseTarget(wide).status().message(), HasSubstr("64 query"));
}

TEST(PercentEncode, IsUndoneByParseTarget) {
  std::string all;
  for (int c = 32; c < 256; ++c) {
    if (c != 127) {
      all.push_back(static_cast<char>(c));
    }
  }
  EXPECT_THAT(ParseTarget("/" + PercentEncode(all))->segments, ElementsAre(all));
}

}  // namespace
}  // namespace ppmm::http
