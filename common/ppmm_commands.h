// The commands of `ppmm` that the contract names, and which of them this release has. The catalogue names commands
// whether they are built or not; what is shown as a cure comes from here, so a capability that arrives takes its line
// off kCommands' list of what is to come and nothing else.
//
// Pure; no state.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ppmm {

struct PpmmCommand {
  absl::string_view name;        // "alerts ack"
  absl::string_view comes_with;  // empty: this release has it; else what it comes with: "alerting"
  absl::string_view meanwhile;   // what can be done today, or empty

  bool built() const { return comes_with.empty(); }
};

absl::Span<const PpmmCommand> PpmmCommands();

// The command that a line calls: of all whose words it begins with the longest. `ppmm` before it may stand or not.
//
// Errors: null: the contract has no such command.
const PpmmCommand* FindPpmmCommand(absl::string_view line);

// Why a command is not there, in one line; empty for one that is.
std::string WhyNotBuilt(const PpmmCommand& command);

// How an act is done today.
struct Cure {
  std::string command;  // to be typed as it stands; empty: this release has none
  std::string words;    // the command, where it is described, or what can be done instead; may be empty
};
Cure CureOf(absl::string_view command_of_catalogue);

}  // namespace ppmm
