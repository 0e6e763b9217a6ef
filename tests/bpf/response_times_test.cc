// Response times as the running kernel's hooks measure them, beside what both ends of the connection know.
#include "tests/bpf/response_times.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/bpf/child_process.h"
#include "tests/testing/tcp_sockets.h"

namespace ppmm {
namespace {

constexpr std::size_t kTurns = 1000;

double Seconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

TEST_F(ResponseTimesTest, CountsEachTurnOfAConnectionOnce) {
  const Socket listener = Listen();
  const Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  const int now = 1;  // else the second write waits for the acknowledgement of the first
  setsockopt(server.fd(), IPPROTO_TCP, TCP_NODELAY, &now, sizeof(now));
  double at_client = 0;
  double at_server = 0;
  for (std::size_t i = 0; i < kTurns; ++i) {
    const double sent = Seconds();
    ASSERT_TRUE(SendAll(client, 100));
    const double arrived = Seconds();  // loopback: the bytes lie at the server when send returns
    ASSERT_TRUE(ReceiveAll(server, 100));
    const double answering = Seconds();
    ASSERT_TRUE(SendAll(server, 300));
    ASSERT_TRUE(SendAll(server, 300)) << "a second write of the same answer";
    at_client += Seconds() - sent;
    at_server += answering - arrived;
    ASSERT_TRUE(ReceiveAll(client, 600));
  }
  const ListenerSample sample = Poll(LocalPort(listener));
  EXPECT_EQ(sample.turns.begun, kTurns);
  EXPECT_EQ(sample.turns.answered, kTurns);
  EXPECT_EQ(sample.turns.unanswered, 0u);
  const auto& [total, wait, service, full] = sample.times;
  EXPECT_EQ(total.count(), kTurns);
  EXPECT_EQ(wait.count(), kTurns);
  EXPECT_EQ(service.count(), kTurns);
  EXPECT_EQ(full.count(), kTurns - 1) << "the last byte of the last answer is told by what follows";
  EXPECT_EQ(total.sum_ns(), wait.sum_ns() + service.sum_ns());
  EXPECT_GT(total.sum_seconds(), at_server) << "from the arrival, which is before send returned";
  EXPECT_LT(total.sum_seconds(), at_client);
  EXPECT_GT(full.sum_ns(), total.sum_ns() * (kTurns - 1) / kTurns);
}

TEST_F(ResponseTimesTest, TheWaitForTheApplicationCounts) {
  const Socket listener = Listen();
  const Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  const auto turn = [&](int before_read_ms, int before_write_ms) {
    EXPECT_TRUE(SendAll(client, 1));
    std::this_thread::sleep_for(std::chrono::milliseconds(before_read_ms));
    EXPECT_TRUE(ReceiveAll(server, 1));
    std::this_thread::sleep_for(std::chrono::milliseconds(before_write_ms));
    EXPECT_TRUE(SendAll(server, 1));
    EXPECT_TRUE(ReceiveAll(client, 1));
  };
  turn(80, 20);
  const ResponseTimes times = Poll(LocalPort(listener)).times;
  EXPECT_GE(times.wait.sum_seconds(), 0.08);
  EXPECT_GE(times.service.sum_seconds(), 0.02);
  EXPECT_EQ(times.total.sum_ns(), times.wait.sum_ns() + times.service.sum_ns());
}

TEST_F(ResponseTimesTest, WhatWasTakenDoesNotComeAgain) {
  const Socket listener = Listen();
  const Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  for (std::size_t i = 1; i <= 3; ++i) {
    ASSERT_TRUE(SendAll(client, 1) && ReceiveAll(server, 1) && SendAll(server, 1) && ReceiveAll(client, 1));
    const ListenerSample sample = Poll(LocalPort(listener));
    EXPECT_EQ(sample.times.total.count(), 1u);
    EXPECT_EQ(sample.turns.answered, i);
  }
  EXPECT_EQ(Poll(LocalPort(listener)).times.total.count(), 0u);
}

TEST_F(ResponseTimesTest, ConnectionsOlderThanTheScannerCount) {
  const Socket listener = Listen();
  const Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  ASSERT_TRUE(SendAll(client, 10) && ReceiveAll(server, 10) && SendAll(server, 10) && ReceiveAll(client, 10));
  Create();
  for (std::size_t i = 0; i < kTurns; ++i) {
    ASSERT_TRUE(SendAll(client, 10) && ReceiveAll(server, 10) && SendAll(server, 10) && ReceiveAll(client, 10));
  }
  const ListenerSample sample = Poll(LocalPort(listener));
  EXPECT_EQ(sample.turns.answered, kTurns);
  EXPECT_EQ(sample.times.total.count(), kTurns);
}

TEST_F(ResponseTimesTest, TurnsOverIpv6AlsoOnAListenerThatTakesBoth) {
  const Socket listener = ListenIpv6();
  const Socket dual = ListenDual();
  ASSERT_TRUE(listener.ok() && dual.ok());
  std::vector<Socket> clients;
  std::vector<Socket> servers;
  const auto connect = [&] {
    clients.push_back(ConnectIpv6(LocalPort(listener)));
    servers.push_back(Accept(listener));
    clients.push_back(ConnectIpv6(LocalPort(dual)));
    servers.push_back(Accept(dual));
    clients.push_back(Connect(LocalPort(dual)));
    servers.push_back(Accept(dual));
  };
  connect();
  Create();
  connect();  // those before are older than the scanner
  const auto exchange = [&] {
    for (std::size_t turn = 0; turn < kTurns; ++turn) {
      for (std::size_t i = 0; i < clients.size(); ++i) {
        ASSERT_TRUE(SendAll(clients[i], 10) && ReceiveAll(servers[i], 10));
        ASSERT_TRUE(SendAll(servers[i], 10) && ReceiveAll(clients[i], 10));
      }
    }
  };
  exchange();
  const ListenerSample ipv6 = Poll(LocalPort(listener));
  EXPECT_EQ(FormatAddress(ipv6.address), "::1");
  EXPECT_EQ(ipv6.turns.begun, 2 * kTurns);
  EXPECT_EQ(ipv6.turns.answered, 2 * kTurns);
  EXPECT_EQ(ipv6.times.total.count(), 2 * kTurns);
  exchange();  // that poll took the times of all
  const ListenerSample both = Poll(LocalPort(dual));
  EXPECT_EQ(both.turns.answered, 2 * 4 * kTurns);
  EXPECT_EQ(both.times.wait.count(), 4 * kTurns);
}

TEST_F(ResponseTimesTest, ARequestWhoseConnectionEndsIsUnanswered) {
  const Socket listener = Listen();
  Socket client = Connect(LocalPort(listener));
  Socket server = Accept(listener);
  ASSERT_TRUE(SendAll(client, 10) && ReceiveAll(server, 10));
  Reset(&client);
  server.Close();
  const ListenerSample sample = Poll(LocalPort(listener));
  EXPECT_EQ(sample.turns.begun, 1u);
  EXPECT_EQ(sample.turns.answered, 0u);
  EXPECT_EQ(sample.turns.unanswered, 1u);
}

TEST_F(ResponseTimesTest, ATimerSeesWhatIsInFlight) {
  const Socket listeners[] = {Listen(), Listen()};
  const Socket clients[] = {Connect(LocalPort(listeners[0])), Connect(LocalPort(listeners[1]))};
  const Socket servers[] = {Accept(listeners[0]), Accept(listeners[1])};
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(SendAll(clients[i], 10) && ReceiveAll(servers[i], 10));
  }
  ASSERT_TRUE(SendAll(servers[1], 10) && ReceiveAll(clients[1], 10));
  const std::uint64_t first = Poll(LocalPort(listeners[0])).turns.in_flight_ns;
  const std::uint64_t answered = Poll(LocalPort(listeners[1])).turns.in_flight_ns;
  const std::uint64_t begin = scanner_->looked_ns();
  const double deadline = Seconds() + 30;
  while (scanner_->looked_ns() < begin + 200'000'000 && Seconds() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const double looked = static_cast<double>(scanner_->looked_ns() - begin);
  const double seen = static_cast<double>(Poll(LocalPort(listeners[0])).turns.in_flight_ns - first);
  EXPECT_GE(looked, 2e8);
  EXPECT_GT(seen, looked / 2) << "one request all the time; a look may be going on while we read";
  EXPECT_LT(seen, looked * 2);
  EXPECT_EQ(Poll(LocalPort(listeners[1])).turns.in_flight_ns, answered);
}

TEST_F(ResponseTimesTest, TheWorkersOfAForkedServerShareOneListener) {
  const Socket listener = Listen();
  const auto serve = [&] {
    std::thread([&] {
      while (true) {
        const Socket connection = Accept(listener);
        while (ReceiveAll(connection, 10) && SendAll(connection, 10)) {
        }
      }
    }).detach();
  };
  const ChildProcess first(serve);
  const ChildProcess second(serve);
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      const Socket client = Connect(LocalPort(listener));
      for (std::size_t turn = 0; turn < kTurns; ++turn) {
        ASSERT_TRUE(SendAll(client, 10) && ReceiveAll(client, 10));
      }
    });
  }
  for (std::thread& client : clients) {
    client.join();
  }
  const ListenerSample sample = Poll(LocalPort(listener));
  EXPECT_EQ(sample.turns.answered, 4 * kTurns);
  EXPECT_EQ(sample.times.total.count(), 4 * kTurns);
}

}  // namespace
}  // namespace ppmm
