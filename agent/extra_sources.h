// Sources besides the visible list of sources.h. Two definitions, chosen when linking, as for common/failpoint.h: this
// agent has none; the one that tests kill counts its own samples (tests/e2e/counting_source.cc).
#pragma once

#include <memory>
#include <vector>

#include "agent/source.h"

namespace ppmm {

std::vector<std::unique_ptr<Source>> ExtraSources();

}  // namespace ppmm
