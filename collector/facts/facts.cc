#include "collector/facts/facts.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cassert>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace ppmm {
namespace {

// Sets of windows, by position in kWindows.
constexpr std::uint8_t k7 = 1;
constexpr std::uint8_t k28 = 2;
constexpr std::uint8_t k31 = 4;
constexpr std::uint8_t k90 = 8;

// A few minutes say nothing about a counter that did not move, and silence is another row's failure.
bool Long(const DayFacts& facts) {
  return std::max({facts.covered_cpu_minutes, facts.covered_memory_minutes, facts.covered_disk_minutes,
                   facts.covered_network_minutes}) >= 60;
}

bool Seen(const DayFacts& facts) {
  return facts.up_minutes + facts.booting_minutes > 0;
}

bool Complete(const DayFacts& facts) {
  constexpr std::int64_t kSaturating = kCpuBit | kMemoryBit | kDiskBit;
  const std::int64_t present = facts.kinds_present;
  const std::int64_t saturating = present & kSaturating;
  return present != 0 && (facts.kinds_moved & present) == present &&
         (facts.saturation_present & saturating) == saturating;
}

// Every kind whose capacity an agent can always tell; the speed of a network device it often cannot.
bool Forecast(const DayFacts& facts) {
  const std::int64_t due = facts.kinds_present & (kCpuBit | kMemoryBit | kDiskBit);
  return facts.forecast_kinds != 0 && (facts.forecast_kinds & due) == due;
}

bool UserVantage(const DayFacts& facts) {
  return (facts.vantages & (kClientBit | kEdgeBit | kCallerBit | kArrivalBit)) != 0;
}

struct SumRow {
  Sum sum;
  std::uint8_t scopes;
  std::uint8_t windows;
  std::int64_t (*of)(const DayFacts&);
};

// clang-format off
constexpr SumRow kSumRows[] = {
    {Sum::kUpMinutes, kOfHost | kOfApplication, k28, [](const DayFacts& f) { return f.up_minutes; }},
    {Sum::kBootingMinutes, kOfHost | kOfApplication, k28, [](const DayFacts& f) { return f.booting_minutes; }},
    {Sum::kBootingCoveredMinutes, kOfHost | kOfApplication, k28, [](const DayFacts& f) { return f.booting_covered_minutes; }},
    {Sum::kRuleProvenDays, kOfHost | kOfApplication, k7, [](const DayFacts& f) { return f.rule_proven; }},
    {Sum::kCpuUs, kOfHost | kOfApplication, k28, [](const DayFacts& f) { return f.cpu_us; }},
    {Sum::kCoveredMinutes, kOfHost, k28, [](const DayFacts& f) { return f.covered_minutes; }},
    {Sum::kCoveredCpuMinutes, kOfHost, k28, [](const DayFacts& f) { return f.covered_cpu_minutes; }},
    {Sum::kCoveredMemoryMinutes, kOfHost, k28, [](const DayFacts& f) { return f.covered_memory_minutes; }},
    {Sum::kCoveredDiskMinutes, kOfHost, k28, [](const DayFacts& f) { return f.covered_disk_minutes; }},
    {Sum::kCoveredNetworkMinutes, kOfHost, k28, [](const DayFacts& f) { return f.covered_network_minutes; }},
    {Sum::kSamplesProduced, kOfHost, k28, [](const DayFacts& f) { return f.samples_produced; }},
    {Sum::kSamplesLost, kOfHost, k28, [](const DayFacts& f) { return f.samples_dropped + f.samples_refused; }},
    {Sum::kClockMinutes, kOfHost, k28, [](const DayFacts& f) { return f.clock_minutes; }},
    {Sum::kClockOver1sMinutes, kOfHost, k28, [](const DayFacts& f) { return f.clock_over_1s_minutes; }},
    {Sum::kSilences, kOfHost, k28, [](const DayFacts& f) { return f.silences; }},
    {Sum::kSilencesNoticed, kOfHost, k28, [](const DayFacts& f) { return f.silences_noticed; }},
    {Sum::kSeenDays, kOfHost, k7, [](const DayFacts& f) { return std::int64_t{Seen(f)}; }},
    {Sum::kCompleteDays, kOfHost, k7, [](const DayFacts& f) { return std::int64_t{Seen(f) && Complete(f)}; }},
    {Sum::kLongDays, kOfHost, k7, [](const DayFacts& f) { return std::int64_t{Long(f)}; }},
    {Sum::kLongCompleteDays, kOfHost, k7, [](const DayFacts& f) { return std::int64_t{Long(f) && Complete(f)}; }},
    {Sum::kForecastDays, kOfHost, k7, [](const DayFacts& f) { return std::int64_t{Forecast(f)}; }},
    {Sum::kOffContradicted, kOfHost, k28, [](const DayFacts& f) { return f.off_contradicted; }},
    {Sum::kThroughputMinutes, kOfApplication, k28, [](const DayFacts& f) { return f.throughput_minutes; }},
    {Sum::kThroughputCoarseMinutes, kOfApplication, k28, [](const DayFacts& f) { return f.throughput_coarse_minutes; }},
    {Sum::kThroughputMovedDays, kOfApplication, k28, [](const DayFacts& f) { return f.throughput_moved; }},
    {Sum::kTimeableMinutes, kOfApplication, k28, [](const DayFacts& f) { return f.timeable_minutes; }},
    {Sum::kTimedMinutes, kOfApplication, k28, [](const DayFacts& f) { return f.timed_minutes; }},
    {Sum::kRequests, kOfApplication, k28, [](const DayFacts& f) { return f.requests; }},
    {Sum::kUnparsedConnections, kOfApplication, k28, [](const DayFacts& f) { return f.unparsed_connections; }},
    {Sum::kTimedRequests, kOfApplication, k28, [](const DayFacts& f) { return f.timed_requests; }},
    {Sum::kNamedRequests, kOfApplication, k28, [](const DayFacts& f) { return f.named_requests; }},
    {Sum::kPercentileIntervals1h, kOfApplication, k28, [](const DayFacts& f) { return f.percentile_intervals_1h; }},
    {Sum::kPercentileEnough1h, kOfApplication, k28, [](const DayFacts& f) { return f.percentile_enough_1h; }},
    {Sum::kPercentileIntervals6h, kOfApplication, k28, [](const DayFacts& f) { return f.percentile_intervals_6h; }},
    {Sum::kPercentileEnough6h, kOfApplication, k28, [](const DayFacts& f) { return f.percentile_enough_6h; }},
    {Sum::kPercentileIntervals24h, kOfApplication, k28, [](const DayFacts& f) { return f.percentile_intervals_24h; }},
    {Sum::kPercentileEnough24h, kOfApplication, k28, [](const DayFacts& f) { return f.percentile_enough_24h; }},
    {Sum::kPercentileIntervals7d, kOfApplication, k28, [](const DayFacts& f) { return f.percentile_intervals_7d; }},
    {Sum::kPercentileEnough7d, kOfApplication, k28, [](const DayFacts& f) { return f.percentile_enough_7d; }},
    {Sum::kInFlightMinutes, kOfApplication, k28, [](const DayFacts& f) { return f.in_flight_minutes; }},
    {Sum::kLittleIntervals, kOfApplication, k28, [](const DayFacts& f) { return f.little_intervals; }},
    {Sum::kLittleWithin, kOfApplication, k28, [](const DayFacts& f) { return f.little_within; }},
    {Sum::kLittleHalfOff, kOfApplication, k28, [](const DayFacts& f) { return f.little_half_off; }},
    {Sum::kSyntheticDays, kOfApplication, k28, [](const DayFacts& f) { return f.synthetic; }},
    {Sum::kUserVantageDays, kOfApplication, k28, [](const DayFacts& f) { return std::int64_t{UserVantage(f)}; }},
    {Sum::kResponseRuleProvenDays, kOfApplication, k7, [](const DayFacts& f) { return f.response_rule_proven; }},
    {Sum::kDeadmanIntervals, kOfOrganization, k28, [](const DayFacts& f) { return f.deadman_intervals; }},
    {Sum::kDeadmanAccepted, kOfOrganization, k28, [](const DayFacts& f) { return f.deadman_accepted; }},
    {Sum::kWatchdogMinutes, kOfOrganization, k28, [](const DayFacts& f) { return f.watchdog_minutes; }},
    {Sum::kWatchdogHeard, kOfOrganization, k28, [](const DayFacts& f) { return f.watchdog_heard; }},
    {Sum::kCanariesSent, kOfOrganization, k31, [](const DayFacts& f) { return f.canaries_sent; }},
    {Sum::kCanariesAccepted, kOfOrganization, k31, [](const DayFacts& f) { return f.canaries_accepted; }},
    {Sum::kBreaches, kOfOrganization, k90, [](const DayFacts& f) { return f.breaches; }},
    {Sum::kBreachesAnswered, kOfOrganization, k90, [](const DayFacts& f) { return f.breaches_answered; }},
    {Sum::kIncidentsDetectable, kOfOrganization, k90, [](const DayFacts& f) { return f.incidents_detectable; }},
    {Sum::kIncidentsAlertedFirst, kOfOrganization, k90, [](const DayFacts& f) { return f.incidents_alerted_first; }},
    {Sum::kWarnings, kOfOrganization, k28, [](const DayFacts& f) { return f.warnings; }},
    {Sum::kWarningsAnswered, kOfOrganization, k28, [](const DayFacts& f) { return f.warnings_answered; }},
    {Sum::kReleasesUsed, kOfOrganization, k90, [](const DayFacts& f) { return f.releases_used; }},
    {Sum::kReleasesTimed, kOfOrganization, k90, [](const DayFacts& f) { return f.releases_timed; }},
    {Sum::kReleasesSeen, kOfOrganization, k28, [](const DayFacts& f) { return f.releases_seen; }},
    {Sum::kReleasesMatched, kOfOrganization, k28, [](const DayFacts& f) { return f.releases_matched; }},
    {Sum::kReleasesDue, kOfOrganization, k90, [](const DayFacts& f) { return f.releases_due; }},
    {Sum::kReleasesCompared, kOfOrganization, k90, [](const DayFacts& f) { return f.releases_compared; }},
    {Sum::kReleasesTooFew, kOfOrganization, k90, [](const DayFacts& f) { return f.releases_too_few; }},
    {Sum::kNewcomersUsed, kOfOrganization, k90, [](const DayFacts& f) { return f.newcomers_used; }},
    {Sum::kNewcomersTimed, kOfOrganization, k90, [](const DayFacts& f) { return f.newcomers_timed; }},
    {Sum::kDuplicateIdentities, kOfOrganization, k28, [](const DayFacts& f) { return f.duplicate_identities; }},
    {Sum::kChainBreaks, kOfOrganization, k28, [](const DayFacts& f) { return f.chain_breaks; }},
};
// clang-format on

constexpr std::size_t kSumCount = static_cast<std::size_t>(Sum::kChainBreaks) + 1;
static_assert(std::size(kSumRows) == kSumCount);

// Where each (kind, sum, window) lies within the sums of a scope, -1: not kept; and how many there are per kind.
struct Layout {
  std::int8_t slot[kScopeKinds][kSumCount][kWindows.size()];
  std::size_t width[kScopeKinds];
};

constexpr Layout MakeLayout() {
  Layout layout{};
  for (std::size_t kind = 0; kind < kScopeKinds; ++kind) {
    for (std::size_t sum = 0; sum < kSumCount; ++sum) {
      for (std::size_t window = 0; window < kWindows.size(); ++window) {
        const SumRow& row = kSumRows[sum];
        const bool kept = ((row.scopes >> kind) & 1U) != 0 && ((row.windows >> window) & 1U) != 0;
        layout.slot[kind][sum][window] = kept ? static_cast<std::int8_t>(layout.width[kind]++) : std::int8_t{-1};
      }
    }
  }
  return layout;
}

constexpr Layout kLayout = MakeLayout();

constexpr bool RowsAreInOrder() {
  for (std::size_t i = 0; i < kSumCount; ++i) {
    if (static_cast<std::size_t>(kSumRows[i].sum) != i) {
      return false;
    }
  }
  return true;
}
static_assert(RowsAreInOrder());

std::size_t Width(ScopeKind kind) {
  return kLayout.width[static_cast<std::size_t>(kind)];
}

int Slot(ScopeKind kind, Sum sum, int window) {
  const auto* const found = std::find(kWindows.begin(), kWindows.end(), window);
  if (found == kWindows.end()) {
    return -1;
  }
  return kLayout.slot[static_cast<std::size_t>(kind)][static_cast<std::size_t>(sum)][found - kWindows.begin()];
}

// Adds `sign` times the day to the sums of one window.
void Add(ScopeKind kind, std::size_t window, const DayFacts& facts, std::int64_t sign, std::int64_t* sums) {
  for (std::size_t sum = 0; sum < kSumCount; ++sum) {
    if (const int slot = kLayout.slot[static_cast<std::size_t>(kind)][sum][window]; slot >= 0) {
      sums[slot] += sign * kSumRows[sum].of(facts);
    }
  }
}

// Names cannot be told apart from what follows them unless their length comes first.
void AppendText(absl::string_view text, std::string& out) {
  absl::StrAppend(&out, text.size(), ":", text, " ");
}

void AppendScope(const Scope& scope, std::string& out) {
  AppendText(scope.label, out);
  AppendText(scope.group, out);
  AppendText(scope.contradiction, out);
  AppendText(scope.untimed, out);
  absl::StrAppend(&out, scope.enrolled_s, " ", scope.aged_from_s, " ", static_cast<int>(scope.tier), " ",
                  static_cast<int>(scope.origin), " ");
  for (const bool flag : {scope.monitored, scope.seen_as_peer, scope.agentless, scope.excluded, scope.line_of_business,
                          scope.batch, scope.classified, scope.origin_conflict}) {
    out.push_back(flag ? '1' : '0');
  }
  for (const Exemption& exemption : scope.exemptions) {
    absl::StrAppend(&out, " ", exemption.activity, "<", exemption.until_s);
  }
}

void AppendOrganization(const Organization& organization, std::string& out) {
  AppendText(organization.name, out);
  absl::StrAppend(&out, organization.started_s, " ", organization.as_of_s, " ", organization.confirmed_s, " ",
                  organization.no_in_house_software ? 1 : 0, organization.no_off_the_shelf_software ? 1 : 0);
  absl::StrAppend(&out, " ", organization.history_from_s, " ", organization.retention_days);
  for (const std::int64_t since : organization.source_since_s) {
    absl::StrAppend(&out, " ", since);
  }
}

}  // namespace

