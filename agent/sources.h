// The one visible list of sources, and what they share.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "agent/identify/identify.h"
#include "agent/instance_names.h"
#include "agent/package_log.h"
#include "agent/source.h"
#include "agent/spool.h"

namespace ppmm {

struct SourceOptions {
  std::string root;  // of the host; empty: "/"
  bool use_bpf = true;
  std::vector<std::string> disabled;        // names of sources
  bool identify_at_once = false;            // as ApplicationsInputs
  Identifier* identifier = nullptr;         // outlives the sources
  PackageLog* package_log = nullptr;        // outlives the sources; nullptr: what is installed is not told
  InstanceNames* instance_names = nullptr;  // outlives the sources; nullptr: names are not kept
  std::function<SpoolStats()> spool_stats;  // empty: there is no spool
};

struct Sources {
  std::vector<std::unique_ptr<Source>> list;
  // How processes and sockets are seen: "iter/task, socket storage", or "/proc, sock_diag: " and the reason, with the
  // cure. For status, log and the host's record.
  std::string capture;
  bool degraded = false;
  bool polls_sockets = false;  // what connects and ends between two looks is not seen: connections are at least these
  wire::ResponseClock response_clock;
};

// Builds the enabled sources. Never fails: what BPF cannot do is done by /proc and netlink.
Sources BuildSources(const SourceOptions& options);

}  // namespace ppmm
