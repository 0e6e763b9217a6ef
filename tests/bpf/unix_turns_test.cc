// Response times of servers that listen on Unix sockets.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/bpf/response_times.h"
#include "tests/testing/tcp_sockets.h"

namespace ppmm {
namespace {

constexpr std::size_t kTurns = 500;
constexpr std::size_t kConnections = 4;
constexpr std::size_t kBytes = 10;

Socket ConnectUnix(const std::string& name) {
  Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  const socklen_t length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  return connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), length) == 0 ? std::move(socket) : Socket();
}

bool Send(const Socket& socket, absl::string_view text) {
  return send(socket.fd(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

class UnixTurnsTest : public ResponseTimesTest {
 protected:
  void SetUp() override {
    ResponseTimesTest::SetUp();
    name_ = absl::StrCat(absl::string_view("\0ppmm-unix-turns-", 17), getpid());
    listener_ = ListenUnix(name_, 64);
    ASSERT_TRUE(listener_.ok());
  }

  // A connection, both ends.
  struct Pair {
    Socket client, server;
  };
  Pair Connect() {
    Pair pair;
    pair.client = ConnectUnix(name_);
    pair.server = Accept(listener_);
    return pair;
  }

  void Turn(const Pair& pair, absl::string_view request, absl::string_view answer) {
    ASSERT_TRUE(Send(pair.client, request) && ReceiveAll(pair.server, request.size()));
    ASSERT_TRUE(Send(pair.server, answer) && ReceiveAll(pair.client, answer.size()));
  }

  std::string name_;
  Socket listener_;
};

TEST_F(UnixTurnsTest, EachRequestCountsOnce) {
  const Pair pair = Connect();
  for (std::size_t i = 0; i < kTurns; ++i) {
    Turn(pair, "a request", "an answer");
  }
  const ListenerSample sample = PollUnix(name_);
  EXPECT_EQ(sample.turns.begun, kTurns);
  EXPECT_EQ(sample.turns.answered, kTurns);
  EXPECT_EQ(sample.times.total.count(), kTurns);
  EXPECT_EQ(sample.times.wait.count(), kTurns);
  EXPECT_EQ(sample.times.service.count(), kTurns);
  EXPECT_EQ(sample.times.full.count(), kTurns - 1) << "nothing tells the end of the last answer";
  EXPECT_EQ(sample.times.total.sum_ns(), sample.times.wait.sum_ns() + sample.times.service.sum_ns());
}

TEST_F(UnixTurnsTest, EachRequestCountsOnceWhenBothSidesAreFast) {
  std::thread server([&] {
    std::vector<std::thread> workers;
    for (std::size_t i = 0; i < kConnections; ++i) {
      workers.emplace_back([connection = Accept(listener_)] {
        while (ReceiveAll(connection, kBytes) && SendAll(connection, kBytes)) {
        }
      });
    }
    for (std::thread& worker : workers) {
      worker.join();
    }
  });
  std::vector<std::thread> clients;
  for (std::size_t i = 0; i < kConnections; ++i) {
    clients.emplace_back([&] {
      const Socket client = ConnectUnix(name_);
      for (std::size_t turn = 0; turn < 4 * kTurns; ++turn) {
        ASSERT_TRUE(SendAll(client, kBytes) && ReceiveAll(client, kBytes));
      }
    });
  }
  for (std::thread& client : clients) {
    client.join();
  }
  server.join();
  const ListenerSample sample = PollUnix(name_);
  EXPECT_EQ(sample.turns.answered, 4 * kTurns * kConnections);
  EXPECT_EQ(sample.times.total.count(), 4 * kTurns * kConnections);
  EXPECT_EQ(sample.turns.set_aside, 0u);
  EXPECT_EQ(sample.turns.pipelined + sample.turns.streams, 0u);
}

TEST_F(UnixTurnsTest, AConnectionForEachRequest) {
  for (std::size_t i = 0; i < 100; ++i) {
    Turn(Connect(), "a request", "an answer");
  }
  EXPECT_EQ(PollUnix(name_).turns.answered, 100u);
}

TEST_F(UnixTurnsTest, ConnectionsAndListenersOlderThanTheScannerCount) {
  const Pair pair = Connect();
  Turn(pair, "a request", "an answer");
  Create();
  for (std::size_t i = 0; i < kTurns; ++i) {
    Turn(pair, "a request", "an answer");
  }
  EXPECT_EQ(PollUnix(name_).turns.answered, kTurns);
}

TEST_F(UnixTurnsTest, TheClockStartsWhenTheRequestArrives) {
  const Pair pair = Connect();
  ASSERT_TRUE(Send(pair.client, "a request"));
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  ASSERT_TRUE(ReceiveAll(pair.server, 9));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ASSERT_TRUE(Send(pair.server, "an answer"));
  const ResponseTimes times = PollUnix(name_).times;
  EXPECT_GE(times.wait.sum_seconds(), 0.06);
  EXPECT_GE(times.service.sum_seconds(), 0.02);
}

TEST_F(UnixTurnsTest, TheEndOfARequestOfFastCgiMayStayUnread) {
  const Pair pair = Connect();
  for (std::size_t i = 0; i < kTurns; ++i) {
    ASSERT_TRUE(Send(pair.client, "a request and its end"));
    ASSERT_TRUE(ReceiveAll(pair.server, 9));
    ASSERT_TRUE(Send(pair.server, absl::string_view("\1\6\0\1\0\2\0\0ok", 10)));
    ASSERT_TRUE(ReceiveAll(pair.server, 12));
    ASSERT_TRUE(ReceiveAll(pair.client, 10));
  }
  const ListenerSample sample = PollUnix(name_);
  EXPECT_EQ(sample.turns.begun, kTurns);
  EXPECT_EQ(sample.turns.answered, kTurns);
  EXPECT_TRUE(sample.tells_errors);
}

TEST_F(UnixTurnsTest, ErrorsAreToldByTheResponse) {
  const Pair pair = Connect();
  Turn(pair, "a request", "HTTP/1.1 200 OK\r\n\r\n");
  Turn(pair, "a request", "HTTP/1.1 500 Internal Server Error\r\n\r\n");
  const ListenerSample sample = PollUnix(name_);
  EXPECT_EQ(sample.turns.answered, 2u);
  EXPECT_EQ(sample.turns.errors, 1u);
}

TEST_F(UnixTurnsTest, AMessageOfAProcessThatListensToNobodyCountsNowhere) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const Pair pair = {Socket(ends[0]), Socket(ends[1])};
  Turn(pair, "a request", "an answer");
  Turn(Connect(), "a request", "an answer");
  EXPECT_EQ(PollUnix(name_).turns.answered, 1u);
}

TEST_F(UnixTurnsTest, AConnectionThatOutlivesItsListenerCountsForNobodyElse) {
  const Pair pair = Connect();
  Turn(pair, "a request", "an answer");
  listener_.Close();
  EXPECT_EQ(PollUnix(name_).turns.answered, 1u) << "its last sample";
  const std::string other_name = name_ + "-other";
  const Socket other = ListenUnix(other_name, 4);
  const Socket client = ConnectUnix(other_name);
  Turn(pair, "a request", "an answer");
  EXPECT_EQ(PollUnix(other_name).turns.answered, 0u);
}

}  // namespace
}  // namespace ppmm
