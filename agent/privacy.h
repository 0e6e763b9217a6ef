// `ppmm-agent privacy`: everything that leaves this host, from the bytes as they would be sent.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "agent/agent.h"
#include "common/clock.h"

namespace ppmm {

// Samples for `length` as the daemon does, sends nothing, writes nothing, and prints every field of every message that
// would have left: who it is to, what opens a connection, what names things, and the values of each second.
//
// Shape:  text; ids in hexadecimal, what comes from outside escaped.
// Errors: as Agent::Start, where the host cannot be read.
absl::StatusOr<std::string> DescribePrivacy(const AgentSettings& settings, const Clock* clock, absl::Duration length);

// Prints serialized AgentFrames in their order, a field a line. Columns of a batch are decoded by the series that
// earlier frames named; of each series the first value is printed, of later ones the number.
//
// Errors: InvalidArgument: the bytes are no frame, or their columns do not decode.
class FramePrinter {
 public:
  FramePrinter();
  ~FramePrinter();
  absl::StatusOr<std::string> Print(absl::string_view frame);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace ppmm
