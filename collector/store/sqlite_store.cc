#include "collector/store/sqlite_store.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "collector/store/schema.h"
#include "collector/store/sqlite_dormant.h"
#include "collector/store/sqlite_load.h"
#include "collector/store/sqlite_query.h"
#include "common/log.h"
#include "common/mutex.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr std::uint64_t kLeastRoom = 64 << 10;
constexpr std::uint64_t kMostRoom = 64 << 20;  // as much as the queue holds
constexpr int kWalTruncatePages = (64 << 20) / 8192;

std::int64_t MinuteOf(std::int64_t id) {
  return id >> kRowBits;
}
std::uint32_t LowOf(std::int64_t id) {
  return static_cast<std::uint32_t>(id & ((1 << kRowBits) - 1));
}

// The columns of fact_day in their order, each behind `prefix`.
std::string FactColumnNames(absl::string_view prefix) {
  return absl::StrJoin(FactColumns(), ", ", [prefix](std::string* out, const FactColumn& column) {
    absl::StrAppend(out, prefix, column.name);
  });
}

std::string FactDaySelect() {
  return absl::StrCat("SELECT day, kind, number, ", FactColumnNames(""), " FROM fact_day");
}

// Of a row that FactDaySelect() gave.
DayFacts FactsOf(const SqliteStatement& row) {
  DayFacts facts;
  int at = 3;
  for (const FactColumn& column : FactColumns()) {
    column.In(facts) = row.Int(at++);
  }
  return facts;
}

std::string PutFactDaySql() {
  return absl::StrCat("INSERT INTO fact_day (day, kind, number, ", FactColumnNames(""), ") VALUES (?, ?, ?",
                      absl::StrJoin(std::vector<absl::string_view>(FactColumns().size(), ", ?"), ""),
                      ") ON CONFLICT (day, kind, number) DO UPDATE SET ",
                      absl::StrJoin(FactColumns(), ", ", [](std::string* out, const FactColumn& column) {
                        absl::StrAppend(out, column.name, " = excluded.", column.name);
                      }));
}

// The read methods, for the writer's connection and for readers' own.
template <class Base>
class Reads : public Base {
 public:
  explicit Reads(std::unique_ptr<SqliteConnection> connection) : connection_(std::move(connection)) {}

