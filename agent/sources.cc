#include "agent/sources.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "agent/applications.h"
#include "agent/extra_sources.h"
#include "agent/plumbing.h"
#include "agent/proc_task_scanner.h"
#include "agent/procfs.h"
#include "agent/sock_diag.h"
#include "agent/sock_diag_scanner.h"
#include "agent/socket_scanner.h"
#include "agent/sources/cpu.h"
#include "agent/sources/diskstats.h"
#include "agent/sources/filesystem.h"
#include "agent/sources/limits.h"
#include "agent/sources/memory.h"
#include "agent/sources/netdev.h"
#include "agent/sources/netstat.h"
#include "agent/sources/pressure.h"
#include "agent/sources/schedstat.h"
#include "agent/sources/self.h"
#include "agent/sources/softnet.h"
#include "agent/sources/spool.h"
#include "agent/sources/timex.h"
#include "agent/task_scanner.h"
#include "common/clock.h"
#include "common/log.h"

namespace ppmm {
namespace {

// What BPF does in a millisecond takes 20 by way of /proc.
constexpr absl::Duration kProcPeriod = absl::Seconds(10);

wire::Origin WireOrigin(CodeOrigin origin) {
  switch (origin) {
    case CodeOrigin::kUnknown:
      return wire::ORIGIN_UNKNOWN;
    case CodeOrigin::kOffTheShelf:
      return wire::ORIGIN_OFF_THE_SHELF;
    case CodeOrigin::kInHouse:
      return wire::ORIGIN_IN_HOUSE;
  }
  return wire::ORIGIN_UNKNOWN;
}

wire::Instance WireInstance(const Identity& identity) {
  wire::Instance instance;
  instance.set_name(identity.name);
  instance.set_slot(identity.slot);
  instance.set_name_source(std::string(NameSourceText(identity.name_source)));
  instance.set_name_evidence(identity.name_evidence);
  instance.set_product(identity.product);
  instance.set_version(identity.version);
  instance.set_code_digest(identity.code_digest);
  instance.set_origin_guess(WireOrigin(identity.origin));
  instance.set_origin_confidence(identity.confidence);
  for (const OriginEvidence& evidence : identity.evidence) {
    wire::Evidence* out = instance.add_origin_evidence();
    out->set_kind(evidence.kind);
    out->set_text(evidence.text);
  }
  instance.set_executable(EscapeForDisplay(identity.executable));
  instance.set_unit(identity.unit);
  // Where it listens is not known yet; the collector knows the listeners and may decide otherwise.
  instance.set_plumbing(PlumbingOf(identity, /*loopback_only=*/true) != Plumbing::kNone);
  return instance;
}

ApplicationsInputs MakeInputs(const SourceOptions& options, Sources* sources) {
  ApplicationsInputs inputs;
  inputs.root = options.root;
  inputs.proc = options.root + "/proc";

  absl::Status bpf = options.use_bpf ? absl::OkStatus() : absl::FailedPreconditionError("switched off (sources.bpf)");
  std::shared_ptr<TaskScanner> tasks;
  std::shared_ptr<SocketScanner> sockets;
  if (bpf.ok()) {
    absl::StatusOr<std::unique_ptr<TaskScanner>> made = TaskScanner::Create();
    bpf = made.status();
    if (made.ok()) {
      tasks = *std::move(made);
      absl::StatusOr<std::unique_ptr<SocketScanner>> made_sockets = SocketScanner::Create();
      bpf = made_sockets.status();
      if (made_sockets.ok()) {
        sockets = *std::move(made_sockets);
      }
    }
  }
  std::vector<std::string> ways;
  if (tasks != nullptr) {
    inputs.scan_processes = [tasks](std::vector<ProcessSample>* out) { return tasks->Scan(out); };
    ways.push_back("iter/task");
  } else {
    inputs.process_period = kProcPeriod;
    auto scanner = std::make_shared<ProcTaskScanner>(options.root.empty() ? "/" : options.root);
    inputs.scan_processes = [scanner](std::vector<ProcessSample>* out) { return scanner->Scan(out); };
    ways.push_back("/proc");
  }
  if (sockets != nullptr) {
    inputs.seed_sockets = [sockets] { return sockets->Seed(); };
    inputs.poll_listeners = [sockets](std::vector<ListenerSample>* out) { return sockets->Poll(out); };
    inputs.read_peers = [sockets](std::vector<PeerSample>* out) { return sockets->ReadPeers(out); };
    inputs.take_calls = [sockets](std::vector<CallSample>* out) { return sockets->TakeCalls(out); };
    inputs.socket_losses = [sockets]() -> std::vector<std::pair<absl::string_view, std::uint64_t>> {
      const SocketScanner::Losses losses = sockets->losses();
      return {{"listeners", losses.listeners}, {"peers", losses.peers},     {"histograms", losses.groups},
              {"calls", losses.callees},       {"storage", losses.storage}, {"connections", losses.connections}};
    };
    inputs.takes_response_times = sockets->hooks().complete();
    inputs.response_times_limits = sockets->hooks().limits;
    ways.push_back("socket storage");
  } else {
    absl::StatusOr<std::unique_ptr<SockDiag>> made = SockDiag::Create();
    const absl::Status status = made.status();
    const std::shared_ptr<SockDiag> diag = made.ok() ? *std::move(made) : nullptr;
    auto scanner = std::make_shared<SockDiagScanner>(
        [diag, status](std::vector<DiagSocket>* out) { return diag == nullptr ? status : diag->List(out); },
        options.root.empty() ? "/" : options.root);
    auto clock = std::make_shared<RealClock>();
    inputs.seed_sockets = [] { return absl::OkStatus(); };
    inputs.poll_listeners = [scanner, clock](std::vector<ListenerSample>* out) {
      return scanner->Poll(clock->SinceBoot(), out);
    };
    inputs.read_peers = [scanner, clock](std::vector<PeerSample>* out) {
      scanner->ReadPeers(clock->SinceBoot(), out);
      return absl::OkStatus();
    };
    inputs.response_times_limits = absl::StrCat("the times of requests are taken by BPF: ", bpf.message());
    ways.push_back("sock_diag");
    sources->polls_sockets = true;
  }
  if (inputs.takes_response_times) {
    sources->response_clock.set_arrival(sockets->hooks().arrival);
    sources->response_clock.set_read(sockets->hooks().read);
    sources->response_clock.set_write(sockets->hooks().write);
  }
  sources->response_clock.set_limits(inputs.response_times_limits);
  sources->capture = absl::StrCat(ways[0], ", ", ways[1]);
  if (!bpf.ok()) {
    sources->degraded = true;
    absl::StrAppend(&sources->capture, ": ", bpf.message());
  }

  inputs.identify = [identifier = options.identifier, names = options.instance_names,
                     proc = inputs.proc](std::int32_t pid) -> absl::StatusOr<ApplicationsInputs::Identified> {
    const absl::StatusOr<ProcessFacts> facts = ReadProcessFacts(proc, pid);
    if (!facts.ok()) {
      return facts.status();
    }
    const Identity identity = identifier->Identify(*facts);
    ApplicationsInputs::Identified identified;
    identified.instance = WireInstance(identity);
    identified.code = identity.code;
    identified.code_in_file = identity.code_in_file;
    identified.package = identity.package;
    identified.replaced = identity.replaced;
    if (names != nullptr && !identity.code.empty()) {
      // A name stays what it was first sent as, so that history goes on. What cannot be seen has nothing to keep it by.
      identified.instance.set_name(names->Fix(absl::StrCat(identity.unit, "\n", identity.code), identity.name));
    }
    if (!identity.unit.empty()) {
      identified.cgroup_text = ReadFile(absl::StrCat(proc, "/", pid, "/cgroup")).value_or("");
    }
    return identified;
  };
  if (options.package_log != nullptr) {
    inputs.read_package_log = [log = options.package_log](absl::Time now) { return log->Read(now); };
  }
  inputs.rest = [identifier = options.identifier] { identifier->Rest(); };
  inputs.identify_at_once = options.identify_at_once;
  return inputs;
}

}  // namespace

Sources BuildSources(const SourceOptions& options) {
  Sources sources;
  const auto add = [&](std::unique_ptr<Source> source) {
    const bool disabled =
        std::find(options.disabled.begin(), options.disabled.end(), source->name()) != options.disabled.end();
    if (!disabled) {
      sources.list.push_back(std::move(source));
    }
  };
  add(std::make_unique<CpuSource>(options.root));
  add(std::make_unique<MeminfoSource>(options.root));
  add(std::make_unique<VmstatSource>(options.root));
  add(std::make_unique<DiskstatsSource>(options.root));
  add(std::make_unique<NetdevSource>(options.root));
  add(std::make_unique<NetstatSource>(options.root));
  add(std::make_unique<PressureSource>(options.root));
  add(std::make_unique<SchedstatSource>(options.root));
  add(std::make_unique<SoftnetSource>(options.root));
  add(std::make_unique<LoadavgSource>(options.root));
  add(std::make_unique<LimitsSource>(options.root));
  add(std::make_unique<FilesystemSource>(options.root));
  add(std::make_unique<TimexSource>());
  add(std::make_unique<SelfSource>());
  if (options.spool_stats) {
    add(std::make_unique<SpoolSource>(options.spool_stats));
  }
  add(std::make_unique<ApplicationsSource>(MakeInputs(options, &sources)));
  for (std::unique_ptr<Source>& source : ExtraSources()) {
    sources.list.push_back(std::move(source));
  }
  return sources;
}

}  // namespace ppmm
