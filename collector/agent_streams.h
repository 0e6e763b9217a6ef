// Which hosts have an agent connected, and how the last stream of a host that has none ended: by the agent's word
// (wire.Goodbye), or just so. Of this run of the collector; nothing of it is kept. Thread-safe.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "common/mutex.h"

namespace ppmm {

class AgentStreams {
 public:
  // Of more hosts nothing is remembered.
  static constexpr std::size_t kMaxHosts = 20000;

  // `host_id`: 16 bytes.
  void Opened(absl::string_view host_id);
  // Of a stream that was opened. `goodbye`: the agent said that it stops.
  void Closed(absl::string_view host_id, bool goodbye, absl::Time now);

  struct End {
    absl::Time at;
    bool goodbye = false;
  };
  // Nothing where an agent is connected, or none ever was.
  std::optional<End> LastEnd(absl::string_view host_id) const;

 private:
  struct Host {
    int open = 0;
    End end;
  };
  mutable Mutex mutex_;
  absl::flat_hash_map<std::string, Host> hosts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ppmm
