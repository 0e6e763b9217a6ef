#include "common/status.h"

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace ppmm {

absl::Status Annotate(const absl::Status& status, absl::string_view what) {
  if (status.ok()) {
    return status;
  }
  return {status.code(), absl::StrCat(what, ": ", status.message())};
}

absl::Status ErrnoStatus(int error_number, absl::string_view what) {
  const std::string message = absl::StrCat(what, ": ", std::generic_category().message(error_number));
  switch (error_number) {
    case ENOENT:
    case ESRCH:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(message);
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(message);
    case EROFS:
      return absl::FailedPreconditionError(message);
    default:
      return absl::UnavailableError(message);
  }
}

}  // namespace ppmm
