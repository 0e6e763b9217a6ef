#include "collector/api.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

#include "collector/exposition.h"
#include "collector/http/message.h"
#include "collector/view_reads.h"
#include "common/status.h"

namespace ppmm {
namespace {

using http::Method;
using http::Request;
using http::Response;

constexpr absl::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";
constexpr absl::Duration kDefaultWindow = absl::Seconds(60);

Response ErrorOf(const absl::Status& status) {
  const int code = absl::IsInvalidArgument(status) ? 400
                   : absl::IsNotFound(status)      ? 404
                   : absl::IsUnavailable(status)   ? 503
                                                   : 500;
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

StatusNumbers ReadStatus(State& state, absl::Time now) {
  StatusNumbers numbers;
  numbers.readiness = state.Readiness();
  if (!numbers.readiness.ok()) {
    return numbers;
  }
  ReaderLock lock(&state.mutex());
  const Tables& tables = state.tables();
  numbers.store_id = absl::BytesToHexString(tables.store_id);
  numbers.commit = tables.commit;
  numbers.applications = tables.applications.size();
  numbers.series = tables.series.size();
  for (const auto& [id, application] : tables.applications) {
    numbers.instances += application.instances.size();
  }
  for (const auto& [key, host] : tables.hosts) {
    const HostPresence presence = PresenceOf(host, now);
    ++(presence == HostPresence::kLive  ? numbers.hosts_live
       : presence == HostPresence::kOff ? numbers.hosts_off
                                        : numbers.hosts_silent);
  }
  for (const auto& [host, counts] : SamplesByHost(tables)) {
    numbers.samples.produced += counts.produced;
    numbers.samples.committed += counts.committed;
    numbers.samples.refused += counts.refused;
    numbers.samples.dropped += counts.dropped;
    numbers.samples.late += counts.late;
  }
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

absl::StatusOr<std::string> ApplicationsBody(const ViewContext& context, const Request& request) {
  ASSIGN_OR_RETURN(const absl::Duration window, WindowOf(request));
  ASSIGN_OR_RETURN(const ApplicationViews views,
                   ReadApplications(*context.state, context.reader, window, context.clock->Now()));
  return ApplicationsJson(views);
}

absl::StatusOr<std::string> HostsBody(const ViewContext& context) {
  ASSIGN_OR_RETURN(const HostViews views, ReadHosts(*context.state, context.clock->Now()));
  return HostsJson(views);
}

absl::StatusOr<std::string> InventoryBody(const ViewContext& context) {
  const absl::Time now = context.clock->Now();
  ASSIGN_OR_RETURN(const ApplicationViews applications,
                   ReadApplications(*context.state, context.reader, kDefaultWindow, now));
  ASSIGN_OR_RETURN(const HostViews hosts, ReadHosts(*context.state, now));
  return InventoryJson(context.organization, applications, hosts);
}

}  // namespace

void AddRoutes(http::Router& router, const ViewContext& context) {
  AddHealth(router, context);
  AddMetrics(router, context);
  AddRating(router, context);
  router.Add(Method::kGet, "/api/v1/applications",
             [context](Request& request) { return Answer(ApplicationsBody(context, request)); });
  router.Add(Method::kGet, "/api/v1/hosts", [context](Request&) { return Answer(HostsBody(context)); });
  router.Add(Method::kGet, "/api/v1/inventory", [context](Request&) { return Answer(InventoryBody(context)); });
  router.Add(Method::kGet, "/api/v1/status", [context](Request&) {
    const absl::Time now = context.clock->Now();
    return http::JsonResponse(200, StatusJson(ReadStatus(*context.state, now), context.self(), now));
  });
}

}  // namespace ppmm
