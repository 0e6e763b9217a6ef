#include "collector/merger.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "collector/deployments.h"
#include "collector/restore.h"
#include "collector/sample_counts.h"
#include "common/log.h"
#include "common/status.h"
#include "common/text.h"
#include "proto/telemetry.pb.h"

namespace ppmm {
namespace {

constexpr std::int64_t kMinutesUntilTooLate = 72 * 60;
constexpr std::int64_t kBootingMinutes = 10;

std::string Clean(absl::string_view text) {
  return EscapeForDisplay(text, kMaxDeploymentText);
}

std::int64_t MinuteOfUs(std::int64_t us) {
  return us / 60'000'000;
}

// Metrics of instances that are pooled a minute by application.
std::int64_t ApplicationMinuteRow::*PooledColumn(const Metric* metric) {
  struct Column {
    const Metric* metric;
    std::int64_t ApplicationMinuteRow::*member;
  };
  static const std::array<Column, 10> kColumns = {{
      {&MetricNamed("ppmm_instance_requests_total"), &ApplicationMinuteRow::requests},
      {&MetricNamed("ppmm_instance_errors_total"), &ApplicationMinuteRow::errors},
      {&MetricNamed("ppmm_instance_response_time_seconds"), &ApplicationMinuteRow::timed},  // of kind total only
      {&MetricNamed("ppmm_instance_connections_without_times_total"), &ApplicationMinuteRow::unparsed},
      {&MetricNamed("ppmm_instance_connections_accepted_total"), &ApplicationMinuteRow::independent},
      {&MetricNamed("ppmm_instance_network_receive_bytes_total"), &ApplicationMinuteRow::traffic},
      {&MetricNamed("ppmm_instance_network_transmit_bytes_total"), &ApplicationMinuteRow::traffic},
      {&MetricNamed("ppmm_instance_cpu_seconds_total"), &ApplicationMinuteRow::cpu_us},  // its scale is 10^-6
      {&MetricNamed("ppmm_instance_requests_in_flight_seconds_total"), &ApplicationMinuteRow::in_flight_us},
      {&MetricNamed("ppmm_instance_requests_elapsed_seconds_total"), &ApplicationMinuteRow::elapsed_us},
  }};
  for (const Column& column : kColumns) {
    if (column.metric == metric) {
      return column.member;
    }
  }
  return nullptr;
}

// Adds without overflow, whatever a sender claims: a total stops at its largest value.
void Grow(std::int64_t& total, std::int64_t by) {
  if (__builtin_add_overflow(total, by, &total)) {
    total = std::numeric_limits<std::int64_t>::max();
  }
}

// Pools one step of a histogram of response times: those to the first byte of the response.
void PoolTimes(const SeriesState& series, const Sketch& times, ApplicationMinuteRow& minute) {
  if (series.labels != "total\x1f") {
    return;
  }
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  Grow(minute.timed, static_cast<std::int64_t>(std::min(times.count(), kMost)));
  Grow(minute.response_sum, static_cast<std::int64_t>(std::min<absl::uint128>(times.sum_ns(), kMost)));
}

// The minute that a host left open when it fell silent may name series that are dormant since.
SeriesMeaning MeaningOf(const Tables& tables, Store& store, SeriesId id, absl::Status* read) {
  if (const SeriesState* series = tables.Series(id); series != nullptr) {
    return {series->metric, series->entity};
  }
  const absl::StatusOr<std::optional<SeriesRow>> row = store.GetSeries(id);
  read->Update(row.status());
  return row.ok() && row->has_value() ? SeriesMeaning{FindMetric((*row)->metric), (*row)->entity} : SeriesMeaning{};
}

}  // namespace

void Merger::Reset() {
  streams_.clear();
  stream_of_agent_.clear();
  duplicates_.Reset();
  replies_.clear();
  hosts_.clear();
  sources_said_.clear();
  agents_.clear();
  cursors_.clear();
  totals_.clear();
  lives_.clear();
  rows_.clear();
  application_minutes_.clear();
}

StreamReply& Merger::ReplyTo(StreamId id) {
  StreamReply& reply = replies_[id];
  if (reply.sink == nullptr) {
    if (const auto stream = streams_.find(id); stream != streams_.end()) {
      reply.sink = stream->second.sink;
    }
  }
  return reply;
}

std::map<StreamId, StreamReply> Merger::TakeReplies() {
  return std::exchange(replies_, {});
}

void Merger::CutStream(StreamId id, const absl::Status& why) {
  ReplyTo(id).cut = why;
  if (const auto stream = streams_.find(id); stream != streams_.end()) {
    EndStream(stream);
  }
}

void Merger::EndStream(std::map<StreamId, Stream>::iterator stream) {
  const auto of_agent = stream_of_agent_.find(stream->second.agent_id);
  if (of_agent != stream_of_agent_.end() && of_agent->second == stream->first) {
    stream_of_agent_.erase(of_agent);
  }
  sources_said_.insert(stream->second.host);
  streams_.erase(stream);
}

absl::Status Merger::SettleSources(Tables& tables, Store& store) {
  for (const HostKey key : std::exchange(sources_said_, {})) {
    std::map<absl::string_view, const SourceStateRow*> worst;
    for (const auto& [id, stream] : streams_) {
      if (stream.host != key) {
        continue;
      }
      for (const auto& [name, source] : stream.sources) {
        const SourceStateRow*& known = worst[name];
        known = known == nullptr || source.state > known->state ? &source : known;
      }
    }
    for (const auto& [name, source] : worst) {
      SourceStateRow& known = tables.hosts.at(key).sources[std::string(name)];
      if (known.state == source->state && known.reason == source->reason) {
        continue;
      }
      const std::int64_t since = known.state == source->state ? known.since_us : tables.store_time_us;
      known = *source;
      known.since_us = since;
      RETURN_IF_ERROR(store.Put(known));
    }
  }
  return absl::OkStatus();
}

absl::Status Merger::Apply(Tables& tables, Store& store, QueuedEvent event) {
  if (const auto* hello = std::get_if<StreamHello>(&event.event)) {
    return TakeHello(tables, store, event.stream, event.sink, *hello);
  }
  const auto found = streams_.find(event.stream);
  if (found == streams_.end()) {
    return absl::OkStatus();  // cut: nothing of it may be merged, or a batch before it would be lost
  }
  Stream& stream = found->second;
  if (const auto* update = std::get_if<DictionaryUpdate>(&event.event)) {
    hosts_.insert(stream.host);  // totals of series that wake ride with it
    for (const wire::SourceState& source : update->message->sources()) {
      if (update->live) {
        stream.sources[source.source()] = {stream.host, source.source(), source.state(), source.reason(), 0};
        sources_said_.insert(stream.host);
      }
    }
    return registry_.Apply(tables, store, stream.host, *update, stream.epochs[update->epoch]);
  }
  if (const auto* batch = std::get_if<DecodedBatch>(&event.event)) {
    return TakeBatch(tables, store, event.stream, stream, *batch);
  }
  if (const auto* report = std::get_if<SpoolReport>(&event.event)) {
    AgentState& agent = tables.agents.at(stream.agent_id);
    RETURN_IF_ERROR(BeginDay(tables, store, stream, report->received));
    CountReport(*report->message, agent.row);
    agent.damaged_bytes = report->message->dropped_damaged_bytes();
    return absl::OkStatus();
  }
  EndStream(found);
  return absl::OkStatus();
}

absl::Status Merger::TakeHello(Tables& tables, Store& store, StreamId id, const std::shared_ptr<StreamSink>& sink,
                               const StreamHello& hello) {
  ASSIGN_OR_RETURN(HelloResult result, registry_.Hello(tables, store, hello));
  streams_[id] = {sink, hello.agent_id, result.host, {}, {}};
  if (result.host == 0) {
    CutStream(id, absl::ResourceExhaustedError("the store holds as many hosts as it may"));
    return absl::OkStatus();
  }
  if (result.set_back.batches > 0) {
    LogWarning("writer", "agent ", absl::BytesToHexString(hello.agent_id), " has ", result.set_back.batches,
               " acknowledged batches that this store does not have: it was set back");
  }
  if (result.set_back.is_new) {
    TotalsChanged(tables);
  }
  StreamReply& reply = ReplyTo(id);
  reply.welcomed = true;
  reply.welcome = std::move(result.welcome);
  if (reply.welcome.instruction == StreamInstruction::kNewIdentity) {
    CutStream(id, absl::AbortedError("two processes share this agent_id"));
    return absl::OkStatus();
  }
  // A half-open connection may live for minutes: the new stream replaces it.
  const auto old = stream_of_agent_.find(hello.agent_id);
  if (old != stream_of_agent_.end() && old->second != id) {
    CutStream(old->second, absl::AbortedError("replaced by a new stream of this agent"));
  }
  stream_of_agent_[hello.agent_id] = id;
  return absl::OkStatus();
}

absl::Status Merger::BeginAnew(Tables& tables, Store& store, absl::Time now) {
  RETURN_IF_ERROR(ppmm::BeginAnew(tables, store, now));
  TotalsChanged(tables);
  return absl::OkStatus();
}

void Merger::TotalsChanged(const Tables& tables) {
  for (const auto& [id, application] : tables.applications) {
    totals_.insert(id);
  }
  for (const auto& [key, host] : tables.hosts) {
    hosts_.insert(key);
  }
}

absl::Status Merger::TakeBatch(Tables& tables, Store& store, StreamId id, Stream& stream, const DecodedBatch& batch) {
  AgentState& agent = tables.agents.at(stream.agent_id);
  const auto known = tables.cursors.find(batch.epoch);
  CursorState cursor = known == tables.cursors.end() ? CursorState{stream.agent_id} : known->second;
  StreamReply& reply = ReplyTo(id);
  if (batch.seq <= cursor.number) {
    if (batch.t0 > cursor.newest_step) {
      // No repetition: its first step is newer than all of the epoch. The machine was set back to a snapshot.
      reply.ack.instruction = StreamInstruction::kNewEpoch;
      CutStream(id, absl::AbortedError("numbers of this epoch were used before; begin a new epoch"));
      return absl::OkStatus();
    }
    ++counters_.batches_repeated;
    reply.ack.durable.emplace_back(batch.epoch, cursor.number);
    return absl::OkStatus();
  }
  const EpochIds& ids = stream.epochs[batch.epoch];
  hosts_.insert(stream.host);
  ASSIGN_OR_RETURN(const bool all_known, HasSeriesOf(tables, store, ids, batch));
  if (!all_known) {
    counters_.samples_refused += batch.samples.size() + batch.sketches.size();
    ++counters_.batches_refused;  // its agent counts the samples when it hears of it, and tells us
    reply.ack.refused.emplace_back(batch.epoch, batch.seq);
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(BeginDay(tables, store, stream, batch.received));
  RETURN_IF_ERROR(MergeBatch(tables, store, stream, agent, ids, batch));
  const bool moved = cursor.moved;
  const std::uint64_t dropped = agent.row.dropped;
  CountBatch(batch, agent.row, cursor);
  if (moved && agent.row.dropped > dropped) {
    RETURN_IF_ERROR(CountLost(tables, store, agent.row.dropped - dropped));
  }
  cursor.number = batch.seq;
  cursor.newest_step =
      std::max(cursor.newest_step, batch.t0 + std::int64_t{batch.steps - 1} * std::int64_t{batch.step_seconds});
  tables.cursors[batch.epoch] = cursor;
  cursors_.insert(batch.epoch);
  reply.ack.durable.emplace_back(batch.epoch, batch.seq);
  if (batch.live) {
    return NoteDelivery(tables, store, stream.host, stream.agent_id, batch.t0 / 60);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Merger::HasSeriesOf(Tables& tables, Store& store, const EpochIds& ids, const DecodedBatch& batch) {
  const auto all_of = [&](const auto& samples) -> absl::StatusOr<bool> {
    for (std::size_t i = 0; i < samples.size(); ++i) {
      if (i > 0 && samples[i].series == samples[i - 1].series) {
        continue;
      }
      const auto id = ids.series.find(samples[i].series);
      if (id == ids.series.end() || id->second == 0) {
        return false;
      }
      ASSIGN_OR_RETURN(const SeriesState* series, registry_.Series(tables, store, id->second));
      if (series == nullptr) {
        return false;
      }
    }
    return true;
  };
  ASSIGN_OR_RETURN(const bool samples, all_of(batch.samples));
  return samples ? all_of(batch.sketches) : false;
}

// Keeps the counters as they are before the first event of a day, and marks the agent's row as changed.
absl::Status Merger::BeginDay(Tables& tables, Store& store, const Stream& stream, absl::Time received) {
  AgentRow& agent = tables.agents.at(stream.agent_id).row;
  agents_.insert(stream.agent_id);
  const std::int64_t day = absl::ToUnixSeconds(received) / 86400;
  if (day > agent.counted_day) {
    agent.counted_day = day;
    return store.Put(
        AgentDayRow{agent.agent_id, day, stream.host, agent.produced, agent.committed, agent.dropped, agent.refused});
  }
  // What was received before midnight and is merged after it.
  return TouchDay(agent.counted_day, tables) ? PutTouchedDays(tables, store) : absl::OkStatus();
}

absl::Status Merger::MergeBatch(Tables& tables, Store& store, Stream& stream, AgentState& agent, const EpochIds& ids,
                                const DecodedBatch& batch) {
  HostState& host = tables.hosts.at(stream.host);
  const std::int64_t newest = batch.t0 + std::int64_t{batch.steps - 1} * std::int64_t{batch.step_seconds};
  const std::uint64_t late_before = host.late_samples_total;
  for (std::int64_t minute = batch.t0 / 60; minute <= newest / 60; ++minute) {
    // A host without any minute yet opens its first with whatever comes: totals need a row to ride in.
    if (minute != host.row.open_minute && (batch.live || host.row.open_minute == 0)) {
      RETURN_IF_ERROR(OpenMinute(tables, store, host, minute));
    }
    RETURN_IF_ERROR(MergeMinute(tables, store, host, ids, batch, minute));
    // A batch is sent when its last step is over. Backlogs say nothing of the clock in their time.
    if (minute == newest / 60 && batch.live && minute == host.row.open_minute && batch.sent != absl::UnixEpoch()) {
      host.open.NoteClock(absl::ToInt64Microseconds(batch.received - batch.sent));
    }
  }
  RETURN_IF_ERROR(TakeEvents(tables, store, host, ids, batch));
  const std::uint64_t samples = batch.samples.size() + batch.sketches.size();
  const std::uint64_t late = host.late_samples_total - late_before;
  agent.row.late += late;
  counters_.samples += samples;
  counters_.samples_late += late;
  ++counters_.batches;
  const bool next_minute = newest / 60 != host.row.newest_step / 60;
  host.row.newest_step = batch.live ? newest : std::max(host.row.newest_step, newest);
  if (next_minute && (host.row.duplicate || agent.row.duplicate)) {
    RETURN_IF_ERROR(duplicates_.Refresh(tables, store, newest / 60));
  }
  if (batch.live) {
    host.last_receipt = std::max(host.last_receipt, batch.received);
  }
  hosts_.insert(host.row.key);
  return absl::OkStatus();
}

absl::Status Merger::MergeMinute(Tables& tables, Store& store, HostState& host, const EpochIds& ids,
                                 const DecodedBatch& batch, std::int64_t minute) {
  MinuteRow* row = &host.open;
  if (minute != host.row.open_minute) {
    ASSIGN_OR_RETURN(ChangedRow * changed, RowOf(tables, store, host.row.key, minute));
    row = &changed->row;
  }
  row->flags |= batch.live ? std::uint32_t{MinuteRow::kLive} : 0;
  const std::int64_t boot_minute = MinuteOfUs(ids.boot_us);
  if (ids.boot_us > 0 && minute >= boot_minute && minute < boot_minute + kBootingMinutes) {
    row->flags |= MinuteRow::kBooting;
  }
  for (const wire::Expected& expected : batch.message->expected()) {
    const auto kind = static_cast<std::size_t>(expected.resource());
    if (kind < row->expected.size()) {
      row->expected[kind] = std::max(row->expected[kind], expected.samples_per_minute());
    }
  }
  const std::int64_t received = absl::ToUnixSeconds(batch.received);
  // Calls merge(series, step, fresh) for each sample of this minute.
  SeriesState* series = nullptr;
  std::uint32_t series_of = 0;
  ApplicationMinuteRow* pooled_minute = nullptr;
  const auto each = [&](const auto& samples, const auto& merge) {
    for (const auto& sample : samples) {
      const std::int64_t step = batch.t0 + std::int64_t{sample.step} * std::int64_t{batch.step_seconds};
      if (step / 60 != minute) {
        continue;
      }
      if (series == nullptr || series_of != sample.series) {
        series_of = sample.series;
        series = tables.Series(ids.series.at(sample.series));
        const EntityState* entity = tables.Entity(series->entity);
        pooled_minute = nullptr;
        if (entity->instance.application != 0) {
          NoteSample(tables, series->entity, minute);
          if (PooledColumn(series->metric) != nullptr) {
            pooled_minute = &application_minutes_[{minute, entity->instance.application}];
          }
          totals_.insert(entity->instance.application);
        }
      }
      const bool fresh = received - step <= absl::ToInt64Seconds(kFresh);
      if (!fresh) {
        ++row->late_samples;
        ++host.late_samples_total;
      }
      // In live order the latest that came is the latest, whatever its clock says.
      const bool newest = batch.live || step > series->last_step;
      merge(sample, step, fresh, newest);
      if (newest) {
        series->last_step = step;
      }
      if (series->pooled != nullptr) {
        series->pooled->newest_step = std::max(series->pooled->newest_step, step);
      }
    }
  };
  each(batch.samples, [&](const DecodedSample& sample, std::int64_t step, bool fresh, bool newest) {
    row->Add(series->id, sample.value, static_cast<std::uint8_t>(step % 60));
    if (newest) {
      series->last = sample.value;
      series->latest.Add(step, sample.value);  // a late step is newest only if it is newer
    }
    if (pooled_minute != nullptr) {
      Grow(pooled_minute->*PooledColumn(series->metric), sample.value);
    }
    if (fresh && series->metric->kind == MetricKind::kCounter) {
      Grow(series->total, sample.value);
      if (series->pooled != nullptr) {
        Grow(series->pooled->total, sample.value);
      }
    }
  });
  series = nullptr;
  each(batch.sketches, [&](const DecodedSketch& sample, std::int64_t step, bool fresh, bool newest) {
    row->Add(series->id, sample.sketch);
    if (pooled_minute != nullptr) {
      PoolTimes(*series, sample.sketch, *pooled_minute);
    }
    if (series->histogram == nullptr) {
      return;
    }
    series->histogram->ring.Add(step, sample.sketch);
    if (newest) {
      series->histogram->last = sample.sketch;
    }
    if (fresh) {
      series->histogram->total.Merge(sample.sketch);
      if (series->pooled != nullptr) {
        series->pooled->sketch.Merge(sample.sketch);
      }
    }
  });
  return absl::OkStatus();
}

absl::Status Merger::OpenMinute(const Tables& tables, Store& store, HostState& host, std::int64_t minute) {
  if (host.row.open_minute != 0) {
    ChangedRow& closed = rows_[{host.row.open_minute, host.row.key}];
    closed.row = std::move(host.open);
    closed.closed_now = true;
    host.open = MinuteRow();
  }
  // What came late before it, or, when the clock was set back, its first pass.
  ASSIGN_OR_RETURN(ChangedRow * existing, RowOf(tables, store, host.row.key, minute));
  host.open = std::move(existing->row);
  if ((host.open.flags & MinuteRow::kLive) != 0) {
    host.open.flags |= MinuteRow::kTwice;
  }
  rows_.erase({minute, host.row.key});
  host.row.open_minute = minute;
  return absl::OkStatus();
}

absl::StatusOr<Merger::ChangedRow*> Merger::RowOf(const Tables& tables, Store& store, HostKey host,
                                                  std::int64_t minute) {
  const auto [at, is_new] = rows_.try_emplace({minute, host});
  if (is_new) {
    ASSIGN_OR_RETURN(const std::optional<std::string> blob, store.GetMinute(minute, host));
    if (blob.has_value()) {
      ASSIGN_OR_RETURN(at->second.row, MinuteRow::Decode(*blob));
      at->second.row.totals.clear();
      at->second.row.sketch_totals.clear();
      at->second.row.late_samples_total = 0;
    } else {
      ASSIGN_OR_RETURN(at->second.row, reopened_.Take(tables, store, host, minute));
    }
  }
  return &at->second;
}

absl::Status Merger::MarkTwice(const Tables& tables, Store& store, HostState& host, std::int64_t from_minute,
                               std::int64_t to_minute) {
  from_minute = std::max(from_minute, to_minute - kMinutesUntilTooLate);
  for (std::int64_t minute = from_minute; minute <= to_minute; ++minute) {
    if (minute == host.row.open_minute) {
      host.open.flags |= MinuteRow::kTwice;
      continue;
    }
    ASSIGN_OR_RETURN(ChangedRow * changed, RowOf(tables, store, host.row.key, minute));
    if (changed->row == MinuteRow()) {
      rows_.erase({minute, host.row.key});  // no samples: nothing was lived
    } else {
      changed->row.flags |= MinuteRow::kTwice;
    }
  }
  return absl::OkStatus();
}

absl::Status Merger::TakeEvents(Tables& tables, Store& store, HostState& host, const EpochIds& ids,
                                const DecodedBatch& batch) {
  const wire::Batch& message = *batch.message;
  const auto id_of = [&ids](std::uint32_t wire_id) {
    const auto id = ids.entities.find(wire_id);
    return id == ids.entities.end() ? EntityId{0} : id->second;
  };
  for (const wire::InstanceEnd& end : message.ended()) {
    ASSIGN_OR_RETURN(EntityState * entity, registry_.Entity(tables, store, id_of(end.entity())));
    const std::int64_t minute = MinuteOfUs(end.at_us());
    if (entity == nullptr) {
      continue;
    }
    // The interval that the end lies in; the last one that began before it.
    for (auto life = entity->lives.rbegin(); life != entity->lives.rend(); ++life) {
      if (life->from_minute <= minute) {
        if (life->to_minute == 0 || life->to_minute > minute) {
          life->to_minute = minute;
          lives_.insert(entity->row.id);
        }
        break;
      }
    }
  }
  for (const wire::ReleaseSeen& release : message.releases()) {
    ASSIGN_OR_RETURN(const EntityState* entity, registry_.Entity(tables, store, id_of(release.entity())));
    if (entity == nullptr || entity->instance.application == 0) {
      continue;
    }
    RETURN_IF_ERROR(
        store.Put(ReleaseRow{entity->row.id, release.at_us(), entity->instance.application, release.version(),
                             release.code_digest(), release.previous_version(), release.previous_code_digest()}));
  }
  for (const wire::Deployment& deployment : message.deployments()) {
    RETURN_IF_ERROR(TakeDeployment(tables, store, host, id_of(deployment.entity()), deployment, batch));
  }
  for (const wire::Peer& peer : message.peers()) {
    RETURN_IF_ERROR(store.Add(PeerDayRow{batch.t0 / 86400, host.row.key, id_of(peer.entity()), peer.direction(),
                                         peer.unix_path().empty() ? peer.address() : peer.unix_path(), peer.port(),
                                         peer.connections(), peer.bytes()}));
  }
  if (message.has_clock() && message.clock().to_us() < message.clock().from_us()) {
    RETURN_IF_ERROR(
        MarkTwice(tables, store, host, MinuteOfUs(message.clock().to_us()), MinuteOfUs(message.clock().from_us())));
  }
  return absl::OkStatus();
}

absl::Status Merger::TakeDeployment(Tables& tables, Store& store, const HostState& host, EntityId id,
                                    const wire::Deployment& deployment, const DecodedBatch& batch) {
  ASSIGN_OR_RETURN(const EntityState* entity, registry_.Entity(tables, store, id));
  const auto fits = [](const std::string& text) { return text.size() <= kMaxDeploymentText && text == Clean(text); };
  const std::int64_t told_us = batch.t0 * 1'000'000;
  if (entity == nullptr || entity->instance.application == 0 || deployment.package().empty() ||
      deployment.version().empty() || !fits(deployment.package()) || !fits(deployment.version()) ||
      !fits(deployment.previous_version()) || deployment.at_us() < told_us - kDeploymentOldestUs ||
      deployment.at_us() > told_us + kDeploymentWithinUs) {
    ++tables.deployments_refused;
    return absl::OkStatus();
  }
  return NoteDeployment({entity->instance.application, deployment.at_us(), deployment.version(), host.row.key,
                         deployment.package(), deployment.previous_version(), "", absl::ToUnixMicros(batch.received)},
                        tables, store)
      .status();
}

void Merger::NoteSample(Tables& tables, EntityId id, std::int64_t minute) {
  EntityState& entity = *tables.Entity(id);
  std::vector<InstanceLifeRow>& lives = entity.lives;
  if (!lives.empty() && lives.back().to_minute == 0 && lives.back().from_minute <= minute) {
    return;
  }
  // The first interval that does not end before this minute.
  const auto at = std::find_if(lives.begin(), lives.end(), [minute](const InstanceLifeRow& life) {
    return life.to_minute == 0 || life.to_minute >= minute;
  });
  if (at == lives.end()) {
    lives.push_back({id, minute, 0});
  } else if (at->from_minute > minute) {
    at->from_minute = minute;  // nobody said that it ended in between
  } else {
    return;
  }
  lives_.insert(id);
}

absl::Status Merger::NoteDelivery(Tables& tables, Store& store, HostKey host, const std::string& agent_id,
                                  std::int64_t minute) {
  ASSIGN_OR_RETURN(const std::string newcomer, duplicates_.Note(tables, store, host, agent_id, minute));
  if (const auto stream = stream_of_agent_.find(newcomer); stream != stream_of_agent_.end()) {
    CutStream(stream->second, absl::AbortedError("another agent has this host_id; connect again"));
  }
  return absl::OkStatus();
}

absl::Status Merger::FlushRows(Tables& tables, Store& store) {
  std::map<std::pair<std::int64_t, HostKey>, DayBits> days;
  for (auto& [key, changed] : rows_) {
    const auto& [minute, host] = key;
    RETURN_IF_ERROR(store.PutMinute(minute, host, changed.row.Encode(true)));
    const std::int64_t day = minute / kMinutesPerDay;
    const auto [bits, is_new] = days.try_emplace({day, host});
    if (is_new) {
      ASSIGN_OR_RETURN(const std::optional<std::string> blob, store.GetDayBits(day, host));
      if (blob.has_value()) {
        ASSIGN_OR_RETURN(bits->second, DayBits::Decode(*blob));
      }
    }
    absl::Status read;
    SetBits(bits->second, minute, changed.row, [&](SeriesId id) { return MeaningOf(tables, store, id, &read); });
    RETURN_IF_ERROR(read);
    if (changed.closed_now) {
      const auto at = static_cast<std::size_t>(minute % kMinutesPerDay);
      bits->second.covered_when_closed.set(at, bits->second.Covered()[at]);
    }
  }
  rows_.clear();
  bool touched = false;
  for (const auto& [key, bits] : days) {
    RETURN_IF_ERROR(store.Put(DayBitsRow{key.first, key.second, bits.Encode()}));
    // Its facts were written: they are to be written again.
    touched = TouchDay(key.first, tables) || touched;
  }
  return touched ? PutTouchedDays(tables, store) : absl::OkStatus();
}

absl::Status Merger::Flush(Tables& tables, Store& store) {
  RETURN_IF_ERROR(SettleSources(tables, store));
  RETURN_IF_ERROR(FlushRows(tables, store));
  for (const HostKey key : hosts_) {
    HostState& host = tables.hosts.at(key);
    if (host.row.open_minute != 0) {
      MinuteRow row = host.open;
      for (const EntityId entity : host.entities) {
        for (const SeriesId id : tables.Entity(entity)->series) {
          const SeriesState& series = *tables.Series(id);
          if (series.last_step == 0) {
            continue;
          }
          row.totals.push_back({id, series.last, series.last_step, series.total});
          if (series.histogram != nullptr && !series.histogram->total.empty()) {
            row.sketch_totals.push_back({id, series.histogram->total, 0});
          }
        }
      }
      const auto by_id = [](const auto& a, const auto& b) { return a.series < b.series; };
      std::sort(row.totals.begin(), row.totals.end(), by_id);
      std::sort(row.sketch_totals.begin(), row.sketch_totals.end(), by_id);
      row.late_samples_total = host.late_samples_total;
      RETURN_IF_ERROR(store.PutMinute(host.row.open_minute, key, row.Encode(false)));
    }
    RETURN_IF_ERROR(store.Put(host.row));
  }
  hosts_.clear();
  for (const std::string& id : agents_) {
    RETURN_IF_ERROR(store.Put(tables.agents.at(id).row));
  }
  agents_.clear();
  for (const std::uint64_t epoch : cursors_) {
    const auto known = tables.cursors.find(epoch);
    if (known == tables.cursors.end()) {
      continue;  // forgotten for its age in this commit
    }
    const CursorState& cursor = known->second;
    RETURN_IF_ERROR(
        store.Put(CursorRow{epoch, cursor.agent_id, cursor.number, cursor.newest_step, cursor.produced, cursor.moved}));
  }
  cursors_.clear();
  for (auto& [key, row] : application_minutes_) {
    row.minute = key.first;
    row.application = key.second;
    RETURN_IF_ERROR(store.Add(row));
  }
  application_minutes_.clear();
  // What fell dormant in this commit wrote its totals and lives itself.
  for (const ApplicationId id : totals_) {
    if (const ApplicationState* application = tables.Application(id); application != nullptr) {
      RETURN_IF_ERROR(store.Put(TotalRow{id, EncodePooledTotals(*application)}));
    }
  }
  totals_.clear();
  for (const EntityId id : lives_) {
    if (const EntityState* entity = tables.Entity(id); entity != nullptr) {
      RETURN_IF_ERROR(store.PutInstanceLives(id, entity->lives));
    }
  }
  lives_.clear();
  return absl::OkStatus();
}

}  // namespace ppmm
