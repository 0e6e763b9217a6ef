#include "agent/spool.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "agent/spool_internal.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr std::uint64_t kMaxStateBytes = 256 * 1024;  // then the file is begun anew: at one record a second, 20 minutes

}  // namespace

Spool::Spool(SpoolDirectory* directory, const SpoolOptions& options, absl::Time now)
    : directory_(directory), options_(options) {
  MutexLock lock(&mutex_);
  Recover(now);
  FindInherited(now);
}

Spool::~Spool() = default;

void Spool::BeginEpoch(std::uint64_t epoch, DictionarySource dictionary) {
  MutexLock lock(&mutex_);
  if (active_ != 0) {
    CloseActive();
  }
  current_epoch_ = epoch;
  current_last_seq_ = 0;
  dictionary_ = std::move(dictionary);
}

void Spool::AppendDictionary(absl::string_view frame) {
  MutexLock lock(&mutex_);
  if (active_ != 0) {  // else the next segment begins with it
    WriteRecord({.type = SpoolRecordType::kDictionary, .epoch = current_epoch_}, frame);
  }
}

void Spool::AppendBatch(std::uint64_t seq, std::uint32_t samples, absl::Time t0, absl::string_view frame) {
  {
    MutexLock lock(&mutex_);
    current_last_seq_ = seq;
    state_.newest_t0 = absl::ToUnixSeconds(t0);
    WriteRecord({.type = SpoolRecordType::kBatch,
                 .samples = samples,
                 .epoch = current_epoch_,
                 .seq = seq,
                 .t0 = state_.newest_t0,
                 .produced = state_.totals.produced + samples},
                frame);
  }
  if (listener_) {
    listener_();
  }
}

void Spool::WriteRecord(const SpoolHeader& header, absl::string_view frame) {
  const std::string record = EncodeSpoolRecord(header, frame);
  bool in_memory = false;
  if (active_ != 0) {
    const Segment& active = segments_.at(active_);
    in_memory = active.in_memory;
    // Half of the memory, so that the newest batches stay when the oldest segment goes.
    const bool full = active.bytes + record.size() > (in_memory ? options_.memory_bytes / 2 : options_.segment_bytes);
    if (full && (!in_memory || active.first_seq != 0)) {
      CloseActive();
    }
  }
  Segment* segment = active_ != 0 ? &segments_.at(active_) : &StartSegment(record.size(), in_memory);
  if (!segment->in_memory) {
    absl::Status status = MakeRoom(record.size()) ? segment->file->Append(record) : absl::UnavailableError(disk_error_);
    if (!status.ok()) {
      segment->file->Truncate(segment->bytes).IgnoreError();  // if a part stays, readers pass over it
      DiskFailed(status);
      CloseActive();
      segment = &StartSegment(record.size(), /*in_memory=*/true);
    }
  }
  if (segment->in_memory) {
    segment->file->Append(record).IgnoreError();  // memory takes all
  } else {
    disk_bytes_ += record.size();
  }
  segment->bytes += record.size();
  if (header.type == SpoolRecordType::kBatch) {
    state_.totals.produced += header.samples;  // not earlier: states saved above must not know of it
    segment->first_seq = segment->first_seq == 0 ? header.seq : segment->first_seq;
    segment->last_seq = header.seq;
    ++segment->batches;
    segment->samples += header.samples;
    Failpoint("batch_spooled");
  }
  if (segment->in_memory) {
    BoundMemory();
  } else if (!disk_error_.empty() && WaitingInMemory() == 0) {
    DiskWorks();
  }
}

// As records.
std::string Spool::CompleteDictionary() const {
  std::string records;
  for (const std::string& frame : dictionary_ ? dictionary_() : std::vector<std::string>()) {
    records += EncodeSpoolRecord({.type = SpoolRecordType::kDictionary, .epoch = current_epoch_}, frame);
  }
  return records;
}

