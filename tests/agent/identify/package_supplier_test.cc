#include "agent/identify/package_supplier.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

#include "tests/agent/identify/fake_root.h"

namespace ppmm {
namespace {

class PackageSupplierTest : public ::testing::Test {
 protected:
  PackageSupplierTest() {
    fake_.Write("/etc/os-release", "ID=distro\nID_LIKE=\"parent\"\nHOME_URL=\"https://www.distro.example/\"\n");
    fake_.Write("/etc/hostname", "web1\n");
    fake_.Write("/etc/resolv.conf", "search acme.example\nnameserver 10.0.0.1\n");
  }

  Supply Of(const std::string& name, const std::string& version, const std::string& maintainer) {
    Package package;
    package.name = package.source = name;
    package.version = version;
    package.maintainer = maintainer;
    return PackageSuppliers().SupplierOf(fake_.Open(), package);
  }

  FakeRoot fake_;
};

TEST_F(PackageSupplierTest, TheDistributionsRepositoryIsKnownByItsOrigin) {
  fake_.AddRepository("deb.distro.example_distro_dists_stable", "Distro", {{"shopd", "1.0-1"}});
  const Supply supply = Of("shopd", "1.0-1", "Jo <jo@mail.example>");
  EXPECT_EQ(supply.supplier, Supplier::kDistribution);
  EXPECT_TRUE(supply.by_repository);
  EXPECT_GT(supply.confidence, 0.95);
}

TEST_F(PackageSupplierTest, AMirrorInsideTheSiteIsStillTheDistribution) {
  fake_.AddRepository("mirror.internal_distro_dists_stable", "Distro", {{"shopd", "1.0-1"}});
  EXPECT_EQ(Of("shopd", "1.0-1", "Jo <jo@mail.example>").supplier, Supplier::kDistribution);
}

TEST_F(PackageSupplierTest, APublicRepositoryIsAVendors) {
  fake_.AddRepository("deb.vendor.example_dists_all", "Vendor", {{"vend", "2.0"}});
  EXPECT_EQ(Of("vend", "2.0", "Vendor <p@vendor.example>").supplier, Supplier::kVendor);
}

TEST_F(PackageSupplierTest, APrivateRepositoryIsTheSites) {
  fake_.AddRepository("10.1.2.3_apt_dists_stable", "", {{"shop", "2.0"}});
  EXPECT_EQ(Of("shop", "2.0", "Team <team@mail.example>").supplier, Supplier::kSite);
}

TEST_F(PackageSupplierTest, AMaintainerOfTheSiteIsTheSite) {
  fake_.AddRepository("packages.cloud.example_dists_stable", "Cloud", {{"shop", "2.0"}});
  EXPECT_EQ(Of("shop", "2.0", "Team <team@acme.example>").supplier, Supplier::kSite);
  EXPECT_EQ(Of("unlisted", "2.0", "Team <team@build.acme.example>").supplier, Supplier::kSite);
  EXPECT_EQ(Of("unlisted", "2.0", "root <root@build1>").supplier, Supplier::kSite);
}

TEST_F(PackageSupplierTest, AVersionNewerThanEveryRepositoryWasRebuilt) {
  fake_.AddRepository("deb.distro.example_distro_dists_stable", "Distro", {{"shopd", "1.0-1"}});
  EXPECT_EQ(Of("shopd", "1.0-1+fix1", "Jo <jo@lists.distro.example>").supplier, Supplier::kSite);
  EXPECT_EQ(Of("shopd", "0.9-1", "Jo <jo@lists.distro.example>").supplier, Supplier::kDistribution);
}

TEST_F(PackageSupplierTest, APackageOfNoRepositoryIsTheSitesUnlessTheDistributionMaintainsIt) {
  fake_.AddRepository("deb.distro.example_distro_dists_stable", "Distro", {{"shopd", "1.0-1"}});
  EXPECT_EQ(Of("loose", "1", "Someone <x@other.example>").supplier, Supplier::kSite);
  EXPECT_LT(Of("loose", "1", "Someone <x@other.example>").confidence, 0.7);
  EXPECT_EQ(Of("obsolete", "1", "Jo <jo@lists.distro.example>").supplier, Supplier::kDistribution);
}

TEST_F(PackageSupplierTest, WithoutListsTheMaintainerDecides) {
  EXPECT_EQ(Of("shopd", "1", "Jo <jo@distro.example>").supplier, Supplier::kDistribution);
  EXPECT_EQ(Of("shopd", "1", "Jo <jo@mail.example>").supplier, Supplier::kVendor);
  EXPECT_FALSE(Of("shopd", "1", "Jo <jo@mail.example>").by_repository);
}

TEST_F(PackageSupplierTest, TheDistributionsOwnDomainsAreItsNameUnderAnyTopLevelDomain) {
  fake_.Write("/etc/os-release", "NAME=\"Debian GNU/Linux\"\nID=debian\nHOME_URL=\"https://www.debian.org/\"\n");
  const char* const team = "Team <pkg-web@alioth-lists.debian.net>";
  EXPECT_EQ(Of("shopd", "1", team).supplier, Supplier::kDistribution);
  EXPECT_EQ(Of("shopd", "1", team).name, "Debian GNU/Linux");
  for (const char* domain : {"lists.debian.org", "tracker.debian.org", "packages.debian.org", "debian.org"}) {
    EXPECT_EQ(Of("shopd", "1", absl::StrCat("Jo <jo@", domain, ">")).supplier, Supplier::kDistribution) << domain;
  }
  for (const char* domain : {"notdebian.net", "debian.evil.example", "debian", "net", ".", "debian.net.example"}) {
    EXPECT_NE(Of("shopd", "1", absl::StrCat("Jo <jo@", domain, ">")).supplier, Supplier::kDistribution) << domain;
  }
}

TEST_F(PackageSupplierTest, ReleaseFilesBesideCompressedListsSayWhoOffersPackagesHere) {
  fake_.Write("/etc/os-release", "NAME=\"Debian GNU/Linux\"\nID=debian\nHOME_URL=\"https://www.debian.org/\"\n");
  const std::string lists = "/var/lib/apt/lists/deb.example_dists_stable";
  const char* const team = "Team <pkg-web@alioth-lists.debian.net>";
  fake_.Write(lists + "_main_binary-amd64_Packages.lz4", "compressed");
  fake_.Write(lists + "_InRelease", "Origin: Debian\nSHA256:\n");
  EXPECT_EQ(Of("shopd", "1", team).supplier, Supplier::kDistribution);
  EXPECT_EQ(Of("shopd", "1", team).name, "Debian");
  fake_.Write(lists + "_InRelease", "Origin: Somebody\nSHA256:\n");
  EXPECT_NE(Of("shopd", "1", team).supplier, Supplier::kDistribution) << "no repository here agrees";
}

TEST_F(PackageSupplierTest, DamagedListsAreSurvived) {
  fake_.AddRepository("deb.distro.example_distro_dists_stable", "Distro", {});
  fake_.Write("/var/lib/apt/lists/x_Packages", std::string("Package: shopd\nVersion:\n\0\n\nPackage: shopd", 40));
  fake_.Write("/var/lib/apt/lists/_Packages", "Package: shopd");
  Of("shopd", "1", "");
}

TEST(PackageSupplier, PrivateHostsAreRecognised) {
  for (const char* host : {"10.0.0.1", "172.31.0.1", "192.168.1.1", "127.0.0.1", "100.64.0.1", "aptserver",
                           "a.internal", "repo.corp", "registry.local:5000"}) {
    EXPECT_TRUE(IsPrivateHost(host)) << host;
  }
  for (const char* host : {"deb.example.org", "172.32.0.1", "8.8.8.8", "10.example.org", "100.128.0.1"}) {
    EXPECT_FALSE(IsPrivateHost(host)) << host;
  }
}

TEST(PackageSupplier, TheDomainOfAMaintainerIsRead) {
  EXPECT_EQ(MailDomain("Jo <jo@Mail.Example.org>"), "mail.example.org");
  EXPECT_EQ(MailDomain("jo@example.org"), "example.org");
  EXPECT_EQ(MailDomain("nobody"), "");
  EXPECT_EQ(MailDomain("@"), "");
}

}  // namespace
}  // namespace ppmm
