// The request target: path segments and query parameters, percent-decoded, with bounds. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "collector/http/message.h"

namespace ppmm::http {

struct Target {
  std::vector<std::string> segments;  // "/a/b%2Fc" -> {"a", "b/c"}; "/" -> {}; "/a/" -> {"a", ""}
  Parameters query;                   // '+' and %20 are spaces
};

// Shape:  origin form only ("/path?query"); at most 4,096 bytes, 16 segments, 64 parameters.
// Errors: InvalidArgument for another form, a bad %-escape, a control character, or a bound that was passed.
// Source: RFC 3986; application/x-www-form-urlencoded for the query.
absl::StatusOr<Target> ParseTarget(absl::string_view target);

// Everything but unreserved characters as %XX: safe as a path segment and as a query value.
std::string PercentEncode(absl::string_view text);

}  // namespace ppmm::http
