// Append, read, acknowledge, bounds, restarts. Damage and dying disks: spool_damage_test.cc.
#include "agent/spool.h"

#include <cerrno>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/spool_rig.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// produced = settled + waiting, and produced is what the test appended.
void ExpectBalanced(const SpoolRig& rig) {
  const SpoolStats stats = rig.spool->Stats();
  EXPECT_EQ(stats.totals.produced, rig.produced);
  EXPECT_EQ(stats.totals.produced, stats.totals.settled() + stats.samples);
}

SpoolOptions SmallSegments(std::uint64_t max_bytes = 1 << 20) {
  return {.max_bytes = max_bytes, .segment_bytes = 1000, .memory_bytes = 2000};
}

TEST(SpoolTest, GivesTheDictionaryThenTheBatches) {
  SpoolRig rig;
  rig.Start();
  rig.Append(3);
  EXPECT_EQ(rig.ReadAll(1), "D 1 2 3");
  ExpectBalanced(rig);
}

TEST(SpoolTest, AReaderGoesOnWhereItStood) {
  SpoolRig rig;
  rig.Start();
  rig.Append(2);
  SpoolCursor cursor = rig.spool->Begin(1);
  EXPECT_EQ(rig.ReadOn(&cursor), "D 1 2");
  rig.Append(1);
  rig.spool->AppendDictionary(SpoolRig::Dictionary(1));
  rig.Append(1);
  EXPECT_EQ(rig.ReadOn(&cursor), "3 D 4");
}

TEST(SpoolTest, AnEpochWithoutBatchesLeavesNoFile) {
  SpoolRig rig;
  rig.Start();
  rig.spool->AppendDictionary("not needed: the first segment begins with the complete one");
  rig.NewEpoch();
  EXPECT_EQ(rig.disk.Files().size(), 1u);  // state
  EXPECT_EQ(rig.spool->Epochs().size(), 1u);
}

TEST(SpoolTest, EachSegmentBeginsWithTheDictionary) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.Append(6, 10, 300);
  EXPECT_EQ(rig.ReadAll(1), "D 1 2 D 3 4 D 5 6");
  EXPECT_EQ(rig.spool->Stats().segments, 3u);
}

TEST(SpoolTest, WhatIsAcknowledgedIsNotGivenAgain) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.Append(6, 10, 300);
  rig.spool->Acknowledge(1, 3);
  EXPECT_EQ(rig.ReadAll(1), "D 4 D 5 6");
  EXPECT_EQ(rig.spool->Stats().totals.acknowledged, 30u);
  EXPECT_EQ(rig.spool->Stats().segments, 2u) << "a finished segment is deleted";
  rig.spool->Acknowledge(1, 2);  // late
  EXPECT_EQ(rig.spool->Stats().totals.acknowledged, 30u);
  rig.spool->Acknowledge(1, 6);
  EXPECT_EQ(rig.ReadAll(1), "");
  ExpectBalanced(rig);
}

TEST(SpoolTest, AnAcknowledgementBeyondWhatWasAppendedDoesNotSwallowLaterBatches) {
  SpoolRig rig;
  rig.Start();
  rig.Append(2);
  rig.spool->Acknowledge(1, 1000);
  rig.spool->Acknowledge(77, 5);  // an epoch that is not here
  rig.Append(1);
  EXPECT_EQ(rig.ReadAll(1), "D 3");
  ExpectBalanced(rig);
}

TEST(SpoolTest, ARefusedBatchIsCountedOnceAndNotKept) {
  SpoolRig rig;
  rig.Start();
  rig.Append(3);
  EXPECT_TRUE(rig.spool->Refused(1, 2));
  EXPECT_FALSE(rig.spool->Refused(1, 2));
  EXPECT_FALSE(rig.spool->Refused(1, 9));
  EXPECT_FALSE(rig.spool->Refused(8, 1));
  EXPECT_EQ(rig.ReadAll(1), "D 1 3");
  rig.spool->Acknowledge(1, 3);
  EXPECT_EQ(rig.spool->Stats().totals.refused, 10u);
  EXPECT_EQ(rig.spool->Stats().totals.acknowledged, 20u);
  EXPECT_EQ(rig.spool->Stats().ignored_refusals, 3u);
  ExpectBalanced(rig);
}

