// What a question about a new program costs on this host's package database (column CPU), and what the index is worth.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "agent/identify/package_database.h"
#include "benchmark/benchmark.h"

namespace ppmm {
namespace {

constexpr int kQuestionsForIndex = 5;

// Paths and contents that no package has, a new one each time: nothing of it is in the cache of answers.
std::string NewPath() {
  static int n = 0;
  return absl::StrCat("/opt/build/program", ++n);
}

FileDigests NewContent() {
  static int n = 0;
  FileDigests digests;
  digests.md5 = absl::StrFormat("%032x", ++n);
  return digests;
}

void Ask(const HostRoot& root, PackageDatabase* packages) {
  benchmark::DoNotOptimize(packages->Owner(root, NewPath()));
  benchmark::DoNotOptimize(packages->FindContent(root, NewContent()));
}

void BM_FirstQuestion(benchmark::State& state) {
  const absl::StatusOr<HostRoot> root = HostRoot::Open("/");
  for (auto _ : state) {
    PackageDatabase packages;
    packages.Refresh(*root);
    Ask(*root, &packages);
  }
}
BENCHMARK(BM_FirstQuestion)->Unit(benchmark::kMicrosecond);

void BM_QuestionThatMakesTheIndex(benchmark::State& state) {
  const absl::StatusOr<HostRoot> root = HostRoot::Open("/");
  for (auto _ : state) {
    state.PauseTiming();
    PackageDatabase packages;
    packages.Refresh(*root);
    for (int i = 1; i < kQuestionsForIndex; ++i) {
      Ask(*root, &packages);
    }
    state.ResumeTiming();
    Ask(*root, &packages);
  }
}
BENCHMARK(BM_QuestionThatMakesTheIndex)->Unit(benchmark::kMicrosecond)->Iterations(20);

void BM_LaterQuestion(benchmark::State& state) {
  const absl::StatusOr<HostRoot> root = HostRoot::Open("/");
  PackageDatabase packages;
  packages.Refresh(*root);
  for (int i = 0; i < kQuestionsForIndex; ++i) {
    Ask(*root, &packages);
  }
  for (auto _ : state) {
    packages.Refresh(*root);
    Ask(*root, &packages);
  }
}
BENCHMARK(BM_LaterQuestion)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace ppmm
