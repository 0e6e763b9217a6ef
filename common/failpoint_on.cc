#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

#include "common/failpoint.h"

namespace ppmm {

void Failpoint(absl::string_view name) {
  // Read at each passage: a test sets it in a child that it forks.
  const char* text = std::getenv("PPMM_FAILPOINT");
  const std::pair<std::string, std::string> chosen =
      absl::StrSplit(text == nullptr ? "" : text, absl::MaxSplits(':', 1));
  int passage = 1;
  if (name != chosen.first || (!chosen.second.empty() && !absl::SimpleAtoi(chosen.second, &passage))) {
    return;
  }
  static std::atomic<int> passages{0};
  if (++passages == passage) {
    std::raise(SIGKILL);
  }
}

}  // namespace ppmm
