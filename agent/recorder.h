// Turns readings into batches: knows the series in force, takes differences of counters, and serializes batches and
// dictionary records (docs/wire.md). Owned by the sampler; one thread only.
//
// Counters travel as increments since the previous reading. The agent alone knows resets: a first reading, and one
// that is lower than the last, is a baseline and gives no sample.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "common/metrics.h"
#include "common/sketch.h"
#include "proto/telemetry.pb.h"

namespace ppmm {

// Names a series inside the recorder; 0 is no series, and recording to it does nothing.
using SeriesHandle = std::uint32_t;
// Names an entity inside the recorder; 0 is none.
using EntityHandle = std::uint32_t;

// How often a batch of the current kind is made.
struct BatchShape {
  std::uint32_t step_seconds = 1;
  std::uint32_t steps_per_batch = 1;
};

class Recorder {
 public:
  static constexpr std::size_t kMaxSeries = 20000;

  // When histograms are sent: at the end of each of their metric's periods, or, in tests, at each step.
  enum class Histograms { kByPeriod, kEachStep };

  explicit Recorder(std::size_t max_series = kMaxSeries, Histograms histograms = Histograms::kByPeriod);

  // ---- what there is ----
  EntityHandle host() const { return 1; }
  // Sent again when it differs from what was sent.
  void SetHost(const wire::Host& host, absl::Time boot);
  void SetHostLife(const wire::HostLife& life);
  EntityHandle AddInstance(const wire::Instance& instance, absl::Time started);
  void UpdateInstance(EntityHandle entity, const wire::Instance& instance);
  // Ends its series too. One that came and went within a batch is not sent.
  void EndInstance(EntityHandle entity, absl::Time at);
  void SetSource(absl::string_view source, wire::SourceState::State state, absl::string_view reason);
  // The listeners in force, all of them; sent when they differ from what was sent.
  void SetListeners(std::vector<wire::Listener> listeners);
  void AddRelease(const wire::ReleaseSeen& release);
  // At most kMaxDeployments a batch. False: there is no room.
  bool AddDeployment(const wire::Deployment& deployment);
  // At most kMaxPeers a batch; more are counted in peers_dropped().
  void AddPeer(const wire::Peer& peer);
  // The wire id of an entity, for events.
  std::uint32_t WireId(EntityHandle entity) const;

  // Shape:  `labels` in the order of metric.labels. `period_seconds` where the source reads it more rarely than the
  //         metric says.
  // Errors: 0 when the host has kMaxSeries already; counted in series_refused().
  SeriesHandle AddSeries(EntityHandle entity, const Metric& metric, std::vector<std::string> labels = {},
                         int period_seconds = 0);
  void RemoveSeries(SeriesHandle series);

  // ---- values of the step that is open; a second value of a gauge wins, increments add up ----
  void Gauge(SeriesHandle series, std::int64_t value);
  void Counter(SeriesHandle series, std::uint64_t reading);
  void Increment(SeriesHandle series, std::uint64_t by);
  // Adds durations; an empty sketch says nothing. They are held until the last step of the metric's period, since many
  // small histograms are most of the bytes on the wire: the same durations in one take a fifth of ten.
  void Histogram(SeriesHandle series, const Sketch& sketch);
  // Puts what is held into the open step. False: nothing was.
  bool ReleaseHistograms();
  // The next reading of this counter is a baseline.
  void ForgetReading(SeriesHandle series);

  // ---- batches ----
  // Begins a new epoch: wire ids are numbered anew, everything in force is to be sent, `produced` begins at 0.
  void BeginEpoch(std::uint64_t epoch);
  void BeginBatch(std::int64_t t0_seconds, BatchShape shape);
  void BeginStep(std::uint32_t index);
  void SetClockEvent(absl::Time from, absl::Time to);

  // Dictionary record with what changed since the last call, ready for the spool; nullopt: nothing did. To be
  // appended before the batch.
  std::optional<std::string> TakeDictionaryChanges();
  // Dictionary records with everything in force, and what ended in the open batch, in this order; each below 512 KiB.
  std::vector<std::string> CompleteDictionary() const;

