// Status helpers. This Abseil has no status macros, so ours are small and live here; the only macros of the project.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ppmm {

// The same code, with `what` and ": " before the message. OK stays OK.
absl::Status Annotate(const absl::Status& status, absl::string_view what);

// The status of a failed system call: NotFound for ENOENT and ESRCH, PermissionDenied for EACCES and EPERM,
// ResourceExhausted for ENOSPC, EDQUOT, EMFILE and ENFILE, FailedPrecondition for EROFS, Unavailable else.
absl::Status ErrnoStatus(int error_number, absl::string_view what);

}  // namespace ppmm

#define PPMM_CONCAT_INNER(a, b) a##b
#define PPMM_CONCAT(a, b) PPMM_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expression)                \
  do {                                             \
    const absl::Status ppmm_status = (expression); \
    if (!ppmm_status.ok()) {                       \
      return ppmm_status;                          \
    }                                              \
  } while (false)

#define ASSIGN_OR_RETURN(target, expression) PPMM_ASSIGN_OR_RETURN(PPMM_CONCAT(ppmm_or_, __LINE__), target, expression)
#define PPMM_ASSIGN_OR_RETURN(or_value, target, expression) \
  auto or_value = (expression);                             \
  if (!or_value.ok()) {                                     \
    return or_value.status();                               \
  }                                                         \
  target = *std::move(or_value)
