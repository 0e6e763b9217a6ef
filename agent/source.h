// A source reads one place (a file of /proc, an iterator of the kernel) and records what it says.
//
// To add one: a pair agent/sources/NAME.{h,cc} with a pure parser `ParseNAME(text)` and a class derived from Source;
// its line in agent/sources.cc and agent/source_names.h; its rows in common/metrics.cc; its line in
// agent/CMakeLists.txt; its test with a fixture for each case, "file absent" included; docs/metrics.md made anew by
// `tests/run --update-docs`.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "agent/recorder.h"

namespace ppmm {

// One thread only: the sampler's.
class Source {
 public:
  virtual ~Source() = default;

  // Short and stable; stands in status, in SourceState and in `sources.disable`.
  virtual absl::string_view name() const = 0;

  // How often it is read; zero: each step.
  virtual absl::Duration period() const { return absl::ZeroDuration(); }

  // Reads its place and records what it says for the step at `now`.
  //
  // Errors: NotFound: this host or kernel has no such thing (retried each minute, silent);
  //         FailedPrecondition, PermissionDenied: a capability is missing, the text says which and the cure;
  //         anything else: failed this time. What was recorded before the error stays recorded.
  virtual absl::Status Sample(absl::Time now, Recorder& recorder) = 0;
};

}  // namespace ppmm
