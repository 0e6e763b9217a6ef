#include "collector/clock_offsets.h"

#include <algorithm>

namespace ppmm {

void ClockOffsets::Note(absl::string_view agent_id, absl::string_view host_id, absl::string_view agent,
                        absl::Time agent_wall, absl::Duration since_boot, bool held) {
  MutexLock lock(&mutex_);
  if (noted_.size() >= kMaxAgents && !noted_.contains(agent_id)) {
    absl::erase_if(noted_, [since_boot](const auto& noted) { return since_boot - noted.second.heard > kCounts; });
    if (noted_.size() >= kMaxAgents) {
      return;
    }
  }
  Noted& noted = noted_[agent_id];
  if (noted.agent != agent) {
    noted.agent = std::string(agent);
  }
  if (noted.host_id != host_id) {
    noted.host_id = std::string(host_id);
  }
  noted.at_our_boot = agent_wall - since_boot;
  noted.heard = since_boot;
  noted.held = held;
}

std::optional<absl::Duration> ClockOffsets::Median(absl::Time wall, absl::Duration since_boot) const {
  const absl::Time our_boot = wall - since_boot;
  std::vector<absl::Duration> all;
  {
    MutexLock lock(&mutex_);
    all.reserve(noted_.size());
    for (const auto& [agent_id, noted] : noted_) {
      if (since_boot - noted.heard <= kCounts) {
        all.push_back(noted.at_our_boot - our_boot);
      }
    }
  }
  if (all.empty()) {
    return std::nullopt;
  }
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  std::nth_element(all.begin(), middle, all.end());
  return *middle;
}

std::vector<ClockOffsets::Offset> ClockOffsets::All(absl::Time wall, absl::Duration since_boot) const {
  const absl::Time our_boot = wall - since_boot;
  std::vector<Offset> all;
  MutexLock lock(&mutex_);
  for (const auto& [agent_id, noted] : noted_) {
    if (since_boot - noted.heard <= kCounts) {
      all.push_back({noted.agent, noted.host_id, noted.at_our_boot - our_boot, noted.held});
    }
  }
  return all;
}

}  // namespace ppmm
