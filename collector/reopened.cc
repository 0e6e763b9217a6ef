#include "collector/reopened.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "collector/block.h"
#include "common/log.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr std::int32_t kBlockStep = 60;    // seconds
constexpr std::size_t kMostHeld = 50'000;  // 200 bytes each; then they are read again

using MinuteRows = std::map<std::int64_t, MinuteRow>;

void Sort(MinuteRow& row) {
  const auto by_id = [](const auto& a, const auto& b) { return a.series < b.series; };
  std::sort(row.series.begin(), row.series.end(), by_id);
  std::sort(row.sketches.begin(), row.sketches.end(), by_id);
}

// What the blocks of a host's day hold, by minute.
absl::StatusOr<MinuteRows> ReadBlocks(StoreReader& reader, std::int64_t day, HostKey host) {
  MinuteRows minutes;
  ASSIGN_OR_RETURN(const std::vector<BlockRow> blocks, reader.BlocksOfHost(host, kBlockStep, day));
  for (const BlockRow& block : blocks) {
    const absl::StatusOr<std::vector<BlockSeries>> decoded = DecodeBlock(block.blob);
    if (!decoded.ok()) {  // what it held is lost already; the rest of the day is not to be
      LogWarning("store", "block of entity ", block.entity, ", day ", day, ": ", decoded.status().message());
      continue;
    }
    for (const BlockSeries& series : *decoded) {
      for (const BlockPoint& point : series.points) {
        minutes[day * kMinutesPerDay + point.slot].series.push_back({series.series, point.rollup});
      }
      for (const BlockSketch& sketch : series.sketches) {
        minutes[day * kMinutesPerDay + sketch.slot].sketches.push_back(
            {series.series, sketch.sketch, 0});  // blocks do not say
      }
    }
  }
  for (auto& [minute, row] : minutes) {
    Sort(row);
  }
  return minutes;
}

}  // namespace

bool IsReopened(std::int64_t day, const Tables& tables) {
  return day >= tables.sealed_day && day < tables.reopened_until;
}

absl::Status ScanReopenedDay(StoreReader& reader, std::int64_t day, HostKey host, const RowVisitor& visit) {
  ASSIGN_OR_RETURN(MinuteRows minutes, ReadBlocks(reader, day, host));
  RETURN_IF_ERROR(reader.ScanMinutes(day * kMinutesPerDay, (day + 1) * kMinutesPerDay, host,
                                     [&minutes](std::int64_t minute, HostKey, absl::string_view blob) -> absl::Status {
                                       ASSIGN_OR_RETURN(minutes[minute], MinuteRow::Decode(blob));
                                       return absl::OkStatus();
                                     }));
  for (const auto& [minute, row] : minutes) {
    RETURN_IF_ERROR(visit(minute, row));
  }
  return absl::OkStatus();
}

absl::StatusOr<MinuteRow> ReopenedMinutes::Take(const Tables& tables, Store& store, HostKey host, std::int64_t minute) {
  const std::int64_t day = minute / kMinutesPerDay;
  if (!IsReopened(day, tables)) {
    return MinuteRow();
  }
  if (sealed_day_ != tables.sealed_day || held_.size() >= kMostHeld) {
    held_.clear();
    sealed_day_ = tables.sealed_day;
  }
  const auto slot = static_cast<std::size_t>(minute % kMinutesPerDay);
  const auto known = held_.find({day, host});
  if (known != held_.end() && !known->second[slot]) {
    return MinuteRow();
  }
  ASSIGN_OR_RETURN(MinuteRows minutes, ReadBlocks(store, day, host));
  Minutes& held = held_[{day, host}];
  for (const auto& [at, row] : minutes) {
    held.set(static_cast<std::size_t>(at % kMinutesPerDay));
  }
  const auto found = minutes.find(minute);
  if (found == minutes.end()) {
    return MinuteRow();
  }
  found->second.flags = MinuteRow::kLive;  // it was lived before: once more is twice
  return std::move(found->second);
}

}  // namespace ppmm
