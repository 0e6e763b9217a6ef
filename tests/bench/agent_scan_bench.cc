// CPU time of one pass of each scanner on the host as it is (column CPU). Wants root for the BPF scanners.
#include <vector>

#include "agent/proc_task_scanner.h"
#include "agent/task_scanner.h"
#include "benchmark/benchmark.h"

namespace ppmm {
namespace {

void ReportSize(const std::vector<ProcessSample>& samples, benchmark::State* state) {
  std::size_t threads = 0;
  for (const ProcessSample& sample : samples) {
    threads += sample.threads;
  }
  state->counters["processes"] = static_cast<double>(samples.size());
  state->counters["threads"] = static_cast<double>(threads);
}

void BM_TaskScannerScan(benchmark::State& state) {
  const auto scanner = TaskScanner::Create();
  if (!scanner.ok()) {
    state.SkipWithError(scanner.status().ToString().c_str());
    return;
  }
  std::vector<ProcessSample> samples;
  for (auto _ : state) {
    benchmark::DoNotOptimize((*scanner)->Scan(&samples).ok());
  }
  ReportSize(samples, &state);
}
BENCHMARK(BM_TaskScannerScan)->Unit(benchmark::kMicrosecond);

void BM_ProcTaskScannerScan(benchmark::State& state) {
  ProcTaskScanner scanner;
  std::vector<ProcessSample> samples;
  for (auto _ : state) {
    benchmark::DoNotOptimize(scanner.Scan(&samples).ok());
  }
  ReportSize(samples, &state);
}
BENCHMARK(BM_ProcTaskScannerScan)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace ppmm
