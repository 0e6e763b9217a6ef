// What encoding and decoding a batch costs; docs/wire.md quotes it. `time / samples` is the cost of one sample.
#include <string>

#include "benchmark/benchmark.h"
#include "common/batch_codec.h"
#include "common/crc32c.h"
#include "tests/testing/busy_host.h"

namespace ppmm {
namespace {

class Sum : public ColumnVisitor {
 public:
  explicit Sum(absl::Span<const Column> columns) : columns_(columns) {}
  std::optional<MetricKind> OnSeries(uint32_t id) override { return columns_[id - 1].kind; }
  void OnValue(uint32_t /*id*/, uint32_t /*step*/, int64_t value) override { sum_ += static_cast<uint64_t>(value); }
  void OnSketch(uint32_t /*id*/, uint32_t /*step*/, Sketch sketch) override { sum_ += sketch.count(); }
  uint64_t sum() const { return sum_; }

 private:
  absl::Span<const Column> columns_;
  uint64_t sum_ = 0;
};

BusyHost HostOf(const benchmark::State& state) {
  return BusyHost(static_cast<uint32_t>(state.range(0)), 1, state.range(1) != 0);
}

void Report(benchmark::State& state, const BusyHost& host, size_t bytes) {
  const auto samples = static_cast<double>(host.samples());
  state.counters["samples"] = samples;
  state.counters["bytes/sample"] = static_cast<double>(bytes) / samples;
  state.counters["time/sample"] =
      benchmark::Counter(samples, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void Encode(benchmark::State& state) {
  const BusyHost host = HostOf(state);
  std::string bytes;
  for (auto _ : state) {
    bytes.clear();
    AppendColumns(host.columns(), host.steps(), &bytes).IgnoreError();  // the test checks it
    benchmark::DoNotOptimize(bytes.data());
  }
  Report(state, host, bytes.size());
}

void Decode(benchmark::State& state) {
  const BusyHost host = HostOf(state);
  std::string bytes;
  AppendColumns(host.columns(), host.steps(), &bytes).IgnoreError();
  for (auto _ : state) {
    Sum sum(host.columns());
    benchmark::DoNotOptimize(DecodeColumns(bytes, host.steps(), sum).ok());
    benchmark::DoNotOptimize(sum.sum());
  }
  Report(state, host, bytes.size());
}

void Checksum(benchmark::State& state) {
  const std::string bytes(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    benchmark::DoNotOptimize(Crc32c(bytes));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void SketchAdd(benchmark::State& state) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> response_ns(15, 0.8);
  std::vector<int64_t> values(4096);
  for (int64_t& value : values) {
    value = static_cast<int64_t>(response_ns(random));
  }
  Sketch sketch;
  size_t i = 0;
  for (auto _ : state) {
    sketch.Add(values[i++ % values.size()]);
  }
  benchmark::DoNotOptimize(sketch.count());
}

void SketchMerge(benchmark::State& state) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> response_ns(15, 0.8);
  Sketch one;
  for (int i = 0; i < 500; ++i) {
    one.Add(static_cast<int64_t>(response_ns(random)));
  }
  Sketch sum = one;
  for (auto _ : state) {
    sum.Merge(one);
  }
  state.counters["buckets"] = static_cast<double>(one.buckets().size());
}

BENCHMARK(Encode)->ArgNames({"steps", "histograms"})->Args({1, 0})->Args({1, 1})->Args({10, 0})->Args({10, 1});
BENCHMARK(Decode)->ArgNames({"steps", "histograms"})->Args({1, 0})->Args({1, 1})->Args({10, 0})->Args({10, 1});
BENCHMARK(Checksum)->Arg(4096);
BENCHMARK(SketchAdd);
BENCHMARK(SketchMerge);

}  // namespace
}  // namespace ppmm
