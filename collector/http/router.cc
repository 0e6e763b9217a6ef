#include "collector/http/router.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "collector/http/target.h"
#include "common/log.h"
#include "common/nearest.h"

namespace ppmm::http {
namespace {

bool IsParameter(absl::string_view segment) {
  return absl::StartsWith(segment, "{") && absl::EndsWith(segment, "}");
}

bool Fits(const std::vector<std::string>& pattern, const std::vector<std::string>& segments) {
  if (pattern.size() != segments.size()) {
    return false;
  }
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (IsParameter(pattern[i]) ? segments[i].empty() : pattern[i] != segments[i]) {
      return false;
    }
  }
  return true;
}

bool Accepts(Method route, Method asked) {
  return route == asked || (route == Method::kGet && asked == Method::kHead);
}

bool IsApi(absl::string_view target) {
  return absl::StartsWith(target, "/api/");
}

// What is wrong with a query; empty: nothing.
std::string MistakeIn(const Parameters& query, const std::vector<std::string>& understood) {
  std::vector<absl::string_view> seen;
  for (const auto& [name, value] : query.items()) {
    if (std::find(understood.begin(), understood.end(), name) == understood.end()) {
      return absl::StrCat("parameter \"", EscapeForDisplay(name), "\" is not understood here; there is ",
                          understood.empty() ? "none" : absl::StrJoin(understood, ", "), DidYouMean(name, understood));
    }
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      return absl::StrCat("parameter \"", name, "\" is given twice");
    }
    seen.push_back(name);
  }
  return "";
}

Response Error(absl::string_view target, int status, absl::string_view message) {
  return IsApi(target) ? JsonError(status, message) : TextResponse(status, message);
}

}  // namespace

Router::Router(AllowedNames names) : names_(std::make_shared<const AllowedNames>(std::move(names))) {}

void Router::Add(Method method, absl::string_view pattern, Handler handler, Access access,
                 std::vector<std::string> parameters) {
  Route route{method, std::string(pattern), {}, std::move(handler), access, std::move(parameters)};
  if (pattern != "/") {
    route.segments = absl::StrSplit(pattern.substr(1), '/');
  }
  routes_.push_back(std::move(route));
}

void Router::SetNames(AllowedNames names) {
  auto shared = std::make_shared<const AllowedNames>(std::move(names));
  MutexLock lock(&mutex_);
  names_ = std::move(shared);
}

Response Router::Handle(Request& request) const {
  std::shared_ptr<const AllowedNames> names;
  {
    MutexLock lock(&mutex_);
    names = names_;
  }
  if (auto refusal = names->Refuse(request)) {
    return *std::move(refusal);
  }
  auto target = ParseTarget(request.target);
  if (!target.ok()) {
    return Error(request.target, 400, target.status().message());
  }
  std::vector<const Route*> fitting;
  for (const Route& route : routes_) {
    if (Fits(route.segments, target->segments)) {
      fitting.push_back(&route);
    }
  }
  if (fitting.empty()) {
    return Error(request.target, 404, NotFoundText(absl::StrCat("/", absl::StrJoin(target->segments, "/"))));
  }
  Response refusal;
  const Route* route = Find(fitting, request, &refusal);
  if (route == nullptr) {
    return refusal;
  }
  if (const std::string mistake = MistakeIn(target->query, route->parameters); !mistake.empty()) {
    return Error(request.target, 400, mistake);
  }
  for (size_t i = 0; i < route->segments.size(); ++i) {
    const absl::string_view segment = route->segments[i];
    if (IsParameter(segment)) {
      request.path.Add(std::string(segment.substr(1, segment.size() - 2)), std::move(target->segments[i]));
    }
  }
  request.query = std::move(target->query);
  return route->handler(request);
}

const Router::Route* Router::Find(const std::vector<const Route*>& fitting, const Request& request,
                                  Response* refusal) const {
  const bool on_socket = request.peer.uid.has_value();
  bool only_on_socket = false;
  std::vector<absl::string_view> allowed;
  for (const Route* route : fitting) {
    const bool reachable = on_socket || route->access == Access::kAnywhere ||
                           (route->access == Access::kDefault && route->method == Method::kGet);
    if (Accepts(route->method, request.method)) {
      if (reachable) {
        return route;
      }
      only_on_socket = true;
    }
    if (reachable) {
      allowed.push_back(route->method == Method::kGet ? "GET, HEAD" : MethodName(route->method));
    }
  }
  if (only_on_socket && (request.method == Method::kGet || request.method == Method::kHead)) {
    *refusal = Error(request.target, 403, "this is answered on the collector's Unix socket only");
    return nullptr;
  }
  *refusal =
      Error(request.target, 405,
            only_on_socket ? "what writes goes through the collector's Unix socket only: use the ppmm command"
                           : absl::StrCat("not a method of this address; there is ", absl::StrJoin(allowed, ", ")));
  refusal->headers.emplace_back("Allow", absl::StrJoin(allowed, ", "));
  return nullptr;
}

std::string Router::NotFoundText(absl::string_view path) const {
  std::vector<std::string> patterns;
  for (const Route& route : routes_) {
    if (route.method == Method::kGet && route.access == Access::kDefault) {
      patterns.push_back(route.pattern);
    }
  }
  return absl::StrCat("nothing is at ", EscapeForDisplay(path), DidYouMean(path, patterns));
}

}  // namespace ppmm::http
