#include "collector/rating/remedy.h"

#include <algorithm>

namespace ppmm {
namespace {

// The one signature that also says what there is none of.
const Act* Confirmation(const Catalogue& catalogue) {
  for (const Activity& activity : catalogue.activities()) {
    for (const Criterion& criterion : activity.criteria) {
      if (criterion.evaluator == catalogue::EVALUATOR_CONFIRMATION_AGE && criterion.human) {
        return &criterion.act;
      }
    }
  }
  return nullptr;
}

const Act& ActOf(const ActivityFinding& row, const CriterionFinding& finding, const Catalogue& catalogue) {
  if (finding.unconfirmed_empty) {
    if (const Act* const confirmation = Confirmation(catalogue); confirmation != nullptr) {
      return *confirmation;
    }
  }
  if (finding.criterion->human) {
    return finding.criterion->act;
  }
  const std::vector<Act>& acts = row.activity->remediation;
  const auto find = [&](auto fits) {
    return std::find_if(acts.begin(), acts.end(), [&](const Act& act) {
      const auto& cures = act.cures;
      const bool meant =
          cures.empty() || std::find(cures.begin(), cures.end(), finding.criterion->evaluator) != cures.end();
      return meant && fits(act);
    });
  };
  auto found = find([&](const Act& act) { return act.later() == finding.not_built; });
  if (found == acts.end()) {
    found = find([](const Act&) { return true; });
  }
  return found == acts.end() ? acts.front() : *found;
}

}  // namespace

Remedy RemedyOf(const ActivityFinding& row, const CriterionFinding& finding, const Catalogue& catalogue) {
  Remedy remedy;
  remedy.act = &ActOf(row, finding, catalogue);
  remedy.cure = CureOf(*remedy.act);
  remedy.comes_with = remedy.act->comes_with;
  if (finding.not_built && !remedy.act->later()) {
    remedy.cure = {"", "comes with a later version"};
    remedy.comes_with = "other parts";
  }
  if (finding.none_serves) {
    remedy.cure = {"", "comes when another application or host calls one"};
    remedy.comes_with = "";
  }
  remedy.way = finding.status == Status::kUndecided || finding.none_serves ? Way::kTime
               : remedy.comes_with.empty()                                 ? Way::kAct
                                                                           : Way::kLater;
  return remedy;
}

Way WayOf(const ActivityFinding& row, Rung rung, const Catalogue& catalogue) {
  Way way = Way::kTime;
  for (const CriterionFinding& finding : row.criteria) {
    if (finding.criterion->from <= rung && !finding.passes) {
      way = std::max(way, RemedyOf(row, finding, catalogue).way);
    }
  }
  return way;
}

std::vector<NextAct> ActsFor(const ActivityFinding& row, Rung rung, const Catalogue& catalogue) {
  std::vector<NextAct> acts;
  for (const CriterionFinding& finding : row.criteria) {
    if (finding.criterion->from > rung || finding.passes) {
      continue;
    }
    Remedy remedy = RemedyOf(row, finding, catalogue);
    if (remedy.way == Way::kTime) {
      continue;  // there is nothing to do but wait
    }
    NextAct next;
    next.activity = row.activity->id;
    next.act = remedy.act->what;
    next.cure = std::move(remedy.cure);
    next.comes_with = std::move(remedy.comes_with);
    next.role = remedy.act->role;
    if (remedy.act->minutes > 0) {
      next.minutes_of_work = remedy.act->minutes;
    }
    next.missing = finding.not_built ? std::string(finding.worst.measured.reason) : "";
    acts.push_back(std::move(next));
  }
  return acts;
}

}  // namespace ppmm
