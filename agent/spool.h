// The queue on disk between sampler and stream: a batch stays until the collector has acknowledged it. What it promises
// and how it lies on disk: docs/spool_format.md.
//
// Thread-safe: the sampler appends while the stream reads. The disk is synced outside the lock (Tick), so an append
// waits for a write(2) at most. A disk that refuses writes never stops the agent: batches go to a bounded queue in
// memory, and everything dropped is counted.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "agent/spool_file.h"
#include "agent/spool_format.h"
#include "common/log.h"
#include "common/mutex.h"

namespace ppmm {

// What Stats().disk_error begins with once the agent's data directory was deleted under it: only a restart helps.
inline constexpr absl::string_view kDataDeleted = "the data directory was deleted";

struct SpoolOptions {
  // More bridges a longer outage of the collector and costs disk: 128 MiB hold 72 h of 2,000 series at 10 s.
  std::uint64_t max_bytes = 128ULL << 20U;
  // The unit of dropping. Smaller loses less at once, and repeats the dictionary more often.
  std::uint64_t segment_bytes = 4ULL << 20U;
  // For batches the disk does not take.
  std::uint64_t memory_bytes = 1ULL << 20U;
  // What a power cut may take; each sync costs the disk a flush.
  absl::Duration sync_period = absl::Seconds(10);
  // How long an inherited spool (SetSpoolAside) stays for a person to look at.
  absl::Duration inherited_keep = absl::Hours(72);
};

// One record to send.
struct SpoolRecord {
  bool is_batch = false;  // else a dictionary
  std::uint64_t epoch = 0;
  std::uint64_t seq = 0;
  std::uint32_t samples = 0;
  std::string frame;  // serialized ppmm.wire.AgentFrame
};

// Where a reader stands in one epoch. A plain value: it holds nothing.
struct SpoolCursor {
  std::uint64_t epoch = 0;
  std::uint64_t last_seq = 0;  // given out
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
};

struct SpoolEpoch {
  std::uint64_t epoch = 0;
  std::uint64_t acknowledged = 0;  // highest number known acknowledged; 0: none
  std::uint64_t last_seq = 0;      // highest number appended
  std::uint64_t batches = 0;       // that wait
  std::uint64_t samples = 0;
};

struct SpoolStats {
  SpoolTotals totals;         // produced = settled() + samples
  std::uint64_t samples = 0;  // that wait, on disk or in memory
  std::uint64_t batches = 0;
  std::uint64_t bytes = 0;  // on disk
  std::uint64_t segments = 0;
  std::uint64_t memory_bytes = 0;      // in memory because the disk refuses writes
  std::uint64_t inherited_bytes = 0;   // set aside, not yet deleted
  std::uint64_t ignored_refusals = 0;  // of batches the spool does not hold
  std::string disk_error;              // empty: the disk takes writes
  absl::Time last_life;  // of the newest batch found at start: a sign of life of the run before; InfinitePast: none
};

// Renames the spool of another machine (a cloned disk) so that it is not sent. OK when there is none.
absl::Status SetSpoolAside(SpoolDirectory* directory, absl::Time now);

class Spool {
 public:
  // Gives the complete dictionary in force as serialized AgentFrames, one or more so that each stays below what the
  // collector takes as a message (1 MiB). Called within AppendBatch or AppendDictionary, on their thread and under the
  // spool's lock, so it must not call the spool.
  using DictionarySource = std::function<std::vector<std::string>()>;

  // Takes over what earlier runs left. `directory` outlives the spool. Never fails: with a broken disk it works from
  // memory and says so in Stats().
  Spool(SpoolDirectory* directory, const SpoolOptions& options, absl::Time now);
  ~Spool();

  // Called after each appended batch, outside the lock, on the appending thread. To be set before the first append.
  void SetListener(std::function<void()> listener) { listener_ = std::move(listener); }

  // ---- the sampler's side: one thread -------------------------------------------------------------------------------

  // From now on batches belong to `epoch`, which must never have been used.
  void BeginEpoch(std::uint64_t epoch, DictionarySource dictionary);
  // A change of the dictionary, to be called before the batch that needs it. `frame`: serialized AgentFrame.
  void AppendDictionary(absl::string_view frame);
  // Shape: `seq` rises within the epoch. From here on its samples are *produced* and always accounted for.
  void AppendBatch(std::uint64_t seq, std::uint32_t samples, absl::Time t0, absl::string_view frame);

  // ---- time
  // ----------------------------------------------------------------------------------------------------------

