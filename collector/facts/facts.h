// The facts an evaluation sees: every scope with its attributes, and sums of its days over the windows that the
// catalogue names. A plain value: whoever owns it may copy it, and an evaluation works on its copy.
//
// The store keeps the days (`fact_day`); here are only sums, so that an application costs some 350 bytes whatever its
// history. Facts that end with a closed day are what is published; a copy advanced to today and fed with today's facts
// is what the provisional view sees.
//
// Thread-compatible: no locks inside.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "collector/facts/day_facts.h"

namespace ppmm {

// Windows in days. 0 as a window means "now" and has no sums.
inline constexpr std::array<int, 4> kWindows = {7, 28, 31, 90};

// What is summed. The visible list of which sum is kept for which kind of scope over which windows is kSumRows in
// facts.cc. Of yes/no facts the sum is the number of days on which they held.
enum class Sum : std::uint8_t {
  // hosts and applications
  kUpMinutes,
  kBootingMinutes,
  kBootingCoveredMinutes,
  kRuleProvenDays,
  kCpuUs,
  // hosts
  kCoveredMinutes,
  kCoveredCpuMinutes,
  kCoveredMemoryMinutes,
  kCoveredDiskMinutes,
  kCoveredNetworkMinutes,
  kSamplesProduced,
  kSamplesLost,  // dropped or refused
  kClockMinutes,
  kClockOver1sMinutes,
  kSilences,
  kSilencesNoticed,
  kSeenDays,      // any minute up
  kCompleteDays,  // of these: every kind the host has moved, and saturation stands for CPU, memory and disk
  kLongDays,      // at least an hour up: days that may be held against a host
  kLongCompleteDays,
  kForecastDays,  // time to exhaustion was computed for CPU, memory and disk, as far as the host has them
  kOffContradicted,
  // applications
  kThroughputMinutes,
  kThroughputCoarseMinutes,
  kThroughputMovedDays,
  kTimeableMinutes,
  kTimedMinutes,
  kRequests,
  kUnparsedConnections,
  kTimedRequests,
  kNamedRequests,
  kPercentileIntervals1h,
  kPercentileEnough1h,
  kPercentileIntervals6h,
  kPercentileEnough6h,
  kPercentileIntervals24h,
  kPercentileEnough24h,
  kPercentileIntervals7d,
  kPercentileEnough7d,
  kInFlightMinutes,
  kLittleIntervals,
  kLittleWithin,
  kLittleHalfOff,
  kSyntheticDays,
  kUserVantageDays,  // seen by the client, at the edge, by the caller or on the arrival clock
  kResponseRuleProvenDays,
  // organization
  kDeadmanIntervals,
  kDeadmanAccepted,
  kWatchdogMinutes,
  kWatchdogHeard,
  kCanariesSent,
  kCanariesAccepted,
  kBreaches,
  kBreachesAnswered,
  kIncidentsDetectable,
  kIncidentsAlertedFirst,
  kWarnings,
  kWarningsAnswered,
  kReleasesUsed,
  kReleasesTimed,
  kReleasesSeen,
  kReleasesMatched,
  kReleasesDue,
  kReleasesCompared,
  kReleasesTooFew,
  kNewcomersUsed,
  kNewcomersTimed,
  kDuplicateIdentities,
  kChainBreaks,
};

// Who built the bytes that run. The numbers are those of the wire.
enum class Origin : std::uint8_t { kUnknown = 0, kOffTheShelf = 1, kInHouse = 2 };

// A missed criterion that a person has signed for, until a date.
struct Exemption {
  std::string activity;
  std::int64_t until_s = 0;  // seconds since 1970

  bool operator==(const Exemption&) const = default;
};

// Attributes of a host or application, as in force now (inventory, confirmations and discovery resolved).
struct Scope {
  ScopeId id;
  std::string label;
  std::string group;
  std::int64_t enrolled_s = 0;   // first seen under this number
  std::int64_t aged_from_s = 0;  // first sight of its machine id or listening port: a rename is not a new scope
  std::uint8_t tier = 2;         // 1 to 3
  Origin origin = Origin::kUnknown;
  bool monitored = true;          // samples of an agent or of an authenticated import
  bool seen_as_peer = false;      // host: others connect to it
  bool agentless = false;         // host: signed; leaves MON-001 and MON-002
  bool excluded = false;          // signed "not ours", decommissioned or non-production: not rated, only named
  bool line_of_business = false;  // application
  bool batch = false;             // application
  bool classified = false;        // application: origin, tier and owner stand in the latest confirmation
  bool origin_conflict = false;   // application: guess and declaration differ, unresolved
  std::vector<Exemption> exemptions;
  std::string contradiction;  // in words, empty: none. For example a duplicate identity
  std::string untimed;        // application: why no host on which it runs takes response times; empty: some host does

