// Reads the collector's API over TCP or its Unix socket.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ppmm {

struct CollectorAddress {
  std::string url = "http://127.0.0.1:7766";
  std::string socket;  // path; empty: over TCP
};

struct HttpAnswer {
  int status = 0;
  std::string body;
};

// One GET. `path` begins with "/".
//
// Shape:  an answer of at most 64 MiB; 3 s to connect, 30 s in all. Environment proxies and redirects are not used.
// Errors: Unavailable: nobody answers; the text says what, where and the cure. `cause` gets what the system said, where
//         it is not null. ResourceExhausted: the answer is too large.
absl::StatusOr<HttpAnswer> HttpGet(const CollectorAddress& collector, absl::string_view path, std::string* cause);

// One POST of JSON through the collector's Unix socket, `collector.socket`: what writes goes this way only.
//
// Shape:  as HttpGet.
// Errors: as HttpGet; NotFound: there is no such socket; PermissionDenied: this user may not open it. The texts say the
//         cure.
absl::StatusOr<HttpAnswer> HttpPost(const CollectorAddress& collector, absl::string_view path, const std::string& body,
                                    std::string* cause);

// Percent-encoded, as one path segment or query value.
std::string UrlPart(absl::string_view text);

}  // namespace ppmm
