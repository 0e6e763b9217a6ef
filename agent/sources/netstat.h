// Counters of the network stack: /proc/net/snmp and /proc/net/netstat.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "agent/procfs.h"
#include "agent/source.h"

namespace ppmm {

// Parses files made of pairs of lines: "Proto: Name Name ..." then "Proto: 1 2 ...".
//
// Shape:  `take(protocol, name, value)` for each; negative values (Tcp MaxConn is -1) are passed over.
// Errors: InvalidArgument names the line that has no partner or another number of fields.
// Source: Linux net/ipv4/proc.c.
absl::Status ParseNetstat(
    absl::string_view path, absl::string_view text,
    const std::function<void(absl::string_view protocol, absl::string_view name, std::uint64_t value)>& take);

class NetstatSource : public Source {
 public:
  explicit NetstatSource(absl::string_view root);
  absl::string_view name() const override { return "netstat"; }
  absl::Status Sample(absl::Time now, Recorder& recorder) override;

 private:
  ProcFile snmp_;
  ProcFile netstat_;
  std::vector<SeriesHandle> series_;  // by position in the table of netstat.cc
};

}  // namespace ppmm
