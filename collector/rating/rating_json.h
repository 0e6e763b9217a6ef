// The rating as JSON: the bodies of /api/v1/rating, /activities, /activities/ID and /next-steps. Keys and their order
// are a contract; equal ratings give equal bytes. Ratios are rounded once, here, to four decimals; unknown numbers are
// null; times are RFC 3339, UTC.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "collector/facts/facts.h"
#include "collector/rating/catalogue.h"
#include "collector/rating/judge.h"
#include "collector/rating/level.h"

namespace ppmm {

std::string RatingJson(const Rating& rating);
std::string ActivitiesJson(const Rating& rating);
std::string NextStepsJson(const Rating& rating);

// One row with the finding of every scope: what is asked, what was found, the worst first, and what to do.
//
// Shape: `low` was judged with details; at most 200 scopes a criterion, `scopes_total` tells how many there are.
// Errors: NotFound for an id that the catalogue does not have; the message lists those it has.
absl::StatusOr<std::string> ActivityJson(const Rating& rating, const Judgement& low, const Facts& facts,
                                         absl::string_view id);

}  // namespace ppmm
