#include "collector/places.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

#include "collector/http/access.h"

namespace ppmm {

std::string StorePath(const config::CollectorConfig& config) {
  return absl::StrCat(config.data(), "/ppmm.db");
}

PlacedFile::PlacedFile(std::string path) : path_(std::move(path)) {
  struct stat found {};
  if (stat(path_.c_str(), &found) == 0) {
    device_ = found.st_dev;
    inode_ = found.st_ino;
  }
}

bool PlacedFile::Gone() const {
  struct stat found {};
  if (stat(path_.c_str(), &found) != 0) {
    return errno == ENOENT;
  }
  return found.st_dev != device_ || found.st_ino != inode_;
}

absl::Status TakeDataDirectory(const config::CollectorConfig& config, DataLock* lock) {
  std::error_code made;
  std::filesystem::create_directories(config.data(), made);
  if (made) {
    const std::string text = absl::StrCat("data directory ", config.data(), " cannot be made: ", made.message(),
                                          " (--data names another one)");
    return made == std::errc::no_space_on_device ? absl::ResourceExhaustedError(text)
                                                 : absl::FailedPreconditionError(text);
  }
  const absl::Status taken = lock->Take(config.data(), "collector");
  // Only who has it already is told with a cure.
  if (taken.ok() || absl::IsAlreadyExists(taken)) {
    return taken;
  }
  if (absl::IsResourceExhausted(taken)) {
    return absl::ResourceExhaustedError(absl::StrCat("data directory ", config.data(), ": ", taken.message(),
                                                     "; make room there, or name another directory with --data"));
  }
  return absl::FailedPreconditionError(
      absl::StrCat("data directory ", config.data(), " cannot be used: ", taken.message(), "; user ", geteuid(),
                   ", as whom it runs, must be able to write there, or name another directory with --data"));
}

std::vector<std::string> HttpNames(const config::CollectorConfig& config) {
  std::vector<std::string> names = http::ThisHostNames();
  names.insert(names.end(), config.http().names().begin(), config.http().names().end());
  return names;
}

}  // namespace ppmm
