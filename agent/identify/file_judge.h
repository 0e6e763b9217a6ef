// Who built the bytes of one file: compares it with what package managers recorded, and reads what it says of itself.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

#include "agent/identify/host_root.h"
#include "agent/identify/identify.h"
#include "agent/identify/package_database.h"
#include "agent/identify/package_supplier.h"

namespace ppmm {

struct FileVerdict {
  CodeOrigin origin = CodeOrigin::kUnknown;
  double confidence = 0;
  std::vector<OriginEvidence> evidence;
  bool readable = false;
  bool packaged = false;     // a package owns the path, or has a file of this content
  std::string package;       // its name
  std::string package_path;  // the path under which the package has it
  std::string product;
  std::string version;
  std::string digest;  // build id or SHA-256
  std::string sha256;
};

// The file systems below one root, with the answers about its files. Thread-compatible.
class FileJudge {
 public:
  // Shape: `path` absolute without links, below `root`. `open_by`: how to open it instead ("/proc/PID/exe"), empty: by
  //        `path`. `replaced`: the path no longer leads to these bytes.
  FileVerdict Judge(const HostRoot& root, absl::string_view path, absl::string_view open_by, bool replaced);

  // The package that owns a path, without looking at the content.
  std::optional<FileRecord> Owner(const HostRoot& root, absl::string_view path);

  // See PackageDatabase::Rest.
  void Rest() { packages_.Rest(); }

 private:
  void Refresh(const HostRoot& root);
  FileVerdict JudgeFresh(const HostRoot& root, absl::string_view path, int fd, int64_t size, bool replaced);
  struct Proof {
    bool compared = false;  // the bytes, with those of the package
    std::string before;
    std::string after;
  };
  void JudgeByPackage(const HostRoot& root, const FileRecord& record, const Proof& proof, FileVerdict& verdict);

  struct CacheKey {
    FileKey file;
    std::string path;
    bool replaced = false;
    friend bool operator==(const CacheKey&, const CacheKey&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const CacheKey& k) {
      return H::combine(std::move(h), k.file, k.path, k.replaced);
    }
  };

  PackageDatabase packages_;
  PackageSuppliers suppliers_;
  uint64_t generation_ = 0;
  absl::flat_hash_map<CacheKey, FileVerdict> verdicts_;
};

}  // namespace ppmm
