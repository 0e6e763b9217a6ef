// Processes that die within any change, disks that lose what was not synced, bytes that flip. Reading never crashes,
// says what is lost, and gives everything else.
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "agent/spool.h"
#include "tests/testing/spool_rig.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;

constexpr std::uint32_t kSamples = 10;

SpoolOptions SmallSegments(std::uint64_t max_bytes = 1 << 20) {
  return {.max_bytes = max_bytes, .segment_bytes = 600, .memory_bytes = 2000};
}

std::string OnlySegment(const FaultyDirectory& disk) {
  for (const auto& [name, bytes] : disk.Files()) {
    if (name.find(".seg") != std::string::npos) {
      return name;
    }
  }
  return "";
}

// ---- a process that dies --------------------------------------------------------------------------------------------

TEST(SpoolCrashTest, AKillWithinAnyChangeLosesAndDoublesNothing) {
  const SpoolOptions options = SmallSegments(/*max_bytes=*/2000);
  for (std::uint64_t change = 1;; ++change) {
    SCOPED_TRACE(change);
    SpoolRig rig(options);
    rig.Start();
    rig.disk.CrashAtChange(change);
    // A busy minute: segments close, are acknowledged, refused, dropped; it ends where the process dies.
    SpoolTotals before;
    std::uint64_t appended = 0;
    bool in_append = false;
    const auto alive = [&] { return !rig.disk.crashed(); };
    const auto step = [&](auto&& action) {
      if (alive()) {
        before = rig.spool->Stats().totals;
        in_append = false;
        action();
      }
    };
    const auto append = [&](int count) {
      for (int i = 0; i < count; ++i) {
        step([&] {
          in_append = true;
          rig.Append(1, kSamples, 100);
          appended += alive() ? kSamples : 0;
        });
      }
    };
    append(3);
    step([&] { rig.spool->Acknowledge(1, 1); });
    append(3);
    step([&] { rig.spool->Refused(1, 3); });
    step([&] { rig.Tick(); });
    step([&] { rig.spool->Acknowledge(1, 4); });
    step([&] { rig.NewEpoch(); });
    append(14);
    step([&] { rig.Tick(); });
    step([&] { rig.spool->Acknowledge(2, 8); });
    append(2);
    const bool crashed = !alive();
    rig.disk.Restart();
    rig.Start();
    const SpoolStats stats = rig.spool->Stats();
    const SpoolTotals& totals = stats.totals;
    EXPECT_EQ(totals.produced, totals.settled() + stats.samples);
    // The batch that was being written may have arrived or not; every other one is accounted for.
    EXPECT_GE(totals.produced, appended);
    EXPECT_LE(totals.produced, appended + (crashed && in_append ? kSamples : 0));
    EXPECT_EQ(totals.dropped_damaged, 0u);
    EXPECT_EQ(totals.dropped_write, 0u);
    // A counter never falls, and what was being counted is counted once.
    EXPECT_GE(totals.acknowledged, before.acknowledged);
    EXPECT_GE(totals.refused, before.refused);
    EXPECT_GE(totals.dropped_full, before.dropped_full);
    // What waits can be read, all of it, once.
    std::uint64_t readable = 0;
    for (const SpoolEpoch& epoch : rig.spool->Epochs()) {
      SpoolCursor cursor = rig.spool->Begin(epoch.epoch);
      SpoolRecord record;
      while (rig.spool->Next(&cursor, &record)) {
        readable += record.samples;
        EXPECT_EQ(record.is_batch, record.samples > 0);
      }
    }
    EXPECT_EQ(readable, stats.samples);
    if (!crashed) {
      EXPECT_GT(change, 40u) << "the minute has fewer changes than thought";
      return;
    }
  }
}

TEST(SpoolCrashTest, APowerCutAtAnyChangeKeepsWhatWasSyncedAndUsesNoNumberTwice) {
  for (std::uint64_t change = 1; change < 60; ++change) {
    SCOPED_TRACE(change);
    SpoolRig rig(SmallSegments());
    rig.Start();
    rig.Append(5, kSamples, 100);
    rig.Tick();  // all of this is safe
    rig.disk.CrashAtChange(change);
    rig.Append(5, kSamples, 100);
    rig.spool->Acknowledge(1, 6);
    rig.Append(5, kSamples, 100);
    rig.Tick();
    rig.disk.PowerCut();
    rig.Start();
    const SpoolStats stats = rig.spool->Stats();
    EXPECT_EQ(stats.totals.produced, stats.totals.settled() + stats.samples);
    // 1 to 5 wait, or are acknowledged.
    EXPECT_GE(stats.samples + stats.totals.acknowledged, 50u);
    EXPECT_EQ(rig.spool->current_epoch(), 2u);
    rig.Append(1);
    EXPECT_EQ(rig.ReadAll(2), "D 1");
  }
}

