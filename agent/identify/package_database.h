// What the package manager of a root recorded: which package a file belongs to, and whether it is still what was
// installed.
//
// Reads dpkg's database (/var/lib/dpkg, and the status.d of images without dpkg itself) and apk's (/lib/apk/db).
// The first questions search the lists on disk (22 MiB on a host of 900 packages, about 10 ms each once they are in the
// page cache). Whoever asks more often gets an index: 4 bytes a file that say which lists to search, bounded, so that a
// question costs some 0.1 ms. Answers are kept too, bounded. A change of the database forgets all.
// Thread-compatible. Holds no descriptor: each question is given the root, because a container's root must not be
// kept busy.
// Source: dpkg(1), dpkg-divert(1), deb(5), deb-md5sums(5); https://wiki.alpinelinux.org/wiki/Apk_spec.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "agent/identify/host_root.h"
#include "agent/identify/package_index.h"

namespace ppmm {

struct Package {
  std::string name;        // "shopd-15"
  std::string version;     // "15.12-0+u2"
  std::string source;      // the source package; the name when none is recorded
  std::string maintainer;  // "Team <team@lists.example.org>"
  std::string origin;      // the field Origin, which few packages have
  bool installed = true;   // false: removed, its conffiles left behind
};

// What is recorded of one path.
struct FileRecord {
  Package package;
  std::string path;       // as the package named it: before diversion and without aliases of directories
  std::string md5;        // lower-case hex; empty: none recorded
  std::string sha1;       // apk's; lower-case hex
  bool conffile = false;  // made to be edited: a change is configuration
};

class PackageDatabase {
 public:
  // Looks whether the database is still the one whose answers are kept; forgets them otherwise. Cheap (two stat calls).
  // Returns a number that changes with the database, so that others can forget with it.
  uint64_t Refresh(const HostRoot& root);

  // Whether there is a package database at all.
  bool present() const { return kind_ != Kind::kNone; }

  // The package that owns `path`. Aliases of directories (/bin = /usr/bin) and diversions are followed.
  // Shape:  absolute path without links, as HostRoot::Resolve gives it. Nothing: no package owns it.
  std::optional<FileRecord> Owner(const HostRoot& root, absl::string_view path);

  // The packaged file that has this content, wherever the file in question lies. Several: the first by package name.
  // Nothing: none. Not meant for empty files, which all packages share.
  std::optional<FileRecord> FindContent(const HostRoot& root, const FileDigests& digests);

  // Gives back what no question needed since the last call: the memory of the indexes.
  void Rest();

  // Nothing: no such package.
  std::optional<Package> Find(const HostRoot& root, absl::string_view name);

 private:
  enum class Kind { kNone, kDpkg, kDistroless, kApk };

  const std::vector<std::string>& Stems(const HostRoot& root);
  // The stems whose lists (of paths, or of checksums) may name `key`: all of them, until asked often enough.
  enum class Lists { kPaths, kChecksums };
  std::vector<absl::string_view> Candidates(const HostRoot& root, Lists lists, absl::Span<const std::string> keys);
  PackageIndex MakeIndex(const HostRoot& root, Lists lists);
  std::optional<FileRecord> DpkgOwner(const HostRoot& root, absl::string_view path);
  // Not following diversions; `only` and `except` name packages ("" = any, none).
  std::optional<FileRecord> DpkgListed(const HostRoot& root, absl::string_view path, absl::string_view only,
                                       absl::string_view except);
  std::optional<FileRecord> DpkgContent(const HostRoot& root, absl::string_view md5);
  std::optional<FileRecord> DpkgRecord(const HostRoot& root, absl::string_view stem, absl::string_view path);
  std::optional<FileRecord> ApkFile(const HostRoot& root, absl::string_view path, absl::string_view sha1);

  Kind kind_ = Kind::kNone;
  FileKey root_key_;
  FileKey status_key_;
  FileKey diversions_key_;
  uint64_t generation_ = 0;
  struct Search {
    int questions = 0;
    bool used = false;  // since the last Rest()
    std::optional<PackageIndex> index;
  };
  Search by_path_;
  Search by_checksum_;
  std::vector<std::string> stems_;  // "shopd", "libshop:amd64": names of the info files without their ending, sorted
  absl::flat_hash_map<std::string, std::optional<FileRecord>> owners_;
  absl::flat_hash_map<std::string, std::optional<FileRecord>> contents_;
  absl::flat_hash_map<std::string, std::optional<Package>> packages_;
};

// All names a path may have been packaged under: "/usr/bin/x" -> itself and "/bin/x".
std::vector<std::string> PathAliases(absl::string_view path);

// Debian's order of versions: negative, zero or positive as `a` is older than, equal to or newer than `b`.
// Source: deb-version(7).
int CompareVersions(absl::string_view a, absl::string_view b);

// The product: the source package without the version at its end: "shopd-15" at 15.3 -> "shopd". A number
// is a version only when the package's version begins with it, so that names that end in a digit stay whole.
std::string ProductName(absl::string_view source, absl::string_view version);

}  // namespace ppmm
