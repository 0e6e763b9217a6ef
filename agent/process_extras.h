// What a process tells only by files that are dear to read: open descriptors and their limit, proportional memory.
// The functions read below an injected /proc; one thread only.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ppmm {

// Parses the soft limit of "Max open files" out of the text of /proc/PID/limits.
//
// Shape:  "unlimited" is 2^63 - 1.
// Errors: InvalidArgument if there is no such line or it is no number.
absl::StatusOr<std::uint64_t> ParseOpenFilesLimit(absl::string_view text);

// Parses "Pss:" out of the text of /proc/PID/smaps_rollup.
//
// Units:  the kernel prints kB and means KiB; the result is in bytes.
// Errors: InvalidArgument if there is no such line.
absl::StatusOr<std::uint64_t> ParseProportionalMemory(absl::string_view text);

// Errors of all: NotFound: the process ended; PermissionDenied: another user's process and no CAP_SYS_PTRACE.
// Number of open descriptors. Since Linux 6.2 the kernel tells it as the size of the folder, before we count.
absl::StatusOr<std::uint64_t> CountOpenFiles(const std::string& proc, std::int32_t pid);
absl::StatusOr<std::uint64_t> ReadOpenFilesLimit(const std::string& proc, std::int32_t pid);
absl::StatusOr<std::uint64_t> ReadProportionalMemory(const std::string& proc, std::int32_t pid);

}  // namespace ppmm
