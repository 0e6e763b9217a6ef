// What is said of words of a command line that no flag or command takes, in the order typed.
#pragma once

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

// `no flag "--colector"; did you mean "--collector"? (--help lists them)`; empty: every word was taken.
inline std::string NotTaken(const CLI::App& app) {
  const std::vector<std::string> words = app.remaining(/*recurse=*/true);
  for (const std::string& word : words) {
    if (absl::StartsWith(word, "-")) {
      const std::string flag = word.substr(0, word.find('='));
      std::vector<std::string> flags;
      AppendFlags(app, &flags);
      return absl::StrCat("no flag \"", EscapeForDisplay(flag), "\"", DidYouMean(flag, flags), " (--help lists them)");
    }
  }
  return words.empty() ? ""
                       : absl::StrCat("not expected here: ", EscapeForDisplay(absl::StrJoin(words, " ")),
                                      " (--help says what is)");
}

}  // namespace ppmm
