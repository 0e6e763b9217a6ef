#include "common/failpoint.h"

namespace ppmm {

void Failpoint(absl::string_view /*name*/) {}

}  // namespace ppmm
