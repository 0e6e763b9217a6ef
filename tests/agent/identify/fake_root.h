// A file system below a directory of its own, with a package database as dpkg would have written it. For tests of
// agent/identify; deleted with the object.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "agent/identify/host_root.h"

namespace ppmm {

class FakeRoot {
 public:
  FakeRoot() {
    std::string name = (std::filesystem::temp_directory_path() / "ppmm_root_XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~FakeRoot() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  FakeRoot(const FakeRoot&) = delete;
  FakeRoot& operator=(const FakeRoot&) = delete;

  const std::string& path() const { return path_; }
  HostRoot Open() const { return HostRoot::Open(path_).value(); }

  void Write(absl::string_view path, absl::string_view content) const {
    const std::string full = absl::StrCat(path_, path);
    std::filesystem::create_directories(std::filesystem::path(full).parent_path());
    std::ofstream(full, std::ios::binary) << std::string(content);
  }

  void Append(absl::string_view path, absl::string_view content) const {
    const std::string full = absl::StrCat(path_, path);
    std::filesystem::create_directories(std::filesystem::path(full).parent_path());
    std::ofstream(full, std::ios::binary | std::ios::app) << std::string(content);
  }

  void Link(absl::string_view target, absl::string_view path) const {
    const std::string full = absl::StrCat(path_, path);
    std::filesystem::create_directories(std::filesystem::path(full).parent_path());
    std::filesystem::create_symlink(std::string(target), full);
  }

  void Remove(absl::string_view path) const { std::filesystem::remove(absl::StrCat(path_, path)); }

  struct File {
    std::string path;  // as dpkg lists it
    std::string content;
    bool conffile = false;
  };

  // Installs a package: its files, its list, its checksums, its stanza. `fields` are more lines of the stanza.
  void Install(absl::string_view name, absl::string_view version, absl::string_view source,
               const std::vector<File>& files,
               absl::string_view maintainer = "Packagers <packagers@lists.distro.example>") const {
    const std::string info = absl::StrCat("/var/lib/dpkg/info/", name);
    std::string list = "/.\n", sums, conffiles;
    for (const File& file : files) {
      Write(file.path, file.content);
      absl::StrAppend(&list, file.path, "\n");
      if (file.conffile) {
        absl::StrAppend(&conffiles, file.path, "\n");
      } else {
        absl::StrAppend(&sums, Md5(file.path), "  ", file.path.substr(1), "\n");
      }
    }
    Write(absl::StrCat(info, ".list"), list);
    Write(absl::StrCat(info, ".md5sums"), sums);
    if (!conffiles.empty()) {
      Write(absl::StrCat(info, ".conffiles"), conffiles);
    }
    Append("/var/lib/dpkg/status",
           absl::StrCat("Package: ", name.substr(0, name.find(':')),
                        "\nStatus: install ok installed\nMaintainer: ", maintainer, "\nArchitecture: amd64\n",
                        source == name ? "" : absl::StrCat("Source: ", source, "\n"), "Version: ", version,
                        "\nDescription: a test\n with a second line\n\n"));
  }

  // A repository's lists as apt keeps them, offering `packages` ("name version").
  void AddRepository(absl::string_view stem, absl::string_view origin,
                     const std::vector<std::pair<std::string, std::string>>& packages) const {
    const std::string lists = "/var/lib/apt/lists/";
    Write(absl::StrCat(lists, stem, "_InRelease"),
          absl::StrCat("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nOrigin: ", origin,
                       "\nSuite: stable\nSHA256:\n"));
    std::string text;
    for (const auto& [name, version] : packages) {
      absl::StrAppend(&text, "Package: ", name, "\nArchitecture: amd64\nVersion: ", version, "\n\n");
    }
    Write(absl::StrCat(lists, stem, "_main_binary-amd64_Packages"), text);
  }

  std::string Md5(absl::string_view path) const { return Digests(path).md5; }
  std::string Sha256(absl::string_view path) const { return Digests(path).sha256; }

 private:
  FileDigests Digests(absl::string_view path) const {
    const HostRoot root = Open();
    return DigestFile(root.OpenRegular(path).value().fd(), 1 << 30).value();
  }

  std::string path_;
};

}  // namespace ppmm
