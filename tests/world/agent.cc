#include "tests/world/agent.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "common/batch_codec.h"
#include "common/crc32c.h"
#include "proto/telemetry.pb.h"

namespace ppmm {
namespace {

constexpr int kStepSeconds = 10;
constexpr int kSteps = 6;
// More than this in the current epoch at a connection: a new one, so that live data overtake the backlog.
constexpr std::ptrdiff_t kBacklog = 16;
constexpr int kKeptMinutes = At(4);  // what waits for longer is too late
constexpr std::int64_t kDiskBytes = 100'000'000'000;
constexpr std::int64_t kMemoryBytes = 16'000'000'000;

std::int64_t SecondsOf(int minute) {
  return kWorldBegin + std::int64_t{minute} * 60;
}
std::int64_t MicrosecondsOf(int minute) {
  return SecondsOf(minute) * 1'000'000;
}

bool In(const Spans& spans, int minute) {
  return std::any_of(spans.begin(), spans.end(), [minute](const Span& span) { return span.Holds(minute); });
}

bool Contains(const std::vector<std::string>& names, absl::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string Id(char what, int number) {
  std::string id(16, what);
  id.back() = static_cast<char>(number);
  return id;
}

void AddPeer(wire::Peer::Direction direction, std::uint32_t entity, const std::string& address, std::uint32_t port,
             wire::Batch* batch) {
  wire::Peer* peer = batch->add_peers();
  peer->set_direction(direction);
  peer->set_entity(entity);
  peer->set_address(address);
  peer->set_port(port);
  peer->set_connections(12);
}

wire::Kind WireKind(MetricKind kind) {
  return kind == MetricKind::kGauge ? wire::GAUGE : kind == MetricKind::kCounter ? wire::COUNTER : wire::HISTOGRAM;
}

}  // namespace

// What the collector said since the agent last looked.
class WorldAgent::Sink : public StreamSink {
 public:
  void Welcome(const StreamWelcome& welcome) override {
    welcomed = true;
    durable.insert(durable.end(), welcome.durable.begin(), welcome.durable.end());
  }
  void Acknowledge(const StreamAck& ack) override {
    durable.insert(durable.end(), ack.durable.begin(), ack.durable.end());
  }
  void Resume() override {}
  void Cut(const absl::Status&) override { cut = true; }

