// What agents say the time is: the clock of each against ours, at its latest frame. An agent that is sent away because
// the clocks differ counts too: otherwise the few that are as wrong as we are would be the median. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "common/mutex.h"

namespace ppmm {

class ClockOffsets {
 public:
  // An agent that is sent away comes again after 30 s; one that is connected sends at least once a minute.
  static constexpr absl::Duration kCounts = absl::Minutes(2);
  static constexpr std::size_t kMaxAgents = 20000;  // more are not listened to

  // The clock of an agent less ours.
  struct Offset {
    std::string agent;    // "web1 (default)"
    std::string host_id;  // 16 bytes
    absl::Duration ahead;
    bool held = false;  // nothing of it is taken
  };

  // `agent_wall`: its clock when it sent; `since_boot`: ours (CLOCK_BOOTTIME) when we received it. So a jump of our
  // wall clock shows in what was noted before it.
  void Note(absl::string_view agent_id, absl::string_view host_id, absl::string_view agent, absl::Time agent_wall,
            absl::Duration since_boot, bool held);

  // Median of the agents heard in the last kCounts. nullopt: none was.
  // `wall`, `since_boot`: of now.
  std::optional<absl::Duration> Median(absl::Time wall, absl::Duration since_boot) const;

  // Each agent heard in the last kCounts, in no order.
  std::vector<Offset> All(absl::Time wall, absl::Duration since_boot) const;

 private:
  struct Noted {
    std::string agent;
    std::string host_id;
    absl::Time at_our_boot;  // its clock when our time since boot was 0
    absl::Duration heard;    // our time since boot
    bool held = false;
  };

  mutable Mutex mutex_;
  absl::flat_hash_map<std::string, Noted> noted_ ABSL_GUARDED_BY(mutex_);  // by agent_id
};

}  // namespace ppmm
