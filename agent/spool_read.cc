// Reading, and what the collector says of what it got.
#include <algorithm>
#include <set>
#include <utility>

#include "agent/spool.h"
#include "agent/spool_internal.h"
#include "common/failpoint.h"
#include "common/log.h"

namespace ppmm {
namespace {

constexpr absl::string_view kDamaged = "is damaged";
constexpr std::size_t kMaxRanges = 4096;  // of refused numbers in an epoch; in order, they are one range

}  // namespace

std::vector<SpoolEpoch> Spool::Epochs() const {
  MutexLock lock(&mutex_);
  std::vector<SpoolEpoch> epochs;
  SpoolEpoch current{.epoch = current_epoch_, .last_seq = current_last_seq_};
  for (const auto& [number, segment] : segments_) {
    SpoolEpoch* entry = &current;
    if (segment.epoch != current_epoch_) {
      if (segment.batches == 0) {
        continue;
      }
      if (epochs.empty() || epochs.back().epoch != segment.epoch) {
        epochs.push_back({.epoch = segment.epoch});
      }
      entry = &epochs.back();
    }
    entry->last_seq = std::max(entry->last_seq, segment.last_seq);
    entry->batches += segment.batches;
    entry->samples += segment.samples;
  }
  if (current_epoch_ != 0) {
    epochs.push_back(current);
  }
  for (SpoolEpoch& entry : epochs) {
    const auto found = state_.epochs.find(entry.epoch);
    entry.acknowledged = found == state_.epochs.end() ? 0 : found->second.acknowledged;
  }
  return epochs;
}

std::uint64_t Spool::current_epoch() const {
  MutexLock lock(&mutex_);
  return current_epoch_;
}

SpoolCursor Spool::Begin(std::uint64_t epoch) const {
  return {.epoch = epoch};
}

bool Spool::Next(SpoolCursor* cursor, SpoolRecord* record) {
  MutexLock lock(&mutex_);
  bool found = false;
  for (auto it = segments_.lower_bound(cursor->segment); it != segments_.end() && !found;) {
    Segment& segment = it->second;
    if (segment.epoch != cursor->epoch) {
      ++it;
      continue;
    }
    if (it->first != cursor->segment) {
      cursor->segment = it->first;
      cursor->offset = 0;
    }
    SpoolFile* const file = cursor->offset == 0 && segment.batches == 0 ? nullptr : FileOf(&segment);
    if (file == nullptr) {
      ++it;
      continue;
    }
    SpoolScanner scanner(*file, segment.bytes, segment.epoch, cursor->offset);
    const std::optional<SpoolScanner::Record> next = scanner.Next();
    if (scanner.unframed_bytes() > 0) {
      Recount(&segment);
    }
    if (!next.has_value()) {
      if (it->first == active_) {
        break;
      }
      ++it;
      continue;
    }
    cursor->offset = next->end();
    const SpoolHeader& header = next->header;
    const bool is_batch = header.type == SpoolRecordType::kBatch;
    if (is_batch && (header.seq <= cursor->last_seq || !Waits(segment, header.seq))) {
      continue;
    }
    std::optional<std::string> frame = ReadSpoolPayload(*file, *next);
    if (!frame.has_value()) {
      NoteBadPayload(&segment, *next);
      continue;
    }
    if (is_batch) {
      cursor->last_seq = header.seq;
    }
    *record = {is_batch, header.epoch, header.seq, header.samples, *std::move(frame)};
    found = true;
  }
  RemoveFinished();
  return found;
}

// The file to read from; null when it cannot be opened now. One complete segment is open at a time.
SpoolFile* Spool::FileOf(Segment* segment) {
  if (segment->file != nullptr) {
    return segment->file.get();
  }
  if (const auto before = segments_.find(reading_);
      before != segments_.end() && reading_ != active_ && !before->second.in_memory) {
    before->second.file = nullptr;
  }
  absl::StatusOr<std::unique_ptr<SpoolFile>> file =
      directory_->Open(SegmentPath(segment->number, segment->epoch), SpoolDirectory::Mode::kRead);
  if (!file.ok()) {
    if (absl::IsNotFound(file.status())) {
      NoteGone(segment);
    }
    return nullptr;
  }
  reading_ = segment->number;
  segment->file = *std::move(file);
  return segment->file.get();
}

bool Spool::Waits(const Segment& segment, std::uint64_t seq) const {
  const auto entry = state_.epochs.find(segment.epoch);
  return entry == state_.epochs.end() || (seq > entry->second.acknowledged && !entry->second.gone.Contains(seq));
}

// ---- damage ---------------------------------------------------------------------------------------------------------

// What was deleted under us can still be written to and read, but dies with the process.
void Spool::CheckFiles() {
  bool gone = false;
  if (state_file_ != nullptr) {
    const absl::StatusOr<FileIdentity> named = directory_->Identify(kSpoolStateName);
    const absl::StatusOr<FileIdentity> open = state_file_->Identify();
    if (absl::IsNotFound(named.status()) || (named.ok() && open.ok() && !named->SameFile(*open))) {
      LogWarning(kSpoolFolder, kSpoolStateName, " was deleted or replaced while the agent runs; it is written anew");
      state_file_ = nullptr;
      state_unsaved_ = true;
      gone = true;
    }
  }
  bool close_active = false;
  std::vector<std::uint64_t> cut;
  for (auto& [number, segment] : segments_) {
    if (segment.in_memory) {
      continue;
    }
    const absl::StatusOr<FileIdentity> named = directory_->Identify(SegmentPath(number, segment.epoch));
    if (LostItsName(segment, named)) {
      NoteGone(&segment);
      active_ = number == active_ ? 0 : active_;
      gone = true;
    } else if (named.ok() && named->bytes < segment.bytes) {
      cut.push_back(number);
    }
  }
  for (const std::uint64_t number : cut) {
    Segment& segment = segments_.at(number);
    const absl::StatusOr<FileIdentity> named = directory_->Identify(SegmentPath(number, segment.epoch));
    if (named.ok()) {
      NoteCut(&segment, std::min(named->bytes, segment.bytes));
    }
    close_active |= number == active_;
  }
  if (close_active) {
    CloseActive();  // readers stand behind its end
  }
  if (gone) {
    SaveState(/*sync=*/true).IgnoreError();  // stays unsaved
  }
  if (gone || !cut.empty()) {
    RemoveFinished();
  }
}

bool Spool::LostItsName(const Segment& segment, const absl::StatusOr<FileIdentity>& named) const {
  if (!named.ok()) {
    return absl::IsNotFound(named.status());
  }
  if (segment.number != active_) {
    return false;  // opened by its name for each reading
  }
  const absl::StatusOr<FileIdentity> open = segment.file->Identify();
  return open.ok() && !open->SameFile(*named);
}

void Spool::NoteGone(Segment* segment) {
  const bool waited = segment->batches > 0;
  NoteLoss(*segment, "was deleted, moved or replaced while the agent runs", waited ? segment->bytes : 0,
           std::exchange(segment->samples, 0));
  segment->batches = 0;
  segment->file = nullptr;
  segment->unreadable = false;  // nothing is left to wait for
}

void Spool::NoteCut(Segment* segment, std::uint64_t bytes) {
  const std::uint64_t lost = segment->bytes - bytes;
  disk_bytes_ -= lost;
  segment->bytes = bytes;
  segment->settled_to = std::min(segment->settled_to, bytes);
  NoteLoss(*segment, "was cut short while the agent runs", lost, 0);
  if (FileOf(segment) != nullptr) {
    Recount(segment);
  }
}

// Counts; the log's line comes with the next Tick, one for all, so that a damaged disk does not fill the log.
void Spool::NoteLoss(const Segment& segment, absl::string_view how, std::uint64_t bytes, std::uint64_t samples) {
  if (losses_.segments.empty()) {
    losses_.first = SegmentName(segment.number, segment.epoch);
    losses_.how = std::string(how);
  }
  losses_.segments.insert(segment.number);
  losses_.bytes += bytes;
  losses_.samples += samples;
  state_.totals.damaged_bytes += bytes;
  state_.totals.dropped_damaged += samples;
  state_unsaved_ = true;
}

void Spool::TellLosses() {
  const Losses told = std::exchange(losses_, {});
  const std::size_t more = told.segments.size() - 1;
  LogWarning(kSpoolFolder, told.first, " ", told.how,
             more == 0 ? "" : absl::StrCat("; so with ", more, more == 1 ? " more segment" : " more segments"),
             told.bytes + told.samples == 0
                 ? "; nothing waited there"
                 : absl::StrCat("; lost: ", told.samples, told.samples == 1 ? " sample" : " samples", ", ", told.bytes,
                                " bytes"));
}

void Spool::NoteBadPayload(Segment* segment, const SpoolScanner::Record& record) {
  if (record.header.type == SpoolRecordType::kBatch) {
    state_.epochs[segment->epoch].gone.Add(record.header.seq, record.header.seq);
    --segment->batches;
    segment->samples -= record.header.samples;
  } else {
    SpoolStateRecord::Damage& damage = state_.damage[segment->number];
    if (record.offset < damage.read_to) {
      return;  // counted when it was read before
    }
    damage.read_to = record.end();
  }
  NoteLoss(*segment, kDamaged, record.bytes(),
           record.header.type == SpoolRecordType::kBatch ? record.header.samples : 0);
}

// A header that was good no longer is: counts again what the segment holds.
void Spool::Recount(Segment* segment) {
  std::uint64_t batches = 0;
  std::uint64_t samples = 0;
  SpoolScanner scanner(*segment->file, segment->bytes, segment->epoch);
  while (const std::optional<SpoolScanner::Record> record = scanner.Next()) {
    if (record->header.type == SpoolRecordType::kBatch && Waits(*segment, record->header.seq)) {
      ++batches;
      samples += record->header.samples;
    }
  }
  SpoolStateRecord::Damage& damage = state_.damage[segment->number];
  const std::uint64_t unframed = std::max(scanner.unframed_bytes(), damage.unframed_bytes);
  const std::uint64_t left = std::min(samples, segment->samples);
  if (unframed > damage.unframed_bytes || left < segment->samples) {
    NoteLoss(*segment, kDamaged, unframed - damage.unframed_bytes, segment->samples - left);
    damage.unframed_bytes = unframed;
    segment->samples = left;
  }
  segment->batches = std::min(segment->batches, batches);
}

// ---- what the collector says ----------------------------------------------------------------------------------------

void Spool::Acknowledge(std::uint64_t epoch, std::uint64_t up_to) {
  MutexLock lock(&mutex_);
  std::uint64_t last = epoch == current_epoch_ ? current_last_seq_ : 0;
  for (const auto& [number, segment] : segments_) {
    last = segment.epoch == epoch ? std::max(last, segment.last_seq) : last;
  }
  up_to = std::min(up_to, last);
  const auto entry = state_.epochs.find(epoch);
  if (up_to <= (entry == state_.epochs.end() ? 0 : entry->second.acknowledged)) {
    return;
  }
  for (auto& [number, segment] : segments_) {
    if (segment.epoch != epoch || segment.batches == 0 || segment.first_seq > up_to) {
      continue;
    }
    if (segment.last_seq <= up_to) {
      state_.totals.acknowledged += std::exchange(segment.samples, 0);
      segment.batches = 0;
      segment.settled_to = segment.bytes;
      continue;
    }
    SpoolFile* const file = FileOf(&segment);
    if (file == nullptr) {
      return;  // the acknowledgement comes again with the next one
    }
    SpoolScanner scanner(*file, segment.bytes, epoch, segment.settled_to);
    while (const std::optional<SpoolScanner::Record> record = scanner.Next()) {
      const SpoolHeader& header = record->header;
      if (header.type == SpoolRecordType::kBatch) {
        if (header.seq > up_to) {
          break;
        }
        if (Waits(segment, header.seq)) {
          state_.totals.acknowledged += header.samples;
          segment.samples -= header.samples;
          --segment.batches;
        }
      }
      segment.settled_to = record->end();
    }
  }
  SpoolStateRecord::Epoch& state = state_.epochs[epoch];
  state.acknowledged = up_to;
  state.gone.EraseUpTo(up_to);
  SaveState(/*sync=*/false).IgnoreError();  // remembered as unsaved; the collector tells it again in Welcome
  RemoveFinished();
}

bool Spool::Refused(std::uint64_t epoch, std::uint64_t seq) {
  MutexLock lock(&mutex_);
  for (auto& [number, segment] : segments_) {
    if (segment.epoch != epoch || seq < segment.first_seq || seq > segment.last_seq || !Waits(segment, seq)) {
      continue;
    }
    SpoolFile* const file = FileOf(&segment);
    if (file == nullptr || state_.epochs[epoch].gone.ranges().size() >= kMaxRanges) {
      break;  // it is sent, and refused, again
    }
    SpoolScanner scanner(*file, segment.bytes, epoch, segment.settled_to);
    std::optional<SpoolScanner::Record> record = scanner.Next();
    while (record.has_value() && record->header.seq != seq) {
      record = scanner.Next();
    }
    if (!record.has_value()) {
      break;
    }
    state_.epochs[epoch].gone.Add(seq, seq);
    state_.totals.refused += record->header.samples;
    segment.samples -= record->header.samples;
    --segment.batches;
    SaveState(/*sync=*/false).IgnoreError();  // remembered as unsaved
    RemoveFinished();
    return true;
  }
  ++ignored_refusals_;
  return false;
}

void Spool::Abandon(std::uint64_t epoch) {
  MutexLock lock(&mutex_);
  for (auto& [number, segment] : segments_) {
    if (segment.epoch == epoch) {
      state_.totals.dropped_set_back += std::exchange(segment.samples, 0);
      segment.batches = 0;
      if (segment.last_seq != 0) {
        state_.epochs[epoch].gone.Add(segment.first_seq, segment.last_seq);
      }
    }
  }
  SaveState(/*sync=*/false).IgnoreError();  // remembered as unsaved
  RemoveFinished();
}

void Spool::RemoveFinished() {
  std::vector<std::uint64_t> finished;
  for (auto it = segments_.begin(); it != segments_.end();) {
    const Segment& segment = (it++)->second;
    if (segment.batches > 0 || segment.number == active_ || segment.unreadable || segment.stuck) {
      continue;
    }
    if (segment.in_memory) {
      segments_.erase(segment.number);
    } else {
      finished.push_back(segment.number);
    }
  }
  if (!finished.empty()) {
    RemoveSegments(finished);
  }
}

bool Spool::RemoveSegments(const std::vector<std::uint64_t>& numbers) {
  const absl::Status saved = SaveState(/*sync=*/true);  // a full disk refuses that, and gets room by what follows
  Failpoint("segment_removal");
  bool all = true;
  for (const std::uint64_t number : numbers) {
    const auto it = segments_.find(number);
    Segment& segment = it->second;
    const absl::Status status = directory_->Remove(SegmentPath(number, segment.epoch));
    if (!status.ok() && !absl::IsNotFound(status)) {
      DiskFailed(status);
      segment.stuck = true;
      all = false;
      continue;
    }
    directory_changed_ = true;
    disk_bytes_ -= segment.bytes;
    segments_.erase(it);
  }
  if (!saved.ok()) {
    SaveState(/*sync=*/true).IgnoreError();  // remembered as unsaved
  }
  return all;
}

void Spool::ForgetRemoved() {
  std::set<std::uint64_t> numbers;
  std::set<std::uint64_t> epochs = {current_epoch_};
  for (const auto& [number, segment] : segments_) {
    numbers.insert(number);
    epochs.insert(segment.epoch);
  }
  std::erase_if(state_.epochs, [&](const auto& entry) { return !epochs.contains(entry.first); });
  std::erase_if(state_.damage, [&](const auto& entry) { return !numbers.contains(entry.first); });
}

}  // namespace ppmm
