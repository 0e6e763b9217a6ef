// What one host said in one minute: the value of a row of `minute`. Merging is addition, so rows agree whatever the
// order in which steps arrive. The row of a host's open minute also carries the host's totals and last values, which
// is where a start finds them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "collector/store/rows.h"
#include "common/sketch.h"

namespace ppmm {

// The samples of one series in one period, as integers of the metric's scale. Additions wrap instead of overflowing,
// so that they stay associative whatever a sender claims.
struct Rollup {
  std::uint32_t count = 0;
  std::uint8_t last_second = 0;  // second of the minute that `last` is of
  std::int64_t sum = 0;
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::int64_t last = 0;  // of the latest step; of one step twice: the larger

  void Add(std::int64_t value, std::uint8_t second);
  void Merge(const Rollup& other);
  bool operator==(const Rollup&) const = default;
};

struct SeriesRollup {
  SeriesId series = 0;
  Rollup rollup;
  bool operator==(const SeriesRollup&) const = default;
};

struct SeriesSketch {
  SeriesId series = 0;
  Sketch sketch;
  std::uint32_t samples = 0;  // merged into it; of a total: 0
  bool operator==(const SeriesSketch&) const = default;
};

// The latest value and the total of a series; a gauge's total is 0.
struct SeriesTotal {
  SeriesId series = 0;
  std::int64_t last = 0;
  std::int64_t last_step = 0;  // seconds since 1970
  std::int64_t total = 0;
  bool operator==(const SeriesTotal&) const = default;
};

struct MinuteRow {
  enum Flag : std::uint32_t {
    kTwice = 1,    // lived twice, after a clock was set back: not covered
    kBooting = 2,  // within the first 10 minutes after boot
    kLive = 4,     // some step came in live order
  };

  std::uint32_t flags = 0;
  // The least receipt less sending of the live batches: the collector's clock less the agent's, plus the way.
  std::optional<std::int64_t> clock_offset_us;
  std::uint32_t late_samples = 0;           // received more than 5 minutes after their time
  std::array<std::uint32_t, 5> expected{};  // samples a full minute brings, by ppmm::Resource
  std::vector<SeriesRollup> series;         // ids ascending
  std::vector<SeriesSketch> sketches;       // ids ascending
  // Of the open minute's row only; Merge() leaves them alone.
  std::vector<SeriesTotal> totals;          // ids ascending
  std::vector<SeriesSketch> sketch_totals;  // ids ascending
  std::uint64_t late_samples_total = 0;     // of the host, ever

  bool operator==(const MinuteRow&) const = default;

  // Adds one sample. Amortized: cheap when ids come in order.
  void Add(SeriesId series_id, std::int64_t value, std::uint8_t second);
  void Add(SeriesId series_id, const Sketch& sketch, std::uint32_t samples = 1);
  void NoteClock(std::int64_t offset_us);
  // Addition; of `expected` the larger, of the clock's offsets the smaller.
  void Merge(const MinuteRow& other);
  const Rollup* Find(SeriesId series_id) const;

  // Shape: `compressed` for rows that are written once; zstd pays from some 200 bytes on.
  std::string Encode(bool compressed) const;
  // Errors: DataLoss for bytes that Encode() never wrote.
  static absl::StatusOr<MinuteRow> Decode(absl::string_view bytes);
};

}  // namespace ppmm