TEST(SpoolCrashTest, WhatAPowerCutTookIsCountedWhenTheStateKnewOfIt) {
  SpoolRig rig;
  rig.Start();
  rig.Append(5);
  rig.Tick();
  const std::map<std::string, std::string> synced = rig.disk.Files();
  rig.Append(3);
  rig.spool->Acknowledge(1, 5);  // the state, written now, knows of eight batches
  const std::string state = rig.disk.Files()["spool/state"];
  for (const auto& [name, bytes] : synced) {
    rig.disk.Put(name, bytes);
  }
  rig.disk.Put("spool/state", state);
  rig.Start();
  EXPECT_EQ(rig.spool->Stats().totals.produced, 80u);
  EXPECT_EQ(rig.spool->Stats().totals.acknowledged, 50u);
  EXPECT_EQ(rig.spool->Stats().totals.dropped_damaged, 30u);
}

// ---- bytes ----------------------------------------------------------------------------------------------------------

class SmallSpool {
 public:
  SmallSpool() {
    rig.Start();
    rig.Append(4, kSamples, 40);
    rig.spool->AppendDictionary(SpoolRig::Dictionary(1));
    rig.Append(4, kSamples, 40);
    rig.spool->Drain();
    name = OnlySegment(rig.disk);
    bytes = rig.disk.Files()[name];
    state = rig.disk.Files()["spool/state"];
  }
  // Starts anew with these bytes and reads all. The samples that came out.
  std::uint64_t Read(const std::string& damaged) {
    rig.disk.Put(name, damaged);
    rig.disk.Put("spool/state", state);
    rig.Start();
    read.clear();
    SpoolCursor cursor = rig.spool->Begin(1);
    SpoolRecord record;
    std::uint64_t samples = 0;
    while (rig.spool->Next(&cursor, &record)) {
      if (record.is_batch) {
        EXPECT_EQ(record.frame, SpoolRig::Frame(1, record.seq, 40));
        EXPECT_TRUE(read.insert(record.seq).second);
        samples += record.samples;
      } else {
        EXPECT_EQ(record.frame, SpoolRig::Dictionary(1));
      }
    }
    const SpoolStats stats = rig.spool->Stats();
    EXPECT_EQ(stats.totals.produced, 80u);
    EXPECT_EQ(stats.samples, samples);
    EXPECT_EQ(stats.totals.dropped_damaged, 80u - samples);
    return samples;
  }

  SpoolRig rig;
  std::string name;
  std::string bytes;
  std::string state;
  std::set<std::uint64_t> read;
};

TEST(SpoolDamageTest, TruncatedAtEveryByteGivesEveryBatchBeforeTheCut) {
  SmallSpool spool;
  std::uint64_t last = 0;
  for (std::size_t size = 0; size <= spool.bytes.size(); ++size) {
    SCOPED_TRACE(size);
    const std::uint64_t samples = spool.Read(spool.bytes.substr(0, size));
    EXPECT_EQ(samples, kSamples * spool.read.size());
    EXPECT_EQ(spool.read.empty() ? 0 : *spool.read.rbegin(), spool.read.size()) << "a prefix";
    EXPECT_GE(samples, last);
    last = samples;
  }
  EXPECT_EQ(last, 80u);
}

TEST(SpoolDamageTest, EveryFlippedByteCostsOneRecordAtMostAndIsReported) {
  SmallSpool spool;
  for (std::size_t at = 0; at < spool.bytes.size(); ++at) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      SCOPED_TRACE(at);
      std::string damaged = spool.bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ mask);
      EXPECT_GE(spool.Read(damaged), 70u);
      EXPECT_GT(spool.rig.spool->Stats().totals.damaged_bytes, 0u);
    }
  }
}

TEST(SpoolDamageTest, DamageIsCountedOnceOverReadersAndRestarts) {
  SmallSpool spool;
  for (const std::size_t at : {std::size_t{3}, kSpoolHeaderBytes + 2, spool.bytes.size() / 2, spool.bytes.size() - 1}) {
    std::string damaged = spool.bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    spool.Read(damaged);
    const SpoolTotals first = spool.rig.spool->Stats().totals;
    spool.rig.ReadAll(1);
    spool.rig.Tick();
    spool.rig.Start();
    spool.rig.ReadAll(1);
    spool.rig.Start();
    const SpoolTotals last = spool.rig.spool->Stats().totals;
    EXPECT_EQ(last.damaged_bytes, first.damaged_bytes);
    EXPECT_EQ(last.dropped_damaged, first.dropped_damaged);
  }
}

