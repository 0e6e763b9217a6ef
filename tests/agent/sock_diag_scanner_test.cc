#include "agent/sock_diag_scanner.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint16_t kPort = 8080;

IpAddress Ip(std::uint8_t last) {
  return IpAddress::V4({10, 0, 0, last});
}

DiagSocket Listener(std::uint64_t cookie, const IpAddress& address = {}, std::uint64_t inode = 1000) {
  DiagSocket socket;
  socket.listening = true;
  socket.cookie = cookie;
  socket.inode = inode;
  socket.local_address = address;
  socket.local_port = kPort;
  socket.backlog = 2;
  socket.max_backlog = 128;
  return socket;
}

DiagSocket Connection(std::uint64_t cookie, std::uint16_t local, std::uint16_t remote, std::uint64_t in,
                      std::uint64_t out, std::uint64_t inode = 2000) {
  DiagSocket socket;
  socket.cookie = cookie;
  socket.inode = inode;
  socket.local_address = Ip(1);
  socket.remote_address = Ip(2);
  socket.local_port = local;
  socket.remote_port = remote;
  socket.bytes_in = in;
  socket.bytes_out = out;
  socket.rtt_us = 77;
  return socket;
}

class SockDiagScannerTest : public ::testing::Test {
 protected:
  SockDiagScannerTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/sock_diag_XXXXXX");
    root_ = mkdtemp(pattern.data());
    std::filesystem::create_directories(root_ + "/proc");
    scanner_.emplace(
        [this](std::vector<DiagSocket>* out) {
          *out = sockets_;
          return status_;
        },
        root_);
  }
  ~SockDiagScannerTest() override { std::filesystem::remove_all(root_); }

  void Hold(int pid, int fd, std::uint64_t inode) {
    const std::string folder = absl::StrCat(root_, "/proc/", pid, "/fd");
    std::filesystem::create_directories(folder);
    std::filesystem::create_symlink(absl::StrCat("socket:[", inode, "]"), absl::StrCat(folder, "/", fd));
  }
  std::vector<ListenerSample> Poll(int second = 0) {
    std::vector<ListenerSample> out;
    EXPECT_TRUE(scanner_->Poll(absl::Seconds(second), &out).ok());
    return out;
  }
  std::vector<PeerSample> Peers(int second = 0) {
    std::vector<PeerSample> out;
    scanner_->ReadPeers(absl::Seconds(second), &out);
    return out;
  }

  std::string root_;
  std::vector<DiagSocket> sockets_;
  absl::Status status_;
  std::optional<SockDiagScanner> scanner_;
};

TEST_F(SockDiagScannerTest, CountsOnlyWhatHappensAfterTheFirstPoll) {
  sockets_ = {Listener(1), Connection(2, kPort, 5000, 100, 200)};
  ListenerSample sample = Poll().at(0);
  EXPECT_EQ(sample.accepted_total, 0u);
  EXPECT_EQ(sample.open_connections, 1);
  EXPECT_EQ(sample.bytes_in_total, 0u);
  EXPECT_EQ(sample.backlog, 2u);
  EXPECT_EQ(sample.max_backlog, 128u);
  EXPECT_TRUE(sample.estimated);

  sockets_ = {Listener(1), Connection(2, kPort, 5000, 107, 211), Connection(3, kPort, 5001, 5, 6)};
  sample = Poll(1).at(0);
  EXPECT_EQ(sample.accepted_total, 1u);
  EXPECT_EQ(sample.open_connections, 2);
  EXPECT_EQ(sample.bytes_in_total, 12u);
  EXPECT_EQ(sample.bytes_out_total, 17u);

  sockets_ = {Listener(1)};
  sample = Poll(2).at(0);
  EXPECT_EQ(sample.accepted_total, 1u);
  EXPECT_EQ(sample.open_connections, 0);
  EXPECT_EQ(sample.bytes_in_total, 12u);
}

TEST_F(SockDiagScannerTest, PrefersTheListenerOfTheAddressToTheWildcard) {
  Poll();
  sockets_ = {Listener(1), Listener(2, Ip(1)), Connection(3, kPort, 5000, 1, 1)};
  for (const ListenerSample& sample : Poll(1)) {
    EXPECT_EQ(sample.accepted_total, sample.id == 2 ? 1u : 0u);
  }
}

TEST_F(SockDiagScannerTest, AddsConnectionsUpToPeers) {
  Hold(42, 3, 2000);
  Hold(41, 3, 1000);
  Poll();
  sockets_ = {Listener(1), Connection(2, kPort, 5000, 1, 2), Connection(3, kPort, 5001, 3, 4),
              Connection(4, 6000, 5432, 5, 6)};
  Poll(1);
  const std::vector<PeerSample> peers = Peers(1);
  ASSERT_THAT(peers, SizeIs(2));
  for (const PeerSample& peer : peers) {
    const bool inbound = peer.direction == PeerDirection::kInbound;
    EXPECT_EQ(peer.remote_address, Ip(2));
    EXPECT_EQ(peer.port, inbound ? kPort : 5432);
    EXPECT_EQ(peer.owner_pid, inbound ? 41 : 42);
    EXPECT_EQ(peer.connections_total, inbound ? 2u : 1u);
    EXPECT_EQ(peer.open_connections, inbound ? 2u : 1u);
    EXPECT_EQ(peer.bytes_in_total, inbound ? 4u : 5u);
    EXPECT_EQ(peer.bytes_out_total, 6u);
    EXPECT_EQ(peer.rtt_us, 77u);
    EXPECT_TRUE(peer.estimated);
  }
}

