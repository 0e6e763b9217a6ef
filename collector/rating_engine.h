// Keeps the rating: writes the facts of days that are over, evaluates each once, and looks at today every ten seconds.
// A thread of its own; everything it shows is committed.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"

#include "collector/facts/day_keeper.h"
#include "collector/facts/facts.h"
#include "collector/rating/catalogue.h"
#include "collector/rating/level.h"
#include "collector/rating/tiers.h"
#include "collector/rating_snapshot.h"
#include "collector/rating_source.h"
#include "collector/state.h"
#include "collector/writer.h"
#include "common/addresses.h"
#include "common/clock.h"
#include "common/mutex.h"

namespace ppmm {

// What people configure and declare of the organization.
struct OrganizationSettings {
  std::string name;
  std::int64_t retention_days = 400;  // at an hour
  std::vector<Network> networks;      // its addresses, besides the private ranges
};

struct RatingEngineOptions {
  OrganizationSettings organization;
  absl::Duration period = absl::Seconds(10);
};

// Current, SetOrganization: any thread. The rest: one thread.
class RatingEngine : public RatingSource {
 public:
  // All outlive the engine.
  RatingEngine(State* state, Store* store, Writer* writer, const Clock* clock, RatingEngineOptions options);
  ~RatingEngine() override;

  // Reads the state of the levels, and the facts of the days that the windows hold.
  // Errors: those of the store; DataLoss for a state that cannot be read.
  absl::Status Load();
  void Start();
  void Stop();

  // From the next turn on. Thread-safe.
  void SetOrganization(OrganizationSettings organization);

  // One turn of the thread: days that are over, then today. For tests and simulation.
  absl::Status RunOnce();

  struct Turns {
    std::uint64_t failed = 0;
    absl::Status last;  // how the last one ended
  };
  // Thread-safe.
  Turns turns() const;

  absl::StatusOr<std::shared_ptr<const RatingSnapshot>> Current() const override { return latest_.Current(); }
  const LevelState& level_state() const { return level_; }
  // The last closed day by its facts as known now, which plain SQL on `fact_day` repeats; null before RunOnce(). On the
  // thread of RunOnce().
  std::shared_ptr<const RatingSnapshot> OfClosedDay() const;

 private:
  void Loop();
  absl::Status Turn();
  // Reads the state of the levels as the newest evaluation of a day before `day` left it, and the draws of tier 1.
  absl::Status LoadBefore(std::int64_t day);
  // Evaluates the days that were not, in order; the last one is at most the day before `today`.
  absl::Status EvaluateClosedDays(Day today);
  absl::StatusOr<Facts> FactsUpTo(Day day);
  // Scopes and what stands about the organization, as of now or of the end of the last day of `facts`.
  absl::Status SetScopes(Facts& facts);
  absl::Status SaveEvaluation(Day day, const Rating& rating, const std::vector<Tier1Row>& drawn);
  // Tier 1 as drawn last before or on a day.
  std::set<std::uint32_t> Tier1On(Day day) const;

  State* const state_;
  Store* const store_;
  Writer* const writer_;
  const Clock* const clock_;
  const absl::Duration period_;
  Catalogue catalogue_;
  DayKeeper keeper_;
  LevelState level_;
  std::map<Day, std::set<std::uint32_t>> tier_1_;  // applications, by the day of the draw
  HostsOfApplications hosts_of_;                   // as of the last SetScopes()
  std::unique_ptr<Facts> closed_;                  // up to yesterday
  LatestRating latest_;

  mutable Mutex mutex_;
  CondVar wake_;
  Turns turns_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  OrganizationSettings organization_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

// LevelState as text for `rating_day`, and back. Errors: DataLoss.
std::string EncodeLevelState(const LevelState& state);
absl::StatusOr<LevelState> DecodeLevelState(absl::string_view text);

}  // namespace ppmm
