#include "collector/silent_connections.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace ppmm {

void SilentConnections::Accepted(std::string peer, absl::Duration now) {
  MutexLock lock(&mutex_);
  const auto [found, fresh] = accepted_.try_emplace(std::move(peer), now);
  if (!fresh) {
    found->second = now;
    ++overtaken_.connections;
    overtaken_.peer = found->first;
  }
}

void SilentConnections::Called(absl::string_view peer) {
  MutexLock lock(&mutex_);
  accepted_.erase(peer);
}

SilentConnections::Overdue SilentConnections::Take(absl::Duration now) {
  MutexLock lock(&mutex_);
  Overdue overdue = std::exchange(overtaken_, {});
  for (auto it = accepted_.begin(); it != accepted_.end();) {
    if (now - it->second < kPatience) {
      ++it;
      continue;
    }
    ++overdue.connections;
    overdue.peer = it->first;
    accepted_.erase(it++);
  }
  return overdue;
}

std::string PeerKey(absl::string_view grpc_peer) {
  grpc_peer.remove_prefix(std::min(grpc_peer.size(), grpc_peer.find(':') + 1));
  const std::size_t colon = std::min(grpc_peer.rfind(':'), grpc_peer.size());
  std::string address =
      absl::StrReplaceAll(grpc_peer.substr(0, colon), {{"%5B", ""}, {"%5D", ""}, {"[", ""}, {"]", ""}});
  address.resize(std::min(address.size(), address.find('%')));
  return absl::StrCat(address, " ", absl::StripPrefix(grpc_peer.substr(colon), ":"));
}

std::string PeerKey(absl::string_view address, int port) {
  return absl::StrCat(absl::StrContains(address, '.') ? absl::StripPrefix(address, "::ffff:") : address, " ", port);
}

}  // namespace ppmm
