#include "common/batch_codec.h"

#include <algorithm>
#include <bit>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/busy_host.h"
#include "tests/testing/random.h"

namespace ppmm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Value = std::tuple<uint32_t, uint32_t, int64_t>;  // id, step, value

// A dictionary, and everything that was visited.
struct Receiver : ColumnVisitor {
  std::map<uint32_t, MetricKind> kinds;
  bool all_known = false;  // every other id is a counter
  std::vector<Value> values;
  std::vector<std::tuple<uint32_t, uint32_t, Sketch>> sketches;

  std::optional<MetricKind> OnSeries(uint32_t id) override {
    const auto found = kinds.find(id);
    if (found != kinds.end()) {
      return found->second;
    }
    return all_known ? std::optional(MetricKind::kCounter) : std::nullopt;
  }
  void OnValue(uint32_t id, uint32_t step, int64_t value) override { values.emplace_back(id, step, value); }
  void OnSketch(uint32_t id, uint32_t step, Sketch sketch) override {
    sketches.emplace_back(id, step, std::move(sketch));
  }
};

// Columns that own their values.
class Columns {
 public:
  Columns& Scalar(uint32_t id, MetricKind kind, uint64_t present, std::vector<int64_t> values) {
    columns_.push_back({id, kind, present, values_.emplace_back(std::move(values)), {}});
    return *this;
  }
  Columns& Gauge(uint32_t id, uint64_t present, std::vector<int64_t> values) {
    return Scalar(id, MetricKind::kGauge, present, std::move(values));
  }
  Columns& Counter(uint32_t id, uint64_t present, std::vector<int64_t> values) {
    return Scalar(id, MetricKind::kCounter, present, std::move(values));
  }
  Columns& Histogram(uint32_t id, uint64_t present, std::vector<Sketch> sketches) {
    auto& pointers = pointers_.emplace_back();
    for (const Sketch& sketch : sketches_.emplace_back(std::move(sketches))) {
      pointers.push_back(&sketch);
    }
    columns_.push_back({id, MetricKind::kHistogram, present, {}, pointers});
    return *this;
  }
  operator absl::Span<const Column>() const { return columns_; }  // NOLINT(google-explicit-constructor)

 private:
  std::vector<Column> columns_;
  std::deque<std::vector<int64_t>> values_;
  std::deque<std::vector<Sketch>> sketches_;
  std::deque<std::vector<const Sketch*>> pointers_;
};

std::string Encoded(absl::Span<const Column> columns, uint32_t steps) {
  std::string bytes;
  const absl::Status status = AppendColumns(columns, steps, &bytes);
  EXPECT_TRUE(status.ok()) << status;
  return bytes;
}

std::string Hex(absl::string_view bytes) {
  return absl::BytesToHexString(bytes);
}

void Learn(absl::Span<const Column> columns, Receiver* receiver) {
  for (const Column& column : columns) {
    receiver->kinds[column.id] = column.kind;
  }
}

// Encodes, decodes, and compares with what `columns` say.
void ExpectRoundTrip(absl::Span<const Column> columns, uint32_t steps) {
  const std::string bytes = Encoded(columns, steps);
  Receiver receiver;
  Learn(columns, &receiver);
  const auto samples = DecodeColumns(bytes, steps, receiver);
  ASSERT_TRUE(samples.ok()) << samples.status();
  std::vector<Value> values;
  std::vector<std::tuple<uint32_t, uint32_t, Sketch>> sketches;
  for (const Column& column : columns) {
    size_t i = 0;
    for (uint32_t step = 0; step < steps; ++step) {
      if ((column.present >> step & 1) == 0) {
        continue;
      }
      if (column.kind == MetricKind::kHistogram) {
        sketches.emplace_back(column.id, step, *column.sketches[i++]);
      } else {
        values.emplace_back(column.id, step, column.values[i++]);
      }
    }
  }
  ASSERT_EQ(*samples, values.size() + sketches.size());
  ASSERT_EQ(receiver.values, values);
  ASSERT_EQ(receiver.sketches, sketches);
}

int64_t AnyValue(std::mt19937_64& random) {
  const int64_t edges[] = {0, 1, -1, 1024, -4096, INT64_MAX, INT64_MIN, int64_t{1} << 61, -(int64_t{1} << 61)};
  switch (Uniform(random, 0, 3)) {
    case 0:
      return edges[Uniform(random, 0, std::size(edges) - 1)];
    case 1:
      return static_cast<int64_t>(random() >> Uniform(random, 0, 63));
    default:
      return 0;
  }
}

