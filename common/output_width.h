// How wide what is printed may be.
#pragma once

namespace ppmm {

inline constexpr int kNarrowestOutput = 80;

// Columns of the terminal that is standard output; for a pipe as many as COLUMNS says, else 120. Shape: 80 to 200.
int OutputWidth();

}  // namespace ppmm