std::array<Facts::Table, kScopeKinds> Facts::MakeTables() {
  std::array<Table, kScopeKinds> tables;
  Scope organization;
  organization.id = kOrganizationScope;
  tables[0].scopes.push_back(organization);
  tables[0].sums.resize(Width(ScopeKind::kOrganization));
  return tables;
}

void Facts::SetScope(Scope scope) {
  Table& rows = table(scope.id.kind);
  const auto place = std::lower_bound(rows.scopes.begin(), rows.scopes.end(), scope.id.number,
                                      [](const Scope& row, std::uint32_t number) { return row.id.number < number; });
  if (place != rows.scopes.end() && place->id == scope.id) {
    *place = std::move(scope);
    return;
  }
  const std::size_t width = Width(scope.id.kind);
  const auto index = static_cast<std::size_t>(place - rows.scopes.begin());
  rows.sums.insert(rows.sums.begin() + static_cast<std::ptrdiff_t>(index * width), width, 0);
  rows.scopes.insert(place, std::move(scope));
}

void Facts::RemoveScope(ScopeId id) {
  if (id.kind == ScopeKind::kOrganization || Find(id) == nullptr) {
    return;
  }
  Table& rows = table(id.kind);
  const auto index = Find(id) - rows.scopes.data();
  const auto width = static_cast<std::ptrdiff_t>(Width(id.kind));
  rows.scopes.erase(rows.scopes.begin() + index);
  rows.sums.erase(rows.sums.begin() + index * width, rows.sums.begin() + (index + 1) * width);
}

