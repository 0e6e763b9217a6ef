#include "agent/package_log.h"

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/agent/identify/fake_root.h"
#include "tests/testing/faulty_file.h"

namespace ppmm {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kLog[] = "/var/log/dpkg.log";

absl::Time Utc(const std::string& text) {
  absl::Time time;
  EXPECT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M:%S", text, &time, nullptr)) << text;
  return time;
}

PackageEvent Event(const std::string& package, const std::string& from, const std::string& to, const std::string& at) {
  return {package, to, from, Utc(at)};
}

TEST(ParseDpkgLogLineTest, TakesInstallAndUpgrade) {
  const absl::Time now = Utc("2026-11-22 14:00:00");
  PackageEvent event;
  ASSERT_TRUE(ParseDpkgLogLine("2026-11-22 13:00:01 upgrade shopd:amd64 1:1.2-3+deb12u1 1:1.3~rc1-1",
                               absl::UTCTimeZone(), now, &event));
  EXPECT_EQ(event, Event("shopd", "1:1.2-3+deb12u1", "1:1.3~rc1-1", "2026-11-22 13:00:01"));
  ASSERT_TRUE(ParseDpkgLogLine("2026-11-22 13:00:01 install libshop+c-2.0 <none> 2", absl::UTCTimeZone(), now, &event));
  EXPECT_EQ(event, Event("libshop+c-2.0", "", "2", "2026-11-22 13:00:01"));
}

TEST(ParseDpkgLogLineTest, RefusesWhatDpkgDoesNotWrite) {
  PackageEvent event;
  for (const std::string& line : {
           std::string("2026-11-22 13:00:01 startup archives unpack"),
           std::string("2026-11-22 13:00:01 status installed shopd:amd64 1.3"),
           std::string("2026-11-22 13:00:01 remove shopd:amd64 1.3 <none>"),
           std::string("2026-11-22 13:00:01 upgrade shopd:amd64 1.2"),
           std::string("2026-13-22 13:00:01 upgrade shopd:amd64 1.2 1.3"),
           std::string("yesterday noon upgrade shopd:amd64 1.2 1.3"),
           std::string("2026-11-22 13:00:01 upgrade Shopd 1.2 1.3"),
           std::string("2026-11-22 13:00:01 upgrade ../../etc 1.2 1.3"),
           std::string("2026-11-22 13:00:01 upgrade shopd 1.2 1.3\x1b[2J"),
           std::string("2026-11-22 13:00:01 upgrade shopd 1.2 <script>"),
           std::string("2026-11-22 13:00:01 upgrade shopd 1.2 1.3\0", 42),
           "2026-11-22 13:00:01 upgrade shopd 1.2 " + std::string(129, '1'),
           "2026-11-22 13:00:01 upgrade " + std::string(129, 'a') + " 1.2 1.3",
           std::string("2026-11-22 13:00:01 upgrade shopd 1.2 1.3 1.4"),
           std::string(),
       }) {
    EXPECT_FALSE(ParseDpkgLogLine(line, absl::UTCTimeZone(), Utc("2026-11-22 14:00:00"), &event)) << line;
  }
}

TEST(ParseDpkgLogLineTest, AnHourThatComesTwiceIsTheLaterOneThatWas) {
  const absl::TimeZone zone = absl::FixedTimeZone(3600);
  PackageEvent event;
  ASSERT_TRUE(ParseDpkgLogLine("2026-11-22 13:00:01 upgrade shopd 1 2", zone, absl::InfiniteFuture(), &event));
  EXPECT_EQ(event.at, Utc("2026-11-22 12:00:01"));
  absl::TimeZone berlin;
  if (!absl::LoadTimeZone("Europe/Berlin", &berlin)) {
    GTEST_SKIP() << "no time zones here";
  }
  const std::string line = "2026-10-25 02:30:00 upgrade shopd 1 2";
  ASSERT_TRUE(ParseDpkgLogLine(line, berlin, Utc("2026-10-25 00:31:00"), &event));
  EXPECT_EQ(event.at, Utc("2026-10-25 00:30:00"));
  ASSERT_TRUE(ParseDpkgLogLine(line, berlin, Utc("2026-10-25 01:31:00"), &event));
  EXPECT_EQ(event.at, Utc("2026-10-25 01:30:00"));
}

class PackageLogTest : public testing::Test {
 protected:
  PackageLogTest() {
    Append(100, "old", "1", "2");
    Restart();
  }
  // A line of that second.
  void Append(int second, const std::string& package, const std::string& from, const std::string& to) {
    root_.Append(kLog, absl::StrCat(Text(second), " upgrade ", package, ":amd64 ", from, " ", to, "\n"));
  }
  std::string Text(int second) const {
    return absl::FormatTime("%Y-%m-%d %H:%M:%S", begin_ + absl::Seconds(second), absl::UTCTimeZone());
  }
  std::vector<std::string> Read(int second) {
    std::vector<std::string> names;
    for (const PackageEvent& event : log_->Read(begin_ + absl::Seconds(second))) {
      names.push_back(absl::StrCat(event.package, " ", event.version));
    }
    log_->Keep(begin_ + absl::Seconds(second));
    return names;
  }
  void Restart() { log_ = std::make_unique<PackageLog>(root_.path(), &disk_); }
  void Rotate() const {
    std::filesystem::rename(absl::StrCat(root_.path(), kLog), absl::StrCat(root_.path(), kLog, ".1"));
  }

