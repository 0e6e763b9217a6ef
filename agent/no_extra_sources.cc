#include "agent/extra_sources.h"

namespace ppmm {

std::vector<std::unique_ptr<Source>> ExtraSources() {
  return {};
}

}  // namespace ppmm
