#include "collector/facts/served_others.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/telemetry.pb.h"

namespace ppmm {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr std::int32_t kIn = wire::Peer::INBOUND;
constexpr std::int32_t kOut = wire::Peer::OUTBOUND;
constexpr EntityId kNginx = 11;
constexpr EntityId kNginxOfSecondSlot = 12;
constexpr EntityId kCheckout = 21;

// What the agents of hosts 1 and 2 saw; application 1 is nginx, 2 checkout.
std::map<ApplicationId, std::int64_t> Served(const std::vector<PeerDayRow>& peers) {
  return ServedOthers(peers, {{1, {"10.0.0.1", "fd00::1"}}});
}

PeerDayRow Row(EntityId entity, std::int32_t direction, const std::string& address, std::uint32_t port,
               std::uint64_t connections, HostKey host = 1) {
  const ApplicationId application = entity == kNginx || entity == kNginxOfSecondSlot ? 1 : entity == kCheckout ? 2 : 0;
  return {20000, host, entity, direction, address, port, connections, 0, application};
}

TEST(ServedOthersTest, AnotherHostIsAnother) {
  EXPECT_THAT(Served({Row(kNginx, kIn, "10.0.0.9", 80, 5), Row(kNginx, kIn, "203.0.113.7", 80, 2)}),
              ElementsAre(Pair(1, 7)));
}

TEST(ServedOthersTest, AnotherApplicationOfTheHostIsAnother) {
  EXPECT_THAT(Served({Row(kNginx, kIn, "127.0.0.1", 80, 5), Row(kCheckout, kOut, "127.0.0.1", 80, 3),
                      Row(kNginx, kOut, "127.0.0.1", 80, 2)}),
              ElementsAre(Pair(1, 3)));
}

TEST(ServedOthersTest, AProcessThatEndedBeforeItHadANameIsAnother) {
  EXPECT_THAT(Served({Row(kNginx, kIn, "127.0.0.1", 80, 5), Row(0, kOut, "127.0.0.1", 80, 5)}), ElementsAre(Pair(1, 5)))
      << "curl in a shell";
}

TEST(ServedOthersTest, WhoCallsItselfServesNobody) {
  EXPECT_THAT(Served({Row(kNginx, kIn, "127.0.0.1", 80, 5), Row(kNginx, kOut, "127.0.0.1", 80, 5)}), IsEmpty());
  EXPECT_THAT(Served({Row(kNginx, kIn, "::1", 80, 5), Row(kNginxOfSecondSlot, kOut, "::1", 80, 5)}), IsEmpty())
      << "another instance of the application is the application";
}

TEST(ServedOthersTest, TheHostsOwnAddressesAreLikeLoopback) {
  EXPECT_THAT(Served({Row(kNginx, kIn, "10.0.0.1", 80, 5), Row(kNginx, kOut, "10.0.0.1", 80, 5)}), IsEmpty());
  EXPECT_THAT(Served({Row(kNginx, kIn, "fd00::1", 80, 5), Row(kCheckout, kOut, "10.0.0.1", 80, 1)}),
              ElementsAre(Pair(1, 1)))
      << "which of its addresses does not matter";
  EXPECT_THAT(Served({Row(kNginx, kIn, "10.0.0.1", 80, 5, 2)}), ElementsAre(Pair(1, 5)))
      << "to host 2 the address is another host's";
}

TEST(ServedOthersTest, CallersOfAnotherPortOrHostAreNotCallersOfThisOne) {
  EXPECT_THAT(Served({Row(kNginx, kIn, "127.0.0.1", 80, 5), Row(kCheckout, kOut, "127.0.0.1", 8080, 5),
                      Row(kCheckout, kOut, "127.0.0.1", 80, 5, 2)}),
              IsEmpty());
}

TEST(ServedOthersTest, AConnectionThatBeganEarlierStillServes) {
  EXPECT_THAT(Served({Row(kNginx, kIn, "10.0.0.9", 80, 0)}), ElementsAre(Pair(1, 0)));
  EXPECT_THAT(Served({Row(kNginx, kIn, "127.0.0.1", 80, 0), Row(kCheckout, kOut, "127.0.0.1", 80, 0)}),
              ElementsAre(Pair(1, 0)));
}

TEST(ServedOthersTest, WhoServedIsKnownOrNotCounted) {
  EXPECT_THAT(Served({Row(0, kIn, "10.0.0.9", 80, 5), Row(99, kIn, "10.0.0.9", 80, 5)}), IsEmpty());
  EXPECT_THAT(Served({Row(kNginx, kIn, "/run/nginx.sock", 0, 5), Row(kNginx, kIn, "garbage", 80, 5)}), IsEmpty());
}

}  // namespace
}  // namespace ppmm