// Begins a segment with the dictionary in force; in memory if told, or if the disk does not take it.
Spool::Segment& Spool::StartSegment(std::uint64_t room, bool in_memory) {
  const std::string dictionary = CompleteDictionary();
  Segment segment{.number = ++state_.newest_segment, .epoch = current_epoch_, .in_memory = true};
  if (!in_memory && MakeRoom(dictionary.size() + room)) {
    const std::string path = SegmentPath(segment.number, segment.epoch);
    absl::StatusOr<std::unique_ptr<SpoolFile>> file = directory_->Open(path, SpoolDirectory::Mode::kCreate);
    absl::Status status = file.status();
    if (status.ok()) {
      status = (*file)->Append(dictionary);
    }
    if (status.ok()) {
      segment.file = *std::move(file);
      segment.in_memory = false;
      disk_bytes_ += dictionary.size();
      directory_changed_ = true;
      Failpoint("segment_begun");
    } else {
      directory_->Remove(path).IgnoreError();  // may not be there
      DiskFailed(status);
    }
  }
  if (segment.in_memory) {
    segment.file = std::make_shared<MemoryFile>();
    segment.file->Append(dictionary).IgnoreError();  // memory takes all
  }
  segment.bytes = dictionary.size();
  active_ = segment.number;
  return segments_.emplace(segment.number, std::move(segment)).first->second;
}

void Spool::CloseActive() {
  Segment& segment = segments_.at(std::exchange(active_, 0));
  if (!segment.in_memory) {
    closed_unsynced_.push_back(std::move(segment.file));
    segment.file = nullptr;
  }
  RemoveFinished();
}

// Drops the oldest complete segments until `bytes` more fit. False when they cannot be deleted.
bool Spool::MakeRoom(std::uint64_t bytes) {
  while (disk_bytes_ + bytes > options_.max_bytes) {
    auto oldest = segments_.begin();
    while (oldest != segments_.end() && (oldest->second.in_memory || oldest->first == active_)) {
      ++oldest;
    }
    if (oldest == segments_.end()) {
      return true;  // the one written to may be as large as it is
    }
    const std::uint64_t samples = oldest->second.samples;
    const std::uint64_t first_before = state_.first_segment;
    if (oldest == segments_.begin()) {  // not when an older one in memory may still become a file
      state_.first_segment = oldest->first + 1;
    }
    state_.totals.dropped_full += samples;
    if (!RemoveSegments({oldest->first})) {
      state_.totals.dropped_full -= samples;
      state_.first_segment = first_before;
      state_unsaved_ = true;
      return false;
    }
    if (samples > 0) {
      LogWarning(kSpoolFolder, "full (", options_.max_bytes, " bytes): dropped the oldest segment with ", samples,
                 " samples not acknowledged");
    }
  }
  return true;
}

// ---- when the disk refuses writes -----------------------------------------------------------------------------------

// Drops the oldest segments. The one written to stays, however large its dictionary and its first batch are.
void Spool::BoundMemory() {
  std::uint64_t bytes = 0;
  for (const auto& [number, segment] : segments_) {
    bytes += segment.in_memory ? segment.bytes : 0;
  }
  for (auto it = segments_.begin(); it != segments_.end() && bytes > options_.memory_bytes;) {
    if (!it->second.in_memory || it->first == active_) {
      ++it;
      continue;
    }
    bytes -= it->second.bytes;
    state_.totals.dropped_write += it->second.samples;
    it = segments_.erase(it);
  }
  state_unsaved_ = true;
}

