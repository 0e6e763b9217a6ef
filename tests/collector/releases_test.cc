#include "collector/releases.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "collector/release_view.h"
#include "tests/testing/collector_rig.h"

namespace ppmm {
namespace {

using testing::ElementsAre;

constexpr std::int64_t kMinute = kRigStart / 60;

ReleaseRow Row(EntityId entity, ApplicationId application, std::int64_t minute, const std::string& from,
               const std::string& to) {
  return {entity, (kMinute + minute) * 60'000'000, application, to, "", from, ""};
}

TEST(GroupReleasesTest, ARollOutIsOneReleaseWhateverTheOrderOfItsRows) {
  const std::vector<ReleaseRow> rows = {Row(3, 1, 30, "1.1", "1.2"), Row(2, 1, 10, "1.0", "1.1"),
                                        Row(2, 1, 20, "1.1", "1.2"), Row(9, 4, 5, "", "7")};
  for (const bool reversed : {false, true}) {
    const std::vector<Release> releases =
        GroupReleases(reversed ? std::vector<ReleaseRow>(rows.rbegin(), rows.rend()) : std::vector<ReleaseRow>(rows));
    ASSERT_EQ(releases.size(), 3u);
    EXPECT_EQ(releases[0].application, 4u) << "the first comes first";
    EXPECT_EQ(releases[1].at_us, (kMinute + 10) * 60'000'000);
    EXPECT_EQ(releases[1].previous_version, "1.0");
    EXPECT_EQ(releases[1].version, "1.1");
    EXPECT_THAT(releases[1].instances, ElementsAre(2));
    EXPECT_EQ(releases[2].at_us, (kMinute + 20) * 60'000'000);
    EXPECT_EQ(releases[2].version, "1.2");
    EXPECT_THAT(releases[2].instances, ElementsAre(2, 3));
  }
  EXPECT_TRUE(GroupReleases({}).empty());
}

TEST(GroupReleasesTest, BuildsOfOneVersionOnDifferentMachinesAreOneReleaseAndRebuildsAreOne) {
  std::vector<ReleaseRow> rows = {Row(2, 1, 10, "1.0", "1.1"), Row(3, 1, 11, "1.0", "1.1")};
  rows[0].code_digest = "amd64";
  rows[1].code_digest = "arm64";
  EXPECT_EQ(GroupReleases(rows).size(), 1u);
  rows = {Row(2, 1, 10, "1.1", "1.1"), Row(2, 1, 11, "1.1", "1.1")};
  rows[0].code_digest = "a";
  rows[1].code_digest = "b";
  EXPECT_EQ(GroupReleases(rows).size(), 2u);
}

class ReleasesTest : public testing::Test {
 protected:
  void Add(std::int64_t minute, std::int64_t requests, std::int64_t timed, std::int64_t connections = 0) {
    ASSERT_TRUE(rig_.store().Begin().ok());
    ApplicationMinuteRow row;
    row.minute = kMinute + minute;
    row.application = 1;
    row.requests = requests;
    row.errors = requests / 10;
    row.timed = timed;
    row.independent = connections;
    row.response_sum = timed * 2'000'000;
    row.cpu_us = requests * 50;
    ASSERT_TRUE(rig_.store().Add(row).ok());
    row.application = 2;  // a neighbour, of whom nothing may be taken
    row.requests = row.timed = 1'000'000;
    ASSERT_TRUE(rig_.store().Add(row).ok());
    ASSERT_TRUE(rig_.store().Commit().ok());
  }
  ReleaseUse Use(std::int64_t until) { return *ReadUse(rig_.store(), release_, kMinute + until); }
  static std::string Verdict(const ReleaseUse& use, std::int64_t until) {
    const ReleaseVerdict verdict = VerdictOf(use, kMinute + until);
    return verdict.timed ? "timed" : verdict.used ? "untimed" : "open";
  }

