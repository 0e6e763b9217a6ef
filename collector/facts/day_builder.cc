#include "collector/facts/day_builder.h"

#include <algorithm>
#include <utility>

#include "collector/facts/percentile_intervals.h"
#include "collector/reopened.h"
#include "common/metrics.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr std::int64_t kBusyRequests = kSamplesForP95;
// Times that are the same to the nanosecond, minute after minute, were not measured.
constexpr std::int64_t kConstantMinutes = 30;
constexpr std::int64_t kUsPerMinute = 60'000'000;
constexpr std::int64_t kSilentMinutes =
    5;  // five whole minutes without a sample: more than 5 minutes between two steps
constexpr std::int64_t kMostSamples =
    1'000'000'000'000;  // a day and host, whatever its agents claim: sums do not overflow

std::int64_t Count(const MinuteSet& set) {
  return static_cast<std::int64_t>(set.count());
}

// The minutes [from, to) since 1970 that lie in the day.
MinuteSet Range(Day day, std::int64_t from, std::int64_t to) {
  const std::int64_t begin = std::int64_t{day} * kMinutesPerDay;
  const std::int64_t first = std::clamp<std::int64_t>(from - begin, 0, kMinutesPerDay);
  const std::int64_t last = std::clamp<std::int64_t>(to - begin, first, kMinutesPerDay);
  MinuteSet set;
  for (std::int64_t minute = first; minute < last; ++minute) {
    set.set(static_cast<std::size_t>(minute));
  }
  return set;
}

// Enrolment within a minute leaves no room for half of its samples, so a host is judged from the next one on.
std::int64_t FirstWholeMinute(const DayScopes::Host& host) {
  return (host.first_seen_us + kUsPerMinute - 1) / kUsPerMinute;
}

std::int64_t ResourceSet(const std::array<bool, 5>& kinds) {
  std::int64_t set = 0;
  for (std::size_t kind = 1; kind < kinds.size(); ++kind) {
    set |= kinds[kind] ? std::int64_t{1} << (kind - 1) : 0;
  }
  return set;
}

struct HostDay {
  DayBits bits;
  OffTime off;        // since it is known
  MinuteSet up;       // not off, not booting
  MinuteSet booting;  // not off
};

HostDay MinutesOf(const DayScopes::Host& host, DayBits bits, Day day, std::int64_t until_minute) {
  HostDay result;
  const MinuteSet known = Range(day, FirstWholeMinute(host), until_minute);
  result.off = OffTimeOf(host.off, day, bits.sampled);
  result.off.minutes &= known;
  result.booting = known & ~result.off.minutes & bits.booting;
  result.up = known & ~result.off.minutes & ~bits.booting;
  result.bits = std::move(bits);
  return result;
}

// Minutes in which a host runs and no sample of it came, not even late.
void CountSilences(const HostDay& day, DayFacts& facts) {
  std::int64_t run = 0;
  for (std::size_t minute = 0; minute <= day.up.size(); ++minute) {
    if (minute < day.up.size() && day.up[minute] && !day.bits.sampled[minute]) {
      ++run;
      continue;
    }
    if (run >= kSilentMinutes) {
      ++facts.silences;
      facts.silence_longest_s = std::max(facts.silence_longest_s, run * 60);
    }
    run = 0;
  }
}

