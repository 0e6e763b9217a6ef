// Who calls whom: the calls that the agents saw, with the application that answers where a monitored host has it.
// Shared by the API and the tests; pure but for the store that is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "collector/state.h"
#include "collector/store/rows.h"
#include "collector/store/store.h"
#include "common/sketch.h"

namespace ppmm {

// Calls of one application of one host to one remote service.
struct Dependency {
  std::string application;  // who calls, as it is shown; empty: processes that ended before they could be named
  std::string host;         // label of its host
  std::string address;
  std::uint32_t port = 0;
  std::string remote_host;         // label; empty: no monitored host has this address, or several have
  std::string remote_application;  // label; empty: nothing that is known listens there, or several do
  std::uint64_t connections = 0;
  std::uint64_t bytes = 0;  // both ways
  // Of the last minute, at the caller's sockets: first byte of the request written to first byte of the answer ready to
  // be read.
  Sketch call_time;
  std::optional<double> unanswered;  // calls a second whose connection ended before an answer; nothing: none ever
  std::string call_time_reason;      // why `call_time` is empty, if it is
  bool unparsed = false;             // which is that its connections are pipelined or multiplexed
  std::int64_t connections_without_times = 0;  // found to be so in the last minute
  bool calls_at_least = false;  // some were found so at some time, and what is called over them is not counted
};

struct Dependencies {
  std::vector<Dependency> rows;  // most connections first
  std::size_t left_out = 0;      // more than kMaxDependencies
  std::int64_t commit = 0;
};

inline constexpr int kDependencyDays = 7;
inline constexpr std::size_t kMaxDependencies = 1000;

// The calls of these rows, their times as of `now`. Loopback and a host's own addresses are the host itself; an address
// that several hosts have belongs to none of them, since it cannot be told which was called.
//
// Shape: `peers` of one or several days. Call it under the state's reader lock.
Dependencies DependenciesOf(const Tables& tables, const std::vector<PeerDayRow>& peers, absl::Time now);

// The calls of the last kDependencyDays days, today included.
//
// Errors: of the reader.
absl::StatusOr<Dependencies> ReadDependencies(State& state, StoreReader& reader, absl::Time now);

}  // namespace ppmm
