// Each request counts once however a server takes its connections and moves their bytes; what does not take turns is
// labelled, and other connections of the same server keep their times.
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/bpf/response_times.h"
#include "tests/testing/tcp_sockets.h"

#ifdef PPMM_HAVE_LIBURING
#include <liburing.h>
#endif

namespace ppmm {
namespace {

constexpr std::size_t kTurns = 200;
constexpr std::size_t kConnections = 4;
constexpr std::size_t kBytes = 10;  // of each request and answer

bool Send(const Socket& socket, absl::string_view text) {
  return send(socket.fd(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

void Wait(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

// Asks and reads the answers, one after the other on each of the connections.
void Ask(std::uint16_t port, std::size_t connections = kConnections) {
  std::vector<Socket> clients;
  for (std::size_t i = 0; i < connections; ++i) {
    clients.push_back(Connect(port));
  }
  for (std::size_t turn = 0; turn < kTurns; ++turn) {
    for (const Socket& client : clients) {
      ASSERT_TRUE(SendAll(client, kBytes) && ReceiveAll(client, kBytes));
    }
  }
}

// Serves as many connections as are told of, each in a thread of its own, and ends with them.
class Server {
 public:
  using Answer = bool (*)(int connection);

  Server(const Socket& listener, std::size_t connections, Answer answer)
      : thread_([&listener, connections, answer] {
          std::vector<std::thread> workers;
          for (std::size_t i = 0; i < connections; ++i) {
            workers.emplace_back([connection = Accept(listener), answer] {
              while (ReceiveAll(connection, kBytes) && answer(connection.fd())) {
              }
            });
          }
          for (std::thread& worker : workers) {
            worker.join();
          }
        }) {}
  ~Server() { thread_.join(); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

 private:
  std::thread thread_;
};

bool AnswerPlainly(int connection) {
  return send(connection, "0123456789", kBytes, MSG_NOSIGNAL) == kBytes;
}

bool AnswerFromAFile(int connection) {
  const Socket file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  return sendfile(connection, file.fd(), nullptr, kBytes) == kBytes;
}

bool AnswerFromAPipe(int connection) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return false;
  }
  const Socket out(ends[0]);
  const Socket in(ends[1]);
  return write(in.fd(), "0123456789", kBytes) == kBytes &&
         splice(out.fd(), nullptr, connection, nullptr, kBytes, 0) == kBytes;
}

bool AnswerInPieces(int connection) {
  return send(connection, "012", 3, MSG_NOSIGNAL | MSG_MORE) == 3 &&
         send(connection, "3456789", kBytes - 3, MSG_NOSIGNAL) == kBytes - 3;
}

using ServerStylesTest = ResponseTimesTest;

void ExpectEachOnce(const ListenerSample& sample, std::size_t requests) {
  EXPECT_EQ(sample.turns.begun, requests);
  EXPECT_EQ(sample.turns.answered, requests);
  EXPECT_EQ(sample.turns.set_aside, 0u);
  EXPECT_EQ(sample.turns.pipelined + sample.turns.streams, 0u);
  EXPECT_EQ(sample.times.total.count(), requests);
}

TEST_F(ServerStylesTest, HoweverTheAnswerIsWritten) {
  for (const Server::Answer answer : {&AnswerPlainly, &AnswerFromAFile, &AnswerFromAPipe, &AnswerInPieces}) {
    const Socket listener = Listen();
    {
      const Server server(listener, kConnections, answer);
      Ask(LocalPort(listener));
    }
    ExpectEachOnce(Poll(LocalPort(listener)), kConnections * kTurns);
  }
}

TEST_F(ServerStylesTest, SeveralListenersOfOnePort) {
  const auto listen_on = [](std::uint16_t port) {
    Socket listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    setsockopt(listener.fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    const sockaddr_in address = Loopback(port);
    EXPECT_EQ(bind(listener.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener.fd(), 128), 0);
    fcntl(listener.fd(), F_SETFL, O_NONBLOCK);
    return listener;
  };
  const Socket first = listen_on(0);
  const Socket second = listen_on(LocalPort(first));
  constexpr std::size_t kMany = 16;  // so that both get some
  std::vector<Socket> clients;
  std::vector<Socket> servers;
  for (std::size_t i = 0; i < kMany; ++i) {
    clients.push_back(Connect(LocalPort(first)));
    Socket from_first = Accept(first);
    servers.push_back(from_first.ok() ? std::move(from_first) : Accept(second));
    ASSERT_TRUE(servers.back().ok());
  }
  for (std::size_t turn = 0; turn < kTurns; ++turn) {
    std::vector<Socket>::const_iterator server = servers.begin();
    for (const Socket& client : clients) {
      ASSERT_TRUE(SendAll(client, kBytes));
    }
    // Which client a server's connection belongs to does not matter here.
    for (std::size_t i = 0; i < kMany; ++i, ++server) {
      ASSERT_TRUE(ReceiveAll(*server, kBytes) && SendAll(*server, kBytes));
    }
    for (const Socket& client : clients) {
      ASSERT_TRUE(ReceiveAll(client, kBytes));
    }
  }
  ExpectEachOnce(Poll(LocalPort(first)), kMany * kTurns);
}

TEST_F(ServerStylesTest, AListenerAmongThePortsOfClients) {
  Socket listener;
  std::uint16_t port = 0;
  for (port = 41'000; !listener.ok(); ++port) {
    ASSERT_LT(port, 42'000) << "no free port";
    Socket next(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = Loopback(port);
    if (bind(next.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
        listen(next.fd(), 128) == 0) {
      listener = std::move(next);
    }
  }
  {
    const Server server(listener, kConnections, &AnswerPlainly);
    Ask(LocalPort(listener));
  }
  ExpectEachOnce(Poll(LocalPort(listener)), kConnections * kTurns);
}

TEST_F(ServerStylesTest, InAnotherNetworkNamespace) {
  std::uint16_t port = 0;
  Socket listener;
  std::thread([&] {  // a thread may leave the namespace alone
    ASSERT_EQ(unshare(CLONE_NEWNET), 0);
    const Socket control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq loopback = {};
    std::strcpy(loopback.ifr_name, "lo");
    loopback.ifr_flags = IFF_UP;
    ASSERT_EQ(ioctl(control.fd(), SIOCSIFFLAGS, &loopback), 0);
    listener = Listen();
    port = LocalPort(listener);
    const Server server(listener, kConnections, &AnswerPlainly);
    Ask(port);
  })
      .join();
  ExpectEachOnce(Poll(port), kConnections * kTurns);
}

#ifdef PPMM_HAVE_LIBURING

// Waits for one operation of the ring; its result.
int Complete(io_uring* ring) {
  io_uring_submit(ring);
  io_uring_cqe* done = nullptr;
  if (io_uring_wait_cqe(ring, &done) != 0) {
    return -1;
  }
  const int result = done->res;
  io_uring_cqe_seen(ring, done);
  return result;
}

TEST_F(ServerStylesTest, AServerOfIoUring) {
  io_uring ring = {};
  if (const int error = io_uring_queue_init(8, &ring, 0); error == -EPERM || error == -ENOSYS) {
    GTEST_SKIP() << "this kernel refuses io_uring";
  }
  const Socket listener = Listen();
  std::thread server([&] {
    const Socket connection = Accept(listener);
    char request[kBytes];
    while (true) {
      io_uring_prep_recv(io_uring_get_sqe(&ring), connection.fd(), request, sizeof(request), MSG_WAITALL);
      if (Complete(&ring) != kBytes) {
        break;
      }
      io_uring_prep_send(io_uring_get_sqe(&ring), connection.fd(), request, sizeof(request), MSG_NOSIGNAL);
      if (Complete(&ring) != kBytes) {
        break;
      }
    }
  });
  Ask(LocalPort(listener), 1);
  server.join();
  io_uring_queue_exit(&ring);
  ExpectEachOnce(Poll(LocalPort(listener)), kTurns);
}

#endif

// One connection of a server that the test plays itself, beside one that takes turns.
class LabelledConnectionTest : public ResponseTimesTest {
 protected:
  void SetUp() override {
    ResponseTimesTest::SetUp();
    listener_ = Listen();
    client_ = Connect(LocalPort(listener_));
    server_ = Accept(listener_);
    other_client_ = Connect(LocalPort(listener_));
    other_server_ = Accept(listener_);
  }

  void Turn(const Socket& client, const Socket& server, absl::string_view request, absl::string_view answer) {
    ASSERT_TRUE(Send(client, request) && ReceiveAll(server, request.size()));
    ASSERT_TRUE(Send(server, answer) && ReceiveAll(client, answer.size()));
  }

  // The other connection has all its times; this one has none but those of its first requests, and ends are known of
  // so many of their answers.
  void ExpectLabelled(std::uint64_t with_times, std::uint64_t with_ends) {
    for (std::size_t turn = 0; turn < kTurns; ++turn) {
      Turn(other_client_, other_server_, "request", "HTTP/1.1 200 OK\r\n\r\n");
    }
    client_.Close();
    server_.Close();
    const ListenerSample sample = Poll(LocalPort(listener_));
    EXPECT_EQ(sample.turns.answered, with_times + kTurns);
    EXPECT_EQ(sample.turns.pipelined + sample.turns.streams, 1u);
    EXPECT_EQ(sample.times.total.count(), with_times + kTurns);
    EXPECT_EQ(sample.times.full.count(), with_ends + kTurns - 1) << "the last one's end is told by what follows";
  }

  Socket listener_, client_, server_, other_client_, other_server_;
};

TEST_F(LabelledConnectionTest, ServerSentEvents) {
  Turn(client_, server_, "GET /events", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
  for (int i = 0; i < 4; ++i) {
    Wait(150);
    ASSERT_TRUE(Send(server_, "data: 1\n\n") && ReceiveAll(client_, 9));
  }
  ExpectLabelled(1, 0);
}

TEST_F(LabelledConnectionTest, AWebSocket) {
  Turn(client_, server_, "GET /chat", "HTTP/1.1 101 Switching Protocols\r\n\r\n");
  ASSERT_TRUE(Send(client_, "a word") && ReceiveAll(server_, 6));
  Wait(150);
  Turn(client_, server_, "another", "an answer, perhaps");
  ExpectLabelled(1, 0);
}

TEST_F(LabelledConnectionTest, HeartbeatsWithoutAnAnswer) {
  Turn(client_, server_, "a request", "an answer");
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Send(client_, "x") && ReceiveAll(server_, 1));
    Wait(1050);
  }
  Turn(client_, server_, "a request", "an answer");
  ExpectLabelled(1, 1);
}

TEST_F(LabelledConnectionTest, ARequestBeforeTheAnswerToTheOneBefore) {
  ASSERT_TRUE(Send(client_, "a requesta request") && ReceiveAll(server_, 9));
  ASSERT_TRUE(Send(server_, "an answer") && ReceiveAll(client_, 9));
  Wait(150);
  ASSERT_TRUE(ReceiveAll(server_, 9) && Send(server_, "an answer") && ReceiveAll(client_, 9));
  ExpectLabelled(1, 0);
}

TEST_F(LabelledConnectionTest, PipelinedRedisWithArrays) {
  std::string reply = "*20\r\n";
  for (int i = 0; i < 20; ++i) {
    reply += "$3\r\nabc\r\n";
  }
  Turn(client_, server_, "LRANGE", reply);
  Turn(client_, server_, "LRANGELRANGE", reply + reply);
  Turn(client_, server_, "LRANGELRANGE", reply + reply);
  ExpectLabelled(1, 1);
}

TEST_F(ResponseTimesTest, ALongPollHasTheTimeThatItTook) {
  const Socket listener = Listen();
  const Socket client = Connect(LocalPort(listener));
  const Socket server = Accept(listener);
  ASSERT_TRUE(Send(client, "GET /news") && ReceiveAll(server, 9));
  Wait(1100);
  ASSERT_TRUE(Send(server, "HTTP/1.1 200 OK\r\n\r\n"));
  const ListenerSample sample = Poll(LocalPort(listener));
  ExpectEachOnce(sample, 1);
  EXPECT_GE(sample.times.service.sum_seconds(), 1.1);
}

}  // namespace
}  // namespace ppmm
