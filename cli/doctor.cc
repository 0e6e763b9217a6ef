#include "cli/doctor.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/json_read.h"
#include "cli/table.h"
#include "nlohmann/json.hpp"

#include "common/human.h"
#include "common/source_advice.h"

namespace ppmm {
namespace {

using Json = nlohmann::json;

constexpr double kLowDisk = 0.1;  // of the disk
constexpr char kCollectorLog[] = "look at its log: journalctl -u ppmm-collector";
// An agent whose stream broke comes again within a second or two.
constexpr absl::Duration kReconnectsWithin = absl::Seconds(5);

struct Capability {
  unsigned bit;
  absl::string_view name;
};
constexpr Capability kNeeded[] = {
    {2, "CAP_DAC_READ_SEARCH"}, {19, "CAP_SYS_PTRACE"}, {38, "CAP_PERFMON"}, {39, "CAP_BPF"}};
constexpr unsigned kSysAdmin = 21;  // holds CAP_BPF and CAP_PERFMON

// Major and minor number of "6.1.0-18-amd64"; 0.0 where it is none.
std::pair<int, int> KernelNumbers(absl::string_view kernel) {
  const std::vector<absl::string_view> parts = absl::StrSplit(kernel, absl::MaxSplits(absl::ByAnyChar(".-"), 2));
  int major = 0;
  int minor = 0;
  if (parts.size() < 2 || !absl::SimpleAtoi(parts[0], &major) || !absl::SimpleAtoi(parts[1], &minor)) {
    return {0, 0};
  }
  return {major, minor};
}

std::string MissingCapabilities(std::uint64_t capabilities) {
  std::string missing;
  for (const Capability& needed : kNeeded) {
    const bool implied = needed.bit >= 38 && ((capabilities >> kSysAdmin) & 1U) != 0;
    if (((capabilities >> needed.bit) & 1U) == 0 && !implied) {
      absl::StrAppend(&missing, missing.empty() ? "" : ", ", needed.name);
    }
  }
  return missing;
}

template <class Add>
void CheckKernelForBpf(const HostProbe& probe, const Add& add) {
  if (probe.kernel.empty() || KernelNumbers(probe.kernel) < std::pair(5, 8)) {
    add(absl::StrCat("kernel ", probe.kernel, " is older than 5.8"), "apt install linux-image-amd64 and reboot");
  } else if (!probe.bpf_syscall) {
    add("this kernel has no BPF", "a kernel with CONFIG_BPF_SYSCALL: apt install linux-image-amd64 and reboot");
  } else if (!probe.btf) {
    add("this kernel has no BTF", "a kernel with CONFIG_DEBUG_INFO_BTF: apt install linux-image-amd64 and reboot");
  } else if (probe.lockdown_confidentiality) {
    add("kernel lockdown forbids BPF to read kernel memory", "boot with lockdown=integrity instead of confidentiality");
  }
}

// What the agent says of why it does without BPF; empty where it does not.
std::string WhyNoBpf(const Json& host) {
  const std::string capture = TextAt(host, "capture");
  const std::size_t reason = capture.find(": ");
  return reason == std::string::npos ? "" : capture.substr(reason + 2);
}

void CheckBpf(const HostProbe& probe, bool told_by_agent, bool asks_for_capabilities,
              std::vector<DoctorFinding>* findings) {
  const auto add = [&](std::string what, absl::string_view cure) {
    findings->push_back({probe.host, std::move(what), AdviceOnCapture("").loses, std::string(cure)});
  };
  if (!told_by_agent) {
    CheckKernelForBpf(probe, add);
  }
  if (!probe.capabilities.has_value()) {
    return;
  }
  const std::string missing = MissingCapabilities(*probe.capabilities);
  if (!missing.empty() && probe.agent_running && !asks_for_capabilities) {
    add(absl::StrCat("ppmm-agent lacks ", missing), "run it as its systemd unit does, or as root");
  }
}

void CheckKernelSources(const HostProbe& probe, bool told_by_agent, std::vector<DoctorFinding>* findings) {
  if (!probe.pressure && !told_by_agent) {
    const SourceAdvice advice =
        AdviceOnSource("pressure", /*failed=*/false, probe.pressure_asked_for ? "no CONFIG_PSI" : "");
    findings->push_back({probe.host, "no pressure stall information (/proc/pressure)", advice.loses, advice.cure});
  }
  if (probe.clock_synchronized.has_value() && !*probe.clock_synchronized) {
    findings->push_back({probe.host, "the clock is not synchronized",
                         "events of several hosts cannot be put in order; above 5 minutes nothing is taken",
                         "apt install chrony, or timedatectl set-ntp true"});
  }
}

// What several hosts have in common is one finding, in the order in which it was first found.
class FleetFindings {
 public:
  // `figure` is the host's own; the rest makes findings equal.
  void Add(const std::string& host, std::string what, const std::string& figure, std::string loses, std::string cure) {
    const auto same = std::find_if(findings_.begin(), findings_.end(), [&](const DoctorFinding& other) {
      return other.what == what && other.loses == loses && other.cure == cure;
    });
    DoctorFinding& finding =
        same != findings_.end()
            ? *same
            : findings_.emplace_back(DoctorFinding{host, std::move(what), std::move(loses), std::move(cure)});
    finding.hosts.push_back({host, figure});
  }
  std::vector<DoctorFinding> Take() {
    for (DoctorFinding& finding : findings_) {
      if (finding.hosts.size() > 1) {
        finding.where = absl::StrCat(finding.hosts.size(), " hosts");
      } else if (!finding.hosts.front().figure.empty()) {
        absl::StrAppend(&finding.what, ": ", finding.hosts.front().figure);
      }
    }
    return std::move(findings_);
  }

