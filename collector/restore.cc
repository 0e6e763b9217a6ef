#include "collector/restore.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "collector/store/store_id.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr std::int64_t kCursorsKeptSeconds = 72 * 3600;
constexpr std::size_t kMaxFormerIds = 64;
constexpr absl::string_view kFormerIds = "former_store_ids";
constexpr absl::string_view kRestored = "restored_us";
constexpr absl::string_view kLost = "lost_by_restore";

template <class Number>
absl::Status LoadNumber(Store& store, absl::string_view key, Number* number) {
  ASSIGN_OR_RETURN(const std::optional<std::string> text, store.GetMeta(key));
  if (text.has_value() && !absl::SimpleAtoi(*text, number)) {
    return absl::DataLossError(absl::StrCat("meta: ", key, " is no number"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SetBack> TakeAcknowledged(Tables& tables, Store& store, const StreamHello& hello,
                                         const HostState& host) {
  SetBack result;
  const bool former = tables.former_store_ids.contains(hello.store_id);
  const bool newcomer = !tables.agents.contains(hello.agent_id);
  const bool ours = former || hello.store_id == tables.store_id;
  const std::int64_t now = absl::ToUnixSeconds(hello.received);
  for (const auto& [epoch, acknowledged] : hello.epochs) {
    const auto known = tables.cursors.find(epoch);
    const std::uint64_t merged = known == tables.cursors.end() ? 0 : known->second.number;
    // Of an agent that is new here: what its epochs produced before is not this store's to account for.
    if (acknowledged <= merged && !(newcomer && known == tables.cursors.end())) {
      continue;
    }
    const bool cursor_deleted = host.row.newest_step != 0 && host.row.newest_step <= now - kCursorsKeptSeconds;
    const bool lost = known != tables.cursors.end() || (ours && epoch == hello.current_epoch && !cursor_deleted);
    result.batches += lost ? acknowledged - merged : 0;
    CursorState& cursor = tables.cursors[epoch];
    if (cursor.agent_id.empty()) {
      cursor.agent_id = hello.agent_id;
    }
    cursor.number = acknowledged;
    cursor.newest_step = std::max(cursor.newest_step, now);
    cursor.moved = true;
    cursor.lost = lost;
    RETURN_IF_ERROR(
        store.Put(CursorRow{epoch, cursor.agent_id, cursor.number, cursor.newest_step, cursor.produced, cursor.moved}));
  }
  if (result.batches == 0 || former) {
    return result;
  }
  // Who was welcomed by this store under its name of now found it set back since. An agent that names no store, or one
  // that went with a restore, means the one before, unless it came since.
  const auto agent = tables.agents.find(hello.agent_id);
  const std::int64_t last_hello_us = agent == tables.agents.end() ? 0 : agent->second.row.last_hello_us;
  result.is_new = hello.store_id == tables.store_id || last_hello_us >= tables.restored_us;
  return result;
}

absl::Status BeginAnew(Tables& tables, Store& store, absl::Time now) {
  if (tables.former_store_ids.size() >= kMaxFormerIds) {
    tables.former_store_ids.erase(tables.former_store_ids.begin());
  }
  tables.former_store_ids.insert(tables.store_id);
  tables.store_id = NewStoreId();
  // After every Hello there was, whatever the clock did.
  tables.restored_us = absl::ToUnixMicros(now);
  for (const auto& [id, agent] : tables.agents) {
    tables.restored_us = std::max(tables.restored_us, agent.row.last_hello_us + 1);
  }
  RETURN_IF_ERROR(store.ClearDormantTotals());
  for (auto& [id, series] : tables.series) {
    series->total = 0;
    if (series->histogram != nullptr) {
      series->histogram->total.Clear();
    }
  }
  for (auto& [id, application] : tables.applications) {
    for (auto& [key, pooled] : application.totals) {
      pooled.total = 0;
      pooled.sketch.Clear();
    }
  }
  RETURN_IF_ERROR(store.PutMeta("store_id", absl::BytesToHexString(tables.store_id)));
  RETURN_IF_ERROR(store.PutMeta(kRestored, absl::StrCat(tables.restored_us)));
  return store.PutMeta(kFormerIds,
                       absl::StrJoin(tables.former_store_ids, ",", [](std::string* out, const std::string& id) {
                         absl::StrAppend(out, absl::BytesToHexString(id));
                       }));
}

absl::Status CountLost(Tables& tables, Store& store, std::uint64_t samples) {
  tables.lost_by_restore += samples;
  return store.PutMeta(kLost, absl::StrCat(tables.lost_by_restore));
}

absl::Status LoadRestores(Store& store, Tables& tables) {
  RETURN_IF_ERROR(LoadNumber(store, kRestored, &tables.restored_us));
  RETURN_IF_ERROR(LoadNumber(store, kLost, &tables.lost_by_restore));
  ASSIGN_OR_RETURN(const std::optional<std::string> ids, store.GetMeta(kFormerIds));
  for (const absl::string_view id : absl::StrSplit(ids.value_or(""), ',', absl::SkipEmpty())) {
    tables.former_store_ids.insert(absl::HexStringToBytes(id));
  }
  return absl::OkStatus();
}

}  // namespace ppmm
