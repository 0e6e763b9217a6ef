// What is rated: hosts and applications with their attributes, from discovery. docs/inventory.md says the rules in the
// reader's words.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "collector/facts/facts.h"
#include "collector/state.h"
#include "collector/store/store.h"

namespace ppmm {

struct RatedScopes {
  std::vector<Scope> hosts;
  std::vector<Scope> applications;
  std::int64_t started_s = 0;  // first host seen
  std::int64_t as_of_s = 0;    // newest step committed
};

// Reads the committed state, and the peers of the last 28 days.
//
// Shape:  a host without an agent is one when monitored hosts connected to it, at an organization's address, on two of
//         the last seven days; its number is above those of hosts with agents. An application is line-of-business when
//         it served another application or host in the last 28 days and is no plumbing.
// Errors: those of the store.
absl::StatusOr<RatedScopes> ReadScopes(State& state, StoreReader& reader, absl::Time now);

}  // namespace ppmm
