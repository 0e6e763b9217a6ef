#include "agent/sock_diag_scanner.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "agent/dir_handle.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr std::size_t kMaxConnections = 65536;
constexpr std::size_t kMaxPeers = 8192;
constexpr absl::Duration kWalkInterval = absl::Seconds(10);
constexpr absl::Duration kPeerIdle = absl::Minutes(10);

std::uint32_t OwnNetNs(const std::string& root) {
  struct stat info {};
  return stat(absl::StrCat(root, "/proc/self/ns/net").c_str(), &info) == 0 ? static_cast<std::uint32_t>(info.st_ino)
                                                                           : 0;
}

// The inode in "socket:[123]"; 0 for other links.
std::uint64_t SocketInode(absl::string_view link) {
  std::uint64_t inode = 0;
  return absl::ConsumePrefix(&link, "socket:[") && absl::ConsumeSuffix(&link, "]") && absl::SimpleAtoi(link, &inode)
             ? inode
             : 0;
}

}  // namespace

SockDiagScanner::SockDiagScanner(ListSockets list, absl::string_view root)
    : list_(std::move(list)), root_(absl::StripSuffix(root, "/")), net_ns_(OwnNetNs(root_)) {}

std::int32_t SockDiagScanner::OwnerOf(std::uint64_t inode) const {
  const auto found = owners_.find(inode);
  return found == owners_.end() ? 0 : found->second;
}

void SockDiagScanner::ReadOwners(absl::Duration now) {
  // Only what is listed now is kept, so the map is no larger than the list.
  absl::flat_hash_map<std::uint64_t, std::int32_t> owners;
  bool unknown = false;
  for (const DiagSocket& socket : sockets_) {
    if (socket.inode != 0) {
      const auto known = owners_.find(socket.inode);
      unknown = unknown || known == owners_.end();
      owners.emplace(socket.inode, known == owners_.end() ? 0 : known->second);
    }
  }
  if (!unknown || now - last_walk_ < kWalkInterval) {
    // The unknown stay unknown to us, so that the next walk is due for them.
    absl::erase_if(owners, [this](const auto& item) { return owners_.find(item.first) == owners_.end(); });
    owners_ = std::move(owners);
    return;
  }
  last_walk_ = now;
  owners_ = std::move(owners);
  for (auto& [inode, pid] : owners_) {
    pid = 0;
  }
  const Dir processes(opendir(absl::StrCat(root_, "/proc").c_str()));
  while (const dirent* process = processes == nullptr ? nullptr : readdir(processes.get())) {
    std::int32_t pid = 0;
    if (!absl::SimpleAtoi(process->d_name, &pid)) {
      continue;
    }
    const std::string folder = absl::StrCat(root_, "/proc/", pid, "/fd");
    const Dir files(opendir(folder.c_str()));  // null: it ended, or is not ours to see
    while (const dirent* file = files == nullptr ? nullptr : readdir(files.get())) {
      char link[64];
      const ssize_t length = readlinkat(dirfd(files.get()), file->d_name, link, sizeof(link));
      const auto found =
          owners_.find(length > 0 ? SocketInode(absl::string_view(link, static_cast<std::size_t>(length))) : 0);
      if (found == owners_.end()) {
        continue;
      }
      // The lowest id, process 1 only if nobody else holds it; as the BPF programs decide.
      std::int32_t& owner = found->second;
      if (owner == 0 || owner == 1 || (pid != 1 && pid < owner)) {
        owner = pid;
      }
    }
  }
}

void SockDiagScanner::UpdateListener(const DiagSocket& socket) {
  Listener& listener = listeners_[socket.cookie];
  listener.seen = poll_;
  ListenerSample& sample = listener.sample;
  sample.id = socket.cookie;
  sample.owner_pid = OwnerOf(socket.inode);
  sample.net_ns = net_ns_;
  sample.protocol = socket.protocol;
  sample.address = socket.local_address;
  sample.port = socket.local_port;
  sample.unix_path = socket.unix_path;
  sample.backlog = socket.backlog;
  sample.max_backlog = socket.max_backlog;
  sample.open_connections = 0;
  sample.estimated = true;
  if (socket.protocol == SocketProtocol::kTcp) {
    listener_at_[{socket.local_address, socket.local_port}] = socket.cookie;
  }
}

std::uint64_t SockDiagScanner::FindListener(const DiagSocket& socket) const {
  auto found = listener_at_.find({socket.local_address, socket.local_port});
  if (found == listener_at_.end()) {
    found = listener_at_.find({IpAddress(), socket.local_port});
  }
  return found == listener_at_.end() ? 0 : found->second;
}

SockDiagScanner::PeerKey SockDiagScanner::KeyOf(const DiagSocket& socket, const Connection& connection) {
  const bool inbound = connection.listener != 0;
  return {inbound ? PeerDirection::kInbound : PeerDirection::kOutbound, connection.owner_pid, socket.remote_address,
          inbound ? socket.local_port : socket.remote_port};
}