 private:
  std::vector<DoctorFinding> findings_;
};

struct PresenceFinding {
  absl::string_view what;  // empty: its agent is there
  std::string since;
  absl::string_view cure;
};

// Whether the agent of a host is there: as soon as the collector knows that it is not, not only once it is silent.
PresenceFinding FindingOfPresence(const Json& host, absl::Time now) {
  const std::string state = TextAt(host, "state");
  const std::optional<absl::Time> ended = TimeAt(host, "stream_ended_at");
  const std::string since = ended.has_value() ? HumanAge(*ended, now) : "";
  if (state == "silent") {
    const std::optional<double> age = NumberAt(host, "last_step_age_seconds");
    return {"silent", age.has_value() ? HumanSeconds(*age) : "",
            "start ppmm-agent there, or look at its log: journalctl -u ppmm-agent"};
  }
  if (state == "stopped") {
    return {"its agent was stopped", since,
            "start it there: systemctl start ppmm-agent, or from the tree deploy/quickstart"};
  }
  if (state == "disconnected" && (!ended.has_value() || now - *ended > kReconnectsWithin)) {
    return {"its agent's connection ended without a word", since,
            "start it there: systemctl start ppmm-agent, or from the tree deploy/quickstart; if it runs, its log says "
            "why it does not come again: journalctl -u ppmm-agent"};
  }
  return {};
}

// At most so many of them by name.
std::string NamesOf(const std::vector<DoctorFinding::Host>& hosts) {
  constexpr std::size_t kNamed = 8;
  std::string names;
  for (std::size_t i = 0; i < std::min(hosts.size(), kNamed); ++i) {
    absl::StrAppend(&names, i == 0 ? "" : ", ", hosts[i].name,
                    hosts[i].figure.empty() ? "" : absl::StrCat(" (", hosts[i].figure, ")"));
  }
  return hosts.size() <= kNamed ? names : absl::StrCat(names, " and ", hosts.size() - kNamed, " more");
}

std::string ShareFree(double free, double size) {
  return absl::StrCat("disk ", HumanPercent(1 - free / size), " full, ", HumanBytes(free), " free");
}

}  // namespace

std::vector<DoctorFinding> FindingsOfHost(const HostProbe& probe, const Json& hosts, absl::Time now) {
  const Json& rows = ArrayAt(hosts, "hosts");
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const Json& one) {
    return TextAt(one, "host") == probe.host && TextAt(one, "state") == "live";
  });
  const bool told_by_agent = row != rows.end();
  const std::string why = told_by_agent ? WhyNoBpf(*row) : "";
  std::vector<DoctorFinding> findings;
  CheckBpf(probe, told_by_agent, !why.empty() && absl::StrContains(AdviceOnCapture(why).cure, "CAP_BPF"), &findings);
  CheckKernelSources(probe, told_by_agent, &findings);
  if (!probe.agent_running) {
    const bool told = std::any_of(rows.begin(), rows.end(), [&](const Json& one) {
      return TextAt(one, "host") == probe.host && !FindingOfPresence(one, now).what.empty();
    });
    if (!told) {
      findings.push_back({probe.host, "no ppmm-agent runs here", "this host is not measured",
                          "systemctl start ppmm-agent, or ppmm-agent --collector ADDR:7767"});
    }
  } else if (probe.agent_socket.has_value()) {
    findings.push_back({probe.host, absl::StrCat("ppmm-agent does not answer on ", *probe.agent_socket),
                        "its own status", "start it with rights to write there"});
  }
  for (const HostProbe::Disk& disk : probe.disks) {
    const auto free = static_cast<double>(disk.free_bytes);
    const auto size = static_cast<double>(disk.size_bytes);
    if (size > 0 && free < size * kLowDisk) {
      findings.push_back({probe.host, absl::StrCat(disk.directory, ": ", ShareFree(free, size)),
                          "a full disk ends the history, and the oldest of the spool is dropped",
                          "make room, or move the data: --data DIR"});
    }
  }
  return findings;
}

