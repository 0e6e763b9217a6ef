#include "agent/turn_series.h"

#include <algorithm>

#include "common/metrics.h"

namespace ppmm {

void TurnSeries::Add(const TurnTotals& turns, bool tells_errors, const ResponseTimes& times) {
  turns_.Add(turns);
  times_.Merge(times);
  tells_errors_ |= tells_errors;
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
  turns_ = {};
  times_ = {};
}

}  // namespace ppmm
