// One bidirectional stream of bytes to the collector, as the stream thread sees it. The real one is grpc_transport.h.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace ppmm {

class Transport {
 public:
  // Called on any thread, holding no lock of the transport.
  class Listener {
   public:
    virtual ~Listener() = default;
    // A serialized ppmm.wire.CollectorFrame, one for each Read.
    virtual void OnFrame(std::string frame) = 0;
    // The last Write is on its way; the next may follow.
    virtual void OnWritten() = 0;
    // The stream is over; nothing follows until the next Connect.
    virtual void OnClosed(absl::Status status) = 0;
  };

  virtual ~Transport() = default;
  // Begins a stream; a failure comes as OnClosed. Not again before OnClosed. `listener` outlives the stream.
  virtual void Connect(Listener* listener) = 0;
  // Asks for the next frame: one at a time, so that a fast collector cannot fill the agent's memory.
  virtual void Read() = 0;
  // `frame`: a serialized ppmm.wire.AgentFrame. One at a time; the first may follow Connect at once.
  virtual void Write(std::string frame) = 0;
  // Nothing more will be written; the collector ends the stream.
  virtual void FinishWrites() = 0;
  // OnClosed follows soon. Like all of these it does nothing on a stream that has ended.
  virtual void Cancel() = 0;
  // After OnClosed: frees what the stream left behind, its connection too.
  virtual void Release() = 0;
};

}  // namespace ppmm
