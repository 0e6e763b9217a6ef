// Space and nodes of mounted file systems: /proc/self/mountinfo and statvfs(2).
#pragma once

#include <string>
#include <vector>

#include "agent/labelled_series.h"
#include "agent/procfs.h"
#include "agent/source.h"

namespace ppmm {

struct Mount {
  std::string device_number;  // "8:1"
  std::string mountpoint;     // octal escapes undone
  std::string type;
  std::string device;
  bool read_only = false;  // the file system, for all who mounted it; one mount of it may be so though it is not
};

// Parses the text of a mountinfo file.
//
// Errors: InvalidArgument names the line.
// Source: Linux Documentation/filesystems/proc.rst, section 3.5.
absl::StatusOr<std::vector<Mount>> ParseMountinfo(absl::string_view text);

// True for file systems that hold data of this host: not kernel interfaces, and not network file systems, whose server
// may hang and would then hang the agent.
bool HoldsLocalData(const Mount& mount);

// Each device once, at its first mount point. At most 256 file systems.
class FilesystemSource : public Source {
 public:
  explicit FilesystemSource(absl::string_view root);
  absl::string_view name() const override { return "filesystem"; }
  absl::Duration period() const override { return absl::Seconds(10); }
  absl::Status Sample(absl::Time now, Recorder& recorder) override;

 private:
  const std::string root_;
  ProcFile file_;
  LabelledSeries series_;
};

}  // namespace ppmm
