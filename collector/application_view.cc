#include "collector/application_view.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

#include "collector/origin_guess.h"
#include "collector/view_reads.h"
#include "common/status.h"
#include "proto/telemetry.pb.h"

namespace ppmm {
namespace {

// Sums over one application's window, or nothing where no series was there to measure it.
struct Rates {
  std::optional<double> connections;
  std::optional<double> bytes;
  std::optional<double> requests;
  std::optional<double> errors;
  std::optional<double> cpu_cores;
  double connections_without_times = 0;  // found in all of the window
};

// Connections of one instance on which no request can be told from the next.
struct ConnectionsWithoutTimes {
  std::int64_t ever = 0;
  double found = 0;  // in the window of times
  std::int64_t established = 0;
  double bytes = 0;  // in the same window, of all of its connections

  // Nobody tells of their ends: at most so many are open.
  std::int64_t Open() const { return std::min(ever, established); }
  // Whether anything was asked on them, as far as one can tell.
  bool AreUsed() const { return found > 0 || (Open() > 0 && bytes > 0); }
};

void AddTo(std::optional<double>* sum, const std::optional<double>& term) {
  if (term.has_value()) {
    *sum = sum->value_or(0) + *term;
  }
}

std::optional<double>* RateOf(Rates& rates, absl::string_view metric) {
  if (metric == "ppmm_instance_connections_accepted_total") {
    return &rates.connections;
  }
  if (metric == "ppmm_instance_network_receive_bytes_total" || metric == "ppmm_instance_network_transmit_bytes_total") {
    return &rates.bytes;
  }
  if (metric == "ppmm_instance_requests_total") {
    return &rates.requests;
  }
  if (metric == "ppmm_instance_errors_total") {
    return &rates.errors;
  }
  return metric == "ppmm_instance_cpu_seconds_total" ? &rates.cpu_cores : nullptr;
}

// What says most of the work done: requests, else connections, else bytes; long-lived connections bring bytes only.
void SetThroughput(const Rates& rates, ApplicationView& view) {
  const std::pair<absl::string_view, std::optional<double>> kinds[] = {
      {"requests", rates.requests}, {"connections", rates.connections}, {"bytes", rates.bytes}};
  for (const auto& [name, rate] : kinds) {
    const bool better = rate.has_value() &&
                        (!view.throughput_per_second.has_value() || (*view.throughput_per_second <= 0 && *rate > 0));
    if (better) {
      view.throughput_of = std::string(name);
      view.throughput_per_second = rate;
    }
  }
  view.throughput_at_least = view.throughput_of == "requests" &&
                             (rates.connections_without_times > 0 || view.open_connections_without_times > 0);
}

void TakeInstance(const EntityState& entity, OriginGuess& origin, ApplicationView& view) {
  wire::Entity attributes;
  if (attributes.ParseFromString(entity.row.attributes) && attributes.has_instance()) {
    const wire::Instance& instance = attributes.instance();
    origin.Take(instance);
    if (view.name_source.empty()) {
      view.name_source = instance.name_source();
      view.name_evidence = instance.name_evidence();
    }
    view.plumbing = view.plumbing || instance.plumbing();
  }
  if (view.product.empty()) {
    view.product = entity.instance.product;
  }
  if (!entity.instance.version.empty()) {
    view.version = entity.instance.version;  // the youngest instance's
  }
}

Sketch* TimesOf(ApplicationView& view, absl::string_view kind) {
  return kind == "total"     ? &view.response_time
         : kind == "wait"    ? &view.wait_time
         : kind == "service" ? &view.service_time
                             : nullptr;
}

// The slices of a histogram that lie in the window which ends with the host's newest step.
void AddTimes(const SeriesState& series, std::int64_t newest_step, ApplicationView& view) {
  Sketch* const times = TimesOf(view, series.LabelValues()[0]);
  if (times != nullptr && series.histogram != nullptr) {
    times->Merge(series.histogram->ring.Newest(newest_step,
                                               absl::ToInt64Seconds(view.times_window) / SketchRing::kSliceSeconds));
  }
}

// Adds what one series of an instance tells of its connections without times.
void TakeUntimed(const SeriesState& series, std::int64_t newest_step, absl::Duration window,
                 ConnectionsWithoutTimes& untimed, Rates& rates) {
  const absl::string_view metric = series.metric->name;
  const absl::Duration times_window = std::min(window, kResponseTimesWindow);
  if (metric == "ppmm_instance_connections_without_times_total") {
    untimed.ever += series.total;
    untimed.found += IncreaseWithin(series, newest_step, times_window);
    rates.connections_without_times += IncreaseWithin(series, newest_step, window);
  } else if (metric == "ppmm_instance_connections_established") {
    untimed.established += series.last;
  } else if (RateOf(rates, metric) == &rates.bytes) {
    untimed.bytes += IncreaseWithin(series, newest_step, times_window);
  }
}

// Why a host takes no times; null if it does.
const std::string* WhyUntimed(const HostState& host) {
  const auto source = host.sources.find("response_times");
  return source != host.sources.end() && source->second.state != wire::SourceState::OK ? &source->second.reason
                                                                                       : nullptr;
}

// Why no times are there, from what its hosts say of their hooks and from its series.
std::string NoTimes(const HostState* host, bool requests_counted, bool unparsed) {
  if (host == nullptr) {
    return "not heard of now";
  }
  if (const std::string* const reason = WhyUntimed(*host); reason != nullptr) {
    return *reason;
  }
  if (unparsed) {
    return "its requests are pipelined or multiplexed, so none can be told from the next";
  }
  return requests_counted ? "no request was answered in the last minute" : "no request was seen on its sockets";
}

// What a host has.
struct Capacity {
  double cpus = 0;
  double memory_bytes = 0;
};
using Capacities = absl::flat_hash_map<std::string, Capacity>;  // by label

void AddCapacity(const HostState& host, Capacities& capacities) {
  wire::Host attributes;
  if (attributes.ParseFromString(host.row.attributes)) {
    capacities[host.row.label] = {static_cast<double>(attributes.cpus()),
                                  static_cast<double>(attributes.memory_bytes())};
  }
}

// Of the CPU or the memory that its hosts have, whichever it uses more of. Nothing is known of a host: nothing is used.
double UseShare(const ApplicationView& view, const Capacities& capacities) {
  Capacity all;
  for (const std::string& host : view.hosts) {
    if (const auto found = capacities.find(host); found != capacities.end()) {
      all.cpus += found->second.cpus;
      all.memory_bytes += found->second.memory_bytes;
    }
  }
  return std::max(all.cpus > 0 ? view.cpu_cores.value_or(0) / all.cpus : 0,
                  all.memory_bytes > 0 ? view.resident_memory_bytes.value_or(0) / all.memory_bytes : 0);
}

// One application as of now, its rates from the latest steps.
ApplicationView ReadOne(const Tables& tables, const ApplicationState& application, absl::Duration window,
                        absl::Time now, Rates* rates) {
  ApplicationView view;
  view.id = application.row.id;
  view.key = application.row.key;
  view.name = application.name();
  view.shown_as = application.display_name.empty() ? application.label() : application.display_name;
  view.group = application.row.group;
  view.first_seen = absl::FromUnixMicros(application.row.first_seen_us);
  std::set<std::string> hosts;
  std::set<std::uint32_t> ports;
  OriginGuess origin;
  const HostState* heard_of = nullptr;
  bool requests_counted = false;
  bool untimed_used = false;
  view.times_window = std::min(window, kResponseTimesWindow);
  for (const EntityId id : application.instances) {
    const EntityState* const entity = tables.Entity(id);
    if (entity == nullptr) {
      continue;
    }
    const HostState* const host = FindHost(tables, entity->row.host);
    TakeInstance(*entity, origin, view);
    bool fresh = false;
    ConnectionsWithoutTimes untimed;
    for (const SeriesId series_id : entity->series) {
      const SeriesState* const series = tables.Series(series_id);
      if (series == nullptr) {
        continue;
      }
      view.newest_step = std::max(view.newest_step, series->last_step);
      if (host == nullptr || !IsFresh(series->last_step, now)) {
        continue;
      }
      fresh = true;
      heard_of = host;
      requests_counted |= series->metric->name == "ppmm_instance_requests_total";
      TakeUntimed(*series, host->row.newest_step, window, untimed, *rates);
      if (series->metric->name == "ppmm_instance_resident_memory_bytes") {
        if (series->last > 0) {  // 0: of a process that ended, or was not read yet
          AddTo(&view.resident_memory_bytes, ValueOf(*series->metric, series->last));
        }
      } else if (series->metric->name == "ppmm_instance_response_time_seconds") {
        AddTimes(*series, host->row.newest_step, view);
      } else if (std::optional<double>* rate = RateOf(*rates, series->metric->name); rate != nullptr) {
        AddTo(rate, RatePerSecond(*series, host->row.newest_step, window));
      }
    }
    view.connections_without_times += std::llround(untimed.found);
    view.open_connections_without_times += untimed.Open();
    untimed_used |= untimed.AreUsed();
    if (!fresh || (!entity->lives.empty() && entity->lives.back().to_minute != 0)) {
      continue;
    }
    ++view.instances;
    hosts.insert(host->row.label);
    for (const ListenerRow& listener : entity->listeners) {
      if (listener.gone_us == 0 && listener.port != 0) {
        ports.insert(listener.port);
      }
    }
  }
  for (const auto& [key, pooled] : application.totals) {
    view.newest_step = std::max(view.newest_step, pooled.newest_step);  // of series that are dormant, too
  }
  if (view.instances == 0) {
    view.resident_memory_bytes.reset();  // of instances that ended
    view.open_connections_without_times = 0;
    heard_of = nullptr;
  }
  const bool timed = view.response_time.count() > 0;
  view.unparsed = !timed && untimed_used && heard_of != nullptr && WhyUntimed(*heard_of) == nullptr;
  view.response_time_reason = NoTimes(heard_of, requests_counted || timed, view.unparsed);
  view.origin = std::string(OriginName(origin.origin()));
  view.origin_confidence = origin.confidence();
  view.origin_evidence = origin.evidence();
  view.hosts.assign(hosts.begin(), hosts.end());
  view.ports.assign(ports.begin(), ports.end());
  return view;
}

// Rates of all applications over whole minutes: those in which anything was measured, since neither the time before the
// collector knew an agent nor a time without it says that nothing was asked for.
struct Minutes {
  absl::flat_hash_map<ApplicationId, Rates> rates;
  std::int64_t first = 0;  // that was measured; the first of all if none was
  std::int64_t measured = 0;
};

absl::StatusOr<Minutes> ReadMinutes(StoreReader& reader, std::int64_t from, std::int64_t to) {
  ASSIGN_OR_RETURN(const std::vector<ApplicationMinuteRow> rows, reader.ApplicationMinutes(0, from, to));
  Minutes minutes;
  std::vector<bool> measured(static_cast<std::size_t>(to - from));
  for (const ApplicationMinuteRow& row : rows) {
    measured[static_cast<std::size_t>(row.minute - from)] = true;
  }
  const auto first = std::find(measured.begin(), measured.end(), true);
  minutes.first = from + (first == measured.end() ? 0 : first - measured.begin());
  minutes.measured = std::count(measured.begin(), measured.end(), true);
  const double seconds = static_cast<double>(minutes.measured) * 60;
  for (const ApplicationMinuteRow& row : rows) {
    Rates& one = minutes.rates[row.application];
    AddTo(&one.connections, static_cast<double>(row.independent) / seconds);
    AddTo(&one.bytes, static_cast<double>(row.traffic) / seconds);
    AddTo(&one.cpu_cores, static_cast<double>(row.cpu_us) / 1e6 / seconds);
    if (row.requests > 0) {
      AddTo(&one.requests, static_cast<double>(row.requests) / seconds);
    }
    one.connections_without_times += static_cast<double>(row.unparsed);
  }
  return minutes;
}

}  // namespace

absl::StatusOr<absl::Duration> RoundWindow(absl::Duration window) {
  if (window <= absl::ZeroDuration() || window > kLongestWindow) {
    return absl::InvalidArgumentError(
        absl::StrCat("window ", absl::FormatDuration(window), " is not between 1s and 24h"));
  }
  return absl::Ceil(window, window <= kStepsWindow ? absl::Seconds(10) : absl::Minutes(1));
}

absl::StatusOr<ApplicationViews> ReadApplications(State& state, const ReaderFactory& reader, absl::Duration window,
                                                  absl::Time now) {
  ASSIGN_OR_RETURN(window, RoundWindow(window));
  RETURN_IF_ERROR(state.Readiness());
  const bool by_minutes = window > kStepsWindow;
  ApplicationViews views;
  std::vector<ApplicationId> ids;
  std::int64_t newest_step = 0;
  Capacities capacities;
  {
    ReaderLock lock(&state.mutex());
    const Tables& tables = state.tables();
    views.commit = tables.commit;
    for (const auto& [id, application] : tables.applications) {
      ids.push_back(id);
    }
    for (const auto& [key, host] : tables.hosts) {
      newest_step = std::max(newest_step, host.row.newest_step);
      AddCapacity(host, capacities);
    }
  }
  views.to = newest_step == 0 ? absl::FromUnixSeconds(absl::ToUnixSeconds(now)) : absl::FromUnixSeconds(newest_step);
  Minutes minutes;
  views.from = views.to - window;
  if (by_minutes) {
    const std::int64_t to_minute = absl::ToUnixSeconds(std::min(now, views.to)) / 60;
    ASSIGN_OR_RETURN(const std::unique_ptr<StoreReader> rows, reader());
    ASSIGN_OR_RETURN(minutes, ReadMinutes(*rows, to_minute - absl::ToInt64Minutes(window), to_minute));
    views.to = absl::FromUnixSeconds(to_minute * 60);
    views.from = absl::FromUnixSeconds(minutes.first * 60);
    views.measured = absl::Minutes(minutes.measured);
  }
  for (const ApplicationId id : ids) {
    Rates rates;
    ReaderLock lock(&state.mutex());
    const Tables& tables = state.tables();
    const auto found = tables.applications.find(id);
    if (found == tables.applications.end()) {
      continue;
    }
    ApplicationView view = ReadOne(tables, found->second, window, now, &rates);
    if (by_minutes) {
      rates = minutes.rates[id];
    }
    SetThroughput(rates, view);
    view.cpu_cores = rates.cpu_cores;
    view.errors_per_second = rates.errors;
    view.use_share = UseShare(view, capacities);
    views.applications.push_back(std::move(view));
  }
  std::sort(views.applications.begin(), views.applications.end(),
            [](const ApplicationView& a, const ApplicationView& b) { return a.key < b.key; });
  return views;
}

}  // namespace ppmm
