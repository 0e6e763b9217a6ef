#include "collector/api.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"

#include "collector/application_list.h"
#include "collector/declared_view.h"
#include "collector/exposition.h"
#include "collector/http/message.h"
#include "collector/origin_guess.h"
#include "collector/release_view.h"
#include "collector/view_reads.h"
#include "collector/web/page.h"
#include "common/status.h"

namespace ppmm {
namespace {

using http::Method;
using http::Request;
using http::Response;

constexpr absl::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";
constexpr absl::Duration kDefaultWindow = absl::Seconds(60);

Response ErrorOf(const absl::Status& status) {
  // Why nothing can be committed: busy, no room, read-only.
  const bool not_ready =
      absl::IsUnavailable(status) || absl::IsResourceExhausted(status) || absl::IsFailedPrecondition(status);
  const int code = absl::IsInvalidArgument(status) ? 400 : absl::IsNotFound(status) ? 404 : not_ready ? 503 : 500;
  return http::JsonError(code, status.message());
}

Response Answer(absl::StatusOr<std::string> json) {
  return json.ok() ? http::JsonResponse(200, *std::move(json)) : ErrorOf(json.status());
}

absl::StatusOr<absl::Duration> WindowOf(const Request& request) {
  const absl::string_view text = request.query.GetOr("window", "");
  if (text.empty()) {
    return kDefaultWindow;
  }
  absl::Duration window;
  if (!absl::ParseDuration(text, &window)) {
    return absl::InvalidArgumentError(
        absl::StrCat("window \"", text, "\" is not a duration; write one like 60s, 5m or 1h"));
  }
  return window;
}

StatusNumbers ReadStatus(State& state, const AgentStreams* agents, absl::Time now) {
  StatusNumbers numbers;
  numbers.readiness = state.Readiness();
  // Also while nothing can be committed: what was is still true.
  ReaderLock lock(&state.mutex());
  const Tables& tables = state.tables();
  numbers.known = !tables.store_id.empty();
  numbers.committed_at = absl::FromUnixMicros(tables.store_time_us);
  numbers.store_id = absl::BytesToHexString(tables.store_id);
  numbers.commit = tables.commit;
  numbers.applications = tables.applications.size();
  numbers.series = tables.series.size();
  for (const auto& [id, application] : tables.applications) {
    numbers.instances += application.instances.size();
  }
  for (const auto& [key, host] : tables.hosts) {
    const HostPresence presence =
        PresenceOf(host, now, agents == nullptr ? std::nullopt : agents->LastEnd(host.row.host_id));
    ++numbers.hosts[presence];
    if (presence == HostPresence::kLive) {
      ++numbers.response_clocks[ResponseClockOf(host)];
    }
    if (host.row.duplicate) {
      numbers.duplicates.push_back(host.row.label);
    }
  }
  for (const auto& [host, counts] : SamplesByHost(tables)) {
    numbers.samples.Add(counts);
  }
  numbers.lost_by_restore = tables.lost_by_restore;
  return numbers;
}

void AddHealth(http::Router& router, const ViewContext& context) {
  router.Add(Method::kGet, "/-/healthy", [](Request&) { return http::TextResponse(200, "healthy\n"); });
  router.Add(Method::kGet, "/-/ready", [context](Request&) {
    const absl::Status status = context.state->Readiness();
    return status.ok() ? http::TextResponse(200, "ready\n")
                       : http::TextResponse(503, absl::StrCat("not ready: ", status.message(), "\n"));
  });
}

void AddMetrics(http::Router& router, const ViewContext& context) {
  router.Add(Method::kGet, "/metrics", [context](Request&) {
    const absl::StatusOr<std::shared_ptr<const RatingSnapshot>> rating = context.rating->Current();
    absl::StatusOr<std::string> text =
        RenderMetrics(*context.state, context.self(), rating.ok() ? rating->get() : nullptr, context.clock->Now());
    if (!text.ok()) {
      return http::TextResponse(500, text.status().message());
    }
    Response response = http::TextResponse(200, *text);
    response.content_type = std::string(kMetricsType);
    return response;
  });
  router.Add(Method::kGet, "/metrics/hosts", [context](Request&) {
    if (const absl::Status status = context.state->Readiness(); !status.ok()) {
      return http::TextResponse(503, absl::StrCat("not ready: ", status.message(), "\n"));
    }
    return http::StreamResponse(std::string(kMetricsType), HostMetricsStream(*context.state, context.clock->Now()));
  });
}

// A route whose body is a text of the current rating.
template <class Text>
void AddRatingRoute(http::Router& router, const ViewContext& context, absl::string_view path, const Text& text) {
  router.Add(Method::kGet, path, [context, text](Request& request) {
    const absl::StatusOr<std::shared_ptr<const RatingSnapshot>> rating = context.rating->Current();
    return rating.ok() ? Answer(text(**rating, request)) : ErrorOf(rating.status());
  });
}

void AddRating(http::Router& router, const ViewContext& context) {
  using Text = absl::StatusOr<std::string>;
  AddRatingRoute(router, context, "/api/v1/rating",
                 [](const RatingSnapshot& rating, const Request&) -> Text { return rating.rating_json; });
  AddRatingRoute(router, context, "/api/v1/activities",
                 [](const RatingSnapshot& rating, const Request&) -> Text { return rating.activities_json; });
  AddRatingRoute(router, context, "/api/v1/activities/{id}",
                 [](const RatingSnapshot& rating, const Request& request) -> Text {
                   return rating.activity_json(request.path.GetOr("id", ""));
                 });
  AddRatingRoute(router, context, "/api/v1/next-steps",
                 [](const RatingSnapshot& rating, const Request&) -> Text { return rating.next_steps_json; });
}

// What the agents saw, with what the rating makes of it and what people say.
absl::StatusOr<ApplicationViews> ReadRated(const ViewContext& context, absl::Duration window, absl::Time now) {
  ASSIGN_OR_RETURN(ApplicationViews views, ReadApplications(*context.state, context.reader, window, now));
  const absl::StatusOr<std::shared_ptr<const RatingSnapshot>> rating = context.rating->Current();
  const std::shared_ptr<const Inventory> inventory = context.inventory();
  for (ApplicationView& view : views.applications) {
    if (rating.ok()) {
      const auto rated = (*rating)->applications.find(view.id);
      if (rated != (*rating)->applications.end()) {
        view.tier = rated->second.tier;
        view.line_of_business = rated->second.line_of_business;
      }
    }
    view.counted = {view.origin, view.tier, view.line_of_business};
    ShowDeclared(*inventory, view);
  }
  OrderForPeople(now, &views);
  return views;
}

absl::StatusOr<std::string> ApplicationsBody(const ViewContext& context, const Request& request) {
  ASSIGN_OR_RETURN(const absl::Duration window, WindowOf(request));
  ASSIGN_OR_RETURN(const ApplicationViews views, ReadRated(context, window, context.clock->Now()));
  return ApplicationsJson(views);
}

absl::StatusOr<std::string> HostsBody(const ViewContext& context) {
  ASSIGN_OR_RETURN(HostViews views, ReadHosts(*context.state, context.agents, context.clock->Now()));
  if (context.clocks != nullptr) {
    AddClocks(context.clocks->All(context.clock->Now(), context.clock->SinceBoot()), &views);
  }
  return HostsJson(views, *context.inventory());
}

absl::StatusOr<std::string> ReleasesBody(const ViewContext& context) {
  ASSIGN_OR_RETURN(const ReleaseViews views, ReadReleases(*context.state, context.reader, context.clock->Now()));
  return ReleasesJson(views);
}

absl::StatusOr<std::string> InventoryBody(const ViewContext& context) {
  const absl::Time now = context.clock->Now();
  ASSIGN_OR_RETURN(ApplicationViews applications, ReadRated(context, kDefaultWindow, now));
  std::sort(applications.applications.begin(), applications.applications.end(),
            [](const ApplicationView& a, const ApplicationView& b) { return a.key < b.key; });
  ASSIGN_OR_RETURN(const HostViews hosts, ReadHosts(*context.state, context.agents, now));
  const absl::StatusOr<std::shared_ptr<const RatingSnapshot>> rating = context.rating->Current();
  return InventoryJson(context.organization(), *context.inventory(), applications, hosts,
                       rating.ok() ? (*rating)->hosts_without_agent : std::vector<std::string>());
}

absl::StatusOr<std::string> DependenciesBody(const ViewContext& context) {
  RETURN_IF_ERROR(context.state->Readiness());
  ASSIGN_OR_RETURN(const std::unique_ptr<StoreReader> reader, context.reader());
  ASSIGN_OR_RETURN(const Dependencies dependencies, ReadDependencies(*context.state, *reader, context.clock->Now()));
  return DependenciesJson(dependencies);
}

constexpr absl::string_view kNoApplications = "no application was found yet; is an agent running?";
constexpr absl::string_view kNoHosts = "no host was heard of yet: ppmm-agent --collector ADDR:7767";
PageData::Application PageRowOf(const ApplicationView& view) {
  PageData::Application row;
  row.name = view.shown_as;
  row.origin = view.origin;
  row.declared = view.origin_declared;
  row.evidence = view.origin_evidence.empty() ? view.name_evidence : view.origin_evidence.front();
  row.throughput_per_second = view.throughput_per_second;
  row.throughput_of = view.throughput_of;
  row.throughput_at_least = view.throughput_at_least;
  row.p50_seconds = view.response_time.QuantileSeconds(0.5);
  row.p95_seconds = view.response_time.QuantileSeconds(0.95);
  row.p99_seconds = view.response_time.QuantileSeconds(0.99);
  row.response_time_reason = view.response_time_reason;
  row.cpu_cores = view.cpu_cores;
  row.resident_memory_bytes = view.resident_memory_bytes;
  const std::string reason = view.instances == 0 ? "not heard of now" : "not measured in this window";
  row.throughput_reason = view.throughput_per_second.has_value() ? "" : reason;
  row.usage_reason = view.cpu_cores.has_value() ? "" : reason;
  row.hosts = view.hosts;
  return row;
}

PageData::Host PageRowOf(const HostView& view, absl::Time now) {
  PageData::Host row;
  row.label = view.label;
  row.state = std::string(HostPresenceName(view.presence));
  if (view.cpus.has_value()) {
    row.cpu_cores = *view.cpus;
    if (view.cpu_utilization_ratio.has_value()) {
      row.cpu_used_cores = *view.cpu_utilization_ratio * *view.cpus;
    }
  }
  if (view.memory_bytes.has_value()) {
    row.memory_bytes = static_cast<double>(*view.memory_bytes);
    if (view.memory_utilization_ratio.has_value()) {
      row.memory_used_bytes = *view.memory_utilization_ratio * *row.memory_bytes;
    }
  }
  row.usage_reason = view.cpu_utilization_ratio.has_value() ? "" : "not heard of now";
  row.exhaustion = view.forecasts.words;
  row.capture = view.capture;
  for (const SourceView& source : view.sources) {
    if (source.state == "failed") {
      row.capture_reason = absl::StrCat(source.source, ": ", source.reason);
      break;
    }
  }
  if (view.step_age.has_value()) {
    row.last_seen = now - *view.step_age;
  }
  return row;
}

PageData ReadPage(const ViewContext& context, bool all_applications) {
  PageData page;
  page.now = context.clock->Now();
  page.time_zone = absl::LocalTimeZone();
  page.organization = context.organization();
  const SelfNumbers self = context.self();
  page.version = self.version;
  if (!self.config_ok) {
    page.troubles.push_back(
        {"configuration",
         absl::StrCat("the last one read was not taken: ", absl::StrReplaceAll(self.config_error, {{"\n", "; "}})),
         ""});
  }
  for (const ComponentState& component : self.components) {
    if (!component.ok) {
      page.troubles.push_back({component.component, component.reason, component.cure});
    }
  }
  const absl::StatusOr<std::shared_ptr<const RatingSnapshot>> rating = context.rating->Current();
  if (rating.ok()) {
    (*rating)->fill_page(&page);
  } else {
    page.rating_reason = std::string(rating.status().message());
  }
  page.window_seconds = absl::ToDoubleSeconds(kDefaultWindow);
  const absl::StatusOr<ApplicationViews> applications = ReadRated(context, kDefaultWindow, page.now);
  page.applications_reason = std::string(applications.ok() ? kNoApplications : applications.status().message());
  if (applications.ok()) {
    page.all_applications = all_applications;
    page.applications_not_listed = NotListedInWords(*applications);
    for (const ApplicationView& view : applications->applications) {
      if (view.listed || all_applications) {
        ++page.applications_total;
        if (page.applications.size() < kMaxPageRows) {
          page.applications.push_back(PageRowOf(view));
        }
      }
    }
    const std::shared_ptr<const Inventory> inventory = context.inventory();
    page.declared_by = inventory->author();
    page.declarations = DeclarationsOf(*inventory, *applications, page.now);
  }
  const absl::StatusOr<HostViews> hosts = ReadHosts(*context.state, context.agents, page.now);
  page.hosts_reason = std::string(hosts.ok() ? kNoHosts : hosts.status().message());
  if (hosts.ok()) {
    page.hosts_total = hosts->hosts.size();
    for (std::size_t i = 0; i < std::min(page.hosts_total, kMaxPageRows); ++i) {
      page.hosts.push_back(PageRowOf(hosts->hosts[i], page.now));
    }
  }
  return page;
}

}  // namespace

void AddRoutes(http::Router& router, const ViewContext& context) {
  AddHealth(router, context);
  AddMetrics(router, context);
  AddRating(router, context);
  router.Add(
      Method::kGet, "/",
      [context](Request& request) { return PageResponse(ReadPage(context, request.query.GetOr("all", "") == "1")); },
      http::Access::kDefault, {"all"});
  router.Add(Method::kGet, "/api/v1/applications",
             [context](Request& request) { return Answer(ApplicationsBody(context, request)); }, http::Access::kDefault,
             {"window"});
  router.Add(Method::kGet, "/api/v1/dependencies", [context](Request&) { return Answer(DependenciesBody(context)); });
  router.Add(Method::kGet, "/api/v1/hosts", [context](Request&) { return Answer(HostsBody(context)); });
  router.Add(Method::kGet, "/api/v1/releases", [context](Request&) { return Answer(ReleasesBody(context)); });
  router.Add(Method::kGet, "/api/v1/inventory", [context](Request&) { return Answer(InventoryBody(context)); });
  router.Add(Method::kGet, "/api/v1/status", [context](Request&) {
    const absl::Time now = context.clock->Now();
    return http::JsonResponse(200, StatusJson(ReadStatus(*context.state, context.agents, now), context.self(), now));
  });
}

}  // namespace ppmm