const Scope* Facts::Find(ScopeId id) const {
  const std::vector<Scope>& scopes = table(id.kind).scopes;
  const auto place = std::lower_bound(scopes.begin(), scopes.end(), id.number,
                                      [](const Scope& row, std::uint32_t number) { return row.id.number < number; });
  return place != scopes.end() && place->id == id ? &*place : nullptr;
}

std::int64_t* Facts::SumsOf(ScopeId scope) {
  return const_cast<std::int64_t*>(std::as_const(*this).SumsOf(scope));  // NOLINT: the data of *this, not const here
}

const std::int64_t* Facts::SumsOf(ScopeId scope) const {
  const Scope* const found = Find(scope);
  if (found == nullptr) {
    return nullptr;
  }
  const Table& rows = table(scope.kind);
  return rows.sums.data() + static_cast<std::size_t>(found - rows.scopes.data()) * Width(scope.kind);
}

absl::Time Facts::SourceSince(Source source) const {
  return absl::FromUnixSeconds(organization_.source_since_s[static_cast<std::size_t>(source)]);
}

absl::Status Facts::Replace(ScopeId scope, Day day, const DayFacts* before, const DayFacts& after) {
  std::int64_t* const sums = SumsOf(scope);
  if (sums == nullptr) {
    return absl::NotFoundError(absl::StrCat("facts of the unknown ", ScopeKindName(scope.kind), " ", scope.number));
  }
  if (day > day_) {
    return absl::OutOfRangeError(absl::StrCat("facts of day ", day, " when the windows end with day ", day_));
  }
  for (std::size_t window = 0; window < kWindows.size(); ++window) {
    if (day > day_ - kWindows[window]) {
      if (before != nullptr) {
        Add(scope.kind, window, *before, -1, sums);
      }
      Add(scope.kind, window, after, 1, sums);
    }
  }
  if (scope == kOrganizationScope && day >= latest_organization_day_) {
    latest_organization_day_ = day;
    latest_organization_ = after;
  }
  return absl::OkStatus();
}

