// From a control-group path to the systemd unit or the container a process belongs to.
//
// Pure text work, except for FindUnitFiles, which looks where unit files lie below a root.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "agent/identify/host_root.h"

namespace ppmm {

// Where a process belongs. All fields empty: a slice, a session or the root, which say nothing about an application.
struct UnitPlace {
  std::string unit;      // "shop.service", "worker@7.service": as systemd names it
  std::string name;      // "shop", "worker": the name without type and instance, escapes undone
  std::string instance;  // "7"; empty: no template
  bool is_template = false;
  bool user_manager = false;  // the unit belongs to a user's own manager, not to the system's
  bool transient = false;     // made by systemd-run under a random name: no name at all for an application

  std::string container_id;  // 12 to 64 hexadecimal digits; empty: no container
  std::string pod_id;        // Kubernetes: the uid of the pod

  bool in_unit() const { return !unit.empty(); }
  bool in_container() const { return !container_id.empty(); }
};

// Shape:  the path column of /proc/PID/cgroup of either version: "/system.slice/shop.service/sub". The innermost
//         service counts; an inner container counts before the service it runs in.
UnitPlace UnitOfCgroup(absl::string_view path);

// The path to use from the whole text of /proc/PID/cgroup: version 2's unless it is the root, then systemd's own
// hierarchy, then the longest of the others.
// Shape:  lines "id:controllers:path"; others are passed over. "/" when there is none.
std::string ChooseCgroupPath(absl::string_view text);

// "my\x2dapp" -> "my-app". Broken escapes stay as they are.
std::string UnescapeUnitName(absl::string_view name);

// All unit files of that name below `root`, in the order in which systemd prefers them: for an instance, its own file
// and then its template's. An init script "/etc/init.d/NAME" stands for the unit systemd generates from it.
std::vector<std::string> FindUnitFiles(const HostRoot& root, const UnitPlace& place);

}  // namespace ppmm
