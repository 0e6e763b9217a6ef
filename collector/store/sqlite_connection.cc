#include "collector/store/sqlite_connection.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

#include "common/human.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr int kBusyTimeoutMs = 5000;
constexpr unsigned kPageBytes = 8192;

constexpr absl::string_view kHowToReplace =
    "; it is damaged, or no file of ppmm: put a backup in its place (docs/operations.md, Backup and restore), or name "
    "another directory with --data";

constexpr absl::string_view kHowToRepair =
    "; its disk may be failing, or the file system turned read-only for that: look at the kernel's log (dmesg), repair "
    "it, then start the collector anew, or move the data to another disk (stop, copy, --data DIR)";

std::string DirectoryOf(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

std::string HowToMakeRoom(const std::string& path) {
  const std::string directory = DirectoryOf(path);
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(directory, error);
  return absl::StrCat(error ? "" : absl::StrCat(", ", HumanBytes(static_cast<double>(space.available)), " free"),
                      "; make room in ", directory, ", or move the data to a larger disk (stop, copy, --data DIR)");
}

std::string HowToMakeWritable(const std::string& path) {
  return absl::StrCat("; user ", geteuid(), ", as whom it runs, must be able to write ", DirectoryOf(path),
                      " and each file in it, on a file system that is not read-only; or name another directory with "
                      "--data");
}

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
  const int kind = code & 0xff;
  // What SQLite says of the last call is of this code only if it is of the same kind.
  const bool told = database_ != nullptr && (sqlite3_errcode(database_) & 0xff) == kind;
  std::string text = absl::StrCat("store ", path_, ": ", told ? sqlite3_errmsg(database_) : sqlite3_errstr(code));
  int error_number = 0;
  if (told && (kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN)) {
    error_number = sqlite3_system_errno(database_);
  }
  if (error_number != 0) {
    absl::StrAppend(&text, " (", std::generic_category().message(error_number), ")");
  }
  switch (kind) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(absl::StrCat(text, HowToMakeRoom(path_)));
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
    case SQLITE_AUTH:
      return absl::FailedPreconditionError(absl::StrCat(text, HowToMakeWritable(path_)));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(absl::StrCat(text, kHowToReplace));
    case SQLITE_IOERR:
      if (error_number == ENOSPC || error_number == EDQUOT) {
        return absl::ResourceExhaustedError(absl::StrCat(text, HowToMakeRoom(path_)));
      }
      if (error_number == EROFS) {
        return absl::FailedPreconditionError(absl::StrCat(text, HowToMakeWritable(path_)));
      }
      return absl::UnavailableError(absl::StrCat(text, kHowToRepair));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return absl::UnavailableError(absl::StrCat(text, "; another program uses it: end that one"));
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
      return absl::UnavailableError(text);
    default:
      return absl::InternalError(absl::StrCat(text, " in ", what));
  }
}

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqliteConnection::OpenFile(const std::string& path, int flags) {
  if ((flags & SQLITE_OPEN_CREATE) != 0) {
    // SQLite would let everybody read it; its log files take over the mode of the database.
    if (const int made = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640); made >= 0) {
      close(made);
    }  // else it is there, or SQLite says what is wrong
  }
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(path));
  RETURN_IF_ERROR(connection->Check(
      sqlite3_open_v2(path.c_str(), &connection->database_, flags | SQLITE_OPEN_NOMUTEX, nullptr), "open"));
  sqlite3_extended_result_codes(connection->database_, 1);
  sqlite3_busy_timeout(connection->database_, kBusyTimeoutMs);
  return connection;
}

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqliteConnection::OpenReadOnly(const std::string& path) {
  return OpenFile(path, SQLITE_OPEN_READONLY);
}

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(const std::string& path, bool create) {
  ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> connection,
                   OpenFile(path, SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0)));
  // The page size counts only for a file that is empty, and only before WAL.
  RETURN_IF_ERROR(
      connection->Execute(absl::StrCat("PRAGMA page_size = ", kPageBytes,
                                       "; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
                                       "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864;")));
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

absl::Status SqliteConnection::Flush() {
  return Check(sqlite3_db_cacheflush(database_), "flush");
}

std::uint64_t SqliteConnection::written_bytes() const {
  int pages = 0;
  int unused = 0;
  // Counted before the write, so those of a COMMIT that failed are in it.
  sqlite3_db_status(database_, SQLITE_DBSTATUS_CACHE_WRITE, &pages, &unused, 0);
  return std::uint64_t{kPageBytes} * static_cast<std::uint64_t>(pages);
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
