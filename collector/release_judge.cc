#include "collector/release_judge.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "collector/facts/percentile_intervals.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr std::int64_t kMinuteInUs = 60'000'000;
constexpr std::int64_t kDayInUs = 86'400'000'000;
// A verdict much later than it should be is of no use to anybody.
constexpr std::int64_t kDaysBack = 2;
constexpr double kRise = 1.1;
constexpr double kErrorRise = 0.01;
constexpr double kStandardErrors = 3;

}  // namespace

void ReleaseSample::Ratio::Add(std::int64_t minute_of, std::int64_t minute_unit) {
  const auto a = static_cast<double>(minute_of);
  const auto b = static_cast<double>(minute_unit);
  of += a;
  unit += b;
  of_of += a * a;
  of_unit += a * b;
  unit_unit += b * b;
}

double ReleaseSample::Ratio::variance() const {
  const double r = value();
  return std::max(0.0, of_of - 2 * r * of_unit + r * r * unit_unit) / (unit * unit);
}

void ReleaseSample::Add(const ApplicationMinuteRow& row) {
  side_.requests += row.requests;
  side_.timed += row.timed;
  side_.errors += row.errors;
  side_.cpu_us += row.cpu_us;
  side_.response_sum += row.response_sum;
  if (row.timed > 0) {
    response_.Add(row.response_sum, row.timed);
  }
  if (row.requests > 0) {
    cpu_.Add(row.cpu_us, row.requests);
  }
}

bool ReleaseSample::Rose(const Ratio& before, const Ratio& after, double factor) {
  return before.unit > 0 && after.unit > 0 && after.value() > before.value() * factor &&
         after.value() - before.value() > kStandardErrors * std::sqrt(before.variance() + after.variance());
}

bool ReleaseSample::ErrorsRose(const ReleaseVerdictRow::Side& before, const ReleaseVerdictRow::Side& after) {
  const auto n = static_cast<double>(before.requests);
  const auto m = static_cast<double>(after.requests);
  const double p = static_cast<double>(before.errors) / n;
  const double q = static_cast<double>(after.errors) / m;
  const double all = std::min(1.0, static_cast<double>(before.errors + after.errors) / (n + m));
  return q - p > kErrorRise && q - p > kStandardErrors * std::sqrt(all * (1 - all) * (1 / n + 1 / m));
}

std::string VerdictOf(const ReleaseSample& before, const ReleaseSample& after) {
  if (before.side_.requests < kSamplesForP95 || after.side_.requests < kSamplesForP95) {
    return kTooFewSamples;
  }
  std::vector<std::string> worse;
  if (ReleaseSample::Rose(before.response_, after.response_, kRise)) {
    worse.emplace_back("response time");
  }
  if (ReleaseSample::ErrorsRose(before.side_, after.side_)) {
    worse.emplace_back("errors");
  }
  if (ReleaseSample::Rose(before.cpu_, after.cpu_, kRise)) {
    worse.emplace_back("CPU a request");
  }
  return worse.empty() ? "no worse" : absl::StrCat("worse: ", absl::StrJoin(worse, ", "));
}

absl::StatusOr<ReleaseSample> ReleaseJudge::Sum(ApplicationId application, std::int64_t from, std::int64_t to) {
  ReleaseSample sample;
  ASSIGN_OR_RETURN(const std::vector<ApplicationMinuteRow> rows,
                   store_->ApplicationMinutes(application, from, std::max(from, to)));
  for (const ApplicationMinuteRow& row : rows) {
    sample.Add(row);
  }
  return sample;
}

absl::Status ReleaseJudge::Slice(absl::Time store_time) {
  if (store_time < next_ && next_ - store_time <= kEvery) {
    return absl::OkStatus();
  }
  const std::int64_t now_us = absl::ToUnixMicros(store_time);
  const std::int64_t today = now_us / kDayInUs;
  std::vector<Release> releases;
  for (std::int64_t day = today - kDaysBack - 1; day <= today; ++day) {
    ASSIGN_OR_RETURN(std::vector<ReleaseRow> rows, store_->ReleasesOf(day));
    for (Release& release : GroupReleases(std::move(rows))) {
      releases.push_back(std::move(release));
    }
  }
  ASSIGN_OR_RETURN(const std::vector<ReleaseVerdictRow> known,
                   store_->ReleaseVerdicts((today - kDaysBack - 1) * kDayInUs, now_us + kDayInUs));
  std::set<std::tuple<ApplicationId, std::int64_t, std::int64_t>> made;
  for (const ReleaseVerdictRow& row : known) {
    made.insert({row.application, row.at_us, row.minutes});
  }
  std::map<ApplicationId, std::vector<std::int64_t>> minutes_of;  // of all releases, in order
  for (const Release& release : releases) {
    minutes_of[release.application].push_back(release.at_us / kMinuteInUs);
  }
  std::vector<ReleaseVerdictRow> verdicts;
  for (const Release& release : releases) {
    const std::int64_t minute = release.at_us / kMinuteInUs;
    for (const std::int64_t length : {kHourCompared, kDayCompared}) {
      const std::int64_t due_us = (minute + 1 + length + kGraceMinutes) * kMinuteInUs;
      const std::int64_t given_up_us = length == kHourCompared ? 2 * kHourVerdictWithinUs : kDaysBack * kDayInUs;
      if (now_us < due_us || now_us > release.at_us + given_up_us ||
          made.contains({release.application, release.at_us, length})) {
        continue;
      }
      // What another release of it ran is none of this one's.
      const std::vector<std::int64_t>& others = minutes_of[release.application];
      const auto here = std::lower_bound(others.begin(), others.end(), minute);
      const auto next = std::upper_bound(others.begin(), others.end(), minute);
      const std::int64_t from =
          here == others.begin() ? minute - length : std::max(minute - length, *std::prev(here) + 1);
      const std::int64_t to = next == others.end() ? minute + 1 + length : std::min(minute + 1 + length, *next);
      ASSIGN_OR_RETURN(const ReleaseSample after, Sum(release.application, minute + 1, to));
      if (length == kHourCompared && after.side().requests < kSamplesForP95) {
        continue;  // after a day
      }
      ASSIGN_OR_RETURN(const ReleaseSample before, Sum(release.application, from, minute));
      verdicts.push_back(
          {release.application, release.at_us, length, now_us, VerdictOf(before, after), before.side(), after.side()});
      if (verdicts.size() == kSlice) {
        break;
      }
    }
    if (verdicts.size() >= kSlice) {
      break;
    }
  }
  next_ = verdicts.size() >= kSlice ? absl::InfinitePast() : store_time + kEvery;
  if (verdicts.empty()) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(store_->Begin());
  for (const ReleaseVerdictRow& row : verdicts) {
    RETURN_IF_ERROR(store_->AddNew(row).status());
  }
  return store_->Commit();
}

}  // namespace ppmm
