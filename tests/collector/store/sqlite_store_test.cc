#include "collector/store/sqlite_store.h"

#include <sqlite3.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "collector/facts/bits.h"
#include "collector/store/schema.h"
#include "collector/store/sqlite_connection.h"
#include "tests/testing/collector_rig.h"

namespace ppmm {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class SqliteStoreTest : public testing::Test {
 protected:
  SqliteStoreTest() { Open(); }
  void Open() {
    store_.reset();
    absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  std::string path() const { return dir_.File("ppmm.db"); }
  template <class Write>
  void Commit(const Write& write) {
    ASSERT_TRUE(store_->Begin().ok());
    const absl::Status status = write(*store_);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_TRUE(store_->Commit().ok());
  }

  TempDir dir_;
  std::unique_ptr<Store> store_;
};

TEST_F(SqliteStoreTest, GivesBackEveryColumnOfWhatAStartReads) {
  const std::string id(16, '\x01');
  const HostRow host{1,      id, "web", "web.example",         "default", 5, 29453760, 7, true,
                     "boot", 8,  "0.1", std::string("a\0b", 3)};
  const AgentRow agent{id, 1, "0.1", ~0ULL, "12345678", 1, 2, true, 3, 4, 5, 6, 7, 8, 9, -10, 11};
  const CursorRow cursor{~0ULL - 1, id, 9, 10, 11, true};
  const InstanceRow instance{2, 1, 1, "slot", "nginx", "1.2", "abc"};
  Commit([&](Store& store) -> absl::Status {
    store.Put(host).IgnoreError();
    store.Put(HostAliasRow{"spiffe://x", 1}).IgnoreError();
    store.Put(agent).IgnoreError();
    store.Put(cursor).IgnoreError();
    store.Put(WatchdogRow{7, 8}).IgnoreError();
    store.Put(WatchdogRow{10, 11}).IgnoreError();
    store.Put(EntityRow{2, 1, EntityKind::kInstance, "default/nginx\x1fslot", 1, 2, "attributes"}).IgnoreError();
    store.Put(SeriesRow{3, 2, "ppmm_instance_threads", "x\x1f"}).IgnoreError();
    store.Put(ApplicationRow{1, "default/nginx", "default", "nginx", 4}).IgnoreError();
    store.Put(ApplicationAliasRow{1, "shop", 5}).IgnoreError();
    store.Put(instance).IgnoreError();
    store.PutInstanceLives(2, {{2, 10, 20}, {2, 30, 0}}).IgnoreError();
    store.Put(ReleaseRow{2, 6, 1, "1.2", "abc", "1.1", "abb"}).IgnoreError();
    store.Put(ListenerRow{2, "::", 80, "tcp", 7, 0}).IgnoreError();
    store.Put(HostLifeRow{1, 8, 9, "journal"}).IgnoreError();
    store.Put(SourceStateRow{1, "diskstats", 2, "no such file", 10}).IgnoreError();
    store.PutMinute(29453760, 1, "row").IgnoreError();
    return store.Put(TotalRow{1, "totals"});
  });
  Open();
  const absl::StatusOr<StoreContents> all = store_->LoadContents();
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->hosts.size(), 1u);
  EXPECT_EQ(all->hosts[0].host_id, host.host_id);
  EXPECT_EQ(all->hosts[0].attributes, host.attributes);
  EXPECT_EQ(all->hosts[0].boot_id, "boot");
  EXPECT_TRUE(all->hosts[0].duplicate);
  ASSERT_EQ(all->agents.size(), 1u);
  EXPECT_EQ(all->agents[0].current_epoch, ~0ULL);
  EXPECT_EQ(all->agents[0].past_epochs, "12345678");
  EXPECT_TRUE(all->agents[0].duplicate);
  EXPECT_EQ(all->agents[0].late, 7u);
  EXPECT_EQ(all->agents[0].told_dropped, 8);
  EXPECT_EQ(all->agents[0].told_refused, 9);
  EXPECT_EQ(all->agents[0].losses_unseen, -10);
  EXPECT_EQ(all->agents[0].counted_day, 11);
  EXPECT_TRUE(all->cursors.at(0).moved);
  EXPECT_EQ(all->watchdog.from_minute, 10);
  EXPECT_EQ(all->watchdog.to_minute, 11);
  ASSERT_EQ(all->cursors.size(), 1u);
  EXPECT_EQ(all->cursors[0].epoch, ~0ULL - 1);
  EXPECT_EQ(all->cursors[0].produced, 11u);
  ASSERT_EQ(all->entities.size(), 1u);
  EXPECT_EQ(all->entities[0].key, "default/nginx\x1fslot");
  ASSERT_EQ(all->series.size(), 1u);
  EXPECT_EQ(all->series[0].labels, "x\x1f");
  EXPECT_EQ(all->host_aliases.at(0).alias, "spiffe://x");
  EXPECT_EQ(all->applications.at(0).key, "default/nginx");
  EXPECT_EQ(all->application_aliases.at(0).display_name, "shop");
  EXPECT_EQ(all->instances.at(0).code_digest, "abc");
  ASSERT_EQ(all->instance_lives.size(), 2u);
  EXPECT_EQ(all->instance_lives[0].to_minute, 20);
  ASSERT_EQ(store_->ReleasesOf(0)->size(), 1u);
  EXPECT_EQ(store_->ReleasesOf(0)->at(0).previous_version, "1.1");
  EXPECT_TRUE(store_->ReleasesOf(1)->empty());
  EXPECT_EQ(all->listeners.at(0).port, 80u);
  EXPECT_EQ(all->host_lives.at(0).why, "journal");
  EXPECT_EQ(all->sources.at(0).reason, "no such file");
  EXPECT_EQ(all->open_minutes.at(0).blob, "row");
  EXPECT_EQ(all->totals.at(0).blob, "totals");
}

TEST_F(SqliteStoreTest, WhatIsDormantIsNotReadAtAStartAndIsFoundByItsKeys) {
  const std::string sketch("a\0b", 3);
  Commit([&](Store& store) -> absl::Status {
    store.Put(EntityRow{1, 1, EntityKind::kHost, "", 1, 2, "host"}).IgnoreError();
    store.Put(EntityRow{2, 1, EntityKind::kInstance, "default/nginx\x1fslot", 1, 2, "attributes"}).IgnoreError();
    store.Put(SeriesRow{3, 2, "ppmm_instance_threads", "x\x1f"}).IgnoreError();
    store.Put(SeriesRow{4, 1, "ppmm_host_load1", ""}).IgnoreError();
    store.Put(ApplicationRow{5, "default/nginx", "default", "nginx", 4}).IgnoreError();
    store.Put(ApplicationAliasRow{5, "old", 5}).IgnoreError();
    store.Put(ApplicationAliasRow{5, "shop", 6}).IgnoreError();
    store.Put(InstanceRow{2, 5, 1, "slot", "nginx", "1.2", "abc"}).IgnoreError();
    store.PutInstanceLives(2, {{2, 10, 20}, {2, 1500, 1600}}).IgnoreError();
    store.Put(ListenerRow{2, "::", 80, "tcp", 7, 0}).IgnoreError();
    store.Put(TotalRow{5, "totals"}).IgnoreError();
    store.Put(DormantSeriesRow{3, -1, 2, 3, sketch}).IgnoreError();
    store.PutDormantEntity(2).IgnoreError();
    return store.PutDormantApplication(5);
  });
  Open();
  const absl::StatusOr<StoreContents> all = store_->LoadContents();
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->entities.size(), 1u);
  EXPECT_EQ(all->series.size(), 1u);
  EXPECT_TRUE(all->applications.empty() && all->instances.empty() && all->instance_lives.empty());
  EXPECT_TRUE(all->listeners.empty() && all->totals.empty());
  EXPECT_EQ(all->last_entity, 2u);
  EXPECT_EQ(all->last_series, 4u);
  EXPECT_EQ(all->last_application, 5u);

