// A store whose writes and commits fail when a test says so; everything else goes to the real one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "collector/store/store.h"

namespace ppmm {

struct StoreFault {
  absl::Status commit;   // not OK: what Commit() returns
  int write_number = 0;  // the n-th write from now on fails with `write`; 0: none
  absl::Status write;
  absl::Status room = {};  // not OK: what MakeRoom() returns
};

// One thread only. `fault` must outlive it.
class FaultyStore : public Store {
 public:
  FaultyStore(std::unique_ptr<Store> store, StoreFault* fault) : store_(std::move(store)), fault_(fault) {}

  absl::StatusOr<std::optional<std::string>> GetMeta(absl::string_view key) override { return store_->GetMeta(key); }
  absl::StatusOr<std::optional<std::string>> GetMinute(std::int64_t minute, HostKey host) override {
    return store_->GetMinute(minute, host);
  }
  absl::Status ScanMinutes(std::int64_t from, std::int64_t to, HostKey host, const MinuteVisitor& visit) override {
    return store_->ScanMinutes(from, to, host, visit);
  }
  absl::StatusOr<std::optional<std::string>> GetDayBits(std::int64_t day, HostKey host) override {
    return store_->GetDayBits(day, host);
  }
  absl::StatusOr<std::vector<DayBitsRow>> DayBitsOf(std::int64_t day) override { return store_->DayBitsOf(day); }
  absl::StatusOr<std::vector<ApplicationMinuteRow>> ApplicationMinutes(ApplicationId application, std::int64_t from,
                                                                       std::int64_t to) override {
    return store_->ApplicationMinutes(application, from, to);
  }
  absl::StatusOr<std::vector<PeerDayRow>> PeersOf(std::int64_t day) override { return store_->PeersOf(day); }
  absl::StatusOr<std::vector<InstanceDayRow>> InstancesOf(std::int64_t day) override {
    return store_->InstancesOf(day);
  }
  absl::StatusOr<std::vector<ReleaseRow>> ReleasesOf(std::int64_t day) override { return store_->ReleasesOf(day); }
  absl::StatusOr<std::vector<DeploymentRow>> Deployments(std::int64_t from_us, std::int64_t to_us) override {
    return store_->Deployments(from_us, to_us);
  }
  absl::StatusOr<std::int64_t> CountDeployments(std::int64_t from_us, std::int64_t to_us) override {
    return store_->CountDeployments(from_us, to_us);
  }
  absl::StatusOr<std::vector<ReleaseVerdictRow>> ReleaseVerdicts(std::int64_t from_us, std::int64_t to_us) override {
    return store_->ReleaseVerdicts(from_us, to_us);
  }
  absl::StatusOr<bool> AddNew(const DeploymentRow& row) override {
    return Fails() ? absl::StatusOr<bool>(fault_->write) : store_->AddNew(row);
  }
  absl::StatusOr<bool> AddNew(const ReleaseVerdictRow& row) override {
    return Fails() ? absl::StatusOr<bool>(fault_->write) : store_->AddNew(row);
  }
  absl::StatusOr<std::vector<SampleDayRow>> SamplesOf(std::int64_t day) override { return store_->SamplesOf(day); }
  absl::StatusOr<std::vector<WatchdogRow>> WatchdogOf(std::int64_t day) override { return store_->WatchdogOf(day); }
  absl::StatusOr<std::vector<BlockRow>> Blocks(EntityId entity, std::int32_t step_seconds, std::int64_t from_day,
                                               std::int64_t to_day) override {
    return store_->Blocks(entity, step_seconds, from_day, to_day);
  }
  absl::StatusOr<std::vector<BlockRow>> BlocksOfHost(HostKey host, std::int32_t step_seconds,
                                                     std::int64_t day) override {
    return store_->BlocksOfHost(host, step_seconds, day);
  }
  absl::StatusOr<std::optional<DayFacts>> GetFactDay(Day day, ScopeId scope) override {
    return store_->GetFactDay(day, scope);
  }
  absl::Status ScanFactDays(Day from, Day to, const FactVisitor& visit) override {
    return store_->ScanFactDays(from, to, visit);
  }
  absl::StatusOr<std::vector<ForecastRow>> Forecasts(std::int64_t from_day, std::int64_t to_day) override {
    return store_->Forecasts(from_day, to_day);
  }
  absl::StatusOr<std::vector<RatingDayRow>> RatingDays(std::int64_t from_day, std::int64_t to_day) override {
    return store_->RatingDays(from_day, to_day);
  }
  absl::StatusOr<std::vector<Tier1Row>> Tier1() override { return store_->Tier1(); }
  absl::StatusOr<std::unique_ptr<StoreReader>> OpenReader() override { return store_->OpenReader(); }
  absl::StatusOr<StoreContents> LoadContents() override { return store_->LoadContents(); }
  absl::Status Begin() override { return store_->Begin(); }
  absl::Status Commit() override { return fault_->commit.ok() ? store_->Commit() : fault_->commit; }
  void Rollback() override { store_->Rollback(); }
  absl::Status MakeRoom() override { return fault_->room.ok() ? store_->MakeRoom() : fault_->room; }
  absl::Status PutMeta(absl::string_view key, absl::string_view value) override {
    return Fails() ? fault_->write : store_->PutMeta(key, value);
  }
  absl::Status Put(const HostRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status Put(const AgentDayRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status Put(const WatchdogRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status Put(const HostAliasRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status Put(const AgentRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status Put(const CursorRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status Put(const EntityRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status Put(const SeriesRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status Put(const ApplicationRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status Put(const ApplicationAliasRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status Put(const InstanceRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status PutInstanceLives(EntityId entity, absl::Span<const InstanceLifeRow> rows) override {
    return Fails() ? fault_->write : store_->PutInstanceLives(entity, rows);
  }
  absl::Status Put(const ReleaseRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status Put(const ListenerRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status Add(const PeerDayRow& row) override { return Fails() ? fault_->write : store_->Add(row); }
  absl::Status Put(const HostLifeRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status Put(const SourceStateRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status PutMinute(std::int64_t minute, HostKey host, absl::string_view blob) override {
    return Fails() ? fault_->write : store_->PutMinute(minute, host, blob);
  }
  absl::Status Add(const ApplicationMinuteRow& row) override { return Fails() ? fault_->write : store_->Add(row); }
  absl::Status Put(const TotalRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status Put(const DayBitsRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status Put(const BlockRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status PutFactDay(Day day, ScopeId scope, const DayFacts& facts) override {
    return Fails() ? fault_->write : store_->PutFactDay(day, scope, facts);
  }
  absl::Status Put(const ForecastRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status Put(const RatingDayRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status Put(const Tier1Row& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status DeleteCursor(std::uint64_t epoch, absl::string_view agent_id) override {
    return Fails() ? fault_->write : store_->DeleteCursor(epoch, agent_id);
  }
  absl::Status Put(const DormantSeriesRow& row) override { return Fails() ? fault_->write : store_->Put(row); }
  absl::Status PutDormantEntity(EntityId entity) override {
    return Fails() ? fault_->write : store_->PutDormantEntity(entity);
  }
  absl::Status PutDormantApplication(ApplicationId application) override {
    return Fails() ? fault_->write : store_->PutDormantApplication(application);
  }
  absl::Status DeleteDormantSeries(SeriesId series) override {
    return Fails() ? fault_->write : store_->DeleteDormantSeries(series);
  }
  absl::Status DeleteDormantEntity(EntityId entity) override {
    return Fails() ? fault_->write : store_->DeleteDormantEntity(entity);
  }
  absl::Status DeleteDormantApplication(ApplicationId application) override {
    return Fails() ? fault_->write : store_->DeleteDormantApplication(application);
  }
  absl::Status ClearDormantTotals() override { return Fails() ? fault_->write : store_->ClearDormantTotals(); }
  absl::StatusOr<EntityId> FindEntity(HostKey host, EntityKind kind, absl::string_view key) override {
    return store_->FindEntity(host, kind, key);
  }
  absl::StatusOr<SeriesId> FindSeries(EntityId entity, absl::string_view metric, absl::string_view labels) override {
    return store_->FindSeries(entity, metric, labels);
  }
  absl::StatusOr<ApplicationId> FindApplication(absl::string_view key) override { return store_->FindApplication(key); }
  absl::StatusOr<ApplicationId> FindApplicationByLabel(absl::string_view label) override {
    return store_->FindApplicationByLabel(label);
  }
  absl::StatusOr<std::optional<SeriesRow>> GetSeries(SeriesId series) override { return store_->GetSeries(series); }
  absl::StatusOr<std::optional<EntityContents>> GetEntity(EntityId entity) override {
    return store_->GetEntity(entity);
  }
  absl::StatusOr<std::optional<ApplicationContents>> GetApplication(ApplicationId application) override {
    return store_->GetApplication(application);
  }
  absl::StatusOr<std::optional<DormantSeriesRow>> GetDormantSeries(SeriesId series) override {
    return store_->GetDormantSeries(series);
  }
  absl::StatusOr<int> DeleteMinutesBefore(std::int64_t minute,
                                          absl::Span<const std::pair<std::int64_t, HostKey>> except,
                                          int limit) override {
    return store_->DeleteMinutesBefore(minute, except, limit);
  }
  absl::StatusOr<int> DeleteApplicationMinutesBefore(std::int64_t minute, int limit) override {
    return store_->DeleteApplicationMinutesBefore(minute, limit);
  }
  absl::StatusOr<int> DeleteDayRowsBefore(std::int64_t day, int limit) override {
    return store_->DeleteDayRowsBefore(day, limit);
  }
  absl::StatusOr<int> DeleteForecastsBefore(std::int64_t day, int limit) override {
    return store_->DeleteForecastsBefore(day, limit);
  }
  absl::StatusOr<int> DeleteFactDaysBefore(std::int64_t day, int limit) override {
    return store_->DeleteFactDaysBefore(day, limit);
  }
  absl::StatusOr<int> DeleteConclusionsFrom(std::int64_t day) override {
    return Fails() ? absl::StatusOr<int>(fault_->write) : store_->DeleteConclusionsFrom(day);
  }
  absl::StatusOr<int> DeleteBlocksKeptUntil(std::int64_t day, int limit) override {
    return store_->DeleteBlocksKeptUntil(day, limit);
  }

 private:
  bool Fails() { return fault_->write_number > 0 && --fault_->write_number == 0; }

  std::unique_ptr<Store> store_;
  StoreFault* fault_;
};

}  // namespace ppmm
