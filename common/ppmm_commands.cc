#include "common/ppmm_commands.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace ppmm {
namespace {

constexpr PpmmCommand kCommands[] = {
    {"rating", "", ""},
    {"explain", "", ""},
    {"next-steps", "", ""},
    {"activities", "", ""},
    {"applications", "", ""},
    {"dependencies", "", ""},
    {"hosts", "", ""},
    {"releases", "", ""},
    {"status", "", ""},
    {"doctor", "", ""},
    {"check", "", ""},
    {"inventory show", "", ""},
    {"inventory confirm", "confirmations", "declare in inventory.yaml"},
    {"deployed", "", ""},
    {"incident", "incidents", ""},
    {"attest", "statements", ""},
    {"import", "statements", ""},
    {"audit verify", "statements", ""},
    {"simulate", "simulation", ""},
    {"alerts list", "alerting", ""},
    {"alerts ack", "alerting", ""},
    {"alerts test", "alerting", ""},
    {"alerts replay", "alerting", ""},
    {"alerts export", "alerting", ""},
    {"reload", "writing through the socket", "systemctl reload ppmm-collector"},
};

bool BeginsWithWords(absl::string_view line, absl::string_view words) {
  return absl::ConsumePrefix(&line, words) && (line.empty() || line.front() == ' ');
}

}  // namespace

absl::Span<const PpmmCommand> PpmmCommands() {
  return kCommands;
}

const PpmmCommand* FindPpmmCommand(absl::string_view line) {
  absl::ConsumePrefix(&line, "ppmm ");
  const PpmmCommand* longest = nullptr;
  for (const PpmmCommand& command : kCommands) {
    if (BeginsWithWords(line, command.name) && (longest == nullptr || longest->name.size() < command.name.size())) {
      longest = &command;
    }
  }
  return longest;
}

std::string WhyNotBuilt(const PpmmCommand& command) {
  return command.built() ? ""
                         : absl::StrCat("not in this release: comes with ", command.comes_with,
                                        command.meanwhile.empty() ? "" : "; today: ", command.meanwhile);
}

Cure CureOf(absl::string_view command_of_catalogue) {
  const PpmmCommand* command = FindPpmmCommand(command_of_catalogue);
  if (command == nullptr || command->built()) {
    return {std::string(command_of_catalogue), std::string(command_of_catalogue)};
  }
  return {"", absl::StrCat("later, with ", command->comes_with,
                           command->meanwhile.empty() ? "" : "; today: ", command->meanwhile)};
}

}  // namespace ppmm
