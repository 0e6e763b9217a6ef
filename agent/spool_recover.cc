// What earlier runs left: segments, counters, and the spool of another machine.
#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "agent/spool.h"
#include "agent/spool_internal.h"
#include "common/log.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr absl::string_view kInheritedPrefix = "inherited-";

}  // namespace

absl::Status SetSpoolAside(SpoolDirectory* directory, absl::Time now) {
  const absl::Status status = directory->Rename(
      kSpoolFolder, absl::StrCat(kInheritedPrefix, std::max<std::int64_t>(absl::ToUnixSeconds(now), 0)));
  if (absl::IsNotFound(status)) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(status);
  return directory->SyncDirectory("");
}

absl::Status Spool::MakeFolder() {
  RETURN_IF_ERROR(directory_->MakeDirectory(kSpoolFolder));
  return directory_->SyncDirectory("");
}

void Spool::Recover(absl::Time now) {
  absl::Status status = MakeFolder();
  const absl::StatusOr<std::vector<SpoolDirectory::Entry>> entries = directory_->List(kSpoolFolder);
  if (!entries.ok()) {
    DiskFailed(status.ok() ? entries.status() : status);
    // Numbers of an unseen spool must not come again, in file names either: names hold the epoch, which is new.
    state_.newest_segment = static_cast<std::uint64_t>(std::max<std::int64_t>(absl::ToUnixSeconds(now), 0));
    return;
  }
  bool state_found = false;
  if (const auto file = directory_->Open(kSpoolStateName, SpoolDirectory::Mode::kRead); file.ok()) {
    if (std::optional<SpoolStateRecord> state = ReadSpoolState(**file)) {
      state_ = *std::move(state);
      state_found = true;
    }
  }
  const std::uint64_t state_segment = state_.newest_segment;
  for (const SpoolDirectory::Entry& entry : *entries) {
    const std::optional<SegmentId> id = ParseSegmentName(entry.name);
    if (!id.has_value()) {
      continue;
    }
    state_.newest_segment = std::max(state_.newest_segment, id->number);
    if (id->number < state_.first_segment) {
      // Dropped and counted by a run that was killed before it could delete.
      directory_->Remove(SegmentPath(id->number, id->epoch)).IgnoreError();
      continue;
    }
    // Running totals of segments older than the state may stem from before an earlier state was lost.
    const std::uint64_t produced = TakeOverSegment(*id, entry.bytes);
    if (id->number >= state_segment) {
      state_.totals.produced = std::max(state_.totals.produced, produced);
    }
  }
  ++state_.newest_segment;  // so that all of these are older than the state written below
  std::uint64_t waiting = 0;
  for (const auto& [number, segment] : segments_) {
    waiting += segment.samples;
  }
  SpoolTotals& totals = state_.totals;
  if (!state_found) {
    totals = {.produced = waiting, .damaged_bytes = totals.damaged_bytes};
  }
  const std::uint64_t accounted = totals.settled() + waiting;
  if (totals.produced >= accounted) {
    const std::uint64_t missing = totals.produced - accounted;  // lay in damaged bytes, or in what a power cut took
    totals.dropped_damaged += missing;
    if (missing > 0) {
      LogWarning(kSpoolFolder, missing, missing == 1 ? " sample" : " samples",
                 " of earlier runs are missing: in segments that are damaged or were deleted, or taken by a power cut");
    }
  } else {
    // What was thought damaged could be read after all; or the state is older than the segments.
    const std::uint64_t found = std::min(accounted - totals.produced, totals.dropped_damaged);
    totals.dropped_damaged -= found;
    totals.produced = totals.settled() + waiting;
  }
  ForgetRemoved();
  if (state_.newest_t0 != 0) {
    last_life_ = absl::FromUnixSeconds(state_.newest_t0);
  }
  status.Update(SaveState(/*sync=*/true));
  if (!status.ok()) {
    DiskFailed(status);
  }
  RemoveFinished();
}