void AddRandomColumns(std::mt19937_64& random, uint32_t steps, Columns* columns) {
  const uint64_t all = (uint64_t{1} << steps) - 1;
  uint32_t id = 0;
  uint64_t present = all;
  for (uint64_t n = Uniform(random, 0, 40); n > 0; --n) {
    id += Uniform(random, 0, 3) == 0 ? static_cast<uint32_t>(Uniform(random, 1, 1000)) : 1;
    if (Uniform(random, 0, 4) == 0) {
      present = std::max<uint64_t>(1, random() & all);
    }
    const auto size = static_cast<size_t>(std::popcount(present));
    const uint64_t kind = Uniform(random, 0, 4);
    if (kind == 0) {
      std::vector<Sketch> sketches(size);
      for (Sketch& sketch : sketches) {
        for (uint64_t k = Uniform(random, 0, 4); k > 0; --k) {
          sketch.Add(static_cast<int64_t>(random() >> Uniform(random, 1, 63)) - 1);
        }
      }
      columns->Histogram(id, present, std::move(sketches));
      continue;
    }
    std::vector<int64_t> values(size);
    for (int64_t& value : values) {
      value = AnyValue(random);
      if (kind > 2) {
        value &= INT64_MAX;
      }
    }
    columns->Scalar(id, kind > 2 ? MetricKind::kCounter : MetricKind::kGauge, present, std::move(values));
  }
}

TEST(BatchCodecTest, WritesTheExampleOfTheManual) {
  Sketch sketch;
  sketch.AddBucket(0, 2);
  sketch.AddSum(1'985'000'000);
  Columns columns;
  columns.Gauge(1, 7, {2'097'152, 2'097'152, 2'101'248}).Counter(2, 7, {0, 0, 5}).Counter(3, 7, {0, 0, 0});
  columns.Histogram(7, 4, {sketch});
  EXPECT_EQ(Hex(Encoded(columns, 3)),
            "02"
            "000300"
            "030104"
            "91400021"
            "0115"
            "02"
            "1c"
            "000180c985e50ebc07040000")
      << "docs/wire.md shows these bytes";
  ExpectRoundTrip(columns, 3);
}

TEST(BatchCodecTest, GivesBackWhatItTook) {
  PPMM_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 3000; ++round) {
    const auto steps = static_cast<uint32_t>(Uniform(random, 0, 2) == 0 ? 1 : Uniform(random, 1, 60));
    Columns columns;
    AddRandomColumns(random, steps, &columns);
    ASSERT_NO_FATAL_FAILURE(ExpectRoundTrip(columns, steps)) << "round " << round;
  }
}

TEST(BatchCodecTest, CarriesExtremeGauges) {
  Columns columns;
  columns.Gauge(1, 31, {INT64_MIN, INT64_MAX, INT64_MIN, 0, INT64_MAX}).Gauge(UINT32_MAX, 31, {1, -1, 1023, 1024, 5});
  ExpectRoundTrip(columns, 5);
}

TEST(BatchCodecTest, CarriesTheLargestIncrement) {
  ExpectRoundTrip(Columns().Counter(1, 3, {INT64_MAX, 0}), 2);
}

TEST(BatchCodecTest, CarriesNothing) {
  ExpectRoundTrip({}, 1);
  EXPECT_EQ(Encoded({}, 1), std::string(1, '\0'));
}

TEST(BatchCodecTest, SpendsAFewBytesOnAnIdleHost) {
  Columns columns;
  for (uint32_t id = 1; id <= kMaxSeriesPerBatch; ++id) {
    columns.Counter(id, (uint64_t{1} << 60) - 1, std::vector<int64_t>(60, 0));
  }
  EXPECT_LE(Encoded(columns, 60).size(), 10u);
  ExpectRoundTrip(columns, 60);
}

