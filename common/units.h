// Durations and sizes as people write them, in files and on the command line. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ppmm {

// Reads "500ms", "10s", "1h30m", "2.5 h", "30d".
//
// Shape:  one or more numbers, each with its unit: us, ms, s, m, h, d (24 h); not negative, at most 1000 years.
// Errors: InvalidArgument; the message quotes the text and shows how a duration is written.
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text);

// Reads "512B", "64KiB", "1.5 GiB". Only powers of 1024: "MB" means two things, so it is refused.
//
// Units:  bytes.
// Errors: InvalidArgument, as above; also for a fraction that is no whole number of bytes.
absl::StatusOr<std::uint64_t> ParseByteSize(absl::string_view text);

// The shortest text that ParseByteSize reads back as the same number: "128MiB".
std::string FormatByteSize(std::uint64_t bytes);

}  // namespace ppmm
