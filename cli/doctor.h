// `ppmm doctor`: what keeps this host, the collector or any host from being measured in full, each with its cure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cli/screen.h"
#include "nlohmann/json_fwd.hpp"

namespace ppmm {

struct DoctorFinding {
  std::string where;  // a host, or "collector"
  std::string what;
  std::string loses;  // what is not measured because of it
  std::string cure;
};

// What was looked up on this host; nothing where it could not be read.
struct HostProbe {
  std::string host;
  std::string kernel;  // "6.1.0-18-amd64"
  bool btf = false;
  bool bpf_syscall = false;
  bool lockdown_confidentiality = false;
  bool pressure = false;
  bool cgroup2 = false;
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

// Pure.
std::vector<DoctorFinding> FindingsOfHost(const HostProbe& probe);
// From /api/v1/hosts: sources that failed, or are absent and could be had, silent hosts, doubled identities, lost
// samples.
std::vector<DoctorFinding> FindingsOfHosts(const nlohmann::json& hosts);
// From /api/v1/status: not ready, failed components, a full disk, a configuration that was not taken.
std::vector<DoctorFinding> FindingsOfStatus(const nlohmann::json& status);

// `healthy`: places without findings, which are said to be ok.
std::string RenderDoctor(const std::vector<DoctorFinding>& findings, const std::vector<std::string>& healthy,
                         const Screen& screen);
std::string DoctorJson(const std::vector<DoctorFinding>& findings);

}  // namespace ppmm
