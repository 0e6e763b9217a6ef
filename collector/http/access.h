// Which names a request may call this server by. It stops web pages elsewhere from reading the API through a visitor's
// browser (DNS rebinding, cross-site requests): there is no login that would stop them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"

#include "collector/http/message.h"

namespace ppmm::http {

// Immutable.
class AllowedNames {
 public:
  // `names`: further names beside localhost; case and a final dot don't matter.
  explicit AllowedNames(const std::vector<std::string>& names = {});

  // The refusal: 421 for a Host, 403 for an Origin that is neither localhost, nor one of the names, nor the numeric
  // address that the client connected to. nullopt: may pass. What comes through the Unix socket always may: no browser
  // reaches it. A missing Host is the parser's business; a missing Origin is normal.
  std::optional<Response> Refuse(const Request& request) const;

 private:
  bool Allows(absl::string_view host, const Peer& peer) const;

  absl::flat_hash_set<std::string> names_;
};

// The short and the full name of this host, as the kernel and the resolver's files tell.
std::vector<std::string> ThisHostNames();

// "example.org:80" -> "example.org", "[::1]:80" -> "::1". Lower case, without final dot; empty when malformed.
std::string HostOfAuthority(absl::string_view authority);

}  // namespace ppmm::http
