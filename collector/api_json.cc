#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"

#include "collector/api.h"
#include "collector/application_list.h"

namespace ppmm {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& json) {
  // Names come from outside; what is not UTF-8 in them is replaced, never thrown.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json TimeOf(absl::Time time) {
  if (time == absl::InfinitePast() || time == absl::InfiniteFuture() || time == absl::UnixEpoch()) {
    return nullptr;
  }
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

template <class Value>
Json OrNull(const std::optional<Value>& value) {
  return value.has_value() ? Json(*value) : Json(nullptr);
}

Json TextOrNull(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

Json SecondsOrNull(const std::optional<absl::Duration>& duration) {
  return duration.has_value() ? Json(absl::ToDoubleSeconds(*duration)) : Json(nullptr);
}

// What is to be said of times beside their numbers.
struct AboutTimes {
  std::string reason = {};  // why there are none, if there are none
  bool unparsed = false;    // which is that no request can be told from the next
  absl::Duration window = {};
  std::int64_t connections_without_times = 0;                       // found in the window
  std::optional<std::int64_t> open_connections_without_times = {};  // at most
  std::string vantage = "server";
};

// A time of requests: numbers where there are any, else why not.
Json TimeOfRequests(const Sketch& times, const AboutTimes& about) {
  const bool measured = times.count() > 0;
  const auto quantile = [&](double q) { return OrNull(times.QuantileSeconds(q)); };
  return {{"source", measured ? "kernel" : "none"},
          {"vantage", measured ? Json(about.vantage) : Json(nullptr)},
          {"clock", !measured                   ? "none"
                    : about.vantage == "server" ? "arrival"
                                                : "write"},
          {"quality", measured         ? Json("exact")
                      : about.unparsed ? Json("unparsed")
                                       : Json(nullptr)},
          {"reason", measured ? Json(nullptr) : Json(about.reason)},
          {"window_seconds", absl::ToInt64Seconds(about.window)},
          {"connections_without_times", about.connections_without_times},
          {"open_connections_without_times", OrNull(about.open_connections_without_times)},
          {"count", measured ? Json(times.count()) : Json(nullptr)},
          {"mean_seconds", measured ? Json(times.sum_seconds() / static_cast<double>(times.count())) : Json(nullptr)},
          {"p50_seconds", quantile(0.5)},
          {"p90_seconds", quantile(0.9)},
          {"p95_seconds", quantile(0.95)},
          {"p99_seconds", quantile(0.99)},
          {"p999_seconds", quantile(0.999)},
          {"max_seconds", measured ? Json(static_cast<double>(times.max_ns()) / 1e9) : Json(nullptr)}};
}

// What the rating uses, while what people declare is shown in its place.
Json CountedOf(const ApplicationView& view) {
  return {{"origin", view.counted.origin},
          {"tier", OrNull(view.counted.tier)},
          {"line_of_business", OrNull(view.counted.line_of_business)}};
}

// A declared exclusion: what it is of is rated like any other until it is confirmed.
Json ExclusionOf(absl::string_view kind, absl::string_view reason, absl::string_view until) {
  return {{"kind", std::string(kind)},
          {"reason", std::string(reason)},
          {"until", std::string(until)},
          {"confirmed", false}};
}
Json ExclusionOf(const ApplicationView& view) {
  return view.exclusion.has_value() ? ExclusionOf(view.exclusion->kind, view.exclusion->reason, view.exclusion->until)
                                    : Json(nullptr);
}

Json ApplicationOf(const ApplicationView& view) {
  const AboutTimes times{.reason = view.response_time_reason,
                         .unparsed = view.unparsed,
                         .window = view.times_window,
                         .connections_without_times = view.connections_without_times,
                         .open_connections_without_times = view.open_connections_without_times};
  return {{"key", view.key},
          {"name", view.name},
          {"shown_as", view.shown_as},
          {"group", view.group},
          {"origin", view.origin},
          {"origin_confidence", OrNull(view.origin_confidence)},
          {"origin_evidence", view.origin_evidence},
          {"confirmed", false},
          {"product", TextOrNull(view.product)},
          {"version", TextOrNull(view.version)},
          {"tier", OrNull(view.tier)},
          {"owner", TextOrNull(view.owner)},
          {"line_of_business", OrNull(view.line_of_business)},
          {"declared_by", TextOrNull(view.declared_by)},
          {"counted", CountedOf(view)},
          {"exclusion", ExclusionOf(view)},
          {"hosts", view.hosts},
          {"instances", view.instances},
          {"ports", view.ports},
          {"protocol", nullptr},
          {"throughput_per_second", OrNull(view.throughput_per_second)},
          {"throughput_of", view.throughput_of},
          {"throughput_at_least", view.throughput_at_least},
          {"errors_per_second", OrNull(view.errors_per_second)},
          {"cpu_cores", OrNull(view.cpu_cores)},
          {"resident_memory_bytes", OrNull(view.resident_memory_bytes)},
          {"response_time", TimeOfRequests(view.response_time, times)},
          {"wait_time", TimeOfRequests(view.wait_time, times)},
          {"service_time", TimeOfRequests(view.service_time, times)},
          {"transactions", Json::array()},
          {"plumbing", view.plumbing},
          {"listed", view.listed},
          {"name_source", TextOrNull(view.name_source)},
          {"name_evidence", TextOrNull(view.name_evidence)},
          {"last_step_at", TimeOf(absl::FromUnixSeconds(view.newest_step))}};
}

Json SamplesJson(const SampleCounts& samples) {
  return {{"produced", samples.produced}, {"committed", samples.committed},
          {"refused", samples.refused},   {"dropped", samples.dropped},
          {"late", samples.late},         {"spool_damaged_bytes", OrNull(samples.damaged_bytes)}};
}

Json ExhaustionOf(const HostForecasts& forecasts) {
  Json resources = Json::array();
  for (const ResourceForecast& forecast : forecasts.resources) {
    const bool known = forecast.reason.empty();
    resources.push_back({{"kind", forecast.kind},
                         {"resource", forecast.resource},
                         {"used_ratio", forecast.used_ratio},
                         {"level_ratio", known ? Json(forecast.level_ratio) : Json(nullptr)},
                         {"slope_ratio_per_day", known ? Json(forecast.slope_ratio_per_day) : Json(nullptr)},
                         {"in_sight", known ? Json(forecast.days.has_value()) : Json(nullptr)},
                         {"days", OrNull(forecast.days)},
                         {"days_low", OrNull(forecast.days_low)},
                         {"days_high", OrNull(forecast.days_high)},
                         {"reason", TextOrNull(forecast.reason)}});
  }
  return {{"words", TextOrNull(forecasts.words)},
          {"as_of", forecasts.as_of.has_value() ? TimeOf(*forecasts.as_of) : Json(nullptr)},
          {"known_from", forecasts.known_from.has_value() ? TimeOf(*forecasts.known_from) : Json(nullptr)},
          {"resources", std::move(resources)}};
}

Json ResponseClockJson(const ResponseClockView& clock) {
  return {{"arrival", TextOrNull(clock.arrival)},
          {"read", TextOrNull(clock.read)},
          {"write", TextOrNull(clock.write)},
          {"limits", TextOrNull(clock.limits)}};
}

Json HostOf(const HostView& view) {
  Json sources = Json::array();
  for (const SourceView& source : view.sources) {
    sources.push_back({{"source", source.source},
                       {"state", source.state},
                       {"reason", TextOrNull(source.reason)},
                       {"cure", TextOrNull(source.cure)},
                       {"since", TimeOf(source.since)}});
  }
  return {{"host", view.label},
          {"host_id", view.host_id},
          {"group", view.group},
          {"state", std::string(HostPresenceName(view.presence))},
          {"stream_ended_at", view.stream_ended.has_value() ? TimeOf(*view.stream_ended) : Json(nullptr)},
          {"last_step_age_seconds", SecondsOrNull(view.step_age)},
          {"first_seen", TimeOf(view.first_seen)},
          {"boot_time", view.boot_time.has_value() ? TimeOf(*view.boot_time) : Json(nullptr)},
          {"duplicate", view.duplicate},
          {"agent_version", TextOrNull(view.agent_version)},
          {"kernel", TextOrNull(view.kernel)},
          {"operating_system", TextOrNull(view.operating_system)},
          {"capture", TextOrNull(view.capture)},
          {"response_clock", ResponseClockJson(view.response_clock)},
          {"cpus", OrNull(view.cpus)},
          {"memory_bytes", OrNull(view.memory_bytes)},
          {"addresses", view.addresses},
          {"cpu_utilization_ratio", OrNull(view.cpu_utilization_ratio)},
          {"memory_utilization_ratio", OrNull(view.memory_utilization_ratio)},
          {"clock_synchronized", OrNull(view.clock_synchronized)},
          {"clock_offset_seconds", SecondsOrNull(view.clock_offset)},
          {"held_for_clock", view.held_for_clock},
          {"exhaustion", ExhaustionOf(view.forecasts)},
          {"sources", std::move(sources)},
          {"samples", SamplesJson(view.samples)}};
}

Json ByReason(const SelfNumbers::ByReason& counts) {
  Json json = Json::object();
  for (const auto& [reason, count] : counts) {
    json[reason] = count;
  }
  return json;
}

Json ResponseClocksJson(const std::map<ResponseClockView, std::size_t>& clocks) {
  Json json = Json::array();
  for (const auto& [clock, hosts] : clocks) {
    json.push_back(ResponseClockJson(clock));
    json.back()["hosts"] = hosts;
  }
  return json;
}

Json ComponentOf(const ComponentState& component) {
  return {{"component", component.component},
          {"state", component.ok ? "ok" : "failed"},
          {"reason", TextOrNull(component.reason)},
          {"cure", TextOrNull(component.cure)}};
}

Json ComponentsOf(const StatusNumbers& numbers, const SelfNumbers& self) {
  Json components = Json::array();
  for (const ComponentState& component : self.components) {
    components.push_back(ComponentOf(component));
  }
  if (!numbers.duplicates.empty()) {
    components.push_back(ComponentOf(
        {"identity", false, absl::StrCat("two machines share one identity: ", absl::StrJoin(numbers.duplicates, ", ")),
         "give one a new machine id (systemd-machine-id-setup), or start its agent with --host-id"}));
  }
  return components;
}

// The inventory as it was declared, in the words of the file, and what of it nobody has seen.
Json DeclaredOf(const Inventory& inventory, const ApplicationViews& applications, const HostViews& hosts,
                const std::vector<std::string>& without_agent) {
  Json declared = Json::parse(inventory.ToJson(), nullptr, /*allow_exceptions=*/false);
  declared["declared_by"] = TextOrNull(inventory.author());
  Json unseen = Json::array();
  for (const config::DeclaredApplication& said : inventory.said().applications()) {
    const bool seen =
        std::any_of(applications.applications.begin(), applications.applications.end(),
                    [&](const ApplicationView& view) { return NamesApplication(said.application(), view.key); });
    if (!seen) {
      unseen.push_back(said.application());
    }
  }
  for (const config::DeclaredHost& said : inventory.said().hosts()) {
    const bool seen = std::any_of(hosts.hosts.begin(), hosts.hosts.end(),
                                  [&](const HostView& view) { return view.label == said.host(); }) ||
                      std::find(without_agent.begin(), without_agent.end(), said.host()) != without_agent.end();
    if (!seen) {
      unseen.push_back(said.host());
    }
  }
  declared["not_seen"] = std::move(unseen);
  return declared;
}

// What people say of a host, by its name or address.
void AddDeclared(const Inventory& inventory, absl::string_view host, Json& row) {
  const config::DeclaredHost* const said = inventory.FindHost(host);
  const config::Exclusion* const excluded = inventory.FindHostExclusion(host);
  row["owner"] = said == nullptr ? Json(nullptr) : TextOrNull(said->owner());
  row["declared_by"] = said == nullptr && excluded == nullptr ? Json(nullptr) : TextOrNull(inventory.author());
  row["exclusion"] = excluded == nullptr
                         ? Json(nullptr)
                         : ExclusionOf(ExclusionWord(excluded->kind()), excluded->reason(), excluded->until());
}

}  // namespace

std::string ApplicationsJson(const ApplicationViews& views) {
  Json applications = Json::array();
  for (const ApplicationView& view : views.applications) {
    applications.push_back(ApplicationOf(view));
  }
  return Dump({{"applications", std::move(applications)},
               {"not_listed", TextOrNull(NotListedInWords(views))},
               {"from", TimeOf(views.from)},
               {"to", TimeOf(views.to)},
               {"measured_seconds", views.measured ? Json(absl::ToInt64Seconds(*views.measured)) : Json()},
               {"as_of_commit", views.commit}});
}

std::string HostsJson(const HostViews& views, const Inventory& inventory) {
  Json hosts = Json::array();
  for (const HostView& view : views.hosts) {
    hosts.push_back(HostOf(view));
    AddDeclared(inventory, view.label, hosts.back());
  }
  return Dump({{"hosts", std::move(hosts)}, {"as_of_commit", views.commit}});
}

std::string DependenciesJson(const Dependencies& dependencies) {
  Json rows = Json::array();
  for (const Dependency& row : dependencies.rows) {
    rows.push_back(
        {{"application", TextOrNull(row.application)},
         {"host", TextOrNull(row.host)},
         {"remote",
          {{"address", row.address},
           {"port", row.port},
           {"host", TextOrNull(row.remote_host)},
           {"application", TextOrNull(row.remote_application)}}},
         {"connections", row.connections},
         {"bytes", row.bytes},
         {"call_time", TimeOfRequests(row.call_time, {.reason = row.call_time_reason,
                                                      .unparsed = row.unparsed,
                                                      .window = kResponseTimesWindow,
                                                      .connections_without_times = row.connections_without_times,
                                                      .vantage = "client"})},
         {"calls_per_second", row.call_time.count() > 0 ? Json(static_cast<double>(row.call_time.count()) /
                                                               absl::ToDoubleSeconds(kResponseTimesWindow))
                                                        : Json(nullptr)},
         {"calls_at_least", row.calls_at_least && row.call_time.count() > 0},
         {"unanswered_per_second", OrNull(row.unanswered)}});
  }
  return Dump({{"dependencies", std::move(rows)},
               {"days", kDependencyDays},
               {"left_out", dependencies.left_out},
               {"as_of_commit", dependencies.commit}});
}

std::string InventoryJson(absl::string_view organization, const Inventory& inventory,
                          const ApplicationViews& applications, const HostViews& hosts,
                          const std::vector<std::string>& without_agent) {
  Json host_rows = Json::array();
  for (const HostView& view : hosts.hosts) {
    host_rows.push_back({{"host", view.label},
                         {"host_id", view.host_id},
                         {"group", view.group},
                         {"addresses", view.addresses},
                         {"operating_system", TextOrNull(view.operating_system)},
                         {"first_seen", TimeOf(view.first_seen)},
                         {"duplicate", view.duplicate}});
    AddDeclared(inventory, view.label, host_rows.back());
  }
  Json without_agent_rows = Json::array();
  for (const std::string& address : without_agent) {
    without_agent_rows.push_back({{"host", address}});
    AddDeclared(inventory, address, without_agent_rows.back());
  }
  Json application_rows = Json::array();
  for (const ApplicationView& view : applications.applications) {
    application_rows.push_back({{"key", view.key},
                                {"name", view.name},
                                {"shown_as", view.shown_as},
                                {"group", view.group},
                                {"origin", view.origin},
                                {"origin_confidence", OrNull(view.origin_confidence)},
                                {"origin_evidence", view.origin_evidence},
                                {"name_source", TextOrNull(view.name_source)},
                                {"name_evidence", TextOrNull(view.name_evidence)},
                                {"product", TextOrNull(view.product)},
                                {"version", TextOrNull(view.version)},
                                {"plumbing", view.plumbing},
                                {"tier", OrNull(view.tier)},
                                {"owner", TextOrNull(view.owner)},
                                {"line_of_business", OrNull(view.line_of_business)},
                                {"declared_by", TextOrNull(view.declared_by)},
                                {"counted", CountedOf(view)},
                                {"exclusion", ExclusionOf(view)},
                                {"hosts", view.hosts},
                                {"first_seen", TimeOf(view.first_seen)}});
  }
  return Dump({{"organization", std::string(organization)},
               {"confirmed", false},
               {"confirmed_at", nullptr},
               {"declared", DeclaredOf(inventory, applications, hosts, without_agent)},
               {"hosts", std::move(host_rows)},
               {"hosts_without_agent", std::move(without_agent_rows)},
               {"applications", std::move(application_rows)},
               {"as_of_commit", applications.commit}});
}

std::string StatusJson(const StatusNumbers& numbers, const SelfNumbers& self, absl::Time now) {
  const bool started = self.process.started != absl::InfinitePast();
  const bool committed = self.commits.last != absl::InfinitePast();
  const SelfNumbers::Ingest& ingest = self.ingest;
  const auto hosts = [&numbers](HostPresence presence) {
    const auto found = numbers.hosts.find(presence);
    return numbers.known ? Json(found == numbers.hosts.end() ? 0 : found->second) : Json(nullptr);
  };
  const auto of_committed = [&numbers](const auto& number) { return numbers.known ? Json(number) : Json(nullptr); };
  Json json = {
      {"ready", numbers.readiness.ok()},
      {"reason", TextOrNull(std::string(numbers.readiness.message()))},
      {"version", self.version},
      {"store_id", TextOrNull(numbers.store_id)},
      {"as_of_commit", of_committed(numbers.commit)},
      {"as_of", TimeOf(numbers.committed_at)},
      {"started_at", TimeOf(self.process.started)},
      {"uptime_seconds", started ? Json(absl::ToDoubleSeconds(now - self.process.started)) : Json(nullptr)},
      {"hosts",
       {{"live", hosts(HostPresence::kLive)},
        {"silent", hosts(HostPresence::kSilent)},
        {"off", hosts(HostPresence::kOff)},
        {"stopped", hosts(HostPresence::kStopped)},
        {"disconnected", hosts(HostPresence::kDisconnected)}}},
      {"response_clocks", numbers.known ? ResponseClocksJson(numbers.response_clocks) : Json(nullptr)},
      {"applications", of_committed(numbers.applications)},
      {"instances", of_committed(numbers.instances)},
      {"series", of_committed(numbers.series)},
      {"samples", numbers.known ? SamplesJson(numbers.samples) : Json(nullptr)},
      {"samples_lost_by_restore", of_committed(numbers.lost_by_restore)},
      {"commits",
       {{"count", self.commits.count},
        {"failed", self.commits.failed},
        {"mean_seconds", self.commits.count == 0
                             ? Json(nullptr)
                             : Json(self.commits.seconds / static_cast<double>(self.commits.count))},
        {"longest_seconds", self.commits.count == 0 ? Json(nullptr) : Json(self.commits.longest_seconds)},
        {"last_age_seconds", committed ? Json(absl::ToDoubleSeconds(now - self.commits.last)) : Json(nullptr)}}},
      {"ingest",
       {{"streams", ingest.streams},
        {"streams_refused", ingest.streams_refused},
        {"connections", ingest.connections},
        {"connections_without_stream", ingest.connections_without_stream},
        {"shed_connections", ByReason(ingest.shed_connections)},
        {"frames", ingest.frames},
        {"bytes", ingest.bytes},
        {"batches", ingest.batches},
        {"samples", ingest.samples},
        {"unknown_series_samples", ingest.unknown_series_samples},
        {"refused_batches", ByReason(ingest.refused_batches)},
        {"refused_samples", ByReason(ingest.refused_samples)},
        {"repeated_batches", ingest.repeated_batches},
        {"refused_entries", ingest.refused_entries},
        {"refused_deployments", ingest.refused_deployments},
        {"queue_bytes", ingest.queue_bytes},
        {"queue_limit_bytes", ingest.queue_limit_bytes}}},
      {"store",
       {{"data_directory", TextOrNull(self.data_directory)},
        {"size_bytes", OrNull(self.store_bytes)},
        {"disk_free_bytes", OrNull(self.disk_free_bytes)}}},
      {"http",
       {{"connections", self.http.connections},
        {"requests", self.http.requests},
        {"client_errors", self.http.client_errors},
        {"server_errors", self.http.server_errors},
        {"refused_connections", self.http.refused_connections}}},
      {"process",
       {{"cpu_seconds", self.process.cpu_seconds},
        {"resident_memory_bytes", self.process.resident_memory_bytes},
        {"open_fds", self.process.open_fds},
        {"max_fds", self.process.max_fds}}},
      {"configuration",
       {{"last_reload_successful", self.config_ok},
        {"error", TextOrNull(self.config_error)},
        {"waits_for_restart", self.config_waits_for_restart}}},
      {"components", ComponentsOf(numbers, self)}};
  return Dump(json);
}

}  // namespace ppmm
