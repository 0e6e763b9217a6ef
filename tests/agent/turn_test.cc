#include "agent/bpf/turn.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

// What the kernel side does with the bytes of an array.
std::uint32_t RedisEnd(absl::string_view bytes) {
  if (bytes.empty() || (bytes[0] != '*' && bytes[0] != '%')) {
    return 0;
  }
  ppmm_redis_walk walk = {.offset = 0, .left = 1};
  for (int step = 0; step < PPMM_REDIS_STEPS && walk.offset < bytes.size(); ++step) {
    ppmm_first head = {};
    std::memcpy(head.bytes, bytes.data() + walk.offset,
                std::min<std::size_t>(bytes.size() - walk.offset, PPMM_REDIS_HEAD));
    if (ppmm_redis_step(&walk, &head) == 0) {
      break;
    }
  }
  return walk.left == 0 ? walk.offset : 0;
}

// What it does with the hello of a TLS server.
std::uint32_t TlsOfHello(absl::string_view bytes) {
  constexpr std::size_t kBeforeSession = 43;
  if (bytes.size() <= kBeforeSession || bytes[0] != 0x16 || bytes[5] != 2) {
    return PPMM_TLS_UNKNOWN;
  }
  const auto number = [&bytes](std::size_t at) {
    return at < bytes.size() ? static_cast<std::size_t>(static_cast<unsigned char>(bytes[at])) : 0;
  };
  const auto copy = [&bytes](std::size_t at, std::size_t most) {
    std::string out(bytes.substr(std::min(at, bytes.size()), most));
    out.resize(most);
    return out;
  };
  const auto read = [](const std::string& text) { return reinterpret_cast<const __u8*>(text.data()); };
  const std::size_t end = 5 + 256 * number(3) + number(4);
  if (const __u32 tls = ppmm_tls_behind_hello(read(copy(end, 11))); tls != PPMM_TLS_UNKNOWN) {
    return tls;
  }
  for (std::size_t at = kBeforeSession + 1 + number(kBeforeSession) + 5; at < end && at < bytes.size();
       at += 4 + 256 * number(at + 2) + number(at + 3)) {
    if (ppmm_tls_extension_is_http2(read(copy(at, 9))) != 0) {
      return PPMM_TLS_HTTP2;
    }
  }
  return PPMM_TLS_UNKNOWN;
}

// A connection as the kernel's hooks tell of it. Time is in microseconds from 1, since 0 is no time.
class Connection {
 public:
  // `bytes` come; the application has not read them yet.
  ppmm_turn_event Arrive(std::uint64_t us, int bytes) {
    received_ += static_cast<std::uint32_t>(bytes);
    ppmm_turn_event event = {};
    ppmm_turn_arrival(&turn_, us * 1000, Unread(), read_, &event);
    return event;
  }
  void Read(std::uint64_t us, int bytes) {
    read_ += static_cast<std::uint32_t>(bytes);
    ppmm_turn_read(&turn_, us * 1000, read_);
  }
  // As a splice: bytes go, and no hook tells of it.
  void ReadUnseen(int bytes) { read_ += static_cast<std::uint32_t>(bytes); }
  // `size`: of the whole write, if it is more than the bytes that are given. `drained`: the client has acknowledged all
  // that was written before.
  ppmm_turn_event Write(std::uint64_t us, absl::string_view bytes = "", std::size_t size = 0, bool drained = true) {
    ppmm_first first = {};
    first.length = static_cast<std::uint32_t>(std::min<std::size_t>(bytes.size(), PPMM_FIRST_BYTES));
    first.size = static_cast<std::uint32_t>(std::max(size, bytes.size()));
    first.drained = drained ? 1 : 0;
    first.redis_end = RedisEnd(bytes);
    first.tls = TlsOfHello(bytes);
    std::memcpy(first.bytes, bytes.data(), first.length);
    if (turn_.protocol == PPMM_PROTOCOL_POSTGRES && bytes.size() >= PPMM_LAST_BYTES && size == 0) {
      std::memcpy(first.last, bytes.data() + bytes.size() - PPMM_LAST_BYTES, PPMM_LAST_BYTES);
    }
    ppmm_turn_event event = {};
    ppmm_turn_write(&turn_, us * 1000, Unread(), read_, &first, &event);
    return event;
  }
  // A request of so many bytes that is read at once.
  void Ask(std::uint64_t us, int bytes) {
    Arrive(us, bytes);
    Read(us + 1, bytes);
  }
  ppmm_turn_event Close() {
    ppmm_turn_event event = {};
    ppmm_turn_close(&turn_, received_, &event);
    return event;
  }

 private:
  int Unread() const { return static_cast<int>(received_ - read_); }

  ppmm_turn turn_ = {};
  // Near the end of the sequence numbers, so that each test passes over it.
  std::uint32_t received_ = 0xffff'ffe0;
  std::uint32_t read_ = 0xffff'ffe0;
};

std::optional<std::uint64_t> Us(const ppmm_turn_event& event, ppmm_turn_kind kind) {
  return event.has[kind] != 0 ? std::optional(event.ns[kind] / 1000) : std::nullopt;
}