  absl::StatusOr<std::optional<std::string>> GetMeta(absl::string_view key) override {
    return One(*connection_, "SELECT value FROM meta WHERE key = ?", key);
  }
  absl::StatusOr<std::optional<std::string>> GetMinute(std::int64_t minute, HostKey host) override {
    return One(*connection_, "SELECT blob FROM minute WHERE id = ?", RowId(minute, host));
  }
  absl::Status ScanMinutes(std::int64_t from, std::int64_t to, HostKey host, const MinuteVisitor& visit) override {
    ASSIGN_OR_RETURN(SqliteStatement scan,
                     connection_->Prepare("SELECT id, blob FROM minute WHERE id >= ? AND id < ? ORDER BY id"));
    if (host != 0) {
      // Each minute is one probe of the primary key: cheaper than passing over the rows of all other hosts.
      for (std::int64_t minute = from; minute < to; ++minute) {
        ASSIGN_OR_RETURN(const std::optional<std::string> blob, GetMinute(minute, host));
        if (blob.has_value()) {
          RETURN_IF_ERROR(visit(minute, host, *blob));
        }
      }
      return absl::OkStatus();
    }
    scan.Bind(RowId(from, 0), RowId(to, 0));
    while (true) {
      ASSIGN_OR_RETURN(const bool row, scan.Step());
      if (!row) {
        return absl::OkStatus();
      }
      RETURN_IF_ERROR(visit(MinuteOf(scan.Int(0)), LowOf(scan.Int(0)), scan.View(1)));
    }
  }
  absl::StatusOr<std::optional<std::string>> GetDayBits(std::int64_t day, HostKey host) override {
    return One(*connection_, "SELECT blob FROM day_bits WHERE day = ? AND host = ?", day, host);
  }
  absl::StatusOr<std::vector<DayBitsRow>> DayBitsOf(std::int64_t day) override {
    std::vector<DayBitsRow> rows;
    RETURN_IF_ERROR(Each(
        *connection_, "SELECT host, blob FROM day_bits WHERE day = ? ORDER BY host",
        [&](const SqliteStatement& row) {
          rows.push_back({day, row.As<HostKey>(0), row.Text(1)});
        },
        day));
    return rows;
  }
  absl::StatusOr<std::vector<ApplicationMinuteRow>> ApplicationMinutes(ApplicationId application, std::int64_t from,
                                                                       std::int64_t to) override {
    std::vector<ApplicationMinuteRow> rows;
    const auto read = [&](std::int64_t first, std::int64_t end) {
      return Each(
          *connection_,
          "SELECT id, requests, errors, timed, independent, in_flight_sum, in_flight_count, response_sum, traffic, "
          "cpu_us, unparsed FROM application_minute WHERE id >= ? AND id < ? ORDER BY id",
          [&rows](const SqliteStatement& row) {
            rows.push_back({MinuteOf(row.Int(0)), LowOf(row.Int(0)), row.Int(1), row.Int(2), row.Int(3), row.Int(4),
                            row.Int(5), row.Int(6), row.Int(7), row.Int(8), row.Int(9), row.Int(10)});
          },
          first, end);
    };
    // A probe of the primary key for each minute passes over no rows of others; over long times most find nothing.
    constexpr std::int64_t kMostProbes = 1440;
    if (application != 0 && to - from <= kMostProbes) {
      for (std::int64_t minute = from; minute < to; ++minute) {
        RETURN_IF_ERROR(read(RowId(minute, application), RowId(minute, application) + 1));
      }
      return rows;
    }
    RETURN_IF_ERROR(read(RowId(from, 0), RowId(to, 0)));
    if (application != 0) {
      std::erase_if(rows, [&](const ApplicationMinuteRow& row) { return row.application != application; });
    }
    return rows;
  }
  absl::StatusOr<std::vector<PeerDayRow>> PeersOf(std::int64_t day) override {
    std::vector<PeerDayRow> rows;
    RETURN_IF_ERROR(Each(
        *connection_,
        "SELECT p.host, p.entity, direction, address, port, connections, bytes, coalesce(i.application, 0) "
        "FROM peer_day p LEFT JOIN instance i ON i.entity = p.entity WHERE day = ? "
        "ORDER BY p.host, p.entity, direction, address, port",
        [&](const SqliteStatement& row) {
          rows.push_back({day, row.As<HostKey>(0), row.As<EntityId>(1), row.As<std::int32_t>(2), row.Text(3),
                          row.As<std::uint32_t>(4), row.As<std::uint64_t>(5), row.As<std::uint64_t>(6),
                          row.As<ApplicationId>(7)});
        },
        day));
    return rows;
  }
  absl::StatusOr<std::vector<InstanceDayRow>> InstancesOf(std::int64_t day) override {
    return ReadInstancesOf(*connection_, day);
  }
  absl::StatusOr<std::vector<ReleaseRow>> ReleasesOf(std::int64_t day) override {
    return ReadReleasesOf(*connection_, day);
  }
  absl::StatusOr<std::vector<DeploymentRow>> Deployments(std::int64_t from_us, std::int64_t to_us) override {
    std::vector<DeploymentRow> rows;
    RETURN_IF_ERROR(Each(
        *connection_,
        "SELECT application, at_us, version, host, package, previous_version, told_by, received_us FROM deployment "
        "WHERE at_us >= ? AND at_us < ? ORDER BY at_us, application, host, package",
        [&](const SqliteStatement& row) {
          rows.push_back({row.As<ApplicationId>(0), row.Int(1), row.Text(2), row.As<HostKey>(3), row.Text(4),
                          row.Text(5), row.Text(6), row.Int(7)});
        },
        from_us, to_us));
    return rows;
  }
  absl::StatusOr<std::int64_t> CountDeployments(std::int64_t from_us, std::int64_t to_us) override {
    std::int64_t count = 0;
    RETURN_IF_ERROR(Each(
        *connection_, "SELECT count(*) FROM deployment WHERE at_us >= ? AND at_us < ?",
        [&](const SqliteStatement& row) { count = row.Int(0); }, from_us, to_us));
    return count;
  }
  absl::StatusOr<std::vector<ReleaseVerdictRow>> ReleaseVerdicts(std::int64_t from_us, std::int64_t to_us) override {
    std::vector<ReleaseVerdictRow> rows;
    RETURN_IF_ERROR(Each(
        *connection_,
        "SELECT application, at_us, minutes, made_us, verdict, before_requests, before_timed, before_errors, "
        "before_cpu_us, before_response_sum, after_requests, after_timed, after_errors, after_cpu_us, "
        "after_response_sum FROM release_verdict WHERE at_us >= ? AND at_us < ? ORDER BY at_us, application, minutes",
        [&](const SqliteStatement& row) {
          rows.push_back({row.As<ApplicationId>(0),
                          row.Int(1),
                          row.Int(2),
                          row.Int(3),
                          row.Text(4),
                          {row.Int(5), row.Int(6), row.Int(7), row.Int(8), row.Int(9)},
                          {row.Int(10), row.Int(11), row.Int(12), row.Int(13), row.Int(14)}});
        },
        from_us, to_us));
    return rows;
  }
  absl::StatusOr<std::vector<SampleDayRow>> SamplesOf(std::int64_t day) override {
    std::vector<SampleDayRow> rows;
    RETURN_IF_ERROR(Each(
        *connection_,
        "SELECT d.host, sum(coalesce(n.produced, a.produced) - d.produced), "
        "sum(coalesce(n.committed, a.committed) - d.committed), sum(coalesce(n.dropped, a.dropped) - d.dropped), "
        "sum(coalesce(n.refused, a.refused) - d.refused) FROM agent_day d JOIN agent a ON a.agent_id = d.agent_id "
        "LEFT JOIN agent_day n ON n.agent_id = d.agent_id AND n.day = "
        "(SELECT min(day) FROM agent_day l WHERE l.agent_id = d.agent_id AND l.day > d.day) "
        "WHERE d.day = ? GROUP BY d.host ORDER BY d.host",
        [&](const SqliteStatement& row) {
          rows.push_back({row.As<HostKey>(0), row.Int(1), row.Int(2), row.Int(3), row.Int(4)});
        },
        day));
    return rows;
  }
  absl::StatusOr<std::vector<WatchdogRow>> WatchdogOf(std::int64_t day) override {
    std::vector<WatchdogRow> rows;
    RETURN_IF_ERROR(Each(
        *connection_,
        "SELECT from_minute, to_minute FROM watchdog WHERE from_minute < ? AND to_minute >= ? ORDER BY from_minute",
        [&](const SqliteStatement& row) {
          rows.push_back({row.Int(0), row.Int(1)});
        },
        (day + 1) * 1440, day * 1440));
    return rows;
  }
  absl::StatusOr<std::vector<BlockRow>> Blocks(EntityId entity, std::int32_t step_seconds, std::int64_t from_day,
                                               std::int64_t to_day) override {
    std::vector<BlockRow> rows;
    RETURN_IF_ERROR(Each(
        *connection_,
        "SELECT day, keep_until_day, blob FROM block WHERE entity = ? AND step_seconds = ? AND day >= ? AND day < ? "
        "ORDER BY day",
        [&](const SqliteStatement& row) {
          rows.push_back({row.Int(0), entity, step_seconds, row.Int(1), row.Text(2)});
        },
        entity, step_seconds, from_day, to_day));
    return rows;
  }
  absl::StatusOr<std::vector<BlockRow>> BlocksOfHost(HostKey host, std::int32_t step_seconds,
                                                     std::int64_t day) override {
    std::vector<BlockRow> rows;
    RETURN_IF_ERROR(Each(
        *connection_,
        "SELECT b.entity, b.keep_until_day, b.blob FROM entity e JOIN block b ON b.entity = e.id "
        "WHERE e.host = ? AND b.step_seconds = ? AND b.day = ? ORDER BY b.entity",
        [&](const SqliteStatement& row) {
          rows.push_back({day, row.As<EntityId>(0), step_seconds, row.Int(1), row.Text(2)});
        },
        host, step_seconds, day));
    return rows;
  }
  absl::StatusOr<std::optional<DayFacts>> GetFactDay(Day day, ScopeId scope) override {
    static const std::string* const sql =
        new std::string(absl::StrCat(FactDaySelect(), " WHERE day = ? AND kind = ? AND number = ?"));
    ASSIGN_OR_RETURN(SqliteStatement one, connection_->Prepare(sql->c_str()));
    one.Bind(day, static_cast<int>(scope.kind), scope.number);
    ASSIGN_OR_RETURN(const bool row, one.Step());
    return row ? std::optional<DayFacts>(FactsOf(one)) : std::nullopt;
  }
  absl::Status ScanFactDays(Day from, Day to, const FactVisitor& visit) override {
    static const std::string* const sql =
        new std::string(absl::StrCat(FactDaySelect(), " WHERE day >= ? AND day < ? ORDER BY day, kind, number"));
    ASSIGN_OR_RETURN(SqliteStatement scan, connection_->Prepare(sql->c_str()));
    scan.Bind(from, to);
    while (true) {
      ASSIGN_OR_RETURN(const bool row, scan.Step());
      if (!row) {
        return absl::OkStatus();
      }
      RETURN_IF_ERROR(visit(scan.As<Day>(0), {scan.As<ScopeKind>(1), scan.As<std::uint32_t>(2)}, FactsOf(scan)));
    }
  }
  absl::StatusOr<std::vector<ForecastRow>> Forecasts(std::int64_t from_day, std::int64_t to_day) override {
    return ReadForecasts(*connection_, from_day, to_day);
  }
  absl::StatusOr<std::vector<RatingDayRow>> RatingDays(std::int64_t from_day, std::int64_t to_day) override {
    std::vector<RatingDayRow> rows;
    RETURN_IF_ERROR(Each(
        *connection_, "SELECT day, published, low, high, body FROM rating_day WHERE day >= ? AND day < ? ORDER BY day",
        [&](const SqliteStatement& row) {
          rows.push_back({row.Int(0), row.Text(1), row.Text(2), row.Text(3), row.Text(4)});
        },
        from_day, to_day));
    return rows;
  }
  absl::StatusOr<std::vector<Tier1Row>> Tier1() override {
    std::vector<Tier1Row> rows;
    RETURN_IF_ERROR(Each(*connection_, "SELECT day, application, why FROM tier_1 ORDER BY day, application",
                         [&](const SqliteStatement& row) {
                           rows.push_back({row.Int(0), row.As<ApplicationId>(1), row.Text(2)});
                         }));
    return rows;
  }

