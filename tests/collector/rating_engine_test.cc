#include "collector/rating_engine.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/collector_rig.h"

namespace ppmm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr Day kDay = kRigStart / 86400;  // 1 January 2026

// A host with two applications that others call; one of them takes nearly all CPU time.
class RatingEngineTest : public ::testing::Test {
 protected:
  RatingEngineTest() : agent_(1) {
    agent_.set_step(10);
    quiet_ = agent_.AddInstance("quiet");
    busy_ = agent_.AddInstance("busy");
    quiet_cpu_ = agent_.AddSeries(quiet_, "ppmm_instance_cpu_seconds_total");
    busy_cpu_ = agent_.AddSeries(busy_, "ppmm_instance_cpu_seconds_total");
    stream_ = rig_.Connect(agent_).first;
    StartEngine();
  }

  void StartEngine() {
    engine_ = std::make_unique<RatingEngine>(&rig_.state(), &rig_.store(), &rig_.writer(), &rig_.clock(),
                                             RatingEngineOptions{.organization = {.name = "test", .networks = {}}});
    ASSERT_TRUE(engine_->Load().ok());
  }
  // Two minutes of samples from that many minutes after the start on, and a turn of the engine after them.
  void LiveAt(absl::Duration since_start, std::int64_t busy = 1'000'000, std::int64_t quiet = 1'000) {
    const std::int64_t at = kRigStart + absl::ToInt64Seconds(since_start);
    for (const std::int64_t minute : {at, at + 60}) {
      wire::Batch message;
      for (const std::uint32_t entity : {quiet_, busy_}) {
        wire::Peer* peer = message.add_peers();
        peer->set_direction(wire::Peer::INBOUND);
        peer->set_entity(entity);
        peer->set_address("10.0.0.9");
        peer->set_port(80);
        peer->set_connections(1);
      }
      rig_.clock().Advance(absl::FromUnixSeconds(minute + 60) - rig_.clock().Now());
      rig_.Push(stream_, agent_.Batch(minute, 1, {{quiet_cpu_, 0, quiet}, {busy_cpu_, 0, busy}}, message));
      rig_.Commit();
    }
    const absl::Status status = engine_->RunOnce();
    ASSERT_TRUE(status.ok()) << status;
  }
  // "20454 busy 99 % of CPU time"
  std::vector<std::string> Drawn() {
    std::vector<std::string> rows;
    const absl::StatusOr<std::vector<Tier1Row>> drawn = rig_.store().Tier1();
    EXPECT_TRUE(drawn.ok()) << drawn.status();
    for (const Tier1Row& row : *drawn) {
      rows.push_back(absl::StrCat(row.day - kDay, " ", row.application == busy_ - 1 ? "busy" : "quiet", " ", row.why));
    }
    return rows;
  }
  // The days that are rated, since the start.
  std::vector<std::int64_t> Rated() {
    std::vector<std::int64_t> days;
    const absl::StatusOr<std::vector<RatingDayRow>> rows = rig_.store().RatingDays(0, kDay + 1000);
    EXPECT_TRUE(rows.ok()) << rows.status();
    for (const RatingDayRow& row : *rows) {
      days.push_back(row.day - kDay);
    }
    return days;
  }
  void JumpTo(absl::Duration since_start) {
    rig_.clock().JumpWall(absl::FromUnixSeconds(kRigStart) + since_start - rig_.clock().Now());
  }
  void Turn() {
    rig_.Commit();
    ASSERT_TRUE(engine_->RunOnce().ok());
  }
  int TierOf(std::uint32_t entity) { return (*engine_->Current())->applications.at(entity - 1).tier; }

  CollectorRig rig_;
  BatchBuilder agent_;
  std::uint32_t quiet_ = 0;
  std::uint32_t busy_ = 0;
  std::uint32_t quiet_cpu_ = 0;
  std::uint32_t busy_cpu_ = 0;
  StreamId stream_ = 0;
  std::unique_ptr<RatingEngine> engine_;
};

