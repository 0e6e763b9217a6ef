#include "collector/release_judge.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/collector_rig.h"

namespace ppmm {
namespace {

constexpr std::int64_t kMinute = kRigStart / 60;

ApplicationMinuteRow Minute(std::int64_t minute, std::int64_t requests, std::int64_t mean_us, std::int64_t errors = 0,
                            std::int64_t cpu_us = 50) {
  ApplicationMinuteRow row;
  row.minute = kMinute + minute;
  row.application = 1;
  row.requests = row.timed = requests;
  row.errors = errors;
  row.response_sum = requests * mean_us * 1000;
  row.cpu_us = requests * cpu_us;
  return row;
}

ReleaseSample Sixty(std::int64_t mean_us, std::int64_t scatter_us, std::int64_t errors = 0, std::int64_t cpu_us = 50) {
  ReleaseSample sample;
  for (std::int64_t i = 0; i < 60; ++i) {
    sample.Add(Minute(i, 100, mean_us + (i % 2 == 0 ? scatter_us : -scatter_us), errors, cpu_us));
  }
  return sample;
}

TEST(VerdictTest, SaysWhatIsWorse) {
  EXPECT_EQ(VerdictOf(Sixty(1000, 100), Sixty(1000, 100)), "no worse");
  EXPECT_EQ(VerdictOf(Sixty(1000, 100), Sixty(1090, 1)), "no worse") << "less than a tenth";
  EXPECT_EQ(VerdictOf(Sixty(1000, 100), Sixty(1200, 100)), "worse: response time");
  EXPECT_EQ(VerdictOf(Sixty(1000, 900), Sixty(1200, 900)), "no worse") << "within what its minutes differ by";
  EXPECT_EQ(VerdictOf(Sixty(1000, 1), Sixty(500, 1, 5, 80)), "worse: errors, CPU a request");
  EXPECT_EQ(VerdictOf(Sixty(1000, 1, 50), Sixty(1000, 1, 51)), "no worse") << "one request in a hundred";
  EXPECT_EQ(VerdictOf(ReleaseSample(), Sixty(1000, 1)), "too few samples");
  ReleaseSample few;
  few.Add(Minute(0, 58, 1000));
  EXPECT_EQ(VerdictOf(few, Sixty(9000, 1)), "too few samples");
  few.Add(Minute(1, 1, 1000));
  EXPECT_EQ(VerdictOf(few, Sixty(9000, 1)), "worse: response time");
}

TEST(VerdictTest, ErrorsMoreThanRequestsAreNoTrap) {
  EXPECT_EQ(VerdictOf(Sixty(1000, 1, 300), Sixty(1000, 1, 900)), "worse: errors");
}

class ReleaseJudgeTest : public testing::Test {
 protected:
  void Release(std::int64_t minute, const std::string& version) {
    Commit([&](Store& store) {
      return store.Put(ReleaseRow{1, (kMinute + minute) * 60'000'000, 1, version, "", "0", ""});
    });
  }
  // One row a minute.
  void Traffic(std::int64_t from, std::int64_t to, std::int64_t requests) {
    Commit([&](Store& store) {
      absl::Status status;
      for (std::int64_t minute = from; minute < to; ++minute) {
        status.Update(store.Add(Minute(minute, requests, 1000)));
      }
      return status;
    });
  }
  template <class Change>
  void Commit(const Change& change) {
    ASSERT_TRUE(rig_.store().Begin().ok());
    ASSERT_TRUE(change(rig_.store()).ok());
    ASSERT_TRUE(rig_.store().Commit().ok());
  }
  // "60 at 63: no worse" of each verdict that is there.
  std::vector<std::string> Judge(std::int64_t minute) {
    const absl::Status done = judge_.Slice(absl::FromUnixSeconds((kMinute + minute) * 60));
    EXPECT_TRUE(done.ok()) << done;
    std::vector<std::string> verdicts;
    const std::vector<ReleaseVerdictRow> rows = rig_.store().ReleaseVerdicts(0, INT64_MAX).value();
    for (const ReleaseVerdictRow& row : rows) {
      verdicts.push_back(absl::StrCat(row.minutes, " at ", row.made_us / 60'000'000 - kMinute, ": ", row.verdict, " ",
                                      row.before.requests, " to ", row.after.requests));
    }
    return verdicts;
  }

  CollectorRig rig_;
  ReleaseJudge judge_{&rig_.store()};
};

TEST_F(ReleaseJudgeTest, JudgesTheHourAndTheDayOnceTheyAreOver) {
  Traffic(0, 5000, 1);
  Release(2000, "1");
  EXPECT_THAT(Judge(2063), testing::ElementsAre());
  EXPECT_THAT(Judge(2065), testing::ElementsAre()) << "it looks every five minutes";
  EXPECT_THAT(Judge(2068), testing::ElementsAre("60 at 2068: no worse 60 to 60"));
  EXPECT_THAT(Judge(3443), testing::SizeIs(1));
  EXPECT_THAT(Judge(3448),
              testing::ElementsAre("60 at 2068: no worse 60 to 60", "1440 at 3448: no worse 1440 to 1440"));
  EXPECT_THAT(Judge(3500), testing::SizeIs(2)) << "once each";
}

TEST_F(ReleaseJudgeTest, LittleTrafficWaitsForTheDay) {
  Traffic(0, 2000, 1);
  Traffic(2010, 2020, 5);
  Release(2000, "1");
  EXPECT_THAT(Judge(2100), testing::ElementsAre());
  EXPECT_THAT(Judge(3450), testing::ElementsAre("1440 at 3450: too few samples 1440 to 50"));
}

TEST_F(ReleaseJudgeTest, NeitherSideReachesIntoAnotherRelease) {
  Traffic(0, 5000, 2);
  Release(2000, "1");
  Release(2040, "2");
  EXPECT_THAT(Judge(2150), testing::ElementsAre("60 at 2150: no worse 120 to 78", "60 at 2150: no worse 78 to 120"));
}

TEST_F(ReleaseJudgeTest, AVeryLateVerdictIsNotMade) {
  Traffic(0, 9000, 2);
  Release(2000, "1");
  EXPECT_THAT(Judge(2181), testing::ElementsAre()) << "three hours";
  EXPECT_THAT(Judge(2000 + 2881), testing::ElementsAre()) << "two days";
}

TEST_F(ReleaseJudgeTest, ManyAreJudgedInSlices) {
  Traffic(0, 2200, 2);
  for (std::int64_t i = 0; i < 20; ++i) {
    Commit([&](Store& store) {
      const auto id = static_cast<std::uint32_t>(i + 1);
      return store.Put(ReleaseRow{id, (kMinute + 2000) * 60'000'000, id, "2", "", "1", ""});
    });
  }
  Commit([&](Store& store) {
    absl::Status status;
    for (std::uint32_t id = 2; id <= 20; ++id) {
      ApplicationMinuteRow row = Minute(2010, 100, 1000);
      row.application = id;
      status.Update(store.Add(row));
    }
    return status;
  });
  EXPECT_EQ(Judge(2070).size(), 8u);
  EXPECT_EQ(Judge(2070).size(), 16u);
  EXPECT_EQ(Judge(2070).size(), 20u);
}

}  // namespace
}  // namespace ppmm
