#include "collector/store/sqlite_connection.h"

#include <sqlite3.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

#include "common/status.h"

namespace ppmm {
namespace {

constexpr int kBusyTimeoutMs = 5000;

}  // namespace

SqliteStatement::SqliteStatement(SqliteStatement&& other) noexcept
    : connection_(other.connection_),
      statement_(std::exchange(other.statement_, nullptr)),
      next_parameter_(other.next_parameter_),
      bind_error_(other.bind_error_) {}

SqliteStatement::~SqliteStatement() {
  if (statement_ != nullptr) {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
}

void SqliteStatement::BindInt(std::int64_t value) {
  bind_error_ |= sqlite3_bind_int64(statement_, next_parameter_++, value);
}

void SqliteStatement::BindOne(absl::string_view text) {
  // A null pointer would bind NULL.
  bind_error_ |= sqlite3_bind_text64(statement_, next_parameter_++, text.data() == nullptr ? "" : text.data(),
                                     text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void SqliteStatement::BindOne(SqliteBlob blob) {
  bind_error_ |=
      sqlite3_bind_blob64(statement_, next_parameter_++, blob.bytes.data() == nullptr ? "" : blob.bytes.data(),
                          blob.bytes.size(), SQLITE_TRANSIENT);
}

absl::StatusOr<bool> SqliteStatement::Step() {
  if (bind_error_ != 0) {
    return connection_->Check(bind_error_, sqlite3_sql(statement_));
  }
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) {
    return true;
  }
  if (code == SQLITE_DONE) {
    return false;
  }
  return connection_->Check(code, sqlite3_sql(statement_));
}

absl::Status SqliteStatement::Run() {
  return Step().status();
}

std::int64_t SqliteStatement::Int(int column) const {
  return sqlite3_column_int64(statement_, column);
}

absl::string_view SqliteStatement::View(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? absl::string_view()
                         : absl::string_view(static_cast<const char*>(data), static_cast<size_t>(size));
}

std::string SqliteStatement::Text(int column) const {
  return std::string(View(column));
}

absl::Status SqliteConnection::Check(int code, absl::string_view what) const {
  if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) {
    return absl::OkStatus();
  }
  const std::string text = absl::StrCat("store: ", what, ": ", database_ != nullptr ? sqlite3_errmsg(database_) : "",
                                        " (", sqlite3_errstr(code), ")");
  switch (code & 0xff) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(text);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
    case SQLITE_AUTH:
      return absl::FailedPreconditionError(text);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(text);
    case SQLITE_IOERR: {
      const int error_number = database_ != nullptr ? sqlite3_system_errno(database_) : 0;
      if (error_number == ENOSPC || error_number == EDQUOT) {
        return absl::ResourceExhaustedError(text);
      }
      return error_number == EROFS ? absl::FailedPreconditionError(text) : absl::UnavailableError(text);
    }
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
      return absl::UnavailableError(text);
    default:
      return absl::InternalError(text);
  }
}

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(const std::string& path, bool create) {
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection);
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(path.c_str(), &connection->database_, flags, nullptr);
  RETURN_IF_ERROR(connection->Check(code, absl::StrCat("open ", path)));
  sqlite3_extended_result_codes(connection->database_, 1);
  sqlite3_busy_timeout(connection->database_, kBusyTimeoutMs);
  // The page size counts only for a file that is empty, and only before WAL.
  RETURN_IF_ERROR(
      connection->Execute("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
                          "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864;"));
  return connection;
}

SqliteConnection::~SqliteConnection() {
  for (const auto& [sql, statement] : statements_) {
    sqlite3_finalize(statement);
  }
  sqlite3_close_v2(database_);
}

absl::Status SqliteConnection::Execute(const std::string& sql) {
  return Check(sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr), sql);
}

absl::StatusOr<SqliteStatement> SqliteConnection::Prepare(const char* sql) {
  sqlite3_stmt*& statement = statements_[sql];
  if (statement == nullptr) {
    RETURN_IF_ERROR(Check(sqlite3_prepare_v3(database_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr), sql));
  }
  return SqliteStatement(this, statement);
}

bool SqliteConnection::in_transaction() const {
  return sqlite3_get_autocommit(database_) == 0;
}

int SqliteConnection::changes() const {
  return sqlite3_changes(database_);
}

absl::StatusOr<int> SqliteConnection::Checkpoint(bool truncate) {
  int in_log = 0;
  int moved = 0;
  sqlite3_busy_timeout(database_, 100);
  const int code = sqlite3_wal_checkpoint_v2(
      database_, nullptr, truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
  sqlite3_busy_timeout(database_, kBusyTimeoutMs);
  RETURN_IF_ERROR(Check(code, "checkpoint"));
  return in_log;
}

}  // namespace ppmm
