#include "agent/spool_format.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/faulty_file.h"

namespace ppmm {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(SpoolFormatTest, AHeaderComesBackAsItWasWritten) {
  const std::string record = EncodeSpoolRecord({.type = SpoolRecordType::kBatch,
                                                .samples = 2000,
                                                .epoch = 0x9f3c000000000001,
                                                .seq = 5,
                                                .t0 = -7,
                                                .produced = 1ULL << 60U},
                                               "payload");
  EXPECT_EQ(record.size(), kSpoolHeaderBytes + 7);
  const std::optional<SpoolHeader> header = ParseSpoolHeader(record);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->type, SpoolRecordType::kBatch);
  EXPECT_EQ(header->length, 7u);
  EXPECT_EQ(header->samples, 2000u);
  EXPECT_EQ(header->epoch, 0x9f3c000000000001u);
  EXPECT_EQ(header->seq, 5u);
  EXPECT_EQ(header->t0, -7);
  EXPECT_EQ(header->produced, 1ULL << 60U);
}

TEST(SpoolFormatTest, AHeaderWithAnyBitFlippedIsNone) {
  const std::string record = EncodeSpoolRecord({.samples = 1, .epoch = 2, .seq = 3}, "");
  for (std::size_t bit = 0; bit < 8 * kSpoolHeaderBytes; ++bit) {
    std::string damaged = record;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(ParseSpoolHeader(damaged).has_value()) << bit;
  }
  EXPECT_FALSE(ParseSpoolHeader(record.substr(0, kSpoolHeaderBytes - 1)).has_value());
}

TEST(SpoolFormatTest, ARecordTypeOfALaterVersionIsNone) {
  const auto later = static_cast<SpoolRecordType>(4);
  EXPECT_FALSE(ParseSpoolHeader(EncodeSpoolRecord({.type = later}, "")).has_value());
}

TEST(SpoolFormatTest, SegmentNamesAreReadBack) {
  EXPECT_EQ(SegmentName(7, 0x9f3c000000000001), "0000000000000007-9f3c000000000001.seg");
  const std::optional<SegmentId> id = ParseSegmentName("0000000000000007-9f3c000000000001.seg");
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(id->number, 7u);
  EXPECT_EQ(id->epoch, 0x9f3c000000000001u);
}

TEST(SpoolFormatTest, OtherNamesAreNoSegments) {
  for (const char* name : {"", "state", "0000000000000007-9f3c000000000001", "0000000000000007-9f3c000000000001.new",
                           "000000000000000g-9f3c000000000001.seg", "0000000000000007-9F3C000000000001.seg",
                           "0000000000000007_9f3c000000000001.seg", "0000000000000007-9f3c000000000001.seg.seg"}) {
    EXPECT_FALSE(ParseSegmentName(name).has_value()) << name;
  }
}

TEST(SpoolFormatTest, RangesJoinWhatTouches) {
  SeqRanges ranges;
  EXPECT_TRUE(ranges.Add(5, 5));
  EXPECT_TRUE(ranges.Add(7, 7));
  EXPECT_TRUE(ranges.Add(6, 6));
  EXPECT_FALSE(ranges.Add(6, 6));
  EXPECT_FALSE(ranges.Add(9, 8));
  EXPECT_TRUE(ranges.Add(10, 12));
  EXPECT_THAT(ranges.ranges(), ElementsAre(Pair(5, 7), Pair(10, 12)));
  EXPECT_TRUE(ranges.Add(6, 20));
  EXPECT_THAT(ranges.ranges(), ElementsAre(Pair(5, 20)));
  EXPECT_TRUE(ranges.Contains(20));
  EXPECT_FALSE(ranges.Contains(21));
  EXPECT_FALSE(ranges.Contains(4));
  ranges.EraseUpTo(9);
  EXPECT_THAT(ranges.ranges(), ElementsAre(Pair(10, 20)));
  ranges.EraseUpTo(20);
  EXPECT_THAT(ranges.ranges(), IsEmpty());
}

TEST(SpoolFormatTest, TheLastGoodStateCounts) {
  SpoolStateRecord state;
  state.totals.produced = 1;
  std::string bytes = EncodeSpoolState(state);
  state.totals.produced = 2;
  state.totals.inherited_bytes = 3;
  state.first_segment = 4;
  state.newest_t0 = 5;
  state.epochs[6].acknowledged = 7;
  state.epochs[6].gone.Add(9, 11);
  state.damage[8] = {.unframed_bytes = 12, .read_to = 13};
  bytes += EncodeSpoolState(state);
  FaultyDirectory disk;
  disk.Put("s", absl::StrCat(bytes, EncodeSpoolState(state).substr(0, 90)));  // a torn one
  const auto file = disk.Open("s", SpoolDirectory::Mode::kRead);
  const std::optional<SpoolStateRecord> read = ReadSpoolState(**file);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(EncodeSpoolState(*read), EncodeSpoolState(state));
  EXPECT_EQ(read->epochs.at(6).acknowledged, 7u);
}

TEST(SpoolFormatTest, AFileWithoutAGoodStateIsNone) {
  FaultyDirectory disk;
  disk.Put("empty", "");
  disk.Put("short", EncodeSpoolRecord({.type = SpoolRecordType::kState}, "too short"));
  disk.Put("batch", EncodeSpoolRecord({.type = SpoolRecordType::kBatch}, "not a state"));
  for (const char* name : {"empty", "short", "batch"}) {
    EXPECT_FALSE(ReadSpoolState(**disk.Open(name, SpoolDirectory::Mode::kRead)).has_value()) << name;
  }
}

TEST(SpoolScannerTest, FindsRecordsBehindAMarkerAcrossTwoReads) {
  const std::string record = EncodeSpoolRecord({.epoch = 1, .seq = 1}, "x");
  for (const std::size_t gap :
       {std::size_t{1}, std::size_t{65533}, std::size_t{65535}, std::size_t{65537}, std::size_t{131070}}) {
    FaultyDirectory disk;
    disk.Put("f", absl::StrCat(std::string(gap, '\0'), record));
    const auto file = disk.Open("f", SpoolDirectory::Mode::kRead);
    SpoolScanner scanner(**file, gap + record.size(), 1);
    const auto found = scanner.Next();
    ASSERT_TRUE(found.has_value()) << gap;
    EXPECT_EQ(found->offset, gap);
    EXPECT_EQ(scanner.unframed_bytes(), gap);
    EXPECT_FALSE(scanner.Next().has_value());
  }
}

TEST(SpoolScannerTest, WhatCannotBeReadIsUnframed) {
  FaultyDirectory disk;
  disk.Put("f", EncodeSpoolRecord({.epoch = 1, .seq = 1}, "x"));
  const auto file = disk.Open("f", SpoolDirectory::Mode::kRead);
  disk.FailReads(EIO);
  SpoolScanner scanner(**file, 65, 1);
  EXPECT_FALSE(scanner.Next().has_value());
  EXPECT_EQ(scanner.unframed_bytes(), 65u);
}

}  // namespace
}  // namespace ppmm
