#include "collector/deployments.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

#include "common/status.h"

namespace ppmm {
namespace {

constexpr std::int64_t kDayUs = 86'400'000'000;

// What was said of one version of one application.
struct Announcement {
  std::vector<const DeploymentRow*> rows;
  bool used = false;

  // The row nearest to the time, if any is near enough.
  const DeploymentRow* Near(std::int64_t at_us) const {
    const DeploymentRow* nearest = nullptr;
    for (const DeploymentRow* const row : rows) {
      if (std::abs(row->at_us - at_us) <= kDeploymentWithinUs &&
          (nearest == nullptr || std::abs(row->at_us - at_us) < std::abs(nearest->at_us - at_us))) {
        nearest = row;
      }
    }
    return nearest;
  }
};

}  // namespace

absl::StatusOr<Noted> NoteDeployment(const DeploymentRow& row, Tables& tables, Store& store) {
  const std::int64_t day = row.at_us / kDayUs;
  const auto [count, is_new] = tables.deployments_of_day.try_emplace(day);
  if (is_new) {
    ASSIGN_OR_RETURN(count->second, store.CountDeployments(day * kDayUs, (day + 1) * kDayUs));
  }
  if (count->second >= kMaxDeploymentsADay) {
    ++tables.deployments_refused;
    return Noted::kRefused;
  }
  ASSIGN_OR_RETURN(const bool added, store.AddNew(row));
  if (!added) {
    return Noted::kKnown;
  }
  ++count->second;
  bool touched = false;
  for (const std::int64_t of :
       {day, (row.at_us - kDeploymentWithinUs) / kDayUs, (row.at_us + kDeploymentWithinUs) / kDayUs}) {
    touched = TouchDay(of, tables) || touched;
  }
  if (touched) {
    RETURN_IF_ERROR(PutTouchedDays(tables, store));
  }
  return Noted::kNew;
}

std::vector<const DeploymentRow*> Announcements(absl::Span<const Release> releases,
                                                absl::Span<const DeploymentRow> deployments) {
  std::map<ApplicationId, std::map<absl::string_view, Announcement>> said;  // by version
  for (const DeploymentRow& row : deployments) {
    said[row.application][row.version].rows.push_back(&row);
  }
  std::vector<const DeploymentRow*> result(releases.size());
  for (std::size_t i = 0; i < releases.size(); ++i) {
    auto& of_application = said[releases[i].application];
    const auto same = of_application.find(releases[i].version);
    if (same != of_application.end() && !same->second.used) {
      result[i] = same->second.Near(releases[i].at_us);
      same->second.used = result[i] != nullptr;
    }
  }
  for (std::size_t i = 0; i < releases.size(); ++i) {
    if (result[i] != nullptr) {
      continue;
    }
    Announcement* nearest = nullptr;
    for (auto& [version, announcement] : said[releases[i].application]) {
      const DeploymentRow* const row = announcement.used ? nullptr : announcement.Near(releases[i].at_us);
      if (row != nullptr && (result[i] == nullptr || std::abs(row->at_us - releases[i].at_us) <
                                                         std::abs(result[i]->at_us - releases[i].at_us))) {
        result[i] = row;
        nearest = &announcement;
      }
    }
    if (nearest != nullptr) {
      nearest->used = true;
    }
  }
  return result;
}

absl::StatusOr<std::vector<DeploymentRow>> DeploymentsAround(StoreReader& reader, std::int64_t day) {
  return reader.Deployments(day * kDayUs - kDeploymentWithinUs, (day + 1) * kDayUs + kDeploymentWithinUs);
}

absl::string_view SourceOf(const DeploymentRow& row) {
  return row.package.empty() ? "ppmm_deployed" : "package_log";
}

}  // namespace ppmm
