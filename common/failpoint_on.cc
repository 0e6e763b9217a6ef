#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

#include "common/failpoint.h"

namespace ppmm {

void Failpoint(absl::string_view name) {
  static const std::pair<std::string, int> chosen = [] {
    const char* text = std::getenv("PPMM_FAILPOINT");
    const std::vector<std::string> parts = absl::StrSplit(text == nullptr ? "" : text, ':');
    int passage = 1;
    if (parts.size() == 2 && !absl::SimpleAtoi(parts[1], &passage)) {
      passage = 1;
    }
    return std::make_pair(parts[0], passage);
  }();
  static std::atomic<int> passages{0};
  if (name == chosen.first && ++passages == chosen.second) {
    std::raise(SIGKILL);
  }
}

}  // namespace ppmm