  const absl::Time begin_ = Utc("2026-11-22 12:00:00");
  FakeRoot root_;
  FaultyDirectory disk_;
  std::unique_ptr<PackageLog> log_;
};

TEST_F(PackageLogTest, FollowsFromTheEndOfWhatIsThere) {
  EXPECT_THAT(Read(200), IsEmpty());
  Append(205, "shopd", "1", "2");
  Append(206, "libshop", "1", "2");
  root_.Append(kLog, "2026-11-22 12:03:27 status half-installed shopd:amd64 2\n2026-11-22 12:03:28 upgrade tor");
  EXPECT_THAT(Read(210), ElementsAre("shopd 2", "libshop 2"));
  EXPECT_THAT(Read(215), IsEmpty());
  root_.Append(kLog, "n 1 2\n");
  EXPECT_THAT(Read(220), ElementsAre("torn 2"));
}

TEST_F(PackageLogTest, AHostWithoutALogWaitsForOne) {
  root_.Remove(kLog);
  Restart();
  EXPECT_THAT(Read(200), IsEmpty());
  Append(205, "shopd", "1", "2");
  EXPECT_THAT(Read(210), ElementsAre("shopd 2"));
}

TEST_F(PackageLogTest, WhatWasInstalledWhileTheAgentWasStoppedIsTold) {
  Read(200);
  Append(205, "shopd", "1", "2");
  Restart();
  EXPECT_THAT(Read(300), ElementsAre("shopd 2"));
  Restart();
  EXPECT_THAT(Read(310), ElementsAre("shopd 2")) << "it may have been lost with the agent";
  EXPECT_THAT(Read(2000), IsEmpty());
  Restart();
  EXPECT_THAT(Read(2010), IsEmpty());
}

TEST_F(PackageLogTest, GoesOnThroughARotation) {
  Read(200);
  Append(205, "shopd", "1", "2");
  Rotate();
  Append(206, "libshop", "1", "2");
  EXPECT_THAT(Read(210), ElementsAre("shopd 2", "libshop 2"));
  Append(211, "shopd", "2", "3");
  EXPECT_THAT(Read(215), ElementsAre("shopd 3"));
  // Twice while nobody looked: of the first nothing is known any more.
  Append(216, "lost", "2", "3");
  Rotate();
  Append(217, "skipped", "2", "3");
  Rotate();
  Append(218, "shopd", "3", "4");
  EXPECT_THAT(Read(220), ElementsAre("shopd 4"));
}

TEST_F(PackageLogTest, ALogThatWasEmptiedBeginsAnew) {
  Read(200);
  root_.Write(kLog, "");
  EXPECT_THAT(Read(205), IsEmpty());
  Append(206, "shopd", "1", "2");
  EXPECT_THAT(Read(210), ElementsAre("shopd 2"));
}

TEST_F(PackageLogTest, TellsNothingOfAnotherTime) {
  Read(200);
  Append(-72 * 3600, "ancient", "1", "2");
  Append(600, "future", "1", "2");
  Append(205, "shopd", "1", "2");
  EXPECT_THAT(Read(210), ElementsAre("shopd 2"));
}

TEST_F(PackageLogTest, ReadsALongLogInPieces) {
  Read(200);
  std::string text;
  const std::string line = absl::StrCat(Text(205), " upgrade shopd:amd64 1 2\n");
  while (text.size() < 3 * PackageLog::kMaxRead) {
    text += line;
  }
  root_.Append(kLog, text);
  std::size_t told = 0;
  int reads = 0;
  for (std::size_t got = 1; got > 0; ++reads) {
    got = Read(210 + reads).size();
    EXPECT_LE(got, PackageLog::kMaxRead / line.size());
    told += got;
  }
  EXPECT_EQ(told, text.size() / line.size());
  EXPECT_GE(reads, 4);
}

TEST_F(PackageLogTest, WhatIsNoLogIsPassedOver) {
  Read(200);
  root_.Append(kLog, std::string(PackageLog::kMaxRead + 100, 'x') + "\n");
  Append(205, "shopd", "1", "2");
  EXPECT_THAT(Read(206), IsEmpty());
  EXPECT_THAT(Read(207), ElementsAre("shopd 2"));
  root_.Remove(kLog);
  std::filesystem::create_directory(absl::StrCat(root_.path(), kLog));
  EXPECT_THAT(Read(208), IsEmpty());
}

TEST_F(PackageLogTest, ALinkDoesNotLeadOutOfTheRoot) {
  Read(200);
  FakeRoot outside;
  outside.Write("/dpkg.log", absl::StrCat(Text(205), " upgrade shopd:amd64 1 2\n"));
  root_.Remove(kLog);
  root_.Link(outside.path() + "/dpkg.log", kLog);
  EXPECT_THAT(Read(210), IsEmpty());
}

TEST_F(PackageLogTest, TakesTheTimeZoneOfTheRoot) {
  if (!std::filesystem::exists("/usr/share/zoneinfo/Asia/Tokyo")) {
    GTEST_SKIP() << "no time zones here";
  }
  std::filesystem::create_directories(root_.path() + "/usr/share/zoneinfo/Asia");
  std::filesystem::copy_file("/usr/share/zoneinfo/Asia/Tokyo", root_.path() + "/usr/share/zoneinfo/Asia/Tokyo");
  root_.Link("/usr/share/zoneinfo/Asia/Tokyo", "/etc/localtime");
  Read(200);
  Append(9 * 3600 + 205, "shopd", "1", "2");
  const std::vector<PackageEvent> events = log_->Read(begin_ + absl::Seconds(210));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].at, begin_ + absl::Seconds(205));
}

TEST_F(PackageLogTest, AFullDiskCostsNothingButRepeats) {
  Read(200);
  disk_.FailWrites(ENOSPC);
  Append(205, "shopd", "1", "2");
  EXPECT_THAT(Read(210), ElementsAre("shopd 2"));
  EXPECT_THAT(Read(2000), IsEmpty());
  disk_.FailWrites(0);
  EXPECT_THAT(Read(2001), IsEmpty());
  Restart();
  EXPECT_THAT(Read(2010), IsEmpty()) << "kept at last";
}

TEST(PackageLogPlaceTest, ADamagedPlaceIsTheEnd) {
  const FakeRoot root;
  root.Write(kLog, "2026-11-22 12:00:00 upgrade shopd:amd64 1 2\n");
  FaultyDirectory disk;
  ASSERT_TRUE(WriteFileAtomically(&disk, "package_log", "1 2\n").ok());
  PackageLog log(root.path(), &disk);
  EXPECT_TRUE(log.Read(Utc("2026-11-22 12:01:00")).empty());
}

}  // namespace
}  // namespace ppmm
