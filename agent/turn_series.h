// Requests and response times of one instance, on their way from its listeners to its series.
#pragma once

#include <array>
#include <cstdint>

#include "agent/littles_law.h"
#include "agent/recorder.h"
#include "agent/socket_sample.h"

namespace ppmm {

// A value; one thread only.
class TurnSeries {
 public:
  // What a listener's connections did since it was asked last. `tells_errors`: as ListenerSample.
  // `aged_ns`: as ListenerSample.
  void Add(const TurnTotals& turns, bool tells_errors, const ResponseTimes& times, std::int64_t aged_ns);
  // Records what was added since the last call, and begins the series when the first request came.
  void Record(EntityHandle entity, Recorder& recorder);
  // Records how far Little's law is kept, once enough was seen; each minute.
  void RecordLaw(EntityHandle entity, Recorder& recorder);

  // Whether requests in flight and response times disagree, so that we must have measured wrongly. By the sockets, who
  // see what our hooks miss, and by the timer.
  bool IsInDoubt() const { return by_sockets_.disagrees() || by_timer_.disagrees(); }
  // Of these the one that is further off.
  double Deviation() const;

 private:
  TurnTotals turns_;
  ResponseTimes times_;
  std::int64_t in_flight_ = 0;
  std::int64_t aged_ns_ = 0;
  LittlesLaw by_timer_;
  LittlesLaw by_sockets_;
  bool tells_errors_ = false;
  SeriesHandle requests_ = 0, unanswered_ = 0, errors_ = 0, in_flight_series_ = 0, pipelined_ = 0, streams_ = 0;
  std::array<SeriesHandle, 4> kinds_ = {};
  std::array<SeriesHandle, 4> law_ = {};  // deviation and standard error by the timer, and by the sockets
};

}  // namespace ppmm
