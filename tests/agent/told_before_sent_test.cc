// Whoever reads a spool is told of a series before a batch holds its values: the collector refuses the batch else. Here
// series and instances come and go at random, segments are small, epochs begin, the disk fails and readers begin anew.
#include <cerrno>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "agent/recorder.h"
#include "agent/spool.h"
#include "tests/testing/decoded_frames.h"
#include "tests/testing/faulty_file.h"

namespace ppmm {
namespace {

constexpr std::int64_t kT0 = 1'700'000'000;
constexpr absl::string_view kMetric = "ppmm_host_disk_io_now";  // a gauge with a label

// What a stream of the collector knows of one epoch.
class Listener {
 public:
  void Take(const SpoolRecord& record) {
    if (record.is_batch) {
      const auto values = frames_.TakeBatch(record.frame);
      EXPECT_EQ(values.size(), record.samples) << "batch " << record.seq;
      for (const wire::InstanceEnd& end : frames_.last_batch().ended()) {
        EXPECT_TRUE(frames_.entities().contains(end.entity())) << "the end of one that nobody heard of";
      }
      for (const auto& [name_and_time, value] : values) {
        EXPECT_EQ(absl::StrCat(kMetric, "{", value, "}"), name_and_time.first);
      }
      ++batches;
      return;
    }
    wire::AgentFrame frame;
    ASSERT_TRUE(frame.ParseFromString(record.frame));
    if (frame.dictionary().complete()) {
      frames_ = DecodedFrames();
    }
    frames_.TakeDictionary(record.frame);
    for (const wire::Series& series : frame.dictionary().series()) {
      ASSERT_TRUE(frames_.entities().contains(series.entity())) << series.labels(0);
      EXPECT_EQ(frames_.entities().at(series.entity()).instance().name(), Owner(series.labels(0)));
    }
  }
  // A label is 1000 times the number of the instance it belongs to, and more.
  static std::string Owner(const std::string& label) { return absl::StrCat("instance", std::stoll(label) / 1000); }

  int batches = 0;

 private:
  DecodedFrames frames_;
};

// Series that say their own label, of instances that come and go.
class Agent {
 public:
  explicit Agent(std::mt19937_64* random)
      : random_(*random), spool_(&disk, {.max_bytes = 40'000, .segment_bytes = 4000, .memory_bytes = 8000}, Now()) {
    BeginEpoch();
  }

  void BeginEpoch() {
    recorder_.BeginEpoch(++epoch_);
    spool_.BeginEpoch(epoch_, [this] { return recorder_.CompleteDictionary(); });
  }

  void Batch() {
    constexpr std::uint32_t kSteps = 3;
    recorder_.BeginBatch(kT0 + kSteps * ++batch_, {1, kSteps});
    for (std::uint32_t step = 0; step < kSteps; ++step) {
      recorder_.BeginStep(step);
      Change();
      for (const auto& [number, instance] : instances_) {
        for (const auto& [label, series] : instance.series) {
          recorder_.Gauge(series, label);
        }
      }
      Change();
    }
    if (const std::optional<std::string> dictionary = recorder_.TakeDictionaryChanges()) {
      spool_.AppendDictionary(*dictionary);
    }
    const Recorder::BuiltBatch built = recorder_.BuildBatch(kSteps);
    spool_.AppendBatch(built.seq, built.samples, Now(), built.frame);
  }

  absl::Time Now() const { return absl::FromUnixSeconds(kT0 + 3 * batch_); }
  Spool& spool() { return spool_; }
  FaultyDirectory disk;

 private:
  struct Instance {
    EntityHandle entity = 0;
    std::map<std::int64_t, SeriesHandle> series;  // by label
  };

  void Change() {
    const std::uint64_t what = random_() % 8;
    if (what < 2 && instances_.size() < 6) {
      wire::Instance record;
      record.set_name(absl::StrCat("instance", ++last_instance_));
      Instance& instance = instances_[last_instance_];
      instance.entity = recorder_.AddInstance(record, Now());
      AddSeries(last_instance_, instance);
    } else if (what == 2 && !instances_.empty()) {
      const auto first = instances_.begin();
      recorder_.EndInstance(first->second.entity, Now());
      instances_.erase(first);
    } else if (what == 3 && !instances_.empty()) {
      AddSeries(instances_.rbegin()->first, instances_.rbegin()->second);
    } else if (what == 4 && !instances_.empty() && !instances_.rbegin()->second.series.empty()) {
      const auto series = instances_.rbegin()->second.series.begin();
      recorder_.RemoveSeries(series->second);
      instances_.rbegin()->second.series.erase(series);
    }
  }
  void AddSeries(std::int64_t number, Instance& instance) {
    const std::int64_t label = 1000 * number + ++last_series_ % 1000;
    instance.series[label] = recorder_.AddSeries(instance.entity, MetricNamed(kMetric), {absl::StrCat(label)});
  }

  std::mt19937_64& random_;
  Recorder recorder_;
  Spool spool_;
  std::uint64_t epoch_ = 0;
  std::int64_t batch_ = 0;
  std::int64_t last_instance_ = 0;
  std::int64_t last_series_ = 0;
  std::map<std::int64_t, Instance> instances_;
};

TEST(ToldBeforeSentTest, EveryBatchIsOfSeriesThatItsReaderWasToldOf) {
  std::mt19937_64 random(20240601);
  int batches = 0;
  for (int run = 0; run < 40 && !testing::Test::HasFailure(); ++run) {
    SCOPED_TRACE(run);
    Agent agent(&random);
    std::map<std::uint64_t, std::pair<SpoolCursor, Listener>> streams;  // by epoch
    for (int i = 0; i < 400; ++i) {
      agent.Batch();
      switch (random() % 20) {
        case 0:
          agent.disk.FailWrites(random() % 2 == 0 ? ENOSPC : 0);
          break;
        case 1:
          agent.spool().Tick(agent.Now());
          break;
        case 2:
          agent.BeginEpoch();
          break;
        case 3:
          streams.clear();  // a new connection
          break;
        default:
          break;
      }
      for (const SpoolEpoch& epoch : agent.spool().Epochs()) {
        auto [stream, fresh] = streams.try_emplace(epoch.epoch);
        auto& [cursor, listener] = stream->second;
        if (fresh) {
          cursor = agent.spool().Begin(epoch.epoch);
        }
        SpoolRecord record;
        for (std::uint64_t n = random() % 8; n > 0 && agent.spool().Next(&cursor, &record); --n) {
          listener.Take(record);
          batches += record.is_batch ? 1 : 0;
        }
        if (random() % 3 == 0) {
          agent.spool().Acknowledge(epoch.epoch, cursor.last_seq);
        }
      }
    }
  }
  EXPECT_GT(batches, 5000);
}

}  // namespace
}  // namespace ppmm