  // Looks after its files, syncs, tries a failing disk again, deletes an inherited spool that is due. Call once a
  // second.
  void Tick(absl::Time now);
  // Syncs all. What is in memory and cannot be written now counts as dropped.
  void Drain();

  // ---- the stream's side
  // ---------------------------------------------------------------------------------------------

  // Epochs in which batches wait, oldest first; the current one is the last, always there once begun.
  std::vector<SpoolEpoch> Epochs() const;
  std::uint64_t current_epoch() const;
  // Before the first batch not yet acknowledged.
  SpoolCursor Begin(std::uint64_t epoch) const;
  // The next record: the dictionary of a segment, then its batches that wait. False when there is none (now).
  bool Next(SpoolCursor* cursor, SpoolRecord* record);
  // Every batch of `epoch` up to `up_to` is durable at the collector. Numbers never appended are ignored.
  void Acknowledge(std::uint64_t epoch, std::uint64_t up_to);
  // The collector will never take this batch. False when it does not wait here.
  bool Refused(std::uint64_t epoch, std::uint64_t seq);
  // Drops what waits in `epoch`: its numbers were used before (a machine set back to a snapshot).
  void Abandon(std::uint64_t epoch);

  SpoolStats Stats() const;

 private:
  struct Segment;
  class MemoryFile;
  using Segments = std::map<std::uint64_t, Segment>;  // by number

  absl::Status MakeFolder() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Recover(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::uint64_t TakeOverSegment(const SegmentId& id, std::uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FindInherited(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void WriteRecord(const SpoolHeader& header, absl::string_view frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string CompleteDictionary() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Segment& StartSegment(std::uint64_t room, bool in_memory) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseActive() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MakeRoom(std::uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BoundMemory() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteOutMemory() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  SpoolFile* FileOf(Segment* segment) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Waits(const Segment& segment, std::uint64_t seq) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Finds what somebody deleted, moved or cut short; a stat(2) for each file.
  void CheckFiles() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool LostItsName(const Segment& segment, const absl::StatusOr<FileIdentity>& named) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Its file is gone, and with it all that waited there.
  void NoteGone(Segment* segment) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteCut(Segment* segment, std::uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteLoss(const Segment& segment, absl::string_view how, std::uint64_t bytes, std::uint64_t samples)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellLosses() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteBadPayload(Segment* segment, const SpoolScanner::Record& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Recount(Segment* segment) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Deletes complete segments in which nothing waits.
  void RemoveFinished() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes `state_` durable, then deletes; forgets the segment only if that worked.
  bool RemoveSegments(const std::vector<std::uint64_t>& numbers) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What the state holds of removed segments and their epochs. Only once their removal is durable: a segment that a
  // power cut brings back must find that it was settled.
  void ForgetRemoved() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SaveState(bool sync) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status BeginStateFile(absl::string_view first_record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SyncFiles();
  void DeleteInherited(absl::Time now);
  void DiskFailed(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DiskWorks() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::uint64_t WaitingInMemory() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  SpoolDirectory* const directory_;
  const SpoolOptions options_;
  std::function<void()> listener_;

  mutable Mutex mutex_;
  Segments segments_ ABSL_GUARDED_BY(mutex_);
  SpoolStateRecord state_ ABSL_GUARDED_BY(mutex_);  // totals.produced includes what is in memory
  bool state_unsaved_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint64_t saved_produced_ ABSL_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<SpoolFile> state_file_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t state_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t disk_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t current_epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t current_last_seq_ ABSL_GUARDED_BY(mutex_) = 0;
  DictionarySource dictionary_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t active_ ABSL_GUARDED_BY(mutex_) = 0;   // number of the segment appended to; 0: none
  std::uint64_t reading_ ABSL_GUARDED_BY(mutex_) = 0;  // number of the complete segment whose file is open
  std::vector<std::shared_ptr<SpoolFile>> closed_unsynced_ ABSL_GUARDED_BY(mutex_);
  bool directory_changed_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint64_t ignored_refusals_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string disk_error_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_life_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::map<std::string, std::pair<absl::Time, std::uint64_t>> inherited_ ABSL_GUARDED_BY(mutex_);  // due, bytes

  // Found damaged since the last line of the log about it.
  struct Losses {
    std::set<std::uint64_t> segments;
    std::string first;
    std::string how;  // of the first
    std::uint64_t bytes = 0;
    std::uint64_t samples = 0;
  };
  Losses losses_ ABSL_GUARDED_BY(mutex_);

  // Of Tick only, which is called from one thread.
  absl::Time next_sync_ = absl::InfinitePast();
  LogLimiter losses_log_{absl::Minutes(1)};
};

}  // namespace ppmm
