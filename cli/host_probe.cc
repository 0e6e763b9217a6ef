// The part of `ppmm doctor` that looks at the system.
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/doctor.h"

#include "common/log.h"

namespace ppmm {
namespace {

namespace fs = std::filesystem;

bool Exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// At most 64 KiB; empty where it cannot be read.
std::string ReadSmall(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(64 << 10, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

std::optional<std::uint64_t> EffectiveCapabilities(const std::string& proc_directory) {
  const std::string status = ReadSmall(proc_directory + "/status");
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    std::uint64_t bits = 0;
    if (absl::ConsumePrefix(&line, "CapEff:") && absl::SimpleHexAtoi(absl::StripAsciiWhitespace(line), &bits)) {
      return bits;
    }
  }
  return std::nullopt;
}

// The directory in /proc of the process of that name; empty: none runs.
std::string FindProcess(const std::string& root, absl::string_view name) {
  std::error_code error;
  for (auto entry = fs::directory_iterator(root + "/proc", error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string file = entry->path().filename().string();
    if (!file.empty() && absl::ascii_isdigit(static_cast<unsigned char>(file.front())) &&
        absl::StripAsciiWhitespace(ReadSmall(entry->path().string() + "/comm")) == name) {
      return entry->path().string();
    }
  }
  return "";
}

bool Answers(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return false;
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return false;
  }
  // The BSD interface takes every kind of address as a sockaddr.
  const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return connected;
}

void ProbeDisk(const std::string& directory, HostProbe* probe) {
  struct statvfs space {};
  if (statvfs(directory.c_str(), &space) == 0) {
    probe->disks.push_back({directory, static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize,
                            static_cast<std::uint64_t>(space.f_blocks) * space.f_frsize});
  }
}

}  // namespace

HostProbe ProbeHost(const std::string& root, const std::string& agent_socket,
                    const std::vector<std::string>& data_directories) {
  HostProbe probe;
  utsname names{};
  if (uname(&names) == 0) {
    const absl::string_view name = names.nodename;
    probe.host = EscapeForDisplay(name.substr(0, name.find('.')));
    probe.kernel = names.release;
  }
  probe.btf = Exists(root + "/sys/kernel/btf/vmlinux");
  probe.bpf_syscall = Exists(root + "/proc/sys/kernel/unprivileged_bpf_disabled");
  probe.lockdown_confidentiality =
      absl::StrContains(ReadSmall(root + "/sys/kernel/security/lockdown"), "[confidentiality]");
  probe.pressure = !ReadSmall(root + "/proc/pressure/cpu").empty();
  probe.pressure_asked_for = absl::StrContains(absl::StrCat(" ", ReadSmall(root + "/proc/cmdline")), " psi=1");
  timex clock{};
  const int state = adjtimex(&clock);
  if (state >= 0) {
    probe.clock_synchronized = state != TIME_ERROR && (clock.status & STA_UNSYNC) == 0;
  }
  const std::string agent = FindProcess(root, "ppmm-agent");
  probe.agent_running = !agent.empty();
  probe.capabilities = EffectiveCapabilities(agent.empty() ? root + "/proc/self" : agent);
  if (probe.agent_running && Exists(agent_socket) && !Answers(agent_socket)) {
    probe.agent_socket = agent_socket;
  }
  for (const std::string& directory : data_directories) {
    ProbeDisk(directory, &probe);
  }
  return probe;
}

}  // namespace ppmm
