// A store that was set back by a restore is a new store: it gets a new store_id, and its exposed totals begin at 0
// once, which every reader takes for a reset. Part of the writer: works on the tables under its lock and writes into
// its transaction.
//
// What tells it is the acknowledgements that agents remember. They come one agent after the other, perhaps over days
// and over restarts of the collector, so `meta` keeps what has been found out: `former_store_ids`, `restored_us`.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "collector/batch.h"
#include "collector/state.h"

namespace ppmm {

struct SetBack {
  std::uint64_t batches = 0;  // acknowledged by this store, and not in it. 0: it was not set back
  bool is_new = false;        // no agent told of this restore before: the store is to begin anew
};

// Compares what the agent saw acknowledged with the cursors, and moves those that are behind: these batches do not come
// again. Call it before this Hello is noted in the agent's row.
//
// An acknowledgement of an epoch that has a cursor is this store's own. One without a cursor is so only if the agent
// says that this store welcomed it, it is the current epoch, and the host is new here or sent within 72 h: older
// cursors are deleted, and another collector may have acknowledged what an agent brings along.
// Errors: those of the store.
absl::StatusOr<SetBack> TakeAcknowledged(Tables& tables, Store& store, const StreamHello& hello, const HostState& host);

// A new store_id, all totals 0. The rows of hosts and applications are the caller's to write.
// Errors: those of the store.
absl::Status BeginAnew(Tables& tables, Store& store, absl::Time now);

// Counts samples that a restore took. Errors: those of the store.
absl::Status CountLost(Tables& tables, Store& store, std::uint64_t samples);

// What `meta` keeps of restores, at start. Errors: those of the store; DataLoss: out of shape.
absl::Status LoadRestores(Store& store, Tables& tables);

}  // namespace ppmm
