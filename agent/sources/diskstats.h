// Disks: /proc/diskstats.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "agent/labelled_series.h"
#include "agent/procfs.h"
#include "agent/source.h"

namespace ppmm {

struct DiskStat {
  std::string device;
  // In the order of the file: reads, reads merged, sectors read, ms reading, writes, writes merged, sectors written,
  // ms writing, in flight, ms busy, weighted ms, discards (4), flushes, ms flushing. Missing ones (old kernels) are 0.
  std::array<std::uint64_t, 17> fields{};
};

// Parses the text of /proc/diskstats.
//
// Units:  sectors are 512 bytes whatever the device says; times are milliseconds.
// Errors: InvalidArgument names the line.
// Source: Linux Documentation/admin-guide/iostats.rst.
absl::Status ParseDiskstats(absl::string_view text, std::vector<DiskStat>* out);

// Whole devices only; partitions, RAM disks and loop devices that were never used are left out.
class DiskstatsSource : public Source {
 public:
  explicit DiskstatsSource(absl::string_view root);
  absl::string_view name() const override { return "diskstats"; }
  absl::Status Sample(absl::Time now, Recorder& recorder) override;

 private:
  bool IsWholeDevice(const std::string& device);

  const std::string root_;
  ProcFile file_;
  std::vector<DiskStat> disks_;
  absl::flat_hash_map<std::string, bool> whole_;  // what /sys said of a name
  LabelledSeries series_;
};

}  // namespace ppmm