TEST(BatchCodecTest, TakesAtMost1Point6BytesASampleOnABusyHost) {
  const BusyHost one(1, 1, false);
  const BusyHost ten(10, 1, false);
  ExpectRoundTrip(one.columns(), 1);
  ExpectRoundTrip(ten.columns(), 10);
  const auto bytes_a_sample = [](const BusyHost& host) {
    return static_cast<double>(Encoded(host.columns(), host.steps()).size()) / static_cast<double>(host.samples());
  };
  RecordProperty("bytes_a_sample_1_step", std::to_string(bytes_a_sample(one)));
  RecordProperty("bytes_a_sample_10_steps", std::to_string(bytes_a_sample(ten)));
  EXPECT_LE(bytes_a_sample(one), 1.6);
  EXPECT_LE(bytes_a_sample(ten), 1.2);
  const BusyHost with_histograms(1, 1, true);
  ExpectRoundTrip(with_histograms.columns(), 1);
}

TEST(BatchCodecTest, RunsThatAreAlikeTakeTwoBytesMore) {
  const auto instances = [](uint32_t count) {
    Columns columns;
    for (uint32_t i = 0; i < count; ++i) {
      columns.Counter(8 * i + 3, 1, {1}).Counter(8 * i + 4, 1, {1});
    }
    return columns;
  };
  ExpectRoundTrip(instances(70), 1);
  // Ids 3 and 4, then a gap of six; that again; and again 68 times.
  EXPECT_EQ(Hex(Encoded(instances(2), 1)), "020202060211111111");
  EXPECT_EQ(Hex(Encoded(instances(70), 1)).substr(0, 14), "03020206024400");
  Columns steps;  // only what is present at the same steps is alike
  steps.Gauge(1, 1, {5}).Gauge(3, 2, {5}).Gauge(5, 2, {5}).Gauge(7, 3, {5, 5}).Gauge(9, 3, {5, 6});
  ExpectRoundTrip(steps, 2);
}

TEST(BatchCodecTest, RefusesToWriteColumnsOutOfShape) {
  const Sketch sketch;
  const auto error = [](const Columns& columns, uint32_t steps) {
    std::string out = "before";
    const absl::Status status = AppendColumns(columns, steps, &out);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(out, "before");
    return std::string(status.message());
  };
  EXPECT_THAT(error(Columns().Counter(0, 1, {1}), 1), HasSubstr("series 0: ids do not ascend"));
  EXPECT_THAT(error(Columns().Counter(2, 1, {1}).Counter(2, 1, {1}), 1), HasSubstr("series 2: ids do not ascend"));
  EXPECT_THAT(error(Columns().Counter(1, 0, {}), 1), HasSubstr("present at no step"));
  EXPECT_THAT(error(Columns().Counter(1, 2, {1}), 1), HasSubstr("not in the batch"));
  EXPECT_THAT(error(Columns().Counter(1, 3, {1}), 2), HasSubstr("not one value"));
  EXPECT_THAT(error(Columns().Scalar(1, MetricKind::kHistogram, 1, {1}), 1), HasSubstr("not one value"));
  EXPECT_THAT(error(Columns().Counter(1, 1, {-1}), 1), HasSubstr("negative increment"));
  EXPECT_THAT(error(Columns().Counter(1, 1, {1}), 0), HasSubstr("0 steps"));
  EXPECT_THAT(error(Columns().Counter(1, 1, {1}), 61), HasSubstr("61 steps"));
  Columns many;
  for (uint32_t id = 1; id <= kMaxSeriesPerBatch + 1; ++id) {
    many.Counter(id, 1, {0});
  }
  EXPECT_THAT(error(many, 1), HasSubstr("too many series"));
}

TEST(BatchCodecTest, NamesAnUnknownSeries) {
  Receiver receiver;
  receiver.kinds[4] = MetricKind::kCounter;
  const auto result = DecodeColumns(Encoded(Columns().Counter(4, 1, {1}).Counter(6, 1, {1}), 1), 1, receiver);
  EXPECT_EQ(result.status(), absl::NotFoundError("unknown series id 6"));
  EXPECT_THAT(receiver.values, ElementsAre(Value(4, 0, 1)));
}

