#include "collector/retention.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "collector/block.h"
#include "collector/facts/bits.h"
#include "collector/reopened.h"
#include "collector/writer.h"
#include "common/failpoint.h"
#include "common/human.h"
#include "common/log.h"
#include "common/status.h"

namespace ppmm {
namespace {

// What can still come is at most 72 h old; an hour for what waits in the queue.
constexpr absl::Duration kSealAfter = absl::Hours(73);
constexpr absl::Duration kCursorsEvery = absl::Hours(1);
constexpr int kMinuteSeconds = 60;
constexpr int kHourSeconds = 3600;
// A line looks back 28 days, and so do warnings, to the day before each.
constexpr std::int64_t kForecastKeptDays = 60;
// Facts are a few hundred bytes a day and scope; past days are rated again from them.
constexpr std::int64_t kFactsKeptDays = 400;

std::int64_t DayNumber(absl::Time time) {
  return absl::ToUnixSeconds(time) / 86400;
}

}  // namespace

void Retention::Keep(std::int64_t minute_days, std::int64_t hour_days) {
  MutexLock lock(&mutex_);
  kept_ = {minute_days, hour_days};
}

absl::Status Retention::Slice(absl::Time store_time) {
  ForgetOldCursors(store_time);
  Kept kept;
  {
    MutexLock lock(&mutex_);
    kept = kept_;
  }
  std::int64_t sealed_day = 0;
  std::int64_t first_day = DayNumber(store_time);
  {
    ReaderLock lock(&state_->mutex());
    sealed_day = state_->tables().sealed_day;
    for (const auto& [key, host] : state_->tables().hosts) {
      // Its spool may hold 72 h from before it was first seen.
      first_day = std::min(first_day, host.row.first_seen_us / 86'400'000'000 - 3);
    }
  }
  const std::int64_t next = std::max(sealed_day, first_day);
  if (absl::FromUnixSeconds((next + 1) * 86400) + kSealAfter <= store_time) {
    return SealNext(next, kept);
  }
  sealing_day_ = 0;  // what was sealed of the next one before store time was set back is sealed anew
  const std::int64_t today = DayNumber(store_time);
  if (clean_for_ == today + sealed_day && clean_kept_ == kept) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(store_->Begin());
  ASSIGN_OR_RETURN(const int deleted, DeleteSlice(sealed_day, today, kept));
  RETURN_IF_ERROR(store_->Commit());
  clean_for_ = deleted == 0 ? today + sealed_day : 0;
  clean_kept_ = kept;
  return absl::OkStatus();
}

absl::Status Retention::SealNext(std::int64_t day, const Kept& kept) {
  if (sealing_day_ != day) {
    sealing_day_ = day;
    sealed_host_ = 0;
    seal_submitted_ = false;
  }
  HostKey host = 0;
  {
    ReaderLock lock(&state_->mutex());
    const auto next = state_->tables().hosts.upper_bound(sealed_host_);
    host = next == state_->tables().hosts.end() ? 0 : next->first;
  }
  if (host != 0) {
    RETURN_IF_ERROR(SealHost(day, host, kept));
    sealed_host_ = host;
    return absl::OkStatus();
  }
  if (!seal_submitted_) {
    seal_submitted_ = true;
    writer_->Submit(
        [day](Tables& tables, Store& store) -> absl::Status {
          tables.sealed_day = std::max(tables.sealed_day, day + 1);
          return store.PutMeta("sealed_day", absl::StrCat(tables.sealed_day));
        },
        [this](const absl::Status& status) { seal_submitted_ = status.ok(); });
  }
  return absl::OkStatus();
}

absl::Status Retention::SealHost(std::int64_t day, HostKey host, const Kept& kept) {
  std::map<SeriesId, BlockSeries> series;
  const std::int64_t begin = day * kMinutesPerDay;
  const auto take = [&series, begin](std::int64_t minute, const MinuteRow& row) {
    const auto slot = static_cast<std::uint32_t>(minute - begin);
    for (const SeriesRollup& rollup : row.series) {
      series[rollup.series].points.push_back({slot, rollup.rollup});
    }
    for (const SeriesSketch& sketch : row.sketches) {
      series[sketch.series].sketches.push_back({slot, sketch.sketch});
    }
    return absl::OkStatus();
  };
  bool reopened = false;
  {
    ReaderLock lock(&state_->mutex());
    reopened = IsReopened(day, state_->tables());
  }
  if (reopened) {
    RETURN_IF_ERROR(ScanReopenedDay(*store_, day, host, take));
  } else {
    RETURN_IF_ERROR(store_->ScanMinutes(begin, begin + kMinutesPerDay, host,
                                        [&take](std::int64_t minute, HostKey, absl::string_view blob) -> absl::Status {
                                          ASSIGN_OR_RETURN(const MinuteRow row, MinuteRow::Decode(blob));
                                          return take(minute, row);
                                        }));
  }
  std::map<EntityId, std::vector<BlockSeries>> blocks;
  std::vector<SeriesId> dormant;  // of a host whose clock was set back
  {
    ReaderLock lock(&state_->mutex());
    for (auto& [id, points] : series) {
      points.series = id;
      if (const SeriesState* known = state_->tables().Series(id); known != nullptr) {
        blocks[known->entity].push_back(std::move(points));
      } else {
        dormant.push_back(id);
      }
    }
  }
  for (const SeriesId id : dormant) {
    ASSIGN_OR_RETURN(const std::optional<SeriesRow> row, store_->GetSeries(id));
    if (row.has_value() && FindMetric(row->metric) != nullptr) {
      blocks[row->entity].push_back(std::move(series[id]));
    }
  }
  if (blocks.empty()) {
    return absl::OkStatus();
  }
  for (auto& [entity, block] : blocks) {
    std::sort(block.begin(), block.end(),
              [](const BlockSeries& a, const BlockSeries& b) { return a.series < b.series; });
  }
  RETURN_IF_ERROR(store_->Begin());
  for (const auto& [entity, block] : blocks) {
    for (const int step : {kMinuteSeconds, kHourSeconds}) {
      std::string blob = EncodeBlock(step == kMinuteSeconds ? block : Coarser(block, kHourSeconds / kMinuteSeconds));
      if (blob.empty()) {
        return absl::ResourceExhaustedError("no memory to seal a day");
      }
      const std::int64_t keep = step == kMinuteSeconds ? kept.minute_days : kept.hour_days;
      RETURN_IF_ERROR(store_->Put(BlockRow{day, entity, step, day + keep, std::move(blob)}));
    }
  }
  Failpoint("sealing");
  return store_->Commit();
}

absl::StatusOr<int> Retention::DeleteSlice(std::int64_t sealed_day, std::int64_t today, const Kept& kept) {
  std::vector<std::pair<std::int64_t, HostKey>> open;
  {
    ReaderLock lock(&state_->mutex());
    for (const auto& [key, host] : state_->tables().hosts) {
      open.emplace_back(host.row.open_minute, key);
    }
  }
  int left = slice_;
  ASSIGN_OR_RETURN(const int minutes, store_->DeleteMinutesBefore(sealed_day * kMinutesPerDay, open, left));
  left -= minutes;
  ASSIGN_OR_RETURN(const int pooled,
                   store_->DeleteApplicationMinutesBefore((today - kept.minute_days) * kMinutesPerDay, left));
  left -= pooled;
  ASSIGN_OR_RETURN(const int days, store_->DeleteDayRowsBefore(today - kept.minute_days, left));
  left -= days;
  ASSIGN_OR_RETURN(const int blocks, store_->DeleteBlocksKeptUntil(today, left));
  left -= blocks;
  ASSIGN_OR_RETURN(const int forecasts, store_->DeleteForecastsBefore(today - kForecastKeptDays, left));
  left -= forecasts;
  ASSIGN_OR_RETURN(const int facts,
                   store_->DeleteFactDaysBefore(today - std::max(kFactsKeptDays, kept.hour_days), left));
  return minutes + pooled + days + blocks + forecasts + facts;
}

void Retention::ForgetOldCursors(absl::Time store_time) {
  if (absl::AbsDuration(store_time - cursors_at_) < kCursorsEvery) {
    return;
  }
  cursors_at_ = store_time;
  const std::int64_t bound = absl::ToUnixSeconds(store_time - kSealAfter);
  {
    ReaderLock lock(&state_->mutex());
    const auto& cursors = state_->tables().cursors;
    if (std::none_of(cursors.begin(), cursors.end(),
                     [bound](const auto& cursor) { return cursor.second.newest_step < bound; })) {
      return;
    }
  }
  // What could come again under such a cursor would be refused as too late.
  writer_->Submit(
      [bound](Tables& tables, Store& store) -> absl::Status {
        std::vector<std::pair<std::uint64_t, std::string>> old;  // epoch, agent
        for (const auto& [epoch, cursor] : tables.cursors) {
          if (cursor.newest_step < bound) {
            old.emplace_back(epoch, cursor.agent_id);
          }
        }
        for (const auto& [epoch, agent_id] : old) {
          tables.cursors.erase(epoch);
          RETURN_IF_ERROR(store.DeleteCursor(epoch, agent_id));
        }
        return absl::OkStatus();
      },
      [](const absl::Status&) {});  // after a failure they are due again in an hour
}

absl::Status OpenDaysAgain(absl::Time store_time, Tables& tables, Store& store) {
  const std::int64_t today = DayNumber(store_time);
  tables.reopened_until = std::max(tables.reopened_until, tables.sealed_day);
  tables.sealed_day = std::min(tables.sealed_day, DayNumber(store_time - kSealAfter));
  tables.facts_day = std::min(tables.facts_day, today);
  tables.touched_days.erase(tables.touched_days.lower_bound(today), tables.touched_days.end());
  RETURN_IF_ERROR(store.PutMeta("sealed_day", absl::StrCat(tables.sealed_day)));
  RETURN_IF_ERROR(store.PutMeta("reopened_until", absl::StrCat(tables.reopened_until)));
  ASSIGN_OR_RETURN(const int ratings, store.DeleteConclusionsFrom(today));
  if (ratings > 0) {
    LogWarning("writer", HumanCount(ratings, "rating"),
               " published for days that have not come: withdrawn, with facts and forecasts of these days");
  }
  ASSIGN_OR_RETURN(std::vector<ForecastRow> forecasts, store.Forecasts(0, today));
  std::int64_t newest = 0;
  for (const ForecastRow& row : forecasts) {
    newest = std::max(newest, row.day);
  }
  for (auto& [key, host] : tables.hosts) {
    host.forecasts.clear();
  }
  for (ForecastRow& row : forecasts) {
    if (const auto host = tables.hosts.find(row.host); row.day == newest && host != tables.hosts.end()) {
      host->second.forecasts.push_back(std::move(row));
    }
  }
  return PutTouchedDays(tables, store);
}

}  // namespace ppmm
