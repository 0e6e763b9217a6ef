#include "collector/store/sqlite_dormant.h"

#include "collector/store/sqlite_query.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr std::int64_t kDayUs = 86'400'000'000;
constexpr std::int64_t kDayMinutes = 1440;
// The word that an instance ended may come before its last samples: a life is looked at a little beyond its ends.
constexpr std::int64_t kNearlyMinutes = 5;

using StatementRow = const SqliteStatement&;

}  // namespace

absl::Status PutDormant(SqliteConnection& connection, const DormantSeriesRow& row) {
  return Run(connection, "INSERT INTO dormant_series (series, last, last_step, total, sketch) VALUES (?, ?, ?, ?, ?)",
             row.series, row.last, row.last_step, row.total, Blob(row.sketch));
}

absl::Status ClearDormantTotals(SqliteConnection& connection) {
  RETURN_IF_ERROR(Run(connection, "UPDATE dormant_series SET total = 0, sketch = x''"));
  return Run(connection, "DELETE FROM total WHERE application IN (SELECT application FROM dormant_application)");
}

absl::StatusOr<std::optional<SeriesRow>> ReadSeries(SqliteConnection& connection, SeriesId series) {
  std::optional<SeriesRow> result;
  RETURN_IF_ERROR(Each(
      connection, "SELECT entity, metric, labels FROM series WHERE id = ?",
      [&](StatementRow r) {
        result = {series, r.As<EntityId>(0), r.Text(1), r.Text(2)};
      },
      series));
  return result;
}

absl::StatusOr<std::optional<EntityContents>> ReadEntity(SqliteConnection& connection, EntityId entity) {
  std::optional<EntityContents> result;
  RETURN_IF_ERROR(Each(
      connection, "SELECT host, kind, key, first_seen_us, started_us, attributes FROM entity WHERE id = ?",
      [&](StatementRow r) {
        result.emplace().row = {entity,   r.As<HostKey>(0), r.As<EntityKind>(1), r.Text(2), r.Int(3),
                                r.Int(4), r.Text(5)};
      },
      entity));
  if (!result.has_value()) {
    return result;
  }
  RETURN_IF_ERROR(Each(
      connection, "SELECT application, host, slot, product, version, code_digest FROM instance WHERE entity = ?",
      [&](StatementRow r) {
        result->instance = {entity,   r.As<ApplicationId>(0), r.As<HostKey>(1), r.Text(2), r.Text(3), r.Text(4),
                            r.Text(5)};
      },
      entity));
  RETURN_IF_ERROR(Each(
      connection, "SELECT from_minute, to_minute FROM instance_life WHERE entity = ? ORDER BY from_minute",
      [&](StatementRow r) {
        result->lives.push_back({entity, r.Int(0), r.Int(1)});
      },
      entity));
  RETURN_IF_ERROR(Each(
      connection,
      "SELECT address, port, protocol, first_seen_us, gone_us FROM listener WHERE entity = ? "
      "ORDER BY address, port, protocol",
      [&](StatementRow r) {
        result->listeners.push_back({entity, r.Text(0), r.As<std::uint32_t>(1), r.Text(2), r.Int(3), r.Int(4)});
      },
      entity));
  return result;
}

absl::StatusOr<std::optional<ApplicationContents>> ReadApplication(SqliteConnection& connection,
                                                                   ApplicationId application) {
  std::optional<ApplicationContents> result;
  RETURN_IF_ERROR(Each(
      connection,
      "SELECT key, \"group\", name, first_seen_us, coalesce((SELECT display_name FROM application_alias "
      "WHERE application = id ORDER BY valid_from_us DESC LIMIT 1), ''), coalesce((SELECT blob FROM total "
      "WHERE application = id), x'') FROM application WHERE id = ?",
      [&](StatementRow r) {
        result = {{application, r.Text(0), r.Text(1), r.Text(2), r.Int(3)}, r.Text(4), r.Text(5)};
      },
      application));
  return result;
}

absl::StatusOr<std::optional<DormantSeriesRow>> ReadDormant(SqliteConnection& connection, SeriesId series) {
  std::optional<DormantSeriesRow> result;
  RETURN_IF_ERROR(Each(
      connection, "SELECT last, last_step, total, sketch FROM dormant_series WHERE series = ?",
      [&](StatementRow r) {
        result = {series, r.Int(0), r.Int(1), r.Int(2), r.Text(3)};
      },
      series));
  return result;
}

absl::StatusOr<std::vector<InstanceDayRow>> ReadInstancesOf(SqliteConnection& connection, std::int64_t day) {
  std::vector<InstanceDayRow> rows;
  RETURN_IF_ERROR(Each(
      connection,
      "SELECT i.application, i.host, l.entity, l.from_minute, l.to_minute FROM instance_life l "
      "JOIN instance i ON i.entity = l.entity WHERE l.from_minute < ? AND (l.to_minute = 0 OR l.to_minute >= ?) "
      "ORDER BY l.entity, l.from_minute",
      [&](StatementRow r) {
        rows.push_back({r.As<ApplicationId>(0), r.As<HostKey>(1), {r.As<EntityId>(2), r.Int(3), r.Int(4)}});
      },
      (day + 1) * kDayMinutes + kNearlyMinutes, day * kDayMinutes - kNearlyMinutes));
  return rows;
}

absl::StatusOr<std::vector<ReleaseRow>> ReadReleasesOf(SqliteConnection& connection, std::int64_t day) {
  std::vector<ReleaseRow> rows;
  RETURN_IF_ERROR(Each(
      connection,
      "SELECT entity, at_us, application, version, code_digest, previous_version, previous_code_digest FROM release "
      "WHERE at_us >= ? AND at_us < ? ORDER BY entity, at_us",
      [&](StatementRow r) {
        rows.push_back(
            {r.As<EntityId>(0), r.Int(1), r.As<ApplicationId>(2), r.Text(3), r.Text(4), r.Text(5), r.Text(6)});
      },
      day * kDayUs, (day + 1) * kDayUs));
  return rows;
}

}  // namespace ppmm