// Moves what is in memory to segment files.
void Spool::WriteOutMemory() {
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, segment] : segments_) {
    if (segment.in_memory) {
      numbers.push_back(number);
    }
  }
  if (numbers.empty()) {
    return;
  }
  const absl::Status folder = MakeFolder();  // a disk that was read-only at the start has none
  absl::Status writable = folder;
  if (writable.ok()) {
    // First, so that what was dropped meanwhile is known as such whenever the process dies.
    writable = SaveState(/*sync=*/false);
  }
  if (!writable.ok()) {
    // Its descriptor of the data directory is open for as long as the agent runs; nothing can be made in one that is
    // deleted.
    DiskFailed(absl::IsNotFound(folder) ? absl::NotFoundError(absl::StrCat(kDataDeleted, " (", folder.message(), ")"))
                                        : writable);
    return;
  }
  for (const std::uint64_t number : numbers) {
    Segment& segment = segments_.at(number);
    if (segment.batches == 0) {  // all of it reached the collector
      active_ = number == active_ ? 0 : active_;
      segments_.erase(number);
      continue;
    }
    const std::string path = SegmentPath(segment.number, segment.epoch);
    if (!MakeRoom(segment.bytes)) {
      return;
    }
    absl::StatusOr<std::unique_ptr<SpoolFile>> file = directory_->Open(path, SpoolDirectory::Mode::kCreate);
    absl::Status status = file.status();
    if (status.ok()) {
      status = (*file)->Append(*segment.file->Read(0, segment.bytes));
    }
    if (!status.ok()) {
      directory_->Remove(path).IgnoreError();  // may not be there
      DiskFailed(status);
      return;
    }
    segment.file = *std::move(file);
    segment.in_memory = false;
    disk_bytes_ += segment.bytes;
    directory_changed_ = true;
    if (number != active_) {
      closed_unsynced_.push_back(std::move(segment.file));
      segment.file = nullptr;
    }
  }
  DiskWorks();
}

void Spool::DiskFailed(const absl::Status& status) {
  const bool deleted = absl::StartsWith(status.message(), kDataDeleted);
  const bool known = absl::StartsWith(disk_error_, kDataDeleted);
  if (known && absl::IsNotFound(status)) {
    return;
  }
  if (deleted) {
    LogWarning(kSpoolFolder, status.message(),
               ", keeping the newest batches in memory; restart the agent, it makes it anew");
  } else if (disk_error_.empty()) {
    LogWarning(kSpoolFolder, "the disk refuses writes, keeping the newest batches in memory: ", status.message());
  }
  disk_error_ = std::string(status.message());
}

void Spool::DiskWorks() {
  if (!disk_error_.empty()) {
    LogInfo(kSpoolFolder, "the disk takes writes again; ", state_.totals.dropped_write, " samples were dropped so far");
    disk_error_.clear();
  }
}

std::uint64_t Spool::WaitingInMemory() const {
  std::uint64_t samples = 0;
  for (const auto& [number, segment] : segments_) {
    samples += segment.in_memory ? segment.samples : 0;
  }
  return samples;
}

// ---- durability -----------------------------------------------------------------------------------------------------

absl::Status Spool::SaveState(bool sync) {
  SpoolStateRecord saved = state_;
  saved.totals.produced -= WaitingInMemory();  // dies with the process, so it counts once it is on disk
  const std::string record = EncodeSpoolState(saved);
  absl::Status status;
  if (state_file_ == nullptr || state_bytes_ + record.size() > kMaxStateBytes) {
    status = BeginStateFile(record);
  } else {
    status = state_file_->Append(record);
    state_bytes_ += record.size();
    if (status.ok() && sync) {
      status = state_file_->Sync();
    }
  }
  state_unsaved_ = !status.ok();
  if (status.ok()) {
    saved_produced_ = saved.totals.produced;
  } else {
    state_file_ = nullptr;
  }
  return status;
}

// As WriteFileAtomically, but keeps the file open.
absl::Status Spool::BeginStateFile(absl::string_view first_record) {
  RETURN_IF_ERROR(MakeFolder());                         // somebody may have deleted it
  directory_->Remove(kSpoolNewStateName).IgnoreError();  // left by a crash, or not there
  ASSIGN_OR_RETURN(std::shared_ptr<SpoolFile> file,
                   directory_->Open(kSpoolNewStateName, SpoolDirectory::Mode::kCreate));
  RETURN_IF_ERROR(file->Append(first_record));
  RETURN_IF_ERROR(file->Sync());
  RETURN_IF_ERROR(directory_->Rename(kSpoolNewStateName, kSpoolStateName));
  RETURN_IF_ERROR(directory_->SyncDirectory(kSpoolFolder));
  state_file_ = std::move(file);
  state_bytes_ = first_record.size();
  return absl::OkStatus();
}

