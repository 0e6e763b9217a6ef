// Merges what streams delivered into the tables and writes what changed into the open transaction. Part of the writer:
// one thread, under the state's exclusive lock.
//
// A batch is merged if and only if its number is above its epoch's cursor, and the cursor moves in the same
// transaction; so each batch counts exactly once, whatever is sent again.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"

#include "collector/duplicates.h"
#include "collector/facts/bits.h"
#include "collector/ingest_queue.h"
#include "collector/registry.h"
#include "collector/reopened.h"
#include "collector/state.h"

namespace ppmm {

namespace wire {
class Deployment;
}  // namespace wire

// What a stream is told once the commit is durable.
struct StreamReply {
  std::shared_ptr<StreamSink> sink;
  bool welcomed = false;
  StreamWelcome welcome;
  StreamAck ack;     // said if it has durable or refused numbers or an instruction
  absl::Status cut;  // not OK: the stream is cut after that
};

// Counters of the writer; grow only.
struct MergeCounters {
  std::uint64_t batches = 0;           // merged
  std::uint64_t batches_repeated = 0;  // at or below the cursor
  std::uint64_t batches_refused = 0;   // the store holds as many series or applications as it may (REFUSAL_LIMIT)
  std::uint64_t samples_refused = 0;   // in these
  std::uint64_t samples = 0;           // merged
  std::uint64_t samples_late = 0;      // of these, received more than 5 minutes after their time
};

class Merger {
 public:
  explicit Merger(StoreLimits limits = {}) : registry_(limits) {}

  // Forgets all streams and all that is not written: after a commit that failed.
  void Reset();

  // Merges one event. What it says to the stream waits in TakeReplies().
  // Errors: those of the store; then only Reset() and State::LoadFrom() are of use.
  absl::Status Apply(Tables& tables, Store& store, QueuedEvent event);

  // An operator says that the store was set back (restore.h). Errors: those of the store.
  absl::Status BeginAnew(Tables& tables, Store& store, absl::Time now);

  // Writes the rows that changed, in order of their keys.
  absl::Status Flush(Tables& tables, Store& store);

  // To be called after COMMIT.
  std::map<StreamId, StreamReply> TakeReplies();

  const MergeCounters& counters() const { return counters_; }
  std::uint64_t entries_refused() const { return registry_.refused(); }

 private:
  struct Stream {
    std::shared_ptr<StreamSink> sink;
    std::string agent_id;
    HostKey host = 0;
    std::map<std::uint64_t, EpochIds> epochs;
    std::map<std::string, SourceStateRow> sources;  // as its agent says of them
  };
  struct ChangedRow {
    MinuteRow row;
    bool closed_now = false;
  };
  using MinuteHost = std::pair<std::int64_t, HostKey>;

  absl::Status TakeHello(Tables& tables, Store& store, StreamId id, const std::shared_ptr<StreamSink>& sink,
                         const StreamHello& hello);
  absl::Status TakeBatch(Tables& tables, Store& store, StreamId id, Stream& stream, const DecodedBatch& batch);
  absl::Status BeginDay(Tables& tables, Store& store, const Stream& stream, absl::Time received);
  absl::Status MergeBatch(Tables& tables, Store& store, Stream& stream, AgentState& agent, const EpochIds& ids,
                          const DecodedBatch& batch);
  // Merges the steps of one minute into its row.
  absl::Status MergeMinute(Tables& tables, Store& store, HostState& host, const EpochIds& ids,
                           const DecodedBatch& batch, std::int64_t minute);
  // Whether each series of the batch is in the tables now; wakes those that are dormant.
  absl::StatusOr<bool> HasSeriesOf(Tables& tables, Store& store, const EpochIds& ids, const DecodedBatch& batch);
  absl::Status TakeEvents(Tables& tables, Store& store, HostState& host, const EpochIds& ids,
                          const DecodedBatch& batch);
  // What it may not be is counted.
  absl::Status TakeDeployment(Tables& tables, Store& store, const HostState& host, EntityId id,
                              const wire::Deployment& deployment, const DecodedBatch& batch);
  // Closes the open minute and opens this one, earlier or later.
  absl::Status OpenMinute(const Tables& tables, Store& store, HostState& host, std::int64_t minute);
  // The row of a minute that is not open, from the file or new.
  absl::StatusOr<ChangedRow*> RowOf(const Tables& tables, Store& store, HostKey host, std::int64_t minute);
  absl::Status MarkTwice(const Tables& tables, Store& store, HostState& host, std::int64_t from_minute,
                         std::int64_t to_minute);
  void NoteSample(Tables& tables, EntityId entity, std::int64_t minute);
  absl::Status NoteDelivery(Tables& tables, Store& store, HostKey host, const std::string& agent_id,
                            std::int64_t minute);
  void TotalsChanged(const Tables& tables);
  void CutStream(StreamId id, const absl::Status& why);
  void EndStream(std::map<StreamId, Stream>::iterator stream);
  // The sources of each host that was said something of: the worst that its connected agents say. What an agent said
  // goes with its stream; without any other stream it is the last that is known.
  absl::Status SettleSources(Tables& tables, Store& store);
  StreamReply& ReplyTo(StreamId id);
  absl::Status FlushRows(Tables& tables, Store& store);

  Registry registry_;
  std::map<StreamId, Stream> streams_;
  absl::flat_hash_map<std::string, StreamId> stream_of_agent_;
  DuplicateFinder duplicates_;
  ReopenedMinutes reopened_;

  // Of the transaction.
  std::map<StreamId, StreamReply> replies_;
  std::set<HostKey> hosts_;
  std::set<HostKey> sources_said_;  // of these hosts; or a stream of theirs ended
  std::set<std::string> agents_;
  std::set<std::uint64_t> cursors_;
  std::set<ApplicationId> totals_;
  std::set<EntityId> lives_;
  std::map<MinuteHost, ChangedRow> rows_;
  std::map<std::pair<std::int64_t, ApplicationId>, ApplicationMinuteRow> application_minutes_;

  MergeCounters counters_;
};

}  // namespace ppmm
