// The points of one entity on one sealed day, at 60 s or 3600 s: the value of a row of `block`. Columnar within a
// series, each value as its difference to the point before, compressed as one zstd frame.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "collector/minute_row.h"

namespace ppmm {

struct BlockPoint {
  std::uint32_t slot = 0;  // of the day: 0 to 1439, or 0 to 23
  Rollup rollup;
  bool operator==(const BlockPoint&) const = default;
};

struct BlockSketch {
  std::uint32_t slot = 0;
  Sketch sketch;
  bool operator==(const BlockSketch&) const = default;
};

struct BlockSeries {
  SeriesId series = 0;
  std::vector<BlockPoint> points;     // slots ascending
  std::vector<BlockSketch> sketches;  // of a histogram, slots ascending
  bool operator==(const BlockSeries&) const = default;
};

// Shape: series ascending.
std::string EncodeBlock(const std::vector<BlockSeries>& block);

// Errors: DataLoss for bytes that EncodeBlock() never wrote.
absl::StatusOr<std::vector<BlockSeries>> DecodeBlock(absl::string_view bytes);

// The same points merged into slots `factor` times as long; `last` is that of the latest point.
std::vector<BlockSeries> Coarser(const std::vector<BlockSeries>& block, std::uint32_t factor);

}  // namespace ppmm
