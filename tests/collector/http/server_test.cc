#include "collector/http/server.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/config.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
#include <sanitizer/allocator_interface.h>
#endif

namespace ppmm::http {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A client of bare sockets, so that it can be as rude as it likes.
class Client {
 public:
  Client() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  explicit Client(std::uint16_t port) : Client() { Connect(port); }
  explicit Client(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << std::strerror(errno);
  }
  ~Client() { close(fd_); }
  Client(Client&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Client& operator=(Client&&) = delete;

  void Connect(std::uint16_t port) const {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << std::strerror(errno);
  }

  bool Send(absl::string_view text) const {
    while (!text.empty()) {
      const ssize_t n = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n < 0) {
        return false;
      }
      text.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }

  // What comes next; empty at the end of the connection.
  std::string Receive() const {
    char buffer[16384];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
    return n <= 0 ? "" : std::string(buffer, static_cast<size_t>(n));
  }

  std::string ReceiveAll() {
    std::string all = std::exchange(ahead_, "");
    for (std::string piece = Receive(); !piece.empty(); piece = Receive()) {
      all += piece;
    }
    return all;
  }

  // One answer with a Content-Length.
  std::string ReceiveAnswer() {
    while (true) {
      const size_t head = ahead_.find("\r\n\r\n");
      if (head != std::string::npos) {
        const size_t at = ahead_.find("Content-Length: ");
        const size_t length = at < head ? std::strtoul(ahead_.c_str() + at + 16, nullptr, 10) : 0;
        if (ahead_.size() >= head + 4 + length) {
          std::string answer = ahead_.substr(0, head + 4 + length);
          ahead_.erase(0, answer.size());
          return answer;
        }
      }
      const std::string piece = Receive();
      if (piece.empty()) {
        return "connection closed; before: " + ahead_;
      }
      ahead_ += piece;
    }
  }

  int fd() const { return fd_; }

 private:
  int fd_;
  std::string ahead_;
};

std::string Get(absl::string_view path, absl::string_view more = "") {
  return absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: localhost\r\n", more, "\r\n");
}

class ServerTest : public testing::Test {
 protected:
  ~ServerTest() override {
    server_.reset();
    if (!folder_.empty()) {
      fs::remove_all(folder_);
    }
  }

  // Echoes method, target, body and user.
  static Response Echo(Request& request) {
    return TextResponse(200, absl::StrCat(MethodName(request.method), " ", request.target, " body=", request.body,
                                          " uid=", request.peer.uid ? absl::StrCat(*request.peer.uid) : "none",
                                          " from=", request.peer.address));
  }

  void Start(Handler handler = Echo) {
    server_ = std::make_unique<Server>(options_, std::move(handler));
    ASSERT_TRUE(server_->ListenTcp("127.0.0.1:0", "--http-listen").ok());
    server_->Start();
  }

