// What is rated: hosts and applications with their attributes, from discovery. docs/inventory.md says the rules in the
// reader's words.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "collector/facts/facts.h"
#include "collector/rating/tiers.h"
#include "collector/state.h"
#include "collector/store/store.h"
#include "common/addresses.h"

namespace ppmm {

struct RatedScopes {
  std::vector<Scope> hosts;
  std::vector<Scope> applications;
  HostsOfApplications hosts_of;
  std::int64_t started_s = 0;        // first host seen
  std::int64_t as_of_s = 0;          // newest step committed
  std::int64_t counted_since_s = 0;  // samples, clocks and silences per day
  std::int64_t timed_since_s = 0;    // response times per minute
  std::int64_t deployments_since_s = 0;
  std::int64_t watchdog_since_s = 0;  // 0: no service manager's watchdog was ever heard
};

// Reads the committed state, and the peers of the last 28 days. What was first seen after `now` is left out, so that a
// day which is judged late is judged by who was there.
//
// Shape:  `networks`: addresses of the organization, besides the private ranges. A host without an agent is one when
//         monitored hosts connected to it, at an address of the organization, on two of the last seven days; its number
//         is above those of hosts with agents. Gateways, resolvers and time servers are none. An application is
//         line-of-business when it served another application or host (facts/served_others.h) in the last 28 days and
//         is no plumbing.
// Errors: those of the store.
absl::StatusOr<RatedScopes> ReadScopes(State& state, StoreReader& reader, absl::Time now,
                                       const std::vector<Network>& networks);

}  // namespace ppmm
