// The tables of the store and the way from every released schema to the newest.
#pragma once

#include "absl/status/status.h"

#include "collector/store/sqlite_connection.h"

namespace ppmm {

// What this program reads and writes; in `meta` as schema_version.
int NewestSchemaVersion();

// Brings the file to the newest schema: each step forward is one transaction, so a kill in between leaves a file of
// some released schema. A new file gets its store_id here.
// Errors: FailedPrecondition: a newer program made the file; else those of the store.
absl::Status MigrateSchema(SqliteConnection& connection);

}  // namespace ppmm