 protected:
  std::unique_ptr<SqliteConnection> connection_;
};

// One read transaction as long as it lives: an unchanging picture.
class SqliteReader : public Reads<StoreReader> {
 public:
  using Reads::Reads;
  ~SqliteReader() override {
    connection_->Execute("ROLLBACK").IgnoreError();  // ends reading; nothing was written
  }
};

class SqliteStore : public Reads<Store> {
 public:
  SqliteStore(std::string path, std::unique_ptr<SqliteConnection> connection,
              std::unique_ptr<SqliteConnection> checkpoints)
      : Reads(std::move(connection)),
        path_(std::move(path)),
        checkpoints_(std::move(checkpoints)),
        thread_([this] { CheckpointLoop(); }) {}
  ~SqliteStore() override {
    {
      MutexLock lock(&mutex_);
      stopping_ = true;
      wake_.NotifyAll();
    }
    thread_.join();
  }

  absl::StatusOr<std::unique_ptr<StoreReader>> OpenReader() override {
    ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> connection, SqliteConnection::Open(path_, false));
    RETURN_IF_ERROR(connection->Execute("PRAGMA query_only = 1; BEGIN"));
    return std::make_unique<SqliteReader>(std::move(connection));
  }

  absl::Status Begin() override {
    written_before_ = connection_->written_bytes();
    return connection_->Execute("BEGIN IMMEDIATE");
  }
  absl::Status Commit() override {
    RETURN_IF_ERROR(connection_->Execute("COMMIT"));
    wanted_ = 0;
    return absl::OkStatus();
  }
  void Rollback() override {
    wanted_ = std::max(wanted_, connection_->written_bytes() - written_before_);
    EndTransaction();
  }
  // Pages that are written and rolled back stay in the log's file: the next transaction overwrites them.
  absl::Status MakeRoom() override {
    const std::uint64_t bytes = std::clamp(2 * wanted_, kLeastRoom, kMostRoom);
    RETURN_IF_ERROR(connection_->Execute("BEGIN IMMEDIATE"));
    // Random, because some file systems store zeros in no space.
    absl::Status status = Run(*connection_, "INSERT INTO meta (key, value) VALUES ('room', randomblob(?))", bytes);
    status.Update(connection_->Flush());
    EndTransaction();
    return status;
  }
  absl::StatusOr<StoreContents> LoadContents() override { return LoadStore(*connection_); }

  absl::Status PutMeta(absl::string_view key, absl::string_view value) override {
    return Run(*connection_,
               "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
               key, value);
  }
  absl::Status Put(const HostRow& row) override {
    return Run(*connection_,
               "INSERT INTO host (key, host_id, label, name, \"group\", first_seen_us, open_minute, newest_step, "
               "duplicate, boot_id, boot_us, agent_version, attributes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
               "ON CONFLICT (key) DO UPDATE SET host_id = excluded.host_id, label = excluded.label, "
               "name = excluded.name, \"group\" = excluded.\"group\", first_seen_us = excluded.first_seen_us, "
               "open_minute = excluded.open_minute, newest_step = excluded.newest_step, "
               "duplicate = excluded.duplicate, boot_id = excluded.boot_id, boot_us = excluded.boot_us, "
               "agent_version = excluded.agent_version, attributes = excluded.attributes",
               row.key, Hex(row.host_id), row.label, row.name, row.group, row.first_seen_us, row.open_minute,
               row.newest_step, row.duplicate, Hex(row.boot_id), row.boot_us, row.agent_version, Blob(row.attributes));
  }
  absl::Status Put(const HostAliasRow& row) override {
    return Run(*connection_,
               "INSERT INTO host_alias (alias, host) VALUES (?, ?) ON CONFLICT (alias) DO UPDATE SET "
               "host = excluded.host",
               row.alias, row.host);
  }
  absl::Status Put(const AgentRow& row) override {
    return Run(*connection_,
               "INSERT INTO agent (agent_id, host, version, current_epoch, past_epochs, first_seen_us, last_hello_us, "
               "duplicate, produced, committed, dropped, refused, late, told_dropped, told_refused, losses_unseen, "
               "counted_day) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
               "ON CONFLICT (agent_id) DO "
               "UPDATE SET host = excluded.host, version = excluded.version, current_epoch = excluded.current_epoch, "
               "past_epochs = excluded.past_epochs, first_seen_us = excluded.first_seen_us, "
               "last_hello_us = excluded.last_hello_us, duplicate = excluded.duplicate, "
               "produced = excluded.produced, committed = excluded.committed, dropped = excluded.dropped, "
               "refused = excluded.refused, late = excluded.late, told_dropped = excluded.told_dropped, "
               "told_refused = excluded.told_refused, losses_unseen = excluded.losses_unseen, "
               "counted_day = excluded.counted_day",
               Hex(row.agent_id), row.host, row.version, row.current_epoch, Blob(row.past_epochs), row.first_seen_us,
               row.last_hello_us, row.duplicate, row.produced, row.committed, row.dropped, row.refused, row.late,
               row.told_dropped, row.told_refused, row.losses_unseen, row.counted_day);
  }
  absl::Status Put(const AgentDayRow& row) override {
    return Run(*connection_,
               "INSERT INTO agent_day (agent_id, day, host, produced, committed, dropped, refused) "
               "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (agent_id, day) DO UPDATE SET host = excluded.host, "
               "produced = excluded.produced, committed = excluded.committed, dropped = excluded.dropped, "
               "refused = excluded.refused",
               Hex(row.agent_id), row.day, row.host, row.produced, row.committed, row.dropped, row.refused);
  }
  absl::Status Put(const WatchdogRow& row) override {
    return Run(*connection_,
               "INSERT INTO watchdog (from_minute, to_minute) VALUES (?, ?) ON CONFLICT (from_minute) DO UPDATE SET "
               "to_minute = excluded.to_minute",
               row.from_minute, row.to_minute);
  }
  absl::Status Put(const CursorRow& row) override {
    return Run(*connection_,
               "INSERT INTO cursor (epoch, agent_id, number, newest_step, produced, moved) VALUES (?, ?, ?, ?, ?, ?) "
               "ON CONFLICT (epoch, agent_id) DO UPDATE SET number = excluded.number, "
               "newest_step = excluded.newest_step, produced = excluded.produced, moved = excluded.moved",
               row.epoch, Hex(row.agent_id), row.number, row.newest_step, row.produced, row.moved);
  }
  absl::Status DeleteCursor(std::uint64_t epoch, absl::string_view agent_id) override {
    return Run(*connection_, "DELETE FROM cursor WHERE epoch = ? AND agent_id = ?", epoch, Hex(agent_id));
  }
  absl::Status Put(const DormantSeriesRow& row) override { return PutDormant(*connection_, row); }
  absl::Status PutDormantEntity(EntityId entity) override {
    return Run(*connection_, "INSERT INTO dormant_entity (entity) VALUES (?)", entity);
  }
  absl::Status PutDormantApplication(ApplicationId application) override {
    return Run(*connection_, "INSERT INTO dormant_application (application) VALUES (?)", application);
  }
  absl::Status DeleteDormantSeries(SeriesId series) override {
    return Run(*connection_, "DELETE FROM dormant_series WHERE series = ?", series);
  }
  absl::Status DeleteDormantEntity(EntityId entity) override {
    return Run(*connection_, "DELETE FROM dormant_entity WHERE entity = ?", entity);
  }
  absl::Status DeleteDormantApplication(ApplicationId application) override {
    return Run(*connection_, "DELETE FROM dormant_application WHERE application = ?", application);
  }
  absl::Status ClearDormantTotals() override { return ppmm::ClearDormantTotals(*connection_); }
  absl::StatusOr<EntityId> FindEntity(HostKey host, EntityKind kind, absl::string_view key) override {
    return FindId(*connection_, "SELECT id FROM entity WHERE host = ? AND kind = ? AND key = ?", host,
                  static_cast<int>(kind), key);
  }
  absl::StatusOr<SeriesId> FindSeries(EntityId entity, absl::string_view metric, absl::string_view labels) override {
    return FindId(*connection_, "SELECT id FROM series WHERE entity = ? AND metric = ? AND labels = ?", entity, metric,
                  labels);
  }
  absl::StatusOr<ApplicationId> FindApplication(absl::string_view key) override {
    return FindId(*connection_, "SELECT id FROM application WHERE key = ?", key);
  }
  absl::StatusOr<ApplicationId> FindApplicationByLabel(absl::string_view label) override {
    // As in the index `application_label`.
    return FindId(*connection_,
                  "SELECT id FROM application WHERE "
                  "CASE \"group\" WHEN 'default' THEN name ELSE \"group\" || '/' || name END = ?",
                  label);
  }
  absl::StatusOr<std::optional<SeriesRow>> GetSeries(SeriesId series) override {
    return ReadSeries(*connection_, series);
  }
  absl::StatusOr<std::optional<EntityContents>> GetEntity(EntityId entity) override {
    return ReadEntity(*connection_, entity);
  }
  absl::StatusOr<std::optional<ApplicationContents>> GetApplication(ApplicationId application) override {
    return ReadApplication(*connection_, application);
  }
  absl::StatusOr<std::optional<DormantSeriesRow>> GetDormantSeries(SeriesId series) override {
    return ReadDormant(*connection_, series);
  }
  absl::Status Put(const EntityRow& row) override {
    return Run(*connection_,
               "INSERT INTO entity (id, host, kind, key, first_seen_us, started_us, attributes) "
               "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET host = excluded.host, "
               "kind = excluded.kind, key = excluded.key, first_seen_us = excluded.first_seen_us, "
               "started_us = excluded.started_us, attributes = excluded.attributes",
               row.id, row.host, static_cast<int>(row.kind), row.key, row.first_seen_us, row.started_us,
               Blob(row.attributes));
  }
  absl::Status Put(const SeriesRow& row) override {
    return Run(*connection_,
               "INSERT INTO series (id, entity, metric, labels) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
               "entity = excluded.entity, metric = excluded.metric, labels = excluded.labels",
               row.id, row.entity, row.metric, row.labels);
  }
  absl::Status Put(const ApplicationRow& row) override {
    return Run(*connection_,
               "INSERT INTO application (id, key, \"group\", name, first_seen_us) VALUES (?, ?, ?, ?, ?) "
               "ON CONFLICT (id) DO UPDATE SET key = excluded.key, \"group\" = excluded.\"group\", "
               "name = excluded.name, first_seen_us = excluded.first_seen_us",
               row.id, row.key, row.group, row.name, row.first_seen_us);
  }
  absl::Status Put(const ApplicationAliasRow& row) override {
    return Run(*connection_,
               "INSERT INTO application_alias (application, display_name, valid_from_us) VALUES (?, ?, ?) "
               "ON CONFLICT (application, valid_from_us) DO UPDATE SET display_name = excluded.display_name",
               row.application, row.display_name, row.valid_from_us);
  }
  absl::Status Put(const InstanceRow& row) override {
    return Run(*connection_,
               "INSERT INTO instance (entity, application, host, slot, product, version, code_digest) "
               "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (entity) DO UPDATE SET application = excluded.application, "
               "host = excluded.host, slot = excluded.slot, product = excluded.product, version = excluded.version, "
               "code_digest = excluded.code_digest",
               row.entity, row.application, row.host, row.slot, row.product, row.version, row.code_digest);
  }
  absl::Status PutInstanceLives(EntityId entity, absl::Span<const InstanceLifeRow> rows) override {
    RETURN_IF_ERROR(Run(*connection_, "DELETE FROM instance_life WHERE entity = ?", entity));
    for (const InstanceLifeRow& row : rows) {
      RETURN_IF_ERROR(Run(*connection_, "INSERT INTO instance_life (entity, from_minute, to_minute) VALUES (?, ?, ?)",
                          entity, row.from_minute, row.to_minute));
    }
    return absl::OkStatus();
  }
  absl::Status Put(const ReleaseRow& row) override {
    return Run(*connection_,
               "INSERT INTO release (entity, at_us, application, version, code_digest, previous_version, "
               "previous_code_digest) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (entity, at_us) DO UPDATE SET "
               "application = excluded.application, version = excluded.version, code_digest = excluded.code_digest, "
               "previous_version = excluded.previous_version, previous_code_digest = excluded.previous_code_digest",
               row.entity, row.at_us, row.application, row.version, row.code_digest, row.previous_version,
               row.previous_code_digest);
  }
  absl::StatusOr<bool> AddNew(const DeploymentRow& row) override {
    RETURN_IF_ERROR(Run(*connection_,
                        "INSERT INTO deployment (application, at_us, version, host, package, previous_version, "
                        "told_by, received_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                        "ON CONFLICT (application, at_us, version, host, package) DO NOTHING",
                        row.application, row.at_us, row.version, row.host, row.package, row.previous_version,
                        row.told_by, row.received_us));
    return connection_->changes() > 0;
  }
  absl::StatusOr<bool> AddNew(const ReleaseVerdictRow& row) override {
    RETURN_IF_ERROR(Run(*connection_,
                        "INSERT INTO release_verdict (application, at_us, minutes, made_us, verdict, before_requests, "
                        "before_timed, before_errors, before_cpu_us, before_response_sum, after_requests, after_timed, "
                        "after_errors, after_cpu_us, after_response_sum) "
                        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                        "ON CONFLICT (application, at_us, minutes) DO NOTHING",
                        row.application, row.at_us, row.minutes, row.made_us, row.verdict, row.before.requests,
                        row.before.timed, row.before.errors, row.before.cpu_us, row.before.response_sum,
                        row.after.requests, row.after.timed, row.after.errors, row.after.cpu_us,
                        row.after.response_sum));
    return connection_->changes() > 0;
  }
  absl::Status Put(const ListenerRow& row) override {
    return Run(*connection_,
               "INSERT INTO listener (entity, address, port, protocol, first_seen_us, gone_us) "
               "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (entity, address, port, protocol) DO UPDATE SET "
               "first_seen_us = excluded.first_seen_us, gone_us = excluded.gone_us",
               row.entity, row.address, row.port, row.protocol, row.first_seen_us, row.gone_us);
  }
  absl::Status Add(const PeerDayRow& row) override {
    return Run(*connection_,
               "INSERT INTO peer_day (day, host, entity, direction, address, port, connections, bytes) "
               "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (day, host, entity, direction, address, port) DO UPDATE "
               "SET connections = peer_day.connections + excluded.connections, bytes = peer_day.bytes + excluded.bytes",
               row.day, row.host, row.entity, row.direction, row.address, row.port, row.connections, row.bytes);
  }
  absl::Status Put(const HostLifeRow& row) override {
    return Run(*connection_,
               "INSERT INTO host_life (host, from_us, to_us, why) VALUES (?, ?, ?, ?) "
               "ON CONFLICT (host, from_us) DO UPDATE SET to_us = excluded.to_us, why = excluded.why",
               row.host, row.from_us, row.to_us, row.why);
  }
  absl::Status Put(const SourceStateRow& row) override {
    return Run(*connection_,
               "INSERT INTO source_state (host, source, state, reason, since_us) VALUES (?, ?, ?, ?, ?) "
               "ON CONFLICT (host, source) DO UPDATE SET state = excluded.state, reason = excluded.reason, "
               "since_us = excluded.since_us",
               row.host, row.source, row.state, row.reason, row.since_us);
  }
  absl::Status PutMinute(std::int64_t minute, HostKey host, absl::string_view blob) override {
    return Run(*connection_,
               "INSERT INTO minute (id, blob) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET blob = excluded.blob",
               RowId(minute, host), Blob(blob));
  }
  absl::Status Add(const ApplicationMinuteRow& row) override {
    return Run(*connection_,
               "INSERT INTO application_minute AS old (id, requests, errors, timed, independent, in_flight_sum, "
               "in_flight_count, response_sum, traffic, cpu_us, unparsed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
               "ON CONFLICT (id) DO UPDATE "
               "SET requests = old.requests + excluded.requests, errors = old.errors + excluded.errors, "
               "timed = old.timed + excluded.timed, independent = old.independent + excluded.independent, "
               "in_flight_sum = old.in_flight_sum + excluded.in_flight_sum, "
               "in_flight_count = old.in_flight_count + excluded.in_flight_count, "
               "response_sum = old.response_sum + excluded.response_sum, traffic = old.traffic + excluded.traffic, "
               "cpu_us = old.cpu_us + excluded.cpu_us, unparsed = old.unparsed + excluded.unparsed",
               RowId(row.minute, row.application), row.requests, row.errors, row.timed, row.independent,
               row.in_flight_us, row.elapsed_us, row.response_sum, row.traffic, row.cpu_us, row.unparsed);
  }
  absl::Status Put(const TotalRow& row) override {
    return Run(*connection_,
               "INSERT INTO total (application, blob) VALUES (?, ?) ON CONFLICT (application) DO UPDATE SET "
               "blob = excluded.blob",
               row.application, Blob(row.blob));
  }
  absl::Status Put(const DayBitsRow& row) override {
    return Run(*connection_,
               "INSERT INTO day_bits (day, host, blob) VALUES (?, ?, ?) ON CONFLICT (day, host) DO UPDATE SET "
               "blob = excluded.blob",
               row.day, row.host, Blob(row.blob));
  }
  absl::Status Put(const BlockRow& row) override {
    return Run(*connection_,
               "INSERT INTO block (entity, step_seconds, day, keep_until_day, blob) VALUES (?, ?, ?, ?, ?) "
               "ON CONFLICT (entity, step_seconds, day) DO UPDATE SET keep_until_day = excluded.keep_until_day, "
               "blob = excluded.blob",
               row.entity, row.step_seconds, row.day, row.keep_until_day, Blob(row.blob));
  }
  absl::Status PutFactDay(Day day, ScopeId scope, const DayFacts& facts) override {
    static const std::string* const sql = new std::string(PutFactDaySql());
    ASSIGN_OR_RETURN(SqliteStatement statement, connection_->Prepare(sql->c_str()));
    statement.Bind(day, static_cast<int>(scope.kind), scope.number);
    for (const FactColumn& column : FactColumns()) {
      statement.Bind(column.Of(facts));
    }
    return statement.Run();
  }
  absl::Status Put(const ForecastRow& row) override {
    return Run(*connection_,
               "INSERT INTO forecast (day, host, kind, series, from_minute, used, capacity, refusal, day_count, "
               "level_millionths, slope_millionths, step_day, days, days_low, days_high) "
               "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (day, host, kind, series) DO UPDATE "
               "SET from_minute = excluded.from_minute, used = excluded.used, capacity = excluded.capacity, "
               "refusal = excluded.refusal, day_count = excluded.day_count, "
               "level_millionths = excluded.level_millionths, slope_millionths = excluded.slope_millionths, "
               "step_day = excluded.step_day, days = excluded.days, days_low = excluded.days_low, "
               "days_high = excluded.days_high",
               row.day, row.host, row.kind, row.series, row.from_minute, row.used, row.capacity, row.refusal,
               row.day_count, row.level_millionths, row.slope_millionths, row.step_day, row.days, row.days_low,
               row.days_high);
  }
  absl::Status Put(const RatingDayRow& row) override {
    return Run(*connection_,
               "INSERT INTO rating_day (day, published, low, high, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT (day) DO "
               "UPDATE SET published = excluded.published, low = excluded.low, high = excluded.high, "
               "body = excluded.body",
               row.day, row.published, row.low, row.high, Blob(row.body));
  }
  absl::Status Put(const Tier1Row& row) override {
    return Run(*connection_,
               "INSERT INTO tier_1 (day, application, why) VALUES (?, ?, ?) ON CONFLICT (day, application) DO UPDATE "
               "SET why = excluded.why",
               row.day, row.application, row.why);
  }

  absl::StatusOr<int> DeleteMinutesBefore(std::int64_t minute,
                                          absl::Span<const std::pair<std::int64_t, HostKey>> except,
                                          int limit) override {
    std::vector<std::int64_t> kept;
    for (const auto& [kept_minute, host] : except) {
      kept.push_back(RowId(kept_minute, host));
    }
    std::sort(kept.begin(), kept.end());
    std::vector<std::int64_t> doomed;
    ASSIGN_OR_RETURN(SqliteStatement scan, connection_->Prepare("SELECT id FROM minute WHERE id < ? ORDER BY id"));
    scan.Bind(RowId(minute, 0));
    while (static_cast<int>(doomed.size()) < limit) {
      ASSIGN_OR_RETURN(const bool row, scan.Step());
      if (!row) {
        break;
      }
      if (!std::binary_search(kept.begin(), kept.end(), scan.Int(0))) {
        doomed.push_back(scan.Int(0));
      }
    }
    for (const std::int64_t id : doomed) {
      RETURN_IF_ERROR(Run(*connection_, "DELETE FROM minute WHERE id = ?", id));
    }
    return static_cast<int>(doomed.size());
  }
  absl::StatusOr<int> DeleteApplicationMinutesBefore(std::int64_t minute, int limit) override {
    return Delete(
        "DELETE FROM application_minute WHERE id IN (SELECT id FROM application_minute WHERE id < ? "
        "ORDER BY id LIMIT ?)",
        RowId(minute, 0), limit);
  }
  absl::StatusOr<int> DeleteDayRowsBefore(std::int64_t day, int limit) override {
    ASSIGN_OR_RETURN(const int bits, Delete("DELETE FROM day_bits WHERE (day, host) IN (SELECT day, host FROM day_bits "
                                            "WHERE day < ? ORDER BY day LIMIT ?)",
                                            day, limit));
    ASSIGN_OR_RETURN(const int peers,
                     Delete("DELETE FROM peer_day WHERE (day, host, entity, direction, address, port) IN (SELECT day, "
                            "host, entity, direction, address, port FROM peer_day WHERE day < ? ORDER BY day LIMIT ?)",
                            day, limit - bits));
    ASSIGN_OR_RETURN(const int agents,
                     Delete("DELETE FROM agent_day WHERE (agent_id, day) IN (SELECT agent_id, day FROM agent_day "
                            "WHERE day < ? ORDER BY day LIMIT ?)",
                            day, limit - bits - peers));
    ASSIGN_OR_RETURN(const int watched,
                     Delete("DELETE FROM watchdog WHERE from_minute IN (SELECT from_minute FROM watchdog "
                            "WHERE to_minute < ? LIMIT ?)",
                            day * 1440, limit - bits - peers - agents));
    return bits + peers + agents + watched;
  }
  absl::StatusOr<int> DeleteForecastsBefore(std::int64_t day, int limit) override {
    return Delete(
        "DELETE FROM forecast WHERE (day, host, kind, series) IN (SELECT day, host, kind, series FROM forecast "
        "WHERE day < ? ORDER BY day LIMIT ?)",
        day, limit);
  }
  absl::StatusOr<int> DeleteFactDaysBefore(std::int64_t day, int limit) override {
    ASSIGN_OR_RETURN(const int facts,
                     Delete("DELETE FROM fact_day WHERE (day, kind, number) IN (SELECT day, kind, number FROM fact_day "
                            "WHERE day < ? ORDER BY day LIMIT ?)",
                            day, limit));
    constexpr std::int64_t kMicrosADay = 86'400'000'000;
    ASSIGN_OR_RETURN(const int deployments,
                     Delete("DELETE FROM deployment WHERE (application, at_us, version, host, package) IN (SELECT "
                            "application, at_us, version, host, package FROM deployment WHERE at_us < ? LIMIT ?)",
                            day * kMicrosADay, limit - facts));
    ASSIGN_OR_RETURN(const int verdicts,
                     Delete("DELETE FROM release_verdict WHERE (application, at_us, minutes) IN (SELECT application, "
                            "at_us, minutes FROM release_verdict WHERE at_us < ? LIMIT ?)",
                            day * kMicrosADay, limit - facts - deployments));
    return facts + deployments + verdicts;
  }
  absl::StatusOr<int> DeleteBlocksKeptUntil(std::int64_t day, int limit) override {
    return Delete(
        "DELETE FROM block WHERE (entity, step_seconds, day) IN (SELECT entity, step_seconds, day FROM block "
        "WHERE keep_until_day < ? LIMIT ?)",
        day, limit);
  }
  absl::StatusOr<int> DeleteConclusionsFrom(std::int64_t day) override {
    RETURN_IF_ERROR(Run(*connection_, "DELETE FROM fact_day WHERE day >= ?", day));
    RETURN_IF_ERROR(Run(*connection_, "DELETE FROM forecast WHERE day >= ?", day));
    RETURN_IF_ERROR(Run(*connection_, "DELETE FROM tier_1 WHERE day >= ?", day));
    RETURN_IF_ERROR(Run(*connection_, "DELETE FROM rating_day WHERE day >= ?", day));
    return connection_->changes();
  }

 private:
  void EndTransaction() {
    // A failed statement may have rolled back already.
    if (connection_->in_transaction()) {
      const absl::Status status = connection_->Execute("ROLLBACK");
      if (!status.ok()) {
        LogError("store", "roll back: ", status.ToString());
      }
    }
  }

  absl::StatusOr<int> Delete(const char* sql, std::int64_t bound, int limit) {
    RETURN_IF_ERROR(Run(*connection_, sql, bound, limit));
    return connection_->changes();
  }

  // PASSIVE never waits for anybody; only a WAL that grew over its bound, because some reader stayed long, is cut with
  // a short wait.
  void CheckpointLoop() {
    bool truncate = false;
    while (true) {
      {
        MutexLock lock(&mutex_);
        if (!stopping_) {
          wake_.WaitFor(&mutex_, std::chrono::seconds(1));
        }
        if (stopping_) {
          return;
        }
      }
      const absl::StatusOr<int> pages = checkpoints_->Checkpoint(truncate);
      if (!pages.ok() && pages.status().code() != absl::StatusCode::kUnavailable &&
          pages.status().code() != checkpoint_error_) {
        LogError("store", pages.status().ToString());
      }
      checkpoint_error_ = pages.status().code();
      truncate = pages.ok() && *pages > kWalTruncatePages;
    }
  }

  const std::string path_;
  std::uint64_t written_before_ = 0;               // the running transaction
  std::uint64_t wanted_ = 0;                       // by the largest that was rolled back since the last commit, bytes
  std::unique_ptr<SqliteConnection> checkpoints_;  // the checkpoint thread's
  absl::StatusCode checkpoint_error_ = absl::StatusCode::kOk;
  Mutex mutex_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path) {
  // Before anything is set in it: it may be somebody else's.
  std::error_code unreadable;  // told by the next line
  if (std::filesystem::exists(path, unreadable)) {
    ASSIGN_OR_RETURN(const std::unique_ptr<SqliteConnection> looked_at, SqliteConnection::OpenReadOnly(path));
    RETURN_IF_ERROR(CheckSchema(*looked_at));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> connection, SqliteConnection::Open(path, true));
  RETURN_IF_ERROR(MigrateSchema(*connection));
  ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> checkpoints, SqliteConnection::Open(path, false));
  return std::make_unique<SqliteStore>(path, std::move(connection), std::move(checkpoints));
}

}  // namespace ppmm
