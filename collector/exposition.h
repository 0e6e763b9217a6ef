// The Prometheus pages: /metrics (self, rating, per application) and /metrics/hosts (per host and per instance), from
// committed state. Neither carries timestamps; a series without steps for 5 minutes is absent.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "collector/http/message.h"
#include "collector/rating_source.h"
#include "collector/self_numbers.h"
#include "collector/state.h"

namespace ppmm {

// The text of /metrics.
//
// Shape:  `rating` may be null: nothing was evaluated yet, and its families are absent. While the state is not ready
//         the page holds what the collector says of itself only.
// Errors: Internal: a family cannot be serialized, which is a bug of ours.
absl::StatusOr<std::string> RenderMetrics(State& state, const SelfNumbers& self, const RatingSnapshot* rating,
                                          absl::Time now);

// The body of /metrics/hosts. prometheus-cpp takes 6.9 CPU-seconds and 2.6 GB for a million series, so it is written
// here: the hosts are read one by one, each under a short lock, and each series is written once, as text, to the
// piece of its family; the pieces are sent in order of names and freed as they go.
//
// Shape: `state` must outlive the stream.
http::BodyStream HostMetricsStream(State& state, absl::Time now);

}  // namespace ppmm
