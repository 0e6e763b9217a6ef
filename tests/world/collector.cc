#include "tests/world/collector.h"

#include <utility>

#include "collector/store/sqlite_store.h"
#include "common/status.h"

namespace ppmm {

absl::StatusOr<std::unique_ptr<WorldCollector>> WorldCollector::Open(const std::string& path, const ManualClock* clock,
                                                                     std::int64_t retention_days, bool forgets) {
  std::unique_ptr<WorldCollector> collector(new WorldCollector());
  WorldCollector* const it = collector.get();
  ASSIGN_OR_RETURN(it->store_, OpenSqliteStore(path));
  it->writer_ = std::make_unique<Writer>(&it->state_, it->store_.get(), &it->queue_, clock);
  it->writer_->SetClocks(&it->counters_.clocks);
  RETURN_IF_ERROR(it->writer_->Load());
  it->retention_ = std::make_unique<Retention>(&it->state_, it->store_.get(), it->writer_.get());
  it->writer_->AddHousekeeping([it](absl::Time store_time) { return it->retention_->Slice(store_time); });
  it->judge_ = std::make_unique<ReleaseJudge>(it->store_.get());
  it->writer_->AddHousekeeping([it](absl::Time store_time) { return it->judge_->Slice(store_time); });
  it->forgetter_ = std::make_unique<Forgetter>(&it->state_, it->writer_.get());
  if (forgets) {
    it->writer_->AddHousekeeping([it](absl::Time store_time) { return it->forgetter_->Slice(store_time); });
  }
  RatingEngineOptions options;
  options.organization = {.name = "Example Ltd", .retention_days = retention_days, .networks = {}};
  it->engine_ =
      std::make_unique<RatingEngine>(&it->state_, it->store_.get(), it->writer_.get(), clock, std::move(options));
  RETURN_IF_ERROR(it->engine_->Load());
  return collector;
}

absl::Status WorldCollector::Commit() {
  RETURN_IF_ERROR(writer_->CommitOnce());
  writer_->Housekeep();
  return absl::OkStatus();
}

}  // namespace ppmm
