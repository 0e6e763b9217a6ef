// The SQL by which the documents let a reader recompute the numbers: taken from their code blocks and run on the store
// of the world, so that no document can rot.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace ppmm {

// One row of a result: text by name of its column; NULL is empty.
using SqlRow = std::map<std::string, std::string>;

// The SQL blocks below the heading that begins with these words, in order. `document`: its name in docs/.
std::vector<std::string> SqlBelow(const std::string& heading, const std::string& document = "rating.md");

// Runs one statement on a read-only connection. `now`: what the statement is to think the time is; unixepoch() without
// arguments answers it.
std::vector<SqlRow> RunSql(const std::string& path, const std::string& sql, absl::Time now);

// The rows by the text of a column.
std::map<std::string, SqlRow> By(const std::string& column, const std::vector<SqlRow>& rows);

// Copies the store as of its last commit.
void CopyStore(const std::string& from, const std::string& to);

}  // namespace ppmm
