#include "agent/procfs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

#include "absl/strings/str_cat.h"

#include "common/status.h"

namespace ppmm {
namespace {

// Shared by all files of a thread: what a file said is parsed before the next one is read.
std::string& Buffer() {
  thread_local std::string buffer(16 << 10, '\0');
  return buffer;
}

bool IsBlank(char c) {
  return c == ' ' || c == '\t';
}

}  // namespace

ProcFile::ProcFile(absl::string_view root, absl::string_view path) : path_(absl::StrCat(root, path)) {}

ProcFile::~ProcFile() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

absl::StatusOr<absl::string_view> ProcFile::Read() {
  if (fd_ < 0) {
    // Below a root of somebody's making it may be a pipe, which must not hold us up.
    fd_ = open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd_ < 0) {
      return ErrnoStatus(errno, path_);
    }
    struct stat st {};
    if (fstat(fd_, &st) != 0 || !S_ISREG(st.st_mode)) {
      close(fd_);
      fd_ = -1;
      return absl::FailedPreconditionError(absl::StrCat(path_, " is not a regular file"));
    }
  }
  std::string& buffer = Buffer();
  std::size_t size = 0;
  for (;;) {
    const ssize_t got = pread(fd_, buffer.data() + size, buffer.size() - size, static_cast<off_t>(size));
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      const int error = errno;
      close(fd_);  // a device that went away comes back under another inode
      fd_ = -1;
      return ErrnoStatus(error, path_);
    }
    if (got == 0) {
      return absl::string_view(buffer.data(), size);
    }
    size += static_cast<std::size_t>(got);
    if (size == buffer.size()) {
      if (size >= kMaxBytes) {
        return absl::ResourceExhaustedError(absl::StrCat(path_, ": larger than ", kMaxBytes, " bytes"));
      }
      buffer.resize(buffer.size() * 2);
    }
  }
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  ProcFile file("", path);
  absl::StatusOr<absl::string_view> text = file.Read();
  if (!text.ok()) {
    return text.status();
  }
  return std::string(*text);
}

bool NextLine(absl::string_view* text, absl::string_view* line) {
  if (text->empty()) {
    return false;
  }
  const std::size_t end = text->find('\n');
  *line = text->substr(0, end);
  text->remove_prefix(end == absl::string_view::npos ? text->size() : end + 1);
  return true;
}

bool NextField(absl::string_view* line, absl::string_view* field) {
  std::size_t begin = 0;
  while (begin < line->size() && IsBlank((*line)[begin])) {
    ++begin;
  }
  std::size_t end = begin;
  while (end < line->size() && !IsBlank((*line)[end])) {
    ++end;
  }
  *field = line->substr(begin, end - begin);
  line->remove_prefix(end);
  return !field->empty();
}

bool ParseUint(absl::string_view text, std::uint64_t* value) {
  if (text.empty() || text.size() > 20) {
    return false;
  }
  std::uint64_t result = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') {
      return false;
    }
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (result > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) {
      return false;
    }
    result = result * 10 + digit;
  }
  *value = result;
  return true;
}

bool NextUint(absl::string_view* line, std::uint64_t* value) {
  absl::string_view field;
  return NextField(line, &field) && ParseUint(field, value);
}

absl::Status ParseError(absl::string_view path, int line, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(path, " line ", line, ": ", what));
}

}  // namespace ppmm