TEST(BatchCodecTest, RefusesWhatNoEncoderWrites) {
  const auto error = [](absl::string_view hex, uint32_t steps) {
    Receiver receiver;
    receiver.all_known = true;
    receiver.kinds[9] = MetricKind::kHistogram;
    const auto result = DecodeColumns(absl::HexStringToBytes(hex), steps, receiver);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument) << hex;
    return std::string(result.status().message());
  };
  EXPECT_THAT(error("", 1), HasSubstr("number of runs"));
  EXPECT_THAT(error("a19c01", 1), HasSubstr("number of runs")) << "20,001 runs";
  EXPECT_THAT(error("00", 0), HasSubstr("0 steps"));
  EXPECT_THAT(error("00", 61), HasSubstr("61 steps"));
  EXPECT_THAT(error("0000", 1), HasSubstr("left over"));
  EXPECT_THAT(error("010000", 1), HasSubstr("run 0")) << "no series";
  EXPECT_THAT(error("0100a19c01", 1), HasSubstr("run 0")) << "20,001 series";
  EXPECT_THAT(error("0200a09c01000107", 1), HasSubstr("run 1")) << "20,001 series in two runs";
  EXPECT_THAT(error("01ffffffff0f0100", 1), HasSubstr("run 0")) << "id over 32 bits";
  EXPECT_THAT(error("010100", 1), HasSubstr("run 0")) << "nothing before that could come again";
  EXPECT_THAT(error("020001000000", 1), HasSubstr("run 1")) << "again, no times";
  EXPECT_THAT(error("02000ad00f0000", 1), HasSubstr("run 2000")) << "20,010 series by coming again";
  EXPECT_THAT(error("02ffffffff070103000000", 1), HasSubstr("run 1")) << "again, with ids over 32 bits";
  EXPECT_THAT(error("0100010400", 2), HasSubstr("run 0")) << "a step that is not in the batch";
  EXPECT_THAT(error("010001", 1), HasSubstr("series 1: the values end early"));
  EXPECT_THAT(error("01000101", 1), HasSubstr("left over")) << "a run of zeros past the end";
  EXPECT_THAT(error("0100010fffffffffff0f", 1), HasSubstr("series 1: the values end early")) << "endless zeros";
  EXPECT_THAT(error("010001100000000000000080", 1), HasSubstr("an increment over 2^63"));
  EXPECT_THAT(error("01000110000000", 1), HasSubstr("series 1: the values end early"));
  EXPECT_THAT(error("010801ffffffff7f", 1), HasSubstr("series 9: the sketch ends early"));
  EXPECT_THAT(error("01080111ff", 1), HasSubstr("series 9: sketch: the header ends early"));
}

TEST(BatchCodecTest, BoundsTheWorkOfAFewHostileBytes) {
  Receiver receiver;
  receiver.all_known = true;
  // 20,000 series at 60 steps, all zeros, is the most that fits.
  const std::string most = absl::HexStringToBytes("0100a09c01000ff09e49");
  const auto samples = DecodeColumns(most, 60, receiver);
  ASSERT_TRUE(samples.ok()) << samples.status();
  EXPECT_EQ(*samples, kMaxSeriesPerBatch * kMaxStepsPerBatch);
}

TEST(BatchCodecTest, RefusesEveryTruncation) {
  PPMM_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 100; ++round) {
    const auto steps = static_cast<uint32_t>(Uniform(random, 1, 4));
    Columns columns;
    AddRandomColumns(random, steps, &columns);
    const std::string bytes = Encoded(columns, steps);
    Receiver receiver;
    Learn(columns, &receiver);
    for (size_t size = 0; size < bytes.size(); ++size) {
      // A copy of exactly this size, so that the address sanitizer sees a read past it.
      const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
      const auto result = DecodeColumns(absl::string_view(cut.data(), cut.size()), steps, receiver);
      ASSERT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument) << size << " of " << Hex(bytes);
    }
  }
}

TEST(BatchCodecTest, SurvivesEveryFlippedByte) {
  PPMM_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 4; ++round) {
    const auto steps = static_cast<uint32_t>(Uniform(random, 1, 4));
    Columns columns;
    AddRandomColumns(random, steps, &columns);
    const std::string bytes = Encoded(columns, steps);
    for (size_t i = 0; i < bytes.size(); ++i) {
      for (int flip = 1; flip < 256; flip += 2) {
        std::vector<char> damaged(bytes.begin(), bytes.end());
        damaged[i] = static_cast<char>(damaged[i] ^ flip);
        Receiver receiver;
        Learn(columns, &receiver);
        const auto result = DecodeColumns(absl::string_view(damaged.data(), damaged.size()), steps, receiver);
        ASSERT_LE(receiver.values.size(), uint64_t{kMaxSeriesPerBatch} * kMaxStepsPerBatch);
        if (result.ok()) {
          ASSERT_EQ(*result, receiver.values.size() + receiver.sketches.size());
        }
      }
    }
  }
}

}  // namespace
}  // namespace ppmm
