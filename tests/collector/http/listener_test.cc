#include "collector/http/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "collector/http/port_owner.h"
#include "common/unix_peer.h"

namespace ppmm::http {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

constexpr absl::string_view kFlag = "--http-listen";

class ListenerTest : public testing::Test {
 protected:
  ListenerTest() {
    std::string pattern = (fs::temp_directory_path() / "ppmm_listener_XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~ListenerTest() override { fs::remove_all(folder_); }

  void WriteFile(const std::string& name, absl::string_view text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << std::string(text);
  }

  fs::path folder_;
};

TEST_F(ListenerTest, PortZeroGivesAFreePort) {
  const auto listener = ListenTcp("127.0.0.1:0", kFlag);
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_NE(listener->port, 0);
  EXPECT_EQ(listener->address, absl::StrCat("127.0.0.1:", listener->port));
  close(listener->fd);
}

TEST_F(ListenerTest, ATakenPortNamesItsOwnerAndTheCure) {
  const auto first = ListenTcp("127.0.0.1:0", kFlag);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = ListenTcp(first->address, kFlag);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(second.status().message()),
              AllOf(HasSubstr(absl::StrCat("port ", first->port)), HasSubstr(absl::StrCat("(pid ", getpid(), ")")),
                    HasSubstr("--http-listen ADDR")));
  close(first->fd);
}

TEST_F(ListenerTest, AnOwnerThatCannotBeSeenIsSaidSo) {
  const auto first = ListenTcp("127.0.0.1:0", kFlag);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = ListenTcp(first->address, kFlag, folder_.string());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("a program that this user cannot see"));
  close(first->fd);
}

TEST_F(ListenerTest, RefusesWhatIsNoAddress) {
  for (const char* listen : {"", "7766", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000", "host:-1"}) {
    const auto listener = ListenTcp(listen, kFlag);
    EXPECT_EQ(listener.status().code(), absl::StatusCode::kInvalidArgument) << listen;
    EXPECT_THAT(std::string(listener.status().message()), HasSubstr("--http-listen"));
  }
}

TEST_F(ListenerTest, AnAddressOfAnotherHostIsSaidSo) {
  const auto listener = ListenTcp("192.0.2.1:0", kFlag);
  EXPECT_EQ(listener.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(listener.status().message()), HasSubstr("no such address"));
}

TEST_F(ListenerTest, TheUnixSocketIsForOwnerAndGroupOnly) {
  const std::string path = folder_ / "a.sock";
  const auto listener = ListenUnix(path);
  ASSERT_TRUE(listener.ok()) << listener.status();
  struct stat info = {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0660u);
  close(listener->fd);
}

TEST_F(ListenerTest, ALeftSocketIsReplacedALiveOneIsNot) {
  const std::string path = folder_ / "a.sock";
  auto listener = ListenUnix(path);
  ASSERT_TRUE(listener.ok());
  const absl::Status second = ListenUnix(path).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(second.message(), absl::StrCat(path, ": another program (pid ", getpid(),
                                           ") listens there, a collector perhaps; stop it, or give this one its own: "
                                           "--socket, or `socket` in its configuration"));
  close(listener->fd);
  listener = ListenUnix(path);
  ASSERT_TRUE(listener.ok()) << listener.status();
  close(listener->fd);
}

TEST_F(ListenerTest, AFileThatIsNoSocketIsLeftAlone) {
  WriteFile("a.sock", "precious");
  EXPECT_EQ(ListenUnix(folder_ / "a.sock").status(), NoSocket((folder_ / "a.sock").string()));
  EXPECT_TRUE(fs::exists(folder_ / "a.sock"));
}

TEST_F(ListenerTest, ASocketPathHasAtMost107Bytes) {
  EXPECT_EQ(ListenUnix("/" + std::string(107, 'a')).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ListenUnix("").status().code(), absl::StatusCode::kInvalidArgument);
}

constexpr absl::string_view kTable =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 0100007F:1E56 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0\n"
    "   1: 0100007F:1E56 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0\n";

TEST_F(ListenerTest, TheOwnerIsFoundByTheListeningSocketOnly) {
  WriteFile("net/tcp", kTable);
  WriteFile("41/comm", "client\n");
  fs::create_directories(folder_ / "41/fd");
  fs::create_symlink("socket:[111]", folder_ / "41/fd/3");
  WriteFile("42/comm", "nginx\n");
  fs::create_directories(folder_ / "42/fd");
  fs::create_symlink("/dev/null", folder_ / "42/fd/0");
  fs::create_symlink("socket:[222]", folder_ / "42/fd/7");
  const auto owner = FindPortOwner(7766, folder_.string());
  ASSERT_TRUE(owner.has_value());
  EXPECT_EQ(owner->pid, 42);
  EXPECT_EQ(owner->program, "nginx");
  EXPECT_FALSE(FindPortOwner(7767, folder_.string()).has_value());
}

TEST_F(ListenerTest, AnIpv6ListenerIsFoundToo) {
  WriteFile("net/tcp", "");
  WriteFile("net/tcp6",
            "  sl  local_address                         remote_address                        st\n"
            "   0: 00000000000000000000000000000000:1E57 00000000000000000000000000000000:0000 0A 00000000:00000000 "
            "00:00000000 00000000 0 0 333 1 0 100 0 0 10 0\n");
  fs::create_directories(folder_ / "7/fd");
  fs::create_symlink("socket:[333]", folder_ / "7/fd/1");
  EXPECT_EQ(FindPortOwner(7767, folder_.string())->pid, 7);
}

TEST_F(ListenerTest, DamagedTablesFindNobody) {
  WriteFile("net/tcp", "garbage\n:::\n\n1 2 3 0A\n");
  EXPECT_FALSE(FindPortOwner(7766, folder_.string()).has_value());
}

}  // namespace
}  // namespace ppmm::http