std::vector<DoctorFinding> FindingsOfHosts(const Json& hosts, absl::Time now) {
  FleetFindings findings;
  for (const Json& host : ArrayAt(hosts, "hosts")) {
    const std::string name = TextAt(host, "host");
    if (const PresenceFinding presence = FindingOfPresence(host, now); !presence.what.empty()) {
      findings.Add(name, std::string(presence.what), presence.since,
                   "everything of it; its minutes count as not covered", std::string(presence.cure));
    }
    if (TrueAt(host, "duplicate")) {
      findings.Add(name, "two machines share this identity", "", "what either of them says is contradicted",
                   "give one a new machine id (systemd-machine-id-setup), or start its agent with --host-id");
    }
    // What the agent lacks is as old as its last word.
    const bool live = TextAt(host, "state") == "live";
    if (const std::string why = WhyNoBpf(host); live && !why.empty()) {
      SourceAdvice advice = AdviceOnCapture(why);
      findings.Add(name, absl::StrCat("processes and sockets are seen by ", TextAt(host, "capture")), "",
                   std::move(advice.loses), std::move(advice.cure));
    }
    for (const Json& source : ArrayAt(host, "sources")) {
      const std::string state = TextAt(source, "state");
      if (live && (state == "failed" || state == "absent")) {
        const std::string source_name = TextAt(source, "source");
        const std::string reason = TextAt(source, "reason");
        SourceAdvice advice = AdviceOnSource(source_name, state == "failed", reason);
        findings.Add(name, absl::StrCat(source_name, " ", state, ": ", reason), "", std::move(advice.loses),
                     std::move(advice.cure));
      }
    }
    const std::optional<double> dropped = NumberAt(MemberAt(host, "samples"), "dropped");
    if (dropped.value_or(0) > 0) {
      findings.Add(
          name, "samples dropped by its agent", HumanNumber(*dropped), "parts of its history, for good",
          "by the cause in its log (journalctl -u ppmm-agent): spool full: a larger spool.max_bytes, or a collector "
          "that is away for less long; disk full, or records damaged: make room, or repair that disk; deleted "
          "under it: leave its data directory alone; none there: a power cut took up to 10 s");
    }
  }
  return findings.Take();
}

