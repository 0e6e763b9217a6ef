// A disk in memory with every fault a disk has: it is full, read-only or broken, writes a part, dies at a given write,
// and loses in a power cut what was not synced.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "agent/spool_file.h"
#include "common/mutex.h"
#include "common/status.h"
#include "tests/testing/random.h"

namespace ppmm {

// Thread-safe. Open files stay valid when they are removed or renamed, as on a real disk.
class FaultyDirectory : public SpoolDirectory {
 public:
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  // ---- faults; errno values, 0: none

  void FailWrites(int error) {
    Set([&] { write_error_ = error; });
  }
  void FailSyncs(int error) {
    Set([&] { sync_error_ = error; });
  }
  void FailReads(int error) {
    Set([&] { read_error_ = error; });
  }
  // Bytes that still fit; a write beyond writes a part and fails with ENOSPC.
  void SetFreeBytes(std::uint64_t bytes) {
    Set([&] { free_bytes_ = bytes; });
  }
  // The process dies within the n-th change from now on (1: the next): half of its bytes arrive, and nothing after it.
  void CrashAtChange(std::uint64_t n) {
    Set([&] { changes_left_ = n; });
  }
  bool crashed() const {
    MutexLock lock(&mutex_);
    return changes_left_ == 0;
  }

  // The process is dead, the machine lives: the next process sees all that was written.
  void Restart() {
    Set([&] { changes_left_ = kNever; });
  }
  // Only synced bytes, and names of synced folders, are still there.
  void PowerCut() {
    Set([&] {
      changes_left_ = kNever;
      files_ = durable_names_;
      for (auto& [name, node] : files_) {
        node->bytes = node->durable;
      }
    });
  }
  // Of what was not synced anything may be there, in whatever order it was done: each name as it was or as it became,
  // and of each file's bytes none, some or all.
  void PowerCutInAnyOrder(std::mt19937_64& random) {
    Set([&] {
      changes_left_ = kNever;
      const Names became = std::exchange(files_, durable_names_);
      Names names = durable_names_;
      names.insert(became.begin(), became.end());
      for (const auto& [name, node] : names) {
        if (random() % 2 == 0) {
          continue;
        }
        if (const auto found = became.find(name); found != became.end()) {
          files_[name] = found->second;
        } else {
          files_.erase(name);
        }
      }
      for (const auto& [name, node] : files_) {
        const std::uint64_t arrived = Uniform(random, 0, 2);
        if (arrived == 0) {
          node->bytes = node->durable;
        } else if (arrived == 1 && node->bytes.size() > node->durable.size()) {
          node->bytes.resize(Uniform(random, node->durable.size(), node->bytes.size()));
        }
        node->durable = node->bytes;
      }
      durable_names_ = files_;
    });
  }

  // ---- the files, for tests

  std::map<std::string, std::string> Files() const {
    MutexLock lock(&mutex_);
    std::map<std::string, std::string> files;
    for (const auto& [name, node] : files_) {
      files[name] = node->bytes;
    }
    return files;
  }
  void Put(absl::string_view name, absl::string_view bytes) {
    Set([&] {
      auto node = std::make_shared<Node>();
      node->bytes = node->durable = std::string(bytes);
      files_[std::string(name)] = durable_names_[std::string(name)] = node;
      folders_.insert(FolderOf(name));
    });
  }
  // As `rm -r` of another process: open files stay valid, without a name.
  void DeleteFolder(absl::string_view name) {
    Set([&] {
      folders_.erase(std::string(name));
      std::erase_if(files_, [&](const auto& entry) { return FolderOf(entry.first) == name; });
    });
  }
  // As `: > NAME` of another process: the same file, shorter.
  void CutShort(absl::string_view name, std::size_t bytes) {
    Set([&] { files_.at(std::string(name))->bytes.resize(bytes); });
  }
  std::uint64_t syncs() const {
    MutexLock lock(&mutex_);
    return syncs_;
  }

  // ---- SpoolDirectory

