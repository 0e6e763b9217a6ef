#include "agent/labelled_series.h"

#include "common/text.h"

namespace ppmm {
namespace {

constexpr std::size_t kMaxLabel = 256;

}  // namespace

LabelledSeries::LabelledSeries(std::vector<absl::string_view> metrics) {
  metrics_.reserve(metrics.size());
  for (const absl::string_view name : metrics) {
    metrics_.push_back(&MetricNamed(name));
  }
}

const std::vector<SeriesHandle>& LabelledSeries::For(Recorder& recorder, absl::string_view key,
                                                     const std::vector<std::string>& labels) {
  auto found = devices_.find(key);
  if (found == devices_.end()) {
    found = devices_.emplace(std::string(key), Device{}).first;
    std::vector<std::string> shown;
    shown.reserve(labels.size());
    for (const std::string& label : labels) {
      shown.push_back(EscapeExactly(label, kMaxLabel));
    }
    for (const Metric* metric : metrics_) {
      found->second.series.push_back(recorder.AddSeries(recorder.host(), *metric, shown));
    }
  }
  found->second.seen = true;
  return found->second.series;
}

void LabelledSeries::RemoveUnseen(Recorder& recorder) {
  for (auto it = devices_.begin(); it != devices_.end();) {
    if (it->second.seen) {
      it->second.seen = false;
      ++it;
      continue;
    }
    for (const SeriesHandle series : it->second.series) {
      recorder.RemoveSeries(series);
    }
    devices_.erase(it++);
  }
}

}  // namespace ppmm
