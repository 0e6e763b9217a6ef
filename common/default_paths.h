// Where the programs keep their things when nobody says otherwise: /etc/ppmm, /var/lib/ppmm, /run/ppmm; without
// root below $XDG_STATE_HOME/ppmm. The command line finds the sockets by the same rule. Pure, given the environment.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

#include "common/environment.h"

namespace ppmm {

struct DefaultPaths {
  std::string config_file;
  std::string inventory_file;  // of the collector
  std::string data;
  std::string socket;
};

// Shape:  `program` is "agent" or "collector". A service gets its folders from systemd ($STATE_DIRECTORY,
//         $RUNTIME_DIRECTORY), root those of the system, anybody else those below $XDG_STATE_HOME, by default
//         ~/.local/state. Without a home all are empty.
// Source: systemd.exec(5) RuntimeDirectory=, XDG Base Directory Specification 0.8.
DefaultPaths DefaultPathsOf(absl::string_view program, bool is_root, const Environment& environment);

}  // namespace ppmm
