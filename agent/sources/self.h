// What the agent itself costs.
#pragma once

#include <array>

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
  std::array<SeriesHandle, 2> series_{};
};

}  // namespace ppmm