  EXPECT_EQ(store_->FindEntity(1, EntityKind::kInstance, "default/nginx\x1fslot").value(), 2u);
  EXPECT_EQ(store_->FindEntity(2, EntityKind::kInstance, "default/nginx\x1fslot").value(), 0u);
  EXPECT_EQ(store_->FindSeries(2, "ppmm_instance_threads", "x\x1f").value(), 3u);
  EXPECT_EQ(store_->FindSeries(2, "ppmm_instance_threads", "").value(), 0u);
  EXPECT_EQ(store_->FindApplication("default/nginx").value(), 5u);
  EXPECT_EQ(store_->FindApplication("nginx").value(), 0u);
  EXPECT_EQ(store_->FindApplicationByLabel("nginx").value(), 5u);
  EXPECT_EQ(store_->FindApplicationByLabel("default/nginx").value(), 0u);
  const EntityContents entity = store_->GetEntity(2).value().value();
  EXPECT_EQ(entity.row.attributes, "attributes");
  EXPECT_EQ(entity.instance.code_digest, "abc");
  EXPECT_EQ(entity.lives.at(1).to_minute, 1600);
  EXPECT_EQ(entity.listeners.at(0).port, 80u);
  EXPECT_EQ(store_->GetEntity(1).value()->instance.application, 0u);
  EXPECT_FALSE(store_->GetEntity(9).value().has_value());
  const ApplicationContents application = store_->GetApplication(5).value().value();
  EXPECT_EQ(application.row.key, "default/nginx");
  EXPECT_EQ(application.display_name, "shop");
  EXPECT_EQ(application.totals, "totals");
  EXPECT_FALSE(store_->GetApplication(9).value().has_value());
  EXPECT_EQ(store_->GetSeries(3).value()->labels, "x\x1f");
  EXPECT_FALSE(store_->GetSeries(9).value().has_value());
  const DormantSeriesRow row = store_->GetDormantSeries(3).value().value();
  EXPECT_EQ(row.last, -1);
  EXPECT_EQ(row.last_step, 2);
  EXPECT_EQ(row.total, 3);
  EXPECT_EQ(row.sketch, sketch);
  EXPECT_FALSE(store_->GetDormantSeries(4).value().has_value());
  const auto instances = store_->InstancesOf(1);
  ASSERT_EQ(instances->size(), 1u) << "of the day after";
  EXPECT_EQ((*instances)[0].application, 5u);
  EXPECT_EQ((*instances)[0].life.from_minute, 1500);

