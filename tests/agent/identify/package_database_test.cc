#include "agent/identify/package_database.h"

#include <gtest/gtest.h>

#include "tests/agent/identify/fake_root.h"

namespace ppmm {
namespace {

FileDigests DigestsOf(const FakeRoot& fake, absl::string_view path) {
  const HostRoot root = fake.Open();
  return DigestFile(root.OpenRegular(path)->fd(), 1 << 20).value();
}

TEST(PackageDatabase, AFileBelongsToThePackageThatListsIt) {
  FakeRoot fake;
  fake.Install("shopd-15", "15.3-1", "shop-15", {{"/usr/bin/shopd", "bytes"}, {"/etc/shopd.conf", "c", true}});
  fake.Install("libshop:amd64", "2.0", "libshop", {{"/usr/lib/libshop.so", "library"}});
  const HostRoot root = fake.Open();
  PackageDatabase packages;
  packages.Refresh(root);
  ASSERT_TRUE(packages.present());
  const auto record = packages.Owner(root, "/usr/bin/shopd");
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->package.name, "shopd-15");
  EXPECT_EQ(record->package.version, "15.3-1");
  EXPECT_EQ(record->package.source, "shop-15");
  EXPECT_EQ(record->md5, fake.Md5("/usr/bin/shopd"));
  EXPECT_FALSE(record->conffile);
  EXPECT_TRUE(packages.Owner(root, "/etc/shopd.conf")->conffile);
  EXPECT_EQ(packages.Owner(root, "/etc/shopd.conf")->md5, "");
  EXPECT_EQ(packages.Owner(root, "/usr/lib/libshop.so")->package.name, "libshop");
  EXPECT_FALSE(packages.Owner(root, "/usr/bin/shop").has_value());
  EXPECT_FALSE(packages.Owner(root, "/usr/bin/shopd2").has_value());
  EXPECT_FALSE(packages.Owner(root, "").has_value());
  EXPECT_FALSE(packages.Owner(root, "/usr/bin/shopd\n/etc/shopd.conf").has_value());
}

TEST(PackageDatabase, MergedDirectoriesAreOne) {
  FakeRoot fake;
  fake.Write("/usr/bin/other", "");
  fake.Link("usr/bin", "/bin");
  fake.Install("tools", "1", "tools", {{"/bin/tool", "bytes"}});
  const HostRoot root = fake.Open();
  PackageDatabase packages;
  packages.Refresh(root);
  const auto record = packages.Owner(root, "/usr/bin/tool");
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->path, "/bin/tool");
  EXPECT_EQ(record->md5, fake.Md5("/usr/bin/tool"));
}

TEST(PackageDatabase, UnmergedDirectoriesAreTwo) {
  FakeRoot fake;
  fake.Install("tools", "1", "tools", {{"/bin/tool", "bytes"}});
  fake.Write("/usr/bin/tool", "another");
  const HostRoot root = fake.Open();
  PackageDatabase packages;
  packages.Refresh(root);
  EXPECT_TRUE(packages.Owner(root, "/bin/tool").has_value());
  EXPECT_FALSE(packages.Owner(root, "/usr/bin/tool").has_value());
}

TEST(PackageDatabase, ADivertedFileStaysItsPackages) {
  FakeRoot fake;
  fake.Install("editor", "1", "editor", {{"/usr/bin/edit", "the package's"}});
  std::filesystem::rename(fake.path() + "/usr/bin/edit", fake.path() + "/usr/bin/edit.real");
  fake.Write("/usr/bin/edit", "the site's");
  fake.Write("/var/lib/dpkg/diversions", "/usr/bin/edit\n/usr/bin/edit.real\n:\n");
  const HostRoot root = fake.Open();
  PackageDatabase packages;
  packages.Refresh(root);
  const auto record = packages.Owner(root, "/usr/bin/edit.real");
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->package.name, "editor");
  EXPECT_EQ(record->md5, fake.Md5("/usr/bin/edit.real"));
  EXPECT_FALSE(packages.Owner(root, "/usr/bin/edit").has_value());
}

TEST(PackageDatabase, WhatAPackageDivertedAndReplacedIsThatPackages) {
  FakeRoot fake;
  fake.Install("first", "1", "first", {{"/usr/bin/edit", "first"}});
  std::filesystem::rename(fake.path() + "/usr/bin/edit", fake.path() + "/usr/bin/edit.first");
  fake.Install("second", "2", "second", {{"/usr/bin/edit", "second"}});
  fake.Write("/var/lib/dpkg/diversions", "/usr/bin/edit\n/usr/bin/edit.first\nsecond\n");
  const HostRoot root = fake.Open();
  PackageDatabase packages;
  packages.Refresh(root);
  EXPECT_EQ(packages.Owner(root, "/usr/bin/edit")->package.name, "second");
  EXPECT_EQ(packages.Owner(root, "/usr/bin/edit.first")->package.name, "first");
}