void Facts::AdvanceTo(Day day, ReadDay read) {
  if (day <= day_) {
    return;
  }
  for (std::size_t window = 0; window < kWindows.size(); ++window) {
    const Day length = kWindows[window];
    // Days older than the window never counted; days after day_ were refused.
    for (Day leaving = day_ - length + 1; leaving <= std::min(day - length, day_); ++leaving) {
      read(leaving, [&](ScopeId scope, const DayFacts& facts) {
        if (std::int64_t* const sums = SumsOf(scope); sums != nullptr) {
          Add(scope.kind, window, facts, -1, sums);
        }
      });
    }
  }
  day_ = day;
}

std::int64_t Facts::Get(ScopeId scope, Sum sum, int window) const {
  const int slot = Slot(scope.kind, sum, window);
  assert(slot >= 0);
  const std::int64_t* const sums = SumsOf(scope);
  return sums != nullptr && slot >= 0 ? sums[slot] : 0;
}

std::int64_t Facts::Get(const Scope& scope, Sum sum, int window) const {
  const Table& rows = table(scope.id.kind);
  const auto index = static_cast<std::size_t>(&scope - rows.scopes.data());
  assert(index < rows.scopes.size());
  const int slot = Slot(scope.id.kind, sum, window);
  assert(slot >= 0);
  return slot >= 0 ? rows.sums[index * Width(scope.id.kind) + static_cast<std::size_t>(slot)] : 0;
}

