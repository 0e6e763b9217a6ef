// Kills a collector core at each of its failpoints and looks at what the file says afterwards.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "tests/testing/collector_rig.h"

namespace ppmm {
namespace {

constexpr int kBatches = 12;

// Opens the store, sends every batch, each in a commit of its own; writes a byte for each one acknowledged.
void RunCollector(const std::string& path, int acknowledged_fd) {
  ManualClock clock(absl::FromUnixSeconds(kRigStart));
  auto store = OpenSqliteStore(path);
  if (!store.ok()) {
    _exit(3);
  }
  State state;
  IngestQueue queue;
  Writer writer(&state, store->get(), &queue, &clock);
  if (!writer.Load().ok()) {
    _exit(4);
  }
  BatchBuilder agent(1);
  const std::uint32_t cpu = agent.AddSeries(1, "ppmm_host_cpu_seconds_total", {"0", "user"});
  auto sink = std::make_shared<RecordingSink>();
  const StreamId stream = *queue.Open(sink, agent.Hello(clock.Now()));
  queue.Push(stream, agent.Dictionary(clock.Now())).status().IgnoreError();  // the queue is new: there is room
  std::uint64_t told = 0;
  for (int i = 0; i < kBatches; ++i) {
    queue.Push(stream, agent.Batch(kRigStart + i * 20, 1, {{cpu, 0, 1}})).status().IgnoreError();
    if (!writer.CommitOnce().ok()) {
      _exit(5);
    }
    for (const std::uint64_t durable = sink->Durable(1); told < durable && told < kBatches; ++told) {
      if (write(acknowledged_fd, "a", 1) != 1) {
        _exit(6);
      }
    }
  }
}

// Returns the number of batches that were acknowledged before the kill.
int RunAndKill(const std::string& path, const std::string& failpoint, bool* killed) {
  int fds[2];
  EXPECT_EQ(pipe(fds), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(fds[0]);
    setenv("PPMM_FAILPOINT", failpoint.c_str(), 1);
    RunCollector(path, fds[1]);
    _exit(0);
  }
  close(fds[1]);
  int acknowledged = 0;
  char byte = 0;
  while (read(fds[0], &byte, 1) == 1) {
    ++acknowledged;
  }
  close(fds[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  *killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  EXPECT_TRUE(*killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) << status;
  return acknowledged;
}

void Verify(const std::string& path, int acknowledged) {
  auto store = OpenSqliteStore(path);
  ASSERT_TRUE(store.ok()) << store.status();
  State state;
  WriterLock lock(&state.mutex());
  ASSERT_TRUE(state.LoadFrom(**store).ok());
  std::int64_t total = 0;
  for (const auto& [id, series] : state.tables().series) {
    total += series->total;
  }
  std::uint64_t cursor = 0;
  for (const auto& [id, agent] : state.tables().agents) {
    for (const auto& [epoch, of_epoch] : state.tables().cursors) {
      cursor = of_epoch.number;
    }
    EXPECT_EQ(agent.row.committed, cursor);
  }
  EXPECT_EQ(static_cast<std::uint64_t>(total), cursor) << "each batch counts exactly once";
  EXPECT_GE(cursor, static_cast<std::uint64_t>(acknowledged)) << "what was acknowledged is durable";
  std::int64_t in_rows = 0;
  for (std::int64_t minute = kRigStart / 60; minute < kRigStart / 60 + 5; ++minute) {
    const auto blob = (*store)->GetMinute(minute, 1);
    if (blob.ok() && blob->has_value()) {
      const absl::StatusOr<MinuteRow> row = MinuteRow::Decode(**blob);
      ASSERT_TRUE(row.ok());
      for (const SeriesRollup& series : row->series) {
        in_rows += series.rollup.sum;
      }
    }
  }
  EXPECT_EQ(in_rows, total);
}

class CrashTest : public testing::TestWithParam<const char*> {};

TEST_P(CrashTest, NothingAcknowledgedIsLostAndNothingCountsTwice) {
  TempDir dir;
  const std::string path = dir.File("ppmm.db");
  bool killed = true;
  int kills = 0;
  for (int passage = 1; killed && passage < 100; passage += 3) {
    const int acknowledged = RunAndKill(path, absl::StrCat(GetParam(), ":", passage), &killed);
    kills += killed ? 1 : 0;
    Verify(path, acknowledged);
  }
  EXPECT_FALSE(killed) << "the last run passes the point less often, and ends by itself";
  EXPECT_GE(kills, 1);
  Verify(path, kBatches);
}

INSTANTIATE_TEST_SUITE_P(Points, CrashTest, testing::Values("migration", "before_commit", "before_acknowledgement"));

}  // namespace
}  // namespace ppmm