std::vector<DoctorFinding> FindingsOfStatus(const Json& status) {
  std::vector<DoctorFinding> findings;
  const bool ready = TrueAt(status, "ready");
  const std::string reason = TextAt(status, "reason");
  if (!ready) {
    // "cannot commit: FILE: WHY; CURE"
    const std::pair<std::string, std::string> parts = absl::StrSplit(reason, absl::MaxSplits("; ", 1));
    findings.push_back({"collector", absl::StrCat("not ready: ", parts.first),
                        "nothing is taken; agents keep what they have",
                        parts.second.empty() ? kCollectorLog : parts.second});
  }
  for (const Json& component : ArrayAt(status, "components")) {
    // What keeps it from being ready was told.
    if (TextAt(component, "state") != "ok" && (ready || TextAt(component, "reason") != reason)) {
      const std::string cure = TextAt(component, "cure");
      findings.push_back({"collector", absl::StrCat(TextAt(component, "component"), ": ", TextAt(component, "reason")),
                          "", cure.empty() ? kCollectorLog : cure});
    }
  }
  const Json& configuration = MemberAt(status, "configuration");
  if (configuration.is_object() && !TrueAt(configuration, "last_reload_successful")) {
    findings.push_back(
        {"collector",
         absl::StrCat("the configuration was not taken: ", absl::StrJoin(LinesAt(configuration, "error"), "; ")),
         "the one before it is in force", "correct it (ppmm check FILE) and reload"});
  }
  const Json& store = MemberAt(status, "store");
  const std::optional<double> size = NumberAt(store, "size_bytes");
  const std::optional<double> free = NumberAt(store, "disk_free_bytes");
  if (size.has_value() && free.has_value() && *free < std::max(*size, 1e9)) {
    findings.push_back({"collector",
                        absl::StrCat("only ", HumanBytes(*free), " free beside a database of ", HumanBytes(*size)),
                        "a full disk ends the history", "make room, or move the data: --data DIR"});
  }
  return findings;
}

std::string RenderDoctor(const std::vector<DoctorFinding>& findings, const std::vector<std::string>& healthy,
                         const Screen& screen) {
  int column = 0;
  for (const DoctorFinding& finding : findings) {
    column = std::max(column, DisplayWidth(finding.where));
  }
  for (const std::string& place : healthy) {
    column = std::max(column, DisplayWidth(place));
  }
  column = std::min(column, screen.width / 3) + 2;
  std::string out;
  const auto add = [&](absl::string_view where, Tone tone, absl::string_view text) {
    const std::string cut = CutTo(where, column - 2);
    absl::StrAppend(&out, cut, std::string(static_cast<std::size_t>(column - DisplayWidth(cut)), ' '),
                    Toned(screen, tone, Wrap(text, screen.width, column, column)), "\n");
  };
  // Each place once, in the order in which they were found.
  std::vector<const DoctorFinding*> ordered;
  for (const DoctorFinding& finding : findings) {
    const auto same = std::find_if(ordered.rbegin(), ordered.rend(),
                                   [&](const DoctorFinding* other) { return other->where == finding.where; });
    ordered.insert(same == ordered.rend() ? ordered.end() : same.base(), &finding);
  }
  absl::string_view place_before;
  for (const DoctorFinding* const one : ordered) {
    const DoctorFinding& finding = *one;
    const bool of_several = finding.hosts.size() > 1;
    add(finding.where == place_before && !of_several ? "" : finding.where,
        finding.cure.empty() ? Tone::kPlain : Tone::kBad, finding.what);
    place_before = finding.where;
    if (of_several) {
      add("", Tone::kPlain, absl::StrCat("hosts: ", NamesOf(finding.hosts)));
    }
    if (!finding.loses.empty()) {
      add("", Tone::kPlain, absl::StrCat("loses: ", finding.loses));
    }
    add("", Tone::kPlain, absl::StrCat("cure: ", finding.cure.empty() ? "none on this kernel" : finding.cure));
  }
  for (const std::string& place : healthy) {
    add(place, Tone::kGood, "ok");
  }
  const std::size_t curable = CountCurable(findings);
  absl::StrAppend(&out, curable == 0 ? "Nothing to cure.\n"
                                     : HumanCount(static_cast<std::int64_t>(curable), "thing") + " can be cured.\n");
  return out;
}

std::size_t CountCurable(const std::vector<DoctorFinding>& findings) {
  return static_cast<std::size_t>(std::count_if(findings.begin(), findings.end(),
                                                [](const DoctorFinding& finding) { return !finding.cure.empty(); }));
}

std::string DoctorJson(const std::vector<DoctorFinding>& findings) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const DoctorFinding& finding : findings) {
    nlohmann::ordered_json hosts = nlohmann::ordered_json::array();
    for (const DoctorFinding::Host& host : finding.hosts) {
      hosts.push_back(host.name);
    }
    rows.push_back({{"where", finding.where},
                    {"what", finding.what},
                    {"loses", finding.loses},
                    {"cure", finding.cure.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(finding.cure)},
                    {"hosts", std::move(hosts)}});
  }
  return nlohmann::ordered_json{{"findings", std::move(rows)}}.dump(-1, ' ', false,
                                                                    nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace ppmm
