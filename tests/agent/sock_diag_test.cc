#include "agent/sock_diag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint8_t kListenState = 10;
constexpr std::uint8_t kEstablishedState = 1;
constexpr std::uint8_t kCloseWaitState = 8;

template <class T>
std::string Bytes(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::string Padded(std::string text) {
  text.resize((text.size() + 3) / 4 * 4);
  return text;
}

std::string NetlinkMessage(std::uint16_t type, const std::string& body) {
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof(header) + body.size());
  header.nlmsg_type = type;
  return Padded(Bytes(header) + body);
}

std::string Attribute(std::uint16_t type, const std::string& value) {
  rtattr header = {};
  header.rta_len = static_cast<std::uint16_t>(sizeof(header) + value.size());
  header.rta_type = type;
  return Padded(Bytes(header) + value);
}

std::string InetSocket(std::uint8_t state, const std::string& attributes = "") {
  inet_diag_msg message = {};
  message.idiag_family = AF_INET;
  message.idiag_state = state;
  message.id.idiag_sport = htons(8080);
  message.id.idiag_dport = htons(5000);
  message.id.idiag_src[0] = htonl(0x7f000001);
  message.id.idiag_dst[0] = htonl(0x0a000002);
  message.id.idiag_cookie[0] = 7;
  message.id.idiag_cookie[1] = 1;
  message.idiag_inode = 4711;
  message.idiag_rqueue = 3;
  message.idiag_wqueue = 128;
  return NetlinkMessage(SOCK_DIAG_BY_FAMILY, Bytes(message) + attributes);
}

std::string UnixSocket(const std::string& name) {
  unix_diag_msg message = {};
  message.udiag_family = AF_UNIX;
  message.udiag_state = kListenState;
  message.udiag_ino = 99;
  const unix_diag_rqlen queue = {2, 64};
  return NetlinkMessage(SOCK_DIAG_BY_FAMILY,
                        Bytes(message) + Attribute(UNIX_DIAG_NAME, name) + Attribute(UNIX_DIAG_RQLEN, Bytes(queue)));
}

TEST(ParseDiagDatagram, ReadsAListener) {
  std::vector<DiagSocket> sockets;
  EXPECT_FALSE(ParseDiagDatagram(InetSocket(kListenState), &sockets).value());
  ASSERT_THAT(sockets, SizeIs(1));
  EXPECT_TRUE(sockets[0].listening);
  EXPECT_EQ(sockets[0].cookie, 0x100000007u);
  EXPECT_EQ(sockets[0].inode, 4711u);
  EXPECT_EQ(FormatAddress(sockets[0].local_address), "127.0.0.1");
  EXPECT_EQ(sockets[0].local_port, 8080);
  EXPECT_EQ(sockets[0].backlog, 3u);
  EXPECT_EQ(sockets[0].max_backlog, 128u);
}

TEST(ParseDiagDatagram, ReadsTheBytesOfAConnectionWithoutItsFin) {
  tcp_info info = {};
  info.tcpi_bytes_received = 101;
  info.tcpi_bytes_sent = 1000;
  info.tcpi_bytes_retrans = 13;
  info.tcpi_total_retrans = 2;
  info.tcpi_rtt = 250;
  std::vector<DiagSocket> sockets;
  const std::string attribute = Attribute(INET_DIAG_INFO, Bytes(info));
  ASSERT_TRUE(
      ParseDiagDatagram(InetSocket(kEstablishedState, attribute) + InetSocket(kCloseWaitState, attribute), &sockets)
          .ok());
  ASSERT_THAT(sockets, SizeIs(2));
  EXPECT_EQ(FormatAddress(sockets[0].remote_address), "10.0.0.2");
  EXPECT_EQ(sockets[0].remote_port, 5000);
  EXPECT_EQ(sockets[0].bytes_in, 101u);
  EXPECT_EQ(sockets[1].bytes_in, 100u);
  EXPECT_EQ(sockets[0].bytes_out, 987u);
  EXPECT_EQ(sockets[0].retransmits, 2u);
  EXPECT_EQ(sockets[0].rtt_us, 250u);
}

TEST(ParseDiagDatagram, TakesTheShorterInfoOfAnOlderKernel) {
  tcp_info info = {};
  info.tcpi_rtt = 250;
  info.tcpi_bytes_received = 5;
  std::vector<DiagSocket> sockets;
  ASSERT_TRUE(
      ParseDiagDatagram(InetSocket(kEstablishedState, Attribute(INET_DIAG_INFO, Bytes(info).substr(0, 104))), &sockets)
          .ok());
  ASSERT_THAT(sockets, SizeIs(1));
  EXPECT_EQ(sockets[0].rtt_us, 250u);
  EXPECT_EQ(sockets[0].bytes_in, 0u);
}

