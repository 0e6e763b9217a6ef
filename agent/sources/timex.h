// How well the clock is kept, as the kernel knows it: adjtimex(2), read only.
#pragma once

#include <array>

#include "agent/source.h"

namespace ppmm {

class TimexSource : public Source {
 public:
  absl::string_view name() const override { return "timex"; }
  absl::Duration period() const override { return absl::Seconds(10); }
  absl::Status Sample(absl::Time now, Recorder& recorder) override;

 private:
  std::array<SeriesHandle, 3> series_{};
};

}  // namespace ppmm
