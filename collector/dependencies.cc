#include "collector/dependencies.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "collector/application_view.h"
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

std::string NameOf(const Tables& tables, ApplicationId id) {
  const auto found = tables.applications.find(id);
  return found == tables.applications.end() ? std::string() : ShownAs(found->second);
}

std::string HostLabelOf(const Tables& tables, HostKey key) {
  const HostState* host = FindHost(tables, key);
  return host == nullptr ? std::string() : host->row.label;
}

// What the caller's sockets tell of its calls of one service.
struct CallTimes {
  Sketch times;
  std::optional<double> unanswered;
  bool without_times = false;            // of some connection
  double connections_without_times = 0;  // found in the last minute
};
// By application, host, address and port.
using CallTimesByService = std::map<std::tuple<ApplicationId, HostKey, std::string, std::string>, CallTimes>;

// Of the series of one instance.
void AddCallTimes(const Tables& tables, const EntityState& entity, absl::Time now, CallTimesByService* out) {
  const HostState* const host = FindHost(tables, entity.row.host);
  for (const SeriesId id : entity.series) {
    const SeriesState* const series = tables.Series(id);
    if (host == nullptr || series == nullptr || !absl::StartsWith(series->metric->name, "ppmm_instance_call")) {
      continue;
    }
    const std::vector<absl::string_view> labels = series->LabelValues();
    const auto application = tables.applications.find(entity.instance.application);
    const bool is_unnamed = application != tables.applications.end() && application->second.row.name == "~other";
    CallTimes& calls = (*out)[{is_unnamed ? kNoApplication : entity.instance.application, entity.row.host,
                               std::string(labels[0]), std::string(labels[1])}];
    if (series->histogram != nullptr) {
      calls.times.Merge(series->histogram->ring.Newest(
          host->row.newest_step, absl::ToInt64Seconds(kResponseTimesWindow) / SketchRing::kSliceSeconds));
    } else if (series->metric->name == "ppmm_instance_calls_unanswered_total") {
      calls.unanswered = calls.unanswered.value_or(0) +
                         RatePerSecond(*series, host->row.newest_step, kResponseTimesWindow).value_or(0);
    } else {
      calls.without_times |= IsFresh(series->last_step, now);
      calls.connections_without_times += IncreaseWithin(*series, host->row.newest_step, kResponseTimesWindow);
    }
  }
}

std::string NoCallTimes(const Tables& tables, HostKey host, const CallTimes* calls) {
  if (calls != nullptr && calls->without_times) {
    return "its calls are pipelined or multiplexed, so none can be told from the next";
  }
  if (calls != nullptr) {
    return "no call was answered in the last minute";
  }
  const HostState* const state = FindHost(tables, host);
  const auto source = state == nullptr ? decltype(state->sources.end()){} : state->sources.find("response_times");
  return state != nullptr && source != state->sources.end() && source->second.state != wire::SourceState::OK
             ? source->second.reason
             : "no call was seen since it was first heard of, or not told apart from other services";
}

}  // namespace

Dependencies DependenciesOf(const Tables& tables, const std::vector<PeerDayRow>& peers, absl::Time now) {
  CallTimesByService times;
  for (const auto& [id, entity] : tables.entities) {
    AddCallTimes(tables, *entity, now, &times);
  }
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
  const CallTimes unknown;
  Dependencies out;
  out.commit = tables.commit;
  for (const auto& [call, sum] : calls) {
    const auto& [application, host, address, port] = call;
    const HostKey remote = places.HostOf(host, address);
    const auto found = times.find({application, host, address, absl::StrCat(port)});
    const CallTimes* const measured = found == times.end() ? nullptr : &found->second;
    const CallTimes& known = measured == nullptr ? unknown : *measured;
    out.rows.push_back({.application = NameOf(tables, application),
                        .host = HostLabelOf(tables, host),
                        .address = address,
                        .port = port,
                        .remote_host = HostLabelOf(tables, remote),
                        .remote_application = NameOf(tables, places.ApplicationOf(remote, port)),
                        .connections = sum.connections,
                        .bytes = sum.bytes,
                        .call_time = known.times,
                        .unanswered = known.unanswered,
                        .call_time_reason = NoCallTimes(tables, host, measured),
                        .unparsed = known.without_times && known.times.count() == 0,
                        .connections_without_times = std::llround(known.connections_without_times),
                        .calls_at_least = known.without_times});
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
  return DependenciesOf(state.tables(), peers, now);
}

}  // namespace ppmm
