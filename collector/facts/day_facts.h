// What one UTC day says of one scope: plain integers, nothing else. The store writes them as the columns of `fact_day`
// and reads them back, a simulation makes them, and everything the rating knows of the past is made of them.
//
// A new column is a member here and a line in kColumns (day_facts.cc). Columns are only ever added: 0 stands for
// "nothing happened or nothing known", so days written before a column existed keep their digest.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace ppmm {

// Days since 1970-01-01, UTC.
using Day = std::int32_t;

Day DayOf(absl::Time time);
absl::Time StartOf(Day day);

enum class ScopeKind : std::uint8_t { kOrganization = 0, kHost = 1, kApplication = 2 };
inline constexpr int kScopeKinds = 3;

absl::string_view ScopeKindName(ScopeKind kind);

// A scope of one store: what is rated. The numbers are the store's own; the organization is number 0.
struct ScopeId {
  ScopeKind kind = ScopeKind::kOrganization;
  std::uint32_t number = 0;

  auto operator<=>(const ScopeId&) const = default;
};

inline constexpr ScopeId kOrganizationScope{ScopeKind::kOrganization, 0};

// Members of the sets of resource kinds below.
enum ResourceBit : std::int64_t { kCpuBit = 1, kMemoryBit = 2, kDiskBit = 4, kNetworkBit = 8 };

// Members of `vantages`, from the user inward.
enum VantageBit : std::int64_t {
  kClientBit = 1,
  kEdgeBit = 2,
  kCallerBit = 4,
  kArrivalBit = 8,  // the server, on the arrival clock
  kApplicationBit = 16,
  kProbeBit = 32,
};

// Units: minutes of the day 0 to 1440; sets are sums of the bits above; "yes" is 1; times as the name says.
struct DayFacts {
  // Hosts and applications. Up: model section 13.2, without the booting minutes, which stand apart because the
  // provisional view alone counts them.
  std::int64_t up_minutes = 0;
  std::int64_t booting_minutes = 0;
  std::int64_t booting_covered_minutes = 0;  // booting and covered (host), booting and with throughput (application)
  std::int64_t cpu_us = 0;
  std::int64_t rule_proven = 0;  // yes: a rule on utilization or throughput was shown to fire on replay this day
  std::int64_t maintenance_minutes = 0;

  // Hosts.
  std::int64_t off_minutes = 0;
  std::int64_t off_contradicted = 0;  // intervals said to be off inside which samples were committed
  std::int64_t covered_minutes = 0;   // up and covered in every resource kind the host has
  std::int64_t covered_cpu_minutes = 0;
  std::int64_t covered_memory_minutes = 0;
  std::int64_t covered_disk_minutes = 0;
  std::int64_t covered_network_minutes = 0;
  std::int64_t late_minutes = 0;      // covered minutes that were not when they closed
  std::int64_t samples_produced = 0;  // these four by the day of receipt
  std::int64_t samples_committed = 0;
  std::int64_t samples_dropped = 0;
  std::int64_t samples_refused = 0;
  std::int64_t kinds_present = 0;       // set: the host has it
  std::int64_t kinds_moved = 0;         // set: a counter of its utilization moved this day
  std::int64_t saturation_present = 0;  // set: it has a saturation series, of whatever value
  std::int64_t clock_minutes = 0;       // minutes with a known offset
  std::int64_t clock_over_1s_minutes = 0;
  std::int64_t clock_worst_us = 0;    // largest offset, without sign, up to the next tenth of a second
  std::int64_t silences = 0;          // 5 minutes or more up and without any sample; over midnight: on both days
  std::int64_t silences_noticed = 0;  // of these, noticed within 5 minutes
  std::int64_t silence_longest_s = 0;
  std::int64_t forecast_kinds = 0;  // set: time to exhaustion was computed at its end, from 7 days or more
  std::int64_t exhaustion_cpu_days =
      0;  // from the end of this one, of the resource exhausted first; 3650: not in sight
  std::int64_t exhaustion_memory_days = 0;
  std::int64_t exhaustion_disk_days = 0;
  std::int64_t exhaustion_network_days = 0;

