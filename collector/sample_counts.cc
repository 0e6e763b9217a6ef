#include "collector/sample_counts.h"

#include <algorithm>
#include <cstdint>

#include "proto/telemetry.pb.h"

namespace ppmm {
namespace {

// No honest agent loses more at once: 20,000 series for 72 h are 5.2 * 10^9 samples. It keeps sums far from overflow.
constexpr std::uint64_t kMostAtOnce = 10'000'000'000;

std::uint64_t Bounded(std::uint64_t count) {
  return std::min(count, kMostAtOnce);
}

// How far `now` is above what was said before; takes it over. Less than 0 before: nothing was said yet.
std::uint64_t Grown(std::uint64_t now, std::int64_t& told) {
  const auto said = static_cast<std::int64_t>(std::min<std::uint64_t>(now, INT64_MAX));
  const std::uint64_t grown =
      told < 0 ? 0 : Bounded(static_cast<std::uint64_t>(std::max<std::int64_t>(said - told, 0)));
  told = std::max(told, said);
  return grown;
}

}  // namespace

void CountBatch(const DecodedBatch& batch, AgentRow& agent, CursorState& cursor) {
  const std::uint64_t merged = batch.samples.size() + batch.sketches.size();
  const std::uint64_t own = merged + batch.skipped;
  const std::uint64_t grown = batch.produced > cursor.produced ? batch.produced - cursor.produced : 0;
  std::uint64_t gap = Bounded(grown > own ? grown - own : 0);
  if (cursor.moved) {
    // Hello moved the cursor: what lies between reached another store, or this one before it was set back.
    if (cursor.produced > 0 || cursor.lost) {
      agent.produced += gap;
      agent.dropped += gap;
    }
    gap = 0;
  }
  const std::int64_t unseen = std::max<std::int64_t>(agent.losses_unseen, 0);
  agent.losses_unseen -= static_cast<std::int64_t>(gap);
  agent.produced += own + gap - std::min(gap, static_cast<std::uint64_t>(unseen));
  agent.committed += merged;
  agent.refused += batch.skipped;
  cursor.produced = std::max(cursor.produced, batch.produced);
  cursor.moved = false;
  cursor.lost = false;
}

void CountReport(const wire::SpoolState& spool, AgentRow& agent) {
  const std::uint64_t dropped =
      Grown(spool.dropped_full() + spool.dropped_write() + spool.dropped_damaged() + spool.dropped_set_back(),
            agent.told_dropped);
  const std::uint64_t refused = Grown(spool.refused(), agent.told_refused);
  const std::int64_t before = std::max<std::int64_t>(agent.losses_unseen, 0);
  agent.losses_unseen += static_cast<std::int64_t>(dropped + refused);
  agent.produced += static_cast<std::uint64_t>(std::max<std::int64_t>(agent.losses_unseen, 0) - before);
  agent.dropped += dropped;
  agent.refused += refused;
}

}  // namespace ppmm
