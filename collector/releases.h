// Releases: changes of version that agents saw, and what the pooled minutes around each one say. Pure but for the
// reader.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "collector/store/store.h"

namespace ppmm {

// A version, or a build without one, of an application that came on a UTC day: a roll-out over several instances is one
// release.
struct Release {
  ApplicationId application = 0;
  std::int64_t at_us = 0;  // the first instance
  std::string version;
  std::string code_digest;  // of the first instance, as what follows
  std::string previous_version;
  std::string previous_code_digest;
  std::vector<EntityId> instances;  // rising
};

// By time, then application.
std::vector<Release> GroupReleases(std::vector<ReleaseRow> rows_of_a_day);

// How long after a release its first request is waited for; and how long after that its first response time.
inline constexpr std::int64_t kFirstRequestMinutes = 1440;
inline constexpr std::int64_t kTimedWithinMinutes = 1440;

// Minutes since 1970; nothing: not up to the end of what was read. The minute of the release itself has something of
// both versions, so the first one after it counts.
struct ReleaseUse {
  std::optional<std::int64_t> first_request;  // by requests or connections
  std::optional<std::int64_t> first_timed;
};
// Minutes from `until_minute` on are not looked at. Errors: those of the store.
absl::StatusOr<ReleaseUse> ReadUse(StoreReader& reader, const Release& release, std::int64_t until_minute);

// IMP-101: whether the release was used and timed in time, once that is known.
struct ReleaseVerdict {
  bool used = false;
  bool timed = false;
};
ReleaseVerdict VerdictOf(const ReleaseUse& use, std::int64_t until_minute);

// Sums over the minutes [from, to) of an application, all of its instances together.
struct ReleaseSide {
  std::int64_t from_minute = 0;
  std::int64_t to_minute = 0;
  std::int64_t requests = 0;
  std::int64_t timed = 0;
  std::int64_t errors = 0;
  std::int64_t cpu_us = 0;
  std::int64_t response_sum = 0;  // nanoseconds

  std::optional<double> mean_seconds() const;
  std::optional<double> error_ratio() const;
  std::optional<double> cpu_seconds_per_request() const;
};

// The hour before a release and the hour after it, as far as they are over.
struct ReleaseComparison {
  ReleaseSide before;
  ReleaseSide after;
  // With fewer than 59 requests on a side nothing is compared.
  bool enough() const;
};
absl::StatusOr<ReleaseComparison> Compare(StoreReader& reader, const Release& release, std::int64_t until_minute);

}  // namespace ppmm
