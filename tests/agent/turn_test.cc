#include "agent/bpf/turn.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

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
  // `size`: of the whole write, if it is more than the bytes that are given.
  ppmm_turn_event Write(std::uint64_t us, absl::string_view bytes = "", std::size_t size = 0) {
    ppmm_first first = {};
    first.length = static_cast<std::uint32_t>(std::min<std::size_t>(bytes.size(), PPMM_FIRST_BYTES));
    first.size = static_cast<std::uint32_t>(std::max(size, bytes.size()));
    std::memcpy(first.bytes, bytes.data(), first.length);
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
    ppmm_turn_close(&turn_, &event);
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

TEST(TurnTest, WhatIsUnreadWhenTheAnswerBeginsIsTheNextTurn) {
  Connection connection;
  connection.Arrive(10, 200);
  connection.Read(20, 100);
  const ppmm_turn_event first = connection.Write(30);
  EXPECT_EQ(first.answered, 1);
  EXPECT_EQ(first.begun, 1);
  connection.Read(40, 100);
  const ppmm_turn_event second = connection.Write(50);
  EXPECT_EQ(second.answered, 1);
  EXPECT_EQ(Us(second, PPMM_TURN_TOTAL), 20u);
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
  EXPECT_EQ(label("*2\r\n$3\r\nabc\r\n$3", 22), PPMM_LABEL_NONE) << "the end of an array is not to be seen";
  EXPECT_EQ(label("-ERR a long explanation\r\n", 25), PPMM_LABEL_NONE);
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
  EXPECT_EQ(Us(web_socket.Close(), PPMM_TURN_FULL), 10u);
}

TEST(TurnTest, BytesOfOtherProtocolsDecideNothing) {
  for (const absl::string_view answer :
       {absl::string_view("hello\n"), absl::string_view("*bold*\n"), absl::string_view(": a comment"),
        absl::string_view("$ ls\n"), absl::string_view("\7\0\0\1\0\0\0\2\0\0\0", 11),
        absl::string_view("\0\0\x1c\0\0\0\0\0\1\0\0\0\0\x18\x12\x15", 16), absl::string_view("T\0\0\0\x21\0\1", 7),
        absl::string_view("R\0\0\0\x08\0\0\0\0", 9)}) {
    Connection connection;
    connection.Ask(10, 100);
    const ppmm_turn_event event = connection.Write(20, answer, 4000);
    EXPECT_EQ(event.answered, 1) << answer;
    EXPECT_EQ(event.labelled, PPMM_LABEL_NONE) << answer;
  }
}

}  // namespace
}  // namespace ppmm
