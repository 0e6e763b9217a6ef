// Reads back the frames that an agent makes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

#include "agent/sampler.h"
#include "common/batch_codec.h"
#include "common/crc32c.h"
#include "common/metrics.h"
#include "proto/telemetry.pb.h"

namespace ppmm {

// What a collector would know after the frames given so far, of one epoch.
class DecodedFrames {
 public:
  void TakeDictionary(absl::string_view frame) {
    wire::AgentFrame parsed;
    ASSERT_TRUE(parsed.ParseFromArray(frame.data(), static_cast<int>(frame.size())));
    ASSERT_TRUE(parsed.has_dictionary());
    for (const wire::Series& series : parsed.dictionary().series()) {
      names_[series.id()] = absl::StrCat(series.name(), "{", absl::StrJoin(series.labels(), ","), "}");
    }
    for (const wire::Entity& entity : parsed.dictionary().entities()) {
      entities_[entity.id()] = entity;
    }
    last_dictionary_ = parsed.dictionary();
  }

  // Several records; last_dictionary() is then all of them in one.
  void TakeDictionary(const std::vector<std::string>& frames) {
    wire::Dictionary merged;
    for (const std::string& frame : frames) {
      TakeDictionary(frame);
      merged.MergeFrom(last_dictionary_);
    }
    last_dictionary_ = merged;
  }

  // Values of gauges and counters by series and time; sketches() then has those of histograms.
  std::map<std::pair<std::string, std::int64_t>, std::int64_t> TakeBatch(absl::string_view frame) {
    sketches_.clear();
    wire::AgentFrame parsed;
    EXPECT_TRUE(parsed.ParseFromArray(frame.data(), static_cast<int>(frame.size())));
    const wire::Batch& batch = parsed.batch();
    EXPECT_EQ(batch.crc32c(), Crc32c(batch.columns()));
    Visitor visitor{this, &batch, {}};
    const auto samples = DecodeColumns(batch.columns(), batch.steps(), visitor);
    EXPECT_TRUE(samples.ok()) << samples.status();
    if (samples.ok()) {
      EXPECT_EQ(*samples, batch.samples());
    }
    last_batch_ = batch;
    return visitor.values;
  }

  const std::map<std::pair<std::string, std::int64_t>, Sketch>& sketches() const { return sketches_; }
  const wire::Dictionary& last_dictionary() const { return last_dictionary_; }
  const wire::Batch& last_batch() const { return last_batch_; }
  const std::map<std::uint32_t, wire::Entity>& entities() const { return entities_; }

 private:
  struct Visitor : ColumnVisitor {
    Visitor(DecodedFrames* f, const wire::Batch* b, std::map<std::pair<std::string, std::int64_t>, std::int64_t> v)
        : frames(f), batch(b), values(std::move(v)) {}
    std::optional<MetricKind> OnSeries(std::uint32_t id) override {
      const auto found = frames->names_.find(id);
      if (found == frames->names_.end()) {
        return std::nullopt;
      }
      return FindMetric(found->second.substr(0, found->second.find('{')))->kind;
    }
    void OnValue(std::uint32_t id, std::uint32_t step, std::int64_t value) override {
      values[{frames->names_[id], batch->t0() + static_cast<std::int64_t>(step * batch->step_seconds())}] = value;
    }
    void OnSketch(std::uint32_t id, std::uint32_t step, Sketch sketch) override {
      frames->sketches_[{frames->names_[id], batch->t0() + static_cast<std::int64_t>(step * batch->step_seconds())}] =
          std::move(sketch);
    }
    DecodedFrames* frames;
    const wire::Batch* batch;
    std::map<std::pair<std::string, std::int64_t>, std::int64_t> values;
  };

  std::map<std::uint32_t, std::string> names_;
  std::map<std::pair<std::string, std::int64_t>, Sketch> sketches_;  // of the last batch
  std::map<std::uint32_t, wire::Entity> entities_;
  wire::Dictionary last_dictionary_;
  wire::Batch last_batch_;
};

// Keeps what a sampler sends.
class CollectingSink : public BatchSink {
 public:
  struct Sent {
    std::uint64_t epoch;
    std::uint64_t seq;  // 0: a dictionary
    std::uint32_t samples;
    std::string frame;
  };
  void BeginEpoch(std::uint64_t epoch, std::function<std::vector<std::string>()> dictionary) override {
    epoch_ = epoch;
    begun_ = true;
    dictionary_ = std::move(dictionary);
  }
  void AppendDictionary(absl::string_view frame) override { sent.push_back({epoch_, 0, 0, std::string(frame)}); }
  void AppendBatch(std::uint64_t seq, std::uint32_t samples, absl::Time /*t0*/, absl::string_view frame) override {
    if (begun_) {  // as a spool begins its segment
      for (const std::string& frame_of_dictionary : dictionary_()) {
        sent.push_back({epoch_, 0, 0, frame_of_dictionary});
      }
      begun_ = false;
    }
    sent.push_back({epoch_, seq, samples, std::string(frame)});
  }
  std::vector<Sent> sent;

 private:
  std::uint64_t epoch_ = 0;
  bool begun_ = false;
  std::function<std::vector<std::string>()> dictionary_;
};

}  // namespace ppmm
