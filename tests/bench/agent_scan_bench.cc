// CPU time of one pass of each scanner on the host as it is (column CPU). Wants root for the BPF scanners.
#include <memory>
#include <vector>

#include "agent/proc_task_scanner.h"
#include "agent/sock_diag.h"
#include "agent/sock_diag_scanner.h"
#include "agent/socket_scanner.h"
#include "agent/task_scanner.h"
#include "benchmark/benchmark.h"
#include "tests/testing/tcp_sockets.h"

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

// `state` ends with an error and the result is null where the programs cannot be loaded.
std::unique_ptr<SocketScanner> SeededScanner(benchmark::State* state) {
  absl::StatusOr<std::unique_ptr<SocketScanner>> scanner = SocketScanner::Create();
  if (!scanner.ok()) {
    state->SkipWithError(scanner.status().ToString().c_str());
    return nullptr;
  }
  (*scanner)->Seed().IgnoreError();  // repeated by the measurement, which would show it
  return *std::move(scanner);
}

// Connections on the loopback interface, both ends of each.
class Connections {
 public:
  explicit Connections(std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      clients_.push_back(Connect(LocalPort(listener_)));
      servers_.push_back(Accept(listener_));
    }
  }

 private:
  const Socket listener_ = Listen();
  std::vector<Socket> clients_;
  std::vector<Socket> servers_;
};

void BM_SocketScannerSeed(benchmark::State& state) {
  const std::unique_ptr<SocketScanner> scanner = SeededScanner(&state);
  const Connections connections(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(scanner->Seed().ok());
  }
}
BENCHMARK(BM_SocketScannerSeed)->Unit(benchmark::kMicrosecond)->Arg(1)->Arg(1000);

void BM_SocketScannerPoll(benchmark::State& state) {
  const std::unique_ptr<SocketScanner> scanner = SeededScanner(&state);
  const Connections connections(state.range(0));
  std::vector<ListenerSample> samples;
  for (auto _ : state) {
    benchmark::DoNotOptimize(scanner->Poll(&samples).ok());
  }
  state.counters["listeners"] = static_cast<double>(samples.size());
}
BENCHMARK(BM_SocketScannerPoll)->Unit(benchmark::kMicrosecond)->Arg(1)->Arg(1000);

void BM_SocketScannerReadPeers(benchmark::State& state) {
  const std::unique_ptr<SocketScanner> scanner = SeededScanner(&state);
  const Connections connections(state.range(0));
  std::vector<PeerSample> peers;
  for (auto _ : state) {
    benchmark::DoNotOptimize(scanner->ReadPeers(&peers).ok());
  }
  state.counters["peers"] = static_cast<double>(peers.size());
}
BENCHMARK(BM_SocketScannerReadPeers)->Unit(benchmark::kMicrosecond)->Arg(1)->Arg(1000);

void BM_SockDiagScannerPoll(benchmark::State& state) {
  const auto diag = SockDiag::Create();
  if (!diag.ok()) {
    state.SkipWithError(diag.status().ToString().c_str());
    return;
  }
  SockDiagScanner scanner([&diag](std::vector<DiagSocket>* out) { return (*diag)->List(out); });
  const Connections connections(state.range(0));
  std::vector<ListenerSample> samples;
  absl::Duration now;
  for (auto _ : state) {
    benchmark::DoNotOptimize(scanner.Poll(now += absl::Seconds(1), &samples).ok());
  }
}
BENCHMARK(BM_SockDiagScannerPoll)->Unit(benchmark::kMicrosecond)->Arg(1)->Arg(1000);

// One connection opened and closed on the loopback interface: what the attached program adds to the host.
void BM_ConnectAndClose(benchmark::State& state) {
  std::unique_ptr<SocketScanner> scanner;
  if (state.range(0) == 1) {
    scanner = SeededScanner(&state);
  }
  const Socket listener = Listen();
  const std::uint16_t port = LocalPort(listener);
  for (auto _ : state) {
    Socket client = Connect(port);
    Socket server = Accept(listener);
    Reset(&client);
  }
}
BENCHMARK(BM_ConnectAndClose)->Unit(benchmark::kMicrosecond)->ArgName("attached")->Arg(0)->Arg(1);

}  // namespace
}  // namespace ppmm