  Commit([](Store& store) { return store.ClearDormantTotals(); });
  EXPECT_EQ(store_->GetDormantSeries(3).value()->total, 0);
  EXPECT_EQ(store_->GetDormantSeries(3).value()->sketch, "");
  EXPECT_EQ(store_->GetDormantSeries(3).value()->last_step, 2);
  EXPECT_EQ(store_->GetApplication(5).value()->totals, "");
  Commit([](Store& store) -> absl::Status {
    store.DeleteDormantSeries(3).IgnoreError();
    store.DeleteDormantEntity(2).IgnoreError();
    return store.DeleteDormantApplication(5);
  });
  EXPECT_EQ(store_->LoadContents()->instances.size(), 1u);
  EXPECT_EQ(store_->LoadContents()->series.size(), 2u);
}

TEST_F(SqliteStoreTest, OthersMayNotReadAFileOfIts) {
  namespace fs = std::filesystem;
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const fs::perms mode = fs::status(path() + suffix).permissions();
    EXPECT_EQ(mode & (fs::perms::others_all | fs::perms::group_write), fs::perms::none) << suffix;
    EXPECT_NE(mode & fs::perms::owner_write, fs::perms::none) << suffix;
  }
}

TEST_F(SqliteStoreTest, ForgetsWhatWasNotCommitted) {
  ASSERT_TRUE(store_->Begin().ok());
  ASSERT_TRUE(store_->PutMinute(1, 1, "row").ok());
  store_->Rollback();
  EXPECT_FALSE(store_->GetMinute(1, 1)->has_value());
  store_->Rollback();
  EXPECT_EQ(store_->Commit().code(), absl::StatusCode::kInternal) << "no transaction";
}

TEST_F(SqliteStoreTest, AReaderSeesOneUnchangingPicture) {
  Commit([](Store& store) { return store.PutMinute(1, 1, "old"); });
  absl::StatusOr<std::unique_ptr<StoreReader>> reader = store_->OpenReader();
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ((*reader)->GetMinute(1, 1)->value(), "old");
  Commit([](Store& store) { return store.PutMinute(1, 1, "new"); });
  EXPECT_EQ((*reader)->GetMinute(1, 1)->value(), "old");
  EXPECT_EQ((*store_->OpenReader())->GetMinute(1, 1)->value(), "new");
}