TEST(SpoolDamageTest, EveryFlippedByteOfTheStateLeavesAllBatches) {
  SmallSpool spool;
  for (std::size_t at = 0; at < spool.state.size(); ++at) {
    SCOPED_TRACE(at);
    std::string damaged = spool.state;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    spool.rig.disk.Put(spool.name, spool.bytes);
    spool.rig.disk.Put("spool/state", damaged);
    spool.rig.Start();
    EXPECT_EQ(spool.rig.ReadAll(1), "D 1 2 3 4 D 5 6 7 8");
    const SpoolStats stats = spool.rig.spool->Stats();
    EXPECT_EQ(stats.totals.produced, stats.totals.settled() + stats.samples);
    EXPECT_EQ(stats.totals.dropped_damaged, 0u);
  }
}

TEST(SpoolDamageTest, DamageWhileRunningIsFoundByTheReader) {
  SpoolRig rig;
  rig.Start();
  rig.Append(4);
  const std::string name = OnlySegment(rig.disk);
  rig.NewEpoch();
  std::string bytes = rig.disk.Files()[name];
  const std::size_t second = bytes.find("PPM1", bytes.find("batch 1/1"));
  bytes[second + 20] ^= 1;
  rig.disk.Put(name, bytes);
  testing::internal::CaptureStderr();
  EXPECT_EQ(rig.ReadAll(1), "D 1 3 4");
  rig.Tick(absl::Seconds(1));
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("-0000000000000001.seg is damaged; lost: 10 samples, 74 bytes"));
  EXPECT_EQ(rig.spool->Stats().totals.dropped_damaged, kSamples);
  rig.spool->Acknowledge(1, 4);
  EXPECT_EQ(rig.spool->Stats().totals.acknowledged, 3 * kSamples);
}

TEST(SpoolDamageTest, ADeletedSegmentIsCountedAsLost) {
  SpoolRig rig;
  rig.Start();
  rig.Append(4);
  rig.NewEpoch();
  rig.disk.Remove(OnlySegment(rig.disk)).IgnoreError();
  EXPECT_EQ(rig.ReadAll(1), "");
  EXPECT_EQ(rig.spool->Stats().totals.dropped_damaged, 4 * kSamples);
}

// Somebody deletes what is being written, the collector is away, and the agent is killed.
TEST(SpoolDeletedTest, AllSegmentsUnderTheRunningAgentAreNoticedCountedAndBegunAnew) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.Append(20, kSamples, 100);
  rig.Tick(absl::Seconds(1));
  ASSERT_GT(rig.spool->Stats().segments, 2u);
  const std::uint64_t bytes = rig.spool->Stats().bytes;
  for (const auto& [name, contents] : rig.disk.Files()) {
    if (name.find(".seg") != std::string::npos) {
      ASSERT_TRUE(rig.disk.Remove(name).ok());
    }
  }
  rig.Append(1, kSamples);  // into the file without a name
  testing::internal::CaptureStderr();
  rig.Tick(absl::Seconds(1));
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr(" was deleted, moved or replaced while the agent runs; so with "));
  EXPECT_THAT(log, HasSubstr("; lost: 210 samples, "));
  SpoolStats stats = rig.spool->Stats();
  EXPECT_EQ(stats.totals.dropped_damaged, 21 * kSamples);
  EXPECT_GE(stats.totals.damaged_bytes, bytes);
  EXPECT_EQ(stats.bytes, 0u);
  EXPECT_EQ(stats.disk_error, "");
  rig.Append(2, kSamples);
  EXPECT_NE(OnlySegment(rig.disk), "");
  EXPECT_EQ(rig.ReadAll(1), "D 22 23");
  rig.disk.Restart();
  rig.Start();
  stats = rig.spool->Stats();
  EXPECT_EQ(stats.totals.produced, rig.produced);
  EXPECT_EQ(stats.totals.produced, stats.totals.settled() + stats.samples);
  EXPECT_EQ(stats.totals.dropped_damaged, 21 * kSamples);
}