TEST(SpoolTest, ASegmentOfRefusedBatchesIsDeleted) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.Append(4, 10, 300);
  rig.spool->Refused(1, 1);
  rig.spool->Refused(1, 2);
  EXPECT_EQ(rig.spool->Stats().segments, 1u);
  EXPECT_EQ(rig.ReadAll(1), "D 3 4");
}

TEST(SpoolTest, AnAbandonedEpochIsDroppedAndCounted) {
  SpoolRig rig;
  rig.Start();
  rig.Append(3);
  rig.spool->Refused(1, 1);
  rig.NewEpoch();
  rig.Append(1);
  rig.spool->Abandon(1);
  EXPECT_EQ(rig.spool->Stats().totals.dropped_set_back, 20u);
  EXPECT_EQ(rig.ReadAll(1), "");
  EXPECT_EQ(rig.ReadAll(2), "D 1");
  ExpectBalanced(rig);
}

TEST(SpoolTest, EpochsAreListedOldestFirstAndTheCurrentOneLast) {
  SpoolRig rig;
  rig.Start();
  rig.Append(3);
  rig.spool->Acknowledge(1, 1);
  rig.NewEpoch();
  rig.Append(2);
  rig.NewEpoch();
  const std::vector<SpoolEpoch> epochs = rig.spool->Epochs();
  ASSERT_EQ(epochs.size(), 3u);
  EXPECT_EQ(epochs[0].epoch, 1u);
  EXPECT_EQ(epochs[0].acknowledged, 1u);
  EXPECT_EQ(epochs[0].last_seq, 3u);
  EXPECT_EQ(epochs[0].batches, 2u);
  EXPECT_EQ(epochs[0].samples, 20u);
  EXPECT_EQ(epochs[1].epoch, 2u);
  EXPECT_EQ(epochs[2].epoch, 3u);
  EXPECT_EQ(epochs[2].batches, 0u);
}

TEST(SpoolTest, ARestartFindsWhatWasNotAcknowledgedAndAllCounters) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.Append(7, 10, 300);
  rig.spool->Acknowledge(1, 3);
  rig.spool->Refused(1, 5);
  const absl::Time last = rig.now;
  rig.Start();
  EXPECT_EQ(rig.ReadAll(1), "D 4 D 6 D 7");
  EXPECT_EQ(rig.spool->Epochs()[0].acknowledged, 3u);
  const SpoolStats stats = rig.spool->Stats();
  EXPECT_EQ(stats.totals.acknowledged, 30u);
  EXPECT_EQ(stats.totals.refused, 10u);
  EXPECT_EQ(stats.totals.dropped_damaged, 0u);
  EXPECT_EQ(stats.last_life, last);
  ExpectBalanced(rig);
  rig.Append(1);
  EXPECT_EQ(rig.ReadAll(2), "D 1");
  rig.spool->Acknowledge(1, 7);
  rig.spool->Acknowledge(2, 1);
  rig.Start();
  ExpectBalanced(rig);
  EXPECT_EQ(rig.spool->Stats().samples, 0u);
  EXPECT_EQ(rig.spool->Stats().last_life, rig.now) << "known though all is acknowledged";
}

TEST(SpoolTest, AFullSpoolDropsTheOldestSegmentAndCountsWhatWasNotAcknowledged) {
  SpoolRig rig(SmallSegments(/*max_bytes=*/3000));
  rig.Start();
  rig.Append(6, 10, 300);
  rig.spool->Acknowledge(1, 1);
  rig.Append(4, 10, 300);
  EXPECT_EQ(rig.ReadAll(1), "D 5 6 D 7 8 D 9 10");
  EXPECT_EQ(rig.spool->Stats().totals.dropped_full, 30u);
  EXPECT_LE(rig.spool->Stats().bytes, 3000u);
  ExpectBalanced(rig);
  rig.Start();
  EXPECT_EQ(rig.spool->Stats().totals.dropped_full, 30u);
  ExpectBalanced(rig);
}