TEST_F(SqliteStoreTest, AddsWhatIsPooledByAddition) {
  for (int i = 0; i < 2; ++i) {
    Commit([](Store& store) -> absl::Status {
      const absl::Status status = store.Add(ApplicationMinuteRow{5, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
      return status.ok() ? store.Add(PeerDayRow{3, 1, 2, 1, "10.0.0.1", 80, 5, 6}) : status;
    });
  }
  const auto minutes = store_->ApplicationMinutes(1, 5, 6);
  ASSERT_EQ(minutes->size(), 1u);
  EXPECT_EQ((*minutes)[0].requests, 2);
  EXPECT_EQ((*minutes)[0].traffic, 16);
  EXPECT_EQ((*minutes)[0].cpu_us, 18);
  EXPECT_EQ((*minutes)[0].unparsed, 20);
  EXPECT_TRUE(store_->ApplicationMinutes(2, 5, 6)->empty());
  const auto peers = store_->PeersOf(3);
  ASSERT_EQ(peers->size(), 1u);
  EXPECT_EQ((*peers)[0].bytes, 12u);
}

TEST_F(SqliteStoreTest, ScansMinutesInOrderOfAllHostsOrOfOne) {
  Commit([](Store& store) -> absl::Status {
    for (const auto& [minute, host] : {std::pair{3, 1U}, {2, 2U}, {2, 1U}, {5, 1U}}) {
      const absl::Status status = store.PutMinute(minute, host, absl::StrCat(minute, ".", host));
      if (!status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  });
  std::vector<std::string> seen;
  const auto note = [&seen](std::int64_t, HostKey, absl::string_view blob) {
    seen.emplace_back(blob);
    return absl::OkStatus();
  };
  ASSERT_TRUE(store_->ScanMinutes(2, 5, 0, note).ok());
  EXPECT_THAT(seen, ElementsAre("2.1", "2.2", "3.1"));
  seen.clear();
  ASSERT_TRUE(store_->ScanMinutes(0, 9, 1, note).ok());
  EXPECT_THAT(seen, ElementsAre("2.1", "3.1", "5.1"));
  const auto stop = [](std::int64_t, HostKey, absl::string_view) { return absl::CancelledError("enough"); };
  EXPECT_EQ(store_->ScanMinutes(0, 9, 0, stop).code(), absl::StatusCode::kCancelled);
}

TEST_F(SqliteStoreTest, DeletesASliceAndSparesOpenMinutes) {
  Commit([](Store& store) -> absl::Status {
    for (int minute = 1; minute <= 10; ++minute) {
      store.PutMinute(minute, 1, "row").IgnoreError();
    }
    return absl::OkStatus();
  });
  ASSERT_TRUE(store_->Begin().ok());
  EXPECT_EQ(store_->DeleteMinutesBefore(8, {{2, 1}}, 4).value(), 4);
  EXPECT_EQ(store_->DeleteMinutesBefore(8, {{2, 1}}, 4).value(), 2);
  EXPECT_EQ(store_->DeleteMinutesBefore(8, {{2, 1}}, 4).value(), 0);
  ASSERT_TRUE(store_->Commit().ok());
  EXPECT_TRUE(store_->GetMinute(2, 1)->has_value());
  EXPECT_FALSE(store_->GetMinute(7, 1)->has_value());
  EXPECT_TRUE(store_->GetMinute(8, 1)->has_value());
}

TEST_F(SqliteStoreTest, KeepsFactsInAColumnEach) {
  DayFacts facts;
  facts.up_minutes = 1440;
  facts.requests_per_hour[23] = 7;
  Commit([&](Store& store) { return store.PutFactDay(20000, {ScopeKind::kApplication, 4}, facts); });
  std::vector<DayFacts> seen;
  ASSERT_TRUE(store_
                  ->ScanFactDays(20000, 20001,
                                 [&](Day, ScopeId scope, const DayFacts& found) {
                                   EXPECT_EQ(scope, (ScopeId{ScopeKind::kApplication, 4}));
                                   seen.push_back(found);
                                   return absl::OkStatus();
                                 })
                  .ok());
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0], facts);
}

TEST_F(SqliteStoreTest, KeepsForecastsByResourceAndDeletesOldOnes) {
  const auto row = [](std::int64_t day, HostKey host, std::int64_t days) {
    return ForecastRow{day, host, 3, 7, 5, 600, 1000, days == 0 ? "too_short" : "", 9, -1, 2, day - 3, days, 4, 3650};
  };
  Commit([&](Store& store) -> absl::Status {
    for (const std::int64_t day : {20002, 20000, 20001}) {
      for (const HostKey host : {2U, 1U}) {
        store.Put(row(day, host, 40)).IgnoreError();
      }
    }
    return store.Put(row(20002, 1, 0));
  });
  EXPECT_THAT(store_->Forecasts(20001, 20003).value(),
              ElementsAre(row(20001, 1, 40), row(20002, 1, 0), row(20001, 2, 40), row(20002, 2, 40)));
  EXPECT_THAT(store_->LoadContents()->forecasts, ElementsAre(row(20002, 1, 0), row(20002, 2, 40)));
  Commit([](Store& store) {
    EXPECT_EQ(store.DeleteForecastsBefore(20002, 3).value(), 3);
    EXPECT_EQ(store.DeleteForecastsBefore(20002, 3).value(), 1);
    return store.DeleteForecastsBefore(20002, 3).status();
  });
  EXPECT_THAT(store_->Forecasts(0, 30000).value(), ElementsAre(row(20002, 1, 0), row(20002, 2, 40)));
}

TEST_F(SqliteStoreTest, GivesOneDayOfOneScope) {
  DayFacts facts;
  facts.warnings = 3;
  Commit([&](Store& store) { return store.PutFactDay(20000, kOrganizationScope, facts); });
  EXPECT_EQ(store_->GetFactDay(20000, kOrganizationScope).value(), facts);
  EXPECT_EQ(store_->GetFactDay(20001, kOrganizationScope).value(), std::nullopt);
}

TEST_F(SqliteStoreTest, KeepsItsIdAndTellsAFileOfANewerProgram) {
  const std::string id = store_->GetMeta("store_id")->value();
  EXPECT_EQ(id.size(), 16u);
  Open();
  EXPECT_EQ(store_->GetMeta("store_id")->value(), id);
  Commit([](Store& store) { return store.PutMeta("schema_version", absl::StrCat(NewestSchemaVersion() + 1)); });
  store_.reset();
  EXPECT_EQ(OpenSqliteStore(path()).status().code(), absl::StatusCode::kFailedPrecondition);
}

// Makes a store as the first release left it, with more rows.
void MakeOldStore(const std::string& path, const std::string& rows = "") {
  std::stringstream sql;
  sql << std::ifstream(PPMM_TESTDATA "/store/schema_1.sql").rdbuf() << rows;
  const auto connection = SqliteConnection::Open(path, true);
  ASSERT_TRUE(connection.ok()) << connection.status();
  const absl::Status made = (*connection)->Execute(sql.str());
  ASSERT_TRUE(made.ok()) << made;
}

TEST(SqliteStoreMigrationTest, OfAnOldStoreNothingIsDormantAndAllMayBe) {
  const TempDir dir;
  MakeOldStore(dir.File("ppmm.db"), R"sql(
INSERT INTO entity VALUES (1, 1, 1, '', 1, 2, x''), (3, 1, 2, 'default/shop', 1, 2, x'');
INSERT INTO series VALUES (2, 1, 'ppmm_host_load1', ''), (9, 3, 'ppmm_instance_threads', '');
INSERT INTO application VALUES (5, 'default/shop', 'default', 'shop', 4);
INSERT INTO instance VALUES (3, 5, 1, '', '', '1.2', '');
INSERT INTO release VALUES (3, 1767225600000000, 5, '1.2', '', '1.1', '');
)sql");
  const auto store = OpenSqliteStore(dir.File("ppmm.db"));
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->ReleasesOf(20454)->size(), 1u);
  State state;
  WriterLock lock(&state.mutex());
  ASSERT_TRUE(state.LoadFrom(**store).ok());
  EXPECT_EQ(state.tables().series.size(), 2u);
  EXPECT_EQ(state.tables().entities.size(), 2u);
  EXPECT_EQ(state.tables().applications.size(), 1u);
  EXPECT_EQ(state.tables().last_series, 9u);
  ASSERT_TRUE((*store)->Begin().ok());
  ASSERT_TRUE((*store)->Put(DormantSeriesRow{9, 1, 2, 3, ""}).ok());
  ASSERT_TRUE((*store)->PutDormantEntity(3).ok());
  ASSERT_TRUE((*store)->PutDormantApplication(5).ok());
  ASSERT_TRUE((*store)->Commit().ok());
  ASSERT_TRUE(state.LoadFrom(**store).ok());
  EXPECT_EQ(state.tables().series.size(), 1u);
  EXPECT_EQ(state.tables().entities.size(), 1u);
  EXPECT_TRUE(state.tables().applications.empty());
  EXPECT_EQ(state.tables().last_series, 9u);
  EXPECT_EQ(state.tables().last_entity, 3u);
  EXPECT_EQ(state.tables().last_application, 5u);
}

TEST(SqliteStoreMigrationTest, PooledMinutesOfAnOldStoreGrowOn) {
  const TempDir dir;
  MakeOldStore(dir.File("ppmm.db"), "INSERT INTO application_minute VALUES (83886081, 1, 2, 3, 4, 5, 6, 7, 8, 9);");
  const auto store = OpenSqliteStore(dir.File("ppmm.db"));
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE((*store)->Begin().ok());
  ASSERT_TRUE((*store)->Add(ApplicationMinuteRow{5, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}).ok());
  ASSERT_TRUE((*store)->Commit().ok());
  const auto minutes = (*store)->ApplicationMinutes(1, 5, 6);
  ASSERT_EQ(minutes->size(), 1u);
  EXPECT_EQ((*minutes)[0].requests, 2);
  EXPECT_EQ((*minutes)[0].unparsed, 10);
}

TEST(SqliteStoreMigrationTest, AStoreOfTheReleasedSchemaIsTakenOver) {
  const TempDir dir;
  MakeOldStore(dir.File("ppmm.db"));
  const auto store = OpenSqliteStore(dir.File("ppmm.db"));
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->GetMeta("schema_version").value(), absl::StrCat(NewestSchemaVersion()));
  EXPECT_EQ((*store)->GetMeta("counted_since_us").value(), "1767312000000000");
  State state;
  WriterLock lock(&state.mutex());
  const absl::Status loaded = state.LoadFrom(**store);
  ASSERT_TRUE(loaded.ok()) << loaded;
  const AgentState& agent = state.tables().agents.begin()->second;
  EXPECT_EQ(agent.row.produced, 100u);
  EXPECT_EQ(agent.row.told_dropped, -1) << "what was lost before is not counted again";
  EXPECT_EQ(state.tables().cursors.at(5).produced, 100u);
  EXPECT_FALSE(state.tables().cursors.at(5).moved);
  EXPECT_EQ(state.tables().counted_since_us, 1767312000000000);
  EXPECT_EQ(state.tables().timed_since_us, 1767312000000000);
  EXPECT_TRUE(DayBits::Decode(*(*store)->GetDayBits(20454, 1).value()).ok());
  EXPECT_TRUE((*store)->SamplesOf(20454).value().empty());
  std::int64_t up = 0;
  const auto visit = [&up](Day, ScopeId, const DayFacts& facts) {
    up += facts.up_minutes;
    return absl::OkStatus();
  };
  ASSERT_TRUE((*store)->ScanFactDays(20454, 20455, visit).ok());
  EXPECT_EQ(up, 1440);
}

