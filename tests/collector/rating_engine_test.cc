#include "collector/rating_engine.h"

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

}  // namespace
}  // namespace ppmm
