// Network interfaces: /proc/net/dev, with speed and state from /sys/class/net.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/labelled_series.h"
#include "agent/procfs.h"
#include "agent/source.h"

namespace ppmm {

struct NetDevice {
  std::string name;
  // bytes, packets, errors, drops received; then the same sent.
  std::array<std::uint64_t, 8> counters{};
};

// Parses the text of /proc/net/dev.
//
// Errors: InvalidArgument names the line.
// Source: Linux net/core/net-procfs.c, dev_seq_printf_stats.
absl::Status ParseNetDev(absl::string_view text, std::vector<NetDevice>* out);

// Interfaces of the host's network namespace; at most 1,024.
class NetdevSource : public Source {
 public:
  explicit NetdevSource(absl::string_view root);
  absl::string_view name() const override { return "netdev"; }
  absl::Status Sample(absl::Time now, Recorder& recorder) override;

 private:
  void SampleLinks(Recorder& recorder);

  const std::string root_;
  ProcFile file_;
  std::vector<NetDevice> devices_;
  LabelledSeries series_;
  LabelledSeries links_;
};

}  // namespace ppmm
