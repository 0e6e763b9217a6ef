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
  // `aged_ns`, `in_flight_known`: as ListenerSample.
  void Add(const TurnTotals& turns, bool tells_errors, const ResponseTimes& times, std::int64_t aged_ns,
           bool in_flight_known);
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
  // Records both sides of Little's law, once a timer looks.
  void RecordInFlight(EntityHandle entity, Recorder& recorder);

  TurnTotals turns_;
  ResponseTimes times_;
  std::int64_t in_flight_ = 0;
  std::int64_t aged_ns_ = 0;
  bool in_flight_known_ = false;
  // What is not a whole microsecond yet. Looks at ages come a moment after those at times, so a step may take back.
  std::int64_t in_flight_rest_ns_ = 0;
  std::int64_t elapsed_rest_ns_ = 0;
  LittlesLaw by_timer_;
  LittlesLaw by_sockets_;
  bool tells_errors_ = false;
  SeriesHandle requests_ = 0, unanswered_ = 0, errors_ = 0, in_flight_series_ = 0, pipelined_ = 0, streams_ = 0;
  SeriesHandle in_flight_time_ = 0, elapsed_ = 0;
  std::array<SeriesHandle, 4> kinds_ = {};
  std::array<SeriesHandle, 4> law_ = {};  // deviation and standard error by the timer, and by the sockets
};

}  // namespace ppmm
