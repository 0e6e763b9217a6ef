// Two machines with one host id: images that share a machine id, copies of a machine. Two agents that each deliver
// three successive minutes of one host are such a pair; a single change-over is a reinstall. The newcomer gets a host
// of its own, and both hosts are flagged as long as it lasts. Part of the writer, like registry.h.
//
// Which host an agent shares stands in `host_alias` as "duplicate:" and its agent_id.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "collector/batch.h"
#include "collector/state.h"

namespace ppmm {

// Finds pairs. What was seen is not kept over a restart: a pair is then found three minutes later.
class DuplicateFinder {
 public:
  // Notes live steps of a minute since 1970. Returns the newcomer's agent_id when a pair was found: it is flagged, and
  // its stream is to be cut, so that it comes again. Empty: none. Errors: those of the store.
  absl::StatusOr<std::string> Note(Tables& tables, Store& store, HostKey host, const std::string& agent_id,
                                   std::int64_t minute);
  // Flags the pairs that last, once a minute since 1970, however many hosts share an identity.
  absl::Status Refresh(Tables& tables, Store& store, std::int64_t minute);
  void Reset() {
    deliveries_.clear();
    refreshed_ = 0;
  }

 private:
  struct Delivery {
    std::string agent_id;
    std::int64_t minute = 0;
    int run = 0;  // successive minutes
  };
  absl::flat_hash_map<HostKey, std::vector<Delivery>> deliveries_;
  std::int64_t refreshed_ = 0;  // the newest minute of which flags were set
};

// The host id that this Hello is to stand under. An agent that was a newcomer and now claims another host id is cured:
// its flags go. Errors: those of the store.
absl::StatusOr<std::string> HostIdOf(Tables& tables, Store& store, const StreamHello& hello);

// Flags the hosts of all pairs that last, and no others: once one of the two was not heard for a day, it is solved.
// Errors: those of the store.
absl::Status FlagPairs(Tables& tables, Store& store);

}  // namespace ppmm
