// What is lost where a source of an agent fails or is absent, and what a person can do about it. Both ends have the
// same table: the collector's API tells the cure, `ppmm doctor` both. Pure.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace ppmm {

struct SourceAdvice {
  std::string loses;
  std::string cure;  // empty: none, that kernel has no such thing
};

// `failed`: else it is absent. `reason` is the agent's.
SourceAdvice AdviceOnSource(absl::string_view source, bool failed, absl::string_view reason);

// Processes and sockets are not, or not both, seen by BPF; `reason` says why.
SourceAdvice AdviceOnCapture(absl::string_view reason);

}  // namespace ppmm
