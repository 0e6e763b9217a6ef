// The shared world: one organization that lives for 30 days, once for all tests of this program. Each of its hosts and
// applications shows one outcome of one or more rows of the rating; shared_world.cc is the description.
#pragma once

#include <string>

#include "tests/world/organization_run.h"

namespace ppmm {

inline constexpr int kWorldDays = 30;

OrganizationScript SharedWorld();

// The world after its 30 days, and ten minutes of the day after; lived at the first call.
OrganizationRun& World();

// A new path for a store of this program, in the build folder.
std::string WorldPath(const std::string& name);

}  // namespace ppmm