  void StartOnSocket() {
    std::string pattern = (fs::temp_directory_path() / "ppmm_http_XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    path_ = folder_ / "collector.sock";
    server_ = std::make_unique<Server>(options_, Echo);
    ASSERT_TRUE(server_->ListenUnix(path_).ok());
    server_->Start();
  }

  // Sends and reads to the end of the connection.
  std::string Ask(absl::string_view request) const {
    Client client(server_->port());
    client.Send(request);
    return client.ReceiveAll();
  }

  ServerOptions options_;
  std::unique_ptr<Server> server_;
  fs::path folder_;
  std::string path_;
};

// ---- the conversation

TEST_F(ServerTest, AnswersAndKeepsTheConnection) {
  Start();
  Client client(server_->port());
  for (const char* path : {"/a", "/b"}) {
    client.Send(Get(path));
    EXPECT_THAT(client.ReceiveAnswer(), AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr(absl::StrCat("GET ", path)),
                                              HasSubstr("from=127.0.0.1"), Not(HasSubstr("Connection: close"))));
  }
  EXPECT_EQ(server_->stats().requests, 2u);
  EXPECT_EQ(server_->stats().accepted, 1u);
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Start();
  Client client(server_->port());
  client.Send(Get("/1") + Get("/2") + "POST /3 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc" +
              Get("/4", "Connection: close\r\n"));
  EXPECT_THAT(client.ReceiveAnswer(), HasSubstr("GET /1 "));
  EXPECT_THAT(client.ReceiveAnswer(), HasSubstr("GET /2 "));
  EXPECT_THAT(client.ReceiveAnswer(), HasSubstr("POST /3 body=abc"));
  EXPECT_THAT(client.ReceiveAll(), AllOf(HasSubstr("GET /4 "), HasSubstr("Connection: close")));
}

TEST_F(ServerTest, ARequestMayComeByteByByte) {
  Start();
  Client client(server_->port());
  const std::string request = "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc";
  for (const char c : request) {
    client.Send(absl::string_view(&c, 1));
  }
  EXPECT_THAT(client.ReceiveAnswer(), HasSubstr("POST /x body=abc"));
}

TEST_F(ServerTest, HeadHasTheHeaderOfGetAndNoBody) {
  Start();
  const std::string answer = Ask("HEAD /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, AllOf(HasSubstr("Content-Length: "), Not(HasSubstr("Content-Length: 0")), EndsWith("\r\n\r\n")));
}

TEST_F(ServerTest, AnOldClientGetsAnAnswerAndTheEnd) {
  Start();
  EXPECT_THAT(Ask("GET /a HTTP/1.0\r\n\r\n"), AllOf(HasSubstr("GET /a"), HasSubstr("Connection: close")));
}

TEST_F(ServerTest, WaitingForContinueIsAnswered) {
  Start();
  Client client(server_->port());
  client.Send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(client.ReceiveAnswer(), StartsWith("HTTP/1.1 100 Continue\r\n\r\n"));
  client.Send("ok");
  EXPECT_THAT(client.ReceiveAnswer(), HasSubstr("body=ok"));
}

TEST_F(ServerTest, EveryAnswerCarriesSecurityHeadersAndAHandlerMayReplaceThem) {
  Start([](Request& request) {
    Response response = TextResponse(200, "x");
    if (request.target == "/own") {
      response.headers = {{"cache-control", "max-age=60"}, {"X-Forged", "a\r\nSet-Cookie: b"}};
    }
    return response;
  });
  EXPECT_THAT(Ask(Get("/", "Connection: close\r\n")),
              AllOf(HasSubstr("Content-Security-Policy: default-src 'none'"), HasSubstr("frame-ancestors 'none'"),
                    HasSubstr("X-Content-Type-Options: nosniff"), HasSubstr("Referrer-Policy: no-referrer"),
                    HasSubstr("Cache-Control: no-store")));
  EXPECT_THAT(Ask(Get("/own", "Connection: close\r\n")),
              AllOf(HasSubstr("cache-control: max-age=60"), Not(HasSubstr("no-store")), Not(HasSubstr("Set-Cookie"))));
  EXPECT_THAT(Ask("nonsense\r\n\r\n"), HasSubstr("Content-Security-Policy"));
}

TEST_F(ServerTest, AHandlerThatThrowsIsAnInternalErrorAndNoMore) {
  Start([](Request&) -> Response { throw std::runtime_error("library"); });
  EXPECT_THAT(Ask(Get("/", "Connection: close\r\n")), AllOf(StartsWith("HTTP/1.1 500"), Not(HasSubstr("library"))));
  EXPECT_EQ(server_->stats().server_errors, 1u);
}

// ---- limits

TEST_F(ServerTest, AHeaderThatIsTooLargeIs431) {
  Start();
  EXPECT_THAT(Ask(Get("/", absl::StrCat("X: ", std::string(20000, 'a'), "\r\n"))), StartsWith("HTTP/1.1 431"));
}

TEST_F(ServerTest, AHeaderWithoutEndIs431) {
  Start();
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(40000, 'a')), StartsWith("HTTP/1.1 431"));
}

TEST_F(ServerTest, ABodyThatIsTooLargeIs413EvenWhileItIsSent) {
  Start();
  const std::string head = "POST / HTTP/1.1\r\nHost: localhost\r\n";
  EXPECT_THAT(Ask(head + "Content-Length: 2000000\r\n\r\n"), StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(Ask(head + "Content-Length: 2000000\r\n\r\n" + std::string(2000000, 'a')), StartsWith("HTTP/1.1 413"));
}

TEST_F(ServerTest, ABodyOfOneMebibytePasses) {
  Start([](Request& request) { return TextResponse(200, absl::StrCat("size=", request.body.size())); });
  Client client(server_->port());
  client.Send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n" + std::string(1048576, 'a'));
  EXPECT_THAT(client.ReceiveAnswer(), HasSubstr("size=1048576"));
}

TEST_F(ServerTest, WhatIsMalformedOrAmbiguousIs400) {
  Start();
  for (const char* request : {
           "nonsense\r\n\r\n",
           "GET / HTTP/3.0\r\nHost: localhost\r\n\r\n",
           "GET / HTTP/1.1\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
           "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
           "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
       }) {
    EXPECT_THAT(Ask(request), StartsWith("HTTP/1.1 400")) << request;
  }
}

TEST_F(ServerTest, AChunkedBodyIs411WhateverIsInIt) {
  Start();
  const std::string head = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& body :
       {std::string("3\r\nabc\r\n0\r\n\r\n"), std::string("zz\r\n"), std::string("0\r\nhello\r\n0/\0\0\0\r\n\r\n", 18),
        "1;" + std::string(60000, 'x'), "200000\r\n" + std::string(2000000, 'a')}) {
    EXPECT_THAT(Ask(head + body), StartsWith("HTTP/1.1 411")) << body.substr(0, 20);
  }
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerTest, ASlowHeaderIsCut) {
  options_.session.header = absl::Milliseconds(50);
  Start();
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\nHost: loc"), StartsWith("HTTP/1.1 408"));
  EXPECT_EQ(server_->stats().cut_slow_request, 1u);
}

TEST_F(ServerTest, TricklingBytesDoNotExtendTheDeadline) {
  options_.session.header = absl::Milliseconds(50);
  Start();
  Client client(server_->port());
  client.Send("GET / HTTP/1.1\r\nX: ");
  std::thread trickle([&client] {
    while (client.Send("a")) {
      std::this_thread::yield();
    }
  });
  client.ReceiveAll();
  shutdown(client.fd(), SHUT_RDWR);
  trickle.join();
  EXPECT_GE(server_->stats().cut_slow_request + server_->stats().client_errors, 1u);
}

TEST_F(ServerTest, ASlowBodyIsCut) {
  options_.session.body = absl::Milliseconds(50);
  Start();
  EXPECT_THAT(Ask("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc"), StartsWith("HTTP/1.1 408"));
  EXPECT_EQ(server_->stats().cut_slow_request, 1u);
}

TEST_F(ServerTest, AnIdleConnectionIsClosed) {
  options_.session.idle = absl::Milliseconds(50);
  Start();
  Client client(server_->port());
  client.Send(Get("/"));
  EXPECT_THAT(client.ReceiveAnswer(), HasSubstr("200 OK"));
  EXPECT_EQ(client.ReceiveAll(), "");
  EXPECT_EQ(server_->stats().closed_idle, 1u);
}

TEST_F(ServerTest, AClientThatDoesNotReadIsCut) {
  options_.session.write = absl::Milliseconds(50);
  std::latch gone(1);
  struct AtEnd {
    explicit AtEnd(std::latch* latch) : gone(latch) {}
    ~AtEnd() { gone->count_down(); }
    std::latch* gone;
  };
  Start([&gone](Request&) {
    return StreamResponse("text/plain", [held = std::make_shared<AtEnd>(&gone)](std::string* piece) {
      piece->append(kPieceBytes, 'x');
      return true;
    });
  });
  Client client(server_->port());
  client.Send(Get("/"));
  gone.wait();
  EXPECT_EQ(server_->stats().cut_slow_reader, 1u);
}

TEST_F(ServerTest, ConnectionsBeyondTheTotalAreRefusedAndCounted) {
  options_.max_connections = 2;
  Start();
  Client first(server_->port());
  Client second(server_->port());
  first.Send(Get("/"));
  first.ReceiveAnswer();
  second.Send(Get("/"));
  second.ReceiveAnswer();
  EXPECT_THAT(Client(server_->port()).ReceiveAll(), StartsWith("HTTP/1.1 503"));
  EXPECT_EQ(server_->stats().refused_total, 1u);
  EXPECT_EQ(server_->stats().open, 2u);
}

TEST_F(ServerTest, ConnectionsBeyondAnAddressShareAreRefusedAndCounted) {
  options_.max_connections_per_address = 1;
  Start();
  Client first(server_->port());
  first.Send(Get("/"));
  first.ReceiveAnswer();
  EXPECT_THAT(Client(server_->port()).ReceiveAll(), StartsWith("HTTP/1.1 503"));
  EXPECT_EQ(server_->stats().refused_per_address, 1u);
}

TEST_F(ServerTest, WithoutDescriptorsItWaitsAndGoesOn) {
  Start();
  Client client;  // its descriptor is taken before there are none
  rlimit before = {};
  getrlimit(RLIMIT_NOFILE, &before);
  const int highest = dup(0);
  rlimit low = before;
  low.rlim_cur = static_cast<rlim_t>(highest) + 1;
  std::vector<int> fill;
  close(highest);
  setrlimit(RLIMIT_NOFILE, &low);
  for (int fd = dup(0); fd >= 0; fd = dup(0)) {
    fill.push_back(fd);
  }
  client.Connect(server_->port());
  client.Send(Get("/"));
  while (server_->stats().accept_errors < 2) {
    std::this_thread::yield();
  }
  for (const int fd : fill) {
    close(fd);
  }
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_THAT(client.ReceiveAnswer(), HasSubstr("200 OK"));
  // A loop at full speed would have made thousands in the meantime.
  EXPECT_LT(server_->stats().accept_errors, 100u);
}

// ---- streams

// Bytes of the heap in use. Not the resident size: an allocator keeps what was freed, a sanitizer up to 256 MB of it.
size_t HeapBytes() {
#ifdef ABSL_HAVE_ADDRESS_SANITIZER
  return __sanitizer_get_current_allocated_bytes();
#else
  const struct mallinfo2 heap = mallinfo2();
  return heap.uordblks + heap.hblkhd;
#endif
}

TEST_F(ServerTest, StreamsFiftyMegabytesInBoundedMemory) {
  constexpr size_t kTotal = 50'000'000;
  Start([](Request&) {
    return StreamResponse("text/plain", [left = kTotal](std::string* piece) mutable {
      const size_t size = std::min(left, kPieceBytes);
      piece->append(size, 'x');
      left -= size;
      return left > 0;
    });
  });
  Client client(server_->port());
  const size_t before = HeapBytes();
  client.Send(Get("/", "Connection: close\r\n"));
  size_t body = 0;
  size_t most = 0;
  std::string last;
  for (std::string piece = client.Receive(); !piece.empty(); piece = client.Receive()) {
    body += static_cast<size_t>(std::count(piece.begin(), piece.end(), 'x'));
    last = (last + piece).substr(last.size() + piece.size() > 64 ? last.size() + piece.size() - 64 : 0);
    most = std::max(most, HeapBytes());
  }
  EXPECT_GE(body, kTotal);  // the header has an x or two
  EXPECT_LE(body, kTotal + 10);
  EXPECT_THAT(last, EndsWith("\r\n0\r\n\r\n"));
  EXPECT_LT(most, before + (1 << 20));
  EXPECT_GT(server_->stats().sent_bytes, kTotal);
}

TEST_F(ServerTest, AStreamWaitsForItsReader) {
  std::atomic<int> pieces{0};
  std::latch full(1);
  Start([&](Request&) {
    return StreamResponse("text/plain", [&](std::string* piece) {
      if (++pieces == 4) {
        full.count_down();
      }
      piece->append(kPieceBytes, 'x');
      return pieces < 10'000;  // 640 MB, far beyond what socket buffers take
    });
  });
  Client client(server_->port());
  client.Send(Get("/"));
  full.wait();
  server_->Stop(absl::ZeroDuration());
  EXPECT_LT(pieces, 10'000);
}

TEST_F(ServerTest, AStreamThatFailsCutsTheConnectionWithoutAnEnd) {
  Start([](Request&) {
    return StreamResponse("text/plain", [first = true](std::string* piece) mutable -> absl::StatusOr<bool> {
      if (!std::exchange(first, false)) {
        return absl::UnavailableError("store went away");
      }
      piece->append("half");
      return true;
    });
  });
  const std::string answer = Ask(Get("/"));
  EXPECT_THAT(answer, AllOf(HasSubstr("00000004\r\nhalf\r\n"), Not(HasSubstr("0\r\n\r\n"))));
  EXPECT_EQ(server_->stats().server_errors, 1u);
}

TEST_F(ServerTest, HeadOfAStreamDoesNotRunIt) {
  std::atomic<int> pieces{0};
  Start([&](Request&) {
    return StreamResponse("text/plain", [&](std::string*) {
      ++pieces;
      return false;
    });
  });
  EXPECT_THAT(Ask("HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), EndsWith("\r\n\r\n"));
  EXPECT_EQ(pieces, 0);
}

TEST_F(ServerTest, AStreamForAnOldClientEndsWithTheConnection) {
  Start([](Request&) {
    return StreamResponse("text/plain", [](std::string* piece) {
      piece->append("whole");
      return false;
    });
  });
  EXPECT_THAT(Ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
              AllOf(EndsWith("\r\n\r\nwhole"), Not(HasSubstr("chunked"))));
}

// ---- the Unix socket

TEST_F(ServerTest, TheUnixSocketTellsWhoAsks) {
  StartOnSocket();
  Client client(path_);
  client.Send("POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_THAT(client.ReceiveAnswer(), HasSubstr(absl::StrCat("POST /write body=hi uid=", getuid())));
}

TEST_F(ServerTest, TheUnixSocketIsRemovedAtTheEnd) {
  StartOnSocket();
  EXPECT_TRUE(fs::exists(path_));
  server_->Stop(absl::Seconds(1));
  EXPECT_FALSE(fs::exists(path_));
}

// ---- the end

TEST_F(ServerTest, StopClosesIdleConnectionsAtOnce) {
  Start();
  Client fresh(server_->port());
  Client used(server_->port());
  used.Send(Get("/"));
  used.ReceiveAnswer();
  fresh.Send(Get("/"));
  fresh.ReceiveAnswer();
  EXPECT_EQ(server_->Stop(absl::Hours(1)), 0);
  EXPECT_EQ(used.ReceiveAll(), "");
  EXPECT_EQ(fresh.ReceiveAll(), "");
}

TEST_F(ServerTest, StopLetsARunningTransferFinish) {
  std::latch begun(1);
  std::latch go_on(1);
  Start([&](Request&) {
    return StreamResponse("text/plain", [&, n = 0](std::string* piece) mutable {
      if (++n == 2) {
        begun.count_down();
        go_on.wait();
      }
      piece->append(kPieceBytes, 'x');
      return n < 20;
    });
  });
  Client client(server_->port());
  client.Send(Get("/"));
  begun.wait();
  int cut = -1;
  std::thread stop([&] { cut = server_->Stop(absl::Hours(1)); });
  go_on.count_down();
  EXPECT_THAT(client.ReceiveAll(), EndsWith("\r\n0\r\n\r\n"));
  shutdown(client.fd(), SHUT_RDWR);
  stop.join();
  EXPECT_EQ(cut, 0);
}

TEST_F(ServerTest, StopCutsWhatDoesNotFinish) {
  std::latch begun(1);
  Start([&](Request&) {
    return StreamResponse("text/plain", [&, first = true](std::string* piece) mutable {
      if (std::exchange(first, false)) {
        begun.count_down();
      }
      piece->append(kPieceBytes, 'x');
      return true;
    });
  });
  Client client(server_->port());
  client.Send(Get("/"));
  begun.wait();
  EXPECT_EQ(server_->Stop(absl::Milliseconds(20)), 1);
  EXPECT_EQ(server_->Stop(absl::ZeroDuration()), 0);
}

TEST_F(ServerTest, AServerThatNeverStartedStops) {
  Server server(options_, Echo);
  ASSERT_TRUE(server.ListenTcp("127.0.0.1:0", "--http-listen").ok());
}

TEST_F(ServerTest, ATakenPortIsAnError) {
  Start();
  Server second(options_, Echo);
  const absl::Status status = second.ListenTcp(absl::StrCat("127.0.0.1:", server_->port()), "--http-listen");
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(ServerTest, ManyClientsAtATimeAreAllAnswered) {
  Start();
  std::vector<std::thread> clients;
  std::atomic<int> answered{0};
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      Client client(server_->port());
      for (int n = 0; n < 50; ++n) {
        client.Send(Get("/"));
        answered += absl::StrContains(client.ReceiveAnswer(), "200 OK") ? 1 : 0;
      }
    });
  }
  for (std::thread& client : clients) {
    client.join();
  }
  EXPECT_EQ(answered, 400);
}

}  // namespace
}  // namespace ppmm::http
