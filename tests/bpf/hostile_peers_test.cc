// Clients that misbehave, and more of everything than there is room for: nothing is counted twice, no histogram takes a
// wrong time, and who behaves beside them is still measured exactly.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/bpf/child_process.h"
#include "tests/bpf/response_times.h"
#include "tests/testing/tcp_sockets.h"

namespace ppmm {
namespace {

// What one well-behaved connection does beside the others.
constexpr std::size_t kGood = 200;

class HostilePeersTest : public ResponseTimesTest {
 protected:
  // A request and its answer, `times` over.
  static bool Talk(const Socket& client, const Socket& server, std::size_t times = 1) {
    for (std::size_t i = 0; i < times; ++i) {
      if (!SendAll(client, 10) || !ReceiveAll(server, 10) || !SendAll(server, 10) || !ReceiveAll(client, 10)) {
        return false;
      }
    }
    return true;
  }

  // Each turn that began came to one end.
  static void ExpectBalance(const ListenerSample& sample) {
    EXPECT_EQ(sample.turns.begun, sample.turns.answered + sample.turns.unanswered + sample.turns.set_aside);
    EXPECT_EQ(sample.times.total.count(), sample.turns.answered);
  }
};

TEST_F(HostilePeersTest, ConnectionsThatSayNothingAreNoRequests) {
  const Socket listener = Listen(512);
  std::vector<Socket> silent;
  for (int i = 0; i < 300; ++i) {
    silent.push_back(Connect(LocalPort(listener)));
    silent.push_back(Accept(listener));
  }
  const Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  ASSERT_TRUE(Talk(client, server, kGood));
  ListenerSample sample = Poll(LocalPort(listener));
  EXPECT_EQ(sample.open_connections, 301);
  EXPECT_EQ(sample.turns.begun, kGood);
  silent.clear();
  sample = Poll(LocalPort(listener));
  EXPECT_EQ(sample.open_connections, 1);
  EXPECT_EQ(sample.turns.unanswered, 0u);
}

TEST_F(HostilePeersTest, AClientThatClosesItsHalfGetsItsAnswerTimed) {
  const Socket listener = Listen();
  const Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  ASSERT_TRUE(SendAll(client, 10));
  shutdown(client.fd(), SHUT_WR);
  ASSERT_TRUE(ReceiveAll(server, 10) && ReceiveEnd(server));
  ASSERT_TRUE(SendAll(server, 10) && ReceiveAll(client, 10));
  const ListenerSample sample = Poll(LocalPort(listener));
  EXPECT_EQ(sample.turns.begun, 1u) << "the end of the stream is no request";
  EXPECT_EQ(sample.turns.answered, 1u);
}

TEST_F(HostilePeersTest, AStormOfResetsLeavesTheOthersExact) {
  const Socket listener = Listen(512);
  const std::uint16_t port = LocalPort(listener);
  std::thread storm([port] {
    for (int i = 0; i < 2000; ++i) {
      Socket client = Connect(port);
      if (i % 3 != 0) {
        SendAll(client, i % 3 == 1 ? 1 : 5000);
      }
      Reset(&client);
    }
  });
  std::size_t accepted = 0;
  std::size_t answered = 0;
  std::thread server([&] {
    while (accepted < 2000) {
      const Socket connection = Accept(listener);
      ++accepted;
      char bytes[64];
      // What was reset before it was read is gone; what was read is answered, whether anybody hears it or not.
      if (recv(connection.fd(), bytes, sizeof(bytes), MSG_DONTWAIT) > 0 && SendAll(connection, 3)) {
        ++answered;
      }
    }
  });
  const Socket other = Listen();
  const Socket client = Connect(LocalPort(other));
  const Socket peer = Accept(other);
  EXPECT_TRUE(Talk(client, peer, kGood));
  storm.join();
  server.join();
  const ListenerSample sample = Poll(port);
  EXPECT_EQ(sample.accepted_total, 2000u);
  EXPECT_EQ(sample.open_connections, 0);
  EXPECT_LE(sample.turns.begun, 2000u);
  EXPECT_GE(sample.turns.answered, answered) << "an answer that failed to leave may count as well";
  ExpectBalance(sample);
  const ListenerSample good = Poll(LocalPort(other));
  EXPECT_EQ(good.turns.answered, kGood);
}

TEST_F(HostilePeersTest, AClientThatDoesNotReadDelaysTheLastByteOnly) {
  const Socket listener = Listen();
  Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  fcntl(server.fd(), F_SETFL, O_NONBLOCK);
  ASSERT_TRUE(SendAll(client, 10));
  std::string bytes(10, ' ');
  pollfd readable = {server.fd(), POLLIN, 0};
  ASSERT_EQ(poll(&readable, 1, 10'000), 1);
  ASSERT_EQ(recv(server.fd(), bytes.data(), bytes.size(), 0), 10);
  const std::string large(1 << 20, 'x');
  // Until the window is shut and the buffers are full.
  while (send(server.fd(), large.data(), large.size(), MSG_NOSIGNAL) > 0) {
  }
  const ListenerSample before = Poll(LocalPort(listener));
  EXPECT_EQ(before.turns.answered, 1u);
  EXPECT_EQ(before.times.total.count(), 1u);
  EXPECT_LT(before.times.total.sum_seconds(), 10.0);
  EXPECT_EQ(before.times.full.count(), 0u) << "the answer has no end yet";
  Reset(&client);
  EXPECT_EQ(Poll(LocalPort(listener)).turns.answered, 1u);
}

TEST_F(HostilePeersTest, APortThatIsUsedAgainBeginsAnew) {
  Socket first = Listen();
  const std::uint16_t port = LocalPort(first);
  {
    Socket client = Connect(port);
    const Socket server = Accept(first);
    ASSERT_TRUE(Talk(client, server, kGood));
    const ListenerSample sample = Poll(port);
    EXPECT_EQ(sample.turns.answered, kGood);
    Reset(&client);  // nothing of it holds the port
  }
  const std::uint64_t id = Poll(port).id;
  first.Close();
  scanner_->Poll(&listeners_).IgnoreError();  // the last sample of the first one
  Socket second(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int yes = 1;
  setsockopt(second.fd(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  const sockaddr_in address = Loopback(port);
  ASSERT_EQ(bind(second.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(second.fd(), 16), 0);
  const Socket client = Connect(port);
  const Socket server = Accept(second);
  ASSERT_TRUE(Talk(client, server, 3));
  const ListenerSample sample = Poll(port);
  EXPECT_NE(sample.id, id);
  EXPECT_EQ(sample.turns.answered, 3u);
  EXPECT_EQ(sample.times.total.count(), 3u);
}

TEST_F(HostilePeersTest, AConnectionThatIsHandedOnCountsAtItsListener) {
  const Socket listener = Listen();
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
  const ChildProcess worker([&] {
    std::thread([&] {
      char byte;
      iovec vector = {&byte, 1};
      alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
      msghdr message = {};
      message.msg_iov = &vector;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof(control);
      if (recvmsg(pair[1], &message, 0) != 1) {
        return;
      }
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
      const Socket connection(fd);
      while (ReceiveAll(connection, 10) && SendAll(connection, 10)) {
      }
    }).detach();
  });
  const Socket client = Connect(LocalPort(listener));
  {
    const Socket server = Accept(listener);
    char byte = 1;
    iovec vector = {&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message = {};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = server.fd();
    std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    ASSERT_EQ(sendmsg(pair[0], &message, 0), 1);
  }
  for (std::size_t i = 0; i < kGood; ++i) {
    ASSERT_TRUE(SendAll(client, 10) && ReceiveAll(client, 10));
  }
  const ListenerSample sample = Poll(LocalPort(listener));
  EXPECT_EQ(sample.turns.answered, kGood);
  EXPECT_EQ(sample.times.total.count(), kGood);
  EXPECT_EQ(sample.owner_pid, getpid());
  close(pair[0]);
  close(pair[1]);
}

TEST_F(HostilePeersTest, FifteenThousandConnectionsAtOnce) {
  constexpr rlim_t kEach = 15'000;
  const rlimit wanted = {kEach + 500, kEach + 500};
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < wanted.rlim_max) {
    GTEST_SKIP() << "only " << limit.rlim_max << " descriptors are allowed here";
  }
  rlimit raised = limit;
  raised.rlim_cur = wanted.rlim_cur;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &raised), 0);
  const Socket listener = Listen(4096);
  const ChildProcess server([&] {
    std::thread([&] {
      std::vector<Socket> connections;
      while (connections.size() < kEach) {
        connections.push_back(Accept(listener));
        if (!ReceiveAll(connections.back(), 10) || !SendAll(connections.back(), 10)) {
          return;
        }
      }
      for (const Socket& connection : connections) {
        if (!ReceiveAll(connection, 10) || !SendAll(connection, 10)) {
          return;
        }
      }
      pause();
    }).detach();
  });
  std::vector<Socket> clients;
  for (rlim_t i = 0; i < kEach; ++i) {
    clients.push_back(Connect(LocalPort(listener)));
    ASSERT_TRUE(SendAll(clients.back(), 10) && ReceiveAll(clients.back(), 10)) << "connection " << i;
  }
  for (const Socket& client : clients) {
    ASSERT_TRUE(SendAll(client, 10) && ReceiveAll(client, 10));
  }
  const ListenerSample sample = Poll(LocalPort(listener));
  EXPECT_EQ(sample.open_connections, static_cast<std::int64_t>(kEach));
  EXPECT_EQ(sample.turns.answered, 2 * kEach);
  EXPECT_EQ(sample.times.total.count(), 2 * kEach);
  EXPECT_EQ(scanner_->losses().storage, 0u);
  clients.clear();
  setrlimit(RLIMIT_NOFILE, &limit);
}

TEST_F(HostilePeersTest, BeyondTheHistogramsRequestsCountAndTimesAreTheCommonOnes) {
  constexpr std::size_t kListeners = 260;
  std::vector<Socket> listeners;
  for (std::size_t i = 0; i < kListeners; ++i) {
    listeners.push_back(Listen());
    const Socket client = Connect(LocalPort(listeners.back()));
    const Socket server = Accept(listeners.back());
    ASSERT_TRUE(Talk(client, server, 2));
  }
  const absl::Status status = scanner_->Poll(&listeners_);
  ASSERT_TRUE(status.ok()) << status;
  std::size_t timed = 0;
  std::size_t counted = 0;
  std::uint64_t common = 0;
  for (const ListenerSample& sample : listeners_) {
    common += sample.id == 0 ? sample.times.total.count() : 0;
    const bool ours = sample.protocol == SocketProtocol::kTcp &&
                      std::any_of(listeners.begin(), listeners.end(),
                                  [&](const Socket& listener) { return LocalPort(listener) == sample.port; });
    if (!ours) {
      continue;
    }
    counted += sample.turns.answered == 2 ? 1 : 0;
    EXPECT_TRUE(sample.times.total.count() == 2 || sample.times.total.count() == 0) << "times of another listener";
    timed += sample.times.total.count() == 2 ? 1 : 0;
  }
  EXPECT_EQ(counted, kListeners);
  EXPECT_LE(timed, 239u);
  EXPECT_GE(timed, 200u) << "others of this machine have some too";
  EXPECT_GE(scanner_->losses().groups, 2 * (kListeners - 239)) << "each that found no room is counted";
  EXPECT_GE(common, 2 * (kListeners - timed)) << "none is lost";
}

}  // namespace
}  // namespace ppmm