TEST(PackageDatabase, ContentIsFoundWhereverItLies) {
  FakeRoot fake;
  fake.Install("shopd", "1.0", "shopd", {{"/usr/bin/shopd", "bytes of shopd"}});
  fake.Write("/opt/shop/renamed", "bytes of shopd");
  fake.Write("/opt/shop/other", "other bytes");
  const HostRoot root = fake.Open();
  PackageDatabase packages;
  packages.Refresh(root);
  const auto match = packages.FindContent(root, DigestsOf(fake, "/opt/shop/renamed"));
  ASSERT_TRUE(match.has_value());
  EXPECT_EQ(match->path, "/usr/bin/shopd");
  EXPECT_EQ(match->package.name, "shopd");
  EXPECT_FALSE(packages.FindContent(root, DigestsOf(fake, "/opt/shop/other")).has_value());
  EXPECT_FALSE(packages.FindContent(root, FileDigests()).has_value());
}

TEST(PackageDatabase, AnswersAreTheSameOnceThereIsAnIndex) {
  FakeRoot fake;
  fake.Write("/usr/bin/other", "");
  fake.Link("usr/bin", "/bin");
  for (int i = 0; i < 20; ++i) {
    const std::string name = absl::StrCat("tool", i);
    fake.Install(name, "1", name, {{"/bin/" + name, "bytes of " + name}});
    fake.Write("/opt/" + name, "bytes of " + name);
    fake.Write("/opt/own" + name, "own bytes of " + name);
  }
  const HostRoot root = fake.Open();
  PackageDatabase packages;
  packages.Refresh(root);
  for (int i = 0; i < 20; ++i) {
    const std::string name = absl::StrCat("tool", i);
    const auto owner = packages.Owner(root, "/usr/bin/" + name);
    ASSERT_TRUE(owner.has_value()) << name;
    EXPECT_EQ(owner->package.name, name);
    EXPECT_FALSE(packages.Owner(root, "/opt/" + name).has_value());
    const auto content = packages.FindContent(root, DigestsOf(fake, "/opt/" + name));
    ASSERT_TRUE(content.has_value()) << name;
    EXPECT_EQ(content->package.name, name);
    EXPECT_FALSE(packages.FindContent(root, DigestsOf(fake, "/opt/own" + name)).has_value());
    if (i % 5 == 4) {
      packages.Rest();  // forgets nothing: it was just needed
    }
    if (i == 14) {
      packages.Rest();
    }
  }
  fake.Install("late", "1", "late", {{"/bin/late", "late"}});
  packages.Refresh(root);
  EXPECT_TRUE(packages.Owner(root, "/usr/bin/late").has_value()) << "the index went with the database it was of";
}

TEST(PackageDatabase, AnswersAreForgottenWhenTheDatabaseChanges) {
  FakeRoot fake;
  fake.Install("a", "1", "a", {{"/usr/bin/a", "a"}});
  const HostRoot root = fake.Open();
  PackageDatabase packages;
  const uint64_t first = packages.Refresh(root);
  EXPECT_FALSE(packages.Owner(root, "/usr/bin/b").has_value());
  EXPECT_EQ(packages.Refresh(root), first);
  fake.Install("b", "1", "b", {{"/usr/bin/b", "b"}});
  EXPECT_NE(packages.Refresh(root), first);
  EXPECT_TRUE(packages.Owner(root, "/usr/bin/b").has_value());
}

TEST(PackageDatabase, ImagesWithoutDpkgItselfAreUnderstood) {
  FakeRoot fake;
  fake.Write("/usr/bin/tool", "bytes");
  fake.Write("/var/lib/dpkg/status.d/tool", "Package: tool\nVersion: 3\nMaintainer: A <a@b.example>\n");
  fake.Write("/var/lib/dpkg/status.d/tool.md5sums", absl::StrCat(fake.Md5("/usr/bin/tool"), "  usr/bin/tool\n"));
  const HostRoot root = fake.Open();
  PackageDatabase packages;
  packages.Refresh(root);
  const auto record = packages.Owner(root, "/usr/bin/tool");
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->package.version, "3");
  EXPECT_EQ(record->md5, fake.Md5("/usr/bin/tool"));
}