void CountClock(const HostDay& day, DayFacts& facts) {
  for (std::size_t minute = 0; minute < day.up.size(); ++minute) {
    if (day.up[minute] && day.bits.clock[minute] > 0) {
      const std::int64_t tenths = day.bits.clock[minute] - 1;
      ++facts.clock_minutes;
      facts.clock_over_1s_minutes += tenths > 10 ? 1 : 0;
      facts.clock_worst_us = std::max(facts.clock_worst_us, tenths * 100'000);
    }
  }
}

DayFacts HostFacts(const HostDay& day) {
  const DayBits& bits = day.bits;
  const MinuteSet covered = bits.Covered();
  DayFacts facts;
  facts.up_minutes = Count(day.up);
  facts.off_minutes = Count(day.off.minutes);
  facts.off_contradicted = day.off.contradicted;
  facts.booting_minutes = Count(day.booting);
  facts.booting_covered_minutes = Count(day.booting & covered);
  facts.covered_minutes = Count(day.up & covered);
  facts.covered_cpu_minutes = Count(day.up & bits.covered[static_cast<std::size_t>(Resource::kCpu)]);
  facts.covered_memory_minutes = Count(day.up & bits.covered[static_cast<std::size_t>(Resource::kMemory)]);
  facts.covered_disk_minutes = Count(day.up & bits.covered[static_cast<std::size_t>(Resource::kDisk)]);
  facts.covered_network_minutes = Count(day.up & bits.covered[static_cast<std::size_t>(Resource::kNetwork)]);
  facts.late_minutes = Count(day.up & covered & ~bits.covered_when_closed);
  facts.kinds_present = ResourceSet(bits.present);
  std::array<bool, 5> moved{};
  for (std::size_t kind = 0; kind < moved.size(); ++kind) {
    moved[kind] = bits.moved[kind].any();
  }
  facts.kinds_moved = ResourceSet(moved);
  facts.saturation_present = ResourceSet(bits.saturation);
  CountSilences(day, facts);
  CountClock(day, facts);
  return facts;
}

// Bits of an application: the OR over its instances, each by the life of its host.
DayFacts ApplicationBitFacts(const std::vector<DayScopes::Instance>& instances, const std::map<HostKey, HostDay>& hosts,
                             Day day, std::int64_t until_minute, MinuteSet* traffic) {
  MinuteSet up;
  MinuteSet booting;
  MinuteSet throughput;
  MinuteSet counted;
  for (const DayScopes::Instance& instance : instances) {
    const auto host = hosts.find(instance.host);
    if (host == hosts.end()) {
      continue;
    }
    MinuteSet alive;
    for (const InstanceLifeRow& life : instance.lives) {
      alive |= Range(day, life.from_minute, life.to_minute == 0 ? until_minute : life.to_minute + 1);
    }
    up |= alive & host->second.up;
    booting |= alive & host->second.booting;
    const auto bits = host->second.bits.instances.find(instance.entity);
    if (bits != host->second.bits.instances.end()) {
      throughput |= bits->second.throughput;
      counted |= bits->second.counted;
      *traffic |= bits->second.traffic;
    }
  }
  booting &= ~up;
  *traffic &= up;
  DayFacts facts;
  facts.up_minutes = Count(up);
  facts.booting_minutes = Count(booting);
  facts.booting_covered_minutes = Count(booting & throughput);
  facts.throughput_minutes = Count(up & throughput);
  facts.throughput_coarse_minutes = Count(up & throughput & ~counted);
  facts.throughput_moved = traffic->any() ? 1 : 0;
  facts.traffic_minutes = Count(*traffic);
  return facts;
}

// Whether response times are invented: in half or more of the busy minutes, and in 30 or more, their mean is, to the
// nanosecond, that of the busy minute before. Honest times differ: also those of a long poll or of a fixed delay.
class ConstantTimes {
 public:
  // Minutes in their order.
  void Add(const ApplicationMinuteRow& row) {
    if (row.timed < kBusyRequests) {
      return;
    }
    const std::int64_t mean = row.response_sum % row.timed == 0 ? row.response_sum / row.timed : kNone;
    ++busy_;
    same_ += mean != kNone && mean == mean_before_ ? 1 : 0;
    mean_before_ = mean;
  }
  bool AreSynthetic() const { return same_ >= kConstantMinutes && same_ * 2 >= busy_; }

 private:
  static constexpr std::int64_t kNone = -1;
  std::int64_t busy_ = 0;
  std::int64_t same_ = 0;
  std::int64_t mean_before_ = kNone;
};

// `timeable`: minutes in which an independent counter shows traffic.
void AddMinute(const ApplicationMinuteRow& row, const MinuteSet& timeable, DayFacts& facts) {
  const std::int64_t minute = row.minute % kMinutesPerDay;
  facts.requests += row.requests;
  facts.errors += row.errors;
  facts.connections += row.independent;
  facts.bytes += row.traffic;
  facts.cpu_us += row.cpu_us;
  facts.timed_requests += row.timed;
  facts.unparsed_connections += row.unparsed;
  facts.requests_per_hour[static_cast<std::size_t>(minute / 60)] += row.requests;
  facts.timed_per_hour[static_cast<std::size_t>(minute / 60)] += row.timed;
  facts.vantages |= row.timed > 0 ? std::int64_t{kArrivalBit} : 0;
  facts.busy_minutes += row.requests >= kBusyRequests ? 1 : 0;
  facts.throughput_moved = facts.throughput_moved != 0 || row.requests > 0 ? 1 : 0;
  // Enough of what is known of: half of the requests where they are counted, else at least one. A connection that
  // turned out to be pipelined or multiplexed was asked at least one more, which nobody counts.
  const bool timed = row.timed > 0 && row.timed - row.unparsed >= row.requests - row.timed;
  facts.timed_minutes += timed && timeable[static_cast<std::size_t>(minute)] ? 1 : 0;
}

absl::Status AddSamples(StoreReader& reader, Day day, std::map<ScopeId, DayFacts>& facts) {
  ASSIGN_OR_RETURN(const std::vector<SampleDayRow> rows, reader.SamplesOf(day));
  for (const SampleDayRow& row : rows) {
    const auto host = facts.find({ScopeKind::kHost, row.host});
    if (host != facts.end()) {
      const auto bounded = [](std::int64_t count) { return std::clamp<std::int64_t>(count, 0, kMostSamples); };
      host->second.samples_produced = bounded(row.produced);
      host->second.samples_committed = bounded(row.committed);
      host->second.samples_dropped = bounded(row.dropped);
      host->second.samples_refused = bounded(row.refused);
    }
  }
  return absl::OkStatus();
}

// The service manager is to hear the collector in every minute in which a host runs.
absl::Status AddWatchdog(const DayScopes& scopes, const std::map<HostKey, HostDay>& hosts, StoreReader& reader, Day day,
                         DayFacts& organization) {
  if (scopes.watchdog_since_minute == 0) {
    return absl::OkStatus();
  }
  MinuteSet up;
  for (const auto& [key, host] : hosts) {
    up |= host.up;
  }
  up &= Range(day, scopes.watchdog_since_minute, INT64_MAX);
  MinuteSet heard;
  ASSIGN_OR_RETURN(const std::vector<WatchdogRow> runs, reader.WatchdogOf(day));
  for (const WatchdogRow& run : runs) {
    heard |= Range(day, run.from_minute, run.to_minute + 1);
  }
  organization.watchdog_minutes = Count(up);
  organization.watchdog_heard = Count(up & heard);
  return absl::OkStatus();
}

// A minute that came this long ago is not expected to grow any more, but by what comes late.
constexpr std::int64_t kSettledMinutes = 2;

// CPU time of the hosts and use of their resources, from the minute rows of the day: in one pass over what is kept
// until the day is sealed.
absl::Status ReadHostMinutes(const DayScopes& scopes, StoreReader& reader, Day day, std::int64_t until_minute,
                             const DayExtras& extras, std::map<ScopeId, DayFacts>& facts) {
  const std::int64_t begin = std::int64_t{day} * kMinutesPerDay;
  std::map<HostKey, const DayScopes::Host*> hosts;
  std::map<HostKey, HostUse> uses;
  for (const DayScopes::Host& host : scopes.hosts) {
    hosts[host.key] = &host;
    if (extras.used != nullptr) {
      uses.emplace(host.key, &host.resources);
    }
  }
  std::int64_t from = begin;
  if (RunningCpu* const running = extras.running; running != nullptr) {
    if (running->day != day) {
      *running = {day, begin, {}};
    }
    from = running->next_minute;
    for (const auto& [key, cpu_us] : running->cpu_us) {
      if (const auto fact = facts.find({ScopeKind::kHost, key}); fact != facts.end()) {
        fact->second.cpu_us = cpu_us;
      }
    }
  }
  std::map<HostKey, std::int64_t> read;  // of settled minutes
  const std::int64_t settled = std::max(from, std::min(until_minute - kSettledMinutes, begin + kMinutesPerDay));
  const auto take = [&](std::int64_t minute, const DayScopes::Host& host, DayFacts& fact, const MinuteRow& row) {
    std::int64_t cpu_us = 0;
    for (const SeriesId series : host.busy_cpu) {
      if (const Rollup* rollup = row.Find(series); rollup != nullptr) {
        cpu_us += rollup->sum * 10'000;  // hundredths of a second
      }
    }
    fact.cpu_us += cpu_us;
    if (extras.running != nullptr && minute < settled) {
      read[host.key] += cpu_us;
    }
    if (const auto use = uses.find(host.key); use != uses.end()) {
      use->second.Add(minute - begin, row);
    }
    return absl::OkStatus();
  };
  if (extras.reopened && from == begin) {  // later looks at today find what is new in rows
    for (const DayScopes::Host& host : scopes.hosts) {
      if (const auto fact = facts.find({ScopeKind::kHost, host.key}); fact != facts.end()) {
        RETURN_IF_ERROR(ScanReopenedDay(reader, day, host.key, [&](std::int64_t minute, const MinuteRow& row) {
          return take(minute, host, fact->second, row);
        }));
      }
    }
  } else {
    RETURN_IF_ERROR(reader.ScanMinutes(from, begin + kMinutesPerDay, 0,
                                       [&](std::int64_t minute, HostKey key, absl::string_view blob) -> absl::Status {
                                         const auto host = hosts.find(key);
                                         const auto fact = facts.find({ScopeKind::kHost, key});
                                         if (host == hosts.end() || fact == facts.end()) {
                                           return absl::OkStatus();
                                         }
                                         ASSIGN_OR_RETURN(const MinuteRow row, MinuteRow::Decode(blob));
                                         return take(minute, *host->second, fact->second, row);
                                       }));
  }
  if (extras.running != nullptr) {
    extras.running->next_minute = settled;
    for (const auto& [key, cpu_us] : read) {
      extras.running->cpu_us[key] += cpu_us;
    }
  }
  for (const auto& [key, use] : uses) {
    (*extras.used)[key] = use.Values(day);
  }
  return absl::OkStatus();
}

}  // namespace

