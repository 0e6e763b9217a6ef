#include "collector/agent_streams.h"

#include "gtest/gtest.h"

namespace ppmm {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

TEST(AgentStreams, TellsHowTheLastStreamOfAHostEnded) {
  AgentStreams streams;
  EXPECT_FALSE(streams.LastEnd("web1").has_value()) << "never there";
  streams.Opened("web1");
  EXPECT_FALSE(streams.LastEnd("web1").has_value()) << "connected";
  streams.Closed("web1", /*goodbye=*/true, kNow);
  ASSERT_TRUE(streams.LastEnd("web1").has_value());
  EXPECT_TRUE(streams.LastEnd("web1")->goodbye);
  EXPECT_EQ(streams.LastEnd("web1")->at, kNow);
}

TEST(AgentStreams, AnAgentThatConnectsAnewBeforeItsOldStreamEndsIsConnected) {
  AgentStreams streams;
  streams.Opened("web1");
  streams.Opened("web1");
  streams.Closed("web1", /*goodbye=*/false, kNow);
  EXPECT_FALSE(streams.LastEnd("web1").has_value());
  streams.Closed("web1", /*goodbye=*/false, kNow);
  EXPECT_FALSE(streams.LastEnd("web1")->goodbye);
  streams.Closed("web1", /*goodbye=*/true, kNow);
  EXPECT_FALSE(streams.LastEnd("web1")->goodbye) << "no stream was open";
}

TEST(AgentStreams, RemembersSoManyHostsAndPrefersTheConnected) {
  AgentStreams streams;
  streams.Opened("gone");
  streams.Closed("gone", /*goodbye=*/true, kNow);
  for (std::size_t i = 1; i < AgentStreams::kMaxHosts; ++i) {
    streams.Opened(std::to_string(i));
  }
  EXPECT_TRUE(streams.LastEnd("gone").has_value());
  streams.Opened("new");
  EXPECT_FALSE(streams.LastEnd("gone").has_value()) << "made room";
  streams.Opened("one too many");
  streams.Closed("one too many", /*goodbye=*/true, kNow);
  EXPECT_FALSE(streams.LastEnd("one too many").has_value());
}

}  // namespace
}  // namespace ppmm
