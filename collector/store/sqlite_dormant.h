// What the SQLite store reads and writes of ids that are not in memory (docs/forgetting.md). For collector/store only.
// Errors of all: those of the connection.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "collector/store/rows.h"
#include "collector/store/sqlite_connection.h"

namespace ppmm {

// As the methods of Store and StoreReader that they serve.
absl::Status PutDormant(SqliteConnection& connection, const DormantSeriesRow& row);
absl::Status ClearDormantTotals(SqliteConnection& connection);
absl::StatusOr<std::optional<SeriesRow>> ReadSeries(SqliteConnection& connection, SeriesId series);
absl::StatusOr<std::optional<EntityContents>> ReadEntity(SqliteConnection& connection, EntityId entity);
absl::StatusOr<std::optional<ApplicationContents>> ReadApplication(SqliteConnection& connection,
                                                                   ApplicationId application);
absl::StatusOr<std::optional<DormantSeriesRow>> ReadDormant(SqliteConnection& connection, SeriesId series);
absl::StatusOr<std::vector<InstanceDayRow>> ReadInstancesOf(SqliteConnection& connection, std::int64_t day);
absl::StatusOr<std::vector<ReleaseRow>> ReadReleasesOf(SqliteConnection& connection, std::int64_t day);

}  // namespace ppmm
