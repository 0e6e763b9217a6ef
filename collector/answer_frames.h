// What the writer answers to a stream, as the wire has it. Pure.
#pragma once

#include "collector/batch.h"
#include "proto/telemetry.pb.h"

namespace ppmm {

// Without the grid, which ingest knows.
wire::Welcome ToWire(const StreamWelcome& welcome);
wire::Ack ToWire(const StreamAck& ack);

}  // namespace ppmm
