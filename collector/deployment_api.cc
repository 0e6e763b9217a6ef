#include "collector/deployment_api.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "collector/deployments.h"
#include "collector/view_reads.h"
#include "common/human.h"
#include "common/log.h"
#include "common/nearest.h"
#include "common/status.h"
#include "common/text.h"

namespace ppmm {
namespace {

using Json = nlohmann::ordered_json;
using http::Request;
using http::Response;

constexpr std::size_t kMaxBody = 4096;
constexpr absl::Duration kMaxAhead = absl::Minutes(1);  // two clocks of one host, and a shell between them

struct Said {
  std::string application;
  std::string version;
  absl::Time at;
};

// Errors: InvalidArgument, in words for who typed it.
absl::StatusOr<Said> Parse(const std::string& body, absl::Time now) {
  if (body.size() > kMaxBody) {
    return absl::InvalidArgumentError(absl::StrCat("the body is larger than ", kMaxBody, " bytes"));
  }
  const nlohmann::json json = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  const auto text = [&json](const char* key) {
    const auto found = json.is_object() ? json.find(key) : json.end();
    return json.is_object() && found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  Said said;
  said.application = text("application");
  said.version = text("version");
  if (said.application.empty() || said.version.empty()) {
    return absl::InvalidArgumentError("a deployment has an application and a version");
  }
  if (said.version.size() > kMaxDeploymentText || said.version != EscapeForDisplay(said.version)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", EscapeForDisplay(said.version, kMaxDeploymentText),
                                                   "\" is no version: at most ", kMaxDeploymentText,
                                                   " bytes that can be shown"));
  }
  const std::string at = text("at");
  std::string error;
  said.at = now;
  if (!at.empty() && !absl::ParseTime(absl::RFC3339_full, at, &said.at, &error)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", EscapeForDisplay(at), "\" is no time: ", error));
  }
  said.at = absl::FromUnixSeconds(absl::ToUnixSeconds(said.at));
  const std::string when = absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", said.at, absl::UTCTimeZone());
  if (said.at > now + kMaxAhead) {
    return absl::InvalidArgumentError(absl::StrCat(when, " lies in the future; say it when it is deployed"));
  }
  if (absl::ToInt64Microseconds(now - said.at) > kDeploymentOldestUs) {
    return absl::InvalidArgumentError(
        absl::StrCat(when, " is more than 72 hours ago: what happened then is closed; nothing was written"));
  }
  return said;
}

// Who says it, as the kernel knows him.
std::string UserName(std::optional<std::uint32_t> uid) {
  if (!uid.has_value()) {
    return "";
  }
  passwd entry{};
  passwd* found = nullptr;
  std::string buffer(4096, '\0');
  return getpwuid_r(*uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr
             ? EscapeForDisplay(found->pw_name, kMaxDeploymentText)
             : absl::StrCat("uid ", *uid);
}

// An application by what people call it. 0: there is none.
ApplicationId Find(const Tables& tables, absl::string_view name) {
  if (const auto by_key = tables.application_by_key.find(name); by_key != tables.application_by_key.end()) {
    return by_key->second;
  }
  ApplicationId displayed = 0;
  for (const auto& [id, application] : tables.applications) {
    if (application.label() == name) {
      return id;
    }
    displayed = application.name() == name ? id : displayed;
  }
  return displayed;
}

absl::StatusOr<ApplicationId> FindAnywhere(const Tables& tables, Store& store, const std::string& name) {
  if (const ApplicationId id = Find(tables, name); id != 0) {
    return id;
  }
  ASSIGN_OR_RETURN(const ApplicationId by_key, store.FindApplication(name));
  return by_key != 0 ? absl::StatusOr<ApplicationId>(by_key) : store.FindApplicationByLabel(name);
}

std::string Unknown(const Tables& tables, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& [id, application] : tables.applications) {
    names.push_back(application.label());
    if (application.name() != names.back()) {
      names.push_back(application.name());
    }
  }
  return absl::StrCat("no application \"", EscapeForDisplay(name), "\"", DidYouMean(name, names),
                      " (ppmm applications --all lists them)");
}

Response DeploymentError(const absl::Status& status) {
  const int code = absl::IsInvalidArgument(status)     ? 400
                   : absl::IsNotFound(status)          ? 404
                   : absl::IsResourceExhausted(status) ? 429
                                                       : 503;
  return http::JsonError(code, status.message());
}

}  // namespace

void AddDeploymentRoute(http::Router& router, State* state, Writer* writer, const Clock* clock) {
  router.Add(http::Method::kPost, "/api/v1/deployments", [state, writer, clock](Request& request) {
    const absl::Time now = clock->Now();
    const absl::StatusOr<Said> said = Parse(request.body, now);
    if (!said.ok()) {
      return DeploymentError(said.status());
    }
    if (const absl::Status ready = state->Readiness(); !ready.ok()) {
      return DeploymentError(ready);
    }
    DeploymentRow row;
    row.version = said->version;
    row.at_us = absl::ToUnixMicros(said->at);
    row.received_us = absl::ToUnixMicros(now);
    row.told_by = UserName(request.peer.uid);
    // What is wrong with the request is no failure of the commit.
    absl::Status refusal;
    Noted noted = Noted::kRefused;
    std::string label;
    std::string key;
    const absl::Status committed = writer->SubmitAndWait([&](Tables& tables, Store& store) -> absl::Status {
      refusal = absl::OkStatus();
      ASSIGN_OR_RETURN(row.application, FindAnywhere(tables, store, said->application));
      if (row.application == 0) {
        refusal = absl::NotFoundError(Unknown(tables, said->application));
        return absl::OkStatus();
      }
      ASSIGN_OR_RETURN(const std::optional<ApplicationContents> found, store.GetApplication(row.application));
      if (found.has_value()) {
        label = ApplicationLabel(found->row.group, found->row.name);
        key = found->row.key;
      }
      ASSIGN_OR_RETURN(noted, NoteDeployment(row, tables, store));
      if (noted == Noted::kRefused) {
        refusal = absl::ResourceExhaustedError(
            absl::StrCat("the store takes ", HumanCount(kMaxDeploymentsADay, "deployment"), " a day, and has them"));
      }
      return absl::OkStatus();
    });
    if (!committed.ok()) {
      return DeploymentError(absl::UnavailableError(absl::StrCat("it cannot be written: ", committed.message())));
    }
    if (!refusal.ok()) {
      return DeploymentError(refusal);
    }
    if (noted == Noted::kNew) {
      LogInfo("api", "deployed: ", label, " ", row.version, ", says ", row.told_by);
    }
    const Json json = {
        {"application", label},   {"key", key},
        {"version", row.version}, {"at", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", said->at, absl::UTCTimeZone())},
        {"told_by", row.told_by}, {"is_new", noted == Noted::kNew}};
    return http::JsonResponse(200, json.dump(-1, ' ', false, Json::error_handler_t::replace));
  });
}

}  // namespace ppmm