TEST(SpoolTest, AReaderSurvivesTheDroppingOfItsSegment) {
  SpoolRig rig(SmallSegments(/*max_bytes=*/3000));
  rig.Start();
  rig.Append(6, 10, 300);
  SpoolCursor cursor = rig.spool->Begin(1);
  SpoolRecord record;
  ASSERT_TRUE(rig.spool->Next(&cursor, &record));
  ASSERT_TRUE(rig.spool->Next(&cursor, &record));
  rig.Append(4, 10, 300);
  EXPECT_EQ(rig.ReadOn(&cursor), "D 5 6 D 7 8 D 9 10");
}

TEST(SpoolTest, OneRecordLargerThanASegmentIsTaken) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.Append(1);
  rig.Append(2, 10, 5000);
  EXPECT_EQ(rig.ReadAll(1), "D 1 D 2 D 3");
}

TEST(SpoolTest, SyncsEachTenSecondsAndAtOnceWhenASegmentCloses) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.Append(1, 10, 300);
  rig.Tick();
  std::uint64_t syncs = rig.disk.syncs();
  rig.Append(1, 10, 300);
  rig.Tick(absl::Seconds(1));
  EXPECT_EQ(rig.disk.syncs(), syncs);
  rig.Append(1, 10, 300);  // closes a segment
  rig.Tick(absl::Seconds(1));
  EXPECT_GT(rig.disk.syncs(), syncs);
  syncs = rig.disk.syncs();
  rig.Tick(absl::Seconds(10));
  EXPECT_GT(rig.disk.syncs(), syncs);
}

TEST(SpoolTest, TellsItsListenerOfEachBatch) {
  SpoolRig rig;
  int calls = 0;
  rig.Start();
  rig.spool->SetListener([&] {
    ++calls;
    rig.spool->Stats();  // the lock is free
  });
  rig.Append(3);
  EXPECT_EQ(calls, 3);
}

// ---- a disk that refuses writes -------------------------------------------------------------------------------------

class SpoolDiskErrorTest : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Errors, SpoolDiskErrorTest, ::testing::Values(ENOSPC, EROFS, EIO));

TEST_P(SpoolDiskErrorTest, GoesOnInMemoryAndRecoversByItself) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.Append(1);
  rig.disk.FailWrites(GetParam());
  rig.Append(3);
  EXPECT_EQ(rig.ReadAll(1), "D 1 D 2 3 4");
  EXPECT_THAT(rig.spool->Stats().disk_error, Not(IsEmpty()));
  EXPECT_GT(rig.spool->Stats().memory_bytes, 0u);
  ExpectBalanced(rig);
  rig.Tick();
  EXPECT_THAT(rig.spool->Stats().disk_error, Not(IsEmpty()));

  rig.disk.FailWrites(0);
  rig.Tick();
  EXPECT_THAT(rig.spool->Stats().disk_error, IsEmpty());
  EXPECT_EQ(rig.spool->Stats().memory_bytes, 0u);
  rig.Append(1);
  rig.Start();
  EXPECT_EQ(rig.ReadAll(1), "D 1 D 2 3 4 5");
  EXPECT_EQ(rig.spool->Stats().totals.settled(), 0u);
  ExpectBalanced(rig);
}