  bool operator==(const Scope&) const = default;
};

// What can deliver a kind of evidence. A row whose source was never there has no source, which is not a failure of
// what it measures.
enum class Source : std::uint8_t {
  kResponseTimes,  // response times are counted per day
  kRules,          // alert rules are evaluated and replayed
  kRoutes,         // alerts and canaries are sent to people
  kDeadman,
  kIncidents,  // breaches are found and recorded
  kForecasts,
  kReleases,
  kDayCounts,  // samples, clocks and silences are counted per day
  kWatchdog,   // of the service manager that runs the collector
  kInFlight,   // requests in flight are observed apart from their times
  kNames,      // requests have names
  kDeployments,
};
inline constexpr std::size_t kSources = 12;

// What stands about the organization as a whole.
struct Organization {
  std::string name;
  std::int64_t started_s = 0;  // first commit of this store
  std::int64_t as_of_s = 0;    // commit of the newest fact

  // The latest confirmation of the inventory; 0: never.
  std::int64_t confirmed_s = 0;
  bool no_in_house_software = false;  // signed with it
  bool no_off_the_shelf_software = false;

  std::int64_t history_from_s = 0;                      // oldest point kept, of the tier-1 series the youngest; 0: none
  std::int64_t retention_days = 0;                      // configured, at an hour or finer
  std::array<std::int64_t, kSources> source_since_s{};  // by Source; 0: not there

  bool operator==(const Organization&) const = default;
};

class Facts {
 public:
  // Gives every scope's facts of a day that were handed to Replace, in any order; none for a day without any.
  using Visit = absl::FunctionRef<void(ScopeId, const DayFacts&)>;
  using ReadDay = absl::FunctionRef<void(Day, Visit)>;

  // Windows end with `day`.
  explicit Facts(Day day) : day_(day) {}

  // The last day of the windows.
  Day day() const { return day_; }

  // Adds a scope, or replaces the attributes of one; its sums stay. Numbers may come in any order; rising is cheapest.
  void SetScope(Scope scope);
  // A scope that is forgotten, with its sums. Unknown ones are ignored.
  void RemoveScope(ScopeId id);
  // Attributes; null when unknown. Those of the organization hold nothing but its id.
  const Scope* Find(ScopeId id) const;
  // Hosts or applications by rising number, excluded ones included.
  const std::vector<Scope>& Scopes(ScopeKind kind) const { return tables_[static_cast<std::size_t>(kind)].scopes; }

  Organization& organization() { return organization_; }
  const Organization& organization() const { return organization_; }
  // When a source began to deliver; the epoch: it does not.
  absl::Time SourceSince(Source source) const;

  // The facts of a scope and day are now `after`; they were `before` (null: there were none).
  //
  // Errors: NotFound for an unknown scope; OutOfRange for a day after day(). Days before all windows change nothing.
  absl::Status Replace(ScopeId scope, Day day, const DayFacts* before, const DayFacts& after);

  // Moves the end of the windows forward and takes out the days that leave them, as `read` gives them: at most four
  // days are read for a step of one day. A day that is not later changes nothing.
  void AdvanceTo(Day day, ReadDay read);

  // Sum over the last `window` days; 0 for an unknown scope.
  //
  // Shape: (sum, kind of scope, window) must be on the list, see HasSum; it is a bug of ours otherwise.
  std::int64_t Get(ScopeId scope, Sum sum, int window) const;
  // The same for a scope that Find() or Scopes() of these facts gave: no search.
  std::int64_t Get(const Scope& scope, Sum sum, int window) const;
  static bool HasSum(ScopeKind kind, Sum sum, int window);

  // The newest facts of the organization, of day() or an earlier day.
  const DayFacts& latest_organization() const { return latest_organization_; }

  // SHA-256, in hex, of everything above in canonical order: equal facts have equal digests.
  std::string Digest() const;

  // Bytes held by scopes and sums, without the heap of long names.
  std::size_t MemoryBytes() const;

 private:
  // Scopes by rising number and, in the same order, their sums, `width` each.
  struct Table {
    std::vector<Scope> scopes;
    std::vector<std::int64_t> sums;
  };

  Table& table(ScopeKind kind) { return tables_[static_cast<std::size_t>(kind)]; }
  const Table& table(ScopeKind kind) const { return tables_[static_cast<std::size_t>(kind)]; }
  // Where the sums of a scope begin; null when it is unknown.
  std::int64_t* SumsOf(ScopeId scope);
  const std::int64_t* SumsOf(ScopeId scope) const;

  Day day_;
  Organization organization_;
  DayFacts latest_organization_;
  Day latest_organization_day_ = INT32_MIN;
  std::array<Table, kScopeKinds> tables_ = MakeTables();

  static std::array<Table, kScopeKinds> MakeTables();
};

}  // namespace ppmm
