#include "collector/facts/day_keeper.h"

#include <memory>
#include <set>

#include "absl/strings/str_cat.h"

#include "common/status.h"

namespace ppmm {

absl::StatusOr<std::map<ScopeId, DayFacts>> DayKeeper::Current(Day day, absl::Time now) {
  DayScopes scopes;
  {
    ReaderLock lock(&state_->mutex());
    scopes = CopyDayScopes(state_->tables());
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<StoreReader> reader, store_->OpenReader());
  return BuildDay(scopes, *reader, day, absl::ToUnixSeconds(now) / 60, attributes_);
}

absl::Status DayKeeper::KeepWhatIsSealed(Day day, std::map<ScopeId, DayFacts>& facts) {
  {
    ReaderLock lock(&state_->mutex());
    if (day >= state_->tables().sealed_day) {
      return absl::OkStatus();
    }
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<StoreReader> reader, store_->OpenReader());
  return reader->ScanFactDays(day, day + 1, [&facts](Day, ScopeId scope, const DayFacts& written) {
    const auto built = facts.find(scope);
    if (scope.kind == ScopeKind::kHost && built != facts.end()) {
      built->second.cpu_us = written.cpu_us;
    }
    return absl::OkStatus();
  });
}

absl::Status DayKeeper::Write(Day day) {
  ASSIGN_OR_RETURN(auto built, Current(day, StartOf(day + 1)));
  RETURN_IF_ERROR(KeepWhatIsSealed(day, built));
  const auto facts = std::make_shared<const std::map<ScopeId, DayFacts>>(std::move(built));
  return writer_->SubmitAndWait([facts, day](Tables& tables, Store& store) -> absl::Status {
    for (const auto& [scope, row] : *facts) {
      RETURN_IF_ERROR(store.PutFactDay(day, scope, row));
    }
    tables.facts_day = std::max<std::int64_t>(tables.facts_day, day + 1);
    tables.touched_days.erase(day);
    return PutTouchedDays(tables, store);
  });
}

absl::StatusOr<std::vector<Day>> DayKeeper::Run(absl::Time store_time) {
  const Day today = DayOf(store_time);
  std::set<Day> due;
  {
    ReaderLock lock(&state_->mutex());
    const Tables& tables = state_->tables();
    Day first = today;
    for (const auto& [key, host] : tables.hosts) {
      first = std::min(first, DayOf(absl::FromUnixMicros(host.row.first_seen_us)));
    }
    for (Day day = std::max<Day>(first, static_cast<Day>(tables.facts_day)); day < today; ++day) {
      due.insert(day);
    }
    for (const std::int64_t day : tables.touched_days) {
      if (day < today) {
        due.insert(static_cast<Day>(day));
      }
    }
  }
  for (const Day day : due) {
    RETURN_IF_ERROR(Annotate(Write(day), absl::StrCat("facts of day ", day)));
  }
  return std::vector<Day>(due.begin(), due.end());
}

}  // namespace ppmm
