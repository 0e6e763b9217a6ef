// POST /api/v1/deployments, through the Unix socket only: what `ppmm deployed` says. Body, at most 4 KiB:
//
//   {"application": "checkout", "version": "4.2.0", "at": "2026-11-22T13:00:00Z"}    at: now, where it is missing
//
// Answer: {"application", "key", "version", "at", "told_by", "is_new"}; is_new is false where the same was said before.
// Errors: 400: what is wrong with it; 404: no such application, with the nearest names; 429: the day is full; 503:
// nothing can be committed.
#pragma once

#include "collector/http/router.h"
#include "collector/state.h"
#include "collector/writer.h"
#include "common/clock.h"

namespace ppmm {

// All outlive the router.
void AddDeploymentRoute(http::Router& router, State* state, Writer* writer, const Clock* clock);

}  // namespace ppmm