  absl::StatusOr<std::unique_ptr<SpoolFile>> Open(absl::string_view name, Mode mode) override {
    MutexLock lock(&mutex_);
    const std::string path(name);
    const auto found = files_.find(path);
    if (mode == Mode::kRead) {
      if (found == files_.end()) {
        return ErrnoStatus(ENOENT, name);
      }
      return std::make_unique<File>(this, found->second);
    }
    if (found != files_.end()) {
      return ErrnoStatus(EEXIST, name);
    }
    if (const std::string folder = FolderOf(name); !folder.empty() && folders_.count(folder) == 0) {
      return ErrnoStatus(ENOENT, name);
    }
    RETURN_IF_ERROR(BeforeChange(name));
    files_[path] = std::make_shared<Node>();
    return std::make_unique<File>(this, files_[path]);
  }

  absl::StatusOr<std::vector<Entry>> List(absl::string_view directory) override {
    MutexLock lock(&mutex_);
    if (read_error_ != 0) {
      return ErrnoStatus(read_error_, directory);
    }
    if (!directory.empty() && folders_.count(std::string(directory)) == 0) {
      return ErrnoStatus(ENOENT, directory);
    }
    std::vector<Entry> entries;
    for (const auto& [name, node] : files_) {
      if (FolderOf(name) == directory) {
        entries.push_back({name.substr(directory.empty() ? 0 : directory.size() + 1), node->bytes.size()});
      }
    }
    for (const std::string& folder : folders_) {
      if (directory.empty() && !folder.empty()) {
        entries.push_back({folder, 0});
      }
    }
    return entries;
  }

  absl::Status MakeDirectory(absl::string_view name) override {
    MutexLock lock(&mutex_);
    if (folders_.count(std::string(name)) > 0) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(BeforeChange(name));
    folders_.insert(std::string(name));
    return absl::OkStatus();
  }

  absl::StatusOr<FileIdentity> Identify(absl::string_view name) override {
    MutexLock lock(&mutex_);
    const auto found = files_.find(std::string(name));
    if (found == files_.end()) {
      return ErrnoStatus(ENOENT, name);
    }
    return IdentityOf(*found->second);
  }

  absl::Status Remove(absl::string_view name) override {
    MutexLock lock(&mutex_);
    if (files_.count(std::string(name)) == 0) {
      return ErrnoStatus(ENOENT, name);
    }
    RETURN_IF_ERROR(BeforeChange(name, /*needs_room=*/false));
    files_.erase(std::string(name));
    return absl::OkStatus();
  }

  absl::Status RemoveDirectory(absl::string_view name) override {
    MutexLock lock(&mutex_);
    RETURN_IF_ERROR(BeforeChange(name, /*needs_room=*/false));
    return folders_.erase(std::string(name)) > 0 ? absl::OkStatus() : ErrnoStatus(ENOENT, name);
  }

  absl::Status Rename(absl::string_view from, absl::string_view to) override {
    MutexLock lock(&mutex_);
    const std::string source(from);
    const std::string target(to);
    if (files_.count(source) == 0 && folders_.count(source) == 0) {
      return ErrnoStatus(ENOENT, from);
    }
    RETURN_IF_ERROR(BeforeChange(from));
    if (folders_.erase(source) > 0) {
      folders_.insert(target);
      RenameFolder(&files_, source, target);
      RenameFolder(&durable_names_, source, target);
      return absl::OkStatus();
    }
    files_[target] = files_[source];
    files_.erase(source);
    return absl::OkStatus();
  }

  absl::Status SyncDirectory(absl::string_view directory) override {
    MutexLock lock(&mutex_);
    RETURN_IF_ERROR(BeforeSync(directory));
    std::erase_if(durable_names_, [&](const auto& entry) { return FolderOf(entry.first) == directory; });
    for (const auto& [name, node] : files_) {
      if (FolderOf(name) == directory) {
        durable_names_[name] = node;
      }
    }
    return absl::OkStatus();
  }

 private:
  struct Node {
    std::string bytes;
    std::string durable;
  };
  static FileIdentity IdentityOf(const Node& node) {
    return {.node = reinterpret_cast<std::uintptr_t>(&node), .bytes = node.bytes.size()};
  }
  using Names = std::map<std::string, std::shared_ptr<Node>>;

