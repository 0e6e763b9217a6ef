#include "collector/host_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"

#include "collector/view_reads.h"
#include "common/source_advice.h"
#include "common/status.h"
#include "proto/telemetry.pb.h"

namespace ppmm {
namespace {

constexpr absl::Duration kUtilizationWindow = absl::Seconds(60);

absl::string_view SourceStateName(std::int32_t state) {
  return state == wire::SourceState::OK ? "ok" : state == wire::SourceState::ABSENT ? "absent" : "failed";
}

bool IsIdleMode(absl::string_view mode) {
  return mode == "idle" || mode == "iowait";
}

// Guests run in the time that `user` and `nice` already hold.
bool IsGuestMode(absl::string_view mode) {
  return absl::StartsWith(mode, "guest");
}

// Visits the fresh series of all entities of a host.
template <class Visit>
void ForEachFresh(const Tables& tables, const HostState& host, absl::Time now, const Visit& visit) {
  for (const EntityId id : host.entities) {
    const EntityState* const entity = tables.Entity(id);
    if (entity == nullptr || entity->row.kind == EntityKind::kInstance) {
      continue;
    }
    for (const SeriesId series_id : entity->series) {
      const SeriesState* const series = tables.Series(series_id);
      if (series != nullptr && IsFresh(series->last_step, now)) {
        visit(*series);
      }
    }
  }
}

void TakeUtilization(const Tables& tables, const HostState& host, absl::Time now, HostView& view) {
  double busy = 0;
  double all = 0;
  std::optional<double> available;
  std::optional<double> total;
  ForEachFresh(tables, host, now, [&](const SeriesState& series) {
    const absl::string_view name = series.metric->name;
    if (name == "ppmm_host_cpu_seconds_total") {
      const std::vector<absl::string_view> labels = series.LabelValues();
      const std::optional<double> rate = RatePerSecond(series, host.row.newest_step, kUtilizationWindow);
      if (labels.size() == 2 && rate.has_value() && !IsGuestMode(labels[1])) {
        all += *rate;
        busy += IsIdleMode(labels[1]) ? 0 : *rate;
      }
    } else if (name == "ppmm_host_memory_mem_available_bytes") {
      available = ValueOf(*series.metric, series.last);
    } else if (name == "ppmm_host_memory_mem_total_bytes") {
      total = ValueOf(*series.metric, series.last);
    } else if (name == "ppmm_host_timex_sync_status") {
      view.clock_synchronized = series.last == 1;
    }
  });
  if (all > 0) {
    view.cpu_utilization_ratio = busy / all;
  }
  if (available.has_value() && total.has_value() && *total > 0) {
    view.memory_utilization_ratio = 1 - *available / *total;
  }
}

ResponseClockView ClockIn(const wire::Host& attributes) {
  const wire::ResponseClock& clock = attributes.response_clock();
  return {clock.arrival(), clock.read(), clock.write(), clock.limits()};
}

HostView ReadOne(const Tables& tables, const HostState& host, const AgentStreams* agents, absl::Time now) {
  HostView view;
  view.key = host.row.key;
  view.label = host.row.label;
  view.host_id = absl::BytesToHexString(host.row.host_id);
  view.group = host.row.group;
  const std::optional<AgentStreams::End> end = agents == nullptr ? std::nullopt : agents->LastEnd(host.row.host_id);
  view.presence = PresenceOf(host, now, end);
  if (view.presence == HostPresence::kStopped || view.presence == HostPresence::kDisconnected) {
    view.stream_ended = end->at;
  }
  if (host.row.newest_step != 0) {
    view.step_age = std::max(absl::ZeroDuration(), now - absl::FromUnixSeconds(host.row.newest_step));
  }
  view.first_seen = absl::FromUnixMicros(host.row.first_seen_us);
  if (host.row.boot_us != 0) {
    view.boot_time = absl::FromUnixMicros(host.row.boot_us);
  }
  view.duplicate = host.row.duplicate;
  view.agent_version = host.row.agent_version;
  wire::Host attributes;
  if (!host.row.attributes.empty() && attributes.ParseFromString(host.row.attributes)) {
    view.kernel = attributes.kernel();
    view.operating_system = attributes.operating_system();
    view.capture = attributes.capture();
    view.response_clock = ClockIn(attributes);
    view.addresses.assign(attributes.addresses().begin(), attributes.addresses().end());
    if (attributes.cpus() != 0) {
      view.cpus = attributes.cpus();
    }
    if (attributes.memory_bytes() != 0) {
      view.memory_bytes = attributes.memory_bytes();
    }
  }
  for (const auto& [name, row] : host.sources) {
    const std::string state(SourceStateName(row.state));
    view.sources.push_back({name, state, row.reason,
                            state == "ok" ? "" : AdviceOnSource(name, state == "failed", row.reason).cure,
                            absl::FromUnixMicros(row.since_us)});
  }
  TakeUtilization(tables, host, now, view);
  view.forecasts = ForecastsOf(tables, host, now);
  return view;
}

}  // namespace

ResponseClockView ResponseClockOf(const HostState& host) {
  wire::Host attributes;
  return attributes.ParseFromString(host.row.attributes) ? ClockIn(attributes) : ResponseClockView{};
}

absl::string_view HostPresenceName(HostPresence presence) {
  switch (presence) {
    case HostPresence::kLive:
      return "live";
    case HostPresence::kOff:
      return "off";
    case HostPresence::kStopped:
      return "stopped";
    case HostPresence::kDisconnected:
      return "disconnected";
    case HostPresence::kSilent:
      break;
  }
  return "silent";
}

HostPresence PresenceOf(const HostState& host, absl::Time now, std::optional<AgentStreams::End> end) {
  if (host.row.newest_step != 0 && now - absl::FromUnixSeconds(host.row.newest_step) <= kSilentAfter) {
    return !end.has_value() ? HostPresence::kLive : end->goodbye ? HostPresence::kStopped : HostPresence::kDisconnected;
  }
  const std::int64_t now_us = absl::ToUnixMicros(now);
  const bool off = std::any_of(host.lives.begin(), host.lives.end(), [&](const HostLifeRow& row) {
    return row.from_us <= now_us && (row.to_us == 0 || row.to_us > now_us);
  });
  return off ? HostPresence::kOff : end.has_value() && end->goodbye ? HostPresence::kStopped : HostPresence::kSilent;
}

void SampleCounts::Add(const SampleCounts& other) {
  produced += other.produced;
  committed += other.committed;
  refused += other.refused;
  dropped += other.dropped;
  late += other.late;
  if (other.damaged_bytes.has_value()) {
    damaged_bytes = damaged_bytes.value_or(0) + *other.damaged_bytes;
  }
}

absl::flat_hash_map<HostKey, SampleCounts> SamplesByHost(const Tables& tables) {
  absl::flat_hash_map<HostKey, SampleCounts> by_host;
  for (const auto& [id, agent] : tables.agents) {
    by_host[agent.row.host].Add({.produced = agent.row.produced,
                                 .committed = agent.row.committed,
                                 .refused = agent.row.refused,
                                 .dropped = agent.row.dropped,
                                 .late = agent.row.late,
                                 .damaged_bytes = agent.damaged_bytes});
  }
  return by_host;
}

absl::StatusOr<HostViews> ReadHosts(State& state, const AgentStreams* agents, absl::Time now) {
  RETURN_IF_ERROR(state.Readiness());
  HostViews views;
  std::vector<HostKey> keys;
  absl::flat_hash_map<HostKey, SampleCounts> samples;
  {
    ReaderLock lock(&state.mutex());
    samples = SamplesByHost(state.tables());
    views.commit = state.tables().commit;
    for (const auto& [key, host] : state.tables().hosts) {
      keys.push_back(key);
    }
  }
  for (const HostKey key : keys) {
    ReaderLock lock(&state.mutex());
    if (const HostState* const host = FindHost(state.tables(), key); host != nullptr) {
      views.hosts.push_back(ReadOne(state.tables(), *host, agents, now));
      views.hosts.back().samples = samples[key];
    }
  }
  std::sort(views.hosts.begin(), views.hosts.end(),
            [](const HostView& a, const HostView& b) { return a.label < b.label; });
  return views;
}

void AddClocks(const std::vector<ClockOffsets::Offset>& clocks, HostViews* views) {
  absl::flat_hash_map<std::string, const ClockOffsets::Offset*> by_host;
  for (const ClockOffsets::Offset& offset : clocks) {
    by_host[absl::BytesToHexString(offset.host_id)] = &offset;
  }
  for (HostView& view : views->hosts) {
    if (const auto found = by_host.find(view.host_id); found != by_host.end()) {
      view.clock_offset = found->second->ahead;
      view.held_for_clock = found->second->held;
    }
  }
}

}  // namespace ppmm
