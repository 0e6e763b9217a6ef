// Points at which a test kills the process. Two definitions, chosen when linking: library `failpoint_off` does nothing,
// `failpoint_on` kills (SIGKILL) at the n-th passage of the point that PPMM_FAILPOINT="name:n" names. Which windows
// have one: `grep -rn 'Failpoint("' agent collector`.
#pragma once

#include "absl/strings/string_view.h"

namespace ppmm {

// Thread-safe.
void Failpoint(absl::string_view name);

}  // namespace ppmm
