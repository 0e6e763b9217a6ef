// A compact index of many short lists: which of them may hold a key. Built once, then thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

namespace ppmm {

// Which packages may name a key (a path or a checksum): numbers of packages, few of them wrong, none missing.
//
// Four bytes a key, sorted: as many bits for the number of the package as there are packages, the others for the hash.
class PackageIndex {
 public:
  // More keys than this (4 MiB) are too many: a search of the lists is then what remains.
  static constexpr size_t kMaxKeys = size_t{1} << 20;

  explicit PackageIndex(size_t packages);
  void Add(absl::string_view key, size_t package);
  // Before the first question, after the last key.
  void Finish();
  bool too_large() const { return too_large_; }
  // Ascending.
  std::vector<size_t> Find(absl::string_view key) const;

 private:
  uint32_t HashOf(absl::string_view key) const;

  int package_bits_;
  bool too_large_ = false;
  std::vector<uint32_t> entries_;
};

}  // namespace ppmm