TEST(TurnTest, TheClockStartsWhenTheRequestArrivesNotWhenItIsRead) {
  Connection connection;
  EXPECT_EQ(connection.Arrive(10, 100).begun, 1);
  connection.Read(300, 100);
  const ppmm_turn_event answer = connection.Write(340);
  EXPECT_EQ(answer.answered, 1);
  EXPECT_EQ(Us(answer, PPMM_TURN_TOTAL), 330u);
  EXPECT_EQ(Us(answer, PPMM_TURN_WAIT), 290u);
  EXPECT_EQ(Us(answer, PPMM_TURN_SERVICE), 40u);
  EXPECT_EQ(Us(answer, PPMM_TURN_FULL), std::nullopt);
}

TEST(TurnTest, FurtherWritesBelongToTheAnswerAndItsLastByteIsToldByTheNextRequest) {
  Connection connection;
  connection.Arrive(10, 100);
  connection.Read(20, 100);
  connection.Write(30);
  EXPECT_EQ(connection.Write(50).answered, 0);
  EXPECT_EQ(connection.Write(90).answered, 0);
  const ppmm_turn_event next = connection.Arrive(200, 100);
  EXPECT_EQ(next.begun, 1);
  EXPECT_EQ(Us(next, PPMM_TURN_FULL), 80u);
  connection.Read(210, 100);
  EXPECT_EQ(Us(connection.Write(220), PPMM_TURN_TOTAL), 20u);
  EXPECT_EQ(Us(connection.Close(), PPMM_TURN_FULL), 20u);
}

TEST(TurnTest, ARequestInManyPiecesAndReadsIsOneTurn) {
  Connection connection;
  EXPECT_EQ(connection.Arrive(10, 30).begun, 1);
  connection.Read(15, 30);
  EXPECT_EQ(connection.Arrive(20, 30).begun, 0);
  connection.Read(25, 30);
  EXPECT_EQ(connection.Arrive(30, 40).begun, 0);
  connection.Read(35, 40);
  const ppmm_turn_event answer = connection.Write(40);
  EXPECT_EQ(answer.answered, 1);
  EXPECT_EQ(Us(answer, PPMM_TURN_TOTAL), 30u);
  EXPECT_EQ(Us(answer, PPMM_TURN_WAIT), 5u);
}

TEST(TurnTest, AWriteBeforeTheRequestIsReadAnswersNothing) {
  Connection connection;
  EXPECT_EQ(connection.Write(5).answered, 0) << "a greeting";
  connection.Arrive(10, 100);
  EXPECT_EQ(connection.Write(12).answered, 0) << "the rest of a greeting";
  connection.Read(20, 100);
  EXPECT_EQ(Us(connection.Write(30), PPMM_TURN_TOTAL), 20u);
}

TEST(TurnTest, AnAnswerThatIsStillWrittenIsNotTheNextOne) {
  Connection connection;
  connection.Arrive(10, 100);
  connection.Read(20, 100);
  connection.Write(30);
  connection.Arrive(40, 100);
  EXPECT_EQ(connection.Write(50).answered, 0) << "the application has not read the second request";
  connection.Read(60, 100);
  EXPECT_EQ(Us(connection.Write(70), PPMM_TURN_TOTAL), 30u);
}

TEST(TurnTest, ARequestThatLiesUnreadWhenTheOneBeforeIsAnsweredLabelsTheConnection) {
  Connection connection;
  connection.Arrive(10, 200);
  connection.Read(20, 100);
  const ppmm_turn_event first = connection.Write(30);
  EXPECT_EQ(first.answered, 1) << "its time is true";
  EXPECT_EQ(first.begun, 0);
  EXPECT_EQ(first.labelled, PPMM_LABEL_PIPELINED);
  connection.Read(40, 100);
  EXPECT_EQ(connection.Write(50).answered, 0) << "when the second one came is not known";
}

TEST(TurnTest, AHeartbeatBeforeARequestLabelsTheConnection) {
  Connection connection;
  connection.Ask(10, 100);
  EXPECT_EQ(connection.Write(20, "an unknown protocol").answered, 1);
  connection.Ask(100, 1);
  connection.Ask(30'000'100, 1);
  connection.Ask(60'000'100, 100);
  const ppmm_turn_event answer = connection.Write(60'000'200, "an unknown protocol");
  EXPECT_EQ(answer.answered, 0);
  EXPECT_EQ(answer.set_aside, 1);
  EXPECT_EQ(answer.labelled, PPMM_LABEL_STREAMS);
}

TEST(TurnTest, ASlowUploadCountsFromItsFirstByte) {
  Connection connection;
  connection.Ask(1, 100);
  for (std::uint64_t second = 2; second < 6; ++second) {
    connection.Ask(second * 1'000'000, 1000);
  }
  EXPECT_EQ(Us(connection.Write(6'000'001, "HTTP/1.1 201 Created\r\n"), PPMM_TURN_TOTAL), 6'000'000u);
}

