#include "agent/call_series.h"

#include <vector>

#include "absl/strings/str_cat.h"

#include "common/metrics.h"

namespace ppmm {

void CallSeries::Add(const CallSample& calls) {
  std::pair<std::string, std::string> name(FormatAddress(calls.remote_address), absl::StrCat(calls.port));
  if (remotes_.size() >= kMaxRemotes && !remotes_.contains(name)) {
    name = {"~other", ""};
  }
  Remote& remote = remotes_[std::move(name)];
  remote.called = true;
  remote.calls.Add(calls);
}

void CallSeries::Record(EntityHandle entity, Recorder& recorder) {
  for (auto& entry : remotes_) {
    const std::pair<std::string, std::string>& name = entry.first;
    Remote& remote = entry.second;
    if (!std::exchange(remote.called, false)) {
      continue;
    }
    const auto series = [&](SeriesHandle& handle, absl::string_view metric, absl::string_view reason = "") {
      if (handle == 0) {
        std::vector<std::string> labels = {name.first, name.second};
        if (!reason.empty()) {
          labels.emplace_back(reason);
        }
        handle = recorder.AddSeries(entity, MetricNamed(metric), std::move(labels));
      }
      return handle;
    };
    const auto count = [&](SeriesHandle& handle, std::uint64_t by, absl::string_view metric,
                           absl::string_view reason = "") {
      if (by > 0) {
        recorder.Increment(series(handle, metric, reason), by);
      }
    };
    if (remote.calls.times.count() > 0) {
      recorder.Histogram(series(remote.times, "ppmm_instance_call_time_seconds"), remote.calls.times);
    }
    count(remote.unanswered, remote.calls.unanswered, "ppmm_instance_calls_unanswered_total");
    constexpr absl::string_view kWithoutTimes = "ppmm_instance_call_connections_without_times_total";
    count(remote.pipelined, remote.calls.pipelined, kWithoutTimes, "pipelined");
    count(remote.streams, remote.calls.streams, kWithoutTimes, "streams");
    remote.calls = {};
  }
}

}  // namespace ppmm
