#include "agent/bpf/call.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

using namespace std::string_literals;

// A connection that went out, as the kernel's hooks tell of it. Time is in microseconds from 1, since 0 is no time.
class Connection {
 public:
  // `size`: of the whole write, if it is more than the bytes that are given. `redis_end`: where the first array ends.
  ppmm_call_event Write(std::uint64_t us, absl::string_view bytes = "", std::size_t size = 0,
                        std::uint32_t redis_end = 0) {
    ppmm_first first = {};
    ppmm_call_event event = {};
    ppmm_call_finish(&call_, &event);
    if (ppmm_call_wants_bytes(&call_) != 0) {
      first.length = static_cast<std::uint32_t>(std::min<std::size_t>(bytes.size(), PPMM_FIRST_BYTES));
      std::memcpy(first.bytes, bytes.data(), first.length);
    }
    first.size = static_cast<std::uint32_t>(std::max(size, bytes.size()));
    first.redis_end = redis_end;
    if (call_.protocol == PPMM_PROTOCOL_POSTGRES && bytes.size() >= PPMM_LAST_BYTES && size == 0) {
      std::memcpy(first.last, bytes.data() + bytes.size() - PPMM_LAST_BYTES, PPMM_LAST_BYTES);
    }
    ppmm_call_write(&call_, us * 1000, unread_, &first, &event);
    return event;
  }
  // The client looks at once, but does not take them.
  ppmm_call_event Arrive(std::uint64_t us, int bytes) {
    unread_ += bytes;
    ppmm_call_event event = {};
    ppmm_call_arrival(&call_, us * 1000, unread_);
    ppmm_call_finish(&call_, &event);
    return event;
  }
  // No hook tells that the client reads, as with splice().
  void ArriveAndReadUnseen(std::uint64_t us, int bytes) { ppmm_call_arrival(&call_, us * 1000, bytes); }
  // The client reads all that lies there.
  void Read() { unread_ = 0; }
  std::optional<std::uint64_t> Answer(std::uint64_t us, int bytes = 100) {
    const ppmm_call_event event = Arrive(us, bytes);
    Read();
    return event.answered != 0 ? std::optional(event.ns / 1000) : std::nullopt;
  }
  bool Unanswered() {
    ppmm_call_event event = {};
    ppmm_call_close(&call_, &event);
    return event.unanswered != 0;
  }
  std::uint8_t label() const { return call_.label; }
  std::uint8_t protocol() const { return call_.protocol; }

 private:
  ppmm_call call_ = {};
  int unread_ = 0;
};

std::string Message(char type, const std::string& content) {  // of PostgreSQL
  const std::size_t length = content.size() + 4;
  return std::string(1, type) + "\0\0"s + static_cast<char>(length >> 8) + static_cast<char>(length & 0xff) + content;
}
std::string Packet(char number, const std::string& content) {  // of MySQL
  return std::string(1, static_cast<char>(content.size())) + "\0\0"s + number + content;
}
std::string Record(char type, std::size_t length) {  // of TLS
  return std::string(1, type) + "\3\3"s + static_cast<char>(length >> 8) + static_cast<char>(length & 0xff) +
         std::string(length, 'x');
}

TEST(CallTest, IsFromTheFirstWriteToTheFirstByteOfTheAnswer) {
  Connection connection;
  connection.Write(10);
  EXPECT_EQ(connection.Answer(310), 300u);
  EXPECT_EQ(connection.Answer(400), std::nullopt) << "more of the same answer";
  connection.Write(500);
  EXPECT_EQ(connection.Answer(540), 40u);
  EXPECT_FALSE(connection.Unanswered());
}