TEST_P(SpoolDiskErrorTest, ADiskThatRefusesWritesFromTheStartOnIsUsedOnceItTakesThem) {
  SpoolRig rig(SmallSegments());
  rig.disk.FailWrites(GetParam());
  rig.Start();
  rig.Append(2);
  EXPECT_THAT(rig.spool->Stats().disk_error, HasSubstr("spool"));
  rig.disk.FailWrites(0);
  rig.Tick();
  EXPECT_THAT(rig.spool->Stats().disk_error, IsEmpty());
  rig.Append(1);
  rig.Start();
  EXPECT_EQ(rig.ReadAll(1), "D 1 2 3");
  ExpectBalanced(rig);
}

TEST_P(SpoolDiskErrorTest, KeepsTheNewestBatchesInBoundedMemoryAndCountsTheOthers) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.disk.FailWrites(GetParam());
  rig.Append(100, 10, 100);
  const SpoolStats stats = rig.spool->Stats();
  EXPECT_LE(stats.memory_bytes, 2000u);
  EXPECT_EQ(stats.totals.dropped_write, 1000u - stats.samples);
  EXPECT_GT(stats.samples, 30u);
  EXPECT_THAT(rig.ReadAll(1), ::testing::AllOf(::testing::StartsWith("D "), ::testing::EndsWith(" 99 100")));
  ExpectBalanced(rig);

  rig.disk.FailWrites(0);
  rig.Tick();
  rig.Start();
  EXPECT_EQ(rig.spool->Stats().totals.dropped_write, 1000u - stats.samples);
  EXPECT_EQ(rig.spool->Stats().totals.dropped_damaged, 0u);
  ExpectBalanced(rig);
}

TEST_P(SpoolDiskErrorTest, MemoryIsBoundedOverEpochsToo) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.disk.FailWrites(GetParam());
  for (int i = 0; i < 20; ++i) {
    rig.Append(5, 10, 100);
    rig.NewEpoch();
  }
  EXPECT_LE(rig.spool->Stats().memory_bytes, 2000u);
  ExpectBalanced(rig);
}

TEST_P(SpoolDiskErrorTest, WhatIsAcknowledgedFromMemoryIsDone) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.disk.FailWrites(GetParam());
  rig.Append(3);
  rig.spool->Acknowledge(1, 2);
  EXPECT_EQ(rig.ReadAll(1), "D 3");
  rig.spool->Acknowledge(1, 3);
  rig.disk.FailWrites(0);
  rig.Tick();
  EXPECT_EQ(rig.spool->Stats().memory_bytes, 0u);
  rig.Append(1);
  EXPECT_EQ(rig.ReadAll(1), "D 4");
  rig.Start();
  EXPECT_EQ(rig.spool->Stats().totals.acknowledged, 30u);
  ExpectBalanced(rig);
}

TEST_P(SpoolDiskErrorTest, WhatIsStillInMemoryAtTheEndIsCountedAsDropped) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.disk.FailWrites(GetParam());
  rig.Append(3);
  rig.spool->Drain();
  EXPECT_EQ(rig.spool->Stats().totals.dropped_write, 30u);
  ExpectBalanced(rig);
}

TEST_P(SpoolDiskErrorTest, StartsWithoutADisk) {
  SpoolRig rig(SmallSegments());
  rig.disk.FailWrites(GetParam());
  rig.disk.FailReads(GetParam());
  rig.Start();
  rig.Append(2);
  EXPECT_EQ(rig.ReadAll(1), "D 1 2");
  rig.disk.FailWrites(0);
  rig.disk.FailReads(0);
  rig.Tick();
  EXPECT_EQ(rig.ReadAll(1), "D 1 2");
  rig.Start();
  EXPECT_EQ(rig.ReadAll(1), "D 1 2");
}

TEST(SpoolDiskTest, AShortWriteLeavesNoHalfRecordBehind) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.Append(2);
  rig.disk.SetFreeBytes(40);
  rig.Append(2);
  EXPECT_EQ(rig.ReadAll(1), "D 1 2 D 3 4");
  rig.disk.SetFreeBytes(FaultyDirectory::kNever);
  rig.Tick();
  rig.Start();
  EXPECT_EQ(rig.ReadAll(1), "D 1 2 D 3 4");
  EXPECT_EQ(rig.spool->Stats().totals.damaged_bytes, 0u);
  ExpectBalanced(rig);
}

