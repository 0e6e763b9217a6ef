// The series of devices that come and go: a handle per metric for each set of label values.
#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

#include "agent/recorder.h"

namespace ppmm {

// One thread only.
class LabelledSeries {
 public:
  // Shape: `metrics` share their labels; handles come in this order.
  explicit LabelledSeries(std::vector<absl::string_view> metrics);

  // The handles of one device, made when it is seen for the first time. `key` identifies the device.
  const std::vector<SeriesHandle>& For(Recorder& recorder, absl::string_view key,
                                       const std::vector<std::string>& labels);
  const std::vector<SeriesHandle>& For(Recorder& recorder, absl::string_view key) {
    return For(recorder, key, {std::string(key)});
  }

  // Ends the series of the devices that For was not asked for since the last call.
  void RemoveUnseen(Recorder& recorder);

 private:
  struct Device {
    std::vector<SeriesHandle> series;
    bool seen = false;
  };
  std::vector<const Metric*> metrics_;
  absl::flat_hash_map<std::string, Device> devices_;
};

}  // namespace ppmm
