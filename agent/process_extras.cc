#include "agent/process_extras.h"

#include <dirent.h>
#include <sys/stat.h>

#include <cerrno>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "agent/procfs.h"
#include "common/status.h"

namespace ppmm {

absl::StatusOr<std::uint64_t> ParseOpenFilesLimit(absl::string_view text) {
  absl::string_view line;
  while (NextLine(&text, &line)) {
    if (!absl::ConsumePrefix(&line, "Max open files")) {
      continue;
    }
    absl::string_view field;
    std::uint64_t limit = 0;
    if (NextField(&line, &field) && field == "unlimited") {
      return static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    }
    if (ParseUint(field, &limit)) {
      return limit;
    }
    return absl::InvalidArgumentError(absl::StrCat("limits: \"", field, "\" is not a number of open files"));
  }
  return absl::InvalidArgumentError("limits: no line \"Max open files\"");
}

absl::StatusOr<std::uint64_t> ParseProportionalMemory(absl::string_view text) {
  absl::string_view line;
  while (NextLine(&text, &line)) {
    std::uint64_t kibibytes = 0;
    if (absl::ConsumePrefix(&line, "Pss:") && NextUint(&line, &kibibytes)) {
      return kibibytes * 1024;
    }
  }
  return absl::InvalidArgumentError("smaps_rollup: no line \"Pss:\"");
}

absl::StatusOr<std::uint64_t> CountOpenFiles(const std::string& proc, std::int32_t pid) {
  const std::string path = absl::StrCat(proc, "/", pid, "/fd");
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    return ErrnoStatus(errno, path);
  }
  if (status.st_size > 0) {
    return static_cast<std::uint64_t>(status.st_size);
  }
  DIR* folder = opendir(path.c_str());
  if (folder == nullptr) {
    return ErrnoStatus(errno, path);
  }
  std::uint64_t count = 0;
  while (readdir(folder) != nullptr) {  // NOLINT(concurrency-mt-unsafe): the folder is ours alone
    ++count;
  }
  closedir(folder);
  return count >= 2 ? count - 2 : 0;  // "." and ".."
}

absl::StatusOr<std::uint64_t> ReadOpenFilesLimit(const std::string& proc, std::int32_t pid) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(absl::StrCat(proc, "/", pid, "/limits")));
  return ParseOpenFilesLimit(text);
}

absl::StatusOr<std::uint64_t> ReadProportionalMemory(const std::string& proc, std::int32_t pid) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(absl::StrCat(proc, "/", pid, "/smaps_rollup")));
  return ParseProportionalMemory(text);
}

}  // namespace ppmm
