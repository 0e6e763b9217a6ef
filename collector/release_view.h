// What /api/v1/releases shows: the newest releases, with what changed by each. Everything is committed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "collector/application_view.h"
#include "collector/releases.h"
#include "collector/state.h"

namespace ppmm {

inline constexpr int kReleaseDaysShown = 28;  // as long as there are pooled minutes around them
inline constexpr std::size_t kReleasesShown = 50;

struct ReleaseView {
  Release release;
  std::string application;  // as it is shown
  std::string key;
  std::vector<std::string> hosts;  // labels, in order
  ReleaseUse use;
  ReleaseComparison comparison;
  std::vector<ReleaseVerdictRow> verdicts;  // of the hour, then of the day
  std::optional<DeploymentRow> deployment;  // that made it known
  bool deployments_known = false;           // at its time
};

struct ReleaseViews {
  std::vector<ReleaseView> releases;  // the newest first
  std::size_t left_out = 0;           // older ones beyond kReleasesShown
  absl::Time from;
  absl::Time to;
};

// Errors: Unavailable while the state is not ready; those of the store.
absl::StatusOr<ReleaseViews> ReadReleases(State& state, const ReaderFactory& reader, absl::Time now);

std::string ReleasesJson(const ReleaseViews& views);

}  // namespace ppmm