TEST(CallTest, AnAnswerWhoseReadIsNotSeenEndsWithTheNextWriteOrTheConnection) {
  Connection connection;
  connection.Write(10);
  connection.ArriveAndReadUnseen(310, 100);
  connection.ArriveAndReadUnseen(400, 100);
  const ppmm_call_event next = connection.Write(500);
  EXPECT_EQ(next.answered, 1);
  EXPECT_EQ(next.ns, 300'000u);
  connection.ArriveAndReadUnseen(600, 100);
  EXPECT_FALSE(connection.Unanswered());
}

TEST(CallTest, AGreetingAnswersNothingAndAnEndWithoutAnAnswerIsToldOf) {
  Connection connection;
  EXPECT_EQ(connection.Answer(5), std::nullopt);
  connection.Write(10);
  EXPECT_EQ(connection.Answer(20, 0), std::nullopt) << "the end of the stream alone";
  EXPECT_TRUE(connection.Unanswered());
}

TEST(CallTest, ARequestInPartsIsOneWhereTheyFollowAtOnce) {
  Connection connection;
  connection.Write(10);
  connection.Write(300);
  EXPECT_EQ(connection.Answer(510), 500u);
  connection.Write(1000);
  EXPECT_EQ(connection.Write(3000).labelled, PPMM_LABEL_PIPELINED) << "nobody knows whose answer comes next";
  EXPECT_EQ(connection.Answer(4000), std::nullopt);
}

TEST(CallTest, ARequestBesideAnUnreadAnswerIsPipelined) {
  Connection connection;
  connection.Write(10);
  EXPECT_EQ(connection.Arrive(20, 100).answered, 1);
  EXPECT_EQ(connection.Write(30).labelled, PPMM_LABEL_PIPELINED);
}

TEST(CallTest, ABodyOfHttpBelongsToItsRequestHoweverLateAndTheInterimResponseAnswersNothing) {
  Connection connection;
  connection.Write(10, "POST /upload HTTP/1.1\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(connection.Answer(20, PPMM_INTERIM_BYTES), std::nullopt);
  connection.Write(5'000, "name=value");
  connection.Write(50'000, "more");
  EXPECT_EQ(connection.Answer(60'010), 60'000u);
  connection.Write(70'000, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(connection.Write(70'001, "GET / HTTP/1.1\r\n\r\n").labelled, PPMM_LABEL_PIPELINED);
}

TEST(CallTest, HttpThatWasUpgradedIsAStream) {
  Connection connection;
  connection.Write(10, "GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_EQ(connection.Answer(20), 10u);
  EXPECT_EQ(connection.Write(30, "\x81\x85 mask hello").labelled, PPMM_LABEL_STREAMS);
  Connection tunnel;
  EXPECT_EQ(tunnel.Write(10, "CONNECT db:443 HTTP/1.1\r\n\r\n").labelled, PPMM_LABEL_STREAMS);
}

TEST(CallTest, HttpTwoIsAStreamAlsoWhereTheConnectionIsOlder) {
  Connection connection;
  EXPECT_EQ(connection.Write(10, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").labelled, PPMM_LABEL_STREAMS);
  Connection older;
  EXPECT_EQ(older.Write(10, "\0\0\x20\1\5\0\0\0\7headers"s, 41).labelled, PPMM_LABEL_STREAMS);
}

TEST(CallTest, CommandsOfRedisAreToldFromPipelinesAndSubscriptions) {
  const std::string get = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
  Connection connection;
  connection.Write(10, get, 0, static_cast<std::uint32_t>(get.size()));
  EXPECT_EQ(connection.Answer(20), 10u);
  EXPECT_EQ(connection.protocol(), PPMM_PROTOCOL_REDIS);
  connection.Write(30, get, 0, static_cast<std::uint32_t>(get.size()));
  EXPECT_EQ(connection.Write(31, get).labelled, PPMM_LABEL_PIPELINED);
  Connection many;
  EXPECT_EQ(many.Write(10, get + get, 0, static_cast<std::uint32_t>(get.size())).labelled, PPMM_LABEL_PIPELINED);
  Connection subscriber;
  EXPECT_EQ(subscriber.Write(10, "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n").labelled, PPMM_LABEL_STREAMS);
  Connection pattern;
  EXPECT_EQ(pattern.Write(10, "*2\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n").labelled, PPMM_LABEL_STREAMS);
  Connection large;
  large.Write(10, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$99999\r\nvalue", 65536);
  EXPECT_EQ(large.Write(20'000, "the rest of the value").labelled, 0);
  EXPECT_EQ(large.Answer(30'010), 30'000u);
}

TEST(CallTest, SigningOnToPostgresIsNoCallAndStatementsAre) {
  Connection connection;
  connection.Write(1, "\0\0\0\x08\x04\xd2\x16\x2f"s);
  EXPECT_EQ(connection.Answer(2, 1), std::nullopt) << "whether it may be TLS";
  connection.Write(3, "\0\0\0\x0e\0\3\0\0user\0\0"s);
  EXPECT_EQ(connection.Answer(4), std::nullopt);
  connection.Write(5, Message('p', "word\0"s));
  EXPECT_EQ(connection.Answer(6), std::nullopt);
  const std::string query = Message('Q', "select 1\0"s);
  connection.Write(10, query);
  EXPECT_EQ(connection.Answer(20), 10u);
  const std::string parse = Message('P', "\0select 1\0\0\0"s);
  connection.Write(30, parse);  // longer than a buffer: its Sync comes with the next write
  connection.Write(90'000, Message('E', "\0\0\0\0\0"s) + Message('S', ""));
  EXPECT_EQ(connection.Answer(100'030), 100'000u);
  connection.Write(200'000, Message('X', ""));
  EXPECT_FALSE(connection.Unanswered());

  Connection older;
  older.Write(10, query);
  EXPECT_EQ(older.protocol(), PPMM_PROTOCOL_POSTGRES);
  EXPECT_EQ(older.Write(11, query).labelled, PPMM_LABEL_PIPELINED);
  Connection many;
  many.Write(10, query);
  EXPECT_EQ(many.Answer(20), 10u);
  EXPECT_EQ(many.Write(30, query + query).labelled, PPMM_LABEL_PIPELINED);
}

TEST(CallTest, SigningOnToMysqlIsNoCallAndCommandsAre) {
  Connection connection;
  EXPECT_EQ(connection.Answer(1), std::nullopt) << "the greeting";
  connection.Write(2, Packet(1, "\x05\xa2\0\0"s + std::string(40, '\0')));
  EXPECT_EQ(connection.protocol(), PPMM_PROTOCOL_MYSQL);
  EXPECT_EQ(connection.Answer(3), std::nullopt);
  connection.Write(10, Packet(0, "\3select 1"));
  EXPECT_EQ(connection.Answer(20), 10u);
  connection.Write(30, Packet(0, "\x19 id "));
  EXPECT_EQ(connection.Answer(35), std::nullopt) << "closing a statement has no answer";
  connection.Write(40, Packet(0, "\3select 1"));
  EXPECT_EQ(connection.Write(41, Packet(0, "\3select 1")).labelled, PPMM_LABEL_PIPELINED);
  Connection quits;
  quits.Write(2, Packet(1, "\x05\xa2\0\0"s + std::string(40, '\0')));
  quits.Write(10, Packet(0, "\1"));
  EXPECT_FALSE(quits.Unanswered());
}

TEST(CallTest, WhereSessionTicketsMayPassForTheAnswerTheFirstCallOfTlsHasNoTime) {
  Connection connection;
  connection.Write(1, Record(0x16, 500));
  EXPECT_EQ(connection.Answer(2), std::nullopt);
  connection.Write(3, "\x14\3\3\0\1\1\x17\3\3\0\x45 Finished"s, 80);
  connection.Write(4, Record(0x17, 100));
  EXPECT_EQ(connection.Arrive(5, 500).answered, 0) << "the tickets";
  EXPECT_EQ(connection.Answer(100), std::nullopt);
  connection.Write(200, Record(0x17, 100));
  EXPECT_EQ(connection.Answer(300), 100u);
  connection.Write(400, Record(0x17, 19));
  EXPECT_FALSE(connection.Unanswered()) << "the client only said that it closes";

  Connection without_change_of_cipher;
  without_change_of_cipher.Write(1, Record(0x16, 500));
  without_change_of_cipher.Write(3, Record(0x17, 69));
  EXPECT_EQ(without_change_of_cipher.Arrive(4, 500).answered, 0) << "the tickets";
  without_change_of_cipher.Write(5, Record(0x17, 100));
  EXPECT_EQ(without_change_of_cipher.label(), 0) << "they may lie unread";
  EXPECT_EQ(without_change_of_cipher.Answer(100), std::nullopt);
}

TEST(CallTest, TlsUpToOneTwoHasNoTicketsBehindItsHandshake) {
  Connection connection;
  connection.Write(1, Record(0x16, 500));
  EXPECT_EQ(connection.Answer(2), std::nullopt);
  connection.Write(3, "\x16\3\3\0\x46\x10 key exchange"s, 126);
  EXPECT_EQ(connection.Answer(4), std::nullopt);
  connection.Write(10, Record(0x17, 100));
  EXPECT_EQ(connection.Answer(30), 20u);
}

TEST(CallTest, FastcgiBeginsWithItsRecord) {
  const std::string begin = "\1\1\0\1\0\x08\0\0\0\1\0\0\0\0\0\0"s;
  Connection connection;
  connection.Write(10, begin, 500);
  connection.Write(20'000, "\1\5\0\1\0\x10\0\0 the body"s);
  EXPECT_EQ(connection.Answer(30'010), 30'000u);
  connection.Write(40'000, "\1\5\0\1\0\x10\0\0 the body"s);
  EXPECT_EQ(connection.Answer(50'000), std::nullopt) << "a rest of what was already answered";
  connection.Write(60'000, begin, 500);
  EXPECT_EQ(connection.Write(60'001, begin, 500).labelled, PPMM_LABEL_PIPELINED);
}

}  // namespace
}  // namespace ppmm
