#include "agent/socket_scanner.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "agent/sock_diag.h"
#include "agent/sock_diag_scanner.h"
#include "tests/bpf/child_process.h"
#include "tests/testing/tcp_sockets.h"

namespace ppmm {
namespace {

constexpr int kConnections = 997;

std::uint32_t NetNs(pid_t pid) {
  struct stat info {};
  EXPECT_EQ(stat(absl::StrCat("/proc/", pid, "/ns/net").c_str(), &info), 0);
  return static_cast<std::uint32_t>(info.st_ino);
}

class SocketScannerTest : public ::testing::Test {
 protected:
  void SetUp() override { Create(); }

  void Create() {
    scanner_.reset();
    absl::StatusOr<std::unique_ptr<SocketScanner>> scanner = SocketScanner::Create();
    ASSERT_TRUE(scanner.ok()) << scanner.status();
    scanner_ = *std::move(scanner);
    ASSERT_TRUE(scanner_->Seed().ok());
  }

  // All listeners on `port` after a poll.
  std::vector<ListenerSample> Poll(std::uint16_t port, std::uint32_t net_ns = NetNs(getpid())) {
    const absl::Status status = scanner_->Poll(&listeners_);
    EXPECT_TRUE(status.ok()) << status;
    std::vector<ListenerSample> found;
    std::copy_if(listeners_.begin(), listeners_.end(), std::back_inserter(found), [=](const ListenerSample& sample) {
      return sample.protocol == SocketProtocol::kTcp && sample.port == port && sample.net_ns == net_ns;
    });
    return found;
  }
  ListenerSample PollOne(std::uint16_t port, std::uint32_t net_ns = NetNs(getpid())) {
    const std::vector<ListenerSample> found = Poll(port, net_ns);
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? ListenerSample{} : found[0];
  }
  PeerSample Peer(PeerDirection direction, std::uint16_t port) {
    std::vector<PeerSample> peers;
    const absl::Status status = scanner_->ReadPeers(&peers);
    EXPECT_TRUE(status.ok()) << status;
    PeerSample found;
    int count = 0;
    for (const PeerSample& peer : peers) {
      if (peer.direction == direction && peer.port == port) {
        found = peer;
        ++count;
      }
    }
    EXPECT_EQ(count, 1);
    return found;
  }

