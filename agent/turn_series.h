// Requests and response times of one instance, on their way from its listeners to its series.
#pragma once

#include <array>
#include <cstdint>

#include "agent/recorder.h"
#include "agent/socket_sample.h"

namespace ppmm {

// A value; one thread only.
class TurnSeries {
 public:
  // What a listener's connections did since it was asked last. `tells_errors`: as ListenerSample.
  void Add(const TurnTotals& turns, bool tells_errors, const ResponseTimes& times);
  // Records what was added since the last call, and begins the series when the first request came.
  void Record(EntityHandle entity, Recorder& recorder);

 private:
  TurnTotals turns_;
  ResponseTimes times_;
  std::int64_t in_flight_ = 0;
  bool tells_errors_ = false;
  SeriesHandle requests_ = 0, unanswered_ = 0, errors_ = 0, in_flight_series_ = 0, pipelined_ = 0, streams_ = 0;
  std::array<SeriesHandle, 4> kinds_ = {};
};

}  // namespace ppmm
