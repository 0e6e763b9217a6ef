// Agents of tests: what ingest would hand to the writer, built by hand, and a collector core with a real file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

#include "collector/batch.h"
#include "common/metrics.h"
#include "common/mutex.h"
#include "proto/telemetry.pb.h"

namespace ppmm {

// Keeps what the writer says to a stream. Thread-safe.
class RecordingSink : public StreamSink {
 public:
  void Welcome(const StreamWelcome& welcome) override {
    MutexLock lock(&mutex_);
    welcomes_.push_back(welcome);
  }
  void Acknowledge(const StreamAck& ack) override {
    MutexLock lock(&mutex_);
    acks_.push_back(ack);
    changed_.NotifyAll();
  }
  void Resume() override {
    MutexLock lock(&mutex_);
    ++resumed_;
  }
  void Cut(const absl::Status& why) override {
    MutexLock lock(&mutex_);
    cuts_.push_back(why);
    changed_.NotifyAll();
  }

  std::vector<StreamWelcome> welcomes() const {
    MutexLock lock(&mutex_);
    return welcomes_;
  }
  std::vector<StreamAck> acks() const {
    MutexLock lock(&mutex_);
    return acks_;
  }
  std::vector<absl::Status> cuts() const {
    MutexLock lock(&mutex_);
    return cuts_;
  }
  int resumed() const {
    MutexLock lock(&mutex_);
    return resumed_;
  }
  // The highest number acknowledged for an epoch; 0: none.
  std::uint64_t Durable(std::uint64_t epoch) const {
    MutexLock lock(&mutex_);
    return DurableLocked(epoch);
  }
  // Waits until the epoch is acknowledged up to `number`, or the stream is cut: then it never will be.
  void WaitForDurable(std::uint64_t epoch, std::uint64_t number) {
    MutexLock lock(&mutex_);
    while (DurableLocked(epoch) < number && cuts_.empty()) {
      changed_.Wait(&mutex_);
    }
  }

 private:
  std::uint64_t DurableLocked(std::uint64_t epoch) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::uint64_t highest = 0;
    for (const StreamAck& ack : acks_) {
      for (const auto& [acked_epoch, number] : ack.durable) {
        highest = acked_epoch == epoch && number > highest ? number : highest;
      }
    }
    return highest;
  }

  mutable Mutex mutex_;
  CondVar changed_;
  std::vector<StreamWelcome> welcomes_ ABSL_GUARDED_BY(mutex_);
  std::vector<StreamAck> acks_ ABSL_GUARDED_BY(mutex_);
  std::vector<absl::Status> cuts_ ABSL_GUARDED_BY(mutex_);
  int resumed_ ABSL_GUARDED_BY(mutex_) = 0;
};

// One epoch of one agent. The host entity has id 1.
class BatchBuilder {
 public:
  // Without an epoch, that of its number: epochs are never shared.
  explicit BatchBuilder(int number, std::uint64_t epoch = 0, std::string host_name = "")
      : number_(number),
        epoch_(epoch == 0 ? static_cast<std::uint64_t>(number) : epoch),
        host_name_(host_name.empty() ? absl::StrCat("host", number) : std::move(host_name)) {
    dictionary_.set_epoch(epoch_);
    dictionary_.set_complete(true);
    wire::Entity* host = dictionary_.add_entities();
    host->set_id(1);
    host->mutable_host()->set_kernel("6.1.0");
  }

  std::uint64_t epoch() const { return epoch_; }
  std::string agent_id() const { return Id('a'); }
  std::string host_id() const { return Id('h'); }
  wire::Dictionary& dictionary() { return dictionary_; }
  // Whether its batches and dictionary are those of the current epoch.
  void set_live(bool live) { live_ = live; }
  // Time between a batch's last step and its receipt.
  void set_delay(absl::Duration delay) { delay_ = delay; }
  // How far the agent's clock is ahead of the collector's.
  void set_clock_ahead(absl::Duration ahead) { clock_ahead_ = ahead; }
  void set_step(std::uint32_t seconds) { step_ = seconds; }
  void set_group(const std::string& group) { group_ = group; }

  StreamHello Hello(absl::Time now, std::vector<std::pair<std::uint64_t, std::uint64_t>> epochs = {}) const {
    StreamHello hello;
    hello.agent_id = agent_id();
    hello.host_id = host_id();
    hello.duplicate_host_id = Id('d');
    hello.host_name = host_name_;
    hello.group = group_;
    hello.version = "0.1";
    hello.current_epoch = epoch_;
    hello.epochs = epochs.empty() ? std::vector<std::pair<std::uint64_t, std::uint64_t>>{{epoch_, 0}} : epochs;
    hello.received = now;
    return hello;
  }

  // Returns the id of the entity.
  std::uint32_t AddInstance(const std::string& application, const std::string& slot = "") {
    wire::Entity* entity = dictionary_.add_entities();
    entity->set_id(static_cast<std::uint32_t>(dictionary_.entities_size()));
    entity->mutable_instance()->set_name(application);
    entity->mutable_instance()->set_slot(slot);
    return entity->id();
  }
  // Returns the id of the series.
  std::uint32_t AddSeries(std::uint32_t entity, const std::string& metric,
                          const std::vector<std::string>& labels = {}) {
    wire::Series* series = dictionary_.add_series();
    series->set_id(static_cast<std::uint32_t>(dictionary_.series_size()));
    series->set_entity(entity);
    series->set_name(metric);
    series->set_scale(MetricNamed(metric).scale);
    for (const std::string& value : labels) {
      series->add_labels(value);
    }
    return series->id();
  }
  DictionaryUpdate Dictionary(absl::Time now) const {
    return {epoch_, live_, now, std::make_shared<wire::Dictionary>(dictionary_)};
  }

  // The next batch of the epoch.
  DecodedBatch Batch(std::int64_t t0, std::uint32_t steps, std::vector<DecodedSample> samples,
                     wire::Batch message = {}) {
    DecodedBatch batch;
    batch.epoch = epoch_;
    batch.seq = next_seq_++;
    batch.live = live_;
    batch.t0 = t0;
    batch.step_seconds = step_;
    batch.steps = steps;
    produced_ += samples.size();
    batch.produced = produced_;
    batch.received = absl::FromUnixSeconds(t0 + std::int64_t{steps - 1} * std::int64_t{step_}) + delay_;
    batch.sent = batch.received - absl::Milliseconds(20) + clock_ahead_;
    batch.samples = std::move(samples);
    for (int kind = 1; message.expected_size() == 0 && kind <= expected_; ++kind) {
      wire::Expected* expected = message.add_expected();
      expected->set_resource(static_cast<wire::Resource>(kind));
      expected->set_samples_per_minute(60);
    }
    batch.message = std::make_shared<wire::Batch>(std::move(message));
    return batch;
  }
  // 60 samples a minute are expected of the first n kinds of resources.
  void set_expected_kinds(int n) { expected_ = n; }

 private:
  std::string Id(char what) const {
    std::string id(16, what);
    id[14] = static_cast<char>(number_ / 256);
    id[15] = static_cast<char>(number_ % 256);
    return id;
  }

  const int number_;
  const std::uint64_t epoch_;
  const std::string host_name_;
  std::string group_ = "default";
  wire::Dictionary dictionary_;
  bool live_ = true;
  absl::Duration delay_ = absl::Milliseconds(100);
  absl::Duration clock_ahead_;
  std::uint32_t step_ = 1;
  int expected_ = 1;
  std::uint64_t next_seq_ = 1;
  std::uint64_t produced_ = 0;
};

}  // namespace ppmm
