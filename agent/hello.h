// What an agent says of itself when it connects, beside the state of its spool.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "agent/host_info.h"
#include "agent/identity_file.h"
#include "proto/telemetry.pb.h"

namespace ppmm {

// Fills in who speaks; epochs, spool and store are the stream's to add.
void FillHello(const AgentIdentity& identity, absl::string_view group, absl::string_view root, const BootFacts& boot,
               absl::Duration since_boot, wire::Hello* hello);

}  // namespace ppmm
