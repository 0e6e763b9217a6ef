#include "agent/identify/project.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"

#include "tests/agent/identify/fake_root.h"

namespace ppmm {
namespace {

TEST(Project, AManifestGivesTheName) {
  FakeRoot fake;
  fake.Write("/srv/a/package.json", R"({"name": "@acme/shop-api", "version": "2.1.0"})");
  fake.Write("/srv/b/pyproject.toml", "[build-system]\nname = \"no\"\n[project]\nname = \"billing\"\nversion='3.0'\n");
  fake.Write("/srv/c/composer.json", R"({"name": "acme/front"})");
  const HostRoot root = fake.Open();
  EXPECT_EQ(FindProject(root, "/srv/a/src/lib")->name, "shop-api");
  EXPECT_EQ(FindProject(root, "/srv/a")->version, "2.1.0");
  EXPECT_EQ(FindProject(root, "/srv/b")->name, "billing");
  EXPECT_EQ(FindProject(root, "/srv/b")->version, "3.0");
  EXPECT_EQ(FindProject(root, "/srv/c")->name, "front");
}

TEST(Project, AMarkGivesTheNameOfTheDirectoryPastWordsThatSayNothing) {
  FakeRoot fake;
  fake.Write("/srv/shop/releases/20240501/requirements.txt", "");
  fake.Write("/srv/blog/current/package.json", R"({"name": "app"})");
  const HostRoot root = fake.Open();
  EXPECT_EQ(FindProject(root, "/srv/shop/releases/20240501")->name, "shop");
  EXPECT_EQ(FindProject(root, "/srv/blog/current/bin")->name, "blog");
}

TEST(Project, DirectoriesOfTheSystemAreNone) {
  FakeRoot fake;
  fake.Write("/package.json", R"({"name": "no"})");
  fake.Write("/home/jo/.git/config", "");
  fake.Write("/usr/local/package.json", R"({"name": "no"})");
  const HostRoot root = fake.Open();
  for (const char* directory : {"/", "/home/jo", "/usr/local", "/srv", "", "."}) {
    EXPECT_FALSE(FindProject(root, directory).has_value()) << directory;
  }
}

TEST(Project, HostileManifestsFallBackToTheDirectory) {
  FakeRoot fake;
  for (const char* text : {"", "{", "[]", "{\"name\": 3}", "{\"name\": \"\\u0000\\n\"}", "\xff\xfe"}) {
    fake.Write("/srv/shop/package.json", text);
    EXPECT_EQ(FindProject(fake.Open(), "/srv/shop")->name, "shop") << text;
  }
  fake.Write("/srv/shop/package.json", std::string(100'000, '['));
  EXPECT_EQ(FindProject(fake.Open(), "/srv/shop")->name, "shop");
}

TEST(Project, AFileIsNamedByItselfUnlessItsNameSaysNothing) {
  FakeRoot fake;
  fake.Write("/srv/shop/app.py", "");
  fake.Write("/opt/billing/bin/main.js", "");
  fake.Write("/opt/app.py", "");
  const HostRoot root = fake.Open();
  EXPECT_EQ(NameForFile(root, "/srv/shop/checkout-1.4.2.jar").name, "checkout");
  EXPECT_EQ(NameForFile(root, "/srv/shop/checkout-1.4.2.jar").version, "1.4.2");
  EXPECT_EQ(NameForFile(root, "/srv/shop/app.py").name, "shop");
  EXPECT_EQ(NameForFile(root, "/opt/billing/bin/main.js").name, "billing");
  EXPECT_EQ(NameForFile(root, "/opt/app.py").name, "app");
  EXPECT_EQ(NameForFile(root, "/x.").name, "x.");
}

TEST(Project, AModuleIsNamedByItsPartsThatSaySomething) {
  FakeRoot fake;
  const HostRoot root = fake.Open();
  EXPECT_EQ(NameForModule(root, "shop.wsgi", "/srv/x1").name, "shop");
  EXPECT_EQ(NameForModule(root, "shop.worker", "/srv/x1").name, "shop.worker");
  EXPECT_EQ(NameForModule(root, "app", "/srv/orders").name, "orders");
  EXPECT_EQ(NameForModule(root, "app", "/").name, "app");
}

TEST(Project, NamesAndVersionsAreSplit) {
  EXPECT_EQ(SplitNameAndVersion("shop-1.4.2-SNAPSHOT").name, "shop");
  EXPECT_EQ(SplitNameAndVersion("shop-1.4.2-SNAPSHOT").version, "1.4.2-SNAPSHOT");
  EXPECT_EQ(SplitNameAndVersion("shop-v2.0").version, "v2.0");
  EXPECT_EQ(SplitNameAndVersion("log4j2").name, "log4j2");
  EXPECT_EQ(SplitNameAndVersion("a-b").name, "a-b");
  EXPECT_EQ(SplitNameAndVersion("-").name, "-");
  EXPECT_EQ(SplitNameAndVersion("").name, "");
}

std::string Record(const FakeRoot& fake, absl::string_view path, absl::string_view relative) {
  return absl::StrCat(relative, ",sha256=", absl::WebSafeBase64Escape(absl::HexStringToBytes(fake.Sha256(path))),
                      ",4\n");
}

TEST(InstalledModule, PipsRecordVerifiesItsFiles) {
  FakeRoot fake;
  const std::string site = "/srv/shop/venv/lib/python3.11/site-packages";
  fake.Write(site + "/server/__main__.py", "code");
  fake.Write("/srv/shop/venv/bin/server", "#!script");
  fake.Write(site + "/server-2.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: server\nVersion: 2.0\n\ntext\n");
  fake.Write(site + "/server-2.0.dist-info/RECORD",
             absl::StrCat(Record(fake, site + "/server/__main__.py", "server/__main__.py"),
                          Record(fake, "/srv/shop/venv/bin/server", "../../../bin/server")));
  const HostRoot root = fake.Open();
  for (const std::string& path : {site + "/server/__main__.py", std::string("/srv/shop/venv/bin/server")}) {
    const auto module = FindInstalledModule(root, path, fake.Sha256(path));
    ASSERT_TRUE(module.has_value()) << path;
    EXPECT_EQ(module->name, "server");
    EXPECT_EQ(module->version, "2.0");
    EXPECT_TRUE(module->verified);
    EXPECT_FALSE(module->built_here);
  }
  EXPECT_TRUE(FindInstalledModule(root, site + "/server/__main__.py", std::string(64, '0'))->modified);
  EXPECT_FALSE(FindInstalledModule(root, site + "/server/other.py", "").has_value());
  fake.Write(site + "/server-2.0.dist-info/direct_url.json", "{}");
  EXPECT_TRUE(FindInstalledModule(root, site + "/server/__main__.py", "")->built_here);
}

TEST(InstalledModule, TheOtherManagersAreKnownByTheirLayout) {
  FakeRoot fake;
  fake.Write("/srv/a/node_modules/@scope/tool/package.json", R"({"name": "@scope/tool", "version": "1.2.3"})");
  fake.Write("/var/lib/gems/3.1.0/specifications/tool-4.5.6.gemspec", "");
  fake.Write("/srv/b/vendor/composer/installed.json", "{}");
  const HostRoot root = fake.Open();
  EXPECT_EQ(FindInstalledModule(root, "/srv/a/node_modules/@scope/tool/bin/x.js", "")->version, "1.2.3");
  EXPECT_EQ(FindInstalledModule(root, "/var/lib/gems/3.1.0/gems/tool-4.5.6/bin/tool", "")->version, "4.5.6");
  EXPECT_EQ(FindInstalledModule(root, "/srv/b/vendor/acme/tool/run.php", "")->name, "tool");
  EXPECT_FALSE(FindInstalledModule(root, "/snap/tool/12/bin/tool", "")->built_here);
  EXPECT_TRUE(FindInstalledModule(root, "/snap/tool/x1/bin/tool", "")->built_here);
  for (const char* path : {"/srv/a/app.js", "/node_modules/", "/node_modules/x", "/gems/", "/vendor/", "/snap/x", ""}) {
    EXPECT_FALSE(FindInstalledModule(root, path, "").has_value()) << path;
  }
}

}  // namespace
}  // namespace ppmm
