// What `ppmm` prints for each answer of the API: the answer first, then why, then what to do. Pure; names that come
// from outside are escaped, unknown numbers are `-` with the reason.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "cli/screen.h"
#include "nlohmann/json_fwd.hpp"

namespace ppmm {

// ---- /api/v1/rating, /next-steps, /activities, /activities/ID -------------------------------------------------------

std::string RenderRating(const nlohmann::json& rating, const Screen& screen);
std::string RenderNextSteps(const nlohmann::json& steps, const Screen& screen);
// `waiting`: only those that wait for time.
std::string RenderActivities(const nlohmann::json& activities, bool waiting, const Screen& screen);
std::string RenderExplain(const nlohmann::json& activity, const Screen& screen);

// "ok", "fails", "waits until 29 Nov", "no source", ...
std::string StatusWords(const nlohmann::json& row, const Screen& screen);

// ---- /api/v1/applications, /dependencies, /hosts, /inventory, /status -----------------------------------------------

// `only`: rows of that key or name; empty: those that are listed, or `all`.
std::string RenderApplications(const nlohmann::json& applications, absl::string_view only, bool all,
                               const Screen& screen);
// `only`: of that name; empty: all.
std::string RenderReleases(const nlohmann::json& releases, absl::string_view only, const Screen& screen);
std::string RenderHosts(const nlohmann::json& hosts, absl::string_view only, const Screen& screen);
// `only`: calls of or to this application; else, without `all`, those that say little are counted in one line.
std::string RenderDependencies(const nlohmann::json& dependencies, absl::string_view only, bool all,
                               const Screen& screen);
std::string RenderInventory(const nlohmann::json& inventory, const Screen& screen);
std::string RenderStatus(const nlohmann::json& status, const Screen& screen);

// Before a number that may be too small, and what a line below the table says of it.
inline constexpr absl::string_view kAtLeast = "\u2265";
inline constexpr absl::string_view kAtLeastNote =
    "\u2265: at least; what is asked over pipelined or multiplexed connections is neither counted nor timed.";
// "in-house".
std::string OriginWords(absl::string_view origin);
// What an exclusion or an exemption says after its kind: " until 2027-05-31, not confirmed: storage appliance".
std::string EasedWords(const nlohmann::json& row, const Screen& screen);
// "not ours".
std::string ExclusionKindWords(absl::string_view kind);
// "* declared, not confirmed. The rating counts Checkout: origin off the shelf, tier 2"; empty: nothing counts
// otherwise. `origins_only`: what the table does not show is left out.
std::string CountsOtherwiseNote(const nlohmann::json& applications, bool origins_only, const Screen& screen);
// "in-house", or "in-house*" where something else counts.
std::string MarkedOrigin(const nlohmann::json& application);
// "yes", "no", "plumbing" or "-".
std::string RatedWords(const nlohmann::json& row);
// By what a person calls an application.
std::string ShownAs(const nlohmann::json& application);

}  // namespace ppmm
