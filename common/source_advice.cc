#include "common/source_advice.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace ppmm {
namespace {

constexpr absl::string_view kHostsProc = "let it see the host's /proc, in a container with --root";

struct Known {
  absl::string_view source;
  absl::string_view loses;
  absl::string_view when_absent;  // the cure; empty: none on that kernel
};
constexpr Known kKnown[] = {
    {"applications", "which applications run, their CPU, memory and response times", kHostsProc},
    {"cpu", "the CPU utilization of the host", kHostsProc},
    {"diskstats", "utilization and response times of the host's disks", ""},
    {"filesystem", "free space of the host's file systems, and when it runs out", kHostsProc},
    {"limits", "how near the host is to its limits of open files, processes and tracked connections", kHostsProc},
    {"loadavg", "the load average of the host", kHostsProc},
    {"meminfo", "the memory utilization of the host, and when it runs out", kHostsProc},
    {"netdev", "traffic, errors and drops of the host's network interfaces", kHostsProc},
    {"netstat", "retransmissions and refused connections of the host", kHostsProc},
    {"littles_law", "trust in the response times of the applications it names: our own hooks miss requests or answers",
     "compare with the application's own log, and tell us, with the output of ppmm-agent status"},
    {"pressure", "time that work waits for CPU, memory and disk: their saturation is seen by queues only",
     "boot with psi=1 (CONFIG_PSI_DEFAULT_DISABLED turns it off)"},
    {"response_times", "requests, errors and response times of applications",
     "boot Linux 6.1 or later with type information (Debian: linux-image-amd64)"},
    {"schedstat", "how long work waits for each CPU of the host; that of each application is measured apart", ""},
    {"self", "what the agent itself costs", kHostsProc},
    {"sockets", "connections and throughput of applications, and who talks to whom", kHostsProc},
    {"softnet", "packets that the host dropped or put off before they reached a socket", ""},
    {"spool", "what the agent gathers while it can neither write nor send: the oldest is dropped first", ""},
    {"timex", "whether the host's clock is synchronized", ""},
    {"vmstat", "paging and swapping of the host", kHostsProc},
};

// A cure that follows from the words alone, whatever the source.
std::optional<std::string> CureByWords(absl::string_view reason) {
  const std::string text = absl::AsciiStrToLower(reason);
  const auto says = [&](absl::string_view part) { return absl::StrContains(text, part); };
  if (says("switched off")) {
    return "take `bpf: off` out of its configuration, or --no-bpf off its command line, and restart it";
  }
  if (says("built without bpf")) {
    return "an agent that is built with BPF: cmake -DWITH_BPF=ON";
  }
  if (says("permission") || says("not permitted") || says("capabilit")) {
    return "run ppmm-agent as its systemd unit does, or as root: it needs CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and "
           "CAP_DAC_READ_SEARCH";
  }
  if (says("btf")) {
    return "a kernel of 6.1 or later with BPF and BTF (CONFIG_DEBUG_INFO_BTF): apt install linux-image-amd64 and "
           "reboot; in a container /sys of the host must be seen, too";
  }
  if (says("can be identified")) {
    return "it ends by itself when fewer new programs start there; what a process uses meanwhile is counted later";
  }
  if (says("config_psi")) {
    return "";  // booted with psi=1 already
  }
  return std::nullopt;
}

constexpr absl::string_view kReadItsLog = "its log there says more: journalctl -u ppmm-agent";

}  // namespace

SourceAdvice AdviceOnSource(absl::string_view source, bool failed, absl::string_view reason) {
  const auto* const known =
      std::find_if(std::begin(kKnown), std::end(kKnown), [&](const Known& one) { return one.source == source; });
  SourceAdvice advice;
  advice.loses =
      known == std::end(kKnown) ? absl::StrCat("what its agent reads as \"", source, "\"") : std::string(known->loses);
  if (source == "spool" && absl::StrContains(reason, "the data directory was deleted")) {
    advice.cure = "restart that ppmm-agent: it makes its data directory anew";
  } else if (source == "spool") {
    advice.cure = "make room on the disk of the agent's data directory, or move that with --data";
  } else if (const std::optional<std::string> cure = CureByWords(reason); cure.has_value()) {
    advice.cure = *cure;
  } else if (failed) {
    advice.cure = std::string(kReadItsLog);
  } else if (known != std::end(kKnown)) {
    advice.cure = std::string(known->when_absent);
  }
  return advice;
}

SourceAdvice AdviceOnCapture(absl::string_view reason) {
  return {"short-lived processes and connections, and more CPU time: they are read from /proc and by netlink",
          CureByWords(reason).value_or(std::string(kReadItsLog))};
}

}  // namespace ppmm