TEST(SpoolDiskTest, AcknowledgedSegmentsAreDeletedOnAFullDisk) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.Append(6, 10, 300);
  rig.disk.SetFreeBytes(0);
  rig.spool->Acknowledge(1, 4);
  EXPECT_EQ(rig.spool->Stats().segments, 1u);
}

TEST(SpoolDiskTest, ASegmentThatCannotBeDeletedIsDeletedLater) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.Append(6, 10, 300);
  rig.disk.FailWrites(EROFS);
  rig.spool->Acknowledge(1, 4);
  EXPECT_EQ(rig.spool->Stats().segments, 3u);
  rig.disk.FailWrites(0);
  rig.Tick();
  EXPECT_EQ(rig.spool->Stats().segments, 1u);
  ExpectBalanced(rig);
}

TEST(SpoolDiskTest, AFailedSyncClosesTheSegment) {
  SpoolRig rig;
  rig.Start();
  rig.Append(1);
  rig.disk.FailSyncs(EIO);
  rig.Tick();
  EXPECT_THAT(rig.spool->Stats().disk_error, HasSubstr("fdatasync"));
  rig.disk.FailSyncs(0);
  rig.Append(1);
  EXPECT_EQ(rig.ReadAll(1), "D 1 D 2");
  EXPECT_THAT(rig.spool->Stats().disk_error, IsEmpty());
}

TEST(SpoolDeletedTest, ADataDirectoryThatIsDeletedIsNamedAndNoFullDisk) {
  SpoolRig rig(SmallSegments());
  rig.Start();
  rig.Append(1);
  rig.disk.DeleteFolder("spool");
  rig.disk.FailWrites(ENOENT);
  rig.Append(1);
  rig.Tick();
  EXPECT_THAT(rig.spool->Stats().disk_error, ::testing::StartsWith(std::string(kDataDeleted)));
  rig.Append(3);
  rig.Tick();
  EXPECT_THAT(rig.spool->Stats().disk_error, ::testing::StartsWith(std::string(kDataDeleted))) << "what follows";
  ExpectBalanced(rig);
}

// ---- a cloned disk --------------------------------------------------------------------------------------------------

TEST(SpoolInheritedTest, IsSetAsideAndDeletedUnsentAfterThreeDays) {
  SpoolRig rig;
  rig.Start();
  rig.Append(3);
  ASSERT_TRUE(SetSpoolAside(&rig.disk, rig.now).ok());
  ASSERT_TRUE(SetSpoolAside(&rig.disk, rig.now).ok()) << "again, after a crash: nothing is there";
  rig.produced = 0;
  rig.Start();
  EXPECT_EQ(rig.spool->Epochs().size(), 1u);
  const std::uint64_t bytes = rig.spool->Stats().inherited_bytes;
  EXPECT_GT(bytes, 0u);
  rig.Tick(absl::Hours(71));
  EXPECT_EQ(rig.spool->Stats().inherited_bytes, bytes);
  rig.Tick(absl::Hours(2));
  EXPECT_EQ(rig.spool->Stats().inherited_bytes, 0u);
  EXPECT_EQ(rig.spool->Stats().totals.inherited_bytes, bytes);
  EXPECT_EQ(rig.disk.Files().size(), 1u);
  ExpectBalanced(rig);
}

TEST(SpoolInheritedTest, AClockThatWasAheadDoesNotKeepItForEver) {
  SpoolRig rig;
  rig.Start();
  rig.Append(1);
  ASSERT_TRUE(SetSpoolAside(&rig.disk, rig.now + absl::Hours(24 * 365)).ok());
  rig.Start();
  rig.Tick(absl::Hours(73));
  EXPECT_EQ(rig.spool->Stats().inherited_bytes, 0u);
}

}  // namespace
}  // namespace ppmm