  class File : public SpoolFile {
   public:
    File(FaultyDirectory* disk, std::shared_ptr<Node> node) : disk_(disk), node_(std::move(node)) {}

    absl::Status Append(absl::string_view bytes) override {
      MutexLock lock(&disk_->mutex_);
      const absl::Status status = disk_->BeforeChange("write", /*needs_room=*/false);
      if (!status.ok()) {
        if (disk_->changes_left_ == 0 && disk_->dying_) {
          node_->bytes.append(bytes.data(), bytes.size() / 2);
          disk_->dying_ = false;
        }
        return status;
      }
      const std::uint64_t fits = std::min<std::uint64_t>(disk_->free_bytes_, bytes.size());
      node_->bytes.append(bytes.data(), fits);
      if (disk_->free_bytes_ != kNever) {
        disk_->free_bytes_ -= fits;
      }
      return fits == bytes.size() ? absl::OkStatus() : ErrnoStatus(ENOSPC, "write");
    }
    absl::Status Sync() override {
      MutexLock lock(&disk_->mutex_);
      RETURN_IF_ERROR(disk_->BeforeSync("fdatasync"));
      node_->durable = node_->bytes;
      return absl::OkStatus();
    }
    absl::StatusOr<std::string> Read(std::uint64_t offset, std::size_t length) const override {
      MutexLock lock(&disk_->mutex_);
      if (disk_->read_error_ != 0) {
        return ErrnoStatus(disk_->read_error_, "read");
      }
      return offset < node_->bytes.size() ? node_->bytes.substr(offset, length) : std::string();
    }
    absl::StatusOr<std::uint64_t> Size() const override {
      MutexLock lock(&disk_->mutex_);
      return node_->bytes.size();
    }
    absl::StatusOr<FileIdentity> Identify() const override {
      MutexLock lock(&disk_->mutex_);
      return IdentityOf(*node_);
    }
    absl::Status Truncate(std::uint64_t size) override {
      MutexLock lock(&disk_->mutex_);
      RETURN_IF_ERROR(disk_->BeforeChange("truncate", /*needs_room=*/false));
      node_->bytes.resize(size);
      return absl::OkStatus();
    }

   private:
    FaultyDirectory* const disk_;
    const std::shared_ptr<Node> node_;
  };

  static std::string FolderOf(absl::string_view name) {
    const std::size_t slash = name.find('/');
    return slash == absl::string_view::npos ? "" : std::string(name.substr(0, slash));
  }
  static void RenameFolder(Names* names, const std::string& from, const std::string& to) {
    Names renamed;
    for (const auto& [name, node] : *names) {
      renamed[FolderOf(name) == from ? absl::StrCat(to, name.substr(from.size())) : name] = node;
    }
    *names = std::move(renamed);
  }
  absl::Status BeforeChange(absl::string_view what, bool needs_room = true) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (changes_left_ != kNever && changes_left_ > 0) {
      dying_ = --changes_left_ == 0;
    }
    if (changes_left_ == 0) {
      return ErrnoStatus(EIO, absl::StrCat(what, " (the process is dead)"));
    }
    if (write_error_ != 0) {
      return ErrnoStatus(write_error_, what);
    }
    return needs_room && free_bytes_ == 0 ? ErrnoStatus(ENOSPC, what) : absl::OkStatus();
  }
  absl::Status BeforeSync(absl::string_view what) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    RETURN_IF_ERROR(BeforeChange(what, /*needs_room=*/false));
    ++syncs_;
    return sync_error_ == 0 ? absl::OkStatus() : ErrnoStatus(sync_error_, what);
  }
  template <class Change>
  void Set(const Change& change) {
    MutexLock lock(&mutex_);
    change();
  }

  mutable Mutex mutex_;
  int write_error_ = 0;
  int sync_error_ = 0;
  int read_error_ = 0;
  std::uint64_t free_bytes_ = kNever;
  std::uint64_t changes_left_ = kNever;
  bool dying_ = false;
  std::uint64_t syncs_ = 0;
  Names files_;
  Names durable_names_;
  std::set<std::string> folders_;
};

}  // namespace ppmm