TEST(SqliteStoreMigrationTest, DeploymentsAndVerdictsOfAnOldStoreAreKnownFromNowOn) {
  const TempDir dir;
  MakeOldStore(dir.File("ppmm.db"), "INSERT INTO release VALUES (3, 1767225600000000, 5, '1.2', '', '1.1', '');");
  const auto store = OpenSqliteStore(dir.File("ppmm.db"));
  ASSERT_TRUE(store.ok()) << store.status();
  State state;
  WriterLock lock(&state.mutex());
  ASSERT_TRUE(state.LoadFrom(**store).ok());
  EXPECT_EQ(state.tables().deployments_since_us, 1767312000000000);
  EXPECT_TRUE((*store)->Deployments(0, INT64_MAX)->empty());
  ASSERT_TRUE((*store)->Begin().ok());
  EXPECT_TRUE(*(*store)->AddNew(DeploymentRow{5, 1767225600000000, "1.2", 0, "", "", "ann", 1767225700000000}));
  ASSERT_TRUE((*store)->Commit().ok());
  EXPECT_EQ(*(*store)->CountDeployments(1767225600000000, 1767225600000001), 1);
}

TEST_F(SqliteStoreTest, DeploymentsAndVerdictsAreKeptOnceAndFor400Days) {
  DeploymentRow deployment{5, 86'400'000'000, "1.2", 3, "shopd", "1.1", "", 86'400'000'007};
  ReleaseVerdictRow verdict{5, 86'400'000'000, 60, 9, "worse", {1, 2, 3, 4, 5}, {6, 7, 8, 9, 10}};
  Commit([&](Store& store) {
    EXPECT_TRUE(*store.AddNew(deployment));
    EXPECT_FALSE(*store.AddNew(deployment));
    EXPECT_TRUE(*store.AddNew(verdict));
    verdict.verdict = "better";
    EXPECT_FALSE(*store.AddNew(verdict)) << "it stays as it was made";
    verdict.at_us = 3 * 86'400'000'000LL;
    return store.AddNew(verdict).status();
  });
  Open();
  const auto deployments = store_->Deployments(86'400'000'000, 86'400'000'001);
  ASSERT_EQ(deployments->size(), 1u);
  EXPECT_EQ((*deployments)[0].package, "shopd");
  EXPECT_EQ((*deployments)[0].previous_version, "1.1");
  EXPECT_EQ((*deployments)[0].received_us, 86'400'000'007);
  EXPECT_TRUE(store_->Deployments(0, 86'400'000'000)->empty());
  const auto verdicts = store_->ReleaseVerdicts(0, INT64_MAX);
  ASSERT_EQ(verdicts->size(), 2u);
  EXPECT_EQ((*verdicts)[0].verdict, "worse");
  EXPECT_EQ((*verdicts)[0].after.response_sum, 10);
  Commit([&](Store& store) {
    EXPECT_EQ(*store.DeleteFactDaysBefore(2, 1), 1) << "a slice";
    EXPECT_EQ(*store.DeleteFactDaysBefore(2, 200), 1);
    return absl::OkStatus();
  });
  EXPECT_TRUE(store_->Deployments(0, INT64_MAX)->empty());
  EXPECT_EQ(store_->ReleaseVerdicts(0, INT64_MAX)->size(), 1u);
}

TEST(SqliteStoreMigrationTest, OfApplicationsWithOneLabelTheFirstKeepsIt) {
  const TempDir dir;
  MakeOldStore(dir.File("ppmm.db"), R"sql(
INSERT INTO application VALUES (1, 'default/shop', 'default', 'shop', 4);
INSERT INTO application VALUES (2, 'default/shop/web', 'default', 'shop/web', 4);
INSERT INTO application VALUES (3, 'shop/web', 'shop', 'web', 4);
INSERT INTO application VALUES (4, 'shop/shop', 'shop', 'shop', 4);
)sql");
  const auto store = OpenSqliteStore(dir.File("ppmm.db"));
  ASSERT_TRUE(store.ok()) << store.status();
  State state;
  WriterLock lock(&state.mutex());
  ASSERT_TRUE(state.LoadFrom(**store).ok());
  std::vector<std::string> labels;
  for (const auto& [id, application] : state.tables().applications) {
    labels.push_back(application.label());
  }
  EXPECT_EQ(labels, (std::vector<std::string>{"shop", "shop/web", "shop/shop/web", "shop/shop"}));
}

// What stands in the way of opening, as an operator reads it.
class SqliteStoreErrorTest : public testing::Test {
 protected:
  std::string path() const { return dir_.File("ppmm.db"); }
  void Write(const std::string& bytes) const { std::ofstream(path(), std::ios::binary) << bytes; }
  std::string Bytes() const {
    std::stringstream bytes;
    bytes << std::ifstream(path(), std::ios::binary).rdbuf();
    return bytes.str();
  }
  // Makes the file by SQL, as another program would.
  void MakeForeign(const std::string& sql) const {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &database), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
  }
  // It is refused with that code, the text names the file and has that word, and no byte of it changes.
  void ExpectRefused(absl::StatusCode code, const std::string& word) const {
    const std::string before = Bytes();
    const absl::Status status = OpenSqliteStore(path()).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(path()), HasSubstr(word)));
    EXPECT_TRUE(Bytes() == before) << "the file was changed";
  }

  TempDir dir_;
};

TEST_F(SqliteStoreErrorTest, AFileThatIsNoDatabaseIsDataLossAndStaysAsItIs) {
  for (const std::size_t size : {2U, 100U, 20000U}) {
    Write(std::string(size, 'x'));
    ExpectRefused(absl::StatusCode::kDataLoss, "put a backup in its place");
  }
}

TEST_F(SqliteStoreErrorTest, AnotherProgramsDatabaseIsRefusedAndStaysAsItIs) {
  for (const char* const sql :
       {"CREATE TABLE invoices (id INTEGER); INSERT INTO invoices VALUES (7)", "CREATE TABLE meta (id INTEGER)",
        "CREATE TABLE meta (key TEXT, value TEXT); INSERT INTO meta VALUES ('schema_version', '3')",
        "CREATE TABLE meta (key TEXT, value TEXT); CREATE TABLE tiles (x INTEGER)",
        "PRAGMA journal_mode = WAL; CREATE TABLE invoices (id INTEGER)"}) {
    std::filesystem::remove(path());
    MakeForeign(sql);
    ExpectRefused(absl::StatusCode::kFailedPrecondition, "a database of another program");
  }
}

TEST_F(SqliteStoreErrorTest, AStoreOfANewerVersionIsRefusedAndStaysAsItIs) {
  ASSERT_TRUE(OpenSqliteStore(path()).ok());
  MakeForeign("UPDATE meta SET value = '99' WHERE key = 'schema_version'");
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "schema 99 was made by a newer ppmm");
}

