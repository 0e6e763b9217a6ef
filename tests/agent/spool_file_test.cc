// The real disk, in a folder of its own.
#include "agent/spool_file.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "agent/spool.h"
#include "tests/testing/faulty_file.h"

namespace ppmm {
namespace {

using Mode = SpoolDirectory::Mode;

class SpoolFileTest : public ::testing::Test {
 protected:
  SpoolFileTest() {
    std::string name = ::testing::TempDir() + "/spool_file_test.XXXXXX";
    root_ = mkdtemp(name.data());
  }
  ~SpoolFileTest() override { std::filesystem::remove_all(root_); }

  std::string root_;
};

TEST_F(SpoolFileTest, WritesReadsTruncatesRenamesAndRemoves) {
  const auto disk = OpenDiskDirectory(root_ + "/data");
  ASSERT_TRUE(disk.ok());
  ASSERT_TRUE((*disk)->MakeDirectory("d").ok());
  ASSERT_TRUE((*disk)->MakeDirectory("d").ok());
  auto file = (*disk)->Open("d/f", Mode::kCreate);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Append("hello ").ok());
  ASSERT_TRUE((*file)->Append("world").ok());
  ASSERT_TRUE((*file)->Sync().ok());
  EXPECT_EQ(*(*file)->Read(6, 100), "world");
  EXPECT_EQ(*(*file)->Read(100, 5), "");
  ASSERT_TRUE((*file)->Truncate(5).ok());
  ASSERT_TRUE((*file)->Append("!").ok());
  EXPECT_EQ(*(*file)->Size(), 6u);
  EXPECT_EQ(*ReadWholeFile(disk->get(), "d/f", 6), "hello!");
  EXPECT_TRUE(absl::IsResourceExhausted(ReadWholeFile(disk->get(), "d/f", 5).status()));
  ASSERT_TRUE((*disk)->Rename("d/f", "d/g").ok());
  ASSERT_TRUE((*disk)->SyncDirectory("d").ok());
  const auto entries = (*disk)->List("d");
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ(entries->front().name, "g");
  EXPECT_EQ(entries->front().bytes, 6u);
  ASSERT_TRUE((*disk)->Remove("d/g").ok());
  ASSERT_TRUE((*disk)->RemoveDirectory("d").ok());
}

TEST_F(SpoolFileTest, OthersMayNotRead) {
  const auto disk = OpenDiskDirectory(root_ + "/data");
  ASSERT_TRUE(disk.ok());
  ASSERT_TRUE(WriteFileAtomically(disk->get(), "f", "x").ok());
  struct stat info = {};
  ASSERT_EQ(stat((root_ + "/data").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0700U);
  ASSERT_EQ(stat((root_ + "/data/f").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(SpoolFileTest, ErrorsNameTheFile) {
  const auto disk = OpenDiskDirectory(root_);
  ASSERT_TRUE(disk.ok());
  const absl::Status missing = (*disk)->Open("d/nothing", Mode::kRead).status();
  EXPECT_TRUE(absl::IsNotFound(missing));
  EXPECT_THAT(std::string(missing.message()), ::testing::HasSubstr("d/nothing"));
  EXPECT_TRUE(absl::IsNotFound((*disk)->List("d").status()));
  EXPECT_TRUE(absl::IsNotFound((*disk)->Remove("f")));
  EXPECT_TRUE(absl::IsNotFound((*disk)->Rename("f", "g")));
  ASSERT_TRUE((*disk)->Open("f", Mode::kCreate).ok());
  EXPECT_FALSE((*disk)->Open("f", Mode::kCreate).ok());
  EXPECT_FALSE(OpenDiskDirectory(root_ + "/f").ok());
  EXPECT_FALSE(OpenDiskDirectory(root_ + "/not/there").ok());
}

TEST_F(SpoolFileTest, ASymbolicLinkIsNotFollowed) {
  const auto disk = OpenDiskDirectory(root_);
  ASSERT_TRUE(disk.ok());
  std::filesystem::create_symlink("/etc/hostname", root_ + "/link");
  EXPECT_FALSE((*disk)->Open("link", Mode::kRead).ok());
}

// A file and a folder that the kernel refuses to sync: both are asked for, and both refusals are told.
TEST(SpoolFileSyncTest, AsksTheKernel) {
  const auto devices = OpenDiskDirectory("/dev");
  ASSERT_TRUE(devices.ok()) << devices.status();
  const auto file = (*devices)->Open("null", Mode::kRead);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(std::string((*file)->Sync().message()), ::testing::HasSubstr("fdatasync /dev/null"));
  const auto processes = OpenDiskDirectory("/proc");
  ASSERT_TRUE(processes.ok()) << processes.status();
  EXPECT_FALSE((*processes)->SyncDirectory("").ok());
}

TEST(WriteFileAtomicallyTest, ACrashAtAnyChangeLeavesTheOldOrTheNewContents) {
  for (int cut = 0; cut < 2; ++cut) {
    for (std::uint64_t change = 1; change < 10; ++change) {
      FaultyDirectory disk;
      disk.Put("f", "old");
      disk.Put("f.new", "left by a crash");
      disk.CrashAtChange(change);
      const bool ok = WriteFileAtomically(&disk, "f", "new").ok();
      cut == 1 ? disk.PowerCut() : disk.Restart();
      const std::string contents = disk.Files()["f"];
      EXPECT_TRUE(contents == "new" || (!ok && contents == "old")) << contents;
    }
  }
}

TEST_F(SpoolFileTest, ASpoolWorksOnTheRealDisk) {
  const auto disk = OpenDiskDirectory(root_);
  ASSERT_TRUE(disk.ok());
  const absl::Time now = absl::FromUnixSeconds(1700000000);
  {
    Spool spool(disk->get(), {.segment_bytes = 1000}, now);
    spool.BeginEpoch(1, [] { return std::vector<std::string>{"dictionary"}; });
    for (std::uint64_t seq = 1; seq <= 20; ++seq) {
      spool.AppendBatch(seq, 5, now, std::string(100, 'x'));
    }
    spool.Tick(now);
    spool.Acknowledge(1, 10);
  }
  Spool spool(disk->get(), {.segment_bytes = 1000}, now);
  EXPECT_EQ(spool.Stats().samples, 50u);
  EXPECT_EQ(spool.Stats().totals.acknowledged, 50u);
  SpoolCursor cursor = spool.Begin(1);
  SpoolRecord record;
  ASSERT_TRUE(spool.Next(&cursor, &record));
  EXPECT_EQ(record.frame, "dictionary");
  ASSERT_TRUE(spool.Next(&cursor, &record));
  EXPECT_EQ(record.seq, 11u);
}

}  // namespace
}  // namespace ppmm