TEST_F(RatingEngineTest, ShowsTier1BeforeTheFirstEvaluationWithoutKeepingIt) {
  LiveAt(absl::Minutes(10));
  EXPECT_THAT(Drawn(), IsEmpty());
  EXPECT_EQ(TierOf(busy_), 1);
  EXPECT_EQ(TierOf(quiet_), 2);
  EXPECT_TRUE((*engine_->Current())->applications.at(busy_ - 1).line_of_business);
}

TEST_F(RatingEngineTest, ANewNameAndRetentionShowWithTheNextTurn) {
  LiveAt(absl::Minutes(10));
  EXPECT_THAT((*engine_->Current())->rating_json, HasSubstr("\"organization\":\"test\""));
  engine_->SetOrganization({.name = "Example", .retention_days = 399, .networks = {}});
  LiveAt(absl::Minutes(20));
  EXPECT_THAT((*engine_->Current())->rating_json, HasSubstr("\"organization\":\"Example\""));
  EXPECT_THAT(*(*engine_->Current())->activity_json("MON-005"), HasSubstr("399 d"));
}

TEST_F(RatingEngineTest, ATurnThatFailsIsCountedAndSaidUntilOneSucceeds) {
  LiveAt(absl::Minutes(10));
  EXPECT_EQ(engine_->turns().failed, 0u);
  const std::string file = rig_.dir().File("ppmm.db");
  std::filesystem::rename(file, file + ".away");
  EXPECT_FALSE(engine_->RunOnce().ok());
  EXPECT_EQ(engine_->turns().failed, 1u);
  EXPECT_THAT(std::string(engine_->turns().last.message()), HasSubstr(file));
  std::filesystem::rename(file + ".away", file);
  EXPECT_TRUE(engine_->RunOnce().ok());
  EXPECT_EQ(engine_->turns().failed, 1u);
  EXPECT_TRUE(engine_->turns().last.ok());
}

