// Small readings of committed state that the views share. All of them are called under the state's reader lock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"

#include "collector/state.h"

namespace ppmm {

// A host whose newest step is older is silent, unless it is known to be off.
inline constexpr absl::Duration kSilentAfter = absl::Seconds(90);

// Whether a series with this newest step (seconds since 1970) is still shown.
inline bool IsFresh(std::int64_t last_step, absl::Time now) {
  return last_step != 0 && now - absl::FromUnixSeconds(last_step) <= kFresh;
}

// By what people call it: the declared name, else the label.
inline std::string ShownAs(const ApplicationState& application) {
  return application.display_name.empty() ? application.label() : application.display_name;
}

// The integer of the wire in the metric's unit.
inline double ValueOf(const Metric& metric, std::int64_t integer) {
  return static_cast<double>(integer) * ScaleFactor(metric.scale);
}

// Nothing where there is no such host.
inline const HostState* FindHost(const Tables& tables, HostKey key) {
  const auto found = tables.hosts.find(key);
  return found == tables.hosts.end() ? nullptr : &found->second;
}

// The increments of a counter within the window that ends with step `to`, by the seconds of it that the latest steps
// cover: the oldest step kept says when it ends, not when it began, so it does not count.
//
// Units:  the metric's, per second.
// Shape:  nothing where the latest steps cover none of the window.
std::optional<double> RatePerSecond(const SeriesState& series, std::int64_t to, absl::Duration window);

// The increments of a counter within the window that ends with step `to`, as far as the latest steps reach back.
//
// Units:  the integers of the wire.
double IncreaseWithin(const SeriesState& series, std::int64_t to, absl::Duration window);

}  // namespace ppmm
