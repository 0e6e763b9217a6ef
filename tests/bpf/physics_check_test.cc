// Little's law as a check of our own hooks: the requests in flight that the sockets show, beside the times that the
// hooks measured. Faults are made by pausing the hooks for single events.
#include <netinet/tcp.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "agent/littles_law.h"
#include "tests/testing/tcp_sockets.h"
#include "tests/testing/turn_observer.h"

namespace ppmm {
namespace {

constexpr std::size_t kConnections = 10;
constexpr std::size_t kTicks = 700;
constexpr std::int64_t kPartNs = 40'000'000;

enum class Fault { kNone, kDroppedResponses, kHiddenRequests };

struct Laws {
  LittlesLaw timer;
  LittlesLaw sockets;
};

std::string Describe(const LittlesLaw& law) {
  return std::to_string(law.deviation()) + " +- " + std::to_string(law.standard_error());
}

Laws LawsOf(const TurnObserver& observer) {
  Laws laws;
  TurnObserver::Moment before = observer.moments().front();
  for (const TurnObserver::Moment& moment : observer.moments()) {
    if (moment.at_ns - before.at_ns >= kPartNs) {
      const std::int64_t aged = moment.aged_ns - before.aged_ns;
      laws.timer.Add(static_cast<std::int64_t>(moment.in_flight_ns - before.in_flight_ns), aged);
      laws.sockets.Add(static_cast<std::int64_t>(moment.owed_ns - before.owed_ns), aged);
      before = moment;
    }
  }
  return laws;
}

// One connection after the other asks, one each tick, and is answered `service` ticks later, so that about as many
// requests are in flight all the time. The fault is that of one of the ten.
Laws LawsWith(Fault fault, std::size_t service) {
  const Socket listener = Listen();
  std::vector<Socket> clients;
  std::vector<Socket> servers;
  for (std::size_t i = 0; i < kConnections; ++i) {
    clients.push_back(Connect(LocalPort(listener)));
    servers.push_back(Accept(listener));
    for (const Socket* socket : {&clients.back(), &servers.back()}) {
      const int now = 1;  // else a write may wait for an acknowledgement
      setsockopt(socket->fd(), IPPROTO_TCP, TCP_NODELAY, &now, sizeof(now));
    }
  }
  TurnObserver observer(LocalPort(listener), std::chrono::milliseconds(2));
  for (std::size_t tick = 0; tick < kTicks; ++tick) {
    const std::size_t asks = tick % kConnections;
    observer.PauseCapture(asks == 0 && fault == Fault::kHiddenRequests);
    EXPECT_TRUE(SendAll(clients[asks], 10) && ReceiveAll(servers[asks], 10));
    if (tick >= service) {
      const std::size_t answers = (tick - service) % kConnections;
      observer.PauseCapture(answers == 0 && fault != Fault::kNone);
      EXPECT_TRUE(SendAll(servers[answers], 10) && ReceiveAll(clients[answers], 10));
    }
    observer.PauseCapture(false);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  observer.Stop();
  const Laws laws = LawsOf(observer);
  ::testing::Test::RecordProperty("sockets", Describe(laws.sockets));
  return laws;
}

TEST(PhysicsCheckTest, HooksThatSeeEverythingAgreeWithTheSockets) {
  const auto [timer, sockets] = LawsWith(Fault::kNone, 5);
  EXPECT_TRUE(timer.known());
  EXPECT_TRUE(sockets.known());
  EXPECT_FALSE(timer.disagrees()) << Describe(timer);
  EXPECT_FALSE(sockets.disagrees()) << Describe(sockets);
}

TEST(PhysicsCheckTest, ATenthOfTheResponsesDroppedIsNoticed) {
  const Laws laws = LawsWith(Fault::kDroppedResponses, 3);
  EXPECT_TRUE(laws.sockets.disagrees()) << Describe(laws.sockets);
  EXPECT_LT(laws.sockets.deviation(), 0) << "requests seem to last";
}

TEST(PhysicsCheckTest, ATenthOfTheRequestsHiddenIsNoticed) {
  const Laws laws = LawsWith(Fault::kHiddenRequests, 7);
  EXPECT_TRUE(laws.sockets.disagrees()) << Describe(laws.sockets);
  EXPECT_GT(laws.sockets.deviation(), 0) << "less is measured than is seen";
}

}  // namespace
}  // namespace ppmm