TEST(ParseDiagDatagram, ReadsUnixListeners) {
  std::vector<DiagSocket> sockets;
  ASSERT_TRUE(
      ParseDiagDatagram(UnixSocket(std::string("/run/x\0", 7)) + UnixSocket(std::string("\0a\0b", 4)), &sockets).ok());
  ASSERT_THAT(sockets, SizeIs(2));
  EXPECT_EQ(sockets[0].protocol, SocketProtocol::kUnix);
  EXPECT_EQ(sockets[0].unix_path, "/run/x");
  EXPECT_EQ(sockets[0].backlog, 2u);
  EXPECT_EQ(sockets[0].max_backlog, 64u);
  EXPECT_EQ(sockets[1].unix_path, std::string("\0a\0b", 4));
}

TEST(ParseDiagDatagram, EndsAtDone) {
  std::vector<DiagSocket> sockets;
  EXPECT_TRUE(ParseDiagDatagram(NetlinkMessage(NLMSG_DONE, "\0\0\0\0") + InetSocket(kListenState), &sockets).value());
  EXPECT_THAT(sockets, IsEmpty());
}

TEST(ParseDiagDatagram, PassesOnTheErrorOfTheKernel) {
  nlmsgerr error = {};
  error.error = -ENOENT;
  std::vector<DiagSocket> sockets;
  EXPECT_EQ(ParseDiagDatagram(NetlinkMessage(NLMSG_ERROR, Bytes(error)), &sockets).status().code(),
            absl::StatusCode::kNotFound);
  error.error = -EPERM;
  EXPECT_EQ(ParseDiagDatagram(NetlinkMessage(NLMSG_ERROR, Bytes(error)), &sockets).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST(ParseDiagDatagram, AnErrorWhoseNumberIsNoneIsDamage) {
  for (const int number : {INT_MIN, -4096, 0, 1}) {
    nlmsgerr error = {};
    error.error = number;
    std::vector<DiagSocket> sockets;
    EXPECT_EQ(ParseDiagDatagram(NetlinkMessage(NLMSG_ERROR, Bytes(error)), &sockets).status().code(),
              absl::StatusCode::kDataLoss)
        << number;
  }
}

TEST(ParseDiagDatagram, SurvivesEveryCutAndEveryWrongByte) {
  tcp_info info = {};
  const std::string whole =
      InetSocket(kEstablishedState, Attribute(INET_DIAG_INFO, Bytes(info))) + UnixSocket("/run/socket");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    std::vector<DiagSocket> sockets;
    const std::string cut = whole.substr(0, length);  // a copy of its own: reading beyond it shows in the sanitizer
    (void)ParseDiagDatagram(std::vector<char>(cut.begin(), cut.end()), &sockets);
    EXPECT_LE(sockets.size(), 2u);
  }
  for (std::size_t position = 0; position < whole.size(); ++position) {
    std::vector<char> wrong(whole.begin(), whole.end());
    wrong[position] = static_cast<char>(~wrong[position]);
    std::vector<DiagSocket> sockets;
    (void)ParseDiagDatagram(wrong, &sockets);
    EXPECT_LE(sockets.size(), 2u);
  }
}

TEST(ParseDiagDatagram, RefusesLengthsThatCannotBe) {
  std::vector<DiagSocket> sockets;
  std::string message = InetSocket(kListenState);
  message.resize(message.size() - 4);
  EXPECT_EQ(ParseDiagDatagram(message, &sockets).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ParseDiagDatagram(NetlinkMessage(SOCK_DIAG_BY_FAMILY, "\x02short"), &sockets).status().code(),
            absl::StatusCode::kDataLoss);
  nlmsghdr zero = {};
  EXPECT_EQ(ParseDiagDatagram(Bytes(zero), &sockets).status().code(), absl::StatusCode::kDataLoss);
}

TEST(SocketAddress, IsOfEitherFamilyOrTheWildcardOfBoth) {
  std::array<std::uint8_t, 16> bytes{};
  EXPECT_EQ(SocketAddress(bytes), IpAddress());
  EXPECT_EQ(FormatAddress(SocketAddress(bytes)), "*");
  bytes[10] = bytes[11] = 0xff;
  EXPECT_EQ(SocketAddress(bytes), IpAddress());
  bytes[15] = 1;
  EXPECT_EQ(FormatAddress(SocketAddress(bytes)), "0.0.0.1");
  bytes[10] = bytes[11] = 0;
  EXPECT_EQ(FormatAddress(SocketAddress(bytes)), "::1");
}

}  // namespace
}  // namespace ppmm
