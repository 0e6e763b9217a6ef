#include "common/output_width.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/numbers.h"

namespace ppmm {

int OutputWidth() {
  constexpr int kPipe = 120;
  constexpr int kWidest = 200;
  winsize size{};
  if (isatty(STDOUT_FILENO) != 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    return std::clamp(static_cast<int>(size.ws_col), kNarrowestOutput, kWidest);
  }
  int columns = 0;
  const char* const said = std::getenv("COLUMNS");
  return said != nullptr && absl::SimpleAtoi(said, &columns) ? std::clamp(columns, kNarrowestOutput, kWidest) : kPipe;
}

}  // namespace ppmm
