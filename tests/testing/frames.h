// Frames as an agent sends them, made by hand.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "common/batch_codec.h"
#include "common/crc32c.h"
#include "common/metrics.h"
#include "proto/telemetry.pb.h"

namespace ppmm {

inline wire::AgentFrame HelloFrame(std::uint64_t epoch, absl::Time sent) {
  wire::AgentFrame frame;
  wire::Hello* hello = frame.mutable_hello();
  hello->set_protocol(1);
  hello->set_version("0.1.0");
  hello->set_agent_id(std::string(16, 'a'));
  hello->set_host_id(std::string(16, 'h'));
  hello->set_duplicate_host_id(std::string(16, 'd'));
  hello->set_host_name("web1");
  hello->set_group("default");
  hello->set_boot_id(std::string(16, 'b'));
  hello->set_current_epoch(epoch);
  frame.set_sent_wall_us(absl::ToUnixMicros(sent));
  return frame;
}

// Names the host as entity 1 and the metrics as series 1, 2, ... of it.
inline wire::AgentFrame DictionaryFrame(std::uint64_t epoch, const std::vector<std::string>& metrics, absl::Time sent) {
  wire::AgentFrame frame;
  wire::Dictionary* dictionary = frame.mutable_dictionary();
  dictionary->set_epoch(epoch);
  dictionary->set_complete(true);
  wire::Entity* host = dictionary->add_entities();
  host->set_id(1);
  host->mutable_host()->set_cpus(2);
  for (const std::string& name : metrics) {
    const Metric* metric = FindMetric(name);
    wire::Series* series = dictionary->add_series();
    series->set_id(static_cast<std::uint32_t>(dictionary->series_size()));
    series->set_entity(1);
    series->set_name(name);
    series->set_kind(metric == nullptr || metric->kind == MetricKind::kGauge ? wire::GAUGE : wire::COUNTER);
    series->set_scale(metric == nullptr ? 0 : metric->scale);
    for (std::size_t i = 0; metric != nullptr && i < metric->labels.size(); ++i) {
      series->add_labels("0");
    }
  }
  frame.set_sent_wall_us(absl::ToUnixMicros(sent));
  return frame;
}

// One step with one value for each (series, kind, value).
struct FrameValue {
  std::uint32_t series;
  MetricKind kind;
  std::int64_t value;
};
inline wire::AgentFrame BatchFrame(std::uint64_t epoch, std::uint64_t seq, absl::Time t0,
                                   const std::vector<FrameValue>& values, absl::Time sent) {
  wire::AgentFrame frame;
  wire::Batch* batch = frame.mutable_batch();
  batch->set_epoch(epoch);
  batch->set_seq(seq);
  batch->set_t0(absl::ToUnixSeconds(t0));
  batch->set_step_seconds(1);
  batch->set_steps(1);
  std::vector<Column> columns;
  for (const FrameValue& value : values) {
    Column column;
    column.id = value.series;
    column.kind = value.kind;
    column.present = 1;
    column.values = absl::MakeConstSpan(&value.value, 1);
    columns.push_back(column);
  }
  AppendColumns(columns, 1, batch->mutable_columns()).IgnoreError();  // the test gives valid ones
  batch->set_crc32c(Crc32c(batch->columns()));
  batch->set_samples(static_cast<std::uint32_t>(values.size()));
  batch->set_produced(values.size() * seq);
  frame.set_sent_wall_us(absl::ToUnixMicros(sent));
  return frame;
}

}  // namespace ppmm
