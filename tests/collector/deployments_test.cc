#include "collector/deployments.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "collector/release_view.h"
#include "tests/testing/collector_rig.h"

namespace ppmm {
namespace {

using testing::ElementsAre;

constexpr std::int64_t kBeginUs = kRigStart * 1'000'000;
constexpr std::int64_t kMinuteUs = 60'000'000;

Release Of(ApplicationId application, std::int64_t minute, const std::string& version) {
  Release release;
  release.application = application;
  release.at_us = kBeginUs + minute * kMinuteUs;
  release.version = version;
  return release;
}
DeploymentRow Said(ApplicationId application, std::int64_t minute, const std::string& version, HostKey host = 0) {
  DeploymentRow row;
  row.application = application;
  row.at_us = kBeginUs + minute * kMinuteUs;
  row.version = version;
  row.host = host;
  row.package = host == 0 ? "" : "shopd";
  return row;
}
// The versions that were said, in order of the releases; "-": nobody.
std::vector<std::string> Matched(const std::vector<Release>& releases, const std::vector<DeploymentRow>& said) {
  std::vector<std::string> versions;
  for (const DeploymentRow* const row : Announcements(releases, said)) {
    versions.push_back(row == nullptr ? "-" : row->version);
  }
  return versions;
}

TEST(AnnouncementsTest, TenMinutesEitherSide) {
  EXPECT_THAT(Matched({Of(1, 100, "2")}, {Said(1, 90, "2")}), ElementsAre("2"));
  EXPECT_THAT(Matched({Of(1, 100, "2")}, {Said(1, 110, "2")}), ElementsAre("2"));
  EXPECT_THAT(Matched({Of(1, 100, "2")}, {Said(1, 89, "2")}), ElementsAre("-"));
  EXPECT_THAT(Matched({Of(1, 100, "2")}, {Said(1, 111, "2")}), ElementsAre("-"));
  EXPECT_THAT(Matched({Of(1, 100, "2")}, {Said(2, 100, "2")}), ElementsAre("-")) << "of another application";
  EXPECT_THAT(Matched({}, {Said(2, 100, "2")}), ElementsAre());
}

TEST(AnnouncementsTest, WhatWasSaidOfOneVersionAnnouncesOneRelease) {
  EXPECT_THAT(Matched({Of(1, 100, "2"), Of(1, 104, "3")}, {Said(1, 101, "2"), Said(1, 103, "2", 7)}),
              ElementsAre("2", "-"));
  EXPECT_THAT(Matched({Of(1, 100, "2"), Of(1, 104, "3")}, {Said(1, 101, "3"), Said(1, 105, "2")}),
              ElementsAre("2", "3"))
      << "the same version goes before the nearest";
  EXPECT_THAT(Matched({Of(1, 100, ""), Of(1, 104, "3")}, {Said(1, 103, "3"), Said(1, 105, "2024-11")}),
              ElementsAre("2024-11", "3"))
      << "a build without a version";
  EXPECT_THAT(Matched({Of(1, 100, "4.2.0")}, {Said(1, 99, "v4.2"), Said(1, 92, "v4.1")}), ElementsAre("v4.2"));
}

class NoteDeploymentTest : public testing::Test {
 protected:
  Noted Note(const DeploymentRow& row) {
    EXPECT_TRUE(rig_.store().Begin().ok());
    WriterLock lock(&rig_.state().mutex());
    const absl::StatusOr<Noted> noted = NoteDeployment(row, rig_.state().mutable_tables(), rig_.store());
    EXPECT_TRUE(noted.ok()) << noted.status();
    EXPECT_TRUE(rig_.store().Commit().ok());
    return *noted;
  }

  CollectorRig rig_;
};

TEST_F(NoteDeploymentTest, IsKeptOnce) {
  EXPECT_EQ(Note(Said(1, 5, "2")), Noted::kNew);
  EXPECT_EQ(Note(Said(1, 5, "2")), Noted::kKnown);
  EXPECT_EQ(Note(Said(1, 5, "2", 9)), Noted::kNew) << "of a host";
  EXPECT_EQ(Note(Said(1, 6, "2")), Noted::kNew);
  EXPECT_EQ(rig_.store().Deployments(0, kBeginUs + kMinuteUs * 60)->size(), 3u);
  EXPECT_EQ(DeploymentsAround(rig_.store(), kBeginUs / 86'400'000'000)->size(), 3u);
  EXPECT_TRUE(DeploymentsAround(rig_.store(), kBeginUs / 86'400'000'000 + 2)->empty());
}

TEST_F(NoteDeploymentTest, ADayTakesNoMoreThanItsBound) {
  {
    WriterLock lock(&rig_.state().mutex());
    rig_.state().mutable_tables().deployments_of_day[kBeginUs / 86'400'000'000] = kMaxDeploymentsADay - 1;
  }
  EXPECT_EQ(Note(Said(1, 5, "2")), Noted::kNew);
  EXPECT_EQ(Note(Said(1, 5, "3")), Noted::kRefused);
  EXPECT_EQ(Note(Said(1, 1440, "3")), Noted::kNew) << "another day";
  ReaderLock lock(&rig_.state().mutex());
  EXPECT_EQ(rig_.state().tables().deployments_refused, 1u);
}

TEST(DeploymentsOfAgentsTest, AreKeptAndShownBesideTheRelease) {
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
  release->set_at_us(kBeginUs);
  const auto add = [&](const std::string& package, const std::string& version, std::int64_t at_us) {
    wire::Deployment* const deployment = message.add_deployments();
    deployment->set_entity(nginx);
    deployment->set_package(package);
    deployment->set_version(version);
    deployment->set_at_us(at_us);
  };
  add("nginx", "2", kBeginUs - kMinuteUs);
  add("nginx", "2", kBeginUs - kMinuteUs);
  add("nginx\x1b[2J", "2", kBeginUs);
  add("nginx", "2\n3", kBeginUs);
  add("nginx", std::string(129, '2'), kBeginUs);
  add("", "2", kBeginUs);
  add("nginx", "2", kBeginUs - kDeploymentOldestUs - 1);
  add("nginx", "2", kBeginUs + kDeploymentWithinUs + 1);
  add("nginx", "2", 0);
  message.add_deployments()->set_entity(77);
  rig.Push(stream, agent.Batch(kRigStart, 1, {{requests, 0, 7}}, message));
  rig.Commit();
  {
    ReaderLock lock(&rig.state().mutex());
    EXPECT_EQ(rig.state().tables().deployments_refused, 8u);
  }
  EXPECT_EQ(rig.store().Deployments(0, kBeginUs * 2)->size(), 1u);
  const auto views = ReadReleases(
      rig.state(), [&rig] { return rig.store().OpenReader(); }, absl::FromUnixSeconds(kRigStart + 300));
  ASSERT_TRUE(views.ok()) << views.status();
  const auto row = nlohmann::json::parse(ReleasesJson(*views))["releases"][0];
  EXPECT_EQ(row["deployments_known"], true);
  EXPECT_EQ(row["deployment"]["source"], "package_log");
  EXPECT_EQ(row["deployment"]["package"], "nginx");
  EXPECT_EQ(row["deployment"]["told_by"], nullptr);
}

}  // namespace
}  // namespace ppmm
