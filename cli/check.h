// `ppmm check FILE`: what kind of file it is, by its content, and every mistake in it with its place.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ppmm {

struct CheckResult {
  std::string kind;                 // "collector configuration"
  std::vector<std::string> errors;  // "collector.yaml:3:5: unknown key ..."
};

// Reads the text as each kind there is; meant was the one with the fewest keys at the top that are strange to it, then
// with the fewest mistakes. Where the content fits all (a file of comments), the name decides. Pure.
//
// Shape: `name` is how the file is called in the errors. Of the sources that an agent's configuration disables only the
//        agent itself knows whether they exist (ppmm-agent --check-config).
CheckResult CheckText(const std::string& name, absl::string_view text);

std::string RenderCheck(const std::string& name, const CheckResult& result);
std::string CheckJson(const std::string& name, const CheckResult& result);

}  // namespace ppmm
