#include "common/nearest.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace ppmm {
namespace {

constexpr size_t kLongestWord = 64;

char Folded(char c) {
  return c == '-' ? '_' : absl::ascii_tolower(static_cast<unsigned char>(c));
}

}  // namespace

size_t EditDistance(absl::string_view a, absl::string_view b) {
  // Three rows of the table: a swap looks two rows back.
  std::vector<size_t> before_last(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = Folded(a[i - 1]) == Folded(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && Folded(a[i - 1]) == Folded(b[j - 2]) && Folded(a[i - 2]) == Folded(b[j - 1])) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

std::vector<std::string> NearestNames(absl::string_view word, absl::Span<const std::string> names, size_t limit) {
  std::vector<std::string> result;
  if (word.empty() || word.size() > kLongestWord) {
    return result;
  }
  const size_t reach = std::max<size_t>(1, word.size() / 3);
  std::vector<std::pair<size_t, const std::string*>> near;
  for (const std::string& name : names) {
    // The lengths alone tell when a name is too far; this also bounds the table.
    if (name.size() > word.size() + reach || word.size() > name.size() + reach) {
      continue;
    }
    if (const size_t distance = EditDistance(word, name); distance <= reach) {
      near.emplace_back(distance, &name);
    }
  }
  std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 0; i < near.size() && i < limit; ++i) {
    result.push_back(*near[i].second);
  }
  return result;
}

std::string DidYouMean(absl::string_view word, absl::Span<const std::string> names) {
  const std::vector<std::string> nearest = NearestNames(word, names, 1);
  return nearest.empty() ? "" : absl::StrCat("; did you mean \"", nearest.front(), "\"?");
}

}  // namespace ppmm
