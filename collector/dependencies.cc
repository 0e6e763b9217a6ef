#include "collector/dependencies.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "collector/facts/served_others.h"
#include "collector/view_reads.h"
#include "common/addresses.h"
#include "common/status.h"
#include "proto/telemetry.pb.h"

namespace ppmm {
namespace {

constexpr HostKey kNoHost = 0;
constexpr ApplicationId kNoApplication = 0;

// Of something that may be one, none or several: the one.
template <class T>
T OnlyOne(const std::set<T>& all) {
  return all.size() == 1 ? *all.begin() : T();
}

class Places {
 public:
  explicit Places(const Tables& tables) : own_(CopyOwnAddresses(tables)) {
    for (const auto& [host, addresses] : own_) {
      for (const std::string& address : addresses) {
        hosts_[address].insert(host);
      }
    }
    for (const auto& [id, entity] : tables.entities) {
      for (const ListenerRow& listener : entity->listeners) {
        if (listener.protocol == "tcp" && listener.gone_us == 0) {
          listeners_[{entity->row.host, listener.port}].insert(entity->instance.application);
        }
      }
    }
  }

  // Which monitored host this address is, as `caller` sees it.
  HostKey HostOf(HostKey caller, const std::string& address) const {
    const absl::StatusOr<IpAddress> parsed = IpAddress::Parse(address);
    if (parsed.ok() && parsed->IsLoopback()) {
      return caller;
    }
    if (const auto own = own_.find(caller); own != own_.end() && own->second.contains(address)) {
      return caller;
    }
    const auto found = hosts_.find(address);
    return found == hosts_.end() ? kNoHost : OnlyOne(found->second);
  }

  ApplicationId ApplicationOf(HostKey host, std::uint32_t port) const {
    const auto found = listeners_.find({host, port});
    return found == listeners_.end() ? kNoApplication : OnlyOne(found->second);
  }

 private:
  OwnAddresses own_;
  std::map<std::string, std::set<HostKey>> hosts_;
  std::map<std::pair<HostKey, std::uint32_t>, std::set<ApplicationId>> listeners_;
};

std::string LabelOf(const Tables& tables, ApplicationId id) {
  const auto found = tables.applications.find(id);
  return found == tables.applications.end() ? std::string() : found->second.label();
}

std::string HostLabelOf(const Tables& tables, HostKey key) {
  const HostState* host = FindHost(tables, key);
  return host == nullptr ? std::string() : host->row.label;
}

}  // namespace

Dependencies DependenciesOf(const Tables& tables, const std::vector<PeerDayRow>& peers) {
  struct Calls {
    std::uint64_t connections = 0;
    std::uint64_t bytes = 0;
  };
  std::map<std::tuple<ApplicationId, HostKey, std::string, std::uint32_t>, Calls> calls;
  for (const PeerDayRow& peer : peers) {
    if (peer.direction != wire::Peer::OUTBOUND) {
      continue;
    }
    Calls& sum = calls[{peer.application, peer.host, peer.address, peer.port}];
    sum.connections += peer.connections;
    sum.bytes += peer.bytes;
  }
  const Places places(tables);
  Dependencies out;
  out.commit = tables.commit;
  for (const auto& [call, sum] : calls) {
    const auto& [application, host, address, port] = call;
    const HostKey remote = places.HostOf(host, address);
    out.rows.push_back({.application = LabelOf(tables, application),
                        .host = HostLabelOf(tables, host),
                        .address = address,
                        .port = port,
                        .remote_host = HostLabelOf(tables, remote),
                        .remote_application = LabelOf(tables, places.ApplicationOf(remote, port)),
                        .connections = sum.connections,
                        .bytes = sum.bytes});
  }
  std::stable_sort(out.rows.begin(), out.rows.end(),
                   [](const Dependency& a, const Dependency& b) { return a.connections > b.connections; });
  if (out.rows.size() > kMaxDependencies) {
    out.left_out = out.rows.size() - kMaxDependencies;
    out.rows.resize(kMaxDependencies);
  }
  return out;
}

absl::StatusOr<Dependencies> ReadDependencies(State& state, StoreReader& reader, absl::Time now) {
  const std::int64_t today = absl::ToUnixSeconds(now) / 86400;
  std::vector<PeerDayRow> peers;
  for (std::int64_t day = today - kDependencyDays + 1; day <= today; ++day) {
    ASSIGN_OR_RETURN(std::vector<PeerDayRow> rows, reader.PeersOf(day));
    std::move(rows.begin(), rows.end(), std::back_inserter(peers));
  }
  ReaderLock lock(&state.mutex());
  return DependenciesOf(state.tables(), peers);
}

}  // namespace ppmm