  std::unique_ptr<SocketScanner> scanner_;
  std::vector<ListenerSample> listeners_;
};

TEST_F(SocketScannerTest, CountsConnectionsAndBytesExactly) {
  const Socket listener = Listen();
  const std::uint16_t port = LocalPort(listener);
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  for (int i = 0; i < kConnections; ++i) {
    Socket client = Connect(port);
    Socket server = Accept(listener);
    ASSERT_TRUE(server.ok());
    const std::size_t request = static_cast<std::size_t>(i % 13 * 97);
    const std::size_t response = static_cast<std::size_t>(i % 11 * 1009);
    ASSERT_TRUE(SendAll(client, request) && ReceiveAll(server, request));
    ASSERT_TRUE(SendAll(server, response) && ReceiveAll(client, response));
    in += request;
    out += response;
    if (i % 101 == 0) {
      EXPECT_EQ(PollOne(port).open_connections, 1);
    }
    if (i % 3 == 0) {  // the client closes first, the server first, and a reset
      client.Close();
      ASSERT_TRUE(ReceiveEnd(server));
    } else if (i % 3 == 1) {
      server.Close();
      ASSERT_TRUE(ReceiveEnd(client));
    } else {
      Reset(&client);
    }
  }
  const ListenerSample sample = PollOne(port);
  EXPECT_EQ(sample.accepted_total, static_cast<std::uint64_t>(kConnections));
  EXPECT_EQ(sample.open_connections, 0);
  EXPECT_EQ(sample.bytes_in_total, in);
  EXPECT_EQ(sample.bytes_out_total, out);
  EXPECT_EQ(sample.owner_pid, getpid());
  EXPECT_EQ(FormatAddress(sample.address), "127.0.0.1");
  EXPECT_TRUE(sample.listening);
  EXPECT_FALSE(sample.estimated);

  for (const PeerDirection direction : {PeerDirection::kInbound, PeerDirection::kOutbound}) {
    const PeerSample peer = Peer(direction, port);
    EXPECT_EQ(peer.connections_total, static_cast<std::uint64_t>(kConnections));
    EXPECT_EQ(peer.bytes_in_total, direction == PeerDirection::kInbound ? in : out);
    EXPECT_EQ(peer.bytes_out_total, direction == PeerDirection::kInbound ? out : in);
    EXPECT_EQ(peer.owner_pid, getpid());
    EXPECT_EQ(peer.open_connections, 0u);
    EXPECT_EQ(peer.failed_total, 0u);
    EXPECT_EQ(FormatAddress(peer.remote_address), "127.0.0.1");
    EXPECT_GT(peer.rtt_us, 0u);
  }
  EXPECT_EQ(scanner_->losses().connections, 0u);
}

TEST_F(SocketScannerTest, CountsTheBytesOfAnOpenConnectionAtEachPoll) {
  const Socket listener = Listen();
  const std::uint16_t port = LocalPort(listener);
  const Socket client = Connect(port);
  const Socket server = Accept(listener);
  std::uint64_t sent = 0;
  for (const std::size_t bytes : {1u, 7u, 100003u}) {
    ASSERT_TRUE(SendAll(client, bytes) && ReceiveAll(server, bytes));
    sent += bytes;
    EXPECT_EQ(PollOne(port).bytes_in_total, sent);
  }
  EXPECT_EQ(Peer(PeerDirection::kInbound, port).open_connections, 1u);
  EXPECT_EQ(Peer(PeerDirection::kOutbound, port).open_connections, 1u);
  ASSERT_EQ(shutdown(client.fd(), SHUT_WR), 0);
  ASSERT_TRUE(ReceiveEnd(server));
  EXPECT_EQ(PollOne(port).bytes_in_total, sent) << "the FIN is no byte";
}

TEST_F(SocketScannerTest, SeesAListenerOfAnotherNetworkNamespace) {
  auto* port = static_cast<std::uint16_t*>(
      mmap(nullptr, sizeof(std::uint16_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const ChildProcess child([port] {
    ifreq request = {};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    if (unshare(CLONE_NEWNET) != 0 || ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &request) != 0) {
      _exit(1);
    }
    static Socket listener = Listen();
    *port = LocalPort(listener);
    for (int i = 0; i < 101; ++i) {
      const Socket client = Connect(*port);
      const Socket server = Accept(listener);
      if (!SendAll(client, 3) || !ReceiveAll(server, 3)) {
        _exit(1);
      }
    }
  });
  EXPECT_NE(NetNs(child.pid()), NetNs(getpid()));
  const ListenerSample sample = PollOne(*port, NetNs(child.pid()));
  EXPECT_EQ(sample.accepted_total, 101u);
  EXPECT_EQ(sample.bytes_in_total, 303u);
  EXPECT_EQ(sample.owner_pid, child.pid());
  munmap(port, sizeof(std::uint16_t));
}

TEST_F(SocketScannerTest, TakesOverSocketsThatAreOlderThanItself) {
  scanner_.reset();
  const Socket listener = Listen();
  const std::uint16_t port = LocalPort(listener);
  const Socket client = Connect(port);
  const Socket server = Accept(listener);
  ASSERT_TRUE(SendAll(client, 1009) && ReceiveAll(server, 1009));
  Create();
  ListenerSample sample = PollOne(port);
  EXPECT_EQ(sample.accepted_total, 0u);
  EXPECT_EQ(sample.open_connections, 1);
  EXPECT_EQ(sample.bytes_in_total, 0u) << "what was before does not count";
  EXPECT_EQ(sample.owner_pid, getpid());

  ASSERT_TRUE(SendAll(client, 53) && ReceiveAll(server, 53));
  const Socket client2 = Connect(port);
  const Socket server2 = Accept(listener);
  ASSERT_TRUE(SendAll(client2, 7) && ReceiveAll(server2, 7));
  sample = PollOne(port);
  EXPECT_EQ(sample.accepted_total, 1u);
  EXPECT_EQ(sample.open_connections, 2);
  EXPECT_EQ(sample.bytes_in_total, 60u);
  const PeerSample peer = Peer(PeerDirection::kOutbound, port);
  EXPECT_EQ(peer.open_connections, 2u);
  EXPECT_EQ(peer.connections_total, 1u);
  EXPECT_EQ(peer.bytes_out_total, 60u);
}

TEST_F(SocketScannerTest, MapsIpv4ConnectionsToADualListener) {
  scanner_.reset();
  const Socket listener = ListenDual();
  const std::uint16_t port = LocalPort(listener);
  const Socket before = Connect(port);
  const Socket before_server = Accept(listener);
  Create();
  const Socket after = Connect(port);
  const ListenerSample sample = PollOne(port);
  EXPECT_EQ(FormatAddress(sample.address), "*");
  EXPECT_EQ(sample.open_connections, 2);
  EXPECT_EQ(sample.accepted_total, 1u);
  EXPECT_EQ(FormatAddress(Peer(PeerDirection::kInbound, port).remote_address), "127.0.0.1");
}

TEST_F(SocketScannerTest, KnowsThePortOfAListenerThatIsBoundByListen) {
  const Socket listener = ListenDual();
  EXPECT_EQ(Poll(LocalPort(listener)).size(), 1u);
}

TEST_F(SocketScannerTest, ShowsHowManyConnectionsWaitForAccept) {
  const Socket listener = Listen(5);
  const std::uint16_t port = LocalPort(listener);
  const Socket clients[3] = {Connect(port), Connect(port), Connect(port)};
  ListenerSample sample = PollOne(port);
  EXPECT_EQ(sample.backlog, 3u);
  EXPECT_EQ(sample.max_backlog, 5u);
  const Socket server = Accept(listener);
  EXPECT_EQ(PollOne(port).backlog, 2u);
}

TEST_F(SocketScannerTest, SeesUnixListenersWithTheirNames) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/ppmm_", getpid(), ".sock");
  const std::string abstract = std::string("\0ppmm\0", 6) + std::to_string(getpid());
  unlink(path.c_str());
  const Socket named = ListenUnix(path, 7);
  const Socket hidden = ListenUnix(abstract, 11);
  ASSERT_TRUE(named.ok() && hidden.ok());
  ASSERT_TRUE(scanner_->Seed().ok());
  ASSERT_TRUE(scanner_->Poll(&listeners_).ok());
  int found = 0;
  for (const ListenerSample& sample : listeners_) {
    if (sample.unix_path == path || sample.unix_path == abstract) {
      ++found;
      EXPECT_EQ(sample.protocol, SocketProtocol::kUnix);
      EXPECT_EQ(sample.owner_pid, getpid());
      EXPECT_EQ(sample.max_backlog, sample.unix_path == path ? 7u : 11u);
    }
  }
  EXPECT_EQ(found, 2);
  unlink(path.c_str());
}

TEST_F(SocketScannerTest, GivesAClosedListenerALastTime) {
  Socket listener = Listen();
  const std::uint16_t port = LocalPort(listener);
  Socket client = Connect(port);
  Socket server = Accept(listener);
  const std::uint64_t id = PollOne(port).id;
  listener.Close();
  ListenerSample sample = PollOne(port);
  EXPECT_FALSE(sample.listening);
  EXPECT_EQ(sample.open_connections, 1);
  ASSERT_TRUE(SendAll(client, 31) && ReceiveAll(server, 31));
  client.Close();
  ASSERT_TRUE(ReceiveEnd(server));
  server.Close();
  sample = PollOne(port);
  EXPECT_EQ(sample.id, id);
  EXPECT_EQ(sample.bytes_in_total, 31u);
  EXPECT_THAT(Poll(port), ::testing::IsEmpty());
}

TEST_F(SocketScannerTest, SeesAListenerThatLivedBetweenTwoPolls) {
  std::uint16_t port = 0;
  {
    const Socket listener = Listen();
    port = LocalPort(listener);
    const Socket client = Connect(port);
    const Socket server = Accept(listener);
  }
  Poll(port);
  const auto last = std::find_if(listeners_.begin(), listeners_.end(), [](const ListenerSample& sample) {
    return !sample.listening && sample.owner_pid == getpid();
  });
  ASSERT_NE(last, listeners_.end());
  EXPECT_EQ(last->accepted_total, 1u);
}

TEST_F(SocketScannerTest, CountsAttemptsThatFail) {
  std::uint16_t port = 0;
  {
    const Socket unused = Listen();
    port = LocalPort(unused);
  }
  for (int i = 0; i < 7; ++i) {
    EXPECT_FALSE(Connect(port).ok());
  }
  const PeerSample peer = Peer(PeerDirection::kOutbound, port);
  EXPECT_EQ(peer.failed_total, 7u);
  EXPECT_EQ(peer.connections_total, 0u);
}

TEST_F(SocketScannerTest, FollowsAListenerToTheProcessThatHoldsIt) {
  Socket listener = Listen();
  const std::uint16_t port = LocalPort(listener);
  // Process numbers begin again at the lowest, so a child's may be below its parent's.
  std::ofstream("/proc/sys/kernel/ns_last_pid") << getpid() / 2;
  const ChildProcess child([] {});
  ASSERT_TRUE(scanner_->Seed().ok());
  EXPECT_EQ(PollOne(port).owner_pid, getpid()) << "the child is " << child.pid();
  listener.Close();
  ASSERT_TRUE(scanner_->Seed().ok());
  EXPECT_EQ(PollOne(port).owner_pid, child.pid());
}

TEST_F(SocketScannerTest, CountsListenersThatFindNoSlotAndTakesFreedSlotsAgain) {
  constexpr int kMany = 1100;
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit wanted = {std::max<rlim_t>(limit.rlim_cur, kMany + 200), std::max<rlim_t>(limit.rlim_max, kMany + 200)};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &wanted), 0);
  // The sample of all that found no slot has no id.
  const auto own_samples = [this] {
    Poll(0);
    return static_cast<std::size_t>(std::count_if(listeners_.begin(), listeners_.end(),
                                                  [](const ListenerSample& sample) { return sample.id != 0; }));
  };
  const std::size_t others = own_samples();
  for (std::uint64_t round = 0; round < 2; ++round) {
    const std::uint64_t lost = scanner_->losses().listeners;
    std::vector<Socket> sockets;
    for (int i = 0; i < kMany; ++i) {
      sockets.push_back(Listen());
      ASSERT_TRUE(sockets.back().ok());
    }
    EXPECT_EQ(own_samples(), 1023u);
    EXPECT_EQ(scanner_->losses().listeners - lost, static_cast<std::uint64_t>(kMany) + others - 1023);
    const Socket client = Connect(LocalPort(sockets.back()));
    const Socket server = Accept(sockets.back());
    own_samples();
    ASSERT_EQ(listeners_.back().id, 0u);
    EXPECT_GE(listeners_.back().accepted_total, round + 1);
    sockets.clear();
    own_samples();
    EXPECT_EQ(own_samples(), others);
  }
  setrlimit(RLIMIT_NOFILE, &limit);
}

// As the kernel tells of each map of this process; hash maps as if they were full. Notes at sockets are not bounded
// here.
TEST_F(SocketScannerTest, ItsMapsTakeLessThanEightMegabytes) {
  constexpr std::uint64_t kHash = 1;
  constexpr std::uint64_t kSocketStorage = 24;
  constexpr std::uint64_t kHashElement = 48 + 16;  // with its bucket
  std::uint64_t bytes = 0;
  int maps = 0;
  for (const auto& file : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::map<std::string, std::uint64_t> fields;
    std::ifstream in(file.path());
    for (std::string line; std::getline(in, line);) {
      std::istringstream words(line);
      std::string name;
      std::uint64_t value = 0;
      if (words >> name >> value) {
        fields[name] = value;
      }
    }
    if (!fields.contains("map_type:") || fields["map_type:"] == kSocketStorage) {
      continue;
    }
    ++maps;
    const std::uint64_t element = (fields["value_size:"] + 7) / 8 * 8;
    bytes += fields["max_entries:"] *
             (element + (fields["map_type:"] == kHash ? (fields["key_size:"] + 7) / 8 * 8 + kHashElement : 0));
  }
  EXPECT_GE(maps, 10);
  EXPECT_GT(bytes, 6'000'000u);
  EXPECT_LE(bytes, 8'000'000u);
}

TEST_F(SocketScannerTest, AgreesWithNetlink) {
  const Socket listener = Listen(5);
  const std::uint16_t port = LocalPort(listener);
  absl::StatusOr<std::unique_ptr<SockDiag>> diag = SockDiag::Create();
  ASSERT_TRUE(diag.ok()) << diag.status();
  SockDiagScanner other([&diag](std::vector<DiagSocket>* out) { return (*diag)->List(out); });
  std::vector<ListenerSample> samples;
  ASSERT_TRUE(other.Poll(absl::Seconds(0), &samples).ok());

  std::vector<Socket> sockets;
  for (const std::size_t bytes : {1u, 1009u, 65537u}) {
    sockets.push_back(Connect(port));
    sockets.push_back(Accept(listener));
    ASSERT_TRUE(SendAll(sockets[sockets.size() - 2], bytes) && ReceiveAll(sockets.back(), bytes));
  }
  const Socket waiting = Connect(port);
  const absl::Status status = other.Poll(absl::Seconds(10), &samples);
  ASSERT_TRUE(status.ok()) << status;
  const ListenerSample sample = PollOne(port);
  const auto found = std::find_if(samples.begin(), samples.end(),
                                  [&sample](const ListenerSample& candidate) { return candidate.id == sample.id; });
  ASSERT_NE(found, samples.end());
  EXPECT_EQ(found->owner_pid, sample.owner_pid);
  EXPECT_EQ(found->net_ns, sample.net_ns);
  EXPECT_EQ(found->address, sample.address);
  EXPECT_EQ(found->port, sample.port);
  EXPECT_EQ(found->backlog, sample.backlog);
  EXPECT_EQ(found->max_backlog, sample.max_backlog);
  EXPECT_EQ(found->open_connections, sample.open_connections);
  EXPECT_EQ(found->accepted_total, sample.accepted_total);
  EXPECT_EQ(found->bytes_in_total, sample.bytes_in_total);
  EXPECT_EQ(found->bytes_out_total, sample.bytes_out_total);
  EXPECT_EQ(sample.accepted_total, 4u);
  EXPECT_EQ(sample.bytes_in_total, 66547u);
}

}  // namespace
}  // namespace ppmm
