#include "tests/world/documented_sql.h"

#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

using Connection = std::unique_ptr<sqlite3, decltype(&sqlite3_close)>;

Connection Open(const std::string& path) {
  sqlite3* opened = nullptr;
  EXPECT_EQ(sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK) << path;
  return {opened, &sqlite3_close};
}

void AnswerNow(sqlite3_context* context, int /*arguments*/, sqlite3_value** /*values*/) {
  sqlite3_result_int64(context, *static_cast<std::int64_t*>(sqlite3_user_data(context)));
}

std::string TextOf(sqlite3_stmt* statement, int column) {
  const unsigned char* text = sqlite3_column_text(statement, column);
  // reinterpret_cast: bytes as characters
  return text == nullptr ? "" : std::string(reinterpret_cast<const char*>(text));
}

}  // namespace

std::vector<std::string> SqlBelow(const std::string& heading, const std::string& document) {
  std::ifstream file(absl::StrCat(PPMM_SOURCE_DIR, "/docs/", document));
  EXPECT_TRUE(file) << document;
  std::vector<std::string> blocks;
  bool below = false;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (absl::StartsWith(line, "#")) {
      below = absl::StartsWith(absl::StripPrefix(absl::StripPrefix(line, "### "), "## "), heading);
    } else if (below && line == "```sql") {
      inside = true;
      blocks.emplace_back();
    } else if (inside && line == "```") {
      inside = false;
    } else if (inside) {
      absl::StrAppend(&blocks.back(), line, "\n");
    }
  }
  EXPECT_FALSE(blocks.empty()) << document << " has no SQL below \"" << heading << "\"";
  return blocks;
}

std::vector<SqlRow> RunSql(const std::string& path, const std::string& sql, absl::Time now) {
  std::vector<SqlRow> rows;
  const Connection connection = Open(path);
  std::int64_t now_s = absl::ToUnixSeconds(now);
  EXPECT_EQ(
      sqlite3_create_function(connection.get(), "unixepoch", 0, SQLITE_UTF8, &now_s, &AnswerNow, nullptr, nullptr),
      SQLITE_OK);
  const char* rest = sql.c_str();
  while (*rest != '\0') {
    sqlite3_stmt* prepared = nullptr;
    const int status = sqlite3_prepare_v2(connection.get(), rest, -1, &prepared, &rest);
    EXPECT_EQ(status, SQLITE_OK) << sqlite3_errmsg(connection.get()) << "\n" << sql;
    if (status != SQLITE_OK || prepared == nullptr) {
      break;
    }
    while (sqlite3_step(prepared) == SQLITE_ROW) {
      SqlRow& row = rows.emplace_back();
      for (int column = 0; column < sqlite3_column_count(prepared); ++column) {
        row[sqlite3_column_name(prepared, column)] = TextOf(prepared, column);
      }
    }
    sqlite3_finalize(prepared);
  }
  return rows;
}

std::map<std::string, SqlRow> By(const std::string& column, const std::vector<SqlRow>& rows) {
  std::map<std::string, SqlRow> by;
  for (const SqlRow& row : rows) {
    EXPECT_TRUE(row.contains(column)) << column;
    by[row.at(column)] = row;
  }
  return by;
}

void CopyStore(const std::string& from, const std::string& to) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(to + suffix);
  }
  RunSql(from, absl::StrCat("VACUUM INTO '", to, "'"), absl::UnixEpoch());
}

}  // namespace ppmm
