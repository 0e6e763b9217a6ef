// Turns processes and sockets into application instances: (application, slot), with what each uses. The source behind
// all ppmm_instance_ series, listeners, peers and releases.
//
// A process belongs to the instance that its identity names. It is identified once it has lived for a few seconds or
// when it listens; one that ends before is counted to `~other`. CPU time and I/O of a process count from the moment the
// agent saw it first, or from its start if that was later.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "agent/call_series.h"
#include "agent/cgroup_stats.h"
#include "agent/ended_children.h"
#include "agent/instance_code.h"
#include "agent/package_log.h"
#include "agent/process_sample.h"
#include "agent/socket_sample.h"
#include "agent/source.h"
#include "agent/turn_series.h"

namespace ppmm {

// Where processes, sockets and identities come from; every function is there, the socket ones may say NotFound.
struct ApplicationsInputs {
  std::function<absl::Status(std::vector<ProcessSample>*)> scan_processes;
  absl::Duration process_period;               // how often it is called, in whole seconds; zero: each step
  std::function<absl::Status()> seed_sockets;  // finds sockets that are older than the scanner
  std::function<absl::Status(std::vector<ListenerSample>*)> poll_listeners;
  std::function<absl::Status(std::vector<PeerSample>*)> read_peers;
  std::function<absl::Status(std::vector<CallSample>*)> take_calls;  // may be missing
  std::function<std::vector<std::pair<absl::string_view, std::uint64_t>>()>
      socket_losses;  // bound, total; may be missing
  bool takes_response_times = false;
  std::string response_times_limits;  // what they cannot see, or why there are none

  struct Identified {
    wire::Instance instance;  // all but short_lived
    std::string code;         // as Identity has it
    bool code_in_file = true;
    std::string package;  // as Identity has it
    bool replaced = false;
    std::string cgroup_text;  // of /proc/PID/cgroup, where the instance has a unit or container of its own; else empty
  };
  // Errors: NotFound: the process ended.
  std::function<absl::StatusOr<Identified>(std::int32_t pid)> identify;

  // What the package manager installed since the last call; may be missing.
  std::function<std::vector<PackageEvent>(absl::Time now)> read_package_log;
  std::function<void()> rest;  // called once a minute; may be missing

  bool identify_at_once = false;             // all processes in one step, whatever it costs
  std::function<absl::Duration()> cpu_time;  // of this thread; by default the kernel's
  std::string proc = "/proc";
  std::string root;  // for control groups
};

class ApplicationsSource : public Source {
 public:
  // A process is identified at this age, sooner when it listens.
  static constexpr absl::Duration kSettle = absl::Seconds(5);
  // Identification reads files. It may cost this much CPU a step: half a per cent of a core at 1 s. What is not used is
  // saved, up to what a start needs; what a listener costs, which is identified at once, is owed. Whoever waits is
  // counted once identified, and to `~other` if it ends before.
  static constexpr absl::Duration kIdentifyBudget = absl::Milliseconds(5);
  static constexpr absl::Duration kIdentifyCredit = absl::Seconds(3);
  // Of what is saved, a step spends this much: within the CPUQuota of 20 % that the unit has, no step is missed.
  static constexpr absl::Duration kIdentifyBurst = absl::Milliseconds(150);
  // When processes have waited to be identified for so long, this source says that it failed.
  static constexpr absl::Duration kWaitsTooLong = absl::Minutes(1);
  // Further applications go to `~other` and are counted.
  static constexpr std::size_t kMaxInstances = 500;
  // Proportional memory may cost 60 ms of CPU a minute.
  static constexpr absl::Duration kProportionalBudget = absl::Milliseconds(1);  // a step

  // What was installed is told of the instances that run it now, or within this time: they may start afterwards.
  static constexpr absl::Duration kInstalled = absl::Minutes(10);
  static constexpr absl::Duration kPackageLogPeriod = absl::Seconds(5);
  // Packages that wait for an instance of theirs; the log of an upgrade of a whole system may bring more.
  static constexpr std::size_t kMaxInstalled = 4096;

  explicit ApplicationsSource(ApplicationsInputs inputs);

  absl::string_view name() const override { return "applications"; }
  // Errors: ResourceExhausted: processes wait to be identified for longer than kWaitsTooLong; all else was recorded.
  absl::Status Sample(absl::Time now, Recorder& recorder) override;

  std::uint64_t instances_refused() const { return instances_refused_; }

 private:
  using InstanceIndex = std::size_t;
  static constexpr InstanceIndex kPending = static_cast<InstanceIndex>(-1);