  bool welcomed = false;
  bool cut = false;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> durable;
};

WorldAgent::WorldAgent(const HostScript* script, int machine, int number)
    : script_(script), machine_(machine), number_(number) {
  life_.set_boot_us(MicrosecondsOf(At(-30)));
  AddLine(1, "ppmm_host_cpu_seconds_total", {"0", "idle"}, nullptr);
  AddLine(1, "ppmm_host_cpu_seconds_total", {"0", "user"}, nullptr);
  AddLine(1, "ppmm_host_disk_io_time_seconds_total", {"sda"}, nullptr);
  AddLine(1, "ppmm_host_filesystem_avail_bytes", {"/dev/sda1", "ext4", "/"}, nullptr);
  AddLine(1, "ppmm_host_filesystem_free_bytes", {"/dev/sda1", "ext4", "/"}, nullptr);
  AddLine(1, "ppmm_host_filesystem_size_bytes", {"/dev/sda1", "ext4", "/"}, nullptr);
  AddLine(1, "ppmm_host_memory_mem_available_bytes", {}, nullptr);
  AddLine(1, "ppmm_host_memory_mem_total_bytes", {}, nullptr);
  AddLine(1, "ppmm_host_network_receive_bytes_total", {"eth0"}, nullptr);
  AddLine(1, "ppmm_host_network_speed_bytes", {"eth0"}, nullptr);
  AddLine(1, "ppmm_host_pressure_io_waiting_seconds_total", {}, nullptr);
  AddLine(1, "ppmm_host_pressure_memory_waiting_seconds_total", {}, nullptr);
  AddLine(1, "ppmm_host_procs_running", {}, nullptr);
  std::uint32_t entity = 1;
  for (const ApplicationScript& application : script->applications) {
    ++entity;
    AddLine(entity, "ppmm_instance_cpu_seconds_total", {}, &application);
    if (application.sockets_seen) {
      AddLine(entity, "ppmm_instance_connections_accepted_total", {}, &application);
      AddLine(entity, "ppmm_instance_network_receive_bytes_total", {}, &application);
      AddLine(entity, "ppmm_instance_network_transmit_bytes_total", {}, &application);
    }
    if (application.requests > 0) {
      AddLine(entity, "ppmm_instance_requests_total", {}, &application);
      AddLine(entity, "ppmm_instance_errors_total", {}, &application);
      AddLine(entity, "ppmm_instance_response_time_seconds", {"total"}, &application);
      AddLine(entity, "ppmm_instance_response_time_seconds", {"wait"}, &application);
      if (application.seen_percent >= 0) {
        AddLine(entity, "ppmm_instance_requests_elapsed_seconds_total", {}, &application);
        AddLine(entity, "ppmm_instance_requests_in_flight_seconds_total", {}, &application);
      }
    }
    if (application.unparsed > 0) {
      AddLine(entity, "ppmm_instance_connections_without_times_total", {"streams"}, &application);
    }
  }
}

void WorldAgent::AddLine(std::uint32_t entity, const std::string& metric, std::vector<std::string> labels,
                         const ApplicationScript* application) {
  if (Contains(script_->absent, metric)) {
    return;
  }
  Line line;
  line.id = static_cast<std::uint32_t>(lines_.size() + 1);
  line.entity = entity;
  line.metric = &MetricNamed(metric);
  line.labels = std::move(labels);
  line.still = Contains(script_->still, metric) ||
               (application != nullptr && application->still && line.metric->resource == Resource::kNetwork);
  line.application = application;
  lines_.push_back(std::move(line));
}

void WorldAgent::Begin(int minute) {
  minute_ = minute;
  const OffScript* off = nullptr;
  for (const OffScript& candidate : script_->off) {
    if (candidate.span.Holds(minute)) {
      was_off_ = true;
      off = &candidate;
    } else if (was_off_ && candidate.span.to == minute) {
      const int last_life = candidate.last_life >= 0 ? candidate.last_life : candidate.span.from;
      life_.Clear();
      life_.set_boot_us(MicrosecondsOf(minute));
      life_.set_previous_boot_last_life_us(MicrosecondsOf(last_life));
      life_.set_previous_boot_evidence("journal");
      was_off_ = false;
    }
  }
  const bool suspended = In(script_->suspended, minute);
  const bool runs = script_->lives.Holds(minute) && off == nullptr && !suspended && !In(script_->silent, minute);
  for (const Span& span : script_->suspended) {
    if (span.to == minute) {
      wire::Interval* interval = life_.add_suspended();
      interval->set_from_us(MicrosecondsOf(span.from));
      interval->set_to_us(MicrosecondsOf(span.to));
    }
  }
  online_ = !In(script_->cut, minute);
  if (!runs || !online_) {
    Disconnect();
  }
  const bool starts = runs && !running_;
  running_ = runs;
  if (starts) {
    BeginEpoch();
  }
}

void WorldAgent::BeginEpoch() {
  epoch_ = static_cast<std::uint64_t>(number_) << 32 | ((epoch_ & 0xffffffff) + 1);
  seq_ = 0;
  produced_ = 0;
  dictionaries_[epoch_] = DictionaryFrame();
  acknowledged_[epoch_] = 0;
  Forget(0, 0);
}

std::string WorldAgent::DictionaryFrame() const {
  wire::AgentFrame frame;
  wire::Dictionary* dictionary = frame.mutable_dictionary();
  dictionary->set_epoch(epoch_);
  dictionary->set_complete(true);
  dictionary->set_listeners_complete(true);
  wire::SourceState* source = dictionary->add_sources();
  source->set_source("response_times");
  source->set_state(script_->untimed.empty() ? wire::SourceState::OK : wire::SourceState::FAILED);
  source->set_reason(script_->untimed);
  *dictionary->mutable_host_life() = life_;
  wire::Entity* host = dictionary->add_entities();
  host->set_id(1);
  host->mutable_host()->set_kernel("6.1.0");
  host->mutable_host()->set_cpus(1);
  host->mutable_host()->add_addresses(script_->address);
  std::uint32_t id = 1;
  for (const ApplicationScript& application : script_->applications) {
    ++id;
    if (!IsNamed(&application)) {
      continue;
    }
    wire::Entity* entity = dictionary->add_entities();
    entity->set_id(id);
    entity->mutable_instance()->set_name(application.name);
    entity->mutable_instance()->set_slot(application.slot);
    entity->mutable_instance()->set_origin_guess(application.origin);
  }
  for (const Line& line : lines_) {
    if (!IsNamed(line.application)) {
      continue;
    }
    wire::Series* series = dictionary->add_series();
    series->set_id(line.id);
    series->set_entity(line.entity);
    series->set_name(std::string(line.metric->name));
    series->set_kind(WireKind(line.metric->kind));
    series->set_scale(line.metric->scale);
    for (const std::string& label : line.labels) {
      series->add_labels(label);
    }
  }
  return frame.SerializeAsString();
}

bool WorldAgent::IsNamed(const ApplicationScript* application) const {
  return application == nullptr || (application->runs.to >= minute_ - kKeptMinutes && application->appears <= minute_);
}

bool WorldAgent::Missing(const Line& line, int minute) const {
  if (line.application != nullptr && !line.application->runs.Holds(minute)) {
    return true;
  }
  return std::any_of(script_->losses.begin(), script_->losses.end(), [&](const LossScript& loss) {
    return loss.metric == line.metric->name && loss.span.Holds(minute);
  });
}

// Of a step of ten seconds, in the scale of the metric. A little alive, and the same in every run.
std::int64_t WorldAgent::ValueOf(const Line& line, int minute, int step) const {
  const absl::string_view name = line.metric->name;
  const std::int64_t wave = (minute + step) % 7;
  if (line.still) {
    return 0;
  }
  const bool unused =
      line.application != nullptr && !line.application->used.empty() && !In(line.application->used, minute);
  if (unused && line.metric->resource == Resource::kNetwork) {
    return 0;
  }
  if (name == "ppmm_instance_requests_total") {
    return RequestsOf(line, minute);
  }
  if (name == "ppmm_instance_errors_total") {
    return RequestsOf(line, minute) / 4;
  }
  if (name == "ppmm_instance_requests_elapsed_seconds_total" ||
      name == "ppmm_instance_requests_in_flight_seconds_total") {
    const ApplicationScript& application = *line.application;
    const auto elapsed_us = static_cast<std::int64_t>(TimesOf(line, minute, step).sum_ns() / 1000);
    const int seen = In(application.misseen, minute) ? application.misseen_percent : application.seen_percent;
    return absl::StrContains(name, "elapsed") ? elapsed_us : elapsed_us * seen / 100;
  }
  if (name == "ppmm_instance_connections_without_times_total") {
    return line.application->unparsed;
  }
  if (name == "ppmm_host_cpu_seconds_total") {
    return line.labels[1] == "idle" ? 700 : 300;
  }
  const std::int64_t disk_bytes = minute < script_->disk_doubles ? kDiskBytes : 2 * kDiskBytes;
  if (name == "ppmm_host_filesystem_avail_bytes" || name == "ppmm_host_filesystem_free_bytes") {
    const std::int64_t filled = script_->disk_bytes_a_day / 1440 * minute;
    return std::max<std::int64_t>(0, disk_bytes - kDiskBytes / 2 - filled);
  }
  if (name == "ppmm_host_filesystem_size_bytes") {
    return disk_bytes;
  }
  if (name == "ppmm_host_memory_mem_total_bytes") {
    return kMemoryBytes;
  }
  if (name == "ppmm_host_memory_mem_available_bytes") {
    return kMemoryBytes / 2 + wave * 4096;
  }
  if (name == "ppmm_host_network_speed_bytes") {
    return 125'000'000;
  }
  if (name == "ppmm_instance_connections_accepted_total") {
    return 2;
  }
  return 100 + wave;
}

std::int64_t WorldAgent::RequestsOf(const Line& line, int minute) const {
  const ApplicationScript& application = *line.application;
  return application.used.empty() || In(application.used, minute) ? application.requests : 0;
}

// Some milliseconds each, no two steps of a day alike.
Sketch WorldAgent::TimesOf(const Line& line, int minute, int step) const {
  Sketch times;
  if (In(line.application->untimed, minute)) {
    return times;
  }
  for (std::int64_t i = 0; i < RequestsOf(line, minute); ++i) {
    const std::int64_t varied = (minute % 1440) * 611 + step * 97 + i * 23;
    times.Add(5'000'000 + (line.application->constant ? 0 : varied));
  }
  return times;
}

void WorldAgent::AddEvents(int minute, wire::Batch* batch) const {
  std::uint32_t entity = 1;
  for (const ApplicationScript& application : script_->applications) {
    ++entity;
    if (application.runs.to == minute + 1) {
      wire::InstanceEnd* end = batch->add_ended();
      end->set_entity(entity);
      end->set_at_us(MicrosecondsOf(minute) + 59'000'000);
    }
    for (std::size_t i = 0; i < application.releases.size(); ++i) {
      const std::string version = absl::StrCat(i + 2, ".0");
      const std::string previous = absl::StrCat(i + 1, i == 0 ? ".9" : ".0");
      if (application.releases[i].minute == minute) {
        wire::ReleaseSeen* release = batch->add_releases();
        release->set_entity(entity);
        release->set_version(version);
        release->set_previous_version(previous);
        release->set_at_us(MicrosecondsOf(minute));
      }
      if (application.releases[i].installed == minute) {
        wire::Deployment* deployment = batch->add_deployments();
        deployment->set_entity(entity);
        deployment->set_package(application.name);
        deployment->set_version(version);
        deployment->set_previous_version(previous);
        deployment->set_at_us(MicrosecondsOf(minute));
      }
    }
    if (application.serves && application.runs.Holds(minute) && minute % 60 == 5) {
      const std::uint32_t port = 8000 + entity;
      const std::string caller = application.serves_neighbour ? "127.0.0.1" : "10.0.0.250";
      AddPeer(wire::Peer::INBOUND, entity, caller, port, batch);
      if (application.serves_neighbour) {
        AddPeer(wire::Peer::OUTBOUND, entity - 1, "127.0.0.1", port, batch);
      }
    }
  }
  for (const std::string& address : script_->talks_to) {
    if (minute >= At(1) && minute % 60 == 5) {
      AddPeer(wire::Peer::OUTBOUND, 0, address, 5432, batch);
    }
  }
}

void WorldAgent::Live(int minute) {
  if (!running_) {
    return;
  }
  wire::AgentFrame frame;
  wire::Batch* batch = frame.mutable_batch();
  std::array<std::uint32_t, 5> expected{};
  std::vector<std::array<std::int64_t, kSteps>> values(lines_.size());
  std::deque<std::array<Sketch, kSteps>> times;  // of histograms
  std::deque<std::array<const Sketch*, kSteps>> sketches;
  std::vector<Column> columns;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    const Line& line = lines_[i];
    const Metric& metric = *line.metric;
    if (metric.scope == MetricScope::kHost && metric.role == MetricRole::kUtilization) {
      expected[static_cast<std::size_t>(metric.resource)] += kSteps;
    }
    if (Missing(line, minute)) {
      continue;
    }
    Column column{line.id, metric.kind, (1U << kSteps) - 1, {}, {}};
    if (metric.kind == MetricKind::kHistogram) {
      std::array<Sketch, kSteps>& of_line = times.emplace_back();
      std::array<const Sketch*, kSteps>& pointers = sketches.emplace_back();
      for (std::size_t step = 0; step < kSteps; ++step) {
        of_line[step] = TimesOf(line, minute, static_cast<int>(step));
        pointers[step] = &of_line[step];
      }
      column.sketches = pointers;
    } else {
      for (std::size_t step = 0; step < kSteps; ++step) {
        values[i][step] = ValueOf(line, minute, static_cast<int>(step));
      }
      column.values = values[i];
    }
    columns.push_back(column);
  }
  const auto samples = static_cast<std::uint32_t>(columns.size() * kSteps);
  produced_ += samples;
  produced_in_all_ += samples;
  batch->set_epoch(epoch_);
  batch->set_seq(++seq_);
  batch->set_t0(SecondsOf(minute));
  batch->set_step_seconds(kStepSeconds);
  batch->set_steps(kSteps);
  batch->set_produced(produced_);
  batch->set_samples(samples);
  const absl::Status encoded = AppendColumns(columns, kSteps, batch->mutable_columns());
  EXPECT_TRUE(encoded.ok()) << encoded;
  batch->set_crc32c(Crc32c(batch->columns()));
  for (int kind = wire::RESOURCE_CPU; kind <= wire::RESOURCE_NETWORK; ++kind) {
    if (expected[static_cast<std::size_t>(kind)] > 0) {
      wire::Expected* out = batch->add_expected();
      out->set_resource(static_cast<wire::Resource>(kind));
      out->set_samples_per_minute(expected[static_cast<std::size_t>(kind)]);
    }
  }
  AddEvents(minute, batch);
  spool_.push_back({epoch_, seq_, frame.SerializeAsString(), samples, false});
}

void WorldAgent::Connect(const ManualClock& clock, IngestQueue* queue, IngestCounters* counters) {
  const auto backlog =
      std::count_if(spool_.begin(), spool_.end(), [this](const Record& record) { return record.epoch == epoch_; });
  if (backlog > kBacklog) {
    BeginEpoch();
  } else {
    dictionaries_[epoch_] = DictionaryFrame();
  }
  wire::AgentFrame frame;
  wire::Hello* hello = frame.mutable_hello();
  hello->set_protocol(1);
  hello->set_version("1.0");
  hello->set_agent_id(Id('a', number_));
  hello->set_host_id(Id('h', machine_));
  hello->set_duplicate_host_id(Id('d', number_));
  hello->set_host_name(script_->clones.empty() ? script_->name : script_->clones);
  hello->set_group("default");
  hello->set_current_epoch(epoch_);
  for (const auto& [epoch, number] : acknowledged_) {
    wire::EpochState* state = hello->add_epochs();
    state->set_epoch(epoch);
    state->set_acknowledged(number);
  }
  hello->mutable_spool()->set_refused(refused_);
  hello->mutable_spool()->set_produced(produced_in_all_);
  told_refused_ = refused_;
  frame.set_sent_wall_us(absl::ToUnixMicros(clock.Now() + script_->clock));
  sink_ = std::make_shared<Sink>();
  session_ = std::make_unique<IngestSession>(&clock, queue, counters);
  const absl::Status opened = session_->Open(frame.SerializeAsString(), sink_);
  EXPECT_TRUE(opened.ok()) << script_->name << ": " << opened;
  told_.clear();
  for (Record& record : spool_) {
    record.sent = false;
  }
}

void WorldAgent::Disconnect() {
  if (session_ != nullptr) {
    session_->Close();
  }
  session_.reset();
  sink_.reset();
}

void WorldAgent::Forget(std::uint64_t epoch, std::uint64_t up_to) {
  std::erase_if(spool_, [&](const Record& record) { return record.epoch == epoch && record.seq <= up_to; });
  const auto empty = [this](const auto& of_epoch) {
    return of_epoch.first != epoch_ && std::none_of(spool_.begin(), spool_.end(), [&](const Record& record) {
             return record.epoch == of_epoch.first;
           });
  };
  std::erase_if(dictionaries_, empty);
  std::erase_if(acknowledged_, empty);
}

void WorldAgent::TakeAnswers() {
  for (const auto& [epoch, number] : std::exchange(sink_->durable, {})) {
    const auto known = acknowledged_.find(epoch);
    if (known != acknowledged_.end() && number > known->second) {
      known->second = number;
      Forget(epoch, number);
    }
  }
  if (sink_->cut) {
    Disconnect();
  }
}

void WorldAgent::SendFrame(const ManualClock& clock, const std::string& frame) {
  wire::AgentFrame tail;
  tail.set_sent_wall_us(absl::ToUnixMicros(clock.Now() + script_->clock));
  const absl::StatusOr<IngestSession::Taken> taken = session_->Take(frame + tail.SerializeAsString());
  if (absl::IsCancelled(taken.status())) {
    return;  // cut meanwhile; the next look at the sink tells
  }
  EXPECT_TRUE(taken.ok()) << script_->name << ": " << taken.status();
  for (const wire::Refused& refused : taken.ok() ? taken->refused : std::vector<wire::Refused>()) {
    const auto record = std::find_if(spool_.begin(), spool_.end(), [&refused](const Record& candidate) {
      return candidate.epoch == refused.epoch() && candidate.seq == refused.seq();
    });
    if (record != spool_.end()) {
      refused_ += record->samples;
    }
  }
}

void WorldAgent::Exchange(const ManualClock& clock) {
  if (session_ == nullptr) {
    return;
  }
  TakeAnswers();
  if (session_ == nullptr || !sink_->welcomed) {
    return;
  }
  for (const bool live : {true, false}) {
    for (Record& record : spool_) {
      if (record.sent || (record.epoch == epoch_) != live) {
        continue;
      }
      if (told_.insert(record.epoch).second) {
        SendFrame(clock, dictionaries_.at(record.epoch));
      }
      SendFrame(clock, record.frame);
      record.sent = true;
    }
  }
  if (refused_ != told_refused_) {
    wire::AgentFrame frame;
    frame.mutable_spool_state()->set_refused(refused_);
    frame.mutable_spool_state()->set_produced(produced_in_all_);
    SendFrame(clock, frame.SerializeAsString());
    told_refused_ = refused_;
  }
}

}  // namespace ppmm
