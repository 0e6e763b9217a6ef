// Numbers as people read them: natural units, never more digits than matter. Pure; the page and the command share it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ppmm {

// "84 us" (with the micro sign), "0.3 ms", "19 ms", "1.3 s", "12 min", "3.2 h". Units: seconds.
std::string HumanSeconds(double seconds);
// "812 B", "12.4 MiB", "1.5 GiB".
std::string HumanBytes(double bytes);
// A count or a rate without its unit: "0.04", "3.4", "412", "12,400".
std::string HumanNumber(double number);
// "78 %", "99.97 %", "0.5 %". Rounded down from 99 on, so that 100 % means all, and below 1; "<0.01 %" for what is
// nearly nothing. Units: 0..1.
std::string HumanPercent(double ratio);
// A count with what is counted: "1 host", "12,400 hosts", "2 entries", "- hosts" where it is not known. `plural`: where
// it is not the singular and "s".
std::string HumanCount(std::optional<std::int64_t> count, absl::string_view singular, absl::string_view plural = "");
// CPU cores in use: "0.08", "1.25", "12.4"; "<0.01" for what is nearly nothing.
std::string HumanCores(double cores);
// "now", "40 s ago", "4 min ago", "3 h ago", "12 d ago". A time ahead of `now` is "now": clocks differ.
std::string HumanAge(absl::Time then, absl::Time now);
// As absl writes durations, with three digits that count: "478ms", "5m12s", "7m".
std::string HumanDuration(absl::Duration duration);
// Work: "2 min", "1 h 30 min", "3 h". Units: minutes.
std::string HumanWork(double minutes);

}  // namespace ppmm
