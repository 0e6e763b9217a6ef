#include "cli/http_client.h"

#include <curl/curl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "common/log.h"

namespace ppmm {
namespace {

constexpr std::size_t kMaxBody = std::size_t{64} << 20;

std::size_t TakeBody(char* data, std::size_t size, std::size_t count, void* answer) {
  std::string& body = static_cast<HttpAnswer*>(answer)->body;
  if (body.size() + size * count > kMaxBody) {
    return 0;  // ends the transfer
  }
  body.append(data, size * count);
  return size * count;
}

absl::Status NoAddress(absl::string_view url) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", EscapeForDisplay(url), "\" is not an address; write --collector http://HOST:7766"));
}

absl::Status Unreachable(const CollectorAddress& collector, CURLcode code, bool connected, absl::string_view text) {
  const std::string where = EscapeForDisplay(collector.socket.empty() ? collector.url : collector.socket);
  if (!connected && (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)) {
    return NoAddress(collector.url);
  }
  // libcurl calls bytes that are no HTTP an unsupported protocol, too.
  const absl::string_view what = code == CURLE_COULDNT_RESOLVE_HOST ? "the name is not known"
                                 : code == CURLE_COULDNT_CONNECT    ? "nobody listens"
                                 : code == CURLE_OPERATION_TIMEDOUT ? "no answer in time"
                                 : code == CURLE_GOT_NOTHING        ? "it hung up"
                                 : code == CURLE_UNSUPPORTED_PROTOCOL
                                     ? "what listens there speaks no HTTP, as the port for agents"
                                     : text;
  return absl::UnavailableError(absl::StrCat(
      "no collector answers at ", where, ": ", what, "; start ppmm-collector, or say where it is: ",
      collector.socket.empty() ? "--collector URL" : "--socket PATH (its key `socket`), or --collector URL"));
}

}  // namespace

std::string UrlPart(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain =
        absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' || c == '~';
    out += plain ? std::string(1, c) : absl::StrFormat("%%%02X", static_cast<unsigned char>(c));
  }
  return out;
}

namespace {

// `body`: of a POST; nullptr: a GET.
absl::StatusOr<HttpAnswer> Transfer(const CollectorAddress& collector, absl::string_view path, const std::string* body,
                                    std::string* cause) {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  if (global != CURLE_OK || curl == nullptr) {
    return absl::InternalError("libcurl cannot be used");
  }
  absl::string_view base = collector.url;
  while (absl::EndsWith(base, "/")) {
    base.remove_suffix(1);
  }
  if (collector.socket.empty() && absl::EndsWith(base, ":")) {
    return NoAddress(collector.url);  // "http://": libcurl would look for a host of the name "http"
  }
  const std::string url = absl::StrCat(collector.socket.empty() ? base : "http://localhost", path);
  char text[CURL_ERROR_SIZE] = "";
  HttpAnswer answer;
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, 3L);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, 30L);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, text);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, TakeBody);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
  if (!collector.socket.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_UNIX_SOCKET_PATH, collector.socket.c_str());
  }
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(
      body == nullptr ? nullptr : curl_slist_append(nullptr, "Content-Type: application/json"), curl_slist_free_all);
  if (body != nullptr) {
    curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(body->size()));
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body->c_str());
  }
  const CURLcode code = curl_easy_perform(curl.get());
  if (cause != nullptr) {
    *cause = EscapeForDisplay(text);
  }
  if (code == CURLE_WRITE_ERROR) {
    return absl::ResourceExhaustedError("the answer is larger than 64 MiB");
  }
  if (code != CURLE_OK) {
    long connections = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_NUM_CONNECTS, &connections);
    return Unreachable(collector, code, connections > 0, EscapeForDisplay(text));
  }
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<int>(status);
  return answer;
}

}  // namespace

absl::StatusOr<HttpAnswer> HttpGet(const CollectorAddress& collector, absl::string_view path, std::string* cause) {
  return Transfer(collector, path, nullptr, cause);
}

absl::StatusOr<HttpAnswer> HttpPost(const CollectorAddress& collector, absl::string_view path, const std::string& body,
                                    std::string* cause) {
  const std::string where = EscapeForDisplay(collector.socket);
  if (access(collector.socket.c_str(), R_OK | W_OK) != 0) {
    const int code = errno;
    if (code == EACCES || code == EPERM) {
      return absl::PermissionDeniedError(
          absl::StrCat("you may not write through ", where,
                       ", the collector's socket; run this as root or as the collector's user, or join the group of "
                       "that file (ls -l shows it)"));
    }
    return absl::NotFoundError(absl::StrCat(
        "there is no collector's socket", where.empty() ? "" : " at ", where,
        "; run this on the collector's host while ppmm-collector runs, or say where it is: --socket PATH (its key "
        "`socket`)"));
  }
  return Transfer(collector, path, &body, cause);
}

}  // namespace ppmm
