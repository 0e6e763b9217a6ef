// CPU time of processes that ended between two looks. A look sees the living only: what a process used since the last
// one, and all that a process used which lived in between, would be nobody's. But the kernel adds it up with whoever
// waits for them (wait(2)): the CPU time of a parent's ended children, theirs included. What of a rise in that was not
// seen of the living is charged to the parent.
//
// Nobody is charged for children whose parent does not wait, because it ignores SIGCHLD: the kernel keeps no sum then.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"

#include "agent/process_sample.h"

namespace ppmm {

class EndedChildren {
 public:
  // A process of this look. `baseline`: what its children used before is not asked for.
  void Take(const ProcessSample& sample, bool baseline);

  // Ends the look: who was not taken has ended. Calls `charge` with each process that waited for more than was seen,
  // and microseconds, at least 1.
  void EndLook(absl::FunctionRef<void(std::int32_t pid, std::uint64_t us)> charge);

 private:
  struct Known {
    std::int64_t start_ns = 0;
    std::int32_t ppid = 0;
    bool adopts = false;  // became the parent of a process that another one began
    std::uint64_t look = 0;
    std::int64_t own_us = 0;
    std::int64_t children_us = 0;
    // Of its ended children: what it waited for, less what was seen of them. Below 0 while it has yet to wait for one.
    std::int64_t unseen_us = 0;
  };
  struct Ended {
    std::int32_t ppid = 0;
    std::int64_t seen_us = 0;  // what its parent's sum rises by, as far as it was seen
  };

  // Ended as its parent did: a grandparent waited for it within the sum of the parent, or who adopted it.
  struct Orphan {
    std::int32_t ancestor = 0;
    std::int64_t seen_us = 0;
    std::uint64_t look = 0;
  };

  static Ended End(const Known& known) { return {known.ppid, known.own_us + known.children_us - known.unseen_us}; }
  void TakeOrphans();

  absl::flat_hash_map<std::int32_t, Known> known_;
  absl::flat_hash_map<std::int32_t, Ended> ended_;  // of this look
  std::vector<Orphan> orphans_;                     // that nobody waited for yet
  std::uint64_t look_ = 1;
};

}  // namespace ppmm
