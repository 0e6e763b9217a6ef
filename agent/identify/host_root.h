// A file system below a directory: the host's own ("/"), that of a container (/proc/PID/root), or one a test made.
//
// What lies below may be hostile: a container's links must not lead out of it, its fifos must not block us, its files
// must not fill our memory. So every path is walked below the root by the kernel (openat2, RESOLVE_IN_ROOT), only
// regular files are read, and every read has a bound. Owns one descriptor. Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ppmm {

// What tells one content of one file from another without reading it.
struct FileKey {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t mtime_ns = 0;
  int64_t size = 0;

  friend bool operator==(const FileKey&, const FileKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const FileKey& k) {
    return H::combine(std::move(h), k.device, k.inode, k.mtime_ns, k.size);
  }
};

enum class FileType { kRegular, kDirectory, kLink, kOther };

struct FileStat {
  FileKey key;
  FileType type = FileType::kOther;
};

// MD5 is what dpkg records, SHA-1 what apk records; SHA-256 is what we send. Lower-case hex.
struct FileDigests {
  std::string md5;
  std::string sha1;
  std::string sha256;
};

class OpenFile {
 public:
  explicit OpenFile(int fd) : fd_(fd) {}
  OpenFile(OpenFile&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  OpenFile& operator=(OpenFile&&) = delete;
  OpenFile(const OpenFile&) = delete;
  ~OpenFile();
  int fd() const { return fd_; }

 private:
  int fd_;
};

class HostRoot {
 public:
  // Errors: NotFound, PermissionDenied when `directory` cannot be opened (a process that ended, another user's).
  static absl::StatusOr<HostRoot> Open(absl::string_view directory);
  HostRoot(HostRoot&& other) noexcept
      : root_(std::move(other.root_)), key_(other.key_), is_own_root_(other.is_own_root_) {}

  // Device and inode of the root directory: whether two processes see the same file system.
  const FileKey& key() const { return key_; }

  // Shape:  `path` absolute, as the processes below this root see it; links are followed below the root.
  // Errors: NotFound, PermissionDenied; FailedPrecondition when it is not a regular file.
  absl::StatusOr<OpenFile> OpenRegular(absl::string_view path) const;
  absl::StatusOr<FileStat> Stat(absl::string_view path) const;
  bool IsFile(absl::string_view path) const;
  bool IsDirectory(absl::string_view path) const;

  // `path` with every link replaced by what it leads to and "." and ".." gone.
  // Errors: NotFound; FailedPrecondition after 40 links.
  absl::StatusOr<std::string> Resolve(absl::string_view path) const;

  // The first `max_bytes` of a regular file.
  absl::StatusOr<std::string> Read(absl::string_view path, size_t max_bytes) const;

  // Names in a directory without "." and "..", sorted; at most `max_names`. Empty when it cannot be read.
  std::vector<std::string> List(absl::string_view path, size_t max_names) const;

  // Calls `line` with each line of a file, without its end, until it returns false. Constant memory: of a line longer
  // than 64 KiB only the first 64 KiB are given. A file that cannot be read has no lines.
  void ForEachLine(absl::string_view path, const std::function<bool(absl::string_view)>& line) const;

  // The first line of a file that contains one of `needles`; empty: none. Much faster than ForEachLine: it searches
  // whole blocks. Needles hold no newline and are at most 4,096 bytes.
  std::string FindLine(absl::string_view path, absl::string_view needle,
                       const std::function<bool(absl::string_view)>& accept) const;

 private:
  HostRoot(OpenFile root, FileKey key, bool is_own_root)
      : root_(std::move(root)), key_(key), is_own_root_(is_own_root) {}
  absl::StatusOr<OpenFile> OpenBelow(absl::string_view path, int flags) const;

  OpenFile root_;
  FileKey key_;
  bool is_own_root_;  // "/" itself: links cannot lead out of it, so kernels without openat2 will do
};

// Errors: OutOfRange above `max_bytes` (hashing costs about 3 ms a MiB), Unavailable when reading fails.
absl::StatusOr<FileDigests> DigestFile(int fd, int64_t max_bytes);
std::string Sha256Hex(absl::string_view data);

// "/a/b/c" -> "/a/b" and "c"; "/" has the parent "/".
absl::string_view Dirname(absl::string_view path);
absl::string_view Basename(absl::string_view path);

// Joins and cleans "." and "..", without looking at links: ("/srv/shop", "../app.py") -> "/srv/app.py".
std::string JoinPath(absl::string_view directory, absl::string_view path);

}  // namespace ppmm
