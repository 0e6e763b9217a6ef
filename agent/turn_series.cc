#include "agent/turn_series.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/metrics.h"

namespace ppmm {
namespace {

// Takes the whole microseconds away; none while less than nothing is there.
std::uint64_t TakeMicroseconds(std::int64_t* ns) {
  const std::int64_t us = std::max<std::int64_t>(0, *ns / 1000);
  *ns -= us * 1000;
  return static_cast<std::uint64_t>(us);
}

}  // namespace

void TurnSeries::Add(const TurnTotals& turns, bool tells_errors, const ResponseTimes& times, std::int64_t aged_ns,
                     bool in_flight_known) {
  turns_.Add(turns);
  times_.Merge(times);
  tells_errors_ |= tells_errors;
  aged_ns_ += aged_ns;
  in_flight_known_ |= in_flight_known;
}

void TurnSeries::Record(EntityHandle entity, Recorder& recorder) {
  if (requests_ == 0) {
    if (turns_.begun == 0 && turns_.streams == 0) {
      return;
    }
    const Metric& without_times = MetricNamed("ppmm_instance_connections_without_times_total");
    pipelined_ = recorder.AddSeries(entity, without_times, {"pipelined"});
    streams_ = recorder.AddSeries(entity, without_times, {"streams"});
    requests_ = recorder.AddSeries(entity, MetricNamed("ppmm_instance_requests_total"));
    unanswered_ = recorder.AddSeries(entity, MetricNamed("ppmm_instance_requests_unanswered_total"));
    in_flight_series_ = recorder.AddSeries(entity, MetricNamed("ppmm_instance_requests_in_flight"));
    const Metric& time = MetricNamed("ppmm_instance_response_time_seconds");
    for (std::size_t i = 0; const char* kind : {"total", "wait", "service", "full"}) {
      kinds_[i++] = recorder.AddSeries(entity, time, {kind});
    }
  }
  if (errors_ == 0 && tells_errors_) {
    errors_ = recorder.AddSeries(entity, MetricNamed("ppmm_instance_errors_total"));
  }
  // They are read one after the other, so for a moment more may have ended than begun.
  in_flight_ += static_cast<std::int64_t>(turns_.begun) -
                static_cast<std::int64_t>(turns_.answered + turns_.unanswered + turns_.set_aside);
  recorder.Increment(requests_, turns_.answered);
  recorder.Increment(unanswered_, turns_.unanswered);
  recorder.Increment(errors_, turns_.errors);
  recorder.Increment(pipelined_, turns_.pipelined);
  recorder.Increment(streams_, turns_.streams);
  recorder.Gauge(in_flight_series_, std::max<std::int64_t>(0, in_flight_));
  recorder.Histogram(kinds_[0], times_.total);
  recorder.Histogram(kinds_[1], times_.wait);
  recorder.Histogram(kinds_[2], times_.service);
  recorder.Histogram(kinds_[3], times_.full);
  RecordInFlight(entity, recorder);
  by_timer_.Add(static_cast<std::int64_t>(turns_.in_flight_ns), aged_ns_);
  by_sockets_.Add(static_cast<std::int64_t>(turns_.owed_ns), aged_ns_);
  turns_ = {};
  times_ = {};
  aged_ns_ = 0;
}

void TurnSeries::RecordInFlight(EntityHandle entity, Recorder& recorder) {
  if (!in_flight_known_) {
    return;
  }
  if (in_flight_time_ == 0) {
    in_flight_time_ = recorder.AddSeries(entity, MetricNamed("ppmm_instance_requests_in_flight_seconds_total"));
    elapsed_ = recorder.AddSeries(entity, MetricNamed("ppmm_instance_requests_elapsed_seconds_total"));
  }
  // The timer sees what our hooks counted, but often; the sockets show at each step what they surely missed.
  in_flight_rest_ns_ += static_cast<std::int64_t>(turns_.in_flight_ns) + static_cast<std::int64_t>(turns_.hidden_ns) -
                        static_cast<std::int64_t>(turns_.kept_ns);
  elapsed_rest_ns_ += aged_ns_;
  recorder.Increment(in_flight_time_, TakeMicroseconds(&in_flight_rest_ns_));
  recorder.Increment(elapsed_, TakeMicroseconds(&elapsed_rest_ns_));
}

void TurnSeries::RecordLaw(EntityHandle entity, Recorder& recorder) {
  std::size_t next = 0;
  for (const auto& [law, seen_by] : {std::pair(&by_timer_, "timer"), std::pair(&by_sockets_, "sockets")}) {
    SeriesHandle& deviation = law_[next++];
    SeriesHandle& standard_error = law_[next++];
    if (!law->known()) {
      continue;
    }
    if (deviation == 0) {
      deviation = recorder.AddSeries(entity, MetricNamed("ppmm_instance_littles_law_deviation_ratio"), {seen_by});
      standard_error =
          recorder.AddSeries(entity, MetricNamed("ppmm_instance_littles_law_standard_error_ratio"), {seen_by});
    }
    recorder.Gauge(deviation, std::lround(law->deviation() * 10'000));
    recorder.Gauge(standard_error, std::lround(law->standard_error() * 10'000));
  }
}

double TurnSeries::Deviation() const {
  const double by_timer = by_timer_.disagrees() ? by_timer_.deviation() : 0;
  const double by_sockets = by_sockets_.disagrees() ? by_sockets_.deviation() : 0;
  return std::abs(by_timer) > std::abs(by_sockets) ? by_timer : by_sockets;
}

}  // namespace ppmm
