#include "agent/identify/host_root.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/agent/identify/fake_root.h"

namespace ppmm {
namespace {

using ::testing::ElementsAre;

TEST(HostRoot, LinksLeadBelowTheRootAndNeverOutOfIt) {
  FakeRoot fake;
  fake.Write("/etc/hostname", "inside\n");
  fake.Link("/etc/hostname", "/srv/absolute");
  fake.Link("../../../../../../../etc/hostname", "/srv/climbing");
  const HostRoot root = fake.Open();
  EXPECT_EQ(root.Read("/srv/absolute", 100).value(), "inside\n");
  EXPECT_EQ(root.Read("/srv/climbing", 100).value(), "inside\n");
  EXPECT_EQ(root.Read("/../../etc/hostname", 100).value(), "inside\n");
  EXPECT_EQ(root.Resolve("/srv/climbing").value(), "/etc/hostname");
}

TEST(HostRoot, ResolveFollowsDirectoriesThatAreLinks) {
  FakeRoot fake;
  fake.Write("/usr/bin/tool", "x");
  fake.Link("usr/bin", "/bin");
  fake.Link("/bin/tool", "/usr/bin/alias");
  EXPECT_EQ(fake.Open().Resolve("/bin/alias").value(), "/usr/bin/tool");
  EXPECT_EQ(fake.Open().Resolve("/bin/./..//bin/tool").value(), "/usr/bin/tool");
  EXPECT_EQ(fake.Open().Resolve("/bin/none").status().code(), absl::StatusCode::kNotFound);
}

TEST(HostRoot, ACircleOfLinksIsAnErrorNotALoop) {
  FakeRoot fake;
  fake.Link("/b", "/a");
  fake.Link("/a", "/b");
  EXPECT_FALSE(fake.Open().Resolve("/a").ok());
  EXPECT_FALSE(fake.Open().Stat("/a").ok());
}

TEST(HostRoot, AFifoIsNotReadAndDoesNotBlock) {
  FakeRoot fake;
  ASSERT_EQ(mkfifo((fake.path() + "/pipe").c_str(), 0600), 0);
  EXPECT_EQ(fake.Open().Read("/pipe", 10).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(fake.Open().IsFile("/pipe"));
}

TEST(HostRoot, ReadStopsAtItsBound) {
  FakeRoot fake;
  fake.Write("/big", std::string(100'000, 'x'));
  EXPECT_EQ(fake.Open().Read("/big", 5'000).value().size(), 5'000u);
}

TEST(HostRoot, LinesAreGivenWholeAcrossBlocksAndLongOnesAreCut) {
  FakeRoot fake;
  std::string text;
  for (int i = 0; i < 20'000; ++i) {
    absl::StrAppend(&text, "line ", i, "\n");
  }
  fake.Write("/lines", absl::StrCat(std::string(200'000, 'y'), "\n", text, "last"));
  std::vector<std::string> seen;
  fake.Open().ForEachLine("/lines", [&](absl::string_view line) {
    seen.emplace_back(line);
    return true;
  });
  ASSERT_EQ(seen.size(), 20'002u);
  EXPECT_EQ(seen[0].size(), 65'536u);
  EXPECT_EQ(seen[1], "line 0");
  EXPECT_EQ(seen[20'000], "line 19999");
  EXPECT_EQ(seen[20'001], "last");
}

TEST(HostRoot, FindLineSeesEveryLineOnceAndTheLastWithoutNewline) {
  FakeRoot fake;
  std::string text;
  for (int i = 0; i < 30'000; ++i) {
    absl::StrAppend(&text, "/usr/share/doc/", i, "\n");
  }
  fake.Write("/list", absl::StrCat(text, "/usr/bin/tool"));
  const HostRoot root = fake.Open();
  const auto any = [](absl::string_view) { return true; };
  EXPECT_EQ(root.FindLine("/list", "/doc/12345", any), "/usr/share/doc/12345");
  EXPECT_EQ(root.FindLine("/list", "bin/to", any), "/usr/bin/tool");
  EXPECT_EQ(root.FindLine("/list", "/usr/bin/other", any), "");
  int hits = 0;
  root.FindLine("/list", "/usr/share", [&hits](absl::string_view) { return ++hits < 0; });
  EXPECT_EQ(hits, 30'000);
  EXPECT_EQ(root.FindLine("/absent", "x", any), "");
}

TEST(HostRoot, DigestsAreTheKnownOnes) {
  FakeRoot fake;
  fake.Write("/abc", "abc");
  EXPECT_EQ(fake.Md5("/abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(fake.Sha256("/abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abc"), fake.Sha256("/abc"));
  const HostRoot root = fake.Open();
  EXPECT_EQ(DigestFile(root.OpenRegular("/abc")->fd(), 2).status().code(), absl::StatusCode::kOutOfRange);
}

TEST(HostRoot, PathsAreJoinedAndCleaned) {
  EXPECT_EQ(JoinPath("/srv/shop", "../app.py"), "/srv/app.py");
  EXPECT_EQ(JoinPath("/srv/shop", "/etc/x"), "/etc/x");
  EXPECT_EQ(JoinPath("/", "../../x"), "/x");
  EXPECT_EQ(Dirname("/a"), "/");
  EXPECT_EQ(Basename("/a/b"), "b");
}

TEST(HostRoot, HostilePathsAreRefused) {
  FakeRoot fake;
  const HostRoot root = fake.Open();
  EXPECT_FALSE(root.Stat(std::string(10'000, 'a')).ok());
  EXPECT_FALSE(root.Stat(absl::string_view("/a\0b", 4)).ok());
  EXPECT_FALSE(HostRoot::Open(fake.path() + "/none").ok());
  EXPECT_THAT(root.List("/none", 10), ElementsAre());
}

}  // namespace
}  // namespace ppmm
