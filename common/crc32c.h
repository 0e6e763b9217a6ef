// CRC-32C (Castagnoli), the checksum of batches and of records on disk.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace ppmm {

// The checksum of `bytes`, or of everything so far when `crc` is the checksum of what came before them.
// Source: RFC 3720, appendix B.4 has the test vectors.
uint32_t Crc32c(absl::string_view bytes, uint32_t crc = 0);

// The same without the processor's instruction; for tests.
uint32_t Crc32cPortable(absl::string_view bytes, uint32_t crc = 0);

}  // namespace ppmm