DayScopes CopyDayScopes(const Tables& tables) {
  static const Metric* const cpu = &MetricNamed("ppmm_host_cpu_seconds_total");
  DayScopes scopes;
  for (const auto& [key, host] : tables.hosts) {
    DayScopes::Host copy{key, host.row.first_seen_us, host.row.duplicate, host.lives, {}, {}};
    for (const EntityId id : host.entities) {
      for (const SeriesId series_id : tables.Entity(id)->series) {
        const SeriesState* series = tables.Series(series_id);
        if (series != nullptr && series->metric == cpu) {
          const std::vector<absl::string_view> labels = series->LabelValues();
          if (labels.size() == 2 && labels[1] != "idle" && labels[1] != "iowait") {
            copy.busy_cpu.push_back(series_id);
          }
        }
      }
    }
    scopes.hosts.push_back(std::move(copy));
  }
  scopes.addresses = CopyOwnAddresses(tables);
  for (const auto& [id, application] : tables.applications) {
    std::vector<DayScopes::Instance>& instances = scopes.applications[id];
    for (const EntityId entity : application.instances) {
      const EntityState& state = *tables.Entity(entity);
      instances.push_back({entity, state.row.host, state.lives});
    }
  }
  scopes.watchdog_since_minute = tables.watchdog_since_minute;
  scopes.timed_since_minute = (tables.timed_since_us + kUsPerMinute - 1) / kUsPerMinute;
  return scopes;
}

