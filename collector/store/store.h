// What the collector keeps, behind one narrow interface: typed rows in, typed rows out. Embedded SQLite is behind it
// (store/sqlite_store.h); the same tables move to a PostgreSQL-compatible database.
//
// The writer owns the Store and its one transaction. Everybody else reads committed rows through a StoreReader of his
// own (OpenReader), which sees one unchanging picture while it lives; so keep it for seconds only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "collector/facts/day_facts.h"
#include "collector/store/rows.h"

namespace ppmm {

// Return an error to end a scan; the scan returns it.
using MinuteVisitor = std::function<absl::Status(std::int64_t minute, HostKey host, absl::string_view blob)>;

using FactVisitor = std::function<absl::Status(Day day, ScopeId scope, const DayFacts& facts)>;

// Ranges include `from` and exclude `to`.
// Errors of all methods: DataLoss: the file is damaged; Unavailable: busy, try again; Internal: our bug.
// One thread only.
class StoreReader {
 public:
  virtual ~StoreReader() = default;

  // nullopt: no such key.
  virtual absl::StatusOr<std::optional<std::string>> GetMeta(absl::string_view key) = 0;
  virtual absl::StatusOr<std::optional<std::string>> GetMinute(std::int64_t minute, HostKey host) = 0;
  // In order of minute, then host. `host` 0: all.
  virtual absl::Status ScanMinutes(std::int64_t from, std::int64_t to, HostKey host, const MinuteVisitor& visit) = 0;
  virtual absl::StatusOr<std::optional<std::string>> GetDayBits(std::int64_t day, HostKey host) = 0;
  virtual absl::StatusOr<std::vector<DayBitsRow>> DayBitsOf(std::int64_t day) = 0;
  // In order of minute; `application` 0: all.
  virtual absl::StatusOr<std::vector<ApplicationMinuteRow>> ApplicationMinutes(ApplicationId application,
                                                                               std::int64_t from, std::int64_t to) = 0;
  // With the applications of their instances.
  virtual absl::StatusOr<std::vector<PeerDayRow>> PeersOf(std::int64_t day) = 0;
  // Intervals of life that touch the day, or nearly, of all instances, dormant ones included.
  virtual absl::StatusOr<std::vector<InstanceDayRow>> InstancesOf(std::int64_t day) = 0;
  // Seen on that day, in order of entity, then time.
  virtual absl::StatusOr<std::vector<ReleaseRow>> ReleasesOf(std::int64_t day) = 0;
  // Within [from_us, to_us), in order of time.
  virtual absl::StatusOr<std::vector<DeploymentRow>> Deployments(std::int64_t from_us, std::int64_t to_us) = 0;
  virtual absl::StatusOr<std::int64_t> CountDeployments(std::int64_t from_us, std::int64_t to_us) = 0;
  // Of releases within [from_us, to_us), in order of time, application and length.
  virtual absl::StatusOr<std::vector<ReleaseVerdictRow>> ReleaseVerdicts(std::int64_t from_us, std::int64_t to_us) = 0;
  // In order of hosts.
  virtual absl::StatusOr<std::vector<SampleDayRow>> SamplesOf(std::int64_t day) = 0;
  // Those that have minutes of the day.
  virtual absl::StatusOr<std::vector<WatchdogRow>> WatchdogOf(std::int64_t day) = 0;
  virtual absl::StatusOr<std::vector<BlockRow>> Blocks(EntityId entity, std::int32_t step_seconds,
                                                       std::int64_t from_day, std::int64_t to_day) = 0;
  // Those of the host's entities, dormant ones included.
  virtual absl::StatusOr<std::vector<BlockRow>> BlocksOfHost(HostKey host, std::int32_t step_seconds,
                                                             std::int64_t day) = 0;
  virtual absl::StatusOr<std::optional<DayFacts>> GetFactDay(Day day, ScopeId scope) = 0;
  // In order of day, then scope.
  virtual absl::Status ScanFactDays(Day from, Day to, const FactVisitor& visit) = 0;
  // In order of host, kind, series, then day.
  virtual absl::StatusOr<std::vector<ForecastRow>> Forecasts(std::int64_t from_day, std::int64_t to_day) = 0;
  virtual absl::StatusOr<std::vector<RatingDayRow>> RatingDays(std::int64_t from_day, std::int64_t to_day) = 0;
  // In order of day, then application; of all draws.
  virtual absl::StatusOr<std::vector<Tier1Row>> Tier1() = 0;
};

// Errors of what writes, besides: ResourceExhausted: the disk is full; FailedPrecondition: read-only, or no
// transaction. After an error the transaction is only good for Rollback().
// One thread only.
class Store : public StoreReader {
 public:
  // A reader with a connection of its own. Thread-safe.
  virtual absl::StatusOr<std::unique_ptr<StoreReader>> OpenReader() = 0;

  virtual absl::StatusOr<StoreContents> LoadContents() = 0;

  virtual absl::Status Begin() = 0;
  // OK: durable.
  virtual absl::Status Commit() = 0;
  // Also without a transaction.
  virtual void Rollback() = 0;
  // Between transactions: takes room on the disk for one twice as large as the largest that was rolled back since the
  // last commit, and keeps it for the next one. What is committed does not change.
  virtual absl::Status MakeRoom() = 0;