bool Facts::HasSum(ScopeKind kind, Sum sum, int window) {
  return Slot(kind, sum, window) >= 0;
}

std::string Facts::Digest() const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  bool ok = context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1;
  std::string line = absl::StrCat("facts ", day_, "\n");
  AppendOrganization(organization_, line);
  line.push_back('\n');
  if (latest_organization_day_ != INT32_MIN) {
    AppendCanonical(kOrganizationScope, latest_organization_day_, latest_organization_, line);
  }
  ok = ok && EVP_DigestUpdate(context.get(), line.data(), line.size()) == 1;
  for (const Table& rows : tables_) {
    for (std::size_t i = 0; i < rows.scopes.size(); ++i) {
      const Scope& scope = rows.scopes[i];
      line = absl::StrCat(ScopeKindName(scope.id.kind), " ", scope.id.number, " ");
      AppendScope(scope, line);
      const std::size_t width = Width(scope.id.kind);
      for (std::size_t slot = 0; slot < width; ++slot) {
        absl::StrAppend(&line, " ", rows.sums[i * width + slot]);
      }
      line.push_back('\n');
      ok = ok && EVP_DigestUpdate(context.get(), line.data(), line.size()) == 1;
    }
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int size = 0;
  ok = ok && EVP_DigestFinal_ex(context.get(), hash.data(), &size) == 1;
  assert(ok);  // SHA-256 fails only without memory
  // reinterpret_cast: bytes as characters
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(hash.data()), ok ? size : 0));
}

std::size_t Facts::MemoryBytes() const {
  std::size_t bytes = sizeof(*this);
  for (const Table& rows : tables_) {
    bytes += rows.scopes.capacity() * sizeof(Scope) + rows.sums.capacity() * sizeof(std::int64_t);
  }
  return bytes;
}

}  // namespace ppmm
