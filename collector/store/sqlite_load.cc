#include "collector/store/sqlite_load.h"

#include <utility>

#include "absl/strings/numbers.h"

#include "collector/store/sqlite_query.h"

namespace ppmm {

absl::StatusOr<StoreContents> LoadStore(SqliteConnection& c) {
  StoreContents all;
  using Row = const SqliteStatement&;
  RETURN_IF_ERROR(Each(c,
                       "SELECT key, host_id, label, name, \"group\", first_seen_us, open_minute, newest_step, "
                       "duplicate, boot_id, boot_us, agent_version, attributes FROM host ORDER BY key",
                       [&](Row r) {
                         all.hosts.push_back({r.As<HostKey>(0), Bytes(r, 1), r.Text(2), r.Text(3), r.Text(4), r.Int(5),
                                              r.Int(6), r.Int(7), r.Int(8) != 0, Bytes(r, 9), r.Int(10), r.Text(11),
                                              r.Text(12)});
                       }));
  RETURN_IF_ERROR(Each(c, "SELECT alias, host FROM host_alias ORDER BY alias", [&](Row r) {
    all.host_aliases.push_back({r.Text(0), r.As<HostKey>(1)});
  }));
  RETURN_IF_ERROR(
      Each(c,
           "SELECT agent_id, host, version, current_epoch, past_epochs, first_seen_us, last_hello_us, duplicate, "
           "produced, committed, dropped, refused, late, told_dropped, told_refused, losses_unseen, counted_day "
           "FROM agent ORDER BY agent_id",
           [&](Row r) {
             all.agents.push_back({Bytes(r, 0), r.As<HostKey>(1), r.Text(2), r.As<std::uint64_t>(3), r.Text(4),
                                   r.Int(5), r.Int(6), r.Int(7) != 0, r.As<std::uint64_t>(8), r.As<std::uint64_t>(9),
                                   r.As<std::uint64_t>(10), r.As<std::uint64_t>(11), r.As<std::uint64_t>(12), r.Int(13),
                                   r.Int(14), r.Int(15), r.Int(16)});
           }));
  RETURN_IF_ERROR(
      Each(c, "SELECT epoch, agent_id, number, newest_step, produced, moved FROM cursor ORDER BY agent_id, epoch",
           [&](Row r) {
             all.cursors.push_back({r.As<std::uint64_t>(0), Bytes(r, 1), r.As<std::uint64_t>(2), r.Int(3),
                                    r.As<std::uint64_t>(4), r.Int(5) != 0});
           }));
  RETURN_IF_ERROR(Each(c,
                       "SELECT id, host, kind, key, first_seen_us, started_us, attributes FROM entity "
                       "WHERE id NOT IN (SELECT entity FROM dormant_entity) ORDER BY id",
                       [&](Row r) {
                         all.entities.push_back({r.As<EntityId>(0), r.As<HostKey>(1), r.As<EntityKind>(2), r.Text(3),
                                                 r.Int(4), r.Int(5), r.Text(6)});
                       }));
  RETURN_IF_ERROR(Each(c,
                       "SELECT id, entity, metric, labels FROM series "
                       "WHERE id NOT IN (SELECT series FROM dormant_series) ORDER BY id",
                       [&](Row r) {
                         all.series.push_back({r.As<SeriesId>(0), r.As<EntityId>(1), r.Text(2), r.Text(3)});
                       }));
  RETURN_IF_ERROR(
      Each(c,
           "SELECT id, key, \"group\", name, first_seen_us FROM application "
           "WHERE id NOT IN (SELECT application FROM dormant_application) ORDER BY id",
           [&](Row r) {
             all.applications.push_back({r.As<ApplicationId>(0), r.Text(1), r.Text(2), r.Text(3), r.Int(4)});
           }));
  RETURN_IF_ERROR(Each(c,
                       "SELECT application, display_name, valid_from_us FROM application_alias "
                       "ORDER BY application, valid_from_us",
                       [&](Row r) {
                         all.application_aliases.push_back({r.As<ApplicationId>(0), r.Text(1), r.Int(2)});
                       }));
  RETURN_IF_ERROR(Each(c,
                       "SELECT entity, application, host, slot, product, version, code_digest FROM instance "
                       "WHERE entity NOT IN (SELECT entity FROM dormant_entity) ORDER BY entity",
                       [&](Row r) {
                         all.instances.push_back({r.As<EntityId>(0), r.As<ApplicationId>(1), r.As<HostKey>(2),
                                                  r.Text(3), r.Text(4), r.Text(5), r.Text(6)});
                       }));
  RETURN_IF_ERROR(Each(c,
                       "SELECT entity, from_minute, to_minute FROM instance_life "
                       "WHERE entity NOT IN (SELECT entity FROM dormant_entity) ORDER BY entity, from_minute",
                       [&](Row r) {
                         all.instance_lives.push_back({r.As<EntityId>(0), r.Int(1), r.Int(2)});
                       }));
  RETURN_IF_ERROR(Each(
      c,
      "SELECT entity, address, port, protocol, first_seen_us, gone_us FROM listener "
      "WHERE entity NOT IN (SELECT entity FROM dormant_entity) ORDER BY entity, address, port, protocol",
      [&](Row r) {
        all.listeners.push_back({r.As<EntityId>(0), r.Text(1), r.As<std::uint32_t>(2), r.Text(3), r.Int(4), r.Int(5)});
      }));
  RETURN_IF_ERROR(Each(c, "SELECT host, from_us, to_us, why FROM host_life ORDER BY host, from_us", [&](Row r) {
    all.host_lives.push_back({r.As<HostKey>(0), r.Int(1), r.Int(2), r.Text(3)});
  }));
  RETURN_IF_ERROR(
      Each(c, "SELECT host, source, state, reason, since_us FROM source_state ORDER BY host, source", [&](Row r) {
        all.sources.push_back({r.As<HostKey>(0), r.Text(1), r.As<std::int32_t>(2), r.Text(3), r.Int(4)});
      }));
  for (const HostRow& host : all.hosts) {
    if (host.open_minute == 0) {
      continue;
    }
    ASSIGN_OR_RETURN(std::optional<std::string> blob,
                     One(c, "SELECT blob FROM minute WHERE id = ?", RowId(host.open_minute, host.key)));
    if (blob.has_value()) {
      all.open_minutes.push_back({host.open_minute, host.key, *std::move(blob)});
    }
  }
  RETURN_IF_ERROR(Each(c,
                       "SELECT application, blob FROM total "
                       "WHERE application NOT IN (SELECT application FROM dormant_application) ORDER BY application",
                       [&](Row r) {
                         all.totals.push_back({r.As<ApplicationId>(0), r.Text(1)});
                       }));
  RETURN_IF_ERROR(Each(c,
                       "SELECT coalesce((SELECT max(id) FROM entity), 0), coalesce((SELECT max(id) FROM series), 0), "
                       "coalesce((SELECT max(id) FROM application), 0)",
                       [&](Row r) {
                         all.last_entity = r.As<EntityId>(0);
                         all.last_series = r.As<SeriesId>(1);
                         all.last_application = r.As<ApplicationId>(2);
                       }));
  RETURN_IF_ERROR(Each(c, "SELECT from_minute, to_minute FROM watchdog ORDER BY from_minute DESC LIMIT 1", [&](Row r) {
    all.watchdog = {r.Int(0), r.Int(1)};
  }));
  ASSIGN_OR_RETURN(const std::optional<std::string> newest, One(c, "SELECT max(day) FROM forecast"));
  std::int64_t day = 0;
  if (newest.has_value() && absl::SimpleAtoi(*newest, &day)) {
    ASSIGN_OR_RETURN(all.forecasts, ReadForecasts(c, day, day + 1));
  }
  return all;
}

absl::StatusOr<std::vector<ForecastRow>> ReadForecasts(SqliteConnection& connection, std::int64_t from_day,
                                                       std::int64_t to_day) {
  std::vector<ForecastRow> rows;
  RETURN_IF_ERROR(Each(
      connection,
      "SELECT day, host, kind, series, from_minute, used, capacity, refusal, day_count, level_millionths, "
      "slope_millionths, step_day, days, days_low, days_high FROM forecast WHERE day >= ? AND day < ? "
      "ORDER BY host, kind, series, day",
      [&](const SqliteStatement& r) {
        rows.push_back({r.Int(0), r.As<HostKey>(1), r.As<std::int32_t>(2), r.As<SeriesId>(3), r.Int(4), r.Int(5),
                        r.Int(6), r.Text(7), r.Int(8), r.Int(9), r.Int(10), r.Int(11), r.Int(12), r.Int(13),
                        r.Int(14)});
      },
      from_day, to_day));
  return rows;
}

}  // namespace ppmm
