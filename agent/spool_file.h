// The seam between the agent's files and the disk: small enough to be faked with every fault a disk has
// (tests/testing/faulty_file.h). All names are relative to the data directory and may hold one "/".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ppmm {

// Which file it is, whatever names it has, and how long it is.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t node = 0;
  std::uint64_t bytes = 0;

  bool SameFile(const FileIdentity& other) const { return device == other.device && node == other.node; }
};

// One open file. Thread-compatible, except that Sync may run beside the others.
class SpoolFile {
 public:
  virtual ~SpoolFile() = default;

  // Writes `bytes` at the end, with one write(2) unless the kernel takes only a part.
  // Errors: as ErrnoStatus; then a part of the bytes may be in the file.
  virtual absl::Status Append(absl::string_view bytes) = 0;
  // fdatasync(2). After an error nothing is known about what was written since the last success.
  virtual absl::Status Sync() = 0;
  // Shape: at most `length` bytes, fewer only at the end of the file.
  virtual absl::StatusOr<std::string> Read(std::uint64_t offset, std::size_t length) const = 0;
  virtual absl::StatusOr<std::uint64_t> Size() const = 0;
  virtual absl::StatusOr<FileIdentity> Identify() const = 0;
  virtual absl::Status Truncate(std::uint64_t size) = 0;
};

// Thread-safe. Errors of all: as ErrnoStatus (NotFound where the name does not exist).
class SpoolDirectory {
 public:
  enum class Mode {
    kRead,    // must exist
    kCreate,  // must not exist; readable too
  };
  struct Entry {
    std::string name;  // without `directory`
    std::uint64_t bytes = 0;
  };

  virtual ~SpoolDirectory() = default;
  virtual absl::StatusOr<std::unique_ptr<SpoolFile>> Open(absl::string_view name, Mode mode) = 0;
  // Shape: what lies directly in `directory` ("" is the data directory), in no order; folders have 0 bytes.
  virtual absl::StatusOr<std::vector<Entry>> List(absl::string_view directory) = 0;
  // OK when it exists already.
  virtual absl::Status MakeDirectory(absl::string_view name) = 0;
  // Of the file that has this name now; a file that is open may have lost its name.
  virtual absl::StatusOr<FileIdentity> Identify(absl::string_view name) = 0;
  virtual absl::Status Remove(absl::string_view name) = 0;
  // Removes a folder that is empty.
  virtual absl::Status RemoveDirectory(absl::string_view name) = 0;
  // Replaces `to`.
  virtual absl::Status Rename(absl::string_view from, absl::string_view to) = 0;
  // Makes creations, removals and renames in `directory` durable.
  virtual absl::Status SyncDirectory(absl::string_view directory) = 0;
};

// The real disk below `root`, which is made (mode 0700) if it does not exist; files are 0600.
// Errors: as ErrnoStatus when `root` can neither be made nor opened.
absl::StatusOr<std::unique_ptr<SpoolDirectory>> OpenDiskDirectory(absl::string_view root);

// Replaces the file `name` by `contents` so that a crash leaves the old or the new one: a temporary file beside it,
// synced, renamed, and the directory synced.
absl::Status WriteFileAtomically(SpoolDirectory* directory, absl::string_view name, absl::string_view contents);

// Errors: NotFound when there is no such file; ResourceExhausted when it is larger than `max_bytes`.
absl::StatusOr<std::string> ReadWholeFile(SpoolDirectory* directory, absl::string_view name, std::size_t max_bytes);

}  // namespace ppmm
