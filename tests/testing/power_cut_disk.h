// A disk under SQLite that loses its power: of what was written and not synced, any part is there afterwards. Real
// files lie below; this remembers what of them is durable. SQLite's journal mode and its syncing are thereby tested as
// we set them (collector/store/sqlite_connection.cc).
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "common/mutex.h"

struct sqlite3_file;
struct sqlite3_vfs;

namespace ppmm {

// Thread-safe, but one at a time in a process: it is SQLite's default file system while it lives. Databases are closed
// before Restore() and before it goes.
class PowerCutDisk {
 public:
  explicit PowerCutDisk(std::uint64_t seed);
  ~PowerCutDisk();
  PowerCutDisk(const PowerCutDisk&) = delete;
  PowerCutDisk& operator=(const PowerCutDisk&) = delete;

  // The power goes at the n-th change from now on (write, truncation, sync, removal; 1: the next): from then on nothing
  // changes any more and every change fails.
  void CutAtChange(std::uint64_t n);
  bool cut() const;
  // The power is back: files hold what was synced and, by chance, nothing, all or some of what was written since.
  void Restore();

  std::uint64_t syncs() const;

 private:
  friend struct PowerCutFile;

  struct Change {
    std::uint64_t offset = 0;
    std::string bytes;
    bool truncates = false;  // to `offset`
  };
  struct Image {
    std::string durable;
    bool synced = false;  // ever: else the file may be gone
    std::vector<Change> unsynced;
  };

  static int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags);
  static int Delete(sqlite3_vfs* vfs, const char* name, int sync_directory);
  static int Access(sqlite3_vfs* vfs, const char* name, int flags, int* result);
  static int FullPathname(sqlite3_vfs* vfs, const char* name, int size, char* out);

  // False: the power is gone.
  bool MayChange() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool NoteChange(const std::string& path, Change change);
  bool NoteSync(const std::string& path);
  static void ApplyUnsynced(Image* image);

  sqlite3_vfs* const below_;
  const std::unique_ptr<sqlite3_vfs> above_;

  mutable Mutex mutex_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Image> images_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t changes_left_ ABSL_GUARDED_BY(mutex_) = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t syncs_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace ppmm