TEST(TurnTest, AnAnswerInWhichTheServerFallsSilentIsAStreamOfEvents) {
  Connection connection;
  connection.Ask(10, 100);
  EXPECT_EQ(Us(connection.Write(20, "HTTP/1.1 200 OK\r\n"), PPMM_TURN_TOTAL), 10u);
  EXPECT_EQ(connection.Write(200'000, "data: 1\n\n").labelled, PPMM_LABEL_NONE);
  EXPECT_EQ(connection.Write(400'000, "data: 2\n\n").labelled, PPMM_LABEL_NONE);
  EXPECT_EQ(connection.Write(600'000, "data: 3\n\n").labelled, PPMM_LABEL_STREAMS);
  EXPECT_EQ(Us(connection.Close(), PPMM_TURN_FULL), std::nullopt);

  Connection slow_client;  // the server waits for it
  slow_client.Ask(10, 100);
  slow_client.Write(20, "HTTP/1.1 200 OK\r\n");
  for (std::uint64_t i = 1; i <= 10; ++i) {
    EXPECT_EQ(slow_client.Write(i * 2'000'000, "more", 0, false).labelled, PPMM_LABEL_NONE);
  }
  EXPECT_EQ(Us(slow_client.Close(), PPMM_TURN_FULL), 20'000'000u - 10u);

  Connection silent;  // a long silence of the server leaves it open where its answer ended
  silent.Ask(10, 100);
  silent.Write(20, "HTTP/1.1 200 OK\r\n");
  EXPECT_EQ(silent.Write(5'000'000, "data: 1\n\n").labelled, PPMM_LABEL_NONE);
  EXPECT_EQ(Us(silent.Arrive(6'000'000, 100), PPMM_TURN_FULL), std::nullopt);
}

TEST(TurnTest, AReadThatNoHookSawLeavesWaitAndServiceOut) {
  Connection connection;
  connection.Arrive(10, 100);
  connection.ReadUnseen(100);
  const ppmm_turn_event answer = connection.Write(50);
  EXPECT_EQ(Us(answer, PPMM_TURN_TOTAL), 40u);
  EXPECT_EQ(Us(answer, PPMM_TURN_WAIT), std::nullopt);
  EXPECT_EQ(Us(answer, PPMM_TURN_SERVICE), std::nullopt);
}

TEST(TurnTest, APeekIsNoRead) {
  Connection connection;
  connection.Arrive(10, 100);
  connection.Read(15, 0);
  connection.Read(40, 100);
  EXPECT_EQ(Us(connection.Write(50), PPMM_TURN_WAIT), 30u);
}

TEST(TurnTest, TheEndOfTheStreamIsNoRequest) {
  Connection connection;
  EXPECT_EQ(connection.Arrive(10, 0).begun, 0);
  EXPECT_EQ(connection.Write(20).answered, 0);
  EXPECT_EQ(connection.Close().unanswered, 0);
}

TEST(TurnTest, AConnectionThatEndsWhileAnAnswerIsOwedIsUnanswered) {
  Connection connection;
  connection.Arrive(10, 100);
  connection.Read(20, 100);
  const ppmm_turn_event end = connection.Close();
  EXPECT_EQ(end.unanswered, 1);
  EXPECT_EQ(Us(end, PPMM_TURN_FULL), std::nullopt);
}

// ---- connections as strace saw them (tests/tools/record_turns.py)

struct Seen {
  int begun = 0, answered = 0, set_aside = 0, unanswered = 0, labelled = 0;
  std::uint64_t total_us = 0;

  void Add(const ppmm_turn_event& event) {
    begun += event.begun;
    answered += event.answered;
    set_aside += event.set_aside;
    unanswered += event.unanswered;
    labelled += event.labelled != PPMM_LABEL_NONE ? 1 : 0;
    total_us += Us(event, PPMM_TURN_TOTAL).value_or(0);
  }
};

Seen Replay(const std::string& name) {
  std::ifstream file(std::string(PPMM_TESTDATA) + "/turns/" + name);
  EXPECT_TRUE(file.is_open()) << name;
  Connection connection;
  Seen seen;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string kind, digits;
    std::uint64_t us = 0;
    int bytes = 0;
    words >> kind >> us >> bytes >> digits;
    ++us;
    if (kind == "arrive") {
      seen.Add(connection.Arrive(us, bytes));
    } else if (kind == "read") {
      connection.Read(us, bytes);
    } else if (kind == "write") {
      const std::string data = absl::HexStringToBytes(digits);
      const std::size_t size = static_cast<std::size_t>(bytes);
      seen.Add(connection.Write(us, data, data.size() == size ? 0 : size));
    } else {
      ADD_FAILURE() << line;
    }
  }
  seen.Add(connection.Close());
  EXPECT_EQ(seen.begun, seen.answered + seen.set_aside + seen.unanswered) << name;
  return seen;
}

// nginx, two requests; all but one of the clients end with the notice that they close, which nginx leaves unanswered.
TEST(TurnTest, RecordedConnectionsOfTlsHaveTheirTwoRequests) {
  for (const auto& [name, set_aside, total_us] : {std::tuple("nginx_tls_1.2", 3, 441u),
                                                  {"nginx_tls_1.3", 3, 972u},
                                                  {"nginx_tls_1.3_retry", 4, 833u},
                                                  {"nginx_tls_1.3_at_once", 1, 54'749u + 51'641u}}) {
    const Seen seen = Replay(name);
    EXPECT_EQ(seen.answered, 2) << name;
    EXPECT_EQ(seen.set_aside, set_aside) << name << ": the handshake and the notice";
    EXPECT_EQ(seen.unanswered, 0) << name;
    EXPECT_EQ(seen.labelled, 0) << name;
    EXPECT_EQ(seen.total_us, total_us) << name;
  }
}

TEST(TurnTest, RecordedConnectionsOfHttp2InsideTlsAreLabelled) {
  for (const std::string name : {"nginx_http2_tls_1.2", "nginx_http2_tls_1.3"}) {
    const Seen seen = Replay(name);
    EXPECT_EQ(seen.answered, 0) << name;
    EXPECT_EQ(seen.set_aside, 1) << name << ": the hello";
    EXPECT_EQ(seen.labelled, 1) << name;
  }
}

// ---- what the first bytes say

std::string Record(char type, std::size_t payload) {
  return std::string({type, 3, 3, static_cast<char>(payload >> 8U), static_cast<char>(payload & 0xffU)}) +
         std::string(payload, 'x');
}

TEST(TurnTest, AnInterimResponseAnswersNothing) {
  Connection connection;
  connection.Ask(10, 100);
  EXPECT_EQ(connection.Write(20, "HTTP/1.1 100 Continue\r\n\r\n").answered, 0);
  connection.Arrive(30, 1000);
  connection.Read(40, 1000);
  EXPECT_EQ(Us(connection.Write(50, "HTTP/1.1 200 OK\r\n"), PPMM_TURN_TOTAL), 40u);
}

TEST(TurnTest, TheStatusOfAResponseTellsErrors) {
  Connection connection;
  connection.Ask(10, 100);
  EXPECT_EQ(connection.Write(20, "HTTP/1.1 200 OK\r\n").error, 0);
  connection.Ask(30, 100);
  EXPECT_EQ(connection.Write(40, "HTTP/1.1 404 Not Found\r\n").error, 1);
  connection.Ask(50, 100);
  EXPECT_EQ(connection.Write(60, "HTTP/1.0 503 Busy\r\n").error, 1);
  Connection redis;
  redis.Ask(10, 30);
  EXPECT_EQ(redis.Write(20, "-ERR unknown command\r\n").error, 1);
  redis.Ask(30, 30);
  EXPECT_EQ(redis.Write(40, "$3\r\nabc\r\n").error, 0);
  for (const auto& [reply, error] :
       {std::pair("ERROR\r\n", 1), std::pair("CLIENT_ERROR bad command line format\r\n", 1),
        std::pair("SERVER_ERROR out of memory storing object\r\n", 1), std::pair("STORED\r\n", 0),
        std::pair("NOT_FOUND\r\n", 0), std::pair("END\r\n", 0), std::pair("VALUE key 0 3\r\nabc\r\nEND\r\n", 0)}) {
    Connection memcached;
    memcached.Ask(10, 30);
    const ppmm_turn_event event = memcached.Write(20, reply);
    EXPECT_EQ(event.protocol, PPMM_PROTOCOL_MEMCACHED) << reply;
    EXPECT_EQ(event.error, error) << reply;
    EXPECT_EQ(event.labelled, PPMM_LABEL_NONE) << reply;
  }
  for (const auto& [output, error] :
       {std::pair("Content-type: text/html\r\n\r\nok", 0), std::pair("Status: 404 Not Found\r\n", 1),
        std::pair("Status: 500 Internal\r\n", 1), std::pair("Status: 302 Found\r\n", 0)}) {
    Connection fastcgi;
    fastcgi.Ask(10, 600);
    const ppmm_turn_event event =
        fastcgi.Write(20, std::string({1, 6, 0, 1, 0, static_cast<char>(std::strlen(output)), 0, 0}) + output);
    EXPECT_EQ(event.protocol, PPMM_PROTOCOL_FASTCGI) << output;
    EXPECT_EQ(event.error, error) << output;
  }
}

TEST(TurnTest, TheEndOfARequestOfFastCgiMayStayUnread) {
  Connection connection;
  for (const std::uint64_t us : {10U, 110U, 210U}) {
    EXPECT_EQ(connection.Arrive(us, 600).begun, 1);
    connection.Read(us + 5, 592);
    const ppmm_turn_event answer =
        connection.Write(us + 30, std::string({1, 6, 0, 1, 0, 30, 0, 0}) + std::string(38, ' '));
    EXPECT_EQ(Us(answer, PPMM_TURN_TOTAL), 30u);
    EXPECT_EQ(answer.begun, 0);
    EXPECT_EQ(answer.labelled, PPMM_LABEL_NONE);
    connection.Read(us + 40, 8);
  }
}

// A message of PostgreSQL.
std::string Message(char type, absl::string_view content) {
  const std::size_t length = content.size() + 4;
  return std::string({type, 0, 0, static_cast<char>(length >> 8U), static_cast<char>(length & 0xffU)}) +
         std::string(content);
}

const std::string kReady = Message('Z', "I");

TEST(TurnTest, ResponsesOfPostgresAreKnownFromTheSignOnAndTellErrors) {
  Connection connection;
  connection.Ask(10, 8);
  EXPECT_EQ(connection.Write(20, "N").set_aside, 1) << "no TLS";
  connection.Ask(30, 80);
  EXPECT_EQ(connection.Write(40, Message('R', absl::string_view("\0\0\0\x0aSCRAM-SHA-256\0\0", 19))).set_aside, 1);
  connection.Ask(50, 80);
  EXPECT_EQ(connection.Write(60, Message('R', std::string(4, '\0')) + Message('S', "a\0b") + kReady).set_aside, 1);
  const std::string error = Message('E', "SERROR");
  for (const auto& [answer, is_error] :
       {std::pair(Message('T', std::string(30, '\0')) + Message('D', "1") + Message('C', "SELECT 1") + kReady, 0),
        std::pair(error + kReady, 1), std::pair(Message('1', "") + error + kReady, 1),
        std::pair(Message('1', "") + Message('2', "") + error + kReady, 1),
        std::pair(Message('1', "") + Message('2', "") + Message('n', "") + error + kReady, 1),
        std::pair(Message('2', "") + Message('D', "1") + Message('C', "SELECT 1") + kReady, 0)}) {
    connection.Ask(100, 50);
    const ppmm_turn_event event = connection.Write(110, answer);
    EXPECT_EQ(event.answered, 1) << answer;
    EXPECT_EQ(event.protocol, PPMM_PROTOCOL_POSTGRES) << answer;
    EXPECT_EQ(event.error, is_error) << answer;
    EXPECT_EQ(event.labelled, PPMM_LABEL_NONE) << answer;
  }
}

TEST(TurnTest, PipelinedQueriesOfPostgresAreLabelledButLargeAnswersAndNoticesAreNot) {
  Connection connection;
  connection.Ask(10, 80);
  connection.Write(20, Message('R', std::string(4, '\0')) + kReady);
  connection.Ask(30, 50);
  EXPECT_EQ(connection.Write(40, Message('T', std::string(30, '\0')), 8192).answered, 1);
  EXPECT_EQ(connection.Write(50, Message('2', "") + Message('D', "looks like an answer")).labelled, PPMM_LABEL_NONE);
  EXPECT_EQ(connection.Write(60, Message('C', "SELECT 1000") + kReady).labelled, PPMM_LABEL_NONE);
  EXPECT_EQ(connection.Write(5'000'000, Message('A', "a notification")).labelled, PPMM_LABEL_NONE);
  connection.Ask(6'000'000, 150);
  EXPECT_EQ(connection.Write(6'000'010, Message('1', "") + Message('2', "") + kReady).answered, 1);
  EXPECT_EQ(connection.Write(6'000'020, Message('1', "") + Message('2', "") + kReady).labelled, PPMM_LABEL_PIPELINED);
}

TEST(TurnTest, ASlowQueryIsNoStreamOfEvents) {
  Connection connection;
  connection.Ask(10, 80);
  connection.Write(20, Message('R', std::string(4, '\0')) + kReady);
  connection.Ask(30, 50);
  for (std::uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(connection.Write(40 + i * 500'000, Message('T', std::string(30, '\0')), 8192).labelled, PPMM_LABEL_NONE);
  }
}

// A packet of MySQL.
std::string Packet(char number, absl::string_view content) {
  return std::string({static_cast<char>(content.size()), 0, 0, number}) + std::string(content);
}

TEST(TurnTest, TheGreetingAndSignOnOfMysqlAreNoRequestsAndResponsesTellErrors) {
  Connection connection;
  EXPECT_EQ(connection
                .Write(5, Packet(0,
                                 "\x0a"
                                 "5.5.5-10.11.6-MariaDB-0+deb12u1" +
                                     std::string(60, 'x')))
                .answered,
            0);
  connection.Ask(10, 200);
  EXPECT_EQ(connection
                .Write(20, Packet(2,
                                  "\xfe"
                                  "mysql_native_password"))
                .set_aside,
            1);
  connection.Ask(30, 24);
  const std::string ok("\0\0\0\2\0\0\0", 7);
  EXPECT_EQ(connection.Write(40, Packet(4, ok)).set_aside, 1);
  for (const auto& [answer, error] :
       {std::pair(Packet(1, ok), 0), std::pair(Packet(1, "\xff\x28\x04#42000You have an error"), 1),
        std::pair(Packet(1, "\1") + Packet(2,
                                           "\3"
                                           "def and more"),
                  0)}) {
    connection.Ask(100, 30);
    const ppmm_turn_event event = connection.Write(110, answer);
    EXPECT_EQ(event.answered, 1);
    EXPECT_EQ(event.protocol, PPMM_PROTOCOL_MYSQL);
    EXPECT_EQ(event.error, error);
    EXPECT_EQ(event.labelled, PPMM_LABEL_NONE);
  }
  connection.Ask(200, 30);
  EXPECT_EQ(connection.Write(210, Packet(1, "\xff\xff\xff a third is done")).answered, 0)
      << "MariaDB tells of its progress";
  EXPECT_EQ(Us(connection.Write(300, Packet(1, ok)), PPMM_TURN_TOTAL), 100u);
  EXPECT_EQ(connection.Write(310, Packet(1, ok)).labelled, PPMM_LABEL_PIPELINED);

  Connection older;  // than the agent
  older.Ask(10, 30);
  EXPECT_EQ(older.Write(20, Packet(1, "\xff\x28\x04#42000You have an error")).error, 1);

  Connection safe;  // goes on with TLS
  safe.Write(5, Packet(0,
                       "\x0a"
                       "8.0.36" +
                           std::string(60, 'x')));
  safe.Ask(10, 300);
  EXPECT_EQ(safe.Write(20, Record(0x16, 1200)).set_aside, 1);
  safe.Ask(30, 74);
  EXPECT_EQ(safe.Write(40, Record(0x17, 500)).set_aside, 1);
}

TEST(TurnTest, LogsAndSubscriptionsAreStreams) {
  Connection replica;
  replica.Ask(10, 30);
  const std::string rotate = std::string("\0\0\0\0\0\4\1\0\0\0\x2c\0\0\0", 14) + std::string(30, 'x');
  EXPECT_EQ(replica.Write(20, Packet(1, rotate)).labelled, PPMM_LABEL_STREAMS);
  for (const absl::string_view reply :
       {"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n", "*3\r\n$10\r\npsubscribe\r\n$1\r\na\r\n:1\r\n",
        "+FULLRESYNC 8de1 1\r\n", "+CONTINUE\r\n"}) {
    Connection redis;
    redis.Ask(10, 30);
    EXPECT_EQ(redis.Write(20, reply).labelled, PPMM_LABEL_STREAMS) << reply;
  }
}

TEST(TurnTest, HandshakesOfTlsAreNoRequests) {
  // TLS 1.2: hello; key exchange and finished, answered by ticket or finished.
  Connection old;
  old.Ask(10, 500);
  const ppmm_turn_event hello = old.Write(20, Record(0x16, 3000));
  EXPECT_EQ(hello.answered, 0);
  EXPECT_EQ(hello.set_aside, 1);
  old.Ask(30, 126);
  EXPECT_EQ(old.Write(40, Record(0x14, 1)).set_aside, 1);
  old.Ask(50, 100);
  EXPECT_EQ(Us(old.Write(80, Record(0x17, 300)), PPMM_TURN_TOTAL), 30u);
  // TLS 1.3: the answer to Finished, tickets, looks like data.
  for (const int finished : {58, 64, 74, 80}) {
    Connection connection;
    connection.Ask(10, 500);
    EXPECT_EQ(connection.Write(20, Record(0x16, 1200)).set_aside, 1);
    connection.Ask(30, finished);
    EXPECT_EQ(connection.Write(40, Record(0x17, 500)).set_aside, 1);
    connection.Ask(50, finished);
    EXPECT_EQ(connection.Write(60, Record(0x17, 500)).answered, 1) << "only the second turn may be the handshake";
  }
}

TEST(TurnTest, AHelloThatIsRefusedIsNoRequest) {
  Connection connection;
  connection.Ask(10, 300);
  EXPECT_EQ(connection.Write(20, absl::string_view("\x15\3\3\0\2\2\x46", 7)).set_aside, 1);
}

TEST(TurnTest, AServerOfTlsThatAsksForAnotherHelloIsStillInTheHandshake) {
  Connection connection;
  connection.Ask(10, 500);
  const std::string retry = absl::StrCat("\x16\3\3", absl::string_view("\0\x54\2\0\0\x50\3\3", 8),
                                         "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e");
  EXPECT_EQ(connection.Write(20, retry, 89).set_aside, 1);
  connection.Ask(30, 500);
  EXPECT_EQ(connection.Write(40, Record(0x16, 1200)).set_aside, 1);
  connection.Ask(50, 58);
  EXPECT_EQ(connection.Write(60, Record(0x17, 250)).set_aside, 1) << "a session ticket";
  connection.Ask(70, 100);
  EXPECT_EQ(connection.Write(80, Record(0x17, 300)).answered, 1);
}

// A connection of TLS 1.3 with one request behind it.
Connection AfterARequestOfTls() {
  Connection connection;
  connection.Ask(10, 500);
  connection.Write(20, Record(0x16, 1200));
  connection.Ask(30, 74);
  connection.Write(40, Record(0x17, 250));
  connection.Ask(50, 100);
  EXPECT_EQ(connection.Write(60, Record(0x17, 300)).answered, 1);
  return connection;
}

TEST(TurnTest, NoticesThatTlsClosesAreNoRequests) {
  Connection answered = AfterARequestOfTls();
  answered.Ask(100, 24);
  const ppmm_turn_event notice = answered.Write(110, Record(0x17, 19));
  EXPECT_EQ(notice.answered, 0);
  EXPECT_EQ(notice.set_aside, 1);
  EXPECT_EQ(answered.Close().unanswered, 0);

  for (const int length : {23, 24, 31}) {  // as long as versions and ciphers make it
    Connection silent = AfterARequestOfTls();
    EXPECT_EQ(silent.Arrive(100, length).begun, 1);
    const ppmm_turn_event end = silent.Close();
    EXPECT_EQ(end.unanswered, 0);
    EXPECT_EQ(end.set_aside, 1);
  }

  Connection small = AfterARequestOfTls();
  small.Ask(100, 30);
  EXPECT_EQ(small.Write(110, Record(0x17, 19)).answered, 1) << "of two bytes, to a request of eight";
  small.Ask(120, 24);
  EXPECT_EQ(small.Write(130, Record(0x17, 20)).answered, 1) << "of three bytes";
  small.Ask(140, 59);
  EXPECT_EQ(small.Close().unanswered, 1);
}

TEST(TurnTest, AGoodByeInsideOfTlsIsNoRequestAlsoIfTheNoticeBehindItIsUnread) {
  Connection connection = AfterARequestOfTls();
  connection.Arrive(100, 27 + 24);
  connection.Read(110, 27);
  const ppmm_turn_event notice = connection.Write(120, Record(0x17, 19));
  EXPECT_EQ(notice.answered, 0);
  EXPECT_EQ(notice.set_aside, 1);
  EXPECT_EQ(notice.labelled, PPMM_LABEL_NONE);
  const ppmm_turn_event end = connection.Close();
  EXPECT_EQ(end.set_aside, notice.begun) << "what began with the unread notice";
  EXPECT_EQ(end.unanswered, 0);
}

TEST(TurnTest, GoodByesToWhichNoAnswerComesAreNoRequests) {
  const auto end_after = [](absl::string_view answer, int bytes) {
    Connection connection;
    connection.Ask(10, 30);
    EXPECT_EQ(connection.Write(20, answer).answered, 1);
    connection.Ask(30, bytes);
    return connection.Close();
  };
  const std::string postgres = Message('C', "SELECT 1") + kReady;
  const std::string mysql = Packet(1, absl::string_view("\0\0\0\2\0\0\0", 7));
  for (const auto& [answer, bytes] :
       {std::pair(postgres, 5), std::pair(mysql, 5), std::pair(std::string("END\r\n"), 6)}) {
    EXPECT_EQ(end_after(answer, bytes).set_aside, 1) << answer;
    EXPECT_EQ(end_after(answer, bytes).unanswered, 0) << answer;
    EXPECT_EQ(end_after(answer, bytes + 1).set_aside, 0) << answer;
    EXPECT_EQ(end_after(answer, bytes + 1).unanswered, 1) << answer;
  }
  EXPECT_EQ(end_after("an unknown protocol", 5).unanswered, 1);
}

// A connection of TLS 1.3 whose server reads the first request along with the end of the handshake.
class RequestWithHandshakeTest : public ::testing::Test {
 protected:
  RequestWithHandshakeTest() {
    connection_.Ask(10, 500);
    const std::string hello = Record(0x16, 122) + Record(0x14, 1) + Record(0x17, 27) + Record(0x17, 800);
    std::string first = hello;
    first[5] = 2;
    EXPECT_EQ(connection_.Write(20, first).set_aside, 1);
    connection_.Ask(100, 80 + 100);
  }
  Connection connection_;
};

TEST_F(RequestWithHandshakeTest, HasItsTimeBehindTwoTickets) {
  EXPECT_EQ(connection_.Write(110, Record(0x17, 250)).answered, 0);
  EXPECT_EQ(connection_.Write(120, Record(0x17, 250)).answered, 0);
  const ppmm_turn_event answer = connection_.Write(500, Record(0x17, 300));
  EXPECT_EQ(answer.answered, 1);
  EXPECT_EQ(Us(answer, PPMM_TURN_TOTAL), 400u);
  EXPECT_EQ(Us(connection_.Arrive(600, 100), PPMM_TURN_FULL), 400u);
}

TEST_F(RequestWithHandshakeTest, CountsWithoutATimeBehindOneTicket) {
  EXPECT_EQ(connection_.Write(110, Record(0x17, 250)).answered, 0);
  const ppmm_turn_event answer = connection_.Write(500, Record(0x17, 300));
  EXPECT_EQ(answer.answered, 1);
  EXPECT_EQ(Us(answer, PPMM_TURN_TOTAL), std::nullopt);
  EXPECT_EQ(Us(connection_.Arrive(600, 100), PPMM_TURN_FULL), std::nullopt);
}

TEST_F(RequestWithHandshakeTest, CountsWithoutATimeWhereNoTicketComes) {
  EXPECT_EQ(connection_.Write(110, Record(0x17, 300)).answered, 0);
  const ppmm_turn_event next = connection_.Arrive(200, 100);
  EXPECT_EQ(next.answered, 1);
  EXPECT_EQ(Us(next, PPMM_TURN_TOTAL), std::nullopt);
  EXPECT_EQ(next.begun, 1);
  connection_.Read(210, 100);
  EXPECT_EQ(Us(connection_.Write(230, Record(0x17, 300)), PPMM_TURN_TOTAL), 30u);
}

TEST_F(RequestWithHandshakeTest, CountsWithoutATimeIfTheConnectionEndsBehindOneWrite) {
  connection_.Write(110, Record(0x17, 300));
  const ppmm_turn_event end = connection_.Close();
  EXPECT_EQ(end.answered, 1);
  EXPECT_EQ(end.unanswered, 0);
}

TEST_F(RequestWithHandshakeTest, IsNoneIfNothingFollowsTheTicketsForLong) {
  connection_.Write(110, Record(0x17, 250));
  connection_.Write(120, Record(0x17, 250));
  const ppmm_turn_event next = connection_.Arrive(900'000, 100);
  EXPECT_EQ(next.set_aside, 1) << "the client sent a certificate";
  EXPECT_EQ(next.begun, 1);
  connection_.Read(900'010, 100);
  EXPECT_EQ(Us(connection_.Write(900'050, Record(0x17, 300)), PPMM_TURN_TOTAL), 50u);
}

TEST(TurnTest, PipelinedHttpIsLabelledWhenTheSecondResponseComes) {
  Connection connection;
  connection.Ask(10, 300);
  const ppmm_turn_event first = connection.Write(20, "HTTP/1.1 200 OK\r\n");
  EXPECT_EQ(first.answered, 1) << "the first of them has a true time";
  EXPECT_EQ(connection.Write(25, "the body").labelled, PPMM_LABEL_NONE);
  EXPECT_EQ(connection.Write(30, "HTTP/1.1 200 OK\r\n").labelled, PPMM_LABEL_PIPELINED);
  EXPECT_EQ(connection.Arrive(40, 300).begun, 0);
  connection.Read(41, 300);
  EXPECT_EQ(connection.Write(50, "HTTP/1.1 200 OK\r\n").answered, 0);
}

TEST(TurnTest, ManyRepliesInOneWriteArePipelined) {
  const auto label = [](absl::string_view reply, std::size_t size) {
    Connection connection;
    connection.Ask(10, 300);
    return connection.Write(20, reply, size).labelled;
  };
  EXPECT_EQ(label("+PONG\r\n", 7), PPMM_LABEL_NONE);
  EXPECT_EQ(label("+PONG\r\n+PONG\r\n+", 7 * 16), PPMM_LABEL_PIPELINED);
  EXPECT_EQ(label(":12\r\n:13\r\n", 10), PPMM_LABEL_PIPELINED);
  EXPECT_EQ(label("$3\r\nabc\r\n", 9), PPMM_LABEL_NONE);
  EXPECT_EQ(label("$3\r\nabc\r\n$3\r\nab", 18), PPMM_LABEL_PIPELINED);
  EXPECT_EQ(label("$1000\r\nxxxxxxxxxxx", 1009), PPMM_LABEL_NONE);
  EXPECT_EQ(label("$1000\r\nxxxxxxxxxxx", 2018), PPMM_LABEL_PIPELINED);
  EXPECT_EQ(label("$-1\r\n", 5), PPMM_LABEL_NONE);
  EXPECT_EQ(label("$-1\r\n$-1\r\n", 10), PPMM_LABEL_PIPELINED);
  const std::string array = "*2\r\n$30\r\n012345678901234567890123456789\r\n*2\r\n:1\r\n+OK\r\n";
  EXPECT_EQ(label(array, array.size()), PPMM_LABEL_NONE);
  EXPECT_EQ(label(array, 2 * array.size()), PPMM_LABEL_PIPELINED);
  EXPECT_EQ(label("%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n", 27), PPMM_LABEL_NONE);
  EXPECT_EQ(label("*2\r\n$3\r\nabc\r\n$3", 22), PPMM_LABEL_NONE) << "the end of the array is not to be seen";
  EXPECT_EQ(label("STORED\r\nSTORED\r\n", 16), PPMM_LABEL_PIPELINED);
  EXPECT_EQ(label("END\r\nVALUE a 0 1\r\n1\r\nEND\r\n", 28), PPMM_LABEL_PIPELINED);
  EXPECT_EQ(label("-ERR a long explanation\r\n", 25), PPMM_LABEL_NONE);
}

TEST(TurnTest, LinesOfMemcachedThatWereNotAskedForArePipelined) {
  Connection connection;
  connection.Ask(10, 30);
  connection.Write(20, "END\r\n");
  EXPECT_EQ(connection.Write(21, "END\r\n").labelled, PPMM_LABEL_PIPELINED);
  Connection large;
  large.Ask(10, 30);
  large.Write(20, "VALUE key 0 200000\r\nxxx", 100'000);
  EXPECT_EQ(large.Write(30, "xxxx", 100'000).labelled, PPMM_LABEL_NONE);
  EXPECT_EQ(large.Write(40, "END\r\n").labelled, PPMM_LABEL_NONE);
}

TEST(TurnTest, MultiplexedAndUpgradedConnectionsHaveNoTurns) {
  Connection http2;
  http2.Ask(10, 60);
  const ppmm_turn_event settings = http2.Write(20, absl::string_view("\0\0\x12\4\0\0\0\0\0\0\3", 11), 27);
  EXPECT_EQ(settings.labelled, PPMM_LABEL_STREAMS);
  EXPECT_EQ(settings.set_aside, 1);
  EXPECT_EQ(http2.Arrive(30, 100).begun, 0);

  Connection early;  // the server speaks first
  EXPECT_EQ(early.Write(5, absl::string_view("\0\0\x06\4\0\0\0\0\0", 9)).labelled, PPMM_LABEL_STREAMS);

  Connection older;  // than the agent: a response's HEADERS
  older.Ask(10, 60);
  EXPECT_EQ(older.Write(20, absl::string_view("\0\0\x0e\1\4\0\0\0\7\x88", 10)).labelled, PPMM_LABEL_STREAMS);

  for (const absl::string_view frame : {
           absl::string_view("\0\0\4\x08\0\0\0\0\0\0\1\0\0", 13),             // WINDOW_UPDATE
           absl::string_view("\0\0\x08\6\1\0\0\0\0abcdefgh", 17),             // the answer to PING
           absl::string_view("\0\0\x1c\0\0\0\0\0\1\0\0\0\0\x17\x12\x15", 16)  // DATA with a message of gRPC
       }) {
    Connection grpc;
    grpc.Ask(10, 60);
    EXPECT_EQ(grpc.Write(20, frame).labelled, PPMM_LABEL_STREAMS);
  }

  Connection web_socket;
  web_socket.Ask(10, 200);
  const ppmm_turn_event upgrade = web_socket.Write(20, "HTTP/1.1 101 Switching Protocols\r\n");
  EXPECT_EQ(upgrade.answered, 1) << "the request for the upgrade has its time";
  EXPECT_EQ(upgrade.labelled, PPMM_LABEL_STREAMS);
  EXPECT_EQ(web_socket.Arrive(30, 6).begun, 0);
  EXPECT_EQ(Us(web_socket.Close(), PPMM_TURN_FULL), std::nullopt);
}

TEST(TurnTest, BytesOfOtherProtocolsDecideNothing) {
  for (const absl::string_view answer :
       {absl::string_view("hello\n"), absl::string_view("*bold*\n"), absl::string_view(": a comment"),
        absl::string_view("$ ls\n"), absl::string_view("\7\0\0\1\0\0\0\2\0\0\0", 11),
        absl::string_view("\0\0\x1c\0\0\0\0\0\1\0\0\0\0\x18\x12\x15", 16), absl::string_view("T\0\0\0\x21\0\1", 7),
        absl::string_view("ENDLESS\n"), absl::string_view("\1\6 and so on"), absl::string_view("Error: 5")}) {
    Connection connection;
    connection.Ask(10, 100);
    const ppmm_turn_event event = connection.Write(20, answer, 4000);
    EXPECT_EQ(event.answered, 1) << answer;
    EXPECT_EQ(event.labelled, PPMM_LABEL_NONE) << answer;
  }
}

}  // namespace
}  // namespace ppmm
