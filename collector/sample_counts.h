// The conservation law of an agent's samples, kept by the writer in the agent's row:
//
//   produced = committed + refused + dropped + waiting (in the agent's spool or in flight)
//
// Two witnesses are put together. Each batch says how many samples its epoch has produced up to it, so what is missing
// between two batches of an epoch is a gap: samples that will never come. The agent's SpoolState says how many were
// dropped or refused, also those behind which no batch comes any more. A loss seen by both counts once.
//
// What happened before this store first saw the agent is not counted.
#pragma once

#include "collector/batch.h"
#include "collector/state.h"
#include "collector/store/rows.h"

namespace ppmm {

// Takes a batch that is merged into the counters, and its `produced` into the cursor. Samples of series that this
// collector does not know are refused.
void CountBatch(const DecodedBatch& batch, AgentRow& agent, CursorState& cursor);

// Takes what the agent says of its losses. The numbers only grow; one that falls (a machine set back to a snapshot)
// changes nothing until it is passed again.
void CountReport(const wire::SpoolState& spool, AgentRow& agent);

}  // namespace ppmm
