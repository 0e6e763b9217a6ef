#include "collector/facts/served_others.h"

#include <algorithm>
#include <utility>

#include "common/addresses.h"
#include "proto/telemetry.pb.h"

namespace ppmm {
namespace {

constexpr ApplicationId kNobodyKnown = 0;  // as the rows of peers have it

// A port of a host, whichever of its own addresses was called.
using Port = std::pair<HostKey, std::uint32_t>;

bool StaysWithin(const PeerDayRow& peer, const OwnAddresses& own) {
  const absl::StatusOr<IpAddress> address = IpAddress::Parse(peer.address);
  if (!address.ok() || address->IsLoopback()) {
    return true;  // no address: the path of a Unix socket
  }
  const auto host = own.find(peer.host);
  return host != own.end() && host->second.contains(peer.address);
}

}  // namespace

OwnAddresses CopyOwnAddresses(const Tables& tables) {
  OwnAddresses own;
  for (const auto& [key, host] : tables.hosts) {
    wire::Host attributes;
    if (attributes.ParseFromString(host.row.attributes)) {
      own[key].insert(attributes.addresses().begin(), attributes.addresses().end());
    }
  }
  return own;
}

std::map<ApplicationId, std::int64_t> ServedOthers(absl::Span<const PeerDayRow> peers, const OwnAddresses& own) {
  std::map<ApplicationId, std::int64_t> served;
  std::map<Port, std::map<ApplicationId, std::int64_t>> calls;    // by who made them
  std::map<std::pair<ApplicationId, Port>, std::int64_t> within;  // by who took them
  for (const PeerDayRow& peer : peers) {
    const ApplicationId application = peer.application;
    const auto connections = static_cast<std::int64_t>(peer.connections);
    const bool stays = StaysWithin(peer, own);
    if (peer.direction == wire::Peer::OUTBOUND && stays) {
      calls[{peer.host, peer.port}][application] += connections;
    } else if (peer.direction == wire::Peer::INBOUND && application != kNobodyKnown) {
      if (stays) {
        within[{application, {peer.host, peer.port}}] += connections;
      } else {
        served[application] += connections;
      }
    }
  }
  for (const auto& [taken, connections_taken] : within) {
    const auto& [application, port] = taken;
    bool by_others = false;
    std::int64_t made_by_others = 0;
    for (const auto& [caller, connections] : calls[port]) {
      by_others |= caller != application;
      made_by_others += caller != application ? connections : 0;
    }
    if (by_others) {
      served[application] += std::min(connections_taken, made_by_others);
    }
  }
  return served;
}

}  // namespace ppmm
