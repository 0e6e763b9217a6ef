// Gives back the pages of our own program that only the start needed.
#pragma once

#include <cstddef>

namespace ppmm {

// Drops clean file pages of code and constants from this process; what is needed again is read from the page cache. It
// lowers resident and proportional memory (measured: docs/overhead.md), not the pressure on the machine, which could
// drop these pages at any time by itself. Never touches relocated read-only data, which could not be read again.
// Returns the bytes of the mappings dropped.
std::size_t DropProgramPages();

}  // namespace ppmm
