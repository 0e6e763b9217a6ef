// The files of package managers and container runtimes below a root. Input: flags, then pieces, the files.
#include <sys/stat.h>
#include <unistd.h>

#include "agent/identify/container.h"
#include "agent/identify/package_database.h"
#include "tests/agent/identify/fake_root.h"
#include "tests/fuzz/fuzz.h"

namespace ppmm::fuzz {
namespace {

constexpr char kContainer[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
constexpr std::uint8_t kApk = 1;
constexpr const char* kDpkgFiles[] = {"/var/lib/dpkg/status", "/var/lib/dpkg/info/shop.list",
                                      "/var/lib/dpkg/info/shop.md5sums", "/var/lib/dpkg/info/shop.conffiles",
                                      "/var/lib/dpkg/diversions"};

std::string DockerFile() {
  return absl::StrCat("/var/lib/docker/containers/", kContainer, "/config.v2.json");
}

}  // namespace

void Run(absl::string_view input) {
  // One root for all inputs, so that a run costs a few writes; what the one before left is written over or removed.
  static const FakeRoot* const root = new FakeRoot;
  Input in(input);
  const bool apk = (in.Byte() & kApk) != 0;
  for (const char* const file : kDpkgFiles) {
    apk ? root->Remove(file) : root->Write(file, in.Piece());
  }
  apk ? root->Write("/lib/apk/db/installed", in.Piece()) : root->Remove("/lib/apk/db/installed");
  root->Write(DockerFile(), in.Rest());

  const HostRoot host = root->Open();
  PackageDatabase packages;
  packages.Refresh(host);
  for (const char* const path : {"/usr/bin/shop", "/etc/shop.conf", ""}) {
    const std::optional<FileRecord> record = packages.Owner(host, path);
    Require(!record.has_value() || !record->package.name.empty(), "an owner has a name");
  }
  FileDigests digests;
  digests.md5 = "d41d8cd98f00b204e9800998ecf8427e";
  digests.sha1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
  packages.FindContent(host, digests);
  packages.Find(host, "shop");
  FindContainer(host, kContainer);
}

std::vector<std::string> Seeds() {
  const std::string docker =
      R"({"Name":"/shop","Config":{"Image":"shop:1","Labels":{"com.docker.compose.project":"p","com.docker.compose.service":"s"}},)"
      R"("Image":"sha256:00","MountPoints":{"/data":{"Destination":"/data"}}})";
  const std::string status =
      "Package: shop\nStatus: install ok installed\nVersion: 1.2-3\nSource: shop-src (1.2)\n"
      "Maintainer: Team <team@lists.example.org>\nOrigin: Example\nDescription: x\n more\n\nPackage: other\n";
  const std::string apk =
      "P:shop\nV:1.2-r3\no:shop-src\nm:Team <t@example.org>\nF:usr/bin\nR:shop\nZ:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\n\n";
  return {std::string(1, '\0') + Piece(status) + Piece("/.\n/usr\n/usr/bin/shop\n/etc/shop.conf\n") +
              Piece("d41d8cd98f00b204e9800998ecf8427e  usr/bin/shop\n") + Piece("/etc/shop.conf\n") +
              Piece("/usr/bin/shop\n/usr/bin/shop.real\nother\n") + docker,
          std::string("\1") + Piece(apk) + docker};
}

}  // namespace ppmm::fuzz
