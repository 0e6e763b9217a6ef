#include "collector/inventory.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/temp_folder.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(const std::string& text) {
  const TempFolder folder;
  const std::string path = folder.Write("inventory.yaml", text);
  std::string message(LoadInventory(path).status().message());
  for (std::size_t at = message.find(path); at != std::string::npos; at = message.find(path)) {
    message.replace(at, path.size(), "inventory.yaml");
  }
  return message;
}

// The first yaml block of a section of a document.
std::string ExampleOf(const std::string& document, const std::string& heading) {
  std::ifstream file(std::string(PPMM_SOURCE_DIR) + "/" + document);
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  const std::size_t section = all.find(heading);
  const std::size_t begin = all.find("```yaml\n", section);
  const std::size_t end = all.find("```\n", begin + 8);
  return section == std::string::npos || end == std::string::npos ? "" : all.substr(begin + 8, end - begin - 8);
}

TEST(InventoryTest, TheExampleOfTheDocumentationIsValid) {
  const std::string example = ExampleOf("docs/inventory.md", "## What people declare");
  ASSERT_THAT(example, HasSubstr("applications:"));
  const TempFolder folder;
  const std::string path = folder.Write("inventory.yaml", example);
  const absl::StatusOr<Inventory> inventory = LoadInventory(path);
  ASSERT_TRUE(inventory.ok()) << inventory.status();
  EXPECT_EQ(inventory->author(), path);
  for (const int size : {inventory->said().applications_size(), inventory->said().hosts_size(),
                         inventory->said().networks_size(), inventory->said().maintenance_size(),
                         inventory->said().exclusions_size(), inventory->said().exemptions_size()}) {
    EXPECT_GT(size, 0) << "the example shows every list";
  }
}

TEST(InventoryTest, AFileThatIsNotThereIsAnEmptyInventory) {
  const TempFolder folder;
  const absl::StatusOr<Inventory> inventory = LoadInventory(folder.path() + "/none.yaml");
  ASSERT_TRUE(inventory.ok()) << inventory.status();
  EXPECT_EQ(inventory->said().applications_size(), 0);
  EXPECT_EQ(inventory->FindApplication("default/nginx"), nullptr);
}

TEST(InventoryTest, AFileThatCannotBeReadIsAnError) {
  const TempFolder folder;
  EXPECT_FALSE(LoadInventory(folder.path()).ok()) << "a folder";
}

TEST(InventoryTest, FindsAnApplicationByKeyAndInTheDefaultGroupByName) {
  const TempFolder folder;
  const absl::StatusOr<Inventory> inventory =
      LoadInventory(folder.Write("inventory.yaml",
                                 "applications:\n- application: nginx\n  owner: anna\n- application: shop/nginx\n"
                                 "  owner: berta\nhosts:\n- host: web1\n  owner: anna\n"));
  ASSERT_TRUE(inventory.ok()) << inventory.status();
  EXPECT_EQ(inventory->FindApplication("default/nginx")->owner(), "anna");
  EXPECT_EQ(inventory->FindApplication("shop/nginx")->owner(), "berta");
  EXPECT_EQ(inventory->FindApplication("test/nginx"), nullptr);
  EXPECT_EQ(inventory->FindHost("web1")->owner(), "anna");
  EXPECT_EQ(inventory->FindHost("web2"), nullptr);
}

TEST(InventoryTest, JsonHasTheWordsOfTheFileAndTextAsItWasWritten) {
  const TempFolder folder;
  const absl::StatusOr<Inventory> inventory =
      LoadInventory(folder.Write("inventory.yaml",
                                 "applications:\n- application: DECLARED_ORIGIN_IN_HOUSE\n"
                                 "  name: EXCLUSION_KIND_NOT_OURS\n  origin: off_the_shelf\n"
                                 "exclusions:\n- host: a\n  kind: non_production\n"
                                 "  reason: EXCLUSION_KIND_NON_PRODUCTION\n  until: 2027-05-31\n"));
  ASSERT_TRUE(inventory.ok()) << inventory.status();
  EXPECT_EQ(inventory->ToJson(),
            R"({"applications":[{"application":"DECLARED_ORIGIN_IN_HOUSE","name":"EXCLUSION_KIND_NOT_OURS",)"
            R"("origin":"off_the_shelf"}],"exclusions":[{"host":"a","kind":"non_production",)"
            R"("reason":"EXCLUSION_KIND_NON_PRODUCTION","until":"2027-05-31"}]})");
  EXPECT_EQ(Inventory().ToJson(), "{}");
}

