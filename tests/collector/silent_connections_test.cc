#include "collector/silent_connections.h"

#include "gtest/gtest.h"

namespace ppmm {
namespace {

TEST(SilentConnectionsTest, TellsEachThatNobodyCalledOnOnce) {
  SilentConnections connections;
  connections.Accepted("192.0.2.1 1", absl::Seconds(100));
  connections.Accepted("192.0.2.1 2", absl::Seconds(100));
  connections.Accepted("192.0.2.1 3", absl::Seconds(105));
  connections.Called("192.0.2.1 1");
  connections.Called("192.0.2.9 9");
  EXPECT_EQ(connections.Take(absl::Seconds(109)).connections, 0u);
  const SilentConnections::Overdue overdue = connections.Take(absl::Seconds(110));
  EXPECT_EQ(overdue.connections, 1u);
  EXPECT_EQ(overdue.peer, "192.0.2.1 2");
  EXPECT_EQ(connections.Take(absl::Seconds(111)).connections, 0u);
  EXPECT_EQ(connections.Take(absl::Seconds(115)).connections, 1u);
}

TEST(SilentConnectionsTest, CountsTheFirstOfTwoFromOnePort) {
  SilentConnections connections;
  connections.Accepted("192.0.2.1 1", absl::Seconds(100));
  connections.Accepted("192.0.2.1 1", absl::Seconds(101));
  connections.Called("192.0.2.1 1");
  EXPECT_EQ(connections.Take(absl::Seconds(102)).connections, 1u);
  EXPECT_EQ(connections.Take(absl::Seconds(200)).connections, 0u);
}

TEST(PeerKeyTest, IsTheSameOfBothSides) {
  EXPECT_EQ(PeerKey("ipv4:192.0.2.1:4711"), PeerKey("192.0.2.1", 4711));
  EXPECT_EQ(PeerKey("ipv4:192.0.2.1:4711"), PeerKey("::ffff:192.0.2.1", 4711));
  EXPECT_EQ(PeerKey("ipv6:%5B2001:db8::1%5D:4711"), PeerKey("2001:db8::1", 4711));
  EXPECT_EQ(PeerKey("ipv6:[2001:db8::1]:4711"), PeerKey("2001:db8::1", 4711));
  EXPECT_EQ(PeerKey("ipv6:%5Bfe80::1%252%5D:4711"), PeerKey("fe80::1", 4711));
  EXPECT_NE(PeerKey("ipv4:192.0.2.1:4711"), PeerKey("192.0.2.1", 471));
  for (const char* odd : {"", "unix", "unix:", ":", "::"}) {
    PeerKey(odd);
  }
}

}  // namespace
}  // namespace ppmm
