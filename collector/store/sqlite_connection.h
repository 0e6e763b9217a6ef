// One connection to an SQLite file and its prepared statements: the only place that meets SQLite's C interface.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct sqlite3;
struct sqlite3_stmt;

namespace ppmm {

class SqliteConnection;

// Marks bytes that are no text, for Bind().
struct SqliteBlob {
  absl::string_view bytes;
};

// A prepared statement in use: bind, step, read columns. Its destructor resets it, so that no read transaction stays
// open behind a forgotten cursor. Text and blobs are copied when bound.
class SqliteStatement {
 public:
  SqliteStatement(SqliteConnection* connection, sqlite3_stmt* statement)
      : connection_(connection), statement_(statement) {}
  ~SqliteStatement();
  SqliteStatement(SqliteStatement&& other) noexcept;
  SqliteStatement& operator=(SqliteStatement&&) = delete;

  // Binds the next parameters, from the first on.
  template <class... Values>
  SqliteStatement& Bind(const Values&... values) {
    (BindOne(values), ...);
    return *this;
  }
  // True: a row is there; false: done.
  absl::StatusOr<bool> Step();
  // For a statement without rows.
  absl::Status Run();

  std::int64_t Int(int column) const;
  template <class T>
  T As(int column) const {
    return static_cast<T>(Int(column));
  }
  std::string Text(int column) const;
  // Valid until the next Step().
  absl::string_view View(int column) const;

 private:
  void BindOne(absl::string_view text);
  void BindOne(const std::string& text) { BindOne(absl::string_view(text)); }
  void BindOne(const char* text) { BindOne(absl::string_view(text)); }
  void BindInt(std::int64_t value);
  template <class T>
  requires std::is_arithmetic_v<T>
  void BindOne(T value) { BindInt(static_cast<std::int64_t>(value)); }
  void BindOne(SqliteBlob blob);

  SqliteConnection* connection_;
  sqlite3_stmt* statement_;
  int next_parameter_ = 1;
  int bind_error_ = 0;
};

// One thread at a time.
class SqliteConnection {
 public:
  // Opens, and creates where asked, the file with our settings: 8 KB pages, WAL, synchronous FULL, no checkpoints of
  // its own.
  // Errors: as Check().
  static absl::StatusOr<std::unique_ptr<SqliteConnection>> Open(const std::string& path, bool create);
  // Opens the file to look at it: nothing is set and nothing moved from a log into it, so that it stays as it is.
  // Errors: as Check().
  static absl::StatusOr<std::unique_ptr<SqliteConnection>> OpenReadOnly(const std::string& path);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  // Runs one or more statements without rows.
  absl::Status Execute(const std::string& sql);
  // Shape: `sql` is a literal; its address is the key of the cache.
  absl::StatusOr<SqliteStatement> Prepare(const char* sql);
  bool in_transaction() const;
  // Rows that the last INSERT, UPDATE or DELETE changed.
  int changes() const;
  // Writes what the running transaction has changed so far to the log, uncommitted.
  absl::Status Flush();
  // Bytes that this connection wrote, or tried to write, to the log.
  std::uint64_t written_bytes() const;
  // One checkpoint that does not wait for readers; `truncate`: also cut the WAL, waiting 100 ms at most.
  // Returns the pages left in the WAL. Errors: as Check(); Unavailable: somebody reads or writes.
  absl::StatusOr<int> Checkpoint(bool truncate);
  const std::string& path() const { return path_; }
  // The status of a result code of this connection. The text names the file, what is wrong and what to do; `what`, the
  // statement, only where it is our bug.
  // Errors: ResourceExhausted: disk full; FailedPrecondition: read-only or not to be opened; DataLoss: damaged file;
  //         Unavailable: busy, or an I/O error that may pass; Internal: our bug.
  absl::Status Check(int code, absl::string_view what) const;

 private:
  explicit SqliteConnection(const std::string& path) : path_(path) {}
  static absl::StatusOr<std::unique_ptr<SqliteConnection>> OpenFile(const std::string& path, int flags);

  const std::string path_;
  sqlite3* database_ = nullptr;
  absl::flat_hash_map<const char*, sqlite3_stmt*> statements_;
};

}  // namespace ppmm
