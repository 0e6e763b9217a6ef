#include "collector/facts/day_facts.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>

#include "absl/strings/str_cat.h"

namespace ppmm {
namespace {

constexpr std::uint8_t kHostOrApplication = kOfHost | kOfApplication;

constexpr FactColumn kColumns[] = {
    {"up_minutes", kHostOrApplication, &DayFacts::up_minutes},
    {"booting_minutes", kHostOrApplication, &DayFacts::booting_minutes},
    {"booting_covered_minutes", kHostOrApplication, &DayFacts::booting_covered_minutes},
    {"cpu_us", kHostOrApplication, &DayFacts::cpu_us},
    {"rule_proven", kHostOrApplication, &DayFacts::rule_proven},
    {"maintenance_minutes", kHostOrApplication, &DayFacts::maintenance_minutes},
    {"off_minutes", kOfHost, &DayFacts::off_minutes},
    {"off_contradicted", kOfHost, &DayFacts::off_contradicted},
    {"covered_minutes", kOfHost, &DayFacts::covered_minutes},
    {"covered_cpu_minutes", kOfHost, &DayFacts::covered_cpu_minutes},
    {"covered_memory_minutes", kOfHost, &DayFacts::covered_memory_minutes},
    {"covered_disk_minutes", kOfHost, &DayFacts::covered_disk_minutes},
    {"covered_network_minutes", kOfHost, &DayFacts::covered_network_minutes},
    {"late_minutes", kOfHost, &DayFacts::late_minutes},
    {"samples_produced", kOfHost, &DayFacts::samples_produced},
    {"samples_committed", kOfHost, &DayFacts::samples_committed},
    {"samples_dropped", kOfHost, &DayFacts::samples_dropped},
    {"samples_refused", kOfHost, &DayFacts::samples_refused},
    {"kinds_present", kOfHost, &DayFacts::kinds_present},
    {"kinds_moved", kOfHost, &DayFacts::kinds_moved},
    {"saturation_present", kOfHost, &DayFacts::saturation_present},
    {"clock_minutes", kOfHost, &DayFacts::clock_minutes},
    {"clock_over_1s_minutes", kOfHost, &DayFacts::clock_over_1s_minutes},
    {"clock_worst_us", kOfHost, &DayFacts::clock_worst_us},
    {"silences", kOfHost, &DayFacts::silences},
    {"silences_noticed", kOfHost, &DayFacts::silences_noticed},
    {"silence_longest_s", kOfHost, &DayFacts::silence_longest_s},
    {"forecast_kinds", kOfHost, &DayFacts::forecast_kinds},
    {"exhaustion_cpu_days", kOfHost, &DayFacts::exhaustion_cpu_days},
    {"exhaustion_memory_days", kOfHost, &DayFacts::exhaustion_memory_days},
    {"exhaustion_disk_days", kOfHost, &DayFacts::exhaustion_disk_days},
    {"exhaustion_network_days", kOfHost, &DayFacts::exhaustion_network_days},
    {"throughput_minutes", kOfApplication, &DayFacts::throughput_minutes},
    {"throughput_coarse_minutes", kOfApplication, &DayFacts::throughput_coarse_minutes},
    {"throughput_moved", kOfApplication, &DayFacts::throughput_moved},
    {"traffic_minutes", kOfApplication, &DayFacts::traffic_minutes},
    {"timeable_minutes", kOfApplication, &DayFacts::timeable_minutes},
    {"timed_minutes", kOfApplication, &DayFacts::timed_minutes},
    {"probed_minutes", kOfApplication, &DayFacts::probed_minutes},
    {"busy_minutes", kOfApplication, &DayFacts::busy_minutes},
    {"breach_minutes", kOfApplication, &DayFacts::breach_minutes},
    {"requests", kOfApplication, &DayFacts::requests},
    {"errors", kOfApplication, &DayFacts::errors},
    {"bytes", kOfApplication, &DayFacts::bytes},
    {"connections", kOfApplication, &DayFacts::connections},
    {"unparsed_connections", kOfApplication, &DayFacts::unparsed_connections},
    {"timed_requests", kOfApplication, &DayFacts::timed_requests},
    {"named_requests", kOfApplication, &DayFacts::named_requests},
    {"names", kOfApplication, &DayFacts::names},
    {"requests_hour_00", kOfApplication, nullptr, &DayFacts::requests_per_hour, 0},
    {"requests_hour_01", kOfApplication, nullptr, &DayFacts::requests_per_hour, 1},
    {"requests_hour_02", kOfApplication, nullptr, &DayFacts::requests_per_hour, 2},
    {"requests_hour_03", kOfApplication, nullptr, &DayFacts::requests_per_hour, 3},
    {"requests_hour_04", kOfApplication, nullptr, &DayFacts::requests_per_hour, 4},
    {"requests_hour_05", kOfApplication, nullptr, &DayFacts::requests_per_hour, 5},
    {"requests_hour_06", kOfApplication, nullptr, &DayFacts::requests_per_hour, 6},
    {"requests_hour_07", kOfApplication, nullptr, &DayFacts::requests_per_hour, 7},
    {"requests_hour_08", kOfApplication, nullptr, &DayFacts::requests_per_hour, 8},
    {"requests_hour_09", kOfApplication, nullptr, &DayFacts::requests_per_hour, 9},
    {"requests_hour_10", kOfApplication, nullptr, &DayFacts::requests_per_hour, 10},
    {"requests_hour_11", kOfApplication, nullptr, &DayFacts::requests_per_hour, 11},
    {"requests_hour_12", kOfApplication, nullptr, &DayFacts::requests_per_hour, 12},
    {"requests_hour_13", kOfApplication, nullptr, &DayFacts::requests_per_hour, 13},
    {"requests_hour_14", kOfApplication, nullptr, &DayFacts::requests_per_hour, 14},
    {"requests_hour_15", kOfApplication, nullptr, &DayFacts::requests_per_hour, 15},
    {"requests_hour_16", kOfApplication, nullptr, &DayFacts::requests_per_hour, 16},
    {"requests_hour_17", kOfApplication, nullptr, &DayFacts::requests_per_hour, 17},
    {"requests_hour_18", kOfApplication, nullptr, &DayFacts::requests_per_hour, 18},
    {"requests_hour_19", kOfApplication, nullptr, &DayFacts::requests_per_hour, 19},
    {"requests_hour_20", kOfApplication, nullptr, &DayFacts::requests_per_hour, 20},
    {"requests_hour_21", kOfApplication, nullptr, &DayFacts::requests_per_hour, 21},
    {"requests_hour_22", kOfApplication, nullptr, &DayFacts::requests_per_hour, 22},
    {"requests_hour_23", kOfApplication, nullptr, &DayFacts::requests_per_hour, 23},
    {"timed_hour_00", kOfApplication, nullptr, &DayFacts::timed_per_hour, 0},
    {"timed_hour_01", kOfApplication, nullptr, &DayFacts::timed_per_hour, 1},
    {"timed_hour_02", kOfApplication, nullptr, &DayFacts::timed_per_hour, 2},
    {"timed_hour_03", kOfApplication, nullptr, &DayFacts::timed_per_hour, 3},
    {"timed_hour_04", kOfApplication, nullptr, &DayFacts::timed_per_hour, 4},
    {"timed_hour_05", kOfApplication, nullptr, &DayFacts::timed_per_hour, 5},
    {"timed_hour_06", kOfApplication, nullptr, &DayFacts::timed_per_hour, 6},
    {"timed_hour_07", kOfApplication, nullptr, &DayFacts::timed_per_hour, 7},
    {"timed_hour_08", kOfApplication, nullptr, &DayFacts::timed_per_hour, 8},
    {"timed_hour_09", kOfApplication, nullptr, &DayFacts::timed_per_hour, 9},
    {"timed_hour_10", kOfApplication, nullptr, &DayFacts::timed_per_hour, 10},
    {"timed_hour_11", kOfApplication, nullptr, &DayFacts::timed_per_hour, 11},
    {"timed_hour_12", kOfApplication, nullptr, &DayFacts::timed_per_hour, 12},
    {"timed_hour_13", kOfApplication, nullptr, &DayFacts::timed_per_hour, 13},
    {"timed_hour_14", kOfApplication, nullptr, &DayFacts::timed_per_hour, 14},
    {"timed_hour_15", kOfApplication, nullptr, &DayFacts::timed_per_hour, 15},
    {"timed_hour_16", kOfApplication, nullptr, &DayFacts::timed_per_hour, 16},
    {"timed_hour_17", kOfApplication, nullptr, &DayFacts::timed_per_hour, 17},
    {"timed_hour_18", kOfApplication, nullptr, &DayFacts::timed_per_hour, 18},
    {"timed_hour_19", kOfApplication, nullptr, &DayFacts::timed_per_hour, 19},
    {"timed_hour_20", kOfApplication, nullptr, &DayFacts::timed_per_hour, 20},
    {"timed_hour_21", kOfApplication, nullptr, &DayFacts::timed_per_hour, 21},
    {"timed_hour_22", kOfApplication, nullptr, &DayFacts::timed_per_hour, 22},
    {"timed_hour_23", kOfApplication, nullptr, &DayFacts::timed_per_hour, 23},
    {"percentile_intervals_1h", kOfApplication, &DayFacts::percentile_intervals_1h},
    {"percentile_enough_1h", kOfApplication, &DayFacts::percentile_enough_1h},
    {"percentile_intervals_6h", kOfApplication, &DayFacts::percentile_intervals_6h},
    {"percentile_enough_6h", kOfApplication, &DayFacts::percentile_enough_6h},
    {"percentile_intervals_24h", kOfApplication, &DayFacts::percentile_intervals_24h},
    {"percentile_enough_24h", kOfApplication, &DayFacts::percentile_enough_24h},
    {"percentile_intervals_7d", kOfApplication, &DayFacts::percentile_intervals_7d},
    {"percentile_enough_7d", kOfApplication, &DayFacts::percentile_enough_7d},
    {"in_flight_minutes", kOfApplication, &DayFacts::in_flight_minutes},
    {"little_intervals", kOfApplication, &DayFacts::little_intervals},
    {"little_within", kOfApplication, &DayFacts::little_within},
    {"little_half_off", kOfApplication, &DayFacts::little_half_off},
    {"little_rest_in_flight_us", kOfApplication, &DayFacts::little_rest_in_flight_us},
    {"little_rest_elapsed_us", kOfApplication, &DayFacts::little_rest_elapsed_us},
    {"synthetic", kOfApplication, &DayFacts::synthetic},
    {"served_others", kOfApplication, &DayFacts::served_others},
    {"origin", kOfApplication, &DayFacts::origin},
    {"tier", kOfApplication, &DayFacts::tier},
    {"owner", kOfApplication, &DayFacts::owner},
    {"product", kOfApplication, &DayFacts::product},
    {"vantages", kOfApplication, &DayFacts::vantages},
    {"response_rule_proven", kOfApplication, &DayFacts::response_rule_proven},
    {"hosts_seen", kOfOrganization, &DayFacts::hosts_seen},
    {"hosts_monitored", kOfOrganization, &DayFacts::hosts_monitored},
    {"serving_peers", kOfOrganization, &DayFacts::serving_peers},
    {"deadman_intervals", kOfOrganization, &DayFacts::deadman_intervals},
    {"deadman_accepted", kOfOrganization, &DayFacts::deadman_accepted},
    {"watchdog_minutes", kOfOrganization, &DayFacts::watchdog_minutes},
    {"watchdog_heard", kOfOrganization, &DayFacts::watchdog_heard},
    {"routes", kOfOrganization, &DayFacts::routes},
    {"routes_acknowledged", kOfOrganization, &DayFacts::routes_acknowledged},
    {"canaries_sent", kOfOrganization, &DayFacts::canaries_sent},
    {"canaries_accepted", kOfOrganization, &DayFacts::canaries_accepted},
    {"canaries_acknowledged", kOfOrganization, &DayFacts::canaries_acknowledged},
    {"breaches", kOfOrganization, &DayFacts::breaches},
    {"breaches_answered", kOfOrganization, &DayFacts::breaches_answered},
    {"incidents_detectable", kOfOrganization, &DayFacts::incidents_detectable},
    {"incidents_alerted_first", kOfOrganization, &DayFacts::incidents_alerted_first},
    {"incidents_blind", kOfOrganization, &DayFacts::incidents_blind},
    {"warnings", kOfOrganization, &DayFacts::warnings},
    {"warnings_answered", kOfOrganization, &DayFacts::warnings_answered},
    {"releases", kOfOrganization, &DayFacts::releases},
    {"releases_matched", kOfOrganization, &DayFacts::releases_matched},
    {"releases_compared", kOfOrganization, &DayFacts::releases_compared},
    {"releases_used", kOfOrganization, &DayFacts::releases_used},
    {"releases_timed", kOfOrganization, &DayFacts::releases_timed},
    {"releases_seen", kOfOrganization, &DayFacts::releases_seen},
    {"releases_due", kOfOrganization, &DayFacts::releases_due},
    {"releases_too_few", kOfOrganization, &DayFacts::releases_too_few},
    {"newcomers_used", kOfOrganization, &DayFacts::newcomers_used},
    {"newcomers_timed", kOfOrganization, &DayFacts::newcomers_timed},
    {"duplicate_identities", kOfOrganization, &DayFacts::duplicate_identities},
    {"chain_breaks", kOfOrganization, &DayFacts::chain_breaks},
    {"statements_in_force", kOfOrganization, &DayFacts::statements_in_force},
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
