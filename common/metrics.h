// The metric list: every metric that agents send, described once. Exposition, docs/metrics.md, the check at ingest and
// the agent's series all derive from it. A row's name is never given another meaning; a removed row leaves a comment.
//
// To add a metric: one row in metrics.cc, then `tests/run --update-docs`.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ppmm {

enum class MetricKind : std::uint8_t { kGauge, kCounter, kHistogram };

// Whose value it is: the entity that the series hangs on.
enum class MetricScope : std::uint8_t { kHost, kInstance };

// Resource kinds that the rating asks for (criterion MON-002).
enum class Resource : std::uint8_t { kNone, kCpu, kMemory, kDisk, kNetwork };

// What a series says of its resource, after the USE method, and of an application.
enum class MetricRole : std::uint8_t {
  kOther,
  kUtilization,  // counts for coverage: `expected` samples of the resource kind
  kSaturation,
  kErrors,
  kThroughput,  // moves with the work of an application: connections, bytes
};

struct Metric {
  absl::string_view name;
  MetricKind kind = MetricKind::kGauge;
  MetricScope scope = MetricScope::kHost;
  // The wire carries integers: value in the metric's unit = integer * 10^scale.
  int scale = 0;
  absl::string_view unit;  // seconds | bytes | ratio | "" (a number)
  Resource resource = Resource::kNone;
  MetricRole role = MetricRole::kOther;
  absl::Span<const absl::string_view> labels;  // names; values travel with the series
  int period_seconds = 0;                      // how often the source reads it by default; 0: each step
  absl::string_view help;
  absl::string_view source;  // where the number comes from
};

// Shape: ordered by name.
absl::Span<const Metric> MetricList();

// nullptr: no such metric.
const Metric* FindMetric(absl::string_view name);

// A metric that the program itself names; aborts if the list has no such row, which is a bug of ours.
const Metric& MetricNamed(absl::string_view name);

// 10^exponent for the range of scales that the list uses, -9 to 9.
double ScaleFactor(int exponent);

// The page docs/metrics.md.
std::string MetricListMarkdown();

absl::string_view ResourceName(Resource resource);

}  // namespace ppmm
