// Pressure stall information: /proc/pressure/{cpu,memory,io}.
#pragma once

#include <array>
#include <cstdint>

#include "agent/procfs.h"
#include "agent/source.h"

namespace ppmm {

struct Pressure {
  std::uint64_t some_us = 0;  // some tasks waited
  std::uint64_t full_us = 0;  // all tasks that were not idle waited; 0 where the kernel has no such line
};

// Parses the text of a pressure file.
//
// Errors: InvalidArgument if the line "some" or its total is missing.
// Source: Linux Documentation/accounting/psi.rst.
absl::StatusOr<Pressure> ParsePressure(absl::string_view path, absl::string_view text);

class PressureSource : public Source {
 public:
  explicit PressureSource(absl::string_view root);
  absl::string_view name() const override { return "pressure"; }
  absl::Status Sample(absl::Time now, Recorder& recorder) override;

 private:
  absl::Status WhyAbsent(absl::string_view path) const;

  const std::string root_;
  ProcFile cpu_;
  ProcFile memory_;
  ProcFile io_;
  std::array<SeriesHandle, 5> series_{};  // cpu waiting; memory waiting, stalled; io waiting, stalled
};

}  // namespace ppmm
