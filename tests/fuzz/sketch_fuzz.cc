// Encoded sketches. Input: two of them.
#include "common/sketch.h"
#include "tests/fuzz/fuzz.h"

namespace ppmm::fuzz {
namespace {

void CheckExport(const Sketch& sketch) {
  const auto classic = sketch.ClassicBuckets();
  for (std::size_t i = 1; i < classic.size(); ++i) {
    Require(classic[i - 1] <= classic[i], "classic buckets are cumulative");
  }
  const double last_bound = Sketch::ClassicBoundSeconds(classic.size() - 1);
  const bool all_below = static_cast<double>(sketch.max_ns()) / 1e9 <= last_bound;
  Require(classic.back() <= sketch.count() && (!all_below || classic.back() == sketch.count()),
          "the last classic bucket has what is not above it");
  const NativeHistogram native = sketch.Native();
  std::uint64_t count = native.zero_count;
  std::int64_t bucket = 0;
  for (const std::int64_t delta : native.deltas) {
    bucket += delta;
    count += static_cast<std::uint64_t>(bucket);
  }
  Require(count == sketch.count() && native.count == count, "native buckets have all values");
  for (const double q : {0.0, 0.5, 0.99, 1.0}) {
    Require(sketch.QuantileSeconds(q).has_value() == (sketch.count() > 0),
            "there is a quantile where there are values");
  }
}

}  // namespace

void Run(absl::string_view input) {
  Input in(input);
  const absl::string_view bytes = in.Piece();
  const absl::StatusOr<Sketch> a = Sketch::Decode(bytes);
  if (!a.ok()) {
    return;
  }
  const absl::StatusOr<Sketch> again = Sketch::Decode(a->Encode());
  Require(again.ok() && *again == *a, "the same sketch after encoding again");
  CheckExport(*a);
  const absl::StatusOr<Sketch> b = Sketch::Decode(in.Rest());
  if (b.ok()) {
    Sketch ab = *a;
    ab.Merge(*b);
    Sketch ba = *b;
    ba.Merge(*a);
    Require(ab == ba, "the order of merging does not matter");
    Require(ab.count() == a->count() + b->count(), "merging adds counts");
    CheckExport(ab);
  }
}

std::vector<std::string> Seeds() {
  Sketch few;
  few.Add(1'500'000, 3);
  few.Add(-1);
  Sketch wide;
  for (std::int64_t ns = 1; ns < std::int64_t{1} << 60; ns *= 3) {
    wide.Add(ns, static_cast<std::uint64_t>(ns));
  }
  return {Piece(Sketch().Encode()) + few.Encode(), Piece(few.Encode()) + wide.Encode(), Piece(wide.Encode())};
}

}  // namespace ppmm::fuzz
