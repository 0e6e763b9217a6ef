#include "agent/ended_children.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace ppmm {
namespace {

// A process that ended stays in sight until somebody waits for it, so the sum of that one rises by the next look.
constexpr std::uint64_t kOrphansLooks = 2;

std::int64_t Microseconds(std::uint64_t ns) {
  return static_cast<std::int64_t>(ns / 1000);
}

}  // namespace

void EndedChildren::Take(const ProcessSample& sample, bool baseline) {
  auto [found, fresh] = known_.try_emplace(sample.pid);
  Known& known = found->second;
  if (!fresh && known.start_ns != sample.start_ns) {  // the number was given to another process
    ended_[sample.pid] = End(known);
    known = Known{};
    fresh = true;
  }
  const std::int64_t children_us = Microseconds(sample.children_ns);
  if (fresh) {
    known.start_ns = sample.start_ns;
    known.children_us = baseline ? children_us : 0;
  }
  known.ppid = sample.ppid;
  known.own_us = Microseconds(sample.user_ns + sample.system_ns);
  known.unseen_us += std::max<std::int64_t>(0, children_us - known.children_us);
  known.children_us = children_us;
  known.look = look_;
}

void EndedChildren::EndLook(absl::FunctionRef<void(std::int32_t pid, std::uint64_t us)> charge) {
  for (auto it = known_.begin(); it != known_.end();) {
    if (it->second.look == look_) {
      ++it;
    } else {
      ended_[it->first] = End(it->second);
      known_.erase(it++);
    }
  }
  for (const auto& [pid, ended] : ended_) {
    const auto parent = known_.find(ended.ppid);
    if (parent != known_.end() && !ended_.contains(ended.ppid)) {
      parent->second.unseen_us -= ended.seen_us;
    } else {
      orphans_us_ += ended.seen_us;
      orphans_look_ = look_;
    }
  }
  ended_.clear();
  if (look_ - orphans_look_ >= kOrphansLooks) {
    orphans_us_ = 0;  // nobody waited for them
  }
  std::vector<std::pair<std::int64_t, std::int32_t>> charged;
  for (auto& [pid, known] : known_) {
    if (known.unseen_us > 0) {
      charged.emplace_back(std::exchange(known.unseen_us, 0), pid);
    }
  }
  // Whoever waited for an orphan that was seen for long has the largest sum.
  std::sort(charged.rbegin(), charged.rend());
  for (auto& [us, pid] : charged) {
    const std::int64_t seen = std::min(us, orphans_us_);
    orphans_us_ -= seen;
    if (us > seen) {
      charge(pid, static_cast<std::uint64_t>(us - seen));
    }
  }
  ++look_;
}

}  // namespace ppmm
