#include "common/data_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

#include "common/status.h"

namespace ppmm {

DataLock::~DataLock() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

// A lock of fcntl(2), not of flock(2), because it tells who holds it.
absl::Status DataLock::Take(const std::string& folder, absl::string_view program) {
  const std::string path = folder + "/lock";
  fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (fd_ < 0) {
    return ErrnoStatus(errno, path);
  }
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(fd_, F_SETLK, &lock) == 0) {
    return absl::OkStatus();
  }
  const int cause = errno;
  if (cause != EACCES && cause != EAGAIN) {
    return ErrnoStatus(cause, path);
  }
  // Without a pid: the holder has just gone, or lives in another pid namespace.
  const bool told = fcntl(fd_, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0;
  return absl::AlreadyExistsError(absl::StrCat("data directory ", folder, " is used by another ", program,
                                               told ? absl::StrCat(" (pid ", lock.l_pid, ")") : "",
                                               "; stop it, or choose another directory with --data"));
}

}  // namespace ppmm