// Returns the highest running total in it.
std::uint64_t Spool::TakeOverSegment(const SegmentId& id, std::uint64_t bytes) {
  Segment segment{.number = id.number, .epoch = id.epoch, .bytes = bytes};
  const auto file = directory_->Open(SegmentPath(id.number, id.epoch), SpoolDirectory::Mode::kRead);
  if (absl::IsNotFound(file.status())) {
    return 0;
  }
  disk_bytes_ += bytes;
  if (!file.ok()) {
    LogWarning(kSpoolFolder, file.status().message());
    segment.unreadable = true;
    segments_.emplace(id.number, std::move(segment));
    return 0;
  }
  std::uint64_t produced = 0;
  SpoolScanner scanner(**file, bytes, id.epoch);
  while (const std::optional<SpoolScanner::Record> record = scanner.Next()) {
    if (record->header.type != SpoolRecordType::kBatch) {
      continue;
    }
    const SpoolHeader& header = record->header;
    segment.first_seq = segment.first_seq == 0 ? header.seq : segment.first_seq;
    segment.last_seq = std::max(segment.last_seq, header.seq);
    state_.newest_t0 = std::max(state_.newest_t0, header.t0);
    produced = std::max(produced, header.produced);
    if (Waits(segment, header.seq)) {
      ++segment.batches;
      segment.samples += header.samples;
    }
  }
  if (scanner.unframed_bytes() > 0) {
    SpoolStateRecord::Damage& damage = state_.damage[id.number];
    if (scanner.unframed_bytes() > damage.unframed_bytes) {
      state_.totals.damaged_bytes += scanner.unframed_bytes() - damage.unframed_bytes;
      LogWarning(kSpoolFolder, SegmentName(id.number, id.epoch), ": ", scanner.unframed_bytes(), " bytes are damaged");
      damage.unframed_bytes = scanner.unframed_bytes();
    }
  }
  segments_.emplace(id.number, std::move(segment));
  return produced;
}

void Spool::FindInherited(absl::Time now) {
  const absl::StatusOr<std::vector<SpoolDirectory::Entry>> entries = directory_->List("");
  if (!entries.ok()) {
    return;
  }
  for (const SpoolDirectory::Entry& entry : *entries) {
    absl::string_view seconds = entry.name;
    std::int64_t since = 0;
    if (!absl::ConsumePrefix(&seconds, kInheritedPrefix) || !absl::SimpleAtoi(seconds, &since)) {
      continue;
    }
    std::uint64_t bytes = 0;
    if (const auto files = directory_->List(entry.name); files.ok()) {
      for (const SpoolDirectory::Entry& file : *files) {
        bytes += file.bytes;
      }
    }
    // A clock that was ahead when the spool was set aside must not keep it for ever.
    inherited_[entry.name] = {std::min(absl::FromUnixSeconds(since), now) + options_.inherited_keep, bytes};
  }
}

void Spool::DeleteInherited(absl::Time now) {
  MutexLock lock(&mutex_);
  for (auto it = inherited_.begin(); it != inherited_.end();) {
    const auto& [name, due_and_bytes] = *it;
    if (now < due_and_bytes.first) {
      ++it;
      continue;
    }
    absl::Status status;
    if (const auto files = directory_->List(name); files.ok()) {
      for (const SpoolDirectory::Entry& file : *files) {
        status.Update(directory_->Remove(absl::StrCat(name, "/", file.name)));
      }
    }
    status.Update(directory_->RemoveDirectory(name));
    if (!status.ok() && !absl::IsNotFound(status)) {
      ++it;  // tried again
      continue;
    }
    state_.totals.inherited_bytes += due_and_bytes.second;
    state_unsaved_ = true;
    LogInfo(kSpoolFolder, "deleted ", name, ", ", due_and_bytes.second, " bytes of another machine, unsent");
    it = inherited_.erase(it);
  }
}

}  // namespace ppmm