TEST_F(RatingEngineTest, DrawsTier1AtTheFirstEvaluationAndKeepsIt) {
  LiveAt(absl::Minutes(10));
  LiveAt(absl::Hours(24) + absl::Minutes(15));
  EXPECT_THAT(Drawn(), ElementsAre("0 busy 99 % of CPU time"));
  EXPECT_EQ(TierOf(busy_), 1);
  LiveAt(absl::Hours(48) + absl::Minutes(15), /*busy=*/1, /*quiet=*/1'000'000'000);
  LiveAt(absl::Hours(72) + absl::Minutes(15), /*busy=*/1, /*quiet=*/1'000'000'000);
  EXPECT_THAT(Drawn(), ElementsAre("0 busy 99 % of CPU time")) << "nobody leaves before the month is over";
  EXPECT_EQ(TierOf(quiet_), 2);

  StartEngine();
  ASSERT_TRUE(engine_->RunOnce().ok());
  EXPECT_EQ(TierOf(busy_), 1) << "a restart reads the draw";

  LiveAt(absl::Hours(24 * 29), /*busy=*/1, /*quiet=*/1'000'000'000);
  LiveAt(absl::Hours(24 * 32) + absl::Minutes(15), /*busy=*/1, /*quiet=*/1'000'000'000);
  EXPECT_THAT(Drawn(), ElementsAre("0 busy 99 % of CPU time", "31 quiet 99 % of CPU time")) << "1 February";
  EXPECT_EQ(TierOf(busy_), 2);
  EXPECT_EQ(TierOf(quiet_), 1);
}

TEST_F(RatingEngineTest, NoDayEndsWhileNobodyVouchesForTheClock) {
  LiveAt(absl::Minutes(10));
  JumpTo(absl::Hours(5 * 24) + absl::Minutes(15));
  Turn();
  ASSERT_TRUE(rig_.writer().status().store_time_waits);
  EXPECT_THAT(Rated(), IsEmpty());
  EXPECT_THAT((*engine_->Current())->rating_json, HasSubstr("2026-01-01"))
      << "what is shown is of the time that is sure";
  EXPECT_THAT((*engine_->Current())->rating_json, Not(HasSubstr("2026-01-06")));
  rig_.writer().AcceptClock();
  Turn();
  EXPECT_THAT(Rated(), ElementsAre(0, 1, 2, 3, 4)) << "what was missed is made up in order";
}

TEST_F(RatingEngineTest, ARatingOfADayThatHasNotComeIsWithdrawnWhenStoreTimeIsSetBack) {
  LiveAt(absl::Minutes(10));
  LiveAt(absl::Hours(24) + absl::Minutes(15));
  const LevelState right = engine_->level_state();
  JumpTo(absl::Hours(29 * 24));
  rig_.writer().AcceptClock();
  LiveAt(absl::Hours(29 * 24), /*busy=*/1, /*quiet=*/1'000'000'000);
  LiveAt(absl::Hours(32 * 24) + absl::Minutes(15), /*busy=*/1, /*quiet=*/1'000'000'000);
  ASSERT_EQ(Rated().size(), 32u);
  ASSERT_EQ(Drawn().size(), 2u) << "a new month, a new draw";

  JumpTo(absl::Hours(24) + absl::Minutes(20));
  rig_.writer().AcceptClock();
  rig_.Commit();
  EXPECT_THAT(Rated(), ElementsAre(0));
  EXPECT_THAT(Drawn(), ElementsAre("0 busy 99 % of CPU time"));
  EXPECT_FALSE(rig_.store().GetFactDay(kDay + 1, kOrganizationScope)->has_value());
  EXPECT_TRUE(rig_.store().GetFactDay(kDay, kOrganizationScope)->has_value());
  EXPECT_TRUE(rig_.store().Forecasts(kDay + 1, kDay + 1000)->empty());
  Turn();
  EXPECT_EQ(engine_->level_state(), right) << "as the last right evaluation left it";
  EXPECT_THAT(Rated(), ElementsAre(0));
  LiveAt(absl::Hours(48) + absl::Minutes(15));
  EXPECT_THAT(Rated(), ElementsAre(0, 1)) << "rated once it has come";
  EXPECT_EQ(engine_->level_state().last, kDay + 1);
}

// The engine reads the time, then evaluates, then hands the rating to a commit that sets the time back.
TEST_F(RatingEngineTest, ARatingMadeBeforeTheTimeWasSetBackIsNotPublishedAfterIt) {
  LiveAt(absl::Minutes(10));
  JumpTo(absl::Hours(5 * 24) + absl::Minutes(15));
  rig_.writer().AcceptClock();
  rig_.Commit();
  JumpTo(absl::Minutes(20));
  rig_.writer().AcceptClock();  // with the next commit: that of the first facts or ratings of the turn
  ASSERT_TRUE(engine_->RunOnce().ok());
  EXPECT_THAT(Rated(), IsEmpty());
  ASSERT_TRUE(engine_->RunOnce().ok());
  EXPECT_FALSE(engine_->level_state().last.has_value());
  ReaderLock lock(&rig_.state().mutex());
  EXPECT_LE(rig_.state().tables().facts_day, kDay);
}

TEST_F(RatingEngineTest, ARestartUnderAClockThatIsBehindPublishesNoDayAgain) {
  LiveAt(absl::Minutes(10));
  LiveAt(absl::Hours(24) + absl::Minutes(15));
  LiveAt(absl::Hours(48) + absl::Minutes(15));
  const LevelState right = engine_->level_state();
  JumpTo(absl::Hours(1));
  StartEngine();
  Turn();
  EXPECT_EQ(engine_->level_state(), right);
}

}  // namespace
}  // namespace ppmm
