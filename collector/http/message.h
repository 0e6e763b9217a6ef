// What the HTTP server hands to a handler and takes back: plain values, no sockets, no library types.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ppmm::http {

enum class Method { kGet, kHead, kPost, kPut, kDelete, kOther };

// "GET", "HEAD", ...; "other" for what this server does not know.
absl::string_view MethodName(Method method);

// Who asks. Over TCP both addresses are numeric; over the Unix socket they are empty and `uid` is set by the kernel
// (SO_PEERCRED), so it can be written to the ledger.
struct Peer {
  std::string address;
  std::string local_address;  // the address of ours that it connected to
  std::optional<std::uint32_t> uid;
};

// Names and values, in the order of arrival. A handful, so a vector.
class Parameters {
 public:
  void Add(std::string name, std::string value) { items_.emplace_back(std::move(name), std::move(value)); }
  // The first value of that name; nullopt when there is none. The view lives as long as this object.
  std::optional<absl::string_view> Get(absl::string_view name) const;
  // The first value of that name, else `otherwise`.
  absl::string_view GetOr(absl::string_view name, absl::string_view otherwise) const;
  const std::vector<std::pair<std::string, std::string>>& items() const { return items_; }

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

struct Request {
  Method method = Method::kGet;
  std::string target;  // as sent: path and query, still percent-encoded
  std::string body;    // at most ServerLimits::body_bytes
  Peer peer;
  // Only these headers reach a handler: host, origin, accept, content-type, if-none-match, user-agent (lower case).
  Parameters headers;
  // Filled by the Router.
  Parameters query;  // percent-decoded
  Parameters path;   // the {name} segments of the route, percent-decoded
};

// Appends the next piece of a body to `piece`, about kPieceBytes; true while there is more to come. Called only when
// the client has taken the piece before it (this is the back-pressure), from a thread of the server, never twice at a
// time. Errors: any status cuts the connection, so that a client cannot take half a body for a whole one.
using BodyStream = std::function<absl::StatusOr<bool>(std::string* piece)>;

inline constexpr size_t kPieceBytes = 64 * 1024;

struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  BodyStream stream;  // instead of `body`; sent in chunks
  // Further headers. They replace the defaults of the same name (Content-Security-Policy, Cache-Control ...).
  std::vector<std::pair<std::string, std::string>> headers;
};

Response TextResponse(int status, absl::string_view text);
// `json` is the finished text.
Response JsonResponse(int status, std::string json);
// {"error": message}; invalid UTF-8 in the message is replaced.
Response JsonError(int status, absl::string_view message);
Response HtmlResponse(std::string html);
Response StreamResponse(std::string content_type, BodyStream stream);

using Handler = std::function<Response(Request&)>;

}  // namespace ppmm::http
