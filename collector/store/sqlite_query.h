// Short forms of what the SQLite store's files do all the time: run a statement, read its rows. For collector/store
// only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

#include "collector/store/sqlite_connection.h"
#include "common/status.h"

namespace ppmm {

inline constexpr int kRowBits = 24;  // of host or application in the key of minute and application_minute

inline std::int64_t RowId(std::int64_t minute, std::uint32_t low) {
  return (minute << kRowBits) | low;
}

inline std::string Hex(absl::string_view bytes) {
  return absl::BytesToHexString(bytes);
}
inline std::string Bytes(const SqliteStatement& row, int column) {
  return absl::HexStringToBytes(row.View(column));
}
inline SqliteBlob Blob(absl::string_view bytes) {
  return {bytes};
}

// Prepares, binds, and runs a statement without rows.
template <class... Values>
absl::Status Run(SqliteConnection& connection, const char* sql, const Values&... values) {
  ASSIGN_OR_RETURN(SqliteStatement statement, connection.Prepare(sql));
  return statement.Bind(values...).Run();
}

// Calls `take(row)` for each row.
template <class Take, class... Values>
absl::Status Each(SqliteConnection& connection, const char* sql, const Take& take, const Values&... values) {
  ASSIGN_OR_RETURN(SqliteStatement statement, connection.Prepare(sql));
  statement.Bind(values...);
  while (true) {
    ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) {
      return absl::OkStatus();
    }
    take(static_cast<const SqliteStatement&>(statement));
  }
}

template <class... Values>
absl::StatusOr<std::optional<std::string>> One(SqliteConnection& connection, const char* sql, const Values&... values) {
  std::optional<std::string> result;
  RETURN_IF_ERROR(Each(
      connection, sql, [&](const SqliteStatement& row) { result = row.Text(0); }, values...));
  return result;
}

// The integer of a statement of one row and column; 0: no row.
template <class... Values>
absl::StatusOr<std::uint32_t> FindId(SqliteConnection& connection, const char* sql, const Values&... values) {
  std::uint32_t id = 0;
  RETURN_IF_ERROR(Each(
      connection, sql, [&id](const SqliteStatement& row) { id = row.As<std::uint32_t>(0); }, values...));
  return id;
}

}  // namespace ppmm
