#include "collector/http/message.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace ppmm::http {

absl::string_view MethodName(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET";
    case Method::kHead:
      return "HEAD";
    case Method::kPost:
      return "POST";
    case Method::kPut:
      return "PUT";
    case Method::kDelete:
      return "DELETE";
    case Method::kOther:
      break;
  }
  return "other";
}

std::optional<absl::string_view> Parameters::Get(absl::string_view name) const {
  for (const auto& [key, value] : items_) {
    if (key == name) {
      return value;
    }
  }
  return std::nullopt;
}

absl::string_view Parameters::GetOr(absl::string_view name, absl::string_view otherwise) const {
  return Get(name).value_or(otherwise);
}

Response TextResponse(int status, absl::string_view text) {
  Response response;
  response.status = status;
  response.body = absl::StrCat(text, absl::EndsWith(text, "\n") ? "" : "\n");
  return response;
}

Response JsonResponse(int status, std::string json) {
  Response response;
  response.status = status;
  response.content_type = "application/json";
  response.body = std::move(json);
  return response;
}

Response JsonError(int status, absl::string_view message) {
  const nlohmann::json error = {{"error", std::string(message)}};
  return JsonResponse(status, error.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

Response HtmlResponse(std::string html) {
  Response response;
  response.content_type = "text/html; charset=utf-8";
  response.body = std::move(html);
  return response;
}

Response StreamResponse(std::string content_type, BodyStream stream) {
  Response response;
  response.content_type = std::move(content_type);
  response.stream = std::move(stream);
  return response;
}

}  // namespace ppmm::http