std::vector<ResourceSeries> ResourcesOf(const Tables& tables, HostKey key) {
  std::vector<ResourceSeries> resources;
  const auto host = tables.hosts.find(key);
  if (host == tables.hosts.end()) {
    return resources;
  }
  for (const EntityId id : host->second.entities) {
    for (const SeriesId series_id : tables.Entity(id)->series) {
      const SeriesState* const series = tables.Series(series_id);
      if (series != nullptr && series->metric->scope == MetricScope::kHost &&
          series->metric->resource != Resource::kNone) {
        AddResourceSeries(*series->metric, series->LabelValues(), series_id, resources);
      }
    }
  }
  return resources;
}

OffTime OffTimeOf(const std::vector<HostLifeRow>& intervals, Day day, const MinuteSet& sampled) {
  OffTime result;
  const std::int64_t day_us = std::int64_t{day} * kMinutesPerDay * kUsPerMinute;
  std::array<std::int64_t, kMinutesPerDay> off_us{};
  for (const HostLifeRow& interval : intervals) {
    const std::int64_t from = std::clamp<std::int64_t>(interval.from_us - day_us, 0, kMinutesPerDay * kUsPerMinute);
    const std::int64_t to = std::clamp<std::int64_t>(interval.to_us - day_us, from, kMinutesPerDay * kUsPerMinute);
    // Minutes that lie whole inside cannot have samples if the host was off.
    const std::int64_t first_whole = (from + kUsPerMinute - 1) / kUsPerMinute;
    const std::int64_t end_whole = to / kUsPerMinute;
    bool contradicted = false;
    for (std::int64_t minute = first_whole; minute < end_whole; ++minute) {
      contradicted = contradicted || sampled[static_cast<std::size_t>(minute)];
    }
    if (contradicted) {
      ++result.contradicted;
      continue;
    }
    for (std::int64_t minute = from / kUsPerMinute; minute * kUsPerMinute < to; ++minute) {
      const std::int64_t begin = std::max(from, minute * kUsPerMinute);
      const std::int64_t end = std::min(to, (minute + 1) * kUsPerMinute);
      off_us[static_cast<std::size_t>(minute)] += end - begin;
    }
  }
  for (std::size_t minute = 0; minute < off_us.size(); ++minute) {
    result.minutes.set(minute, off_us[minute] > kUsPerMinute / 2);  // an up-minute runs 30 s of it or more
  }
  return result;
}