TEST(InventoryTest, ExclusionsAreFoundByWhatTheyAreOfAndHoldToTheEndOfTheirDay) {
  const TempFolder folder;
  const absl::StatusOr<Inventory> inventory = LoadInventory(
      folder.Write("inventory.yaml",
                   "exclusions:\n- {application: nginx, kind: not_ours, reason: rented, until: 2027-05-31}\n"
                   "- {host: 10.0.0.9, kind: non_production, reason: tests, until: 2027-05-31}\n"));
  ASSERT_TRUE(inventory.ok()) << inventory.status();
  ASSERT_NE(inventory->FindApplicationExclusion("default/nginx"), nullptr);
  EXPECT_EQ(ExclusionWord(inventory->FindApplicationExclusion("default/nginx")->kind()), "not_ours");
  EXPECT_EQ(inventory->FindApplicationExclusion("shop/nginx"), nullptr);
  EXPECT_EQ(inventory->FindApplicationExclusion(""), nullptr);
  ASSERT_NE(inventory->FindHostExclusion("10.0.0.9"), nullptr);
  EXPECT_EQ(ExclusionWord(inventory->FindHostExclusion("10.0.0.9")->kind()), "non_production");
  EXPECT_EQ(inventory->FindHostExclusion(""), nullptr) << "the one of an application has no host";

  const absl::Time end = absl::FromCivil(absl::CivilDay(2027, 6, 1), absl::UTCTimeZone());
  EXPECT_FALSE(IsOver("2027-05-31", end - absl::Seconds(1)));
  EXPECT_TRUE(IsOver("2027-05-31", end));
  EXPECT_FALSE(IsOver("soon", end));
}

TEST(InventoryTest, NetworksCountBesideThoseOfTheConfiguration) {
  const TempFolder folder;
  const absl::StatusOr<Inventory> inventory =
      LoadInventory(folder.Write("inventory.yaml", "networks: [192.0.2.0/24, \"2001:db8::/32\"]\n"));
  ASSERT_TRUE(inventory.ok()) << inventory.status();
  config::CollectorConfig config;
  config.add_networks("198.51.100.0/24");
  const std::vector<Network> networks = OwnNetworks(config, *inventory);
  const auto contains = [&networks](const char* address) {
    return std::any_of(networks.begin(), networks.end(),
                       [address](const Network& network) { return network.Contains(*IpAddress::Parse(address)); });
  };
  EXPECT_TRUE(contains("192.0.2.9"));
  EXPECT_TRUE(contains("2001:db8::9"));
  EXPECT_TRUE(contains("198.51.100.9"));
  EXPECT_FALSE(contains("203.0.113.9"));
  EXPECT_TRUE(OwnNetworks(config::CollectorConfig(), Inventory()).empty());
}

TEST(InventoryTest, EveryMistakeIsToldWithItsPlace) {
  EXPECT_EQ(ErrorOf("aplications: []\n"),
            "inventory.yaml:1:1: unknown key \"aplications\"; did you mean \"applications\"?\n1 error, nothing loaded");
  EXPECT_THAT(ErrorOf("applications:\n- application: nginx\n  origin: own\n  tier: 4\n"),
              AllOf(HasSubstr("inventory.yaml:3:11: "), HasSubstr("off_the_shelf"), HasSubstr("inventory.yaml:4:9: "),
                    HasSubstr("2 errors, nothing loaded")));
  EXPECT_THAT(ErrorOf("applications:\n- owner: anna\n"),
              HasSubstr("inventory.yaml:2:3: applications[0]: needs \"application\""));
  EXPECT_THAT(ErrorOf("applications:\n- application: nginx\n- application: default/nginx\n"),
              HasSubstr("inventory.yaml:3:16: applications[1].application: \"nginx\" is declared twice"));
  EXPECT_THAT(ErrorOf("hosts:\n- host: a\n- host: a\n"),
              HasSubstr("inventory.yaml:3:9: hosts[1].host: \"a\" is declared twice"));
  EXPECT_THAT(ErrorOf("networks: [10.0.0.0/8, nonsense]\n"), HasSubstr("inventory.yaml:1:24: "));
  EXPECT_THAT(ErrorOf("networks: [\n"), HasSubstr("inventory.yaml:1:11: "));
}

TEST(InventoryTest, WhatEasesNeedsScopeReasonAndEnd) {
  EXPECT_THAT(ErrorOf("exclusions:\n- host: db9\n"),
              AllOf(HasSubstr("inventory.yaml:2:3: exclusions[0]: needs \"kind\": not_ours, agentless"),
                    HasSubstr("needs \"reason\""), HasSubstr("needs \"until\", a date like 2027-05-31")));
  EXPECT_THAT(ErrorOf("exclusions:\n- {host: a, application: b, kind: not_ours, reason: x, until: tomorrow}\n"),
              AllOf(HasSubstr("needs either \"application\" or \"host\""),
                    HasSubstr("\"tomorrow\" is no date; write it as 2027-05-31")));
  EXPECT_THAT(ErrorOf("exemptions:\n- {application: b, activity: RSP-11, reason: x, until: 2027-05-31}\n"),
              HasSubstr("no activity \"RSP-11\"; did you mean \"RSP-101\""));
  EXPECT_THAT(ErrorOf("maintenance:\n- {from: 2026-12-24 02:00, to: 2026-12-24 01:00}\n"),
              HasSubstr("is not after \"from\""));
  EXPECT_THAT(ErrorOf("maintenance:\n- {host: a, application: b, from: soon}\n"),
              AllOf(HasSubstr("not of both"), HasSubstr("\"soon\" is no time"), HasSubstr("needs \"to\"")));
}

TEST(InventoryTest, AnyTextIsReadOrRefused) {
  const std::string text = "applications:\n- application: nginx\n  owner: anna\nnetworks: [10.0.0.0/8]\n";
  for (std::size_t size = 0; size <= text.size(); ++size) {
    ErrorOf(text.substr(0, size));
  }
  EXPECT_THAT(ErrorOf("applications:\n- application: \"a\\x1b[2J\"\n- application: \"a\\x1b[2J\"\n"),
              Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace ppmm
