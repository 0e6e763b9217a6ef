// The committed state in memory: what /metrics, API, rules and page read. The writer alone changes it, under the
// exclusive lock that it holds until its commit is durable; so a reader never sees what a crash can take back.
//
// There is one way into the state, LoadFrom(), at start and after a commit that failed.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "collector/latest_steps.h"
#include "collector/minute_row.h"
#include "collector/store/store.h"
#include "common/metrics.h"
#include "common/mutex.h"
#include "common/sketch.h"

namespace ppmm {

// A series is absent for rules, /metrics and API this long after the newest step; later increments do not make exposed
// totals grow.
inline constexpr absl::Duration kFresh = absl::Minutes(5);

// Increments of one metric and label values, pooled over the instances of an application, whichever exist.
struct PooledTotal {
  std::int64_t total = 0;        // of a counter, in the metric's scale
  Sketch sketch;                 // of a histogram
  std::int64_t newest_step = 0;  // seconds
  bool operator==(const PooledTotal&) const = default;
};

// A histogram's recent past: slices of 10 s, the six last full ones and the running one.
struct SketchRing {
  static constexpr std::int64_t kSliceSeconds = 10;
  static constexpr std::size_t kSlices = 7;
  struct Slice {
    std::int64_t number = 0;  // seconds since 1970 / 10; 0: empty
    Sketch sketch;
  };
  std::array<Slice, kSlices> slices;

  void Add(std::int64_t step, const Sketch& sketch);
  // The merge of the `count` newest slices at the step `newest` of the host; the running one is among them once it has
  // anything, which agents send at its end.
  Sketch Newest(std::int64_t newest, std::int64_t count) const;
};

struct HistogramState {
  Sketch total;
  Sketch last;  // the increments of the newest step
  SketchRing ring;
};

struct SeriesState {
  SeriesId id = 0;
  EntityId entity = 0;
  HostKey host = 0;
  const Metric* metric = nullptr;  // of the metric list
  std::string labels;              // values, each ended by "\x1f": LabelValues()
  std::int64_t last = 0;           // value of a gauge, newest increment of a counter
  std::int64_t last_step = 0;      // seconds since 1970; 0: none yet
  std::int64_t total = 0;          // of a counter, as exposed
  LatestSteps latest;
  std::unique_ptr<HistogramState> histogram;  // of histograms
  PooledTotal* pooled = nullptr;              // of counters and histograms of an instance
  std::vector<absl::string_view> LabelValues() const;
};

// What a series is found by.
struct SeriesKey {
  EntityId entity = 0;
  const Metric* metric = nullptr;
  absl::string_view labels;
  bool operator==(const SeriesKey&) const = default;
  template <class H>
  friend H AbslHashValue(H hash, const SeriesKey& key) {
    return H::combine(std::move(hash), key.entity, key.metric, key.labels);
  }
};

// Of a set of series that is asked for keys: it holds no copy of what they have.
struct SeriesByKey {
  using is_transparent = void;
  static SeriesKey KeyOf(const SeriesState* series) { return {series->entity, series->metric, series->labels}; }
  static const SeriesKey& KeyOf(const SeriesKey& key) { return key; }
  template <class T>
  std::size_t operator()(const T& one) const {
    return absl::HashOf(KeyOf(one));
  }
  template <class A, class B>
  bool operator()(const A& a, const B& b) const {
    return KeyOf(a) == KeyOf(b);
  }
};

struct EntityState {
  EntityRow row;
  // Of instances.
  InstanceRow instance;
  std::vector<InstanceLifeRow> lives;  // in order
  std::vector<ListenerRow> listeners;
  std::vector<SeriesId> series;  // rising
};

// The label `application`: the name, outside group `default` with the group before it. Of two applications of a store
// never one: Registry makes sure of that when it names them.
std::string ApplicationLabel(absl::string_view group, absl::string_view name);

struct ApplicationState {
  ApplicationRow row;
  std::string display_name;         // the alias in force, else empty
  std::vector<EntityId> instances;  // rising
  // By metric and label values; node-based, since SeriesState points into it.
  std::map<std::pair<absl::string_view, std::string>, PooledTotal> totals;

