#include "agent/identify/unit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"

#include "tests/agent/identify/fake_root.h"

namespace ppmm {
namespace {

using ::testing::ElementsAre;

const std::string kId(64, 'a');

TEST(Unit, AServiceIsItsName) {
  const UnitPlace place = UnitOfCgroup("/system.slice/shop.service");
  EXPECT_EQ(place.unit, "shop.service");
  EXPECT_EQ(place.name, "shop");
  EXPECT_FALSE(place.is_template);
  EXPECT_FALSE(place.user_manager);
}

TEST(Unit, ATemplateIsOneApplicationAndItsInstanceTheSlot) {
  const UnitPlace place = UnitOfCgroup("/system.slice/system-worker.slice/worker@7.service/payload");
  EXPECT_EQ(place.unit, "worker@7.service");
  EXPECT_EQ(place.name, "worker");
  EXPECT_EQ(place.instance, "7");
  EXPECT_TRUE(place.is_template);
}

TEST(Unit, SlicesSessionsScopesAndTheRootSayNothing) {
  for (const char* path : {"/", "", "/init.scope", "/system.slice", "/user.slice/user-1000.slice/session-3.scope",
                           "/user.slice/user-1000.slice/user@1000.service/init.scope", "/.service", "/@.service"}) {
    const UnitPlace place = UnitOfCgroup(path);
    EXPECT_FALSE(place.in_unit()) << path;
    EXPECT_FALSE(place.in_container()) << path;
  }
}

TEST(Unit, AUnitOfAUsersManagerCountsAsItself) {
  const UnitPlace place = UnitOfCgroup("/user.slice/user-1000.slice/user@1000.service/app.slice/shop@a\\x2db.service");
  EXPECT_EQ(place.name, "shop");
  EXPECT_EQ(place.instance, "a-b");
  EXPECT_TRUE(place.user_manager);
}

TEST(Unit, RandomNamesOfSystemdRunAreTransient) {
  EXPECT_TRUE(UnitOfCgroup("/system.slice/run-r0123456789abcdef0123456789abcdef.service").transient);
  EXPECT_TRUE(UnitOfCgroup("/system.slice/run-u812.service").transient);
  EXPECT_FALSE(UnitOfCgroup("/system.slice/run-backup.service").transient);
}

TEST(Unit, ContainersOfAllRuntimesAreRecognised) {
  for (const std::string& path :
       {absl::StrCat("/docker/", kId), absl::StrCat("/system.slice/docker-", kId, ".scope"),
        absl::StrCat("/machine.slice/libpod-", kId, ".scope/container"), absl::StrCat("/default/", kId),
        absl::StrCat("/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:", kId)}) {
    EXPECT_EQ(UnitOfCgroup(path).container_id, kId) << path;
  }
  const UnitPlace pod =
      UnitOfCgroup(absl::StrCat("/kubepods.slice/kubepods-burstable.slice/"
                                "kubepods-burstable-pod0a1b2c3d_0000_1111_2222_333344445555.slice/cri-containerd-",
                                kId, ".scope"));
  EXPECT_EQ(pod.container_id, kId);
  EXPECT_EQ(pod.pod_id, "0a1b2c3d-0000-1111-2222-333344445555");
  EXPECT_FALSE(UnitOfCgroup(absl::StrCat("/machine.slice/libpod-conmon-", kId, ".scope")).in_container());
  EXPECT_FALSE(UnitOfCgroup(absl::StrCat("/docker/", kId.substr(1), "x")).in_container());
}

TEST(Unit, VersionTwoThenSystemdThenTheLongestPathIsChosen) {
  EXPECT_EQ(ChooseCgroupPath("0::/system.slice/a.service\n"), "/system.slice/a.service");
  EXPECT_EQ(ChooseCgroupPath("2:cpu:/x/longer/than/others\n1:name=systemd:/system.slice/b.service\n0::/\n"),
            "/system.slice/b.service");
  EXPECT_EQ(ChooseCgroupPath("3:cpu:/\n2:memory:/docker/abc\n1:name=systemd:/\n"), "/docker/abc");
  EXPECT_EQ(ChooseCgroupPath(""), "/");
  EXPECT_EQ(ChooseCgroupPath("rubbish\n0:\n0::relative\n"), "/");
  EXPECT_EQ(ChooseCgroupPath("0::/a:b.service\n"), "/a:b.service");
}

TEST(Unit, EscapesAreUndoneAndBrokenOnesStay) {
  EXPECT_EQ(UnescapeUnitName("my\\x2dapp"), "my-app");
  EXPECT_EQ(UnescapeUnitName("a\\x2"), "a\\x2");
  EXPECT_EQ(UnescapeUnitName("a\\x00b\\xzz"), "a\\x00b\\xzz");
}

TEST(Unit, FilesAreFoundInSystemdsOrderAndATemplateStandsForItsInstances) {
  FakeRoot fake;
  fake.Write("/etc/systemd/system/worker@.service", "");
  fake.Write("/usr/lib/systemd/system/worker@.service", "");
  fake.Write("/etc/init.d/legacy", "");
  fake.Write("/usr/lib/systemd/user/pod.service", "");
  const HostRoot root = fake.Open();
  EXPECT_THAT(FindUnitFiles(root, UnitOfCgroup("/system.slice/worker@7.service")),
              ElementsAre("/etc/systemd/system/worker@.service", "/usr/lib/systemd/system/worker@.service"));
  EXPECT_THAT(FindUnitFiles(root, UnitOfCgroup("/system.slice/legacy.service")), ElementsAre("/etc/init.d/legacy"));
  EXPECT_THAT(FindUnitFiles(root, UnitOfCgroup("/user@1.service/pod.service")),
              ElementsAre("/usr/lib/systemd/user/pod.service"));
  EXPECT_THAT(FindUnitFiles(root, UnitOfCgroup("/")), ElementsAre());
}

TEST(Unit, RandomPathsAreSurvived) {
  std::mt19937 random(3);
  const std::string alphabet = "/@.\\x-service:pod_a0slicekubepods\n";
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (size_t i = random() % 120; i > 0; --i) {
      text.push_back(alphabet[random() % alphabet.size()]);
    }
    UnitOfCgroup(text);
    ChooseCgroupPath(text);
    UnescapeUnitName(text);
  }
}

}  // namespace
}  // namespace ppmm
