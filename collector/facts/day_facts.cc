#include "collector/facts/day_facts.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>

#include "absl/strings/str_cat.h"

namespace ppmm {
namespace {

constexpr std::uint8_t kOrganization = ScopeBit(ScopeKind::kOrganization);
constexpr std::uint8_t kHost = ScopeBit(ScopeKind::kHost);
constexpr std::uint8_t kApplication = ScopeBit(ScopeKind::kApplication);
constexpr std::uint8_t kHostOrApplication = kHost | kApplication;

constexpr FactColumn kColumns[] = {
    {"up_minutes", kHostOrApplication, &DayFacts::up_minutes},
    {"booting_minutes", kHostOrApplication, &DayFacts::booting_minutes},
    {"booting_covered_minutes", kHostOrApplication, &DayFacts::booting_covered_minutes},
    {"cpu_us", kHostOrApplication, &DayFacts::cpu_us},
    {"rule_proven", kHostOrApplication, &DayFacts::rule_proven},
    {"maintenance_minutes", kHostOrApplication, &DayFacts::maintenance_minutes},
    {"off_minutes", kHost, &DayFacts::off_minutes},
    {"off_contradicted", kHost, &DayFacts::off_contradicted},
    {"covered_minutes", kHost, &DayFacts::covered_minutes},
    {"covered_cpu_minutes", kHost, &DayFacts::covered_cpu_minutes},
    {"covered_memory_minutes", kHost, &DayFacts::covered_memory_minutes},
    {"covered_disk_minutes", kHost, &DayFacts::covered_disk_minutes},
    {"covered_network_minutes", kHost, &DayFacts::covered_network_minutes},
    {"late_minutes", kHost, &DayFacts::late_minutes},
    {"samples_produced", kHost, &DayFacts::samples_produced},
    {"samples_committed", kHost, &DayFacts::samples_committed},
    {"samples_dropped", kHost, &DayFacts::samples_dropped},
    {"samples_refused", kHost, &DayFacts::samples_refused},
    {"kinds_present", kHost, &DayFacts::kinds_present},
    {"kinds_moved", kHost, &DayFacts::kinds_moved},
    {"saturation_present", kHost, &DayFacts::saturation_present},
    {"clock_minutes", kHost, &DayFacts::clock_minutes},
    {"clock_over_1s_minutes", kHost, &DayFacts::clock_over_1s_minutes},
    {"clock_worst_us", kHost, &DayFacts::clock_worst_us},
    {"silences", kHost, &DayFacts::silences},
    {"silences_noticed", kHost, &DayFacts::silences_noticed},
    {"silence_longest_s", kHost, &DayFacts::silence_longest_s},
    {"forecast_kinds", kHost, &DayFacts::forecast_kinds},
    {"exhaustion_cpu_days", kHost, &DayFacts::exhaustion_cpu_days},
    {"exhaustion_memory_days", kHost, &DayFacts::exhaustion_memory_days},
    {"exhaustion_disk_days", kHost, &DayFacts::exhaustion_disk_days},
    {"exhaustion_network_days", kHost, &DayFacts::exhaustion_network_days},
    {"throughput_minutes", kApplication, &DayFacts::throughput_minutes},
    {"throughput_coarse_minutes", kApplication, &DayFacts::throughput_coarse_minutes},
    {"throughput_moved", kApplication, &DayFacts::throughput_moved},
    {"traffic_minutes", kApplication, &DayFacts::traffic_minutes},
    {"timed_minutes", kApplication, &DayFacts::timed_minutes},
    {"probed_minutes", kApplication, &DayFacts::probed_minutes},
    {"busy_minutes", kApplication, &DayFacts::busy_minutes},
    {"breach_minutes", kApplication, &DayFacts::breach_minutes},
    {"requests", kApplication, &DayFacts::requests},
    {"errors", kApplication, &DayFacts::errors},
    {"bytes", kApplication, &DayFacts::bytes},
    {"connections", kApplication, &DayFacts::connections},
    {"timed_requests", kApplication, &DayFacts::timed_requests},
    {"named_requests", kApplication, &DayFacts::named_requests},
    {"names", kApplication, &DayFacts::names},
    {"requests_hour_00", kApplication, nullptr, 0},
    {"requests_hour_01", kApplication, nullptr, 1},
    {"requests_hour_02", kApplication, nullptr, 2},
    {"requests_hour_03", kApplication, nullptr, 3},
    {"requests_hour_04", kApplication, nullptr, 4},
    {"requests_hour_05", kApplication, nullptr, 5},
    {"requests_hour_06", kApplication, nullptr, 6},
    {"requests_hour_07", kApplication, nullptr, 7},
    {"requests_hour_08", kApplication, nullptr, 8},
    {"requests_hour_09", kApplication, nullptr, 9},
    {"requests_hour_10", kApplication, nullptr, 10},
    {"requests_hour_11", kApplication, nullptr, 11},
    {"requests_hour_12", kApplication, nullptr, 12},
    {"requests_hour_13", kApplication, nullptr, 13},
    {"requests_hour_14", kApplication, nullptr, 14},
    {"requests_hour_15", kApplication, nullptr, 15},
    {"requests_hour_16", kApplication, nullptr, 16},
    {"requests_hour_17", kApplication, nullptr, 17},
    {"requests_hour_18", kApplication, nullptr, 18},
    {"requests_hour_19", kApplication, nullptr, 19},
    {"requests_hour_20", kApplication, nullptr, 20},
    {"requests_hour_21", kApplication, nullptr, 21},
    {"requests_hour_22", kApplication, nullptr, 22},
    {"requests_hour_23", kApplication, nullptr, 23},
    {"percentile_intervals", kApplication, &DayFacts::percentile_intervals},
    {"percentile_intervals_sufficient", kApplication, &DayFacts::percentile_intervals_sufficient},
    {"little_intervals", kApplication, &DayFacts::little_intervals},
    {"little_within", kApplication, &DayFacts::little_within},
    {"little_half_off", kApplication, &DayFacts::little_half_off},
    {"synthetic", kApplication, &DayFacts::synthetic},
    {"served_others", kApplication, &DayFacts::served_others},
    {"origin", kApplication, &DayFacts::origin},
    {"tier", kApplication, &DayFacts::tier},
    {"owner", kApplication, &DayFacts::owner},
    {"product", kApplication, &DayFacts::product},
    {"vantages", kApplication, &DayFacts::vantages},
    {"response_rule_proven", kApplication, &DayFacts::response_rule_proven},
    {"hosts_seen", kOrganization, &DayFacts::hosts_seen},
    {"hosts_monitored", kOrganization, &DayFacts::hosts_monitored},
    {"serving_peers", kOrganization, &DayFacts::serving_peers},
    {"deadman_intervals", kOrganization, &DayFacts::deadman_intervals},
    {"deadman_accepted", kOrganization, &DayFacts::deadman_accepted},
    {"watchdog_minutes", kOrganization, &DayFacts::watchdog_minutes},
    {"watchdog_heard", kOrganization, &DayFacts::watchdog_heard},
    {"routes", kOrganization, &DayFacts::routes},
    {"routes_acknowledged", kOrganization, &DayFacts::routes_acknowledged},
    {"canaries_sent", kOrganization, &DayFacts::canaries_sent},
    {"canaries_accepted", kOrganization, &DayFacts::canaries_accepted},
    {"canaries_acknowledged", kOrganization, &DayFacts::canaries_acknowledged},
    {"breaches", kOrganization, &DayFacts::breaches},
    {"breaches_answered", kOrganization, &DayFacts::breaches_answered},
    {"incidents_detectable", kOrganization, &DayFacts::incidents_detectable},
    {"incidents_alerted_first", kOrganization, &DayFacts::incidents_alerted_first},
    {"incidents_blind", kOrganization, &DayFacts::incidents_blind},
    {"warnings", kOrganization, &DayFacts::warnings},
    {"warnings_answered", kOrganization, &DayFacts::warnings_answered},
    {"releases", kOrganization, &DayFacts::releases},
    {"releases_matched", kOrganization, &DayFacts::releases_matched},
    {"releases_compared", kOrganization, &DayFacts::releases_compared},
    {"releases_used", kOrganization, &DayFacts::releases_used},
    {"releases_timed", kOrganization, &DayFacts::releases_timed},
    {"duplicate_identities", kOrganization, &DayFacts::duplicate_identities},
    {"chain_breaks", kOrganization, &DayFacts::chain_breaks},
    {"statements_in_force", kOrganization, &DayFacts::statements_in_force},
};

// A member without its column would be lost by the store and by the digest.
static_assert(sizeof(DayFacts) == std::size(kColumns) * sizeof(std::int64_t));

}  // namespace

Day DayOf(absl::Time time) {
  // Truncation goes toward zero, days toward the past. InfinitePast is the first day that has a number.
  const std::int64_t seconds = absl::ToUnixSeconds(time);
  const std::int64_t day = seconds / 86400 - (seconds % 86400 < 0 ? 1 : 0);
  return static_cast<Day>(
      std::clamp<std::int64_t>(day, std::numeric_limits<Day>::min(), std::numeric_limits<Day>::max()));
}

absl::Time StartOf(Day day) {
  return absl::UnixEpoch() + absl::Hours(24) * day;
}

absl::string_view ScopeKindName(ScopeKind kind) {
  switch (kind) {
    case ScopeKind::kOrganization:
      return "organization";
    case ScopeKind::kHost:
      return "host";
    case ScopeKind::kApplication:
      return "application";
  }
  return "organization";
}

absl::Span<const FactColumn> FactColumns() {
  return kColumns;
}

void AppendCanonical(ScopeId scope, Day day, const DayFacts& facts, std::string& out) {
  absl::StrAppend(&out, ScopeKindName(scope.kind), " ", scope.number, " ", day, "\n");
  for (const FactColumn& column : kColumns) {
    if (const std::int64_t value = column.Of(facts); value != 0) {
      absl::StrAppend(&out, column.name, "=", value, "\n");
    }
  }
}

}  // namespace ppmm