  struct BuiltBatch {
    std::string frame;  // serialized AgentFrame
    std::uint32_t samples = 0;
    std::uint64_t seq = 0;
  };
  // Ends the batch with its first `steps` steps. Numbers are given from 1 in each epoch.
  BuiltBatch BuildBatch(std::uint32_t steps);

  std::size_t series_count() const { return live_series_; }
  std::uint64_t series_refused() const { return series_refused_; }
  std::uint64_t peers_dropped() const { return peers_dropped_; }
  std::uint64_t epoch() const { return epoch_; }
  // Samples since the recorder was made, over all epochs.
  std::uint64_t produced_total() const { return produced_total_; }
  // The latest value of each live gauge and counter, for `--once`: (entity, metric, labels, value).
  struct Reading {
    EntityHandle entity;
    const Metric* metric;
    const std::vector<std::string>* labels;
    std::int64_t value;
  };
  std::vector<Reading> OpenStep() const;

 private:
  struct EntityRecord {
    wire::Entity record;  // without id
    std::uint32_t wire_id = 0;
    bool live = false;
    bool announced = false;  // stands in a dictionary record
    bool changed = false;
  };
  struct SeriesRecord {
    const Metric* metric = nullptr;  // nullptr: free slot
    EntityHandle entity = 0;
    std::vector<std::string> labels;
    int period_seconds = 0;
    std::uint32_t wire_id = 0;
    bool announced = false;  // stands in a dictionary record
    bool ending = false;     // removed, but its values of the open batch are still to be sent
    bool has_last = false;
    std::uint64_t last = 0;
    std::uint64_t mask = 0;            // bit k: step k has a value
    std::vector<std::int64_t> values;  // one per step of the batch
    std::vector<Sketch> sketches;      // the same of a histogram; `values` then means nothing
    Sketch held;                       // of a histogram, for the end of its period
    std::int64_t held_since = 0;
  };

  SeriesRecord* Find(SeriesHandle series);
  void Put(SeriesRecord& series, std::int64_t value);
  void PutSketch(SeriesRecord& series, const Sketch& sketch);
  // Whether the open step is the last one, or behind the last one, of the period of `since`.
  bool EndsPeriod(const SeriesRecord& series, std::int64_t since) const;
  void FreeEnded();
  void FillSeries(const SeriesRecord& series, wire::Series* out) const;
  std::string Serialize(wire::Dictionary* dictionary) const;

  const std::size_t max_series_;
  const Histograms histograms_;
  std::uint64_t epoch_ = 0;
  std::uint64_t seq_ = 0;
  std::uint64_t produced_in_epoch_ = 0;
  std::uint64_t produced_total_ = 0;
  std::uint32_t next_entity_id_ = 1;
  std::uint32_t next_series_id_ = 1;

  std::vector<EntityRecord> entities_;  // index: handle
  std::vector<EntityHandle> free_entities_;
  std::vector<EntityHandle> ended_entities_;  // in the open batch
  std::vector<SeriesRecord> series_;          // index: handle
  std::vector<SeriesHandle> free_series_;
  std::vector<SeriesHandle> order_;  // live series by wire id
  std::vector<SeriesHandle> held_;   // histograms that wait for the end of their period
  std::size_t live_series_ = 0;
  bool order_has_dead_ = false;

  wire::HostLife host_life_;
  std::map<std::string, wire::SourceState> sources_;
  std::vector<wire::Listener> listeners_;
  bool host_life_changed_ = false;
  bool sources_changed_ = false;
  bool listeners_changed_ = false;
  std::vector<SeriesHandle> new_series_;
  std::vector<std::int64_t> values_;     // of the batch that is built
  std::vector<const Sketch*> sketches_;  // the same

  wire::Batch batch_;  // events of the open batch
  std::int64_t t0_ = 0;
  BatchShape shape_;
  std::uint32_t step_ = 0;
  std::uint64_t series_refused_ = 0;
  std::uint64_t peers_dropped_ = 0;
};

}  // namespace ppmm
