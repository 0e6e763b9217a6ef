#include "agent/spool_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"

#include "common/status.h"

namespace ppmm {
namespace {

// Owns a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

FileIdentity IdentityOf(const struct stat& info) {
  return {.device = info.st_dev, .node = info.st_ino, .bytes = static_cast<std::uint64_t>(info.st_size)};
}

class DiskFile : public SpoolFile {
 public:
  DiskFile(Descriptor fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}

  absl::Status Append(absl::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0) {
        if (errno == EINTR) {
          continue;
        }
        return Error("write");
      }
      bytes.remove_prefix(static_cast<std::size_t>(written));  // a full disk writes a part, then fails
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override { return fdatasync(fd_.get()) == 0 ? absl::OkStatus() : Error("fdatasync"); }

  absl::StatusOr<std::string> Read(std::uint64_t offset, std::size_t length) const override {
    std::string bytes(length, '\0');
    std::size_t got = 0;
    while (got < length) {
      const ssize_t n = pread(fd_.get(), bytes.data() + got, length - got, static_cast<off_t>(offset + got));
      if (n < 0) {
        if (errno == EINTR) {
          continue;
        }
        return Error("read");
      }
      if (n == 0) {
        break;
      }
      got += static_cast<std::size_t>(n);
    }
    bytes.resize(got);
    return bytes;
  }

  absl::StatusOr<std::uint64_t> Size() const override {
    struct stat info = {};
    if (fstat(fd_.get(), &info) != 0) {
      return Error("stat");
    }
    return static_cast<std::uint64_t>(info.st_size);
  }

  absl::StatusOr<FileIdentity> Identify() const override {
    struct stat info = {};
    if (fstat(fd_.get(), &info) != 0) {
      return Error("stat");
    }
    return IdentityOf(info);
  }

  absl::Status Truncate(std::uint64_t size) override {
    return ftruncate(fd_.get(), static_cast<off_t>(size)) == 0 ? absl::OkStatus() : Error("truncate");
  }

 private:
  absl::Status Error(absl::string_view what) const {
    const int error = errno;
    return ErrnoStatus(error, absl::StrCat(what, " ", name_));
  }

  const Descriptor fd_;
  const std::string name_;
};

class DiskDirectory : public SpoolDirectory {
 public:
  DiskDirectory(Descriptor root, std::string path) : root_(std::move(root)), path_(std::move(path)) {}

  absl::StatusOr<std::unique_ptr<SpoolFile>> Open(absl::string_view name, Mode mode) override {
    const int flags = mode == Mode::kRead ? O_RDONLY : O_RDWR | O_APPEND | O_CREAT | O_EXCL;
    const std::string path(name);
    Descriptor fd(openat(root_.get(), path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (fd.get() < 0) {
      return Error("open", name);
    }
    return std::make_unique<DiskFile>(std::move(fd), absl::StrCat(path_, "/", name));
  }

  absl::StatusOr<std::vector<Entry>> List(absl::string_view directory) override {
    Descriptor fd = OpenFolder(directory);
    if (fd.get() < 0) {
      return Error("list", directory);
    }
    const int copy = dup(fd.get());
    DIR* stream = copy < 0 ? nullptr : fdopendir(copy);
    if (stream == nullptr) {
      const absl::Status status = Error("list", directory);
      if (copy >= 0) {
        close(copy);
      }
      return status;
    }
    std::vector<Entry> entries;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): each call has a stream of its own
    while (const dirent* found = readdir(stream)) {
      const absl::string_view name = found->d_name;
      struct stat info = {};
      if (name == "." || name == ".." || fstatat(fd.get(), found->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        continue;
      }
      entries.push_back({std::string(name), S_ISREG(info.st_mode) ? static_cast<std::uint64_t>(info.st_size) : 0});
    }
    closedir(stream);
    return entries;
  }

  absl::Status MakeDirectory(absl::string_view name) override {
    const std::string path(name);
    return mkdirat(root_.get(), path.c_str(), 0700) == 0 || errno == EEXIST ? absl::OkStatus() : Error("make", name);
  }

  absl::StatusOr<FileIdentity> Identify(absl::string_view name) override {
    const std::string path(name);
    struct stat info = {};
    if (fstatat(root_.get(), path.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      return Error("stat", name);
    }
    return IdentityOf(info);
  }

  absl::Status Remove(absl::string_view name) override {
    const std::string path(name);
    return unlinkat(root_.get(), path.c_str(), 0) == 0 ? absl::OkStatus() : Error("remove", name);
  }

  absl::Status RemoveDirectory(absl::string_view name) override {
    const std::string path(name);
    return unlinkat(root_.get(), path.c_str(), AT_REMOVEDIR) == 0 ? absl::OkStatus() : Error("remove", name);
  }

  absl::Status Rename(absl::string_view from, absl::string_view to) override {
    const std::string source(from);
    const std::string target(to);
    return renameat(root_.get(), source.c_str(), root_.get(), target.c_str()) == 0 ? absl::OkStatus()
                                                                                   : Error("rename", from);
  }

  absl::Status SyncDirectory(absl::string_view directory) override {
    const Descriptor fd = OpenFolder(directory);
    return fd.get() >= 0 && fsync(fd.get()) == 0 ? absl::OkStatus() : Error("fsync", directory);
  }

 private:
  Descriptor OpenFolder(absl::string_view directory) const {
    const std::string path = directory.empty() ? "." : std::string(directory);
    return Descriptor(openat(root_.get(), path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  }
  absl::Status Error(absl::string_view what, absl::string_view name) const {
    const int error = errno;
    return ErrnoStatus(error, absl::StrCat(what, " ", path_, "/", name));
  }

  const Descriptor root_;
  const std::string path_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SpoolDirectory>> OpenDiskDirectory(absl::string_view root) {
  const std::string path(root);
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("make ", root));
  }
  Descriptor fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) {
    return ErrnoStatus(errno, absl::StrCat("open ", root));
  }
  return std::make_unique<DiskDirectory>(std::move(fd), path);
}

absl::Status WriteFileAtomically(SpoolDirectory* directory, absl::string_view name, absl::string_view contents) {
  const std::string temporary = absl::StrCat(name, ".new");
  // Left by a crash, or not there.
  if (const absl::Status status = directory->Remove(temporary); !status.ok() && !absl::IsNotFound(status)) {
    return status;
  }
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<SpoolFile> file, directory->Open(temporary, SpoolDirectory::Mode::kCreate));
    RETURN_IF_ERROR(file->Append(contents));
    RETURN_IF_ERROR(file->Sync());
  }
  RETURN_IF_ERROR(directory->Rename(temporary, name));
  const std::size_t slash = name.rfind('/');
  return directory->SyncDirectory(slash == absl::string_view::npos ? "" : name.substr(0, slash));
}

absl::StatusOr<std::string> ReadWholeFile(SpoolDirectory* directory, absl::string_view name, std::size_t max_bytes) {
  ASSIGN_OR_RETURN(const std::unique_ptr<SpoolFile> file, directory->Open(name, SpoolDirectory::Mode::kRead));
  ASSIGN_OR_RETURN(std::string contents, file->Read(0, max_bytes + 1));
  if (contents.size() > max_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(name, ": larger than ", max_bytes, " bytes"));
  }
  return contents;
}

}  // namespace ppmm
