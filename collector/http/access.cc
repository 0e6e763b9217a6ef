#include "collector/http/access.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "common/log.h"

namespace ppmm::http {
namespace {

std::string CanonicalName(absl::string_view name) {
  return absl::AsciiStrToLower(absl::StripSuffix(name, "."));
}

// "http://host:port" -> host; "null" and everything else -> "".
std::string HostOfOrigin(absl::string_view origin) {
  if (!absl::ConsumePrefix(&origin, "http://") && !absl::ConsumePrefix(&origin, "https://")) {
    return "";
  }
  return HostOfAuthority(origin);
}

}  // namespace

std::string HostOfAuthority(absl::string_view authority) {
  absl::string_view host = authority;
  absl::string_view port;
  if (absl::StartsWith(host, "[")) {
    const size_t end = host.find(']');
    if (end == absl::string_view::npos) {
      return "";
    }
    port = host.substr(end + 1);
    host = host.substr(1, end - 1);
  } else if (const size_t colon = host.find(':'); colon != absl::string_view::npos) {
    port = host.substr(colon);
    host = host.substr(0, colon);
  }
  int number = 0;
  if (!port.empty() && (port[0] != ':' || !absl::SimpleAtoi(port.substr(1), &number) || number < 1 || number > 65535)) {
    return "";
  }
  return CanonicalName(host);
}

AllowedNames::AllowedNames(const std::vector<std::string>& names) {
  names_.insert("localhost");
  for (const std::string& name : names) {
    if (!name.empty()) {
      names_.insert(CanonicalName(name));
    }
  }
}

bool AllowedNames::Allows(absl::string_view host, const Peer& peer) const {
  return !host.empty() && (host == peer.local_address || names_.contains(host));
}

std::optional<Response> AllowedNames::Refuse(const Request& request) const {
  if (request.peer.uid.has_value()) {
    return std::nullopt;
  }
  const auto refuse = [](int status, absl::string_view header, absl::string_view value) {
    return TextResponse(status, absl::StrCat(header, " \"", EscapeForDisplay(value),
                                             "\" is not a name of this collector. If it should be, add it to "
                                             "http.names in its configuration."));
  };
  if (const auto host = request.headers.Get("host"); host && !Allows(HostOfAuthority(*host), request.peer)) {
    return refuse(421, "Host", *host);
  }
  if (const auto origin = request.headers.Get("origin"); origin && !Allows(HostOfOrigin(*origin), request.peer)) {
    return refuse(403, "Origin", *origin);
  }
  return std::nullopt;
}

std::vector<std::string> ThisHostNames() {
  std::vector<std::string> names;
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') {
    return names;
  }
  names.push_back(CanonicalName(name));
  // What stands before the first dot, too: people type it.
  names.push_back(names[0].substr(0, names[0].find('.')));
  addrinfo hints = {};
  hints.ai_flags = AI_CANONNAME;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(name, nullptr, &hints, &found) == 0) {
    if (found->ai_canonname != nullptr) {
      names.push_back(CanonicalName(found->ai_canonname));
    }
    freeaddrinfo(found);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace ppmm::http