  // Each inserts or replaces the row of that key.
  virtual absl::Status PutMeta(absl::string_view key, absl::string_view value) = 0;
  virtual absl::Status Put(const HostRow& row) = 0;
  virtual absl::Status Put(const HostAliasRow& row) = 0;
  virtual absl::Status Put(const AgentRow& row) = 0;
  virtual absl::Status Put(const AgentDayRow& row) = 0;
  virtual absl::Status Put(const WatchdogRow& row) = 0;
  virtual absl::Status Put(const CursorRow& row) = 0;
  virtual absl::Status Put(const EntityRow& row) = 0;
  virtual absl::Status Put(const SeriesRow& row) = 0;
  virtual absl::Status Put(const ApplicationRow& row) = 0;
  virtual absl::Status Put(const ApplicationAliasRow& row) = 0;
  virtual absl::Status Put(const InstanceRow& row) = 0;
  // Replaces all intervals of the instance.
  virtual absl::Status PutInstanceLives(EntityId entity, absl::Span<const InstanceLifeRow> rows) = 0;
  virtual absl::Status Put(const ReleaseRow& row) = 0;
  // A deployment, or a verdict, that is known stays as it is. Returns whether it was not.
  virtual absl::StatusOr<bool> AddNew(const DeploymentRow& row) = 0;
  virtual absl::StatusOr<bool> AddNew(const ReleaseVerdictRow& row) = 0;
  virtual absl::Status Put(const ListenerRow& row) = 0;
  // Adds to the row of that key.
  virtual absl::Status Add(const PeerDayRow& row) = 0;
  virtual absl::Status Put(const HostLifeRow& row) = 0;
  virtual absl::Status Put(const SourceStateRow& row) = 0;
  virtual absl::Status PutMinute(std::int64_t minute, HostKey host, absl::string_view blob) = 0;
  // Adds to the row of that minute and application.
  virtual absl::Status Add(const ApplicationMinuteRow& row) = 0;
  virtual absl::Status Put(const TotalRow& row) = 0;
  virtual absl::Status Put(const DayBitsRow& row) = 0;
  virtual absl::Status Put(const BlockRow& row) = 0;
  virtual absl::Status PutFactDay(Day day, ScopeId scope, const DayFacts& facts) = 0;
  virtual absl::Status Put(const ForecastRow& row) = 0;
  virtual absl::Status Put(const RatingDayRow& row) = 0;
  virtual absl::Status Put(const Tier1Row& row) = 0;

  virtual absl::Status DeleteCursor(std::uint64_t epoch, absl::string_view agent_id) = 0;

  // What is dormant (docs/forgetting.md). Its other rows stay as they are. Find...: 0: no such key.
  virtual absl::Status Put(const DormantSeriesRow& row) = 0;
  virtual absl::Status PutDormantEntity(EntityId entity) = 0;
  virtual absl::Status PutDormantApplication(ApplicationId application) = 0;
  virtual absl::Status DeleteDormantSeries(SeriesId series) = 0;
  virtual absl::Status DeleteDormantEntity(EntityId entity) = 0;
  virtual absl::Status DeleteDormantApplication(ApplicationId application) = 0;
  // All totals of what is dormant begin at 0.
  virtual absl::Status ClearDormantTotals() = 0;
  virtual absl::StatusOr<EntityId> FindEntity(HostKey host, EntityKind kind, absl::string_view key) = 0;
  virtual absl::StatusOr<SeriesId> FindSeries(EntityId entity, absl::string_view metric, absl::string_view labels) = 0;
  virtual absl::StatusOr<ApplicationId> FindApplication(absl::string_view key) = 0;
  virtual absl::StatusOr<ApplicationId> FindApplicationByLabel(absl::string_view label) = 0;
  // Dormant or not; nullopt: no such id.
  virtual absl::StatusOr<std::optional<SeriesRow>> GetSeries(SeriesId series) = 0;
  virtual absl::StatusOr<std::optional<EntityContents>> GetEntity(EntityId entity) = 0;
  virtual absl::StatusOr<std::optional<ApplicationContents>> GetApplication(ApplicationId application) = 0;
  // nullopt: it is not dormant.
  virtual absl::StatusOr<std::optional<DormantSeriesRow>> GetDormantSeries(SeriesId series) = 0;

  // Retention, a slice at a time: deletes at most `limit` rows older than the bound and tells how many.
  // `except`: (minute, host) pairs that stay: the hosts' open minutes.
  virtual absl::StatusOr<int> DeleteMinutesBefore(std::int64_t minute,
                                                  absl::Span<const std::pair<std::int64_t, HostKey>> except,
                                                  int limit) = 0;
  virtual absl::StatusOr<int> DeleteApplicationMinutesBefore(std::int64_t minute, int limit) = 0;
  virtual absl::StatusOr<int> DeleteDayRowsBefore(std::int64_t day,
                                                  int limit) = 0;  // day_bits, peer_day, agent_day, watchdog
  virtual absl::StatusOr<int> DeleteForecastsBefore(std::int64_t day, int limit) = 0;
  // fact_day, deployment, release_verdict
  virtual absl::StatusOr<int> DeleteFactDaysBefore(std::int64_t day, int limit) = 0;
  virtual absl::StatusOr<int> DeleteBlocksKeptUntil(std::int64_t day, int limit) = 0;

  // What was concluded of this day and of all after it: facts, forecasts, ratings, draws of tier 1. Tells how many
  // ratings these were.
  virtual absl::StatusOr<int> DeleteConclusionsFrom(std::int64_t day) = 0;
};

}  // namespace ppmm
