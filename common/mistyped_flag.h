// What is said of words of a command line that no flag or command takes, in the order typed.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "common/log.h"
#include "common/nearest.h"

namespace ppmm {

inline void AppendFlags(const CLI::App& app, std::vector<std::string>* flags) {
  for (const CLI::Option* const option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      flags->push_back(absl::StrCat("--", name));
    }
  }
  for (const CLI::App* const subcommand : app.get_subcommands()) {
    AppendFlags(*subcommand, flags);
  }
}

// The dashes make no flag like another: --nope is not near --once.
inline std::string NearestFlag(absl::string_view flag, const std::vector<std::string>& flags) {
  const auto bare = [](absl::string_view text) {
    return text.substr(std::min(text.find_first_not_of('-'), text.size()));
  };
  std::vector<std::string> names;
  names.reserve(flags.size());
  for (const std::string& one : flags) {
    names.emplace_back(bare(one));
  }
  const std::vector<std::string> nearest = NearestNames(bare(flag), names, 1);
  return nearest.empty() ? "" : absl::StrCat("; did you mean \"--", nearest.front(), "\"?");
}

// `no flag "--colector"; did you mean "--collector"? (--help lists them)`; empty: every word was taken.
inline std::string NotTaken(const CLI::App& app) {
  const std::vector<std::string> words = app.remaining(/*recurse=*/true);
  for (const std::string& word : words) {
    if (absl::StartsWith(word, "-")) {
      const std::string flag = word.substr(0, word.find('='));
      std::vector<std::string> flags;
      AppendFlags(app, &flags);
      return absl::StrCat("no flag \"", EscapeForDisplay(flag), "\"", NearestFlag(flag, flags), " (--help lists them)");
    }
  }
  return words.empty() ? ""
                       : absl::StrCat("not expected here: ", EscapeForDisplay(absl::StrJoin(words, " ")),
                                      " (--help says what is)");
}

}  // namespace ppmm
