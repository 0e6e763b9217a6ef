// Reading and parsing files of /proc and /sys below an injected root. One thread only.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ppmm {

// A file that is read again and again: kept open, read from its begin each time.
class ProcFile {
 public:
  // Shape: `root` is the host's root ("" or "/host"), `path` absolute.
  ProcFile(absl::string_view root, absl::string_view path);
  ~ProcFile();
  ProcFile(const ProcFile&) = delete;
  ProcFile& operator=(const ProcFile&) = delete;

  const std::string& path() const { return path_; }

  // The whole content, valid until the next Read of this thread (all ProcFiles share one buffer per thread).
  //
  // Shape:  at most kMaxBytes; more is an error, never a silent cut.
  // Errors: NotFound if there is no such file; PermissionDenied; FailedPrecondition: it is a pipe, a device or a
  // folder;
  //         ResourceExhausted over kMaxBytes; Unavailable.
  absl::StatusOr<absl::string_view> Read();

  static constexpr std::size_t kMaxBytes = 4 << 20;

 private:
  std::string path_;
  int fd_ = -1;
};

// Reads a small file once. Errors as ProcFile::Read.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// Takes the next line off `text`, without its end. False when nothing is left.
bool NextLine(absl::string_view* text, absl::string_view* line);
// Takes the next field, between blanks, off `line`. False when nothing is left.
bool NextField(absl::string_view* line, absl::string_view* field);
// Decimal digits only, all of them; false on anything else and on overflow.
bool ParseUint(absl::string_view text, std::uint64_t* value);
// Takes the next field and parses it.
bool NextUint(absl::string_view* line, std::uint64_t* value);

// InvalidArgument "PATH line N: WHAT".
absl::Status ParseError(absl::string_view path, int line, absl::string_view what);

}  // namespace ppmm
