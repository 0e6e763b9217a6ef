// The collector between ingest and readers, on a real file in a temporary folder, with a clock that stands.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"

#include "collector/clock_offsets.h"
#include "collector/ingest_queue.h"
#include "collector/state.h"
#include "collector/store/sqlite_store.h"
#include "collector/writer.h"
#include "tests/testing/batch_builder.h"
#include "tests/testing/manual_clock.h"

namespace ppmm {

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ppmm-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string File(const std::string& name) const { return (std::filesystem::path(path_) / name).string(); }

 private:
  std::string path_;
};

// 2026-01-01 00:00:00 UTC.
inline constexpr std::int64_t kRigStart = 1767225600;

class CollectorRig {
 public:
  // `wrap` may put a faulty store before the real one.
  using Wrap = std::function<std::unique_ptr<Store>(std::unique_ptr<Store>)>;
  explicit CollectorRig(Wrap wrap = nullptr, WriterOptions options = {})
      : wrap_(std::move(wrap)), options_(options), clock_(absl::FromUnixSeconds(kRigStart)) {
    Start();
    writer_->AcceptClock();  // no stream of a test vouches for it
  }

  // Everything in memory goes; the file stays.
  void Restart() {
    Stop();
    Start();
  }
  void Stop() {
    writer_.reset();
    queue_.reset();
    state_.reset();
    store_.reset();
  }
  // After Stop().
  void Start() {
    absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(dir_.File("ppmm.db"));
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = wrap_ ? wrap_(*std::move(store)) : *std::move(store);
    state_ = std::make_unique<State>();
    queue_ = std::make_unique<IngestQueue>();
    writer_ = std::make_unique<Writer>(state_.get(), store_.get(), queue_.get(), &clock_, options_);
    writer_->SetClocks(&agents_);
    const absl::Status loaded = writer_->Load();
    ASSERT_TRUE(loaded.ok()) << loaded;
  }
  // Keeps a copy of the file, or sets the file back to the copy.
  void Backup() { CopyWhileStopped("ppmm.db", "backup.db"); }
  void Restore() { CopyWhileStopped("backup.db", "ppmm.db"); }

  State& state() { return *state_; }
  Store& store() { return *store_; }
  IngestQueue& queue() { return *queue_; }
  Writer& writer() { return *writer_; }
  ManualClock& clock() { return clock_; }
  ClockOffsets& agents() { return agents_; }
  const TempDir& dir() const { return dir_; }

  // Opens a stream and sends the dictionary.
  std::pair<StreamId, std::shared_ptr<RecordingSink>> Connect(const BatchBuilder& agent) {
    auto sink = std::make_shared<RecordingSink>();
    const absl::StatusOr<StreamId> stream = queue_->Open(sink, agent.Hello(clock_.Now()));
    EXPECT_TRUE(stream.ok()) << stream.status();
    Push(*stream, agent.Dictionary(clock_.Now()));
    return {*stream, sink};
  }
  void Push(StreamId stream, StreamEvent event) {
    const absl::StatusOr<bool> pushed = queue_->Push(stream, std::move(event));
    EXPECT_TRUE(pushed.ok()) << pushed.status();
  }
  void Commit() {
    const absl::Status status = writer_->CommitOnce();
    ASSERT_TRUE(status.ok()) << status;
  }
  std::string Dump() {
    ReaderLock lock(&state_->mutex());
    return state_->Dump();
  }
  // The committed row; empty where there is none.
  MinuteRow Row(std::int64_t minute, HostKey host = 1) {
    const auto blob = store_->GetMinute(minute, host);
    EXPECT_TRUE(blob.ok()) << blob.status();
    if (!blob.ok() || !blob->has_value()) {
      return MinuteRow();
    }
    const absl::StatusOr<MinuteRow> row = MinuteRow::Decode(**blob);
    EXPECT_TRUE(row.ok()) << row.status();
    return *row;
  }

 private:
  void CopyWhileStopped(const std::string& from, const std::string& to) {
    Stop();
    std::filesystem::copy_file(dir_.File(from), dir_.File(to), std::filesystem::copy_options::overwrite_existing);
    Start();
  }

  TempDir dir_;
  Wrap wrap_;
  WriterOptions options_;
  ManualClock clock_;
  ClockOffsets agents_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<State> state_;
  std::unique_ptr<IngestQueue> queue_;
  std::unique_ptr<Writer> writer_;
};

}  // namespace ppmm
