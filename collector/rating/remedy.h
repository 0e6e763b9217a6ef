// What would bring what fails: time, an act that can be done today, or a later version; and which act. One place for
// page, command line and API. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "collector/rating/catalogue.h"
#include "collector/rating/judge.h"

namespace ppmm {

// What would bring what fails; what is farther away comes later.
enum class Way {
  kTime,   // nothing else is needed
  kAct,    // somebody does what can be done today
  kLater,  // a later version
};

// How one failing criterion is cured.
struct Remedy {
  Way way = Way::kTime;
  const Act* act = nullptr;  // of the catalogue
  Cure cure;                 // how it is done: never a command for what this version cannot measure
  std::string comes_with;    // of kLater
};

// Of the acts for it, today's where its source is built, else what comes later.
Remedy RemedyOf(const ActivityFinding& row, const CriterionFinding& finding, const Catalogue& catalogue);

// The way of all that fails of a row at `rung`.
Way WayOf(const ActivityFinding& row, Rung rung, const Catalogue& catalogue);

struct NextAct {
  std::string activity;
  std::string act;
  Cure cure;
  std::string comes_with;  // not empty: what is done today does not count yet; "alerting"
  std::string role;
  std::optional<int> minutes_of_work;
  std::string missing;  // not empty: no evidence of it reaches the collector, and why
};

// What has to be done for a row that fails at `rung`; nothing of what only waits for time or calls.
std::vector<NextAct> ActsFor(const ActivityFinding& row, Rung rung, const Catalogue& catalogue);

}  // namespace ppmm