SockDiagScanner::Peer* SockDiagScanner::FindPeer(const PeerKey& key, absl::Duration now) {
  auto found = peers_.find(key);
  if (found == peers_.end()) {
    if (peers_.size() >= kMaxPeers) {
      ++losses_.peers;
      return nullptr;
    }
    found = peers_.emplace(key, Peer{}).first;
    PeerSample& sample = found->second.sample;
    std::tie(sample.direction, sample.owner_pid, sample.remote_address, sample.port) = key;
    sample.net_ns = net_ns_;
    sample.estimated = true;
  }
  found->second.used = now;
  return &found->second;
}

void SockDiagScanner::UpdateConnection(const DiagSocket& socket, absl::Duration now) {
  auto found = connections_.find(socket.cookie);
  const bool is_new = found == connections_.end();
  // What the first poll finds is older than we: neither its opening nor its bytes so far count.
  const bool is_older = is_new && poll_ == 1;
  if (is_new) {
    if (connections_.size() >= kMaxConnections) {
      ++losses_.connections;
      return;
    }
    found = connections_.emplace(socket.cookie, Connection{}).first;
    found->second.listener = FindListener(socket);
    found->second.told = is_older;
    found->second.unowned = KeyOf(socket, found->second);
    if (is_older) {
      found->second.bytes_in = socket.bytes_in;
      found->second.bytes_out = socket.bytes_out;
      found->second.retransmits = socket.retransmits;
    }
  }
  Connection& connection = found->second;
  connection.seen = poll_;
  const auto listener = listeners_.find(connection.listener);
  if (connection.owner_pid == 0) {
    connection.owner_pid = listener == listeners_.end() ? OwnerOf(socket.inode) : listener->second.sample.owner_pid;
  }
  const std::uint64_t in = socket.bytes_in - std::exchange(connection.bytes_in, socket.bytes_in);
  const std::uint64_t out = socket.bytes_out - std::exchange(connection.bytes_out, socket.bytes_out);
  const std::uint64_t retransmits = socket.retransmits - std::exchange(connection.retransmits, socket.retransmits);
  const std::uint64_t opened = is_new && !is_older ? 1 : 0;
  if (listener != listeners_.end()) {
    ListenerSample& sample = listener->second.sample;
    ++sample.open_connections;
    sample.accepted_total += opened;
    sample.bytes_in_total += in;
    sample.bytes_out_total += out;
    sample.retransmitted_segments_total += retransmits;
  }
  if (Peer* peer = FindPeer(KeyOf(socket, connection), now)) {
    ++peer->sample.open_connections;
    const bool looked_for = connection.owner_pid != 0 || socket.inode == 0 || owners_.contains(socket.inode);
    peer->sample.connections_total += looked_for && !std::exchange(connection.told, connection.told || looked_for);
    peer->sample.bytes_in_total += in;
    peer->sample.bytes_out_total += out;
    peer->sample.rtt_us = socket.rtt_us;
  }
}

absl::Status SockDiagScanner::Poll(absl::Duration now, std::vector<ListenerSample>* out) {
  RETURN_IF_ERROR(list_(&sockets_));
  ++poll_;
  ReadOwners(now);
  listener_at_.clear();
  for (const DiagSocket& socket : sockets_) {
    if (socket.listening) {
      UpdateListener(socket);
    }
  }
  for (auto& [id, listener] : listeners_) {
    listener.sample.listening = listener.seen == poll_;
    listener.sample.open_connections = 0;
  }
  for (auto& [key, peer] : peers_) {
    peer.sample.open_connections = 0;
  }
  for (const DiagSocket& socket : sockets_) {
    if (!socket.listening && socket.protocol == SocketProtocol::kTcp) {
      UpdateConnection(socket, now);
    }
  }
  absl::erase_if(connections_, [this, now](const auto& item) {
    const Connection& connection = item.second;
    if (connection.seen != poll_ && !connection.told) {
      if (Peer* peer = FindPeer(connection.unowned, now)) {
        ++peer->sample.connections_total;
      }
    }
    return connection.seen != poll_;
  });

  out->clear();
  for (const auto& [id, listener] : listeners_) {
    out->push_back(listener.sample);
  }
  absl::erase_if(listeners_, [](const auto& item) {
    return !item.second.sample.listening && item.second.sample.open_connections == 0;
  });
  return absl::OkStatus();
}

void SockDiagScanner::ReadPeers(absl::Duration now, std::vector<PeerSample>* out) {
  out->clear();
  for (const auto& [key, peer] : peers_) {
    out->push_back(peer.sample);
  }
  absl::erase_if(peers_, [now](const auto& item) { return now - item.second.used >= kPeerIdle; });
}

}  // namespace ppmm
