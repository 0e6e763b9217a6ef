#include "agent/short_run.h"

#include <cerrno>

#include "gtest/gtest.h"

#include "tests/testing/faulty_file.h"

namespace ppmm {
namespace {

TEST(ShortRunTest, TheFirstRunNeedNotWait) {
  FaultyDirectory disk;
  EXPECT_EQ(ShortRun(&disk, absl::Hours(1)).first_batch_delay(), absl::ZeroDuration());
}

TEST(ShortRunTest, ARunAfterAShortOneWaits) {
  FaultyDirectory disk;
  for (int run = 0; run < 3; ++run) {
    ShortRun short_run(&disk, absl::Hours(1));
    EXPECT_EQ(short_run.first_batch_delay(), run == 0 ? absl::ZeroDuration() : absl::Seconds(10));
    short_run.Tick(absl::Hours(1) + absl::Seconds(59));
  }
}

TEST(ShortRunTest, ARunOfAMinuteIsNoShortOne) {
  FaultyDirectory disk;
  for (int run = 0; run < 2; ++run) {
    ShortRun short_run(&disk, absl::Hours(1));
    short_run.Tick(absl::Hours(1) + absl::Seconds(60));
    short_run.Tick(absl::Hours(1) + absl::Seconds(61));
    EXPECT_EQ(short_run.first_batch_delay(), absl::ZeroDuration());
  }
}

TEST(ShortRunTest, ARunThatWasStoppedIsNoShortOne) {
  FaultyDirectory disk;
  for (int run = 0; run < 2; ++run) {
    ShortRun short_run(&disk, absl::Hours(1));
    EXPECT_EQ(short_run.first_batch_delay(), absl::ZeroDuration());
    short_run.End();
  }
  EXPECT_TRUE(disk.Files().empty());
}

TEST(ShortRunTest, AStopWhileWaitingAfterAShortRunEndsTheWaiting) {
  FaultyDirectory disk;
  ShortRun(&disk, absl::Hours(1));
  ShortRun waiting(&disk, absl::Hours(1));
  EXPECT_EQ(waiting.first_batch_delay(), absl::Seconds(10));
  waiting.End();
  EXPECT_EQ(ShortRun(&disk, absl::Hours(1)).first_batch_delay(), absl::ZeroDuration());
}

TEST(ShortRunTest, AMarkThatCannotBeRemovedIsRemovedLater) {
  FaultyDirectory disk;
  ShortRun short_run(&disk, absl::ZeroDuration());
  disk.FailWrites(EROFS);
  short_run.Tick(absl::Minutes(1));
  disk.FailWrites(0);
  short_run.Tick(absl::Minutes(2));
  EXPECT_EQ(ShortRun(&disk, absl::Hours(1)).first_batch_delay(), absl::ZeroDuration());
}

TEST(ShortRunTest, ADiskThatRefusesWritesMakesNoShortRun) {
  FaultyDirectory disk;
  disk.FailWrites(ENOSPC);
  ShortRun(&disk, absl::ZeroDuration());
  EXPECT_EQ(ShortRun(&disk, absl::ZeroDuration()).first_batch_delay(), absl::ZeroDuration());
}

}  // namespace
}  // namespace ppmm
