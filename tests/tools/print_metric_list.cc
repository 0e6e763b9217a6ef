// Prints docs/metrics.md.
#include <cstdio>

#include "common/metrics.h"

int main() {
  const std::string page = ppmm::MetricListMarkdown();
  return std::fwrite(page.data(), 1, page.size(), stdout) == page.size() ? 0 : 1;
}
