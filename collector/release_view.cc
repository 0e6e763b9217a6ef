#include "collector/release_view.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "nlohmann/json.hpp"

#include "collector/deployments.h"
#include "collector/view_reads.h"
#include "common/mutex.h"
#include "common/status.h"

namespace ppmm {
namespace {

using Json = nlohmann::ordered_json;

Json UtcText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}
Json MinuteText(const std::optional<std::int64_t>& minute) {
  return minute.has_value() ? UtcText(absl::FromUnixSeconds(*minute * 60)) : Json(nullptr);
}
Json OptionalText(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}
Json OptionalNumber(const std::optional<double>& value) {
  return value.has_value() ? Json(*value) : Json(nullptr);
}

Json SideJson(const ReleaseSide& side) {
  return {{"from", MinuteText(side.from_minute)},
          {"to", MinuteText(side.to_minute)},
          {"requests", side.requests},
          {"timed_requests", side.timed},
          {"mean_response_seconds", OptionalNumber(side.mean_seconds())},
          {"error_ratio", OptionalNumber(side.error_ratio())},
          {"cpu_seconds_per_request", OptionalNumber(side.cpu_seconds_per_request())}};
}

Json DeploymentJson(const std::optional<DeploymentRow>& row) {
  if (!row.has_value()) {
    return nullptr;
  }
  return {{"source", SourceOf(*row)},
          {"at", UtcText(absl::FromUnixMicros(row->at_us))},
          {"version", OptionalText(row->version)},
          {"package", OptionalText(row->package)},
          {"told_by", OptionalText(row->told_by)},
          {"received_at", UtcText(absl::FromUnixMicros(row->received_us))}};
}

// Names by which people know it; false: nobody does, it is forgotten.
bool SetNames(const Tables& tables, ReleaseView& view) {
  const ApplicationState* const application = tables.Application(view.release.application);
  if (application == nullptr) {
    return false;
  }
  view.application = ShownAs(*application);
  view.key = application->row.key;
  std::set<std::string> hosts;
  for (const EntityId entity : view.release.instances) {
    const EntityState* const instance = tables.Entity(entity);
    const HostState* const host = instance == nullptr ? nullptr : FindHost(tables, instance->row.host);
    if (host != nullptr) {
      hosts.insert(host->row.label);
    }
  }
  view.hosts.assign(hosts.begin(), hosts.end());
  return true;
}

}  // namespace

absl::StatusOr<ReleaseViews> ReadReleases(State& state, const ReaderFactory& reader, absl::Time now) {
  RETURN_IF_ERROR(state.Readiness());
  ASSIGN_OR_RETURN(const std::unique_ptr<StoreReader> store, reader());
  const Day today = DayOf(now);
  ReleaseViews views;
  views.from = StartOf(today - kReleaseDaysShown + 1);
  views.to = now;
  for (Day day = today; day > today - kReleaseDaysShown; --day) {
    ASSIGN_OR_RETURN(std::vector<ReleaseRow> rows, store->ReleasesOf(day));
    std::vector<Release> releases = GroupReleases(std::move(rows));
    ASSIGN_OR_RETURN(const std::vector<DeploymentRow> deployments, DeploymentsAround(*store, day));
    const std::vector<const DeploymentRow*> announced = Announcements(releases, deployments);
    constexpr std::int64_t kDayUs = 86'400'000'000;
    ASSIGN_OR_RETURN(const std::vector<ReleaseVerdictRow> verdicts,
                     store->ReleaseVerdicts(day * kDayUs, (day + 1) * kDayUs));
    for (std::size_t i = releases.size(); i-- > 0;) {
      ReleaseView view;
      view.release = std::move(releases[i]);
      std::copy_if(verdicts.begin(), verdicts.end(), std::back_inserter(view.verdicts), [&](const auto& row) {
        return row.application == view.release.application && row.at_us == view.release.at_us;
      });
      if (announced[i] != nullptr) {
        view.deployment = *announced[i];
      }
      {
        ReaderLock lock(&state.mutex());
        view.deployments_known = view.release.at_us >= state.tables().deployments_since_us;
        if (!SetNames(state.tables(), view)) {
          continue;
        }
      }
      if (views.releases.size() == kReleasesShown) {
        ++views.left_out;
        continue;
      }
      const std::int64_t until = absl::ToUnixSeconds(now) / 60;
      ASSIGN_OR_RETURN(view.use, ReadUse(*store, view.release, until));
      ASSIGN_OR_RETURN(view.comparison, Compare(*store, view.release, until));
      views.releases.push_back(std::move(view));
    }
  }
  return views;
}

std::string ReleasesJson(const ReleaseViews& views) {
  Json rows = Json::array();
  for (const ReleaseView& view : views.releases) {
    Json verdicts = Json::array();
    for (const ReleaseVerdictRow& verdict : view.verdicts) {
      verdicts.push_back({{"minutes", verdict.minutes},
                          {"made_at", UtcText(absl::FromUnixMicros(verdict.made_us))},
                          {"verdict", verdict.verdict}});
    }
    rows.push_back({{"application", view.application},
                    {"key", view.key},
                    {"at", UtcText(absl::FromUnixMicros(view.release.at_us))},
                    {"version", OptionalText(view.release.version)},
                    {"code_digest", OptionalText(view.release.code_digest)},
                    {"previous_version", OptionalText(view.release.previous_version)},
                    {"previous_code_digest", OptionalText(view.release.previous_code_digest)},
                    {"verdicts", std::move(verdicts)},
                    {"deployment", DeploymentJson(view.deployment)},
                    {"deployments_known", view.deployments_known},
                    {"instances", view.release.instances.size()},
                    {"hosts", view.hosts},
                    {"first_request_at", MinuteText(view.use.first_request)},
                    {"first_response_time_at", MinuteText(view.use.first_timed)},
                    {"before", SideJson(view.comparison.before)},
                    {"after", SideJson(view.comparison.after)},
                    {"enough_requests", view.comparison.enough()}});
  }
  const Json json = {{"releases", std::move(rows)},
                     {"left_out", views.left_out},
                     {"from", UtcText(views.from)},
                     {"to", UtcText(views.to)}};
  // Names come from outside; what is not UTF-8 in them is replaced, never thrown.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace ppmm
