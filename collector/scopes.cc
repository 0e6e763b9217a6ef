#include "collector/scopes.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"

#include "collector/facts/served_others.h"
#include "collector/origin_guess.h"
#include "collector/view_reads.h"
#include "common/mutex.h"
#include "common/source_advice.h"
#include "common/status.h"
#include "proto/telemetry.pb.h"

namespace ppmm {
namespace {

constexpr int kServedDays = 28;
constexpr int kPeerDays = 7;
constexpr std::ptrdiff_t kPeerDaysNeeded = 2;
// DNS, DHCP, NTP, DNS over TLS, key exchange of NTP: who is only this to others is plumbing of the network.
constexpr std::uint32_t kInfrastructurePorts[] = {53, 67, 123, 853, 4460};
// Hosts with agents have numbers below 2^24.
constexpr std::uint32_t kFirstPeerNumber = 1U << 24U;

// The same number for the same address, in every store.
std::uint32_t PeerNumber(absl::string_view address) {
  std::uint32_t hash = 2166136261U;  // FNV-1a
  for (const char c : address) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  }
  return kFirstPeerNumber + (hash & (kFirstPeerNumber - 1));
}

std::int64_t Seconds(std::int64_t microseconds) {
  return microseconds / 1'000'000;
}

// What the tables say of applications, copied under the lock.
struct Seen {
  std::map<ApplicationId, Scope> applications;
  std::set<ApplicationId> plumbing;
  std::set<std::string> monitored_addresses;
  std::set<std::string> infrastructure;  // gateways and resolvers
};

void CopyHosts(const Tables& tables, std::int64_t now_s, RatedScopes* out, Seen* seen) {
  for (const auto& [key, host] : tables.hosts) {
    if (Seconds(host.row.first_seen_us) > now_s) {
      continue;
    }
    Scope scope;
    scope.id = {ScopeKind::kHost, key};
    scope.label = host.row.label;
    scope.group = host.row.group;
    scope.enrolled_s = scope.aged_from_s = Seconds(host.row.first_seen_us);
    scope.tier = 3;  // raised by its applications
    if (host.row.duplicate) {
      scope.contradiction = "two agents deliver for one host id: give one a new machine id, or --host-id";
    }
    out->hosts.push_back(std::move(scope));
    out->started_s = out->started_s == 0 ? Seconds(host.row.first_seen_us)
                                         : std::min(out->started_s, Seconds(host.row.first_seen_us));
    out->as_of_s = std::max(out->as_of_s, std::min(host.row.newest_step, now_s));
    wire::Host attributes;
    if (attributes.ParseFromString(host.row.attributes)) {
      seen->monitored_addresses.insert(attributes.addresses().begin(), attributes.addresses().end());
      seen->infrastructure.insert(attributes.gateways().begin(), attributes.gateways().end());
    }
  }
}

// By the agent's word, as everything of instances; one without any word runs.
bool RunsStill(const EntityState& instance) {
  return instance.lives.empty() || instance.lives.back().to_minute == 0;
}

// Why a host takes no response times, with the cure; empty: it does.
std::string Untimed(const HostState& host) {
  constexpr absl::string_view kSource = "response_times";
  const auto source = host.sources.find(std::string(kSource));
  if (source == host.sources.end()) {
    return "its agent takes no response times: install this version of it";
  }
  if (source->second.state == wire::SourceState::OK) {
    return "";
  }
  const SourceAdvice advice =
      AdviceOnSource(kSource, source->second.state == wire::SourceState::FAILED, source->second.reason);
  return absl::StrCat(source->second.reason, advice.cure.empty() ? "" : "; cure: ", advice.cure);
}

void CopyApplications(const Tables& tables, std::int64_t now_s, RatedScopes* out, Seen* seen) {
  for (const auto& [id, application] : tables.applications) {
    if (Seconds(application.row.first_seen_us) > now_s) {
      continue;
    }
    Scope scope;
    scope.id = {ScopeKind::kApplication, id};
    scope.label = ShownAs(application);
    scope.group = application.row.group;
    scope.enrolled_s = scope.aged_from_s = Seconds(application.row.first_seen_us);
    bool plumbing = false;
    bool timed = false;
    OriginGuess origin;
    for (const EntityId entity : application.instances) {
      const EntityState* instance = tables.Entity(entity);
      if (instance != nullptr && RunsStill(*instance)) {
        out->hosts_of[id].insert(instance->row.host);
        if (!timed) {
          scope.untimed = Untimed(tables.hosts.at(instance->row.host));
          timed = scope.untimed.empty();
        }
      }
      wire::Entity record;
      if (instance == nullptr || !record.ParseFromString(instance->row.attributes)) {
        continue;
      }
      origin.Take(record.instance());
      plumbing |= record.instance().plumbing() || record.instance().short_lived();
      for (const ListenerRow& listener : instance->listeners) {
        scope.aged_from_s = std::min(scope.aged_from_s, Seconds(listener.first_seen_us));
      }
    }
    scope.origin = origin.origin();
    if (plumbing) {
      seen->plumbing.insert(id);
    }
    seen->applications[id] = std::move(scope);
  }
}

// Whether an address that monitored hosts were served by is a host of the organization, for all that is known of it.
bool IsServingHost(const std::string& text, const Seen& seen, const std::vector<Network>& networks) {
  const absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
  if (!address.ok() || address->IsLoopback() || address->IsUnspecified() || address->IsLinkLocal() ||
      address->IsMulticast() || seen.monitored_addresses.contains(text) || seen.infrastructure.contains(text)) {
    return false;
  }
  return address->IsPrivate() || std::any_of(networks.begin(), networks.end(),
                                             [&address](const Network& network) { return network.Contains(*address); });
}

Scope ServingPeer(const std::string& address, std::int64_t first_day) {
  Scope scope;
  scope.id = {ScopeKind::kHost, PeerNumber(address)};
  scope.label = address;
  scope.enrolled_s = scope.aged_from_s = first_day * 86400;
  scope.tier = 3;
  scope.monitored = false;
  scope.seen_as_peer = true;
  return scope;
}

}  // namespace

