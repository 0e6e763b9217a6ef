// The columns of a batch. Input: steps, then the bytes. An id's remainder by 4 says what kind the dictionary gives it.
#include <map>

#include "common/batch_codec.h"
#include "tests/fuzz/fuzz.h"

namespace ppmm::fuzz {
namespace {

struct Decoded {
  MetricKind kind = MetricKind::kGauge;
  std::uint64_t present = 0;
  std::vector<std::int64_t> values;
  std::vector<Sketch> sketches;
  bool operator==(const Decoded&) const = default;
};

class Collect : public ColumnVisitor {
 public:
  std::optional<MetricKind> OnSeries(std::uint32_t id) override {
    Require(series.count(id) == 0, "a series is visited once");
    Require(series.size() < kMaxSeriesPerBatch, "no more series than the bound");
    constexpr std::optional<MetricKind> kKinds[] = {MetricKind::kGauge, MetricKind::kCounter, MetricKind::kHistogram};
    if (id % 4 == 3) {
      return std::nullopt;
    }
    series[id].kind = *kKinds[id % 4];
    return kKinds[id % 4];
  }
  void OnValue(std::uint32_t id, std::uint32_t step, std::int64_t value) override {
    Mark(id, step);
    series[id].values.push_back(value);
  }
  void OnSketch(std::uint32_t id, std::uint32_t step, Sketch sketch) override {
    Mark(id, step);
    series[id].sketches.push_back(std::move(sketch));
  }

  std::map<std::uint32_t, Decoded> series;

 private:
  void Mark(std::uint32_t id, std::uint32_t step) {
    Require(series.count(id) == 1, "a value belongs to a series that was visited");
    Require(step < kMaxStepsPerBatch && series[id].present >> step == 0, "steps rise and are in range");
    series[id].present |= std::uint64_t{1} << step;
  }
};

std::string Encode(const std::map<std::uint32_t, Decoded>& series, std::uint32_t steps) {
  std::vector<std::vector<const Sketch*>> pointers;
  pointers.reserve(series.size());
  std::vector<Column> columns;
  for (const auto& [id, decoded] : series) {
    Column column{id, decoded.kind, decoded.present, decoded.values, {}};
    if (decoded.kind == MetricKind::kHistogram) {
      pointers.emplace_back();
      for (const Sketch& sketch : decoded.sketches) {
        pointers.back().push_back(&sketch);
      }
      column.sketches = pointers.back();
    }
    columns.push_back(column);
  }
  std::string bytes;
  Require(AppendColumns(columns, steps, &bytes).ok(), "what was decoded can be encoded");
  return bytes;
}

}  // namespace

void Run(absl::string_view input) {
  Input in(input);
  const std::uint32_t steps = in.Byte();
  Collect first;
  const absl::StatusOr<std::uint32_t> samples = DecodeColumns(in.Rest(), steps, first);
  if (!samples.ok()) {
    return;
  }
  const std::string bytes = Encode(first.series, steps);
  Collect second;
  const absl::StatusOr<std::uint32_t> again = DecodeColumns(bytes, steps, second);
  Require(again.ok() && *again == *samples, "as many samples after encoding again");
  Require(first.series == second.series, "the same values after encoding again");
}

std::vector<std::string> Seeds() {
  Sketch sketch;
  sketch.Add(1'000'000, 3);
  sketch.Add(0);
  const Sketch empty;
  std::vector<std::string> seeds;
  for (const std::uint32_t steps : {1u, 10u, 60u}) {
    const std::uint64_t all = steps == 60 ? (std::uint64_t{1} << 60) - 1 : (std::uint64_t{1} << steps) - 1;
    std::map<std::uint32_t, Decoded> series;
    for (const std::uint32_t id : {1u, 4u, 5u, 8u, 1000u, 1004u, 1008u, 1012u}) {
      Decoded& decoded = series[id];
      decoded.kind = id % 4 == 0 ? MetricKind::kGauge : MetricKind::kCounter;
      decoded.present = id == 8 ? 1 : all;
      for (std::uint32_t step = 0; step < (id == 8 ? 1 : steps); ++step) {
        decoded.values.push_back(id == 5 ? 7 : std::int64_t{step} * step * id);
      }
    }
    series[2] = {MetricKind::kHistogram, all, {}, std::vector<Sketch>(steps, sketch)};
    series[6] = {MetricKind::kHistogram, 1, {}, {empty}};
    seeds.push_back(std::string(1, static_cast<char>(steps)) + Encode(series, steps));
  }
  return seeds;
}

}  // namespace ppmm::fuzz