  // Applications, pooled over their instances.
  std::int64_t throughput_minutes = 0;         // up, and requests, connections, bytes or runs counted
  std::int64_t throughput_coarse_minutes = 0;  // of these, by connections or bytes only
  std::int64_t throughput_moved = 0;           // yes: the counter moved
  std::int64_t traffic_minutes = 0;            // an independent counter shows traffic
  std::int64_t timeable_minutes = 0;           // of these, since this store counts response times
  std::int64_t timed_minutes = 0;              // of these, timed enough (model section 13.5, RSP-001)
  std::int64_t probed_minutes = 0;
  std::int64_t busy_minutes = 0;    // at least 59 requests
  std::int64_t breach_minutes = 0;  // of user-visible breaches
  std::int64_t requests = 0;
  std::int64_t errors = 0;
  std::int64_t bytes = 0;
  std::int64_t connections = 0;
  std::int64_t unparsed_connections = 0;  // whose requests have no times from some moment on: pipelined, or streams
  std::int64_t timed_requests = 0;
  std::int64_t named_requests = 0;  // with a stable transaction name and an outcome
  std::int64_t names = 0;           // distinct transaction names
  std::array<std::int64_t, 24> requests_per_hour{};
  std::array<std::int64_t, 24> timed_per_hour{};
  // Intervals of RSP-002 with busy hours that ended this day, by their length, and those of them with enough samples
  // (percentile_intervals.h).
  std::int64_t percentile_intervals_1h = 0;
  std::int64_t percentile_enough_1h = 0;
  std::int64_t percentile_intervals_6h = 0;
  std::int64_t percentile_enough_6h = 0;
  std::int64_t percentile_intervals_24h = 0;
  std::int64_t percentile_enough_24h = 0;
  std::int64_t percentile_intervals_7d = 0;
  std::int64_t percentile_enough_7d = 0;
  std::int64_t in_flight_minutes = 0;  // requests in flight were seen apart from their times
  // Intervals of RSP-005 that ended this day, and what the last one that did not carries into the next (request-time;
  // little_intervals.h).
  std::int64_t little_intervals = 0;
  std::int64_t little_within = 0;    // of these, N = X * R within 25 %
  std::int64_t little_half_off = 0;  // of these, off by a factor of 2 or more
  std::int64_t little_rest_in_flight_us = 0;
  std::int64_t little_rest_elapsed_us = 0;
  std::int64_t synthetic = 0;             // yes: constant or impossible response times
  std::int64_t served_others = 0;         // connections from other applications or hosts
  std::int64_t origin = 0;                // in force at the end of the day; ppmm.wire.Origin
  std::int64_t tier = 0;                  // in force; 1 to 3
  std::int64_t owner = 0;                 // number of the person, 0: none
  std::int64_t product = 0;               // number of the product, 0: none
  std::int64_t vantages = 0;              // set
  std::int64_t response_rule_proven = 0;  // yes: as rule_proven, for response times

  // The organization, and events by the day they began. Late answers change the day of their event.
  std::int64_t hosts_seen = 0;  // agents, serving peers and declared ones
  std::int64_t hosts_monitored = 0;
  std::int64_t serving_peers = 0;
  std::int64_t deadman_intervals = 0;
  std::int64_t deadman_accepted = 0;
  std::int64_t watchdog_minutes = 0;     // with a host up, since a service manager's watchdog was first heard
  std::int64_t watchdog_heard = 0;       // of these, it took the collector's sign of life
  std::int64_t routes = 0;               // notification routes, as of this day
  std::int64_t routes_acknowledged = 0;  // of these, with an acknowledgement by a person in the last 31 days
  std::int64_t canaries_sent = 0;
  std::int64_t canaries_accepted = 0;  // within 5 minutes, by the first hop
  std::int64_t canaries_acknowledged = 0;
  std::int64_t breaches = 0;  // user-visible ones of 30 minutes and more
  std::int64_t breaches_answered = 0;
  std::int64_t incidents_detectable = 0;     // a collected signal left its bound
  std::int64_t incidents_alerted_first = 0;  // of these, the alert came before the first human report
  std::int64_t incidents_blind = 0;
  std::int64_t warnings = 0;  // of exhaustion within 30 days: answered, or a week old
  std::int64_t warnings_answered = 0;
  std::int64_t releases = 0;
  std::int64_t releases_matched = 0;   // of releases_seen, to a deployment within 10 minutes
  std::int64_t releases_compared = 0;  // of releases_due, before and after, in time
  std::int64_t releases_used = 0;      // had a request
  std::int64_t releases_timed = 0;     // of these, timed within 24 h of the first request
  std::int64_t releases_seen = 0;      // versions that came, since deployments are known
  std::int64_t releases_due = 0;       // of these, whose comparison is made or overdue
  std::int64_t releases_too_few = 0;   // of those compared, with too few samples
  // New applications whose first week of requests ended this day, or were timed in it for the first time.
  std::int64_t newcomers_used = 0;
  std::int64_t newcomers_timed = 0;  // of these, timed within 7 days of the first request
  std::int64_t duplicate_identities = 0;
  std::int64_t chain_breaks = 0;  // broken signatures and hashes of the ledger
  std::int64_t statements_in_force = 0;

  bool operator==(const DayFacts&) const = default;
};

// One column of `fact_day`.
struct FactColumn {
  absl::string_view name;
  std::uint8_t scopes = 0;  // sum of ScopeBit: the kinds that have it
  std::int64_t DayFacts::*member = nullptr;
  // Of one hour, where `member` is null.
  std::array<std::int64_t, 24> DayFacts::*hours = nullptr;
  std::size_t hour = 0;

  std::int64_t& In(DayFacts& facts) const { return member != nullptr ? facts.*member : (facts.*hours)[hour]; }
  std::int64_t Of(const DayFacts& facts) const { return member != nullptr ? facts.*member : (facts.*hours)[hour]; }
};

constexpr std::uint8_t ScopeBit(ScopeKind kind) {
  return static_cast<std::uint8_t>(1U << static_cast<unsigned>(kind));
}
inline constexpr std::uint8_t kOfOrganization = ScopeBit(ScopeKind::kOrganization);
inline constexpr std::uint8_t kOfHost = ScopeBit(ScopeKind::kHost);
inline constexpr std::uint8_t kOfApplication = ScopeBit(ScopeKind::kApplication);

// Every column, in the order of the table. Names are lower_snake and unique.
absl::Span<const FactColumn> FactColumns();

// Appends the canonical text of a day: the scope, the day, and each column that is not 0 as `name=value`, one a line.
// What a digest of facts is computed over; equal facts give equal bytes, on every machine and in every later version.
void AppendCanonical(ScopeId scope, Day day, const DayFacts& facts, std::string& out);

}  // namespace ppmm
