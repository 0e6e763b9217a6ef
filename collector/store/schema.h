// The tables of the store and the way from every released schema to the newest.
#pragma once

#include "absl/status/status.h"

#include "collector/store/sqlite_connection.h"

namespace ppmm {

// What this program reads and writes; in `meta` as schema_version.
int NewestSchemaVersion();

// Whether the file is a store of this version or an older one, or still empty. Writes nothing.
// Errors: FailedPrecondition: it is another program's, or a newer version's; the text says what to do. DataLoss: no
//         database; else those of the store.
absl::Status CheckSchema(SqliteConnection& connection);

// Brings the file, which CheckSchema() passed, to the newest schema: each step forward is one transaction, so a kill in
// between leaves a file of some released schema. A new file gets its store_id here.
// Errors: those of the store.
absl::Status MigrateSchema(SqliteConnection& connection);

}  // namespace ppmm
