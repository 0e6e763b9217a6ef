// What a start reads of an SQLite store: every table that is kept in memory, whole.
#pragma once

#include "absl/status/statusor.h"

#include "collector/store/rows.h"
#include "collector/store/sqlite_connection.h"

namespace ppmm {

// Errors: those of the connection.
absl::StatusOr<StoreContents> LoadStore(SqliteConnection& connection);

}  // namespace ppmm
