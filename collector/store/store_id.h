// The random name of a store: new when it is made or was set back.
#pragma once

#include <random>
#include <string>

namespace ppmm {

// Shape: 8 random bytes.
inline std::string NewStoreId() {
  std::random_device random;
  std::string bytes;
  for (int i = 0; i < 2; ++i) {
    const unsigned word = random();
    for (int shift = 0; shift < 32; shift += 8) {
      bytes.push_back(static_cast<char>((word >> shift) & 0xffU));
    }
  }
  return bytes;
}

}  // namespace ppmm
