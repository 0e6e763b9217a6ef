#include "tests/testing/power_cut_disk.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <new>
#include <sstream>
#include <utility>

#include "sqlite3.h"
#include "tests/testing/random.h"

namespace ppmm {

// What SQLite holds for an open file; the file of the system follows in memory.
struct PowerCutFile {
  sqlite3_file base;
  PowerCutDisk* disk;  // nullptr: a temporary file, of which nothing has to last
  std::string* path;

  static PowerCutFile* Of(sqlite3_file* file) { return reinterpret_cast<PowerCutFile*>(file); }
  static sqlite3_file* Below(sqlite3_file* file) { return reinterpret_cast<sqlite3_file*>(Of(file) + 1); }
  static const sqlite3_io_methods* Methods(sqlite3_file* file) { return Below(file)->pMethods; }

  static int Close(sqlite3_file* file) {
    const int code = Methods(file)->xClose(Below(file));
    delete std::exchange(Of(file)->path, nullptr);
    return code;
  }
  static int Read(sqlite3_file* file, void* out, int size, sqlite3_int64 offset) {
    return Methods(file)->xRead(Below(file), out, size, offset);
  }
  static int Write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
    PowerCutDisk::Change change{static_cast<std::uint64_t>(offset),
                                std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(size))};
    return Noted(file, std::move(change)) ? Methods(file)->xWrite(Below(file), bytes, size, offset)
                                          : SQLITE_IOERR_WRITE;
  }
  static int Truncate(sqlite3_file* file, sqlite3_int64 size) {
    return Noted(file, {static_cast<std::uint64_t>(size), "", true}) ? Methods(file)->xTruncate(Below(file), size)
                                                                     : SQLITE_IOERR_TRUNCATE;
  }
  static int Sync(sqlite3_file* file, int /*flags*/) {
    return Of(file)->disk == nullptr || Of(file)->disk->NoteSync(*Of(file)->path) ? SQLITE_OK : SQLITE_IOERR_FSYNC;
  }
  static bool Noted(sqlite3_file* file, PowerCutDisk::Change change) {
    return Of(file)->disk == nullptr || Of(file)->disk->NoteChange(*Of(file)->path, std::move(change));
  }
  static int FileSize(sqlite3_file* file, sqlite3_int64* size) { return Methods(file)->xFileSize(Below(file), size); }
  static int Lock(sqlite3_file* file, int lock) { return Methods(file)->xLock(Below(file), lock); }
  static int Unlock(sqlite3_file* file, int lock) { return Methods(file)->xUnlock(Below(file), lock); }
  static int CheckReservedLock(sqlite3_file* file, int* result) {
    return Methods(file)->xCheckReservedLock(Below(file), result);
  }
  static int FileControl(sqlite3_file* file, int operation, void* argument) {
    return Methods(file)->xFileControl(Below(file), operation, argument);
  }
  static int SectorSize(sqlite3_file* file) { return Methods(file)->xSectorSize(Below(file)); }
  static int DeviceCharacteristics(sqlite3_file* file) { return Methods(file)->xDeviceCharacteristics(Below(file)); }
  // Shared memory is no file that lasts: SQLite makes it anew from the log.
  static int ShmMap(sqlite3_file* file, int page, int size, int extend, void volatile** out) {
    return Methods(file)->xShmMap(Below(file), page, size, extend, out);
  }
  static int ShmLock(sqlite3_file* file, int offset, int n, int flags) {
    return Methods(file)->xShmLock(Below(file), offset, n, flags);
  }
  static void ShmBarrier(sqlite3_file* file) { Methods(file)->xShmBarrier(Below(file)); }
  static int ShmUnmap(sqlite3_file* file, int remove) { return Methods(file)->xShmUnmap(Below(file), remove); }
};

namespace {

// Version 2: no mapping of the file, which would be writes that nobody tells us of.
constexpr sqlite3_io_methods kMethods = {2,
                                         PowerCutFile::Close,
                                         PowerCutFile::Read,
                                         PowerCutFile::Write,
                                         PowerCutFile::Truncate,
                                         PowerCutFile::Sync,
                                         PowerCutFile::FileSize,
                                         PowerCutFile::Lock,
                                         PowerCutFile::Unlock,
                                         PowerCutFile::CheckReservedLock,
                                         PowerCutFile::FileControl,
                                         PowerCutFile::SectorSize,
                                         PowerCutFile::DeviceCharacteristics,
                                         PowerCutFile::ShmMap,
                                         PowerCutFile::ShmLock,
                                         PowerCutFile::ShmBarrier,
                                         PowerCutFile::ShmUnmap,
                                         nullptr,
                                         nullptr};

PowerCutDisk* DiskOf(sqlite3_vfs* vfs) {
  return static_cast<PowerCutDisk*>(vfs->pAppData);
}

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

}  // namespace

