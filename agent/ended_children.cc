#include "agent/ended_children.h"

#include <algorithm>
#include <utility>

namespace ppmm {
namespace {

// A process that ended stays in sight until somebody waits for it, so the sum of that one rises by the next look.
constexpr std::uint64_t kLooks = 2;
// Adopts what has no parent, unless somebody nearer does (PR_SET_CHILD_SUBREAPER).
constexpr std::int32_t kInit = 1;

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
  const bool adopted = !fresh && known.ppid != sample.ppid;
  known.ppid = sample.ppid;
  known.own_us = Microseconds(sample.user_ns + sample.system_ns);
  known.unseen_us += std::max<std::int64_t>(0, children_us - known.children_us);
  known.children_us = children_us;
  known.look = look_;
  if (adopted) {
    if (const auto parent = known_.find(sample.ppid); parent != known_.end()) {
      parent->second.adopts = true;
    }
  }
}

void EndedChildren::TakeOrphans() {
  // The largest first: what it may belong to is not used up by small ones.
  std::sort(orphans_.begin(), orphans_.end(), [](const Orphan& a, const Orphan& b) { return a.seen_us > b.seen_us; });
  const auto waited = [](Known& known, const Orphan& orphan) {
    const bool enough = known.unseen_us >= orphan.seen_us;
    known.unseen_us -= enough ? orphan.seen_us : 0;
    return enough;
  };
  std::erase_if(orphans_, [&](const Orphan& orphan) {
    const auto ancestor = known_.find(orphan.ancestor);
    return ancestor != known_.end() && waited(ancestor->second, orphan);
  });
  if (orphans_.empty()) {
    return;
  }
  for (auto& [pid, known] : known_) {
    if (pid == kInit || known.adopts) {
      std::erase_if(orphans_, [&, &parent = known](const Orphan& orphan) { return waited(parent, orphan); });
    }
  }
  std::erase_if(orphans_, [&](const Orphan& orphan) { return look_ - orphan.look >= kLooks; });
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
    std::int32_t ancestor = ended.ppid;
    auto between = ended_.find(ancestor);
    for (std::size_t steps = 0; between != ended_.end() && steps < ended_.size(); ++steps) {
      ancestor = between->second.ppid;
      between = ended_.find(ancestor);
    }
    const auto parent = known_.find(ended.ppid);
    if (ancestor == ended.ppid && parent != known_.end()) {
      parent->second.unseen_us -= ended.seen_us;
    } else if (ended.seen_us > 0) {
      orphans_.push_back({ancestor, ended.seen_us, look_});
    }
  }
  ended_.clear();
  TakeOrphans();
  for (auto& [pid, known] : known_) {
    if (known.unseen_us > 0) {
      charge(pid, static_cast<std::uint64_t>(std::exchange(known.unseen_us, 0)));
    }
  }
  ++look_;
}

}  // namespace ppmm
