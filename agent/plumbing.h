// Programs that keep a host running and serve no business: model.md 13.1 leaves them out of what is rated unless
// somebody declares them. The list is data; docs/inventory.md prints it for readers. Pure functions.
#pragma once

#include "absl/strings/string_view.h"

#include "agent/identify/identify.h"

namespace ppmm {

enum class Plumbing { kNone, kRemoteLogin, kResolver, kTime, kLoopbackMail, kExporter, kMonitoring };

// Shape: `loopback_only`: every address it listens on is of the host itself; mail is plumbing only then, and a
//        resolver on a public address is a business of its own. Own code is never plumbing, whatever its name, except
//        an exporter's.
Plumbing PlumbingOf(const Identity& identity, bool loopback_only);

// "remote login", "resolver" ...; empty for kNone.
absl::string_view PlumbingText(Plumbing plumbing);

}  // namespace ppmm
