// What the agent itself costs, and what it left out at its limits.
#pragma once

#include <array>
#include <cstdint>

#include "agent/procfs.h"
#include "agent/source.h"

namespace ppmm {

class SelfSource : public Source {
 public:
  SelfSource();
  absl::string_view name() const override { return "self"; }
  absl::Duration period() const override { return absl::Seconds(10); }
  absl::Status Sample(absl::Time now, Recorder& recorder) override;

 private:
  ProcFile statm_;
  std::array<SeriesHandle, 4> series_{};
  std::uint64_t series_refused_ = 0;  // of these the recorder's counters were told
  std::uint64_t peers_dropped_ = 0;
};

}  // namespace ppmm
