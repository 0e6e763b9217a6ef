#include "collector/store/schema.h"

#include <iterator>
#include <optional>
#include <set>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "collector/facts/day_facts.h"
#include "collector/store/sqlite_query.h"
#include "collector/store/store_id.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "common/status.h"

namespace ppmm {
namespace {

// One script a version; a released script is never changed. Ids of 16 bytes are hexadecimal text, so that a person can
// read and join them; blobs are rollups and serialized messages. Key of `minute` and `application_minute`: minute since
// 1970 * 2^24 + host or application, so that a commit writes its rows in order.
constexpr const char* kMigrations[] = {
    // 1
    R"sql(
CREATE TABLE host (
  key INTEGER PRIMARY KEY, host_id TEXT NOT NULL UNIQUE, label TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
  "group" TEXT NOT NULL, first_seen_us BIGINT NOT NULL, open_minute BIGINT NOT NULL, newest_step BIGINT NOT NULL,
  duplicate INTEGER NOT NULL, boot_id TEXT NOT NULL, boot_us BIGINT NOT NULL, agent_version TEXT NOT NULL,
  attributes BLOB NOT NULL);
CREATE TABLE host_alias (alias TEXT PRIMARY KEY, host INTEGER NOT NULL);
CREATE TABLE agent (
  agent_id TEXT PRIMARY KEY, host INTEGER NOT NULL, version TEXT NOT NULL, current_epoch BIGINT NOT NULL,
  past_epochs BLOB NOT NULL, first_seen_us BIGINT NOT NULL, last_hello_us BIGINT NOT NULL,
  duplicate INTEGER NOT NULL, produced BIGINT NOT NULL, committed BIGINT NOT NULL,
  dropped BIGINT NOT NULL, refused BIGINT NOT NULL, late BIGINT NOT NULL);
CREATE TABLE cursor (
  epoch BIGINT NOT NULL, agent_id TEXT NOT NULL, number BIGINT NOT NULL, newest_step BIGINT NOT NULL,
  produced BIGINT NOT NULL, PRIMARY KEY (epoch, agent_id));
CREATE TABLE entity (
  id INTEGER PRIMARY KEY, host INTEGER NOT NULL, kind INTEGER NOT NULL, key TEXT NOT NULL,
  first_seen_us BIGINT NOT NULL, started_us BIGINT NOT NULL, attributes BLOB NOT NULL, UNIQUE (host, kind, key));
CREATE TABLE series (
  id INTEGER PRIMARY KEY, entity INTEGER NOT NULL, metric TEXT NOT NULL, labels TEXT NOT NULL,
  UNIQUE (entity, metric, labels));
CREATE TABLE application (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, "group" TEXT NOT NULL, name TEXT NOT NULL,
  first_seen_us BIGINT NOT NULL);
CREATE TABLE application_alias (
  application INTEGER NOT NULL, display_name TEXT NOT NULL, valid_from_us BIGINT NOT NULL,
  PRIMARY KEY (application, valid_from_us));
CREATE TABLE instance (
  entity INTEGER PRIMARY KEY, application INTEGER NOT NULL, host INTEGER NOT NULL, slot TEXT NOT NULL,
  product TEXT NOT NULL, version TEXT NOT NULL, code_digest TEXT NOT NULL);
CREATE TABLE instance_life (
  entity INTEGER NOT NULL, from_minute BIGINT NOT NULL, to_minute BIGINT NOT NULL, PRIMARY KEY (entity, from_minute));
CREATE TABLE release (
  entity INTEGER NOT NULL, at_us BIGINT NOT NULL, application INTEGER NOT NULL, version TEXT NOT NULL,
  code_digest TEXT NOT NULL, previous_version TEXT NOT NULL, previous_code_digest TEXT NOT NULL,
  PRIMARY KEY (entity, at_us));
CREATE TABLE listener (
  entity INTEGER NOT NULL, address TEXT NOT NULL, port INTEGER NOT NULL, protocol TEXT NOT NULL,
  first_seen_us BIGINT NOT NULL, gone_us BIGINT NOT NULL, PRIMARY KEY (entity, address, port, protocol));
CREATE TABLE peer_day (
  day BIGINT NOT NULL, host INTEGER NOT NULL, entity INTEGER NOT NULL, direction INTEGER NOT NULL,
  address TEXT NOT NULL, port INTEGER NOT NULL, connections BIGINT NOT NULL, bytes BIGINT NOT NULL,
  PRIMARY KEY (day, host, entity, direction, address, port));
CREATE TABLE host_life (
  host INTEGER NOT NULL, from_us BIGINT NOT NULL, to_us BIGINT NOT NULL, why TEXT NOT NULL,
  PRIMARY KEY (host, from_us));
CREATE TABLE source_state (
  host INTEGER NOT NULL, source TEXT NOT NULL, state INTEGER NOT NULL, reason TEXT NOT NULL, since_us BIGINT NOT NULL,
  PRIMARY KEY (host, source));
CREATE TABLE minute (id INTEGER PRIMARY KEY, blob BLOB NOT NULL);
CREATE TABLE application_minute (
  id INTEGER PRIMARY KEY, requests BIGINT NOT NULL, errors BIGINT NOT NULL, timed BIGINT NOT NULL,
  independent BIGINT NOT NULL, in_flight_sum BIGINT NOT NULL, in_flight_count BIGINT NOT NULL,
  response_sum BIGINT NOT NULL, traffic BIGINT NOT NULL, cpu_us BIGINT NOT NULL);
CREATE TABLE block (
  entity INTEGER NOT NULL, step_seconds INTEGER NOT NULL, day BIGINT NOT NULL, keep_until_day BIGINT NOT NULL,
  blob BLOB NOT NULL, PRIMARY KEY (entity, step_seconds, day));
CREATE INDEX block_keep ON block (keep_until_day);
CREATE TABLE total (application INTEGER PRIMARY KEY, blob BLOB NOT NULL);
CREATE TABLE day_bits (day BIGINT NOT NULL, host INTEGER NOT NULL, blob BLOB NOT NULL, PRIMARY KEY (day, host));
CREATE TABLE fact_day (day BIGINT NOT NULL, kind INTEGER NOT NULL, number INTEGER NOT NULL,
  PRIMARY KEY (day, kind, number));
CREATE TABLE rating_day (
  day INTEGER PRIMARY KEY, published TEXT NOT NULL, low TEXT NOT NULL, high TEXT NOT NULL, body BLOB NOT NULL);
)sql",
    // 2
    R"sql(
CREATE TABLE tier_1 (
  day BIGINT NOT NULL, application INTEGER NOT NULL, why TEXT NOT NULL, PRIMARY KEY (day, application));
)sql",
    // 3: samples, clocks and the watchdog are counted per day, of an older store from now on.
    R"sql(
ALTER TABLE agent ADD COLUMN told_dropped BIGINT NOT NULL DEFAULT -1;
ALTER TABLE agent ADD COLUMN told_refused BIGINT NOT NULL DEFAULT -1;
ALTER TABLE agent ADD COLUMN losses_unseen BIGINT NOT NULL DEFAULT 0;
ALTER TABLE agent ADD COLUMN counted_day BIGINT NOT NULL DEFAULT 0;
ALTER TABLE cursor ADD COLUMN moved INTEGER NOT NULL DEFAULT 0;
CREATE TABLE agent_day (
  agent_id TEXT NOT NULL, day BIGINT NOT NULL, host INTEGER NOT NULL, produced BIGINT NOT NULL,
  committed BIGINT NOT NULL, dropped BIGINT NOT NULL, refused BIGINT NOT NULL, PRIMARY KEY (agent_id, day));
CREATE INDEX agent_day_day ON agent_day (day);
CREATE TABLE watchdog (from_minute INTEGER PRIMARY KEY, to_minute BIGINT NOT NULL);
INSERT INTO meta (key, value) SELECT 'counted_since_us', value FROM meta WHERE key = 'store_time_us';
)sql",
    // 4
    R"sql(