TEST(SpoolDeletedTest, TheWholeFolderIsMadeAnewWithItsCounters) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.Append(9, kSamples, 100);
  rig.spool->Acknowledge(1, 4);
  rig.disk.DeleteFolder("spool");
  testing::internal::CaptureStderr();
  rig.Tick(absl::Seconds(1));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("spool/state was deleted or replaced"));
  rig.Append(2, kSamples);
  EXPECT_EQ(rig.spool->Stats().disk_error, "");
  EXPECT_EQ(rig.spool->Stats().memory_bytes, 0u);
  rig.Start();
  const SpoolStats stats = rig.spool->Stats();
  EXPECT_EQ(stats.totals.produced, rig.produced);
  EXPECT_EQ(stats.totals.acknowledged, 4 * kSamples);
  EXPECT_EQ(stats.totals.dropped_damaged, 5 * kSamples);
  EXPECT_EQ(stats.samples, 2 * kSamples);
}

TEST(SpoolDeletedTest, WithoutItsFolderASegmentThatIsFullCostsNothingMore) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.Append(1, kSamples, 100);
  rig.disk.DeleteFolder("spool");
  rig.Append(6, kSamples, 100);  // beyond the segment, before anybody looked
  EXPECT_NE(rig.spool->Stats().disk_error, "");
  rig.Tick();
  rig.Append(1, kSamples);
  EXPECT_EQ(rig.spool->Stats().disk_error, "");
  rig.Start();
  const SpoolStats stats = rig.spool->Stats();
  EXPECT_EQ(stats.totals.produced, rig.produced);
  EXPECT_EQ(stats.totals.produced, stats.totals.settled() + stats.samples);
  EXPECT_GT(stats.samples, 0u);
}

TEST(SpoolDeletedTest, WhatWasDeletedBetweenTwoRunsIsMissedAtTheNextStart) {
  SpoolRig rig;
  rig.Start();
  rig.Append(7);
  rig.Tick();  // nobody acknowledges
  ASSERT_TRUE(rig.disk.Remove(OnlySegment(rig.disk)).ok());
  testing::internal::CaptureStderr();
  rig.Start();
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("70 samples of earlier runs are missing"));
  EXPECT_EQ(rig.spool->Stats().totals.produced, 70u);
  EXPECT_EQ(rig.spool->Stats().totals.dropped_damaged, 70u);
}

TEST(SpoolDeletedTest, AFileInThePlaceOfTheOneWrittenToIsNotTakenForIt) {
  SpoolRig rig;
  rig.Start();
  rig.Append(3);
  const std::string name = OnlySegment(rig.disk);
  rig.disk.Put(name, rig.disk.Files()[name]);
  rig.Tick(absl::Seconds(1));
  EXPECT_EQ(rig.spool->Stats().totals.dropped_damaged, 3 * kSamples);
  rig.Append(1);
  EXPECT_NE(OnlySegment(rig.disk), name);
}

TEST(SpoolDeletedTest, OfAFileThatWasCutShortTheRestIsSent) {
  SpoolRig rig;
  rig.Start();
  rig.Append(5);
  const std::string name = OnlySegment(rig.disk);
  SpoolCursor cursor = rig.spool->Begin(1);
  EXPECT_EQ(rig.ReadOn(&cursor), "D 1 2 3 4 5");
  rig.disk.CutShort(name, rig.disk.Files()[name].size() - 3);
  testing::internal::CaptureStderr();
  rig.Tick(absl::Seconds(1));
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("was cut short while the agent runs; lost: 10 samples"));
  EXPECT_EQ(rig.spool->Stats().totals.dropped_damaged, kSamples);
  rig.Append(2);
  EXPECT_EQ(rig.ReadOn(&cursor), "D 6 7");
  EXPECT_EQ(rig.ReadAll(1), "D 1 2 3 4 D 6 7");
  rig.Start();
  const SpoolStats stats = rig.spool->Stats();
  EXPECT_EQ(stats.totals.produced, rig.produced);
  EXPECT_EQ(stats.totals.produced, stats.totals.settled() + stats.samples);
}

