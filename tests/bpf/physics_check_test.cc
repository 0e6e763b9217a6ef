// Little's law as a check of our own hooks: the requests in flight that the sockets show, beside the times that the
// hooks measured, and what of it reaches the rows of the collector. Faults are made by pausing the hooks for single
// events.
#include <netinet/tcp.h>

#include <array>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "agent/littles_law.h"
#include "agent/recorder.h"
#include "agent/turn_series.h"
#include "tests/testing/collector_rig.h"
#include "tests/testing/tcp_sockets.h"
#include "tests/testing/turn_observer.h"

namespace ppmm {
namespace {

constexpr std::size_t kConnections = 10;
constexpr std::size_t kTicks = 700;
constexpr std::int64_t kPartNs = 80'000'000;
constexpr std::chrono::milliseconds kTick(4);

enum class Fault { kNone, kDroppedResponses, kHiddenRequests };

struct Laws {
  LittlesLaw timer;
  LittlesLaw sockets;
  double in_row = 0;  // N over X R in the pooled minute of the collector
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

// The rises of these two series in a step, by their names.
std::int64_t RiseOf(const Recorder& recorder, absl::string_view metric) {
  for (const Recorder::Reading& reading : recorder.OpenStep()) {
    if (reading.metric->name == metric) {
      return reading.value;
    }
  }
  return 0;
}

// N over X R in the pooled minute that a collector makes of what crosses the wire.
double RowOf(const TurnObserver& observer) {
  constexpr std::array<const char*, 2> kMetrics = {"ppmm_instance_requests_in_flight_seconds_total",
                                                   "ppmm_instance_requests_elapsed_seconds_total"};
  constexpr std::int64_t kStepNs = 200'000'000;
  Recorder recorder;
  wire::Instance instance;
  instance.set_name("server");
  const EntityHandle entity = recorder.AddInstance(instance, absl::UnixEpoch());
  CollectorRig rig;
  BatchBuilder agent(1);
  const std::uint32_t server = agent.AddInstance("server");
  std::vector<std::uint32_t> series;
  for (const char* const metric : kMetrics) {
    series.push_back(agent.AddSeries(server, metric));
  }
  const StreamId stream = rig.Connect(agent).first;
  TurnSeries turns;
  TurnObserver::Moment before = observer.moments().front();
  std::int64_t second = 0;
  for (const TurnObserver::Moment& moment : observer.moments()) {
    if (moment.at_ns - before.at_ns < kStepNs || second == 60) {
      continue;
    }
    TurnTotals rise;
    rise.begun = 1;
    rise.in_flight_ns = moment.in_flight_ns - before.in_flight_ns;
    rise.hidden_ns = moment.hidden_ns - before.hidden_ns;
    rise.kept_ns = moment.kept_ns - before.kept_ns;
    turns.Add(rise, false, {}, moment.aged_ns - before.aged_ns, true);
    recorder.BeginBatch(kRigStart + second, {1, 1});
    recorder.BeginStep(0);
    turns.Record(entity, recorder);
    std::vector<DecodedSample> samples;
    for (std::size_t i = 0; i < kMetrics.size(); ++i) {
      samples.push_back({series[i], 0, RiseOf(recorder, kMetrics[i])});
    }
    recorder.BuildBatch(1);
    rig.Push(stream, agent.Batch(kRigStart + second++, 1, std::move(samples)));
    before = moment;
  }
  rig.Commit();
  const auto rows = rig.store().ApplicationMinutes(0, kRigStart / 60, kRigStart / 60 + 1);
  EXPECT_TRUE(rows.ok() && rows->size() == 1 && rows->front().elapsed_us > 0) << rows.status();
  return rows.ok() && rows->size() == 1
             ? static_cast<double>(rows->front().in_flight_us) / static_cast<double>(rows->front().elapsed_us)
             : 0;
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
    std::this_thread::sleep_for(kTick);
  }
  observer.Stop();
  Laws laws = LawsOf(observer);
  laws.in_row = RowOf(observer);
  ::testing::Test::RecordProperty("sockets", Describe(laws.sockets));
  ::testing::Test::RecordProperty("row", std::to_string(laws.in_row));
  return laws;
}

TEST(PhysicsCheckTest, HooksThatSeeEverythingAgreeWithTheSockets) {
  const auto [timer, sockets, in_row] = LawsWith(Fault::kNone, 5);
  EXPECT_TRUE(timer.known());
  EXPECT_TRUE(sockets.known());
  EXPECT_FALSE(timer.disagrees()) << Describe(timer);
  EXPECT_FALSE(sockets.disagrees()) << Describe(sockets);
  EXPECT_NEAR(in_row, 1, 0.1);
}

TEST(PhysicsCheckTest, ATenthOfTheResponsesDroppedIsNoticed) {
  const Laws laws = LawsWith(Fault::kDroppedResponses, 3);
  EXPECT_TRUE(laws.sockets.disagrees()) << Describe(laws.sockets);
  EXPECT_LT(laws.sockets.deviation(), 0) << "requests seem to last";
  EXPECT_LT(laws.in_row, 0.94) << "30 are in flight where 37 are measured, if all is seen";
}

TEST(PhysicsCheckTest, ATenthOfTheRequestsHiddenIsNoticed) {
  const Laws laws = LawsWith(Fault::kHiddenRequests, 7);
  EXPECT_TRUE(laws.sockets.disagrees()) << Describe(laws.sockets);
  EXPECT_GT(laws.sockets.deviation(), 0) << "less is measured than is seen";
  EXPECT_GT(laws.in_row, 1.04) << "70 are in flight where 63 are measured, if all is seen";
}

}  // namespace
}  // namespace ppmm