CREATE TABLE forecast (
  day BIGINT NOT NULL, host INTEGER NOT NULL, kind INTEGER NOT NULL, series INTEGER NOT NULL,
  from_minute BIGINT NOT NULL, used BIGINT NOT NULL, capacity BIGINT NOT NULL, refusal TEXT NOT NULL,
  day_count BIGINT NOT NULL, level_millionths BIGINT NOT NULL, slope_millionths BIGINT NOT NULL,
  step_day BIGINT NOT NULL, days BIGINT NOT NULL, days_low BIGINT NOT NULL, days_high BIGINT NOT NULL,
  PRIMARY KEY (day, host, kind, series));
)sql",
    // 5: what is not in memory (docs/forgetting.md).
    R"sql(
CREATE TABLE dormant_series (
  series INTEGER PRIMARY KEY, last BIGINT NOT NULL, last_step BIGINT NOT NULL, total BIGINT NOT NULL,
  sketch BLOB NOT NULL);
CREATE TABLE dormant_entity (entity INTEGER PRIMARY KEY);
CREATE TABLE dormant_application (application INTEGER PRIMARY KEY);
CREATE INDEX release_at ON release (at_us);
)sql",
    // 6: labels are unique; of those that were not, the first keeps it.
    R"sql(
UPDATE application SET name = "group" || '/' || name WHERE id NOT IN (
  SELECT min(id) FROM application GROUP BY CASE "group" WHEN 'default' THEN name ELSE "group" || '/' || name END);