  // Increments of one process since the last step.
  struct Usage {
    std::uint64_t cpu_us = 0;
    std::uint64_t run_delay_us = 0;
    std::uint64_t minor_faults = 0;
    std::uint64_t major_faults = 0;
    std::uint64_t read_bytes = 0;
    std::uint64_t written_bytes = 0;
    void Add(const Usage& other);
  };
  struct Process {
    ProcessSample last;
    InstanceIndex instance = kPending;
    std::size_t part = InstanceCode::kNoPart;  // of its instance
    Usage pending;                             // while it has no instance
    std::uint64_t seen_at_step = 0;
    absl::Time first_seen;
    // Readings that are dear.
    std::uint64_t open_files = 0;
    std::uint64_t open_files_limit = 0;  // 0: not read yet
    std::uint64_t proportional_bytes = 0;
    std::uint64_t proportional_resident = 0;  // resident memory when it was read
    absl::Time proportional_at = absl::InfinitePast();
    absl::Duration proportional_cost;  // of the last reading
  };
  struct EndedProcess {
    std::int32_t ppid = 0;
    InstanceIndex instance = kPending;
    Usage pending;
  };
  struct Series {
    SeriesHandle cpu = 0, run_delay = 0, processes = 0, threads = 0, resident = 0, anonymous = 0, file = 0, shared = 0,
                 proportional = 0, estimated = 0, minor_faults = 0, major_faults = 0, read_bytes = 0, written_bytes = 0,
                 open_fds = 0, fd_utilization = 0, throttled_seconds = 0, throttled_periods = 0, cgroup_memory = 0,
                 cgroup_limit = 0, cgroup_read_bytes = 0, cgroup_written_bytes = 0, cgroup_reads = 0, cgroup_writes = 0,
                 received = 0, sent = 0, accepted = 0, opened = 0, established = 0, queue = 0, queue_limit = 0;
  };
  struct Instance {
    std::string key;
    std::string name;
    bool short_lived = false;
    EntityHandle entity = 0;
    Series series;
    CgroupReader cgroup;
    InstanceCode code;
    absl::Time last_alive;
    Usage usage;  // since it was recorded last
    // Of the last scan.
    std::uint64_t processes = 0, threads = 0, anonymous = 0, file = 0, shared = 0;
    // Of this step.
    std::uint64_t received = 0, sent = 0, accepted = 0, opened = 0;
    std::int64_t established = 0;
    std::uint64_t queue = 0, queue_limit = 0;
    TurnSeries turns;
    CallSeries calls;
    bool has_listener = false;
    bool has_sockets = false;
  };
  struct ListenerTotals {
    std::uint64_t accepted = 0, received = 0, sent = 0;
    TurnTotals turns;
    ResponseTimes times;  // what came before it was known whose they are
    std::int64_t aged_ns = 0;
    bool owned = false;  // at the last step, by a process that is known
    bool seen = false;
  };
  struct Installed {
    PackageEvent event;
    absl::Time until;
    std::vector<std::string> told;  // keys of instances
  };
  struct PeerTotals {
    std::uint64_t connections = 0, received = 0, sent = 0;
    bool seen = false;
  };

  void TakeProcesses(absl::Time now, Recorder& recorder);
  Usage Increments(const Process& process, const ProcessSample& sample) const;
  void Charge(Process& process, const Usage& usage);
  void ChargeEnded(absl::Time now, Recorder& recorder);
  void IdentifySettled(absl::Time now, Recorder& recorder);
  void IdentifyProcess(Process& process, absl::Time now, Recorder& recorder);
  InstanceIndex InstanceFor(const ApplicationsInputs::Identified& identified, absl::Time started, absl::Time now,
                            Recorder& recorder);
  InstanceIndex Other(absl::Time now, Recorder& recorder);
  void SettleCode(absl::Time now, Recorder& recorder);
  void TakeListeners(absl::Time now, Recorder& recorder);
  void TakePeers(Recorder& recorder);
  void TakeCalls(absl::Time now, Recorder& recorder);
  void TakeInstalled(absl::Time now, Recorder& recorder);
  void TakeLosses(Recorder& recorder);
  Instance* InstanceOf(std::int32_t pid);
  void ReadDearOnes(absl::Time now);
  void ReadProportional(absl::Time now, Process& process);
  void SumUp(absl::Time now);
  void RecordUsage(Instance& instance, Recorder& recorder);
  void Record(absl::Time now, Recorder& recorder);
  void RecordCgroup(Instance& instance, Recorder& recorder);
  void EndSilentInstances(absl::Time now, Recorder& recorder);

  ApplicationsInputs inputs_;
  std::uint64_t step_ = 0;
  std::int64_t first_scan_boot_ns_ = 0;  // processes that started later count from zero
  std::vector<ProcessSample> scan_;
  bool scanned_ = false;                                   // in this step
  absl::flat_hash_map<std::int32_t, Process> processes_;   // by pid
  absl::flat_hash_map<std::int32_t, EndedProcess> ended_;  // since the scan before, by pid
  EndedChildren ended_children_;
  std::vector<Instance> instances_;
  absl::flat_hash_map<std::string, InstanceIndex> instance_by_key_;
  std::vector<InstanceIndex> free_instances_;
  std::vector<ListenerSample> listeners_;
  std::vector<std::pair<SeriesHandle, std::uint64_t>> losses_;  // series and what was told, as inputs_.socket_losses
  absl::flat_hash_map<std::uint64_t, ListenerTotals> listener_totals_;  // by socket
  bool owner_ended_ = false;                                            // of a socket that still listens
  std::vector<PeerSample> peers_;
  absl::flat_hash_map<std::string, PeerTotals> peer_totals_;
  std::vector<CallSample> calls_;
  std::vector<CallSample> waiting_calls_;  // of processes that are not identified yet
  std::vector<Installed> installed_;
  absl::Status socket_status_;
  std::uint64_t instances_refused_ = 0;
  std::size_t rotation_ = 0;  // where the dear readings go on
  absl::Duration proportional_credit_;
  absl::Duration identify_credit_ = kIdentifyCredit;
  SeriesHandle waiting_series_ = 0;
  absl::Time waiting_since_ = absl::InfiniteFuture();  // the first of the steps in which some wait
};

}  // namespace ppmm