TEST(SpoolDeletedTest, ItsLossesAreToldOnceAMinute) {
  SpoolRig rig;
  rig.Start();
  int lines = 0;
  for (int i = 0; i < 30; ++i) {
    rig.Append(1);
    ASSERT_TRUE(rig.disk.Remove(OnlySegment(rig.disk)).ok());
    testing::internal::CaptureStderr();
    rig.Tick(absl::Seconds(3));  // and the second of the batch
    lines += testing::internal::GetCapturedStderr().find("was deleted") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(lines, 2);
  EXPECT_EQ(rig.spool->Stats().totals.dropped_damaged, 30 * kSamples);
}

TEST(SpoolDamageTest, RecordsOfAnotherEpochInsideAPayloadAreNotTakenForOnes) {
  SpoolRig rig;
  rig.Start();
  const std::string forged = EncodeSpoolRecord({.samples = 999, .epoch = 7, .seq = 9}, "forged");
  rig.spool->AppendBatch(1, kSamples, rig.now, forged);
  rig.spool->Drain();
  const std::string name = OnlySegment(rig.disk);
  std::string bytes = rig.disk.Files()[name];
  bytes[bytes.find("PPM1", 4)] ^= 1;  // the header of the batch
  rig.disk.Put(name, bytes);
  rig.Start();
  EXPECT_EQ(rig.spool->Epochs().front().epoch, 2u);
  EXPECT_EQ(rig.spool->Stats().totals.dropped_damaged, kSamples);
}

TEST(SpoolDamageTest, ForeignFilesAreLeftAlone) {
  SpoolRig rig;
  rig.disk.Put("spool/notes.txt", "hello");
  rig.disk.Put("spool/0000000000000001-00000000000000zz.seg", "no");
  rig.Start();
  rig.Append(1);
  EXPECT_EQ(rig.ReadAll(1), "D 1");
  EXPECT_EQ(rig.disk.Files()["spool/notes.txt"], "hello");
}

// ---- all at once ----------------------------------------------------------------------------------------------------

class SpoolPropertyTest : public testing::TestWithParam<bool> {};

TEST_P(SpoolPropertyTest, ProducedIsAlwaysAccountedForWhateverHappens) {
  const bool deletes = GetParam();  // somebody else, what he likes
  std::mt19937_64 random(20240601);
  for (int run = 0; run < 60; ++run) {
    SCOPED_TRACE(run);
    SpoolRig rig(SmallSegments(/*max_bytes=*/4000));
    rig.Start();
    for (int i = 0; i < 300; ++i) {
      const std::vector<SpoolEpoch> epochs = rig.spool->Epochs();
      const SpoolEpoch& epoch = epochs[random() % epochs.size()];
      switch (random() % 12) {
        case 0:
          rig.disk.FailWrites(random() % 2 == 0 ? ENOSPC : 0);
          break;
        case 1:
          rig.Tick();
          break;
        case 2:
          rig.NewEpoch();
          break;
        case 3:
          rig.spool->Refused(epoch.epoch, epoch.acknowledged + 1 + random() % 4);
          break;
        case 4:
        case 5:
          rig.spool->Acknowledge(epoch.epoch, epoch.acknowledged + random() % 5);
          break;
        case 6:
          rig.ReadAll(epoch.epoch);
          break;
        case 7:
          if (random() % 8 == 0) {
            rig.disk.FailWrites(0);
            rig.Tick();
            rig.Start();
          }
          break;
        case 8:
          if (deletes && random() % 4 == 0) {
            rig.disk.DeleteFolder("spool");
          } else if (const std::string name = OnlySegment(rig.disk); deletes && !name.empty()) {
            rig.disk.FailWrites(0);
            ASSERT_TRUE(rig.disk.Remove(name).ok());
          }
          break;
        default:
          rig.Append(1 + static_cast<int>(random() % 3), kSamples + static_cast<std::uint32_t>(random() % 5),
                     random() % 150);
      }
      const SpoolStats stats = rig.spool->Stats();
      ASSERT_EQ(stats.totals.produced, rig.produced);
      ASSERT_EQ(stats.totals.produced, stats.totals.settled() + stats.samples);
      if (!deletes) {
        ASSERT_EQ(stats.totals.dropped_damaged, 0u);
      }
      ASSERT_LE(stats.bytes, 4700u);
      ASSERT_LE(stats.memory_bytes, 2000u);
    }
    rig.disk.FailWrites(0);
    rig.Tick();
    std::uint64_t readable = 0;
    for (const SpoolEpoch& epoch : rig.spool->Epochs()) {
      SpoolCursor cursor = rig.spool->Begin(epoch.epoch);
      SpoolRecord record;
      while (rig.spool->Next(&cursor, &record)) {
        readable += record.samples;
      }
    }
    EXPECT_EQ(readable, rig.spool->Stats().samples);
  }
}
INSTANTIATE_TEST_SUITE_P(, SpoolPropertyTest, testing::Bool());

}  // namespace
}  // namespace ppmm
