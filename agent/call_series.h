// Calls of one instance to remote services, on their way from its connections to its series.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "agent/recorder.h"
#include "agent/socket_sample.h"

namespace ppmm {

// A value; one thread only.
class CallSeries {
 public:
  // Further remote services are told together, as `~other`.
  static constexpr std::size_t kMaxRemotes = 32;

  void Add(const CallSample& calls);
  // Records what was added since the last call, and begins the series of a remote service that was called first.
  void Record(EntityHandle entity, Recorder& recorder);

 private:
  struct Remote {
    CallSample calls;  // their counts and times
    bool called = false;
    SeriesHandle times = 0, unanswered = 0, pipelined = 0, streams = 0;
  };
  std::map<std::pair<std::string, std::string>, Remote> remotes_;  // by address and port
};

}  // namespace ppmm
