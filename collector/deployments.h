// Deployments: what somebody or something said was deployed, and which release each made known.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "collector/releases.h"
#include "collector/state.h"
#include "collector/store/store.h"

namespace ppmm {

// A release is known if a deployment was within this time of it, before or after.
inline constexpr std::int64_t kDeploymentWithinUs = 600'000'000;
// A deployment may be told so long after it.
inline constexpr std::int64_t kDeploymentOldestUs = 72LL * 3600 * 1'000'000;
// A UTC day keeps this many; a fleet of 10,000 hosts has as many when all of them upgrade one package.
inline constexpr std::int64_t kMaxDeploymentsADay = 50'000;
inline constexpr std::size_t kMaxDeploymentText = 128;

enum class Noted { kNew, kKnown, kRefused };

// Keeps a deployment, within the running commit. Of a day that is full it is refused and counted.
// Errors: those of the store.
absl::StatusOr<Noted> NoteDeployment(const DeploymentRow& row, Tables& tables, Store& store);

// Which of `deployments` made each release known; nullptr: nobody announced it. What was said of one version, however
// often, announces one release: that of this version, else the nearest in time.
//
// Shape: as many as `releases`; the pointers are into `deployments`.
std::vector<const DeploymentRow*> Announcements(absl::Span<const Release> releases,
                                                absl::Span<const DeploymentRow> deployments);

// Those that may announce releases of the day. Errors: those of the store.
absl::StatusOr<std::vector<DeploymentRow>> DeploymentsAround(StoreReader& reader, std::int64_t day);

// "package_log" or "ppmm_deployed".
absl::string_view SourceOf(const DeploymentRow& row);

}  // namespace ppmm
