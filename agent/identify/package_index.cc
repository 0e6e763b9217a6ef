#include "agent/identify/package_index.h"

#include <algorithm>

#include "absl/numeric/bits.h"

namespace ppmm {

PackageIndex::PackageIndex(size_t packages) : package_bits_(std::max(1, static_cast<int>(absl::bit_width(packages)))) {}

// 32-bit FNV-1a, folded into what the number of the package leaves. Source: RFC 9923 (FNV).
uint32_t PackageIndex::HashOf(absl::string_view key) const {
  uint32_t hash = 2'166'136'261U;
  for (const char c : key) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16'777'619U;
  }
  return (hash ^ hash >> (32 - package_bits_)) << package_bits_;
}

void PackageIndex::Add(absl::string_view key, size_t package) {
  too_large_ |= entries_.size() >= kMaxKeys;
  if (!too_large_) {
    entries_.push_back(HashOf(key) | static_cast<uint32_t>(package));
  }
}

void PackageIndex::Finish() {
  if (too_large_) {
    entries_.clear();
  }
  entries_.shrink_to_fit();
  std::sort(entries_.begin(), entries_.end());
}

std::vector<size_t> PackageIndex::Find(absl::string_view key) const {
  const uint32_t hash = HashOf(key);
  const uint32_t package_mask = (uint32_t{1} << package_bits_) - 1;
  std::vector<size_t> packages;
  for (auto it = std::lower_bound(entries_.begin(), entries_.end(), hash);
       it != entries_.end() && (*it & ~package_mask) == hash; ++it) {
    packages.push_back(*it & package_mask);
  }
  packages.erase(std::unique(packages.begin(), packages.end()), packages.end());
  return packages;
}

}  // namespace ppmm
