#include "collector/writer.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "collector/retention.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "common/status.h"

namespace ppmm {

Writer::Writer(State* state, Store* store, IngestQueue* queue, const Clock* clock, WriterOptions options)
    : state_(state), store_(store), queue_(queue), clock_(clock), options_(options), merger_(options.limits) {}

Writer::~Writer() {
  Stop();
}

absl::Status Writer::Load() {
  WriterLock lock(&state_->mutex());
  RETURN_IF_ERROR(state_->LoadFrom(*store_));
  store_time_ = StoreTime(agents_, absl::FromUnixMicros(state_->tables().store_time_us));
  state_->SetReadiness(absl::OkStatus());
  MutexLock status_lock(&mutex_);
  status_.store_time = store_time_.time();
  return absl::OkStatus();
}

absl::Status Writer::BeginAnew() {
  WriterLock lock(&state_->mutex());
  Tables& tables = state_->mutable_tables();
  RETURN_IF_ERROR(store_->Begin());
  RETURN_IF_ERROR(merger_.BeginAnew(tables, *store_, clock_->Now()));
  RETURN_IF_ERROR(merger_.Flush(tables, *store_));
  ++tables.commit;
  RETURN_IF_ERROR(store_->PutMeta("commit", absl::StrCat(tables.commit)));
  return store_->Commit();
}

void Writer::Start() {
  started_ = true;
  thread_ = std::thread([this] { Loop(); });
}

void Writer::Stop() {
  queue_->Stop();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Writer::Loop() {
  while (!queue_->stopped()) {
    const bool waiting = queue_->Wait(absl::Seconds(1));
    if (queue_->stopped()) {
      break;
    }
    if (waiting && healthy_) {
      std::this_thread::sleep_for(absl::ToChronoMilliseconds(options_.gather));
    }
    if (!CommitOnce().ok()) {
      std::this_thread::sleep_for(absl::ToChronoMilliseconds(options_.retry));
      continue;
    }
    Housekeep();
  }
  // What is queued was accepted; the agents would send it again, but a clean stop loses nothing by taking it.
  while (healthy_ && queue_->bytes() > 0 && CommitOnce().ok()) {
  }
}

void Writer::Submit(Change change, std::function<void(const absl::Status&)> done) {
  {
    MutexLock lock(&mutex_);
    submitted_.push_back({std::move(change), std::move(done)});
  }
  queue_->Wake();
}

absl::Status Writer::SubmitAndWait(Change change) {
  // Shared, because the writer's thread may still be inside set_value() when the answer is here.
  auto committed = std::make_shared<std::promise<absl::Status>>();
  std::future<absl::Status> result = committed->get_future();
  Submit(std::move(change), [committed](const absl::Status& status) { committed->set_value(status); });
  if (!started_) {
    RETURN_IF_ERROR(CommitOnce());
  }
  return result.get();
}

void Writer::AcceptClock() {
  MutexLock lock(&mutex_);
  accept_clock_ = true;
}

WriterStatus Writer::status() const {
  MutexLock lock(&mutex_);
  return status_;
}

void Writer::TakeTime() {
  bool accepted = false;
  {
    MutexLock lock(&mutex_);
    accepted = std::exchange(accept_clock_, false);
  }
  if (accepted) {
    store_time_.Accept();
  }
  const bool waited = store_time_.waiting();
  const absl::Time before = store_time_.time();
  const absl::Time time = store_time_.Advance(clock_->Now(), clock_->SinceBoot());
  if (store_time_.waiting() != waited && before != absl::UnixEpoch() && (!waited || wait_told_)) {
    LogWarning("writer", waited ? "store time goes on" : "store time waits",
               store_time_.reason().empty() ? "" : absl::StrCat(": ", store_time_.reason()));
    wait_told_ = !waited;
  }
  if (store_time_.fell()) {
    LogWarning("writer", "store time was ahead of the right time: set back from ", absl::FormatTime(before), " to ",
               absl::FormatTime(time), "; days that were closed for it are open again");
    Submit([time](Tables& tables, Store& store) { return OpenDaysAgain(time, tables, store); },
           [](const absl::Status&) {});  // after a failure the file says the same again
  }
  MutexLock lock(&mutex_);
  status_.store_time = time;
  status_.store_time_waits = store_time_.waiting();
  status_.store_time_reason = store_time_.reason();
  status_.store_time_set_back += store_time_.fell() ? 1 : 0;
}

absl::Status Writer::CommitOnce() {
  if (!healthy_) {
    const absl::Status recovered = Recover();
    if (!recovered.ok()) {
      return recovered;
    }
  }
  TakeTime();
  std::vector<QueuedEvent> live = queue_->TakeLive();
  std::vector<Submitted> changes;
  {
    MutexLock lock(&mutex_);
    changes.swap(submitted_);
  }
  if (live.empty() && changes.empty() && queue_->bytes() == 0) {
    return absl::OkStatus();
  }
  const absl::Duration begin = clock_->SinceBoot();
  absl::Status status;
  std::uint64_t deployments_refused = 0;
  {
    WriterLock lock(&state_->mutex());
    status = Transaction(std::move(live), changes);
    deployments_refused = state_->tables().deployments_refused;
    if (!status.ok()) {
      state_->SetReadiness(Annotate(status, "cannot commit"));
      store_->Rollback();
      merger_.Reset();
      const absl::Status built = state_->LoadFrom(*store_);
      built_ = built.ok();
      if (!built_) {
        LogError("writer", "the state cannot be built anew: ", built.ToString());
      }
    }
  }
  if (!status.ok()) {
    healthy_ = false;
    const absl::Status why = absl::UnavailableError(absl::StrCat("the collector cannot commit: ", status.message()));
    queue_->SetOpen(false, why);
    queue_->CutAll(why);
    if (const std::int64_t n = failures_.Allow(clock_->Now()); n > 0) {
      LogError("writer", "commit failed (", n, " since the last line): ", status.ToString());
    }
    MutexLock lock(&mutex_);
    ++status_.failed_commits;
  } else {
    Failpoint("before_acknowledgement");
    Answer(merger_.TakeReplies());
    const absl::Duration took = clock_->SinceBoot() - begin;
    MutexLock lock(&mutex_);
    ++status_.commits;
    status_.commit_time += took;
    status_.longest_commit = std::max(status_.longest_commit, took);
    status_.last_commit = clock_->Now();
    status_.merged = merger_.counters();
    status_.entries_refused = merger_.entries_refused();
    status_.deployments_refused = deployments_refused;
  }
  for (const Submitted& change : changes) {
    change.done(status);
  }
  return status;
}

absl::Status Writer::Transaction(std::vector<QueuedEvent> live, const std::vector<Submitted>& changes) {
  Tables& tables = state_->mutable_tables();
  tables.store_time_us = absl::ToUnixMicros(store_time_.time());
  RETURN_IF_ERROR(guard_());
  RETURN_IF_ERROR(store_->Begin());
  for (QueuedEvent& event : live) {
    RETURN_IF_ERROR(merger_.Apply(tables, *store_, std::move(event)));
  }
  const absl::Duration late_until = clock_->SinceBoot() + options_.late_time;
  do {
    std::optional<QueuedEvent> event = queue_->TakeLate();
    if (!event.has_value()) {
      break;
    }
    RETURN_IF_ERROR(merger_.Apply(tables, *store_, *std::move(event)));
  } while (clock_->SinceBoot() < late_until);
  for (const Submitted& change : changes) {
    RETURN_IF_ERROR(change.change(tables, *store_));
  }
  RETURN_IF_ERROR(merger_.Flush(tables, *store_));
  RETURN_IF_ERROR(store_->PutMeta("store_time_us", absl::StrCat(tables.store_time_us)));
  ++tables.commit;
  RETURN_IF_ERROR(store_->PutMeta("commit", absl::StrCat(tables.commit)));
  Failpoint("before_commit");
  return store_->Commit();
}

absl::Status Writer::CommitAgain() {
  RETURN_IF_ERROR(guard_());
  // A small commit proves nothing: it finds its room in the last block of the log, and the next real one fails.
  RETURN_IF_ERROR(store_->MakeRoom());
  WriterLock lock(&state_->mutex());
  Tables& tables = state_->mutable_tables();
  const auto commit = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_->mutex()) -> absl::Status {
    RETURN_IF_ERROR(built_ ? absl::OkStatus() : state_->LoadFrom(*store_));
    built_ = true;
    RETURN_IF_ERROR(store_->Begin());
    ++tables.commit;
    // A row that is really written: an empty transaction commits on a full disk too.
    RETURN_IF_ERROR(store_->PutMeta("commit", absl::StrCat(tables.commit)));
    return store_->Commit();
  };
  const absl::Status status = commit();
  if (!status.ok()) {
    store_->Rollback();
    built_ = state_->LoadFrom(*store_).ok();  // what it fails for is told by the status, or the same next time
  }
  return status;
}

absl::Status Writer::Recover() {
  const absl::Status status = CommitAgain();
  if (!status.ok()) {
    state_->SetReadiness(Annotate(status, "cannot commit"));
    if (const std::int64_t n = failures_.Allow(clock_->Now()); n > 0) {
      LogError("writer", "still cannot commit (", n, " since the last line): ", status.ToString());
    }
    MutexLock lock(&mutex_);
    ++status_.failed_commits;
    return status;
  }
  healthy_ = true;
  state_->SetReadiness(absl::OkStatus());
  queue_->SetOpen(true, absl::OkStatus());
  LogInfo("writer", "commits again");
  return absl::OkStatus();
}

void Writer::Answer(std::map<StreamId, StreamReply> replies) {
  for (auto& [id, reply] : replies) {
    if (reply.sink == nullptr) {
      continue;
    }
    if (reply.welcomed) {
      reply.sink->Welcome(reply.welcome);
    }
    if (!reply.ack.durable.empty() || !reply.ack.refused.empty() || reply.ack.instruction != StreamInstruction::kNone) {
      reply.sink->Acknowledge(reply.ack);
    }
    if (!reply.cut.ok()) {
      queue_->Cut(id, reply.cut);
    }
  }
}

void Writer::Housekeep() {
  if (!healthy_ || store_time_.waiting()) {
    return;
  }
  const absl::Time until = std::min(store_time_.time(), clock_->Now());
  for (const Housekeeping& work : housekeeping_) {
    const absl::Status status = work(until);
    if (!status.ok()) {
      store_->Rollback();
      if (const std::int64_t n = failures_.Allow(clock_->Now()); n > 0) {
        LogError("writer", "housekeeping: ", status.ToString());
      }
    }
  }
}

}  // namespace ppmm
