// What the parts of Spool share: spool.cc (appending, syncing), spool_read.cc (reading, acknowledging) and
// spool_recover.cc (what earlier runs left).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "agent/spool.h"

namespace ppmm {

inline constexpr absl::string_view kSpoolFolder = "spool";
inline constexpr absl::string_view kSpoolStateName = "spool/state";
inline constexpr absl::string_view kSpoolNewStateName = "spool/state.new";

inline std::string SegmentPath(std::uint64_t number, std::uint64_t epoch) {
  return absl::StrCat(kSpoolFolder, "/", SegmentName(number, epoch));
}

// A segment the disk does not take: the same bytes in memory.
class Spool::MemoryFile : public SpoolFile {
 public:
  absl::Status Append(absl::string_view bytes) override {
    bytes_.append(bytes.data(), bytes.size());
    return absl::OkStatus();
  }
  absl::Status Sync() override { return absl::OkStatus(); }
  absl::StatusOr<std::string> Read(std::uint64_t offset, std::size_t length) const override {
    return offset < bytes_.size() ? bytes_.substr(offset, length) : std::string();
  }
  absl::StatusOr<std::uint64_t> Size() const override { return bytes_.size(); }
  absl::StatusOr<FileIdentity> Identify() const override { return FileIdentity{.bytes = bytes_.size()}; }
  absl::Status Truncate(std::uint64_t size) override {
    bytes_.resize(size);
    return absl::OkStatus();
  }

 private:
  std::string bytes_;
};

struct Spool::Segment {
  std::uint64_t number = 0;
  std::uint64_t epoch = 0;
  std::shared_ptr<SpoolFile> file = nullptr;  // null: not open
  bool in_memory = false;
  bool unreadable = false;  // could not be opened at start: kept until it is the oldest
  bool stuck = false;       // could not be deleted: tried again by Tick
  std::uint64_t bytes = 0;
  std::uint64_t first_seq = 0;  // 0: no batch
  std::uint64_t last_seq = 0;
  std::uint64_t batches = 0;  // that wait
  std::uint64_t samples = 0;
  std::uint64_t settled_to = 0;  // offset: no batch before it waits
};

}  // namespace ppmm
