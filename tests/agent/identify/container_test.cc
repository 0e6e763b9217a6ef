#include "agent/identify/container.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/agent/identify/fake_root.h"

namespace ppmm {
namespace {

const std::string kId(64, 'c');

TEST(Container, DockersStateTellsNameImageAndComposeService) {
  FakeRoot fake;
  fake.Write(absl::StrCat("/var/lib/docker/containers/", kId, "/config.v2.json"),
             R"({"Name": "/shop-web-1", "Image": "sha256:11", "MountPoints": {"/code": {}},
                 "Config": {"Image": "registry.internal/shop/web:1.2",
                            "Labels": {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}}})");
  fake.Write("/var/lib/docker/image/overlay2/repositories.json",
             R"({"Repositories": {"web": {"web:1": "sha256:11", "web@sha256:22": "sha256:11"}}})");
  const auto container = FindContainer(fake.Open(), kId);
  ASSERT_TRUE(container.has_value());
  EXPECT_EQ(container->name, "shop-web-1");
  EXPECT_EQ(container->image, "registry.internal/shop/web:1.2");
  EXPECT_EQ(container->compose_project, "shop");
  EXPECT_EQ(container->compose_service, "web");
  EXPECT_EQ(container->fetched, true);
  EXPECT_THAT(container->mounts, ::testing::ElementsAre("/code"));
}

TEST(Container, PodmanAndOciBundlesTellTheirs) {
  FakeRoot fake;
  fake.Write("/var/lib/containers/storage/overlay-containers/containers.json",
             absl::StrCat(R"([{"id": "x"}, {"id": ")", kId,
                          R"(", "names": ["cache"], "metadata": "{\"image-name\":\"docker.io/library/cache:7\"}"}])"));
  EXPECT_EQ(FindContainer(fake.Open(), kId)->image, "docker.io/library/cache:7");
  EXPECT_EQ(FindContainer(fake.Open(), kId)->name, "cache");
  FakeRoot other;
  other.Write(absl::StrCat("/run/containerd/io.containerd.runtime.v2.task/k8s.io/", kId, "/config.json"),
              R"({"annotations": {"io.kubernetes.cri.container-name": "web",
                  "io.kubernetes.cri.sandbox-namespace": "shop", "io.kubernetes.cri.image-name": "ghcr.io/acme/web:3"}})");
  const auto container = FindContainer(other.Open(), kId);
  EXPECT_EQ(container->pod_namespace, "shop");
  EXPECT_EQ(container->name, "web");
  EXPECT_EQ(container->fetched, std::nullopt);
}

TEST(Container, WhatNothingTellsOrIsNoIdIsNone) {
  FakeRoot fake;
  EXPECT_FALSE(FindContainer(fake.Open(), kId).has_value());
  EXPECT_FALSE(FindContainer(fake.Open(), "../../../etc").has_value());
  EXPECT_FALSE(FindContainer(fake.Open(), "").has_value());
}

TEST(Container, HostileStateIsSurvived) {
  FakeRoot fake;
  const std::string file = absl::StrCat("/var/lib/docker/containers/", kId, "/config.v2.json");
  for (const char* text :
       {"", "{", "[]", "3", R"({"Name": 1, "Config": [], "MountPoints": 2})",
        R"({"Config": {"Labels": {"com.docker.compose.project": {}}}})", "{\"Name\": \"\\u0001\"}"}) {
    fake.Write(file, text);
    fake.Write("/var/lib/docker/image/overlay2/repositories.json", text);
    FindContainer(fake.Open(), kId);
  }
  fake.Write(file, std::string(200'000, '['));
  EXPECT_FALSE(FindContainer(fake.Open(), kId).has_value());
}

TEST(Image, ReferencesAreTakenApart) {
  const ImageReference own = ParseImage("registry.example.org:5000/team/shop:1.2@sha256:00");
  EXPECT_EQ(own.registry, "registry.example.org:5000");
  EXPECT_EQ(own.repository, "team/shop");
  EXPECT_EQ(own.tag, "1.2");
  EXPECT_FALSE(own.official);
  EXPECT_TRUE(ParseImage("cache:7").official);
  EXPECT_TRUE(ParseImage("docker.io/library/cache").official);
  EXPECT_EQ(ParseImage("docker.io/library/cache").repository, "cache");
  EXPECT_FALSE(ParseImage("acme/shop").official);
  EXPECT_FALSE(ParseImage("localhost/shop").official);
  EXPECT_FALSE(ParseImage("").official);
}

}  // namespace
}  // namespace ppmm
