// Writes the facts of a day when the day is over, with the forecasts made at its end, and again when something late
// touched it. Runs on a thread of its
// owner: reads through a reader of its own, and hands the rows to the writer's next commit.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "collector/facts/day_builder.h"
#include "collector/facts/percentile_intervals.h"
#include "collector/writer.h"

namespace ppmm {

// One thread only.
class DayKeeper {
 public:
  DayKeeper(State* state, Store* store, Writer* writer, AttributesInForce attributes = nullptr)
      : state_(state), store_(store), writer_(writer), attributes_(std::move(attributes)) {}

  // Writes the facts of every day that is over by `store_time` and not written, or was touched since; waits for the
  // commit.
  // Returns the days, in order. Errors: those of the store, or of the commit.
  absl::StatusOr<std::vector<Day>> Run(absl::Time store_time);

  // The facts of a day as they stand now, without writing them: for today.
  absl::StatusOr<std::map<ScopeId, DayFacts>> Current(Day day, absl::Time now);

 private:
  absl::Status Write(Day day);
  bool IsSealed(Day day);
  bool IsReopened(Day day);
  // A sealed day is written again when a boot proves that a host was off in it. Its minute rows are gone, so what was
  // counted from them stays as it was written.
  absl::Status KeepWhatIsSealed(Day day, std::map<ScopeId, DayFacts>& facts);
  DayScopes CopyScopes();
  Day TimedSince();
  // Sets how many releases of a day were used, timed in time, and matched to a deployment, by what is known of the
  // minutes before `until_minute`. Of line-of-business applications only: those that served others in the four weeks
  // before, or by `newest`, facts that are not in the store yet. Returns whether that changed.
  absl::StatusOr<bool> SetReleases(StoreReader& reader, Day day, std::int64_t until_minute,
                                   const std::map<ScopeId, DayFacts>& newest, DayFacts& organization);
  // Sets how many new applications were timed within a week of their first requests, or were not, as came out on this
  // day. What ran already on the day on which its host was first seen is not new. `newest`: the facts of the day.
  absl::Status SetNewcomers(StoreReader& reader, Day day, const std::map<ScopeId, DayFacts>& newest,
                            DayFacts& organization);
  // Sets the intervals of RSP-002 of a day that is not over.
  absl::Status SetRunningPercentiles(StoreReader& reader, Day day, absl::Time now, std::map<ScopeId, DayFacts>& facts);

  // What the intervals of RSP-005 carried out of the day.
  static absl::StatusOr<LittleRests> RestsOf(StoreReader& reader, Day day);

  RunningCpu running_;
  // Of the applications on `contexts_of_`; kept while no day before it is written again.
  std::map<std::uint32_t, PercentileContext> contexts_;
  Day contexts_of_ = 0;
  LittleRests rests_;  // of the day before `rests_of_`; kept as long
  Day rests_of_ = 0;

  State* const state_;
  Store* const store_;
  Writer* const writer_;
  const AttributesInForce attributes_;
};

}  // namespace ppmm