  // What people call it, else the name that was found.
  const std::string& name() const { return display_name.empty() ? row.name : display_name; }
  std::string label() const { return ApplicationLabel(row.group, row.name); }
};

// How far an epoch is merged. One an epoch, whoever sends it: copies of a machine send the same batches.
struct CursorState {
  std::string agent_id;  // who sent it first
  std::uint64_t number = 0;
  std::int64_t newest_step = 0;
  std::uint64_t produced = 0;  // samples of the epoch, as its newest batch says
  bool moved = false;          // by a Hello, and no batch since
  // It moved over batches that this store had before a restore. Not kept over a restart: the samples of an epoch that
  // began after the backup are then not counted.
  bool lost = false;
};

struct AgentState {
  AgentRow row;
  // Of its spool, since its data directory was made; not kept over a restart: each Hello tells it.
  std::optional<std::uint64_t> damaged_bytes = std::nullopt;
};

struct HostState {
  HostRow row;
  MinuteRow open;                  // the row of row.open_minute; `totals` are made when it is written
  std::vector<EntityId> entities;  // rising
  std::map<std::string, SourceStateRow> sources;
  std::vector<HostLifeRow> lives;  // off, proven; in order
  std::uint64_t late_samples_total = 0;
  std::vector<ForecastRow> forecasts;  // of the newest day that has some, in order of kind and series
  // Receipt of the newest live batch; not kept over a restart.
  absl::Time last_receipt = absl::InfinitePast();
};

// Everything that is not dormant (docs/forgetting.md), by id. Pointers and references stay good until the next
// LoadFrom(), or until what they point to falls dormant.
struct Tables {
  std::string store_id;  // 8 bytes
  // Set back by a restore (restore.h).
  std::set<std::string> former_store_ids;  // what this store was called before
  std::int64_t restored_us = 0;            // when it was last called anew; agents that came since know it. 0: never
  std::uint64_t lost_by_restore = 0;       // samples that agents no longer have and this store never had: of `dropped`
  std::int64_t commit = 0;                 // number of the last commit, ever growing
  std::int64_t sealed_day = 0;             // days before it are sealed
  std::int64_t reopened_until = 0;         // days before it were sealed once, now or before store time was set back
  std::int64_t store_time_us = 0;          // of the newest transaction, changes of it included
  std::int64_t facts_day = 0;              // facts are written of the days before it
  std::set<std::int64_t> touched_days;     // of these, changed since by late samples
  // By day, the last commit that changed what its facts are made of; not listed: none since the state was read.
  std::map<std::int64_t, std::int64_t> day_changed;
  std::int64_t read_at = 0;               // the commit at which the state was read
  std::int64_t counted_since_us = 0;      // samples, clocks and silences are counted per day since; 0: always
  std::int64_t timed_since_us = 0;        // response times are counted per minute since; 0: always
  std::int64_t deployments_since_us = 0;  // deployments are known since; 0: always
  std::map<std::int64_t, std::int64_t> deployments_of_day;  // how many there are, of days that were asked for
  std::uint64_t deployments_refused = 0;                    // beyond the bound of a day, since the state was read
  std::int64_t watchdog_since_minute = 0;                   // a service manager's watchdog was first heard; 0: never
  WatchdogRow watchdog;                                     // the newest
  std::map<HostKey, HostState> hosts;
  std::map<std::string, AgentState> agents;                 // by agent_id, 16 bytes
  absl::flat_hash_map<std::uint64_t, CursorState> cursors;  // by epoch
  std::map<ApplicationId, ApplicationState> applications;
  absl::flat_hash_map<EntityId, std::unique_ptr<EntityState>> entities;
  absl::flat_hash_map<SeriesId, std::unique_ptr<SeriesState>> series;
  // The largest ids given, dormant ones included; 0: none.
  ApplicationId last_application = 0;
  EntityId last_entity = 0;
  SeriesId last_series = 0;