TEST_F(SockDiagScannerTest, CountsAnOpeningOnceItsOwnerWasLookedFor) {
  Hold(41, 3, 1000);
  sockets_ = {Listener(1)};
  Poll(0);
  Hold(42, 3, 2000);
  sockets_ = {Listener(1), Connection(2, 6000, 5432, 5, 6), Connection(3, 6001, 5432, 5, 6, 2001)};
  Poll(1);
  for (const PeerSample& peer : Peers(1)) {
    EXPECT_EQ(peer.connections_total, 0u) << "no walk yet";
  }
  sockets_.pop_back();
  Poll(2);
  Poll(10);
  std::uint64_t of_42 = 0;
  std::uint64_t of_nobody = 0;
  for (const PeerSample& peer : Peers(10)) {
    (peer.owner_pid == 42 ? of_42 : of_nobody) += peer.connections_total;
  }
  EXPECT_EQ(of_42, 1u);
  EXPECT_EQ(of_nobody, 1u) << "the connection that ended before anybody looked";
  Poll(30);
  for (const PeerSample& peer : Peers(30)) {
    EXPECT_LE(peer.connections_total, 1u) << "once";
  }
}

TEST_F(SockDiagScannerTest, ForgetsPeersThatAreIdle) {
  sockets_ = {Connection(4, 6000, 5432, 5, 6)};
  Poll(0);
  sockets_.clear();
  Poll(1);
  EXPECT_THAT(Peers(1), SizeIs(1));
  EXPECT_THAT(Peers(601), SizeIs(1));
  EXPECT_THAT(Peers(602), IsEmpty());
}

TEST_F(SockDiagScannerTest, TakesTheLowestIdButProcessOneAsOwner) {
  Hold(1, 3, 1000);
  Hold(50, 3, 1000);
  Hold(60, 3, 1000);
  sockets_ = {Listener(1)};
  EXPECT_EQ(Poll().at(0).owner_pid, 50);
}

TEST_F(SockDiagScannerTest, TakesProcessOneIfNobodyElseHoldsTheSocket) {
  Hold(1, 3, 1000);
  sockets_ = {Listener(1)};
  EXPECT_EQ(Poll().at(0).owner_pid, 1);
}

TEST_F(SockDiagScannerTest, WalksFilesOnlyForUnknownSocketsAndNotMoreOftenThanEachTenSeconds) {
  Hold(50, 3, 1000);
  sockets_ = {Listener(1)};
  EXPECT_EQ(Poll(0).at(0).owner_pid, 50);

  Hold(60, 3, 1001);
  Hold(40, 3, 1000);
  sockets_ = {Listener(1, Ip(1)), Listener(2, Ip(2), 1001)};
  for (const ListenerSample& sample : Poll(9)) {
    EXPECT_EQ(sample.owner_pid, sample.id == 1 ? 50 : 0) << "no walk yet";
  }
  for (const ListenerSample& sample : Poll(10)) {
    EXPECT_EQ(sample.owner_pid, sample.id == 1 ? 40 : 60);
  }
  Hold(30, 3, 1000);
  EXPECT_EQ(Poll(30).at(0).owner_pid == 30, false) << "all known: no walk";
}

TEST_F(SockDiagScannerTest, GivesAClosedListenerALastTime) {
  sockets_ = {Listener(1)};
  Poll();
  sockets_.clear();
  const std::vector<ListenerSample> last = Poll(1);
  ASSERT_THAT(last, SizeIs(1));
  EXPECT_FALSE(last[0].listening);
  EXPECT_THAT(Poll(2), IsEmpty());
}

TEST_F(SockDiagScannerTest, CountsPeersAndConnectionsBeyondTheBounds) {
  Poll();
  for (std::uint64_t i = 0; i < 65536 + 3; ++i) {
    sockets_.push_back(Connection(10 + i, 6000, static_cast<std::uint16_t>(i % 8192), 1, 1));
  }
  sockets_[0].remote_port = 9000;
  Poll(1);
  EXPECT_EQ(scanner_->losses().connections, 3u);
  EXPECT_EQ(scanner_->losses().peers, 7u) << "the other connections to port 0";
  EXPECT_THAT(Peers(1), SizeIs(8192));
}

TEST_F(SockDiagScannerTest, PassesOnTheErrorOfTheList) {
  status_ = absl::NotFoundError("no such module");
  std::vector<ListenerSample> out;
  EXPECT_EQ(scanner_->Poll(absl::ZeroDuration(), &out).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace ppmm
