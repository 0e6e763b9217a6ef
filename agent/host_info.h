// What the host is: kernel, operating system, size, addresses, and when it was off.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "proto/telemetry.pb.h"

namespace ppmm {

// Shape:  fields that cannot be read stay empty; addresses are those of the agent's network namespace, without loopback
//         and link-local ones; gateways are default gateways and resolvers. At most 64 of each.
// Source: uname(2), /etc/os-release, /proc/meminfo, getifaddrs(3), /proc/net/route, /proc/net/ipv6_route,
//         /etc/resolv.conf.
wire::Host ReadHostInfo(absl::string_view root);

// The machine id, or empty if there is none or it is "uninitialized".
std::string ReadMachineId(absl::string_view root);

// The short host name: /proc/sys/kernel/hostname up to the first dot; "host" if it cannot be read.
std::string ReadHostName(absl::string_view root);

struct BootFacts {
  std::string boot_id;  // 16 bytes
  absl::Time boot;
};

// Errors: NotFound or InvalidArgument if the kernel's boot id or btime cannot be read.
absl::StatusOr<BootFacts> ReadBootFacts(absl::string_view root);

// Proof of life of the boot before: the newest of wtmp's records from before `boot` (shutdown, log-ins) and what the
// agent itself noted in `note_path` (KeepLifeNote). `previous_boot_last_life_us` stays 0 if nothing is known.
wire::HostLife ReadHostLife(absl::string_view root, const BootFacts& boot, const std::string& note_path);

// Notes in `note_path` that this boot lived at `now`; called once a minute. `goodbye`: the agent was stopped by a
// signal, so what follows is not a crash of the host.
absl::Status KeepLifeNote(const std::string& note_path, const std::string& boot_id, absl::Time now, bool goodbye);

// The newest time before `before` in the text of a wtmp file.
// Shape: records of struct utmp; a torn last record is ignored. InfinitePast: none.
absl::Time NewestWtmpBefore(absl::string_view wtmp, absl::Time before);

}  // namespace ppmm
