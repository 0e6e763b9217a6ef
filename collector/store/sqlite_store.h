// The Store in one SQLite file: 8 KB pages, WAL, synchronous FULL. A thread of its own moves the WAL into the file each
// second, because checkpoints within commits double what a commit takes (measured).
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "collector/store/store.h"

namespace ppmm {

// Opens or makes the file and brings it to the newest schema. What is not a store of this version or an older one stays
// as it is.
//
// Errors: FailedPrecondition: not to be opened, read-only, of another program or a newer version; ResourceExhausted:
//         disk full; DataLoss: damaged, or no database. The text names the file and what to do.
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path);

}  // namespace ppmm