TEST_F(SqliteStoreErrorTest, AFolderThatDoesNotExistIsAFailedPreconditionWithItsName) {
  const absl::Status status = OpenSqliteStore(dir_.File("none/ppmm.db")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(dir_.File("none")), HasSubstr("No such file"), HasSubstr("must be able to write")));
}

TEST_F(SqliteStoreErrorTest, AStoreThatWasKilledBeforeItsFirstTablesIsMade) {
  Write("");
  EXPECT_TRUE(OpenSqliteStore(path()).ok()) << "an empty file";
  std::filesystem::remove(path());
  MakeForeign("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)");
  EXPECT_TRUE(OpenSqliteStore(path()).ok());
}

// Files can grow to that size only, as on a disk that is nearly full.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::uintmax_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_;
};

TEST_F(SqliteStoreTest, ThereIsRoomOnlyForAsMuchAsTheTransactionThatFailedWanted) {
  const auto put = [this](std::int64_t bytes) -> absl::Status {
    absl::Status status = store_->Begin();
    status.Update(store_->PutMinute(1, 1, std::string(static_cast<std::size_t>(bytes), 'x')));
    status.Update(store_->Commit());
    if (!status.ok()) {
      store_->Rollback();
    }
    return status;
  };
  ASSERT_TRUE(put(1).ok());
  const std::string log = path() + "-wal";
  const std::uintmax_t size = std::filesystem::file_size(log);
  {
    const FileSizeLimit limit(size + 100'000);
    EXPECT_FALSE(put(500'000).ok());
    EXPECT_FALSE(store_->MakeRoom().ok()) << "a small transaction has room, that one has not";
    EXPECT_EQ(store_->GetMinute(1, 1)->value(), "x");
  }
  ASSERT_TRUE(store_->MakeRoom().ok());
  EXPECT_GT(std::filesystem::file_size(log), size + 1'000'000) << "twice of it";
  {
    const FileSizeLimit limit(std::filesystem::file_size(log));
    EXPECT_TRUE(put(500'000).ok()) << "the room is kept for it";
  }
  EXPECT_FALSE(store_->GetMeta("room")->has_value());
}

// The way of a full disk: SQLite's own bound of pages stands in for it.
TEST_F(SqliteStoreTest, AFullDiskIsResourceExhaustedAndPasses) {
  absl::StatusOr<std::unique_ptr<SqliteConnection>> connection = SqliteConnection::Open(path(), false);
  ASSERT_TRUE(connection.ok());
  ASSERT_TRUE((*connection)->Execute("PRAGMA max_page_count = 60").ok());
  absl::Status status = (*connection)->Execute("BEGIN IMMEDIATE; CREATE TABLE big (x BLOB)");
  for (int i = 0; i < 100 && status.ok(); ++i) {
    status = (*connection)->Execute("INSERT INTO big VALUES (zeroblob(8000))");
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()),
              testing::MatchesRegex("store .*ppmm.db: database or disk is full, .* free; make room in .*--data DIR.*"))
      << "once, with the directory and the cure";
  if ((*connection)->in_transaction()) {
    EXPECT_TRUE((*connection)->Execute("ROLLBACK").ok());
  }
  Commit([](Store& store) { return store.PutMinute(1, 1, "row"); });
}

}  // namespace
}  // namespace ppmm
