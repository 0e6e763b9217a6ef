// How the agent's own spool is: a disk that refuses writes is told to the collector while it is still heard of.
#pragma once

#include <array>
#include <functional>
#include <utility>

#include "agent/source.h"
#include "agent/spool.h"

namespace ppmm {

class SpoolSource : public Source {
 public:
  // `stats` may be called as long as this lives, while a step is taken.
  explicit SpoolSource(std::function<SpoolStats()> stats) : stats_(std::move(stats)) {}
  absl::string_view name() const override { return "spool"; }
  absl::Duration period() const override { return absl::Seconds(10); }
  // Errors: ResourceExhausted: the disk refuses writes; the text says why.
  absl::Status Sample(absl::Time now, Recorder& recorder) override;

 private:
  const std::function<SpoolStats()> stats_;
  std::array<SeriesHandle, 2> series_{};
};

}  // namespace ppmm
