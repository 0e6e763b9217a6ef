// Days that were sealed under a clock that was ahead, and are open again since store time was set back: of their
// minutes some lie in blocks only, as their rows were deleted.
//
// A minute row that exists is whole, always: rows outlive sealing until they are deleted, and where a minute begins
// anew, the merger takes over what the blocks hold of it (ReopenedMinutes). So where there is a row, it counts; else
// the block does. Nothing is lost, nothing counts twice, and a day may be sealed any number of times.
#pragma once

#include <bitset>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "collector/facts/bits.h"
#include "collector/minute_row.h"
#include "collector/state.h"
#include "collector/store/store.h"

namespace ppmm {

// Whether the day was sealed and is open again.
bool IsReopened(std::int64_t day, const Tables& tables);

using RowVisitor = std::function<absl::Status(std::int64_t minute, const MinuteRow& row)>;

// The minutes of a host on a reopened day, in order, from rows and blocks.
// Errors: those of the store; DataLoss for a row that is damaged; an error of `visit`. A damaged block is passed over.
absl::Status ScanReopenedDay(StoreReader& reader, std::int64_t day, HostKey host, const RowVisitor& visit);

// For the merger: what a minute begins with. Knows which minutes the blocks of a host's day hold, so that it reads them
// only where something is to be had. One thread.
class ReopenedMinutes {
 public:
  // Empty, unless the day is reopened and its blocks hold the minute. To be asked where the minute has no row.
  // Errors: those of the store. A damaged block is passed over.
  absl::StatusOr<MinuteRow> Take(const Tables& tables, Store& store, HostKey host, std::int64_t minute);

 private:
  using Minutes = std::bitset<kMinutesPerDay>;

  std::map<std::pair<std::int64_t, HostKey>, Minutes> held_;  // by day and host, of the days sealed as follows
  std::int64_t sealed_day_ = 0;
};

}  // namespace ppmm