  absl::flat_hash_map<std::string, HostKey> host_by_id;  // host_id, 16 bytes
  absl::flat_hash_map<std::string, HostKey> host_by_label;
  absl::flat_hash_map<std::string, HostKey> host_by_alias;
  absl::flat_hash_map<std::string, ApplicationId> application_by_key;
  absl::flat_hash_map<std::string, EntityId> entity_by_key;  // EntityLookupKey()
  absl::flat_hash_set<const SeriesState*, SeriesByKey, SeriesByKey> series_by_key;

  const EntityState* Entity(EntityId id) const;
  EntityState* Entity(EntityId id);
  const SeriesState* Series(SeriesId id) const;
  SeriesState* Series(SeriesId id);
  const ApplicationState* Application(ApplicationId id) const;

  // Place what is complete, by its ids and keys: an entity at its host and, an instance, at its application; a series
  // at its entity and, where it is pooled, at its application. Whose ids they name must be there.
  EntityState& Add(std::unique_ptr<EntityState> entity);
  SeriesState& Add(std::unique_ptr<SeriesState> series);
  ApplicationState& Add(ApplicationRow row);
  // The other way round. An entity without series; an application without instances.
  void RemoveSeries(SeriesId id);
  void RemoveEntity(EntityId id);
  void RemoveApplication(ApplicationId id);
};

std::string EntityLookupKey(HostKey host, EntityKind kind, absl::string_view key);

// The blob of a row of `total`. Errors: DataLoss.
std::string EncodePooledTotals(const ApplicationState& application);
absl::Status DecodePooledTotals(absl::string_view bytes, ApplicationState* application);

// Whether store time has come to the end of the day.
bool IsOver(std::int64_t day, const Tables& tables);

// Writes facts_day and touched_days to `meta`.
absl::Status PutTouchedDays(const Tables& tables, Store& store);

// The running commit changes what the facts of a day are made of. Returns whether that touched facts that are written:
// then PutTouchedDays() is due.
bool TouchDay(std::int64_t day, Tables& tables);

// The facts of a day are written as of commit `as_of`. What changed after it touches them again.
absl::Status NoteFactsOf(std::int64_t day, std::int64_t as_of, Tables& tables, Store& store);

// The service manager's watchdog took the collector's sign of life in this minute (since 1970). Again: nothing changes.
absl::Status NoteWatchdog(std::int64_t minute, Tables& tables, Store& store);

// Thread-safe.
//
//   ReaderLock lock(&state.mutex());
//   const Tables& tables = state.tables();   // copy what one host or application needs, a few milliseconds at most
class State {
 public:
  SharedMutex& mutex() ABSL_LOCK_RETURNED(mutex_) { return mutex_; }
  const Tables& tables() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return tables_; }
  // For the writer.
  Tables& mutable_tables() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return tables_; }

  // False: answer 503. The state is being built, or nothing can be committed; Readiness() says why.
  bool ready() const { return ready_.load(std::memory_order_acquire); }
  absl::Status Readiness() const;
  void SetReadiness(const absl::Status& status);

  // Builds everything anew from committed rows.
  // Errors: those of the store; DataLoss also for rows that contradict each other. The state is then empty.
  absl::Status LoadFrom(Store& store) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // All that survives a restart, as text, one fact a line: equal states give equal dumps.
  std::string Dump() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

 private:
  SharedMutex mutex_;
  Tables tables_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> ready_{false};
  mutable Mutex status_mutex_;
  absl::Status status_ ABSL_GUARDED_BY(status_mutex_) = absl::UnavailableError("starting");
};

}  // namespace ppmm
