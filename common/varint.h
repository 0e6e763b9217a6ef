// Unsigned LEB128 and zig-zag, as protobuf has them: the integers of our binary formats (docs/wire.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace ppmm {

inline constexpr size_t kMaxVarintBytes = 10;

// Writes at most kMaxVarintBytes at `to`; returns the first byte after them.
inline char* PutVarint(uint64_t value, char* to) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}

inline void AppendVarint(uint64_t value, std::string* out) {
  char bytes[kMaxVarintBytes];
  out->append(bytes, static_cast<size_t>(PutVarint(value, bytes) - bytes));
}

// 0, -1, 1, -2 ... become 0, 1, 2, 3 ...
inline uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
inline int64_t UnZigZag(uint64_t value) {
  return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

// Reads bytes front to back and never past their end. The bytes must outlive it.
class ByteReader {
 public:
  explicit ByteReader(absl::string_view bytes) : next_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  size_t left() const { return static_cast<size_t>(end_ - next_); }

  // False, and *value undefined, when the bytes end early or the number does not fit into 64 bits.
  bool ReadVarint(uint64_t* value) {
    uint64_t result = 0;
    for (int shift = 0; shift < 70 && next_ != end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*next_++);
      if (shift == 63 && byte > 1) {
        return false;
      }
      result |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        *value = result;
        return true;
      }
    }
    return false;
  }

  // False when fewer than `size` bytes are left.
  bool ReadBytes(size_t size, absl::string_view* bytes) {
    if (left() < size) {
      return false;
    }
    *bytes = absl::string_view(next_, size);
    next_ += size;
    return true;
  }

 private:
  const char* next_;
  const char* end_;
};

}  // namespace ppmm
