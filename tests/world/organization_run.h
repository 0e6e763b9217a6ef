// An organization that lives: agents by their scripts, one collector, one clock that the minutes move. What the rating
// said is kept for each day, so that tests look at it afterwards. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "tests/testing/manual_clock.h"
#include "tests/world/agent.h"
#include "tests/world/collector.h"
#include "tests/world/script.h"

namespace ppmm {

// Bodies of the API at one moment.
struct RatingRecord {
  std::string rating;
  std::string activities;
  std::map<std::string, std::string> activity;  // by id, of the rows that are computed
};

// Ids of the rows that this release computes.
const std::vector<std::string>& ComputedRows();
RatingRecord Record(const RatingSnapshot& snapshot);

class OrganizationRun {
 public:
  // `path`: of the store; what lay there is removed. `forgets`: what falls dormant leaves the collector's memory.
  OrganizationRun(OrganizationScript script, std::string path, bool forgets = true);

  // Lives up to the begin of the minute. Commits every ten minutes; rates ten minutes after midnight.
  void LiveUntil(int minute);
  // Rates at noon too: what a reader sees within a day.
  void RateAtNoon() { rates_at_noon_ = true; }

  // The collector is stopped and started again.
  void RestartCollector();
  // The collector is away; agents keep what they have.
  void StopCollector();
  void StartCollector();
  // The collector is killed at the named failpoint, in a commit that has samples. Shape: LiveUntil() ended on a minute
  // in which nothing was committed yet.
  void KillCollectorAt(const std::string& failpoint);

  WorldCollector& collector() { return *collector_; }
  const ManualClock& clock() const { return clock_; }
  const std::string& path() const { return path_; }
  const std::vector<std::unique_ptr<WorldAgent>>& agents() const { return agents_; }
  const WorldAgent& agent(absl::string_view name) const;

  // The closed day, as judged ten minutes after its end.
  const RatingRecord& OfDay(int day) const { return of_day_.at(day); }
  // What a reader saw at noon of a day.
  const RatingRecord& AtNoon(int day) const { return at_noon_.at(day); }

 private:
  void ConnectAgents();
  void Commit();
  void Rate(int minute);

  const OrganizationScript script_;
  const std::string path_;
  const bool forgets_;
  ManualClock clock_;
  int minute_ = 0;
  bool rates_at_noon_ = false;
  std::vector<std::unique_ptr<WorldAgent>> agents_;
  std::unique_ptr<WorldCollector> collector_;
  std::map<int, RatingRecord> of_day_;
  std::map<int, RatingRecord> at_noon_;
};

}  // namespace ppmm
