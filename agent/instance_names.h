// What an application was called when an instance of it was first sent. The name stays, whatever is found out later, so
// that history goes on; a restarted agent finds the same in the file `instances` of the data directory:
//
//   one line each, least recently used first: key TAB name, both with C escapes
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "agent/spool_file.h"

namespace ppmm {

// Thread-compatible.
class InstanceNames {
 public:
  // One instance costs about 200 bytes of memory and of the file.
  static constexpr std::size_t kMaxEntries = 4096;

  // Reads the file; without one, or with a damaged line, what can be read. `directory` outlives this.
  explicit InstanceNames(SpoolDirectory* directory, std::size_t max_entries = kMaxEntries);

  // The name fixed for `key`; `name` becomes it when there is none. When full, the least recently used one is
  // forgotten. Shape: `key` says what the instance is and stays over restarts; both at most 4 KiB, longer ones are not
  // kept.
  std::string Fix(absl::string_view key, absl::string_view name);

  // Writes the file if something changed since. Errors: of the disk; then the next call tries again.
  absl::Status Save();

  std::size_t size() const { return by_key_.size(); }
  // Forgotten because of the bound, or not kept.
  std::uint64_t forgotten() const { return forgotten_; }
  // Damaged lines found at start.
  std::uint64_t damaged_lines() const { return damaged_lines_; }

 private:
  struct Entry {
    std::string key;
    std::string name;
  };

  void Insert(std::string key, std::string name);

  SpoolDirectory* const directory_;
  const std::size_t max_entries_;
  std::list<Entry> entries_;  // least recently used first
  absl::flat_hash_map<std::string, std::list<Entry>::iterator> by_key_;
  bool changed_ = false;
  std::uint64_t forgotten_ = 0;
  std::uint64_t damaged_lines_ = 0;
};

}  // namespace ppmm
