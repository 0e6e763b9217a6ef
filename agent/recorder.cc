#include "agent/recorder.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "common/batch_codec.h"
#include "common/crc32c.h"
#include "common/log.h"

namespace ppmm {
namespace {

constexpr std::size_t kMaxPeers = 1000;
constexpr std::size_t kMaxDeployments = 128;
constexpr int kSeriesPerFrame = 4000;  // some 70 bytes each

wire::Kind WireKind(MetricKind kind) {
  switch (kind) {
    case MetricKind::kGauge:
      return wire::GAUGE;
    case MetricKind::kCounter:
      return wire::COUNTER;
    case MetricKind::kHistogram:
      return wire::HISTOGRAM;
  }
  return wire::KIND_UNSPECIFIED;
}

bool Same(const google::protobuf::Message& a, const google::protobuf::Message& b) {
  return a.SerializeAsString() == b.SerializeAsString();
}

}  // namespace

Recorder::Recorder(std::size_t max_series, Histograms histograms)
    : max_series_(max_series), histograms_(histograms), entities_(2), series_(1) {
  entities_[host()].live = true;
}

// ---- what there is
// ---------------------------------------------------------------------------------------------------

void Recorder::SetHost(const wire::Host& host_record, absl::Time boot) {
  EntityRecord& entity = entities_[host()];
  wire::Entity record;
  *record.mutable_host() = host_record;
  record.set_started_us(absl::ToUnixMicros(boot));
  if (!Same(record, entity.record)) {
    entity.record = std::move(record);
    entity.changed = true;
  }
}

void Recorder::SetHostLife(const wire::HostLife& life) {
  if (!Same(life, host_life_)) {
    host_life_ = life;
    host_life_changed_ = true;
  }
}

EntityHandle Recorder::AddInstance(const wire::Instance& instance, absl::Time started) {
  EntityHandle handle = 0;
  if (free_entities_.empty()) {
    handle = static_cast<EntityHandle>(entities_.size());
    entities_.emplace_back();
  } else {
    handle = free_entities_.back();
    free_entities_.pop_back();
  }
  EntityRecord& entity = entities_[handle];
  entity = EntityRecord{};
  *entity.record.mutable_instance() = instance;
  entity.record.set_started_us(absl::ToUnixMicros(started));
  entity.wire_id = next_entity_id_++;
  entity.live = true;
  entity.changed = true;
  return handle;
}

void Recorder::UpdateInstance(EntityHandle handle, const wire::Instance& instance) {
  if (handle == 0 || handle >= entities_.size() || !entities_[handle].live) {
    return;
  }
  EntityRecord& entity = entities_[handle];
  if (!Same(instance, entity.record.instance())) {
    *entity.record.mutable_instance() = instance;
    entity.changed = true;
  }
}

void Recorder::EndInstance(EntityHandle handle, absl::Time at) {
  if (handle <= host() || handle >= entities_.size() || !entities_[handle].live) {
    return;
  }
  EntityRecord& entity = entities_[handle];
  if (entity.announced) {
    wire::InstanceEnd* end = batch_.add_ended();
    end->set_entity(entity.wire_id);
    end->set_at_us(absl::ToUnixMicros(at));
  }
  for (SeriesHandle series = 1; series < series_.size(); ++series) {
    if (series_[series].entity == handle) {
      RemoveSeries(series);
    }
  }
  // What the open batch says of it is still to be sent; the slot is freed when the next batch begins.
  entity.live = false;
  entity.changed = false;
  ended_entities_.push_back(handle);
}

void Recorder::SetSource(absl::string_view source, wire::SourceState::State state, absl::string_view reason) {
  wire::SourceState& known = sources_[std::string(source)];
  if (known.state() != state || known.reason() != reason) {
    known.set_source(std::string(source));
    known.set_state(state);
    known.set_reason(std::string(reason));
    sources_changed_ = true;
  }
}

void Recorder::SetListeners(std::vector<wire::Listener> listeners) {
  const bool same = listeners.size() == listeners_.size() &&
                    std::equal(listeners.begin(), listeners.end(), listeners_.begin(),
                               [](const wire::Listener& a, const wire::Listener& b) { return Same(a, b); });
  if (!same) {
    listeners_ = std::move(listeners);
    listeners_changed_ = true;
  }
}

void Recorder::AddRelease(const wire::ReleaseSeen& release) {
  *batch_.add_releases() = release;
}

bool Recorder::AddDeployment(const wire::Deployment& deployment) {
  if (static_cast<std::size_t>(batch_.deployments_size()) >= kMaxDeployments) {
    return false;
  }
  *batch_.add_deployments() = deployment;
  return true;
}

void Recorder::AddPeer(const wire::Peer& peer) {
  if (static_cast<std::size_t>(batch_.peers_size()) >= kMaxPeers) {
    ++peers_dropped_;
    return;
  }
  *batch_.add_peers() = peer;
}

std::uint32_t Recorder::WireId(EntityHandle entity) const {
  return entity != 0 && entity < entities_.size() && entities_[entity].live ? entities_[entity].wire_id : 0;
}

SeriesHandle Recorder::AddSeries(EntityHandle entity, const Metric& metric, std::vector<std::string> labels,
                                 int period_seconds) {
  if (live_series_ >= max_series_) {
    ++series_refused_;
    return 0;
  }
  SeriesHandle handle = 0;
  if (free_series_.empty()) {
    handle = static_cast<SeriesHandle>(series_.size());
    series_.emplace_back();
  } else {
    handle = free_series_.back();
    free_series_.pop_back();
  }
  SeriesRecord& series = series_[handle];
  series = SeriesRecord{};
  series.metric = &metric;
  series.entity = entity;
  series.labels = std::move(labels);
  series.period_seconds = std::max(metric.period_seconds, period_seconds);
  series.wire_id = next_series_id_++;
  series.values.resize(shape_.steps_per_batch);
  order_.push_back(handle);
  new_series_.push_back(handle);
  ++live_series_;
  return handle;
}

void Recorder::RemoveSeries(SeriesHandle handle) {
  SeriesRecord* series = Find(handle);
  if (series == nullptr) {
    return;
  }
  // What it said in this batch still counts; the slot is freed when the next batch begins.
  if (!series->held.empty()) {
    PutSketch(*series, series->held);
    series->held.Clear();
  }
  series->ending = true;
  if (!series->announced) {
    series->mask = 0;
  }
  order_has_dead_ = true;
  --live_series_;
}

// ---- values
// ------------------------------------------------------------------------------------------------------------

Recorder::SeriesRecord* Recorder::Find(SeriesHandle handle) {
  if (handle == 0 || handle >= series_.size() || series_[handle].metric == nullptr || series_[handle].ending) {
    return nullptr;
  }
  return &series_[handle];
}

void Recorder::Put(SeriesRecord& series, std::int64_t value) {
  series.mask |= std::uint64_t{1} << step_;
  series.values[step_] = value;
}

void Recorder::Gauge(SeriesHandle handle, std::int64_t value) {
  if (SeriesRecord* series = Find(handle)) {
    Put(*series, value);
  }
}

void Recorder::Counter(SeriesHandle handle, std::uint64_t reading) {
  SeriesRecord* series = Find(handle);
  if (series == nullptr) {
    return;
  }
  if (series->has_last && reading >= series->last) {
    Put(*series, static_cast<std::int64_t>(reading - series->last));
  }
  series->last = reading;
  series->has_last = true;
}

void Recorder::Increment(SeriesHandle handle, std::uint64_t by) {
  SeriesRecord* series = Find(handle);
  if (series == nullptr) {
    return;
  }
  const bool present = (series->mask >> step_ & 1) != 0;
  Put(*series, static_cast<std::int64_t>(by) + (present ? series->values[step_] : 0));
}

void Recorder::Histogram(SeriesHandle handle, const Sketch& sketch) {
  SeriesRecord* series = Find(handle);
  if (series == nullptr || sketch.empty()) {
    return;
  }
  const std::int64_t now = t0_ + std::int64_t{step_} * shape_.step_seconds;
  if (EndsPeriod(*series, now)) {
    PutSketch(*series, sketch);
    return;
  }
  if (series->held.empty()) {
    held_.push_back(handle);
    series->held_since = now;
  }
  series->held.Merge(sketch);
}

void Recorder::PutSketch(SeriesRecord& series, const Sketch& sketch) {
  series.sketches.resize(shape_.steps_per_batch);
  if ((series.mask >> step_ & 1) == 0) {
    series.sketches[step_].Clear();
    series.mask |= std::uint64_t{1} << step_;
  }
  series.sketches[step_].Merge(sketch);
}

bool Recorder::EndsPeriod(const SeriesRecord& series, std::int64_t since) const {
  const std::int64_t period = histograms_ == Histograms::kEachStep ? 1 : std::max(1, series.metric->period_seconds);
  return (t0_ + (std::int64_t{step_} + 1) * shape_.step_seconds) / period > since / period;
}

bool Recorder::ReleaseHistograms() {
  bool released = false;
  for (const SeriesHandle handle : std::exchange(held_, {})) {
    // One that was removed has put it, and its place may be another one's by now.
    if (SeriesRecord* series = Find(handle); series != nullptr && !series->held.empty()) {
      PutSketch(*series, series->held);
      series->held.Clear();
      released = true;
    }
  }
  return released;
}

void Recorder::ForgetReading(SeriesHandle handle) {
  if (SeriesRecord* series = Find(handle)) {
    series->has_last = false;
  }
}

// ---- batches
// -----------------------------------------------------------------------------------------------------------

void Recorder::BeginEpoch(std::uint64_t epoch) {
  epoch_ = epoch;
  seq_ = 0;
  produced_in_epoch_ = 0;
  next_entity_id_ = 1;
  next_series_id_ = 1;
  FreeEnded();
  for (EntityHandle handle = host(); handle < entities_.size(); ++handle) {
    if (entities_[handle].live) {
      entities_[handle].wire_id = next_entity_id_++;
      entities_[handle].announced = true;
      entities_[handle].changed = false;
    }
  }
  order_.clear();
  new_series_.clear();
  for (SeriesHandle handle = 1; handle < series_.size(); ++handle) {
    if (series_[handle].metric != nullptr) {
      series_[handle].wire_id = next_series_id_++;
      series_[handle].announced = true;
      order_.push_back(handle);
    }
  }
  // The segment that begins the epoch carries the complete dictionary.
  host_life_changed_ = sources_changed_ = listeners_changed_ = false;
}

// What ended in the batch before: nothing refers to it any more.
void Recorder::FreeEnded() {
  free_entities_.insert(free_entities_.end(), ended_entities_.begin(), ended_entities_.end());
  ended_entities_.clear();
  if (!std::exchange(order_has_dead_, false)) {
    return;
  }
  const auto ending = [this](SeriesHandle handle) { return series_[handle].ending; };
  new_series_.erase(std::remove_if(new_series_.begin(), new_series_.end(), ending), new_series_.end());
  const auto first_ending = std::stable_partition(order_.begin(), order_.end(), std::not_fn(ending));
  for (auto it = first_ending; it != order_.end(); ++it) {
    series_[*it].metric = nullptr;
    free_series_.push_back(*it);
  }
  order_.erase(first_ending, order_.end());
}

void Recorder::BeginBatch(std::int64_t t0_seconds, BatchShape shape) {
  t0_ = t0_seconds;
  shape_ = shape;
  step_ = 0;
  FreeEnded();
  for (const SeriesHandle handle : order_) {
    series_[handle].mask = 0;
    series_[handle].values.resize(shape.steps_per_batch);
  }
}

void Recorder::BeginStep(std::uint32_t index) {
  step_ = index;
  const bool ends = std::any_of(held_.begin(), held_.end(), [this](SeriesHandle handle) {
    const SeriesRecord* series = Find(handle);
    return series != nullptr && !series->held.empty() && EndsPeriod(*series, series->held_since);
  });
  if (ends) {  // all periods are the same
    ReleaseHistograms();
  }
}

void Recorder::SetClockEvent(absl::Time from, absl::Time to) {
  batch_.mutable_clock()->set_from_us(absl::ToUnixMicros(from));
  batch_.mutable_clock()->set_to_us(absl::ToUnixMicros(to));
}

void Recorder::FillSeries(const SeriesRecord& series, wire::Series* out) const {
  out->set_id(series.wire_id);
  out->set_entity(entities_[series.entity].wire_id);
  out->set_name(std::string(series.metric->name));
  out->set_kind(WireKind(series.metric->kind));
  out->set_scale(series.metric->scale);
  for (const std::string& label : series.labels) {
    out->add_labels(label);
  }
  out->set_period_seconds(static_cast<std::uint32_t>(series.period_seconds));
}

std::string Recorder::Serialize(wire::Dictionary* dictionary) const {
  dictionary->set_epoch(epoch_);
  wire::AgentFrame frame;
  frame.set_allocated_dictionary(dictionary);
  std::string bytes = frame.SerializeAsString();
  static_cast<void>(frame.release_dictionary());  // the caller's
  return bytes;
}

std::optional<std::string> Recorder::TakeDictionaryChanges() {
  wire::Dictionary dictionary;
  bool any = false;
  for (EntityRecord& entity : entities_) {
    if (entity.live && entity.changed) {
      wire::Entity* out = dictionary.add_entities();
      *out = entity.record;
      out->set_id(entity.wire_id);
      entity.announced = true;
      entity.changed = false;
      any = true;
    }
  }
  for (const SeriesHandle handle : new_series_) {
    if (!series_[handle].ending) {
      FillSeries(series_[handle], dictionary.add_series());
      series_[handle].announced = true;
      any = true;
    }
  }
  new_series_.clear();
  if (std::exchange(host_life_changed_, false)) {
    *dictionary.mutable_host_life() = host_life_;
    any = true;
  }
  if (std::exchange(sources_changed_, false)) {
    for (const auto& [name, state] : sources_) {
      *dictionary.add_sources() = state;
    }
    any = true;
  }
  if (std::exchange(listeners_changed_, false)) {
    for (const wire::Listener& listener : listeners_) {
      *dictionary.add_listeners() = listener;
      wire::Listener* added = dictionary.mutable_listeners(dictionary.listeners_size() - 1);
      added->set_entity(WireId(listener.entity()));
    }
    dictionary.set_listeners_complete(true);
    any = true;
  }
  if (!any) {
    return std::nullopt;
  }
  return Serialize(&dictionary);
}

std::vector<std::string> Recorder::CompleteDictionary() const {
  std::vector<std::string> frames;
  wire::Dictionary first;
  first.set_complete(true);
  first.set_listeners_complete(true);
  const auto add_entity = [&first](const EntityRecord& entity) {
    wire::Entity* out = first.add_entities();
    *out = entity.record;
    out->set_id(entity.wire_id);
  };
  for (const EntityRecord& entity : entities_) {
    if (entity.live) {
      add_entity(entity);
    }
  }
  // The batch that follows may be the one in which they ended, with their last values.
  for (const EntityHandle handle : ended_entities_) {
    if (entities_[handle].announced) {
      add_entity(entities_[handle]);
    }
  }
  *first.mutable_host_life() = host_life_;
  for (const auto& [name, state] : sources_) {
    *first.add_sources() = state;
  }
  for (const wire::Listener& listener : listeners_) {
    *first.add_listeners() = listener;
    first.mutable_listeners(first.listeners_size() - 1)->set_entity(WireId(listener.entity()));
  }
  frames.push_back(Serialize(&first));

  wire::Dictionary series;
  for (const SeriesHandle handle : order_) {
    if (series_[handle].ending && series_[handle].mask == 0) {
      continue;
    }
    FillSeries(series_[handle], series.add_series());
    if (series.series_size() == kSeriesPerFrame) {
      frames.push_back(Serialize(&series));
      series.Clear();
    }
  }
  if (series.series_size() > 0) {
    frames.push_back(Serialize(&series));
  }
  return frames;
}

Recorder::BuiltBatch Recorder::BuildBatch(std::uint32_t steps) {
  BuiltBatch built;
  built.seq = ++seq_;
  batch_.set_epoch(epoch_);
  batch_.set_seq(seq_);
  batch_.set_t0(t0_);
  batch_.set_step_seconds(shape_.step_seconds);
  batch_.set_steps(steps);

  std::uint32_t expected[5] = {};
  std::vector<Column> columns;
  columns.reserve(order_.size());
  // Values of all columns, one a present step. Never grown while columns point into it.
  values_.clear();
  values_.reserve(order_.size() * steps);
  sketches_.clear();
  sketches_.reserve(order_.size() * steps);
  const std::uint64_t steps_mask = steps >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << steps) - 1;
  for (const SeriesHandle handle : order_) {
    const SeriesRecord& series = series_[handle];
    const Metric& metric = *series.metric;
    if (metric.scope == MetricScope::kHost && metric.role == MetricRole::kUtilization && metric.period_seconds == 0) {
      expected[static_cast<std::size_t>(metric.resource)] += 60 / shape_.step_seconds;
    }
    const std::uint64_t mask = series.mask & steps_mask;
    if (mask == 0) {
      continue;
    }
    Column column;
    column.id = series.wire_id;
    column.kind = metric.kind;
    column.present = mask;
    const bool histogram = metric.kind == MetricKind::kHistogram;
    const std::size_t begin = values_.size();
    const std::size_t first_sketch = sketches_.size();
    for (std::uint32_t step = 0; step < steps; ++step) {
      if ((mask >> step & 1) == 0) {
        continue;
      }
      if (histogram) {
        sketches_.push_back(&series.sketches[step]);
      } else {
        values_.push_back(series.values[step]);
      }
    }
    column.values = absl::MakeConstSpan(values_).subspan(begin);
    column.sketches = absl::MakeConstSpan(sketches_).subspan(first_sketch);
    columns.push_back(column);
    built.samples += static_cast<std::uint32_t>(column.values.size() + column.sketches.size());
  }
  for (int kind = wire::RESOURCE_CPU; kind <= wire::RESOURCE_NETWORK; ++kind) {
    if (expected[kind] > 0) {
      wire::Expected* out = batch_.add_expected();
      out->set_resource(static_cast<wire::Resource>(kind));
      out->set_samples_per_minute(expected[kind]);
    }
  }
  const absl::Status encoded = AppendColumns(columns, steps, batch_.mutable_columns());
  if (!encoded.ok()) {
    LogError("recorder", "batch ", seq_, " cannot be encoded: ", encoded.message());
    built.samples = 0;
  }
  batch_.set_crc32c(Crc32c(batch_.columns()));
  batch_.set_samples(built.samples);
  produced_in_epoch_ += built.samples;
  produced_total_ += built.samples;
  batch_.set_produced(produced_in_epoch_);

  wire::AgentFrame frame;
  frame.set_allocated_batch(&batch_);
  built.frame = frame.SerializeAsString();
  static_cast<void>(frame.release_batch());  // ours
  batch_.Clear();
  return built;
}

std::vector<Recorder::Reading> Recorder::OpenStep() const {
  std::vector<Reading> readings;
  for (const SeriesHandle handle : order_) {
    const SeriesRecord& series = series_[handle];
    if ((series.mask >> step_ & 1) != 0 && series.metric->kind != MetricKind::kHistogram) {
      readings.push_back({series.entity, series.metric, &series.labels, series.values[step_]});
    }
  }
  return readings;
}

}  // namespace ppmm
