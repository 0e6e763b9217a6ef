#include "collector/rating_snapshot.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "collector/rating/judge.h"
#include "collector/rating/rating_json.h"
#include "collector/web/page.h"
#include "common/ppmm_commands.h"

namespace ppmm {
namespace {

double RatioOf(std::int64_t millionths) {
  return static_cast<double>(millionths) / static_cast<double>(kMillion);
}

absl::string_view TitleOf(Rung rung) {
  switch (rung) {
    case Rung::k1:
      return "Ad hoc";
    case Rung::k21:
      return "Utilization and throughput, around the clock";
    case Rung::k22:
      return "Response times of off-the-shelf software";
    case Rung::k23:
      return "Response times of all software";
    case Rung::k3:
      return "Performance optimizing: throughout the life-cycle";
    case Rung::k4:
      return "Business optimizing";
    case Rung::k5:
      return "Process optimizing";
  }
  return "";
}

std::optional<absl::Time> Finite(absl::Time time) {
  return time == absl::InfinitePast() || time == absl::InfiniteFuture() ? std::nullopt
                                                                        : std::optional<absl::Time>(time);
}

void FillPage(const Rating& rating, PageData* page) {
  page->published = std::string(RungName(rating.published));
  page->label = rating.label;
  page->held_since = Finite(rating.held_since);
  page->provisional = std::string(RungName(rating.provisional.rung));
  page->provisional_label = rating.provisional.label;
  page->provisional_minutes = static_cast<double>(rating.provisional.minutes);
  page->watch = rating.watch;
  page->watch_reason = absl::StrJoin(rating.watch_reasons, "; ");
  page->evaluated_at = Finite(rating.evaluated_at);
  for (const Rung rung : kRungs) {
    if (rung != Rung::k1) {
      const Interval& interval = rating.progress[static_cast<std::size_t>(rung)];
      page->ladder.push_back(
          {std::string(RungName(rung)), std::string(TitleOf(rung)), RatioOf(interval.low), RatioOf(interval.high), ""});
    }
  }
  if (rating.after_next.has_value()) {
    page->after_next = absl::StrCat("Then ", RungName(rating.after_next->rung), ": ", rating.after_next->words);
  }
  page->waiting = rating.waiting.count;
  page->waiting_until = Finite(rating.waiting.until);
  for (const BlockingRow& row : rating.blocking) {
    if (row.status == Status::kUndecided) {
      continue;  // counted in `waiting`
    }
    PageData::Blocker blocker;
    blocker.activity = row.activity;
    blocker.role = row.role;
    blocker.what = row.reason.empty() ? row.title : row.reason;
    if (row.minutes_of_work.has_value()) {
      blocker.minutes_of_work = *row.minutes_of_work;
    }
    blocker.command = row.cure.command;
    blocker.cure = row.cure.words;
    page->blockers.push_back(std::move(blocker));
  }
  for (const ActivityStatus& row : rating.activities) {
    PageData::Activity activity;
    activity.id = row.activity->id;
    activity.title = row.activity->title;
    activity.level = std::string(RungName(row.activity->rung));
    activity.stage = row.activity->stage;
    activity.gating = row.gating;
    activity.status = std::string(StatusName(row.status));
    activity.achievement = RatioOf(row.achievement.low);
    activity.decidable_at = row.status == Status::kUndecided ? Finite(row.decidable_at) : std::nullopt;
    activity.reason = row.reason;
    page->activities.push_back(std::move(activity));
  }
}

// What the functions of a snapshot look at.
struct Evaluation {
  Facts facts;
  Rating rating;
  Judgement low;
};

}  // namespace

std::shared_ptr<const RatingSnapshot> TakeSnapshot(const Catalogue& catalogue, Facts facts, const LevelState& state,
                                                   absl::Time now) {
  Rating rating = Rate(catalogue, facts, state, now);
  Judgement low = Judge(catalogue, facts, now, View::kLow, /*details=*/true);
  const auto evaluation =
      std::make_shared<const Evaluation>(Evaluation{std::move(facts), std::move(rating), std::move(low)});
  const Rating& result = evaluation->rating;
  auto snapshot = std::make_shared<RatingSnapshot>();
  snapshot->level = LevelOf(result.published);
  snapshot->sublevel = SublevelOf(result.published);
  snapshot->provisional_level = LevelOf(result.provisional.rung);
  snapshot->provisional_sublevel = SublevelOf(result.provisional.rung);
  snapshot->provisional_minutes = result.provisional.minutes;
  snapshot->watch = result.watch;
  for (const Rung rung : kRungs) {
    if (rung != Rung::k1) {
      const Interval& interval = result.progress[static_cast<std::size_t>(rung)];
      snapshot->progress.push_back({std::string(RungName(rung)), RatioOf(interval.low), RatioOf(interval.high)});
    }
  }
  for (const ActivityStatus& row : result.activities) {
    snapshot->activities.push_back(
        {row.activity->id, std::string(StatusName(row.status)), RatioOf(row.achievement.low)});
  }
  for (const Scope& scope : evaluation->facts.Scopes(ScopeKind::kApplication)) {
    snapshot->applications[scope.id.number] = {scope.tier, scope.line_of_business && !scope.excluded};
  }
  for (const Scope& scope : evaluation->facts.Scopes(ScopeKind::kHost)) {
    if (!scope.monitored && scope.seen_as_peer && !scope.excluded) {
      snapshot->hosts_without_agent.push_back(scope.label);
    }
  }
  snapshot->rating_json = RatingJson(result);
  snapshot->activities_json = ActivitiesJson(result);
  snapshot->next_steps_json = NextStepsJson(result);
  snapshot->activity_json = [evaluation](absl::string_view id) {
    return ActivityJson(evaluation->rating, evaluation->low, evaluation->facts, id);
  };
  snapshot->fill_page = [evaluation](PageData* page) { FillPage(evaluation->rating, page); };
  return snapshot;
}

void LatestRating::Set(std::shared_ptr<const RatingSnapshot> snapshot) {
  MutexLock lock(&mutex_);
  snapshot_ = std::move(snapshot);
}

absl::StatusOr<std::shared_ptr<const RatingSnapshot>> LatestRating::Current() const {
  MutexLock lock(&mutex_);
  if (snapshot_ == nullptr) {
    return absl::UnavailableError("the rating is not computed yet; it is within a minute of the start");
  }
  return snapshot_;
}

}  // namespace ppmm