absl::StatusOr<std::map<ScopeId, DayFacts>> BuildDay(const DayScopes& scopes, StoreReader& reader, Day day,
                                                     std::int64_t until_minute, const AttributesInForce& attributes,
                                                     const DayExtras& extras) {
  const std::int64_t begin = std::int64_t{day} * kMinutesPerDay;
  std::map<HostKey, DayBits> bits_of;
  ASSIGN_OR_RETURN(const std::vector<DayBitsRow> rows, reader.DayBitsOf(day));
  for (const DayBitsRow& row : rows) {
    ASSIGN_OR_RETURN(bits_of[row.host], DayBits::Decode(row.blob));
  }

  std::map<ScopeId, DayFacts> facts;
  DayFacts& organization = facts[kOrganizationScope];
  std::map<HostKey, HostDay> hosts;
  for (const DayScopes::Host& host : scopes.hosts) {
    if (host.first_seen_us / kUsPerMinute >= begin + kMinutesPerDay) {
      continue;
    }
    HostDay& minutes = hosts[host.key] = MinutesOf(host, std::move(bits_of[host.key]), day, until_minute);
    facts[{ScopeKind::kHost, host.key}] = HostFacts(minutes);
    ++organization.hosts_seen;
    organization.hosts_monitored += minutes.bits.sampled.any() ? 1 : 0;
    organization.duplicate_identities += host.duplicate ? 1 : 0;
  }
  ASSIGN_OR_RETURN(const std::vector<ReleaseRow> releases, reader.ReleasesOf(day));
  organization.releases = static_cast<std::int64_t>(releases.size());

  std::map<ApplicationId, MinuteSet> timeable;
  for (const auto& [id, instances] : scopes.applications) {
    MinuteSet traffic;
    DayFacts& application = facts[{ScopeKind::kApplication, id}] =
        ApplicationBitFacts(instances, hosts, day, until_minute, &traffic);
    timeable[id] = traffic & Range(day, scopes.timed_since_minute, INT64_MAX);
    application.timeable_minutes = Count(timeable[id]);
    if (attributes) {
      attributes(id, application);
    }
  }
  ASSIGN_OR_RETURN(const std::vector<ApplicationMinuteRow> minutes,
                   reader.ApplicationMinutes(0, begin, begin + kMinutesPerDay));
  std::map<ApplicationId, ConstantTimes> constant;
  std::map<ApplicationId, LittleIntervals> little;
  for (const ApplicationMinuteRow& row : minutes) {
    const auto application = facts.find({ScopeKind::kApplication, row.application});
    if (application != facts.end()) {
      AddMinute(row, timeable[row.application], application->second);
      constant[row.application].Add(row);
      application->second.synthetic = constant[row.application].AreSynthetic() ? 1 : 0;
      LittleRest rest;
      if (extras.rests != nullptr) {
        const auto known = extras.rests->find(row.application);
        rest = known == extras.rests->end() ? rest : known->second;
      }
      little.try_emplace(row.application, rest).first->second.Add(row.requests, row.in_flight_us, row.elapsed_us);
    }
  }
  for (const auto& [id, intervals] : little) {
    intervals.SetFacts(facts.at({ScopeKind::kApplication, id}));
  }
  ASSIGN_OR_RETURN(const std::vector<PeerDayRow> peers, reader.PeersOf(day));
  for (const auto& [id, connections] : ServedOthers(peers, scopes.addresses)) {
    if (const auto application = facts.find({ScopeKind::kApplication, id}); application != facts.end()) {
      application->second.served_others = connections;
    }
  }
  RETURN_IF_ERROR(AddSamples(reader, day, facts));
  RETURN_IF_ERROR(AddWatchdog(scopes, hosts, reader, day, organization));
  RETURN_IF_ERROR(ReadHostMinutes(scopes, reader, day, until_minute, extras, facts));
  return facts;
}

}  // namespace ppmm