CREATE INDEX application_label ON application ((CASE "group" WHEN 'default' THEN name ELSE "group" || '/' || name END));
)sql",
    // 7: response times are counted per minute, of an older store from now on.
    R"sql(
ALTER TABLE application_minute ADD COLUMN unparsed BIGINT NOT NULL DEFAULT 0;
INSERT INTO meta (key, value) SELECT 'timed_since_us', value FROM meta WHERE key = 'store_time_us';
)sql",
    // 8: deployments are known, of an older store from now on.
    R"sql(
CREATE TABLE deployment (
  application INTEGER NOT NULL, at_us BIGINT NOT NULL, version TEXT NOT NULL, host INTEGER NOT NULL,
  package TEXT NOT NULL, previous_version TEXT NOT NULL, told_by TEXT NOT NULL, received_us BIGINT NOT NULL,
  PRIMARY KEY (application, at_us, version, host, package));
CREATE INDEX deployment_at ON deployment (at_us);
CREATE TABLE release_verdict (
  application INTEGER NOT NULL, at_us BIGINT NOT NULL, minutes INTEGER NOT NULL, made_us BIGINT NOT NULL,
  verdict TEXT NOT NULL, before_requests BIGINT NOT NULL, before_timed BIGINT NOT NULL,
  before_errors BIGINT NOT NULL, before_cpu_us BIGINT NOT NULL, before_response_sum BIGINT NOT NULL,
  after_requests BIGINT NOT NULL, after_timed BIGINT NOT NULL, after_errors BIGINT NOT NULL,
  after_cpu_us BIGINT NOT NULL, after_response_sum BIGINT NOT NULL, PRIMARY KEY (application, at_us, minutes));
CREATE INDEX release_verdict_at ON release_verdict (at_us);
INSERT INTO meta (key, value) SELECT 'deployments_since_us', value FROM meta WHERE key = 'store_time_us';
)sql",
};

// 0: not made yet.
absl::StatusOr<int> Version(SqliteConnection& connection) {
  ASSIGN_OR_RETURN(const std::optional<std::string> text,
                   One(connection, "SELECT value FROM meta WHERE key = 'schema_version'"));
  int version = 0;
  if (text.has_value() && !absl::SimpleAtoi(*text, &version)) {
    return absl::DataLossError(absl::StrCat("store ", connection.path(), ": schema_version in meta is no number"));
  }
  return version;
}