void Spool::Tick(absl::Time now) {
  bool due = now >= next_sync_ || next_sync_ > now + options_.sync_period;  // the second: the clock was set back
  {
    MutexLock lock(&mutex_);
    CheckFiles();
    if (!losses_.segments.empty() && losses_log_.Allow(now) > 0) {
      TellLosses();
    }
    if (due) {
      for (auto& [number, segment] : segments_) {
        segment.stuck = false;
      }
      WriteOutMemory();
      RemoveFinished();
      // While nobody acknowledges, `produced` stands in the segments only; it must outlive them.
      if (state_unsaved_ || saved_produced_ != state_.totals.produced - WaitingInMemory()) {
        SaveState(/*sync=*/false).IgnoreError();  // stays unsaved
      }
    }
    due |= !closed_unsynced_.empty();
  }
  if (due) {
    next_sync_ = now + options_.sync_period;
    SyncFiles();
    DeleteInherited(now);
  }
}

void Spool::Drain() {
  {
    MutexLock lock(&mutex_);
    CheckFiles();
    WriteOutMemory();
    for (auto it = segments_.begin(); it != segments_.end();) {
      if (it->second.in_memory) {
        state_.totals.dropped_write += it->second.samples;
        active_ = it->first == active_ ? 0 : active_;
        it = segments_.erase(it);
      } else {
        ++it;
      }
    }
    if (active_ != 0) {
      CloseActive();
    }
    SaveState(/*sync=*/false).IgnoreError();  // nothing more can be done
    if (!losses_.segments.empty()) {
      TellLosses();
    }
  }
  SyncFiles();
}

// Outside the lock, so that a slow disk does not hold up the sampler.
void Spool::SyncFiles() {
  std::vector<std::shared_ptr<SpoolFile>> files;
  bool directory_changed = false;
  {
    MutexLock lock(&mutex_);
    files = std::exchange(closed_unsynced_, {});
    if (active_ != 0) {
      files.push_back(segments_.at(active_).file);
    }
    if (state_file_ != nullptr) {
      files.push_back(state_file_);
    }
    directory_changed = std::exchange(directory_changed_, false);
  }
  absl::Status status;
  for (const std::shared_ptr<SpoolFile>& file : files) {
    status.Update(file->Sync());
  }
  if (directory_changed) {
    status.Update(directory_->SyncDirectory(kSpoolFolder));
  }
  MutexLock lock(&mutex_);
  if (status.ok()) {
    if (!directory_changed_) {
      ForgetRemoved();
    }
    return;
  }
  // After a failed fdatasync the kernel may have dropped the pages: nothing is added to these files any more.
  DiskFailed(status);
  directory_changed_ |= directory_changed;
  state_file_ = nullptr;
  if (active_ != 0 && !segments_.at(active_).in_memory) {
    CloseActive();
  }
}

SpoolStats Spool::Stats() const {
  MutexLock lock(&mutex_);
  SpoolStats stats{.totals = state_.totals,
                   .bytes = disk_bytes_,
                   .segments = segments_.size(),
                   .ignored_refusals = ignored_refusals_,
                   .disk_error = disk_error_,
                   .last_life = last_life_};
  for (const auto& [number, segment] : segments_) {
    stats.samples += segment.samples;
    stats.batches += segment.batches;
    stats.memory_bytes += segment.in_memory ? segment.bytes : 0;
  }
  for (const auto& [name, due_and_bytes] : inherited_) {
    stats.inherited_bytes += due_and_bytes.second;
  }
  return stats;
}

}  // namespace ppmm
