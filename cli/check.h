// `ppmm check FILE`: what kind of file it is, by its content, and every mistake in it with its place.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ppmm {

struct CheckResult {
  std::string kind;                 // "collector configuration"; empty: no kind can read it
  std::vector<std::string> errors;  // "collector.yaml:3:5: unknown key ..."
};

// Reads the file as each kind there is, by the functions behind `--check-config`; meant was the one with the fewest
// keys at the top that are strange to it, those that are near to none of its own first, then with the fewest mistakes.
// Where the content fits all (a file of comments), the name decides. Where most keys at the top are strange to the best
// and near to none of its own, and the name says nothing, the file is of no kind: the one error says so.
//
// Shape: the errors stand in the order of the file, and call it as `path` does; those of a file that it names, like the
//        inventory, stand behind.
CheckResult CheckFile(const std::string& path);

std::string RenderCheck(const std::string& name, const CheckResult& result);
std::string CheckJson(const std::string& name, const CheckResult& result);

}  // namespace ppmm
