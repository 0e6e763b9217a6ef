#include "common/environment.h"

#include <stdlib.h>

namespace ppmm {

std::string ProcessEnvironment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace ppmm
