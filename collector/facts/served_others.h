// Which applications served another application or host on a day, from the peers the agents saw.
//
// Of a connection that leaves its host the other end is another host. Of one that stays within a host (loopback, or one
// of the host's own addresses) the agent sees both ends: the row of who took it, and the row of who made it, on the
// same port. It counts when another application made it, or a process that ended before it could be named (`curl` in a
// shell); an application that calls itself serves nobody. docs/inventory.md has the rule in the reader's words.
//
// Pure; no state.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "absl/types/span.h"

#include "collector/state.h"
#include "collector/store/rows.h"

namespace ppmm {

// By host, without loopback.
using OwnAddresses = std::map<HostKey, std::set<std::string>>;

OwnAddresses CopyOwnAddresses(const Tables& tables);

// Connections taken from others, by application; one with 0 served others over connections that began before the day.
//
// Shape: `peers` are rows of one day, with their applications.
std::map<ApplicationId, std::int64_t> ServedOthers(absl::Span<const PeerDayRow> peers, const OwnAddresses& own);

}  // namespace ppmm
