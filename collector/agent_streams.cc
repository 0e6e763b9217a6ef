#include "collector/agent_streams.h"

namespace ppmm {

void AgentStreams::Opened(absl::string_view host_id) {
  MutexLock lock(&mutex_);
  if (hosts_.size() >= kMaxHosts && !hosts_.contains(host_id)) {
    absl::erase_if(hosts_, [](const auto& host) { return host.second.open == 0; });
    if (hosts_.size() >= kMaxHosts) {
      return;
    }
  }
  ++hosts_[host_id].open;
}

void AgentStreams::Closed(absl::string_view host_id, bool goodbye, absl::Time now) {
  MutexLock lock(&mutex_);
  const auto found = hosts_.find(host_id);
  if (found != hosts_.end() && found->second.open > 0) {
    --found->second.open;
    found->second.end = {now, goodbye};
  }
}

std::optional<AgentStreams::End> AgentStreams::LastEnd(absl::string_view host_id) const {
  MutexLock lock(&mutex_);
  const auto found = hosts_.find(host_id);
  return found == hosts_.end() || found->second.open > 0 ? std::nullopt : std::optional<End>(found->second.end);
}

}  // namespace ppmm
