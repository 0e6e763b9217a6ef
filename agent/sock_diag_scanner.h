// Listeners, connections and peers without BPF: compares one list of sockets with the list before. Sees only its own
// network namespace and only what lives at a poll; its samples are marked `estimated`. One thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "agent/sock_diag.h"
#include "agent/socket_sample.h"

namespace ppmm {

class SockDiagScanner {
 public:
  // Fills the vector with all sockets: SockDiag::List, or a script in tests.
  using ListSockets = std::function<absl::Status(std::vector<DiagSocket>*)>;

  // What the bounds cost since the start.
  struct Losses {
    std::uint64_t connections = 0;  // more than 65536 at once: these are not counted
    std::uint64_t peers = 0;        // more than 8192
  };

  // `root` has the folder proc, as for ProcTaskScanner.
  explicit SockDiagScanner(ListSockets list, absl::string_view root = "/");

  // Replaces `out` by all listeners; one that is gone comes a last time, with `listening` false. `now` is any clock
  // that does not fall. Walks all open files when a socket of unknown owner shows up, but not within 10 s of the last
  // walk: until then its owner is 0. The opening of a connection counts once its owner was looked for, or it ended.
  //
  // Errors: those of `list`; nothing has changed then.
  absl::Status Poll(absl::Duration now, std::vector<ListenerSample>* out);

  // Replaces `out` by all peers as of the last poll and forgets those that were idle for ten minutes.
  void ReadPeers(absl::Duration now, std::vector<PeerSample>* out);

  const Losses& losses() const { return losses_; }

 private:
  using PeerKey = std::tuple<PeerDirection, std::int32_t, IpAddress, std::uint16_t>;
  struct Listener {
    ListenerSample sample;
    std::uint64_t seen = 0;
  };
  struct Connection {
    std::uint64_t listener = 0;  // 0: outbound
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::uint64_t retransmits = 0;
    std::uint64_t seen = 0;
    std::int32_t owner_pid = 0;
    // Whether its opening is counted at its peer: not before its owner was looked for.
    bool told = false;
    PeerKey unowned;  // where it is counted if it ends before
  };
  struct Peer {
    PeerSample sample;
    absl::Duration used;
  };

  void UpdateListener(const DiagSocket& socket);
  void UpdateConnection(const DiagSocket& socket, absl::Duration now);
  // The listener that connections to this local address and port belong to; 0: none.
  std::uint64_t FindListener(const DiagSocket& socket) const;
  static PeerKey KeyOf(const DiagSocket& socket, const Connection& connection);
  // Null: too many.
  Peer* FindPeer(const PeerKey& key, absl::Duration now);
  // Owners of all sockets in sockets_, from the links in /proc/PID/fd.
  void ReadOwners(absl::Duration now);
  std::int32_t OwnerOf(std::uint64_t inode) const;

  const ListSockets list_;
  const std::string root_;
  const std::uint32_t net_ns_;
  std::vector<DiagSocket> sockets_;
  absl::flat_hash_map<std::uint64_t, Listener> listeners_;
  absl::flat_hash_map<std::pair<IpAddress, std::uint16_t>, std::uint64_t> listener_at_;
  absl::flat_hash_map<std::uint64_t, Connection> connections_;
  absl::flat_hash_map<PeerKey, Peer> peers_;
  absl::flat_hash_map<std::uint64_t, std::int32_t> owners_;  // by inode; 0: walked, not found
  absl::Duration last_walk_ = -absl::InfiniteDuration();
  std::uint64_t poll_ = 0;
  Losses losses_;
};

}  // namespace ppmm