PowerCutDisk::PowerCutDisk(std::uint64_t seed)
    : below_(sqlite3_vfs_find(nullptr)), above_(std::make_unique<sqlite3_vfs>(*below_)), random_(seed) {
  above_->zName = "power_cut";
  above_->szOsFile = static_cast<int>(sizeof(PowerCutFile)) + below_->szOsFile;
  above_->pAppData = this;
  above_->xOpen = Open;
  above_->xDelete = Delete;
  above_->xAccess = Access;
  above_->xFullPathname = FullPathname;
  sqlite3_vfs_register(above_.get(), 1);
}

PowerCutDisk::~PowerCutDisk() {
  sqlite3_vfs_unregister(above_.get());
  sqlite3_vfs_register(below_, 1);
}

void PowerCutDisk::CutAtChange(std::uint64_t n) {
  MutexLock lock(&mutex_);
  changes_left_ = n;
}

bool PowerCutDisk::cut() const {
  MutexLock lock(&mutex_);
  return changes_left_ == 0;
}

std::uint64_t PowerCutDisk::syncs() const {
  MutexLock lock(&mutex_);
  return syncs_;
}

int PowerCutDisk::Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  PowerCutDisk* const disk = DiskOf(vfs);
  auto* const opened = new (file) PowerCutFile{};
  const int code = disk->below_->xOpen(disk->below_, name, PowerCutFile::Below(file), flags, out_flags);
  if (code != SQLITE_OK) {
    return code;
  }
  opened->base.pMethods = &kMethods;
  if (name != nullptr) {
    opened->disk = disk;
    opened->path = new std::string(name);
    MutexLock lock(&disk->mutex_);
    if (!disk->images_.contains(name)) {
      Image& image = disk->images_[name];
      image.durable = Content(name);
      image.synced = !image.durable.empty();
    }
  }
  return SQLITE_OK;
}

int PowerCutDisk::Delete(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  PowerCutDisk* const disk = DiskOf(vfs);
  {
    MutexLock lock(&disk->mutex_);
    if (!disk->MayChange()) {
      return SQLITE_IOERR_DELETE;
    }
    disk->images_.erase(name);
  }
  return disk->below_->xDelete(disk->below_, name, sync_directory);
}

int PowerCutDisk::Access(sqlite3_vfs* vfs, const char* name, int flags, int* result) {
  sqlite3_vfs* const below = DiskOf(vfs)->below_;
  return below->xAccess(below, name, flags, result);
}

int PowerCutDisk::FullPathname(sqlite3_vfs* vfs, const char* name, int size, char* out) {
  sqlite3_vfs* const below = DiskOf(vfs)->below_;
  return below->xFullPathname(below, name, size, out);
}

bool PowerCutDisk::MayChange() {
  if (changes_left_ > 0 && changes_left_ != std::numeric_limits<std::uint64_t>::max()) {
    --changes_left_;
  }
  return changes_left_ > 0;
}

bool PowerCutDisk::NoteChange(const std::string& path, Change change) {
  MutexLock lock(&mutex_);
  const bool had_power = changes_left_ > 0;
  const bool has_power = MayChange();
  if (had_power) {  // the change at which the power goes may still arrive
    images_[path].unsynced.push_back(std::move(change));
  }
  return has_power;
}

void PowerCutDisk::ApplyUnsynced(Image* image) {
  for (const Change& change : image->unsynced) {
    if (change.truncates) {
      image->durable.resize(change.offset);
    } else {
      image->durable.resize(std::max<std::uint64_t>(image->durable.size(), change.offset + change.bytes.size()));
      image->durable.replace(change.offset, change.bytes.size(), change.bytes);
    }
  }
  image->unsynced.clear();
}

bool PowerCutDisk::NoteSync(const std::string& path) {
  MutexLock lock(&mutex_);
  if (!MayChange()) {
    return false;
  }
  ++syncs_;
  Image& image = images_[path];
  ApplyUnsynced(&image);
  image.synced = true;
  return true;
}

void PowerCutDisk::Restore() {
  MutexLock lock(&mutex_);
  changes_left_ = std::numeric_limits<std::uint64_t>::max();
  for (auto it = images_.begin(); it != images_.end();) {
    auto& [path, image] = *it;
    const std::uint64_t arrived = Uniform(random_, 0, 2);  // nothing, some, all
    std::vector<Change> kept;
    for (Change& change : image.unsynced) {
      if (arrived == 2 || (arrived == 1 && random_() % 2 == 0)) {
        kept.push_back(std::move(change));
      }
    }
    image.unsynced = std::move(kept);
    std::filesystem::remove(path + "-shm");
    if (!image.synced && image.unsynced.empty()) {
      std::filesystem::remove(path);
      it = images_.erase(it);
      continue;
    }
    ApplyUnsynced(&image);
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(image.durable.data(), static_cast<std::streamsize>(image.durable.size()));
    image.synced = true;
    ++it;
  }
}

}  // namespace ppmm
