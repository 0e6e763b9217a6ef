// A fuzz target is a file NAME_fuzz.cc that defines Run() and Seeds(). Under clang (-DFUZZERS=ON) libFuzzer changes the
// inputs of corpus/NAME; elsewhere replay_main.cc runs them as they are.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ppmm::fuzz {

// Gives any bytes to the code under test. Ends the process where a property does not hold.
void Run(absl::string_view input);
// What corpus/NAME begins with: a valid input of each kind, small.
std::vector<std::string> Seeds();

inline void Require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "PROPERTY BROKEN: %s\n", what);
    std::abort();
  }
}

// Takes an input apart. Past its end there are zeros and empty pieces.
class Input {
 public:
  explicit Input(absl::string_view bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  std::uint8_t Byte() {
    const absl::string_view byte = Take(1);
    return byte.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(byte[0]);
  }
  // What Piece() below has put together.
  absl::string_view Piece() {
    const std::size_t low = Byte();
    return Take(low + 256 * std::size_t{Byte()});
  }
  absl::string_view Rest() { return Take(rest_.size()); }

 private:
  absl::string_view Take(std::size_t size) {
    const absl::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  absl::string_view rest_;
};

// A part of a seed. Shape: below 64 KiB.
inline std::string Piece(absl::string_view bytes) {
  std::string piece = {static_cast<char>(bytes.size() % 256), static_cast<char>(bytes.size() / 256)};
  return piece.append(bytes.data(), bytes.size());
}

}  // namespace ppmm::fuzz
