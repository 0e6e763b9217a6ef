// Runs a source for single steps and looks at what it recorded.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "agent/recorder.h"
#include "agent/source.h"

namespace ppmm {

class StepRecorder {
 public:
  // Runs `source` for one step and returns its values by "metric{label,label}". Steps are 10 s apart.
  absl::Status Step(Source& source) {
    now_ += absl::Seconds(10);
    recorder_.BeginBatch(absl::ToUnixSeconds(now_), BatchShape{});
    recorder_.BeginStep(0);
    const absl::Status status = source.Sample(now_, recorder_);
    values_.clear();
    for (const Recorder::Reading& reading : recorder_.OpenStep()) {
      values_[absl::StrCat(reading.metric->name, "{", absl::StrJoin(*reading.labels, ","), "}")] = reading.value;
    }
    recorder_.BuildBatch(1);
    return status;
  }
  const std::map<std::string, std::int64_t>& values() const { return values_; }
  bool Has(const std::string& series) const { return values_.contains(series); }
  std::int64_t At(const std::string& series) const {
    const auto found = values_.find(series);
    return found == values_.end() ? -1 : found->second;
  }
  Recorder& recorder() { return recorder_; }

 private:
  Recorder recorder_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::map<std::string, std::int64_t> values_;
};

}  // namespace ppmm
