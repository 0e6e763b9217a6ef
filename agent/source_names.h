// The names of all sources, for the check of `sources.disable`.
#pragma once

#include "absl/strings/string_view.h"

namespace ppmm {

inline constexpr absl::string_view kSourceNames[] = {
    "applications", "cpu",      "diskstats", "filesystem", "limits",  "loadavg", "meminfo", "netdev",
    "netstat",      "pressure", "schedstat", "self",       "softnet", "spool",   "timex",   "vmstat"};

}  // namespace ppmm
