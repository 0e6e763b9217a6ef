#include "agent/instance_names.h"

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/faulty_file.h"

namespace ppmm {
namespace {

TEST(InstanceNamesTest, TheFirstNameStays) {
  FaultyDirectory disk;
  InstanceNames names(&disk);
  EXPECT_EQ(names.Fix("/usr/bin/python3 /srv/shop", "shop"), "shop");
  EXPECT_EQ(names.Fix("/usr/bin/python3 /srv/shop", "shop.service"), "shop");
}

TEST(InstanceNamesTest, ARestartFindsTheSameWhateverTheBytes) {
  FaultyDirectory disk;
  const std::string key("tab\t newline\n zero\0 \xff \"quoted\" \\", 33);
  {
    InstanceNames names(&disk);
    names.Fix(key, "n\tame");
    names.Fix("", "the empty key");
    ASSERT_TRUE(names.Save().ok());
  }
  disk.PowerCut();
  InstanceNames names(&disk);
  EXPECT_EQ(names.Fix(key, "other"), "n\tame");
  EXPECT_EQ(names.Fix("", "other"), "the empty key");
  EXPECT_EQ(names.damaged_lines(), 0u);
}

TEST(InstanceNamesTest, SavesOnlyWhatChanged) {
  FaultyDirectory disk;
  InstanceNames names(&disk);
  ASSERT_TRUE(names.Save().ok());
  EXPECT_TRUE(disk.Files().empty());
  names.Fix("a", "x");
  disk.FailWrites(ENOSPC);
  EXPECT_TRUE(absl::IsResourceExhausted(names.Save()));
  disk.FailWrites(0);
  ASSERT_TRUE(names.Save().ok());
  EXPECT_EQ(disk.Files()["instances"], "a\tx\n");
  const std::uint64_t syncs = disk.syncs();
  names.Fix("a", "y");
  ASSERT_TRUE(names.Save().ok());
  EXPECT_EQ(disk.syncs(), syncs);
}

TEST(InstanceNamesTest, ForgetsTheLeastRecentlyUsedAndCounts) {
  FaultyDirectory disk;
  InstanceNames names(&disk, 2);
  names.Fix("a", "1");
  names.Fix("b", "2");
  names.Fix("a", "-");
  names.Fix("c", "3");
  EXPECT_EQ(names.size(), 2u);
  EXPECT_EQ(names.forgotten(), 1u);
  EXPECT_EQ(names.Fix("a", "-"), "1");
  EXPECT_EQ(names.Fix("b", "new"), "new");
}

TEST(InstanceNamesTest, WhatIsTooLongIsUsedButNotKept) {
  FaultyDirectory disk;
  InstanceNames names(&disk);
  EXPECT_EQ(names.Fix(std::string(5000, 'k'), "name"), "name");
  EXPECT_EQ(names.Fix(std::string(5000, 'k'), "later"), "later");
  EXPECT_EQ(names.size(), 0u);
  EXPECT_EQ(names.forgotten(), 2u);
}

TEST(InstanceNamesTest, DamagedLinesAreSkippedAndCounted) {
  FaultyDirectory disk;
  disk.Put("instances",
           absl::StrCat("good\tone\nno tab\nbad\\q\tescape\nempty\t\na\tb\tc\ngood\ttwice\n", "tail\tlast"));
  InstanceNames names(&disk);
  EXPECT_EQ(names.size(), 2u);
  EXPECT_EQ(names.damaged_lines(), 4u);
  EXPECT_EQ(names.Fix("good", "-"), "one");
  EXPECT_EQ(names.Fix("tail", "-"), "last");
}

}  // namespace
}  // namespace ppmm
