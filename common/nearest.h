// The valid names nearest to a mistyped one, so that an error can end in `did you mean "listen"?`. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ppmm {

// Edits that turn one word into the other: insertions, deletions, substitutions and swaps of neighbours. Letters differ
// by case at no cost, and so do '-' and '_'.
//
// Source: restricted Damerau-Levenshtein distance (optimal string alignment).
size_t EditDistance(absl::string_view a, absl::string_view b);

// The names within a third of the word's length (at least one edit), nearest first, equally near ones in the order
// given.
//
// Shape: at most `limit` names; none for a word of more than 64 bytes, which nobody mistyped.
std::vector<std::string> NearestNames(absl::string_view word, absl::Span<const std::string> names, size_t limit);

// `; did you mean "listen"?` or, where nothing is near, an empty text.
std::string DidYouMean(absl::string_view word, absl::Span<const std::string> names);

}  // namespace ppmm
