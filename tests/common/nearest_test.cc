#include "common/nearest.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(EditDistanceTest, CountsEachKindOfEditOnce) {
  EXPECT_EQ(EditDistance("listen", "listen"), 0u);
  EXPECT_EQ(EditDistance("lisen", "listen"), 1u) << "insertion";
  EXPECT_EQ(EditDistance("lissten", "listen"), 1u) << "deletion";
  EXPECT_EQ(EditDistance("lizten", "listen"), 1u) << "substitution";
  EXPECT_EQ(EditDistance("litsen", "listen"), 1u) << "swap";
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("abc", ""), 3u);
}

TEST(EditDistanceTest, TakesCaseAndDashesAsEqual) {
  EXPECT_EQ(EditDistance("Max-Bytes", "max_bytes"), 0u);
}

TEST(NearestNamesTest, GivesTheNearestFirstAndTiesInOrder) {
  const std::vector<std::string> names = {"response_time_p99", "response_time_p95", "throughput", "response_time_p50"};
  EXPECT_THAT(NearestNames("respose_time_p95", names, 2), ElementsAre("response_time_p95", "response_time_p99"));
}

TEST(NearestNamesTest, GivesNothingWhereNothingIsNear) {
  EXPECT_THAT(NearestNames("colour", {"listen", "names"}, 3), IsEmpty());
  EXPECT_THAT(NearestNames("", {"listen"}, 3), IsEmpty());
  EXPECT_THAT(NearestNames("listen", {}, 3), IsEmpty());
  EXPECT_THAT(NearestNames(std::string(65, 'a'), {std::string(64, 'a')}, 3), IsEmpty());
}

TEST(DidYouMeanTest, IsAQuestionOrNothing) {
  EXPECT_EQ(DidYouMean("lisen", {"listen"}), "; did you mean \"listen\"?");
  EXPECT_EQ(DidYouMean("colour", {"listen"}), "");
}

}  // namespace
}  // namespace ppmm
