// Finds out whether the agent's last run was a short one: an agent that dies again and again must not begin an epoch,
// each with a dictionary, every second. A file `starting` lies in the data directory for the first minute of a run. A
// clean stop takes it away: that run did not die.
#pragma once

#include "absl/time/time.h"

#include "agent/spool_file.h"

namespace ppmm {

// Thread-compatible.
class ShortRun {
 public:
  // `directory` outlives this. On a disk that refuses writes no run counts as short.
  ShortRun(SpoolDirectory* directory, absl::Duration since_boot);

  // How long to wait from the start before the first batch: 10 s if the last run died within 60 s, else nothing.
  absl::Duration first_batch_delay() const { return first_batch_delay_; }
  // To be called now and then; after 60 s this run is no short one.
  void Tick(absl::Duration since_boot);
  // This run ends by a clean stop.
  void End();

 private:
  SpoolDirectory* const directory_;
  const absl::Duration started_;
  absl::Duration first_batch_delay_;
  bool marked_ = true;
};

}  // namespace ppmm
