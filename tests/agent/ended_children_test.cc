#include "agent/ended_children.h"

#include <map>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

struct Row {
  std::int32_t pid = 0;
  std::int32_t ppid = 0;
  std::uint64_t own_us = 0;
  std::uint64_t children_us = 0;
  std::int64_t start_ns = 1;
};

class EndedChildrenTest : public ::testing::Test {
 protected:
  std::map<std::int32_t, std::uint64_t> Look(const std::vector<Row>& rows) {
    for (const Row& row : rows) {
      ProcessSample sample;
      sample.pid = row.pid;
      sample.ppid = row.ppid;
      sample.start_ns = row.start_ns;
      sample.user_ns = row.own_us * 1000;
      sample.children_ns = row.children_us * 1000;
      children_.Take(sample, first_);
    }
    first_ = false;
    std::map<std::int32_t, std::uint64_t> charged;
    children_.EndLook([&](std::int32_t pid, std::uint64_t us) { charged[pid] += us; });
    return charged;
  }

  EndedChildren children_;
  bool first_ = true;
};

TEST_F(EndedChildrenTest, ChargesTheParentForChildrenThatNobodySaw) {
  EXPECT_THAT(Look({{10, 1, 5, 900}}), IsEmpty()) << "what was before the first look is not asked for";
  EXPECT_THAT(Look({{10, 1, 5, 1000}}), UnorderedElementsAre(Pair(10, 100)));
  EXPECT_THAT(Look({{10, 1, 5, 1000}}), IsEmpty());
}

TEST_F(EndedChildrenTest, ChargesAYoungParentFromItsBeginning) {
  Look({{1, 0}});
  EXPECT_THAT(Look({{1, 0}, {10, 1, 5, 70}}), UnorderedElementsAre(Pair(10, 70)));
}

TEST_F(EndedChildrenTest, ChargesOnlyWhatAChildUsedAfterItWasSeen) {
  Look({{10, 1}, {11, 10, 300}});
  EXPECT_THAT(Look({{10, 1, 0, 340}}), UnorderedElementsAre(Pair(10, 40)));
}

TEST_F(EndedChildrenTest, WaitsForTheParentToSeeTheEnd) {
  Look({{10, 1}, {11, 10, 300}});
  EXPECT_THAT(Look({{10, 1}}), IsEmpty()) << "the parent was looked at before it waited, its child after that";
  EXPECT_THAT(Look({{10, 1, 0, 340}}), UnorderedElementsAre(Pair(10, 40)));
}

TEST_F(EndedChildrenTest, TakesBackWhatItChargedBetweenTwoRowsOfOneLook) {
  Look({{10, 1}, {11, 10, 300}});
  // The child was looked at, ended, and its parent waited for it before it was looked at.
  EXPECT_THAT(Look({{10, 1, 0, 300}, {11, 10, 300}}), UnorderedElementsAre(Pair(10, 300)));
  EXPECT_THAT(Look({{10, 1, 0, 300}}), IsEmpty());
  EXPECT_THAT(Look({{10, 1, 0, 500}}), IsEmpty()) << "the next are not charged until both agree";
  EXPECT_THAT(Look({{10, 1, 0, 700}}), UnorderedElementsAre(Pair(10, 100)));
}

TEST_F(EndedChildrenTest, KnowsGrandchildrenThatEndedWithTheirParent) {
  Look({{10, 1}, {11, 10, 20}, {12, 11, 500}});
  // 11 waited for 12, and 10 for 11, which used 3 more.
  EXPECT_THAT(Look({{10, 1, 0, 523}}), UnorderedElementsAre(Pair(10, 3)));
}

TEST_F(EndedChildrenTest, KnowsWhatAnEndedParentHadWaitedForBefore) {
  Look({{10, 1}, {11, 10, 20}, {12, 11, 500}});
  EXPECT_THAT(Look({{10, 1}, {11, 10, 20, 500}}), IsEmpty());
  EXPECT_THAT(Look({{10, 1, 0, 521}}), UnorderedElementsAre(Pair(10, 1)));
}

TEST_F(EndedChildrenTest, DoesNotChargeInitForAnOrphanThatWasSeen) {
  Look({{1, 0}, {10, 1}, {11, 10, 20}, {12, 11, 1'000'000'000}});
  // 11 was killed, 12 went to init and ended; 10 waited for 11, init for 12.
  EXPECT_THAT(Look({{1, 0, 0, 1'000'000'000}, {10, 1, 0, 20}}), IsEmpty());
  EXPECT_THAT(Look({{1, 0, 0, 1'000'000'007}, {10, 1, 0, 20}}), UnorderedElementsAre(Pair(1, 7)));
}

TEST_F(EndedChildrenTest, DoesNotChargeWhoeverAdoptsAsInitDoes) {
  Look({{5, 1}, {10, 5}, {11, 10, 20}, {12, 11, 900}, {13, 11}});
  Look({{5, 1}, {10, 5, 0, 20}, {12, 5, 900}, {13, 5}});  // 11 ended, 5 adopts
  Look({{5, 1}, {10, 5, 0, 20}, {12, 5, 900}, {13, 5}, {14, 10, 30}, {15, 14, 800}});
  EXPECT_THAT(Look({{5, 1, 0, 801}, {10, 5, 0, 50}, {12, 5, 900}, {13, 5}}), UnorderedElementsAre(Pair(5, 1)));
}

TEST_F(EndedChildrenTest, AnOrphanThatNobodyWaitedForHidesNothingOfOthers) {
  Look({{1, 0}, {10, 1}, {11, 10, 20}, {12, 11, 400}, {30, 1}});
  EXPECT_THAT(Look({{1, 0}, {10, 1, 0, 20}, {30, 1, 0, 70}}), UnorderedElementsAre(Pair(30, 70)));
  EXPECT_THAT(Look({{1, 0, 0, 30}, {10, 1, 0, 20}, {30, 1, 0, 90}}), UnorderedElementsAre(Pair(30, 20), Pair(1, 30)));
  Look({{1, 0, 0, 30}, {10, 1, 0, 20}, {30, 1, 0, 90}});
  EXPECT_THAT(Look({{1, 0, 0, 530}, {10, 1, 0, 20}, {30, 1, 0, 90}}), UnorderedElementsAre(Pair(1, 500)))
      << "it is forgotten";
}

TEST_F(EndedChildrenTest, ANumberThatIsUsedAgainIsAnotherProcess) {
  Look({{10, 1}, {11, 10, 300}});
  EXPECT_THAT(Look({{10, 1, 0, 310}, {11, 10, 5, 2, 99}}), UnorderedElementsAre(Pair(10, 10), Pair(11, 2)));
}

}  // namespace
}  // namespace ppmm