absl::Status Forward(SqliteConnection& connection, int to) {
  RETURN_IF_ERROR(connection.Execute("BEGIN IMMEDIATE"));
  RETURN_IF_ERROR(connection.Execute(kMigrations[to - 1]));
  if (to == 1) {
    RETURN_IF_ERROR(connection.Execute(absl::StrCat("INSERT INTO meta (key, value) VALUES ('store_id', '",
                                                    absl::BytesToHexString(NewStoreId()), "')")));
  }
  RETURN_IF_ERROR(connection.Execute(absl::StrCat("INSERT INTO meta (key, value) VALUES ('schema_version', '", to,
                                                  "') ON CONFLICT (key) DO UPDATE SET value = excluded.value")));
  Failpoint("migration");
  return connection.Execute("COMMIT");
}

// `fact_day` has a column for each of the list; a list that grew adds columns.
absl::Status CompleteFactDay(SqliteConnection& connection) {
  std::set<std::string> present;
  {
    ASSIGN_OR_RETURN(SqliteStatement columns, connection.Prepare("SELECT name FROM pragma_table_info('fact_day')"));
    while (true) {
      ASSIGN_OR_RETURN(const bool row, columns.Step());
      if (!row) {
        break;
      }
      present.insert(columns.Text(0));
    }
  }
  std::string sql;
  for (const FactColumn& column : FactColumns()) {
    if (!present.contains(std::string(column.name))) {
      absl::StrAppend(&sql, "ALTER TABLE fact_day ADD COLUMN ", column.name, " BIGINT NOT NULL DEFAULT 0;");
    }
  }
  return sql.empty() ? absl::OkStatus() : connection.Execute(absl::StrCat("BEGIN IMMEDIATE;", sql, "COMMIT"));
}

}  // namespace

int NewestSchemaVersion() {
  return static_cast<int>(std::size(kMigrations));
}

absl::Status CheckSchema(SqliteConnection& connection) {
  const auto number = [&connection](const char* sql) { return FindId(connection, sql); };
  ASSIGN_OR_RETURN(const std::uint32_t things, number("SELECT count(*) FROM sqlite_master"));
  if (things == 0) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::uint32_t columns,
                   number("SELECT count(*) FROM pragma_table_info('meta') WHERE name IN ('key', 'value')"));
  std::uint32_t ours = 0;
  if (columns == 2) {
    ASSIGN_OR_RETURN(ours, number("SELECT count(*) FROM meta WHERE key IN ('schema_version', 'store_id')"));
    // Killed before its first migration.
    ASSIGN_OR_RETURN(const std::uint32_t begun, number("SELECT NOT EXISTS (SELECT * FROM meta) AND NOT EXISTS "
                                                       "(SELECT * FROM sqlite_master WHERE tbl_name <> 'meta')"));
    if (begun != 0) {
      return absl::OkStatus();
    }
  }
  if (ours != 2) {
    return absl::FailedPreconditionError(
        absl::StrCat("store ", connection.path(),
                     ": it is a database of another program, and was left as it is; name another directory with "
                     "--data, or move that file away"));
  }
  ASSIGN_OR_RETURN(const int version, Version(connection));
  if (version > NewestSchemaVersion()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "store ", connection.path(), ": its schema ", version, " was made by a newer ppmm, this one knows ",
        NewestSchemaVersion(), " at most; install that version again, or restore the backup from before its upgrade"));
  }
  return absl::OkStatus();
}

absl::Status MigrateSchema(SqliteConnection& connection) {
  RETURN_IF_ERROR(connection.Execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)"));
  ASSIGN_OR_RETURN(int version, Version(connection));
  while (version < NewestSchemaVersion()) {
    ++version;
    const absl::Status status = Forward(connection, version);
    if (!status.ok()) {
      if (connection.in_transaction()) {
        connection.Execute("ROLLBACK").IgnoreError();  // the first error is the one to tell
      }
      return Annotate(status, absl::StrCat("migration to schema ", version));
    }
    LogInfo("store", "schema ", version);
  }
  const absl::Status status = CompleteFactDay(connection);
  if (!status.ok() && connection.in_transaction()) {
    connection.Execute("ROLLBACK").IgnoreError();  // the first error is the one to tell
  }
  return Annotate(status, "columns of fact_day");
}

}  // namespace ppmm
