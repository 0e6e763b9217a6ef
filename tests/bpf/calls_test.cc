// Calls as the running kernel's hooks measure them at the client's socket, beside what both ends know.
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/bpf/child_process.h"
#include "tests/bpf/response_times.h"
#include "tests/testing/tcp_sockets.h"

namespace ppmm {
namespace {

constexpr std::size_t kCalls = 1000;

double Seconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

class CallsTest : public ResponseTimesTest {
 protected:
  void SetUp() override {
    ResponseTimesTest::SetUp();
    if (scanner_->hooks().write == "tp_btf/sock_send_length") {
      GTEST_SKIP() << "writes are seen too late here";
    }
  }
  // Of this process to this port.
  CallSample Calls(std::uint16_t port) {
    std::vector<CallSample> all;
    const absl::Status status = scanner_->TakeCalls(&all);
    EXPECT_TRUE(status.ok()) << status;
    CallSample sum;
    for (const CallSample& one : all) {
      if (one.port == port && one.owner_pid == getpid()) {
        EXPECT_EQ(FormatAddress(one.remote_address), "127.0.0.1");
        sum.Add(one);
      }
    }
    return sum;
  }
  static bool Send(const Socket& socket, absl::string_view text) {
    return send(socket.fd(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
};

TEST_F(CallsTest, EachCallCountsOnceFromItsFirstWriteToTheFirstByteOfItsAnswer) {
  const Socket listener = Listen();
  const Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  const int now = 1;  // else the second write waits for the acknowledgement of the first
  setsockopt(server.fd(), IPPROTO_TCP, TCP_NODELAY, &now, sizeof(now));
  double at_least = 0;
  double at_most = 0;
  for (std::size_t i = 0; i < kCalls; ++i) {
    const double before = Seconds();
    ASSERT_TRUE(SendAll(client, 100));
    const double sent = Seconds();
    ASSERT_TRUE(ReceiveAll(server, 100));
    const double answering = Seconds();
    ASSERT_TRUE(SendAll(server, 300));  // loopback: the bytes lie at the client when send returns
    at_most += Seconds() - before;
    at_least += answering - sent;
    ASSERT_TRUE(SendAll(server, 300));
    ASSERT_TRUE(ReceiveAll(client, 600));
  }
  const CallSample calls = Calls(LocalPort(listener));
  EXPECT_EQ(calls.times.count(), kCalls);
  EXPECT_GT(calls.times.sum_seconds(), at_least);
  EXPECT_LT(calls.times.sum_seconds(), at_most);
  EXPECT_EQ(calls.unanswered + calls.pipelined + calls.streams, 0u);
  EXPECT_EQ(Calls(LocalPort(listener)).times.count(), 0u) << "what was taken does not come again";
}

double Quantile(std::vector<double> values, double q) {
  const auto rank = static_cast<std::ptrdiff_t>(std::ceil(q * static_cast<double>(values.size()))) - 1;
  std::nth_element(values.begin(), values.begin() + rank, values.end());
  return values[static_cast<std::size_t>(rank)];
}

TEST_F(CallsTest, QuantilesLieBetweenWhatBothEndsKnow) {
  constexpr double kSketchError = 0.011;
  const Socket listener = Listen();
  const Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  std::mt19937_64 random(5);
  std::lognormal_distribution<double> delay(std::log(500e-6), 1);
  std::vector<double> shortest(kCalls);
  std::vector<double> longest(kCalls);
  for (std::size_t i = 0; i < kCalls; ++i) {
    const double before = Seconds();
    ASSERT_TRUE(SendAll(client, 100));
    const double sent = Seconds();
    ASSERT_TRUE(ReceiveAll(server, 100));
    for (const double until = Seconds() + delay(random); Seconds() < until;) {
    }
    const double answering = Seconds();
    ASSERT_TRUE(SendAll(server, 300));
    longest[i] = Seconds() - before;
    shortest[i] = answering - sent;
    ASSERT_TRUE(ReceiveAll(client, 300));
  }
  const Sketch times = Calls(LocalPort(listener)).times;
  ASSERT_EQ(times.count(), kCalls);
  for (const double q : {0.01, 0.5, 0.9, 0.99}) {
    const double got = times.QuantileSeconds(q).value_or(0);
    EXPECT_GE(got, Quantile(shortest, q) * (1 - kSketchError)) << "quantile " << q;
    EXPECT_LE(got, Quantile(longest, q) * (1 + kSketchError)) << "quantile " << q;
    RecordProperty(absl::StrCat("microseconds_", 100 * q), absl::StrCat(1e6 * got, " ", 1e6 * Quantile(longest, q)));
  }
}

TEST_F(CallsTest, EachConnectionOfItsOwnCounts) {
  const Socket listener = Listen();
  for (std::size_t i = 0; i < 100; ++i) {
    const Socket client = Connect(LocalPort(listener));
    const Socket server = Accept(listener);
    ASSERT_TRUE(SendAll(client, 10) && ReceiveAll(server, 10) && SendAll(server, 10) && ReceiveAll(client, 10));
  }
  EXPECT_EQ(Calls(LocalPort(listener)).times.count(), 100u);
}

TEST_F(CallsTest, ConnectionsOlderThanTheScannerCount) {
  const Socket listener = Listen();
  const Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  ASSERT_TRUE(SendAll(client, 10) && ReceiveAll(server, 10) && SendAll(server, 10) && ReceiveAll(client, 10));
  Create();
  for (std::size_t i = 0; i < kCalls; ++i) {
    ASSERT_TRUE(SendAll(client, 10) && ReceiveAll(server, 10) && SendAll(server, 10) && ReceiveAll(client, 10));
  }
  EXPECT_EQ(Calls(LocalPort(listener)).times.count(), kCalls);
}

TEST_F(CallsTest, ACallWhoseConnectionEndsIsUnanswered) {
  const Socket listener = Listen();
  Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  ASSERT_TRUE(SendAll(client, 10) && ReceiveAll(server, 10));
  Reset(&client);
  const CallSample calls = Calls(LocalPort(listener));
  EXPECT_EQ(calls.unanswered, 1u);
  EXPECT_EQ(calls.times.count(), 0u);
}

TEST_F(CallsTest, AGreetingAnswersNothing) {
  const Socket listener = Listen();
  const Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  ASSERT_TRUE(SendAll(server, 10) && ReceiveAll(client, 10));
  EXPECT_EQ(Calls(LocalPort(listener)).times.count(), 0u);
  ASSERT_TRUE(SendAll(client, 10) && ReceiveAll(server, 10) && SendAll(server, 10) && ReceiveAll(client, 10));
  EXPECT_EQ(Calls(LocalPort(listener)).times.count(), 1u);
}

TEST_F(CallsTest, PipelinedCallsHaveNoTimes) {
  const std::string ping = "*1\r\n$4\r\nPING\r\n";
  const Socket listener = Listen();
  const Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  const Socket other = Connect(LocalPort(listener));
  const Socket other_server = Accept(listener);
  std::string many;
  for (int i = 0; i < 16; ++i) {
    many += ping;
  }
  ASSERT_TRUE(Send(client, many) && ReceiveAll(server, many.size()) && SendAll(server, 112) && ReceiveAll(client, 112));
  ASSERT_TRUE(Send(client, ping) && ReceiveAll(server, ping.size()) && SendAll(server, 7) && ReceiveAll(client, 7));
  ASSERT_TRUE(Send(other, ping) && ReceiveAll(other_server, ping.size()) && SendAll(other_server, 7) &&
              ReceiveAll(other, 7));
  const CallSample calls = Calls(LocalPort(listener));
  EXPECT_EQ(calls.pipelined, 1u);
  EXPECT_EQ(calls.times.count(), 1u) << "of the other connection";
}

TEST_F(CallsTest, ARequestBesideAnUnreadAnswerIsPipelined) {
  const Socket listener = Listen();
  const Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  ASSERT_TRUE(SendAll(client, 10) && ReceiveAll(server, 10) && SendAll(server, 10));
  ASSERT_TRUE(SendAll(client, 10) && ReceiveAll(server, 10) && SendAll(server, 10) && ReceiveAll(client, 20));
  const CallSample calls = Calls(LocalPort(listener));
  EXPECT_EQ(calls.pipelined, 1u);
  EXPECT_EQ(calls.times.count(), 1u);
}

TEST_F(CallsTest, HttpTwoIsAStream) {
  const absl::string_view preface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
  const Socket listener = Listen();
  const Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  ASSERT_TRUE(Send(client, preface) && ReceiveAll(server, preface.size()) && SendAll(server, 9) &&
              ReceiveAll(client, 9));
  const CallSample calls = Calls(LocalPort(listener));
  EXPECT_EQ(calls.streams, 1u);
  EXPECT_EQ(calls.times.count(), 0u);
}

TEST_F(CallsTest, MoreServicesThanAreToldApartAreCounted) {
  constexpr std::size_t kServices = 520;  // 511 are told apart
  std::vector<Socket> sockets;
  for (std::size_t i = 0; i < kServices; ++i) {
    const Socket listener = Listen();
    sockets.push_back(Connect(LocalPort(listener)));
    const Socket server = Accept(listener);
    const Socket& client = sockets.back();
    ASSERT_TRUE(SendAll(client, 10) && ReceiveAll(server, 10) && SendAll(server, 10) && ReceiveAll(client, 10));
  }
  std::vector<CallSample> all;
  ASSERT_TRUE(scanner_->TakeCalls(&all).ok());
  EXPECT_LE(all.size(), 511u);
  EXPECT_GE(scanner_->losses().callees, kServices - 511);
  sockets.clear();
  for (int i = 0; i < 12; ++i) {  // what is idle is given back
    ASSERT_TRUE(scanner_->TakeCalls(&all).ok());
  }
  const std::uint64_t lost = scanner_->losses().callees;
  const Socket listener = Listen();
  const Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  ASSERT_TRUE(SendAll(client, 10) && ReceiveAll(server, 10) && SendAll(server, 10) && ReceiveAll(client, 10));
  EXPECT_EQ(Calls(LocalPort(listener)).times.count(), 1u);
  EXPECT_EQ(scanner_->losses().callees, lost);
}

}  // namespace
}  // namespace ppmm
