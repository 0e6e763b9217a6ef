// The `columns` bytes of ppmm.wire.Batch: the values of many series at the few steps of one batch. Specified in
// docs/wire.md, section "Columns". Both directions are stateless, hold no lock and allocate nothing but the output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "common/metrics.h"
#include "common/sketch.h"

namespace ppmm {

inline constexpr uint32_t kMaxStepsPerBatch = 60;
// Series an agent may have, and so a batch; bounds the work that a few hostile bytes can ask for.
inline constexpr uint32_t kMaxSeriesPerBatch = 20'000;

// The values of one series in a batch. Spans must outlive the call they are given to.
struct Column {
  uint32_t id = 0;  // from 1
  MetricKind kind = MetricKind::kGauge;
  uint64_t present = 0;  // bit k: there is a value at step k; not 0
  // One a set bit, in order of steps: `values` of a gauge or counter (increments, >= 0), `sketches` of a histogram.
  absl::Span<const int64_t> values;
  absl::Span<const Sketch* const> sketches;
};

// Appends the columns to `out`.
//
// Shape:  ids strictly ascending; 1 <= steps <= kMaxStepsPerBatch; at most kMaxSeriesPerBatch columns. An empty sketch
//         is sent and arrives as an empty sketch.
// Errors: InvalidArgument names the column that breaks the shape; `out` is then unchanged.
absl::Status AppendColumns(absl::Span<const Column> columns, uint32_t steps, std::string* out);

// Takes what DecodeColumns finds: OnSeries, then the values of that series in order of steps, and so on by rising ids.
class ColumnVisitor {
 public:
  virtual ~ColumnVisitor() = default;
  // The kind that the dictionary gives this id; nothing: unknown id. Here the receiver looks its series up, once.
  virtual std::optional<MetricKind> OnSeries(uint32_t id) = 0;
  virtual void OnValue(uint32_t id, uint32_t step, int64_t value) = 0;
  virtual void OnSketch(uint32_t id, uint32_t step, Sketch sketch) = 0;
};

// Reads columns; the result is the number of samples.
//
// Shape:  any bytes are safe. At most kMaxSeriesPerBatch series and kMaxStepsPerBatch steps are visited, each once.
// Errors: InvalidArgument when the bytes are not what AppendColumns writes for so many steps; NotFound
//         "unknown series id N". The visitor may have been called before the error was found, so it collects first.
absl::StatusOr<uint32_t> DecodeColumns(absl::string_view bytes, uint32_t steps, ColumnVisitor& visitor);

}  // namespace ppmm
