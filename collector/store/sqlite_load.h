// What a start reads of an SQLite store: every table that is kept in memory, whole.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

#include "collector/store/rows.h"
#include "collector/store/sqlite_connection.h"

namespace ppmm {

// Errors: those of the connection.
absl::StatusOr<StoreContents> LoadStore(SqliteConnection& connection);

// StoreReader::Forecasts.
absl::StatusOr<std::vector<ForecastRow>> ReadForecasts(SqliteConnection& connection, std::int64_t from_day,
                                                       std::int64_t to_day);

}  // namespace ppmm