absl::StatusOr<RatedScopes> ReadScopes(State& state, StoreReader& reader, absl::Time now,
                                       const std::vector<Network>& networks) {
  RatedScopes out;
  Seen seen;
  OwnAddresses own;
  {
    ReaderLock lock(&state.mutex());
    CopyHosts(state.tables(), absl::ToUnixSeconds(now), &out, &seen);
    CopyApplications(state.tables(), absl::ToUnixSeconds(now), &out, &seen);
    own = CopyOwnAddresses(state.tables());
    out.counted_since_s = std::max(out.started_s, Seconds(state.tables().counted_since_us));
    out.timed_since_s = std::max(out.started_s, Seconds(state.tables().timed_since_us));
    out.deployments_since_s = std::max(out.started_s, Seconds(state.tables().deployments_since_us));
    out.watchdog_since_s = state.tables().watchdog_since_minute * 60;
  }
  const std::int64_t today = absl::ToUnixSeconds(now) / 86400;
  std::map<std::string, std::set<std::int64_t>> served_us;  // address, days
  for (std::int64_t day = today - kServedDays + 1; day <= today; ++day) {
    ASSIGN_OR_RETURN(const std::vector<PeerDayRow> peers, reader.PeersOf(day));
    for (const auto& [id, connections] : ServedOthers(peers, own)) {
      if (const auto application = seen.applications.find(id); application != seen.applications.end()) {
        application->second.line_of_business |= !seen.plumbing.contains(id);
      }
    }
    for (const PeerDayRow& peer : peers) {
      if (peer.direction == wire::Peer::OUTBOUND &&
          std::find(std::begin(kInfrastructurePorts), std::end(kInfrastructurePorts), peer.port) ==
              std::end(kInfrastructurePorts)) {
        served_us[peer.address].insert(day);
      }
    }
  }
  for (const auto& [address, days] : served_us) {
    const auto recent = std::distance(days.upper_bound(today - kPeerDays), days.end());
    if (recent >= kPeerDaysNeeded && IsServingHost(address, seen, networks)) {
      out.hosts.push_back(ServingPeer(address, *days.begin()));  // as old as what is kept, not new each week
    }
  }
  out.applications.reserve(seen.applications.size());
  for (auto& [id, scope] : seen.applications) {
    out.applications.push_back(std::move(scope));
  }
  return out;
}

}  // namespace ppmm
