#include "collector/releases.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "collector/facts/percentile_intervals.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr std::int64_t kMinuteUs = 60'000'000;
constexpr std::int64_t kComparedMinutes = 60;

std::optional<double> PerUnit(std::int64_t of, std::int64_t all, double unit) {
  return all > 0 ? std::optional<double>(static_cast<double>(of) * unit / static_cast<double>(all)) : std::nullopt;
}

absl::StatusOr<ReleaseSide> SumOver(StoreReader& reader, ApplicationId application, std::int64_t from,
                                    std::int64_t to) {
  ReleaseSide side;
  side.from_minute = from;
  side.to_minute = std::max(from, to);
  ASSIGN_OR_RETURN(const std::vector<ApplicationMinuteRow> rows,
                   reader.ApplicationMinutes(application, from, side.to_minute));
  for (const ApplicationMinuteRow& row : rows) {
    side.requests += row.requests;
    side.timed += row.timed;
    side.errors += row.errors;
    side.cpu_us += row.cpu_us;
    side.response_sum += row.response_sum;
  }
  return side;
}

}  // namespace

std::vector<Release> GroupReleases(std::vector<ReleaseRow> rows_of_a_day) {
  std::sort(rows_of_a_day.begin(), rows_of_a_day.end(), [](const ReleaseRow& a, const ReleaseRow& b) {
    return std::tie(a.at_us, a.entity) < std::tie(b.at_us, b.entity);
  });
  std::map<std::tuple<ApplicationId, std::string, std::string>, Release> by_version;
  for (ReleaseRow& row : rows_of_a_day) {
    // Bytes differ between machines of one version, too.
    const bool same_version = row.version.empty() || row.version == row.previous_version;
    const auto [at, is_first] =
        by_version.try_emplace({row.application, row.version, same_version ? row.code_digest : ""});
    Release& release = at->second;
    if (is_first) {
      release.application = row.application;
      release.at_us = row.at_us;
      release.version = std::move(row.version);
      release.code_digest = std::move(row.code_digest);
      release.previous_version = std::move(row.previous_version);
      release.previous_code_digest = std::move(row.previous_code_digest);
    }
    const auto place = std::lower_bound(release.instances.begin(), release.instances.end(), row.entity);
    if (place == release.instances.end() || *place != row.entity) {
      release.instances.insert(place, row.entity);
    }
  }
  std::vector<Release> releases;
  releases.reserve(by_version.size());
  for (auto& [key, release] : by_version) {
    releases.push_back(std::move(release));
  }
  std::stable_sort(releases.begin(), releases.end(),
                   [](const Release& a, const Release& b) { return a.at_us < b.at_us; });
  return releases;
}

absl::StatusOr<ReleaseUse> ReadUse(StoreReader& reader, const Release& release, std::int64_t until_minute) {
  ReleaseUse use;
  const std::int64_t from = release.at_us / kMinuteUs + 1;
  // In slices: most releases have their first request at once.
  constexpr std::int64_t kSlice = 60;
  std::int64_t end = std::min(until_minute, from + kFirstRequestMinutes);
  for (std::int64_t at = from; at < end; at += kSlice) {
    ASSIGN_OR_RETURN(const std::vector<ApplicationMinuteRow> rows,
                     reader.ApplicationMinutes(release.application, at, std::min(at + kSlice, end)));
    for (const ApplicationMinuteRow& row : rows) {
      if (!use.first_request.has_value() && (row.requests > 0 || row.independent > 0)) {
        use.first_request = row.minute;
        end = std::min(until_minute, row.minute + kTimedWithinMinutes + 1);
      }
      if (use.first_request.has_value() && row.timed > 0) {
        use.first_timed = row.minute;
        return use;
      }
    }
  }
  return use;
}

ReleaseVerdict VerdictOf(const ReleaseUse& use, std::int64_t until_minute) {
  if (!use.first_request.has_value()) {
    return {};
  }
  const bool timed = use.first_timed.has_value();
  return {timed || until_minute > *use.first_request + kTimedWithinMinutes, timed};
}

std::optional<double> ReleaseSide::mean_seconds() const {
  return PerUnit(response_sum, timed, 1e-9);
}
std::optional<double> ReleaseSide::error_ratio() const {
  return PerUnit(errors, requests, 1);
}
std::optional<double> ReleaseSide::cpu_seconds_per_request() const {
  return PerUnit(cpu_us, requests, 1e-6);
}

bool ReleaseComparison::enough() const {
  return before.requests >= kSamplesForP95 && after.requests >= kSamplesForP95;
}

absl::StatusOr<ReleaseComparison> Compare(StoreReader& reader, const Release& release, std::int64_t until_minute) {
  const std::int64_t minute = release.at_us / kMinuteUs;
  ReleaseComparison comparison;
  ASSIGN_OR_RETURN(comparison.before, SumOver(reader, release.application, minute - kComparedMinutes, minute));
  ASSIGN_OR_RETURN(comparison.after, SumOver(reader, release.application, minute + 1,
                                             std::min(until_minute, minute + 1 + kComparedMinutes)));
  return comparison;
}

}  // namespace ppmm
