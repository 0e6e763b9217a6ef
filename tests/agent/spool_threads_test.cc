// The sampler appends and begins epochs, the stream reads and acknowledges, the clock ticks and the disk fails, all at
// once. For the thread sanitizer; the counters must agree at the end.
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

#include "agent/spool.h"
#include "tests/testing/faulty_file.h"

namespace ppmm {
namespace {

constexpr absl::Time kNow = absl::FromUnixSeconds(1700000000);
constexpr int kBatches = 3000;

TEST(SpoolThreadsTest, SamplerStreamAndClockMeetInTheSpoolOnly) {
  FaultyDirectory disk;
  Spool spool(&disk, {.max_bytes = 20'000, .segment_bytes = 2000, .memory_bytes = 4000}, kNow);
  const auto dictionary = [] { return std::vector<std::string>{"dictionary"}; };
  spool.BeginEpoch(1, dictionary);
  std::atomic<bool> done{false};

  std::thread sampler([&] {
    std::uint64_t seq = 0;
    for (int i = 0; i < kBatches; ++i) {
      if (i % 500 == 499) {
        spool.BeginEpoch(spool.current_epoch() + 1, dictionary);
        seq = 0;
      }
      if (i % 50 == 0) {
        spool.AppendDictionary("a change");
      }
      spool.AppendBatch(++seq, 10, kNow, std::string(100, 'x'));
    }
    done = true;
  });
  std::thread clock([&] {
    absl::Time now = kNow;
    for (int i = 0; !done; ++i) {
      disk.FailWrites(i % 20 == 3 ? ENOSPC : 0);
      now += absl::Seconds(5);
      spool.Tick(now);
      spool.Stats();
    }
    disk.FailWrites(0);
  });
  std::uint64_t read = 0;
  std::thread stream([&] {
    for (bool last = false; !last;) {
      last = done;
      for (const SpoolEpoch& epoch : spool.Epochs()) {
        SpoolCursor cursor = spool.Begin(epoch.epoch);
        SpoolRecord record;
        for (int i = 0; i < 20 && spool.Next(&cursor, &record); ++i) {
          read += record.is_batch ? 1 : 0;
        }
        if (cursor.last_seq % 7 == 3) {
          spool.Refused(epoch.epoch, cursor.last_seq);
        }
        spool.Acknowledge(epoch.epoch, cursor.last_seq);
      }
    }
  });
  sampler.join();
  clock.join();
  stream.join();

  const SpoolStats stats = spool.Stats();
  EXPECT_EQ(stats.totals.produced, 10u * kBatches);
  EXPECT_EQ(stats.totals.produced, stats.totals.settled() + stats.samples);
  EXPECT_EQ(stats.totals.dropped_damaged, 0u);
  EXPECT_GT(read, 0u);
}

}  // namespace
}  // namespace ppmm
