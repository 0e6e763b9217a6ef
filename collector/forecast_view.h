// What the API, the page and the command say of a host's time to exhaustion: the frozen rows of the newest day, in
// words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "collector/state.h"

namespace ppmm {

struct ResourceForecast {
  std::string kind;       // cpu | memory | disk | network
  std::string resource;   // "CPU", "/var", "disk sda", "eth0"
  double used_ratio = 0;  // busiest hour of the day
  std::string reason;     // why there is no forecast; the rest is then not known
  double level_ratio = 0;
  double slope_ratio_per_day = 0;
  // Nothing: not in sight.
  std::optional<std::int64_t> days;
  std::optional<std::int64_t> days_low;
  std::optional<std::int64_t> days_high;
};

struct HostForecasts {
  std::optional<absl::Time> as_of;          // end of the day that the rows are of
  std::optional<absl::Time> known_from;     // while there is no forecast yet
  std::vector<ResourceForecast> resources;  // the soonest first, those without a forecast last
  // "in 12 d (/var)", "now (CPU)", "not in sight", "known from 30 Nov"; empty: nothing is known, or will be.
  std::string words;
};

// Under the reader lock.
HostForecasts ForecastsOf(const Tables& tables, const HostState& host, absl::Time now);

}  // namespace ppmm