  CollectorRig rig_;
  const Release release_ = GroupReleases({Row(1, 1, 100, "1", "2")}).at(0);
};

TEST_F(ReleasesTest, TheFirstRequestIsTheFirstAfterItsMinute) {
  Add(99, 5, 5);
  Add(100, 5, 5);
  EXPECT_EQ(Use(200).first_request, std::nullopt);
  Add(150, 0, 0, 1);
  Add(190, 3, 2);
  EXPECT_EQ(Use(200).first_request, kMinute + 150) << "a connection is one";
  EXPECT_EQ(Use(200).first_timed, kMinute + 190);
  EXPECT_EQ(Verdict(Use(200), 200), "timed");
  EXPECT_EQ(Use(190).first_timed, std::nullopt) << "as it was known then";
  EXPECT_EQ(Verdict(Use(190), 190), "open");
}

TEST_F(ReleasesTest, WithoutTimesForADayItIsUntimed) {
  Add(150, 5, 0);
  EXPECT_EQ(Verdict(Use(150 + 1440), 150 + 1440), "open");
  EXPECT_EQ(Verdict(Use(150 + 1441), 150 + 1441), "untimed");
  Add(150 + 1441, 5, 5);
  EXPECT_EQ(Verdict(Use(4000), 4000), "untimed") << "a minute too late";
  Add(150 + 1440, 5, 5);
  EXPECT_EQ(Verdict(Use(4000), 4000), "timed");
}

TEST_F(ReleasesTest, WhatNobodyUsesForADayIsNotWaitedFor) {
  Add(101 + 1440, 5, 0);
  EXPECT_EQ(Use(9000).first_request, std::nullopt);
  EXPECT_EQ(Verdict(Use(9000), 9000), "open");
}

TEST_F(ReleasesTest, TheHourBeforeIsComparedWithTheHourAfter) {
  Add(39, 1000, 1000);  // before the hour
  Add(40, 30, 30);
  Add(99, 30, 15);
  Add(100, 1000, 1000);  // of both versions
  Add(101, 40, 40);
  const ReleaseComparison early = *Compare(rig_.store(), release_, kMinute + 102);
  EXPECT_EQ(early.after.requests, 40);
  EXPECT_EQ(early.after.to_minute, kMinute + 102);
  EXPECT_FALSE(early.enough());
  Add(160, 20, 20);
  Add(161, 1000, 1000);
  const ReleaseComparison whole = *Compare(rig_.store(), release_, kMinute + 5000);
  EXPECT_EQ(whole.before.requests, 60);
  EXPECT_DOUBLE_EQ(*whole.before.mean_seconds(), 0.002);
  EXPECT_DOUBLE_EQ(*whole.before.error_ratio(), 0.1);
  EXPECT_DOUBLE_EQ(*whole.before.cpu_seconds_per_request(), 50e-6);
  EXPECT_EQ(whole.after.requests, 60);
  EXPECT_TRUE(whole.enough());
  EXPECT_EQ(Compare(rig_.store(), release_, kMinute)->after.requests, 0) << "a clock behind it";
  EXPECT_EQ(ReleaseSide().mean_seconds(), std::nullopt);
}

TEST(ReleaseViewTest, ShowsNamesUsesAndBothSides) {
  CollectorRig rig;
  BatchBuilder agent(1);
  agent.set_step(10);
  const std::uint32_t nginx = agent.AddInstance("nginx");
  const std::uint32_t requests = agent.AddSeries(nginx, "ppmm_instance_requests_total");
  const StreamId stream = rig.Connect(agent).first;
  wire::Batch message;
  wire::ReleaseSeen* const release = message.add_releases();
  release->set_entity(nginx);
  release->set_version("2");
  release->set_code_digest("abc");
  release->set_at_us(kRigStart * 1'000'000);
  rig.Push(stream, agent.Batch(kRigStart, 1, {{requests, 0, 7}}, message));
  rig.Push(stream, agent.Batch(kRigStart + 60, 1, {{requests, 0, 70}}));
  rig.Commit();
  const auto views = ReadReleases(
      rig.state(), [&rig] { return rig.store().OpenReader(); }, absl::FromUnixSeconds(kRigStart + 300));
  ASSERT_TRUE(views.ok()) << views.status();
  const auto json = nlohmann::json::parse(ReleasesJson(*views));
  ASSERT_EQ(json["releases"].size(), 1u);
  const auto& row = json["releases"][0];
  EXPECT_EQ(row["application"], "nginx");
  EXPECT_EQ(row["key"], "default/nginx");
  EXPECT_EQ(row["previous_version"], nullptr);
  EXPECT_EQ(row["hosts"].size(), 1u);
  EXPECT_EQ(row["first_response_time_at"], nullptr);
  EXPECT_EQ(row["after"]["requests"], 70);
  EXPECT_EQ(row["after"]["mean_response_seconds"], nullptr);
  EXPECT_EQ(row["enough_requests"], false);
  EXPECT_EQ(json["left_out"], 0);
  {
    WriterLock lock(&rig.state().mutex());
    for (auto& [id, application] : rig.state().mutable_tables().applications) {
      application.display_name = "Front door";
    }
  }
  const auto declared = ReadReleases(
      rig.state(), [&rig] { return rig.store().OpenReader(); }, absl::FromUnixSeconds(kRigStart + 300));
  ASSERT_TRUE(declared.ok()) << declared.status();
  EXPECT_EQ(declared->releases.at(0).application, "Front door");
  EXPECT_EQ(declared->releases.at(0).key, "default/nginx");
  EXPECT_TRUE(
      ReadReleases(
          rig.state(), [&rig] { return rig.store().OpenReader(); }, absl::FromUnixSeconds(kRigStart + 40 * 86400))
          ->releases.empty());
}

}  // namespace
}  // namespace ppmm
