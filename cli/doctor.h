// `ppmm doctor`: what keeps this host, the collector or any host from being measured in full, each with its cure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/screen.h"
#include "nlohmann/json_fwd.hpp"

namespace ppmm {

struct DoctorFinding {
  std::string where;  // a host, "3 hosts", or "collector"
  std::string what;
  std::string loses;  // what is not measured because of it
  std::string cure;   // empty: none, that kernel has no such thing; does not count
  struct Host {
    std::string name;
    std::string figure;  // "4 min"; perhaps empty
  };
  std::vector<Host> hosts = {};  // those of `where`, when it is hosts
};

// What was looked up on this host; nothing where it could not be read.
struct HostProbe {
  std::string host;
  std::string kernel;  // "6.1.0-18-amd64"
  bool btf = false;
  bool bpf_syscall = false;
  bool lockdown_confidentiality = false;
  bool pressure = false;
  bool pressure_asked_for = false;  // booted with psi=1
  std::optional<bool> clock_synchronized;
  bool agent_running = false;
  std::optional<std::uint64_t> capabilities;  // of the running agent, else of this process
  std::optional<std::string> agent_socket;    // path that does not answer; nothing: it does, or no agent runs
  struct Disk {
    std::string directory;
    std::uint64_t free_bytes = 0;
    std::uint64_t size_bytes = 0;
  };
  std::vector<Disk> disks;  // of the data directories that exist
};

// Reads /proc and /sys below `root` ("" for this system), and asks the kernel. Of `data_directories` those that exist
// are looked at.
HostProbe ProbeHost(const std::string& root, const std::string& agent_socket,
                    const std::vector<std::string>& data_directories);

// Pure. `hosts`: /api/v1/hosts. Where the collector hears this host's own agent, it knows how that sees processes and
// sockets, and what its sources lack: what the kernel would allow is then not guessed at, and capabilities that the
// agent asks for itself are not told twice; nor is an agent that the collector misses already.
std::vector<DoctorFinding> FindingsOfHost(const HostProbe& probe, const nlohmann::json& hosts, absl::Time now);
// From /api/v1/hosts: hosts whose agent is silent, stopped or gone, agents that do not use BPF, sources that failed or
// are absent, doubled identities, lost samples. What several hosts have in common is one finding.
std::vector<DoctorFinding> FindingsOfHosts(const nlohmann::json& hosts, absl::Time now);
// From /api/v1/status: not ready, failed components, a full disk, a configuration that was not taken.
std::vector<DoctorFinding> FindingsOfStatus(const nlohmann::json& status);

// `healthy`: places without findings, which are said to be ok.
std::string RenderDoctor(const std::vector<DoctorFinding>& findings, const std::vector<std::string>& healthy,
                         const Screen& screen);
std::string DoctorJson(const std::vector<DoctorFinding>& findings);
// How many can be cured.
std::size_t CountCurable(const std::vector<DoctorFinding>& findings);

}  // namespace ppmm
