#include "common/sd_notify.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "tests/testing/temp_folder.h"

namespace ppmm {
namespace {

Environment With(const std::map<std::string, std::string>& variables) {
  return [variables](const char* name) {
    const auto it = variables.find(name);
    return it == variables.end() ? std::string() : it->second;
  };
}

// A stand-in for systemd: a datagram socket at `name`, where '@' first means the abstract namespace.
class FakeSystemd {
 public:
  explicit FakeSystemd(const std::string& name) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') {
      address.sun_path[0] = '\0';
    }
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    bound_ = bind(fd_, reinterpret_cast<const sockaddr*>(&address), length) == 0;
  }
  ~FakeSystemd() { close(fd_); }
  FakeSystemd(const FakeSystemd&) = delete;
  FakeSystemd& operator=(const FakeSystemd&) = delete;

  bool bound() const { return bound_; }
  // The next datagram; empty when there is none.
  std::string Take() {
    char buffer[512];
    const ssize_t got = recv(fd_, buffer, sizeof(buffer), 0);
    return got < 0 ? "" : std::string(buffer, static_cast<size_t>(got));
  }

 private:
  int fd_;
  bool bound_ = false;
};

TEST(SdNotifyTest, SendsEachStateToASocketInTheFileSystem) {
  const TempFolder folder;
  const std::string path = folder.path() + "/notify";
  {
    FakeSystemd systemd(path);
    ASSERT_TRUE(systemd.bound());
    const SdNotify notify(With({{"NOTIFY_SOCKET", path}}));
    EXPECT_TRUE(notify.enabled());
    EXPECT_TRUE(notify.Ready().ok());
    EXPECT_TRUE(notify.Watchdog().ok());
    EXPECT_TRUE(notify.Status("3 agents\nMAINPID=1").ok());
    EXPECT_TRUE(notify.Stopping().ok());
    EXPECT_EQ(systemd.Take(), "READY=1");
    EXPECT_EQ(systemd.Take(), "WATCHDOG=1");
    EXPECT_EQ(systemd.Take(), "STATUS=3 agents MAINPID=1") << "a line break would set another field";
    EXPECT_EQ(systemd.Take(), "STOPPING=1");
    EXPECT_EQ(systemd.Take(), "");
  }
  const SdNotify nobody(With({{"NOTIFY_SOCKET", path}}));
  EXPECT_EQ(nobody.Ready().code(), absl::StatusCode::kUnavailable) << "the socket is there, nobody listens";
  unlink(path.c_str());
  EXPECT_EQ(nobody.Ready().code(), absl::StatusCode::kNotFound);
}

TEST(SdNotifyTest, SendsToAnAbstractSocket) {
  const std::string name = absl::StrCat("@ppmm-sd-notify-test-", getpid());
  FakeSystemd systemd(name);
  ASSERT_TRUE(systemd.bound());
  EXPECT_TRUE(SdNotify(With({{"NOTIFY_SOCKET", name}})).Ready().ok());
  EXPECT_EQ(systemd.Take(), "READY=1");
}

TEST(SdNotifyTest, DoesNothingWithoutSystemd) {
  const SdNotify notify(With({}));
  EXPECT_FALSE(notify.enabled());
  EXPECT_TRUE(notify.Ready().ok());
  EXPECT_TRUE(notify.Status("x").ok());
}

TEST(SdNotifyTest, RefusesWhatIsNoUnixSocket) {
  for (const std::string& name :
       {std::string("vsock:2:1234"), std::string("@"), std::string("/") + std::string(200, 'a')}) {
    EXPECT_EQ(SdNotify(With({{"NOTIFY_SOCKET", name}})).Ready().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

TEST(SdNotifyTest, AsksForAWatchdogTwiceAPeriod) {
  EXPECT_EQ(SdNotify(With({{"WATCHDOG_USEC", "30000000"}})).watchdog_period(), absl::Seconds(15));
  EXPECT_EQ(SdNotify(With({{"WATCHDOG_USEC", "30000000"}, {"WATCHDOG_PID", absl::StrCat(getpid())}})).watchdog_period(),
            absl::Seconds(15));
}

TEST(SdNotifyTest, IsNotWatchedWhenTheVariablesAreAnothersOrDamaged) {
  EXPECT_EQ(SdNotify(With({})).watchdog_period(), std::nullopt);
  EXPECT_EQ(
      SdNotify(With({{"WATCHDOG_USEC", "30000000"}, {"WATCHDOG_PID", absl::StrCat(getpid() + 1)}})).watchdog_period(),
      std::nullopt);
  EXPECT_EQ(SdNotify(With({{"WATCHDOG_USEC", "30000000"}, {"WATCHDOG_PID", "x"}})).watchdog_period(), std::nullopt);
  for (const char* usec : {"0", "-5", "soon", "99999999999999999999"}) {
    EXPECT_EQ(SdNotify(With({{"WATCHDOG_USEC", usec}})).watchdog_period(), std::nullopt) << usec;
  }
}

}  // namespace
}  // namespace ppmm
