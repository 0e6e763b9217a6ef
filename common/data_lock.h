// One process a data directory: two would each count from a picture of their own, and number what they write alike. The
// lock goes with the process, however it ends; the file `lock` stays and means nothing by itself.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ppmm {

// Thread-compatible. Holds the lock until it is destroyed.
class DataLock {
 public:
  DataLock() = default;
  ~DataLock();
  DataLock(const DataLock&) = delete;
  DataLock& operator=(const DataLock&) = delete;

  // Shape:  `folder` exists; `program` is what uses it ("collector"), for the message. One at a time in a process:
  //         closing any descriptor of the file would give the lock up (fcntl_locking(2)).
  // Errors: AlreadyExists: another process holds it; the text has its pid and the cure. Else as ErrnoStatus.
  absl::Status Take(const std::string& folder, absl::string_view program);

 private:
  int fd_ = -1;
};

}  // namespace ppmm