TEST(PackageDatabase, TheDatabaseOfApkIsUnderstood) {
  FakeRoot fake;
  fake.Write("/usr/bin/tool", "abc");
  fake.Write("/opt/copy", "abc");
  fake.Write("/lib/apk/db/installed",
             "C:Q1xxxx\nP:other\nV:1-r0\no:other\nF:usr/bin\nR:o\nZ:Q1AAAA\n\n"
             "P:tool\nV:1.2-r3\no:tools\nm:A <a@b.example>\nF:usr\nF:usr/bin\nR:tool\na:0:0:755\n"
             "Z:Q1qZk+NkcGgWq6PiVxeFDCbJzQ2J0=\nR:last\n\n");
  const HostRoot root = fake.Open();
  PackageDatabase packages;
  packages.Refresh(root);
  const auto record = packages.Owner(root, "/usr/bin/tool");
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->package.name, "tool");
  EXPECT_EQ(record->package.source, "tools");
  EXPECT_EQ(record->sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(packages.FindContent(root, DigestsOf(fake, "/opt/copy"))->path, "/usr/bin/tool");
  EXPECT_FALSE(packages.Owner(root, "/usr/bin/none").has_value());
}

TEST(PackageDatabase, AFileOfAnEntryWithoutANameHasNoOwner) {
  FakeRoot fake;
  fake.Write("/usr/bin/tool", "abc");
  fake.Write("/lib/apk/db/installed", "P:tool\ndamaged\nF:usr/bin\nR:tool\n\n");
  const HostRoot root = fake.Open();
  PackageDatabase packages;
  packages.Refresh(root);
  EXPECT_FALSE(packages.Owner(root, "/usr/bin/tool").has_value());
}

TEST(PackageDatabase, DamagedFilesOfTheDatabaseAreSurvived) {
  FakeRoot fake;
  fake.Install("a", "1", "a", {{"/usr/bin/a", "a"}});
  fake.Write("/var/lib/dpkg/status", std::string("Package: a\nVersion\n\0\xff\n\nPackage:\n\n", 34));
  fake.Write("/var/lib/dpkg/info/a.md5sums", "short usr/bin/a\nusr/bin/a\n  usr/bin/a\n");
  fake.Write("/var/lib/dpkg/diversions", "/one line only\n");
  const HostRoot root = fake.Open();
  PackageDatabase packages;
  packages.Refresh(root);
  const auto record = packages.Owner(root, "/usr/bin/a");
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->package.name, "a");
  EXPECT_EQ(record->md5, "");
}

TEST(PackageDatabase, WithoutADatabaseNothingIsOwned) {
  FakeRoot fake;
  const HostRoot root = fake.Open();
  PackageDatabase packages;
  packages.Refresh(root);
  EXPECT_FALSE(packages.present());
  EXPECT_FALSE(packages.Owner(root, "/usr/bin/a").has_value());
}

TEST(Versions, AreOrderedAsDebianOrdersThem) {
  const char* const ordered[] = {"1.0~rc1-1", "1.0-1~local", "1.0-1", "1.0-1+b1", "1.0-1.1",
                                 "1.0-2",     "1.0.1-1",     "1.9-1", "1.10-1",   "1:0.1-1"};
  for (size_t i = 0; i < std::size(ordered); ++i) {
    for (size_t k = 0; k < std::size(ordered); ++k) {
      const int order = CompareVersions(ordered[i], ordered[k]);
      EXPECT_EQ(order < 0, i < k) << ordered[i] << " " << ordered[k];
      EXPECT_EQ(order == 0, i == k) << ordered[i] << " " << ordered[k];
    }
  }
  EXPECT_EQ(CompareVersions("", ""), 0);
  EXPECT_EQ(CompareVersions("1.00", "1.0"), 0);
}

TEST(Products, ATrailingVersionIsStrippedOnlyWhenItIsThePackagesVersion) {
  EXPECT_EQ(ProductName("shopd-15", "15.3-1"), "shopd");
  EXPECT_EQ(ProductName("shopd8.2", "8.2.7-1"), "shopd");
  EXPECT_EQ(ProductName("shopd9", "1:9.18.1-1"), "shopd");
  EXPECT_EQ(ProductName("x264", "2:0.164-1"), "x264");
  EXPECT_EQ(ProductName("shopd1", "12.0"), "shopd1");
  EXPECT_EQ(ProductName("shopd", "1.0"), "shopd");
  EXPECT_EQ(ProductName("7", "7.1"), "7");
  EXPECT_EQ(ProductName("", ""), "");
}

}  // namespace
}  // namespace ppmm
