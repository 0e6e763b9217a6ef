#include "agent/applications.h"

#include <algorithm>
#include <ctime>
#include <limits>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "agent/process_extras.h"
#include "common/log.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr std::size_t kLongestDoubts = 200;  // bytes, and one more name

constexpr absl::Duration kProportionalStale = absl::Minutes(5);
// A process that holds as much as it did: only who shares its pages may have changed.
constexpr absl::Duration kProportionalUnchanged = absl::Minutes(4);
constexpr absl::Duration kProportionalTooDear = absl::Milliseconds(20);
// An instance without processes is kept this long: a restart is the same instance.
constexpr absl::Duration kGone = InstanceCode::kGone;
constexpr std::size_t kMaxOpenFilesPerStep = 64;
constexpr char kOtherName[] = "~other";

std::int64_t BootNanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

absl::Duration ThreadCpu() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return absl::DurationFromTimespec(now);
}

std::uint64_t Rise(std::uint64_t now, std::uint64_t before) {
  return now > before ? now - before : 0;
}

std::int64_t Signed(std::uint64_t value) {
  return static_cast<std::int64_t>(
      std::min(value, static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())));
}

bool SlowStep(absl::Time now) {
  return absl::ToUnixSeconds(now) % 10 == 0;
}

}  // namespace

void ApplicationsSource::Usage::Add(const Usage& other) {
  cpu_us += other.cpu_us;
  run_delay_us += other.run_delay_us;
  minor_faults += other.minor_faults;
  major_faults += other.major_faults;
  read_bytes += other.read_bytes;
  written_bytes += other.written_bytes;
}

ApplicationsSource::ApplicationsSource(ApplicationsInputs inputs) : inputs_(std::move(inputs)) {
  if (inputs_.cpu_time == nullptr) {
    inputs_.cpu_time = ThreadCpu;
  }
}

absl::Status ApplicationsSource::Sample(absl::Time now, Recorder& recorder) {
  scanned_ = step_ == 0 || inputs_.process_period == absl::ZeroDuration() ||
             absl::ToUnixSeconds(now) % absl::ToInt64Seconds(inputs_.process_period) == 0;
  if (scanned_) {
    RETURN_IF_ERROR(inputs_.scan_processes(&scan_));
  }
  ++step_;
  if (step_ == 1) {
    first_scan_boot_ns_ = BootNanoseconds();
  }
  for (Instance& instance : instances_) {
    instance.received = instance.sent = instance.accepted = instance.opened = 0;
    instance.established = 0;
    instance.queue = instance.queue_limit = 0;
    instance.has_listener = false;
  }
  TakeCalls(now, recorder);  // before what ended since the last scan is forgotten
  if (scanned_) {
    TakeProcesses(now, recorder);
  }
  TakeListeners(now, recorder);
  IdentifySettled(now, recorder);
  if (absl::ToUnixSeconds(now) % 60 == 0) {
    if (inputs_.rest != nullptr) {
      inputs_.rest();
    }
    TakePeers(recorder);
    TakeLosses(recorder);
  }
  ReadDearOnes(now);
  if (scanned_) {
    SumUp(now);
  }
  SettleCode(now, recorder);
  if (inputs_.read_package_log != nullptr && absl::ToUnixSeconds(now) % absl::ToInt64Seconds(kPackageLogPeriod) == 0) {
    TakeInstalled(now, recorder);
  }
  Record(now, recorder);
  if (scanned_) {  // after a jump of the clock or a sleep, a look back at the last scan says nothing
    EndSilentInstances(now, recorder);
  }
  if (now - waiting_since_ >= kWaitsTooLong) {
    return absl::ResourceExhaustedError(
        "more processes begin than can be identified at half a per cent of a core; those that wait belong to no "
        "application (ppmm_host_agent_processes_waiting)");
  }
  return absl::OkStatus();
}

// ---- processes
// -------------------------------------------------------------------------------------------------------

ApplicationsSource::Usage ApplicationsSource::Increments(const Process& process, const ProcessSample& sample) const {
  const ProcessSample& last = process.last;
  Usage usage;
  // Differences of microseconds, not microseconds of differences: what is cut off now is in the next difference.
  usage.cpu_us = Rise((sample.user_ns + sample.system_ns) / 1000, (last.user_ns + last.system_ns) / 1000);
  usage.run_delay_us = Rise(sample.run_delay_ns / 1000, last.run_delay_ns / 1000);
  usage.minor_faults = Rise(sample.minor_faults, last.minor_faults);
  usage.major_faults = Rise(sample.major_faults, last.major_faults);
  usage.read_bytes = Rise(sample.read_bytes, last.read_bytes);
  usage.written_bytes = Rise(sample.write_bytes, last.write_bytes);
  return usage;
}

void ApplicationsSource::TakeProcesses(absl::Time now, Recorder& recorder) {
  for (const ProcessSample& sample : scan_) {
    if (sample.kernel_thread) {
      continue;
    }
    auto [found, fresh] = processes_.try_emplace(sample.pid);
    Process& process = found->second;
    if (!fresh && process.last.start_ns != sample.start_ns) {  // the number was given to another process
      ended_[sample.pid] = {process.last.ppid, process.instance, process.pending};
      process = Process{};
      fresh = true;
    }
    if (fresh) {
      process.first_seen = now;
      if (sample.start_ns < first_scan_boot_ns_) {
        process.last = sample;  // a baseline
      }
    }
    ended_children_.Take(sample, sample.start_ns < first_scan_boot_ns_);
    Charge(process, Increments(process, sample));
    process.last = sample;
    process.seen_at_step = step_;
  }
  for (auto it = processes_.begin(); it != processes_.end();) {
    if (it->second.seen_at_step == step_) {
      ++it;
      continue;
    }
    ended_[it->first] = {it->second.last.ppid, it->second.instance, it->second.pending};
    processes_.erase(it++);
  }
  ChargeEnded(now, recorder);
  ended_children_.EndLook([&](std::int32_t pid, std::uint64_t us) {
    Usage usage;
    usage.cpu_us = us;
    Charge(processes_[pid], usage);
  });
}

void ApplicationsSource::Charge(Process& process, const Usage& usage) {
  (process.instance == kPending ? process.pending : instances_[process.instance].usage).Add(usage);
}

// What a process used that ended without a name belongs to whoever began it, as what nobody saw does.
void ApplicationsSource::ChargeEnded(absl::Time now, Recorder& recorder) {
  for (const auto& [pid, process] : ended_) {
    if (process.instance != kPending) {
      continue;
    }
    std::int32_t ancestor = process.ppid;
    auto between = ended_.find(ancestor);
    for (std::size_t steps = 0;
         between != ended_.end() && between->second.instance == kPending && steps < ended_.size(); ++steps) {
      ancestor = between->second.ppid;
      between = ended_.find(ancestor);
    }
    if (between != ended_.end() && between->second.instance != kPending) {
      instances_[between->second.instance].usage.Add(process.pending);
    } else if (const auto living = processes_.find(ancestor); between == ended_.end() && living != processes_.end()) {
      Charge(living->second, process.pending);
    } else {
      instances_[Other(now, recorder)].usage.Add(process.pending);
    }
  }
  ended_.clear();
}

void ApplicationsSource::IdentifySettled(absl::Time now, Recorder& recorder) {
  identify_credit_ = std::min(identify_credit_ + kIdentifyBudget, kIdentifyCredit);
  const absl::Duration leave = std::max(identify_credit_ - kIdentifyBurst, absl::ZeroDuration());
  std::int64_t waiting = 0;
  for (auto& [pid, process] : processes_) {
    const bool settled = now - process.first_seen >= kSettle || process.last.start_ns < first_scan_boot_ns_;
    if (process.instance != kPending || !settled) {
      continue;
    }
    if (identify_credit_ > leave || inputs_.identify_at_once) {
      IdentifyProcess(process, now, recorder);
    } else {
      ++waiting;
    }
  }
  waiting_since_ = waiting == 0 ? absl::InfiniteFuture() : std::min(waiting_since_, now);
  if (waiting_series_ == 0) {
    waiting_series_ = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_agent_processes_waiting"));
  }
  if (SlowStep(now)) {
    recorder.Gauge(waiting_series_, waiting);
  }
}

void ApplicationsSource::IdentifyProcess(Process& process, absl::Time now, Recorder& recorder) {
  const absl::Duration begin = inputs_.cpu_time();
  const absl::StatusOr<ApplicationsInputs::Identified> identified = inputs_.identify(process.last.pid);
  identify_credit_ -= inputs_.cpu_time() - begin;
  if (!identified.ok()) {  // it ended, or its files may not be read
    process.instance = Other(now, recorder);
    instances_[process.instance].usage.Add(process.pending);
    process.pending = Usage{};
    return;
  }
  const absl::Time started = now - absl::Nanoseconds(BootNanoseconds() - process.last.start_ns);
  process.instance = InstanceFor(*identified, started, now, recorder);
  Instance& instance = instances_[process.instance];
  instance.usage.Add(process.pending);
  process.pending = Usage{};
  if (!instance.short_lived) {
    process.part = instance.code.Add({identified->instance, identified->code, identified->package,
                                      identified->code_in_file, identified->replaced, process.last.start_ns, started},
                                     now);
  }
}

ApplicationsSource::InstanceIndex ApplicationsSource::InstanceFor(const ApplicationsInputs::Identified& identified,
                                                                  absl::Time started, absl::Time now,
                                                                  Recorder& recorder) {
  const std::string key = absl::StrCat(identified.instance.name(), "\n", identified.instance.slot());
  const auto found = instance_by_key_.find(key);
  if (found != instance_by_key_.end()) {
    return found->second;
  }
  const bool is_other = identified.instance.name() == kOtherName;
  if (instance_by_key_.size() >= kMaxInstances && !is_other) {
    ++instances_refused_;
    return Other(now, recorder);
  }
  InstanceIndex index = instances_.size();
  if (free_instances_.empty()) {
    instances_.emplace_back();
  } else {
    index = free_instances_.back();
    free_instances_.pop_back();
  }
  Instance& instance = instances_[index];
  instance = Instance{};
  instance.key = key;
  instance.name = identified.instance.name();
  instance.short_lived = identified.instance.short_lived();
  instance.cgroup = CgroupReader(inputs_.root, identified.cgroup_text);
  instance.last_alive = now;
  instance.entity = recorder.AddInstance(identified.instance, started);
  instance_by_key_[key] = index;

  const auto period = static_cast<int>(absl::ToInt64Seconds(inputs_.process_period));
  const auto add = [&](absl::string_view metric) {
    return recorder.AddSeries(instance.entity, MetricNamed(metric), {}, period);
  };
  Series& series = instance.series;
  series.cpu = add("ppmm_instance_cpu_seconds_total");
  series.run_delay = add("ppmm_instance_run_delay_seconds_total");
  series.minor_faults = add("ppmm_instance_minor_faults_total");
  series.major_faults = add("ppmm_instance_major_faults_total");
  series.read_bytes = add("ppmm_instance_read_bytes_total");
  series.written_bytes = add("ppmm_instance_written_bytes_total");
  series.processes = add("ppmm_instance_processes");
  series.threads = add("ppmm_instance_threads");
  series.resident = add("ppmm_instance_resident_memory_bytes");
  series.anonymous = add("ppmm_instance_anonymous_memory_bytes");
  series.file = add("ppmm_instance_file_memory_bytes");
  series.shared = add("ppmm_instance_shared_memory_bytes");
  if (!is_other) {
    series.proportional = add("ppmm_instance_proportional_memory_bytes");
    series.estimated = add("ppmm_instance_proportional_memory_estimated");
    series.open_fds = add("ppmm_instance_open_fds");
    series.fd_utilization = add("ppmm_instance_fd_utilization_ratio");
  }
  return index;
}

ApplicationsSource::InstanceIndex ApplicationsSource::Other(absl::Time now, Recorder& recorder) {
  ApplicationsInputs::Identified other;
  other.instance.set_name(kOtherName);
  other.instance.set_name_source("executable");
  other.instance.set_name_evidence(
      "processes that ended before they were identified, or beyond the limit of instances or sockets");
  other.instance.set_plumbing(true);
  other.instance.set_short_lived(true);
  return InstanceFor(other, now, now, recorder);
}

void ApplicationsSource::SettleCode(absl::Time now, Recorder& recorder) {
  for (Instance& instance : instances_) {
    std::optional<InstanceCode::Release> release;
    if (instance.entity == 0 || !instance.code.Settle(now, &release)) {
      continue;
    }
    recorder.UpdateInstance(instance.entity, instance.code.record());
    if (!release.has_value()) {
      continue;
    }
    wire::ReleaseSeen seen;
    seen.set_entity(recorder.WireId(instance.entity));
    seen.set_version(release->version);
    seen.set_code_digest(release->code_digest);
    seen.set_previous_version(release->previous_version);
    seen.set_previous_code_digest(release->previous_code_digest);
    seen.set_at_us(absl::ToUnixMicros(now));
    recorder.AddRelease(seen);
    const std::string what = release->version.empty() ? absl::StrCat("build ", release->code_digest.substr(0, 12))
                                                      : absl::StrCat("version ", release->version);
    LogInfo("applications", "release of ", instance.name, ": ", what);
  }
}

void ApplicationsSource::TakeInstalled(absl::Time now, Recorder& recorder) {
  for (PackageEvent& event : inputs_.read_package_log(now)) {
    if (installed_.size() == kMaxInstalled) {
      LogWarning("applications", "more than ", kMaxInstalled, " packages were installed in ten minutes; ",
                 event.package, " and what follows are not told");
      break;
    }
    installed_.push_back({std::move(event), now + kInstalled, {}});
  }
  if (installed_.empty()) {
    return;
  }
  absl::flat_hash_map<absl::string_view, std::vector<const Instance*>> by_package;
  for (const Instance& instance : instances_) {
    if (instance.entity != 0 && !instance.short_lived && !instance.code.package().empty()) {
      by_package[instance.code.package()].push_back(&instance);
    }
  }
  for (Installed& installed : installed_) {
    const PackageEvent& event = installed.event;
    const auto found = by_package.find(event.package);
    if (found == by_package.end()) {
      continue;
    }
    for (const Instance* const instance : found->second) {
      if (std::find(installed.told.begin(), installed.told.end(), instance->key) != installed.told.end()) {
        continue;
      }
      wire::Deployment deployment;
      deployment.set_entity(recorder.WireId(instance->entity));
      deployment.set_package(event.package);
      deployment.set_version(event.version);
      deployment.set_previous_version(event.previous_version);
      deployment.set_at_us(absl::ToUnixMicros(event.at));
      if (recorder.AddDeployment(deployment)) {
        installed.told.push_back(instance->key);
        LogInfo("applications", "package ", event.package, " ", event.version, " of ", instance->name,
                " was installed");
      }  // else the batch has no room; the next one has
    }
  }
  installed_.erase(std::remove_if(installed_.begin(), installed_.end(),
                                  [now](const Installed& installed) { return installed.until < now; }),
                   installed_.end());
}

// ---- sockets
// ---------------------------------------------------------------------------------------------------------

ApplicationsSource::Instance* ApplicationsSource::InstanceOf(std::int32_t pid) {
  const auto process = processes_.find(pid);
  return process == processes_.end() || process->second.instance == kPending ? nullptr
                                                                             : &instances_[process->second.instance];
}

void ApplicationsSource::TakeListeners(absl::Time now, Recorder& recorder) {
  socket_status_ = absl::OkStatus();
  if (step_ == 1 || absl::ToUnixSeconds(now) % 30 == 0 || (owner_ended_ && absl::ToUnixSeconds(now) % 5 == 0)) {
    owner_ended_ = false;
    socket_status_ = inputs_.seed_sockets();
  }
  if (socket_status_.ok()) {
    socket_status_ = inputs_.poll_listeners(&listeners_);
  }
  recorder.SetSource("sockets",
                     socket_status_.ok()                ? wire::SourceState::OK
                     : absl::IsNotFound(socket_status_) ? wire::SourceState::ABSENT
                                                        : wire::SourceState::FAILED,
                     socket_status_.message());
  recorder.SetSource("response_times", inputs_.takes_response_times ? wire::SourceState::OK : wire::SourceState::FAILED,
                     inputs_.response_times_limits);
  if (!socket_status_.ok()) {
    return;
  }
  std::vector<wire::Listener> records;
  for (const ListenerSample& listener : listeners_) {
    const auto process = processes_.find(listener.owner_pid);
    if (process != processes_.end() && process->second.instance == kPending) {
      IdentifyProcess(process->second, now, recorder);
    }
    Instance* instance = listener.id == 0 ? &instances_[Other(now, recorder)] : InstanceOf(listener.owner_pid);
    ListenerTotals& totals = listener_totals_[listener.id];
    totals.seen = true;
    totals.times.Merge(listener.times);
    totals.aged_ns += listener.aged_ns;
    // Others may hold it still, as the new server that the old one handed its work to.
    owner_ended_ |= instance == nullptr && listener.listening && totals.owned;
    totals.owned = instance != nullptr;
    if (instance != nullptr) {
      instance->has_sockets = true;
      instance->turns.Add(listener.turns.Since(totals.turns), listener.tells_errors, std::exchange(totals.times, {}),
                          std::exchange(totals.aged_ns, 0), listener.in_flight_known);
      totals.turns = listener.turns;
      instance->accepted += Rise(listener.accepted_total, totals.accepted);
      instance->received += Rise(listener.bytes_in_total, totals.received);
      instance->sent += Rise(listener.bytes_out_total, totals.sent);
      totals.accepted = listener.accepted_total;
      totals.received = listener.bytes_in_total;
      totals.sent = listener.bytes_out_total;
      instance->established += listener.open_connections;
      if (listener.listening) {
        instance->has_listener = true;
        instance->code.NoteListening(process->second.part);
        instance->queue += listener.backlog;
        instance->queue_limit += listener.max_backlog;
        wire::Listener record;
        record.set_entity(instance->entity);
        const bool tcp = listener.protocol == SocketProtocol::kTcp;
        record.set_address(EscapeForDisplay(tcp ? FormatAddress(listener.address) : listener.unix_path));
        record.set_port(listener.port);
        record.set_protocol(tcp ? "tcp" : "unix");
        records.push_back(std::move(record));
      }
    }
  }
  for (auto it = listener_totals_.begin(); it != listener_totals_.end();) {
    if (std::exchange(it->second.seen, false)) {
      ++it;
    } else {
      listener_totals_.erase(it++);
    }
  }
  std::sort(records.begin(), records.end(), [](const wire::Listener& a, const wire::Listener& b) {
    return a.port() != b.port() ? a.port() < b.port() : a.address() < b.address();
  });
  recorder.SetListeners(std::move(records));
}

void ApplicationsSource::TakePeers(Recorder& recorder) {
  if (!socket_status_.ok() || !inputs_.read_peers(&peers_).ok()) {
    return;
  }
  // Many processes of one application are one caller; so are all that ended before they were identified.
  std::map<std::tuple<PeerDirection, std::uint32_t, std::string, std::uint16_t>, wire::Peer> records;
  for (const PeerSample& peer : peers_) {
    std::string address = FormatAddress(peer.remote_address);
    PeerTotals& totals = peer_totals_[absl::StrCat(static_cast<int>(peer.direction), " ", peer.owner_pid, " ",
                                                   peer.net_ns, " ", address, " ", peer.port)];
    totals.seen = true;
    const auto process = processes_.find(peer.owner_pid);
    if (process != processes_.end() && process->second.instance == kPending) {
      continue;  // told once it is known whose they are: the collector asks whether an application called itself
    }
    const bool began_anew = peer.connections_total < totals.connections;
    const std::uint64_t connections = began_anew ? peer.connections_total : peer.connections_total - totals.connections;
    const std::uint64_t received = Rise(peer.bytes_in_total, began_anew ? 0 : totals.received);
    const std::uint64_t sent = Rise(peer.bytes_out_total, began_anew ? 0 : totals.sent);
    totals.connections = peer.connections_total;
    totals.received = peer.bytes_in_total;
    totals.sent = peer.bytes_out_total;
    Instance* instance = InstanceOf(peer.owner_pid);
    if (instance != nullptr && peer.direction == PeerDirection::kOutbound) {
      instance->has_sockets = true;
      instance->opened += connections;
      instance->received += received;
      instance->sent += sent;
    }
    if (connections == 0 && received + sent == 0) {
      continue;
    }
    const std::uint32_t entity = instance == nullptr ? 0 : recorder.WireId(instance->entity);
    wire::Peer& record = records[{peer.direction, entity, address, peer.port}];
    record.set_address(std::move(address));
    record.set_port(peer.port);
    record.set_direction(peer.direction == PeerDirection::kInbound ? wire::Peer::INBOUND : wire::Peer::OUTBOUND);
    record.set_entity(entity);
    record.set_connections(
        static_cast<std::uint32_t>(std::min<std::uint64_t>(record.connections() + connections, UINT32_MAX)));
    record.set_bytes(record.bytes() + received + sent);
  }
  for (const auto& [key, record] : records) {
    recorder.AddPeer(record);
  }
  for (auto it = peer_totals_.begin(); it != peer_totals_.end();) {
    if (std::exchange(it->second.seen, false)) {
      ++it;
    } else {
      peer_totals_.erase(it++);
    }
  }
}

void ApplicationsSource::TakeCalls(absl::Time now, Recorder& recorder) {
  // Returns whether it is known whose they are. `is_old`: a scan has seen the process, or it is gone.
  const auto add = [&](const CallSample& calls, bool is_old) {
    const auto process = processes_.find(calls.owner_pid);
    if (process == processes_.end() ? !is_old : process->second.instance == kPending) {
      return false;
    }
    instances_[process == processes_.end() ? Other(now, recorder) : process->second.instance].calls.Add(calls);
    return true;
  };
  std::erase_if(waiting_calls_, [&](const CallSample& calls) { return add(calls, true); });
  if (inputs_.take_calls == nullptr || !inputs_.take_calls(&calls_).ok()) {
    return;
  }
  for (CallSample& calls : calls_) {
    if (add(calls, false)) {
      continue;
    }
    const auto same = std::find_if(waiting_calls_.begin(), waiting_calls_.end(), [&](const CallSample& waiting) {
      return waiting.owner_pid == calls.owner_pid && waiting.port == calls.port &&
             waiting.remote_address == calls.remote_address;
    });
    if (same == waiting_calls_.end()) {
      waiting_calls_.push_back(std::move(calls));
    } else {
      same->Add(calls);
    }
  }
}

void ApplicationsSource::TakeLosses(Recorder& recorder) {
  if (inputs_.socket_losses == nullptr) {
    return;
  }
  const auto losses = inputs_.socket_losses();
  for (std::size_t i = 0; i < losses.size(); ++i) {
    if (i == losses_.size()) {
      losses_.emplace_back(recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_agent_sockets_lost_total"),
                                              {std::string(losses[i].first)}),
                           0);
    }
    recorder.Increment(losses_[i].first, Rise(losses[i].second, losses_[i].second));
    losses_[i].second = losses[i].second;
  }
}

// ---- dear readings
// ---------------------------------------------------------------------------------------------------

void ApplicationsSource::ReadDearOnes(absl::Time now) {
  proportional_credit_ = std::min(proportional_credit_ + kProportionalBudget, kProportionalTooDear);
  // Each process once in the ten seconds after which open files are recorded.
  for (std::size_t files = std::min(kMaxOpenFilesPerStep, (scan_.size() + 9) / 10); files > 0; --files) {
    rotation_ = (rotation_ + 1) % scan_.size();
    const auto found = processes_.find(scan_[rotation_].pid);
    if (found == processes_.end() || found->second.instance == kPending) {
      continue;
    }
    Process& process = found->second;
    if (const absl::StatusOr<std::uint64_t> open = CountOpenFiles(inputs_.proc, process.last.pid); open.ok()) {
      process.open_files = *open;
    }
    if (process.open_files_limit == 0) {
      process.open_files_limit = ReadOpenFilesLimit(inputs_.proc, process.last.pid).value_or(0);
    }
    ReadProportional(now, process);
  }
}

void ApplicationsSource::ReadProportional(absl::Time now, Process& process) {
  const absl::Duration age = now - process.proportional_at;
  const std::uint64_t resident = process.last.resident_bytes();
  const bool due = age >= (resident == process.proportional_resident ? kProportionalUnchanged : absl::Minutes(1));
  if (!due || proportional_credit_ <= absl::ZeroDuration() || process.proportional_cost >= kProportionalTooDear) {
    return;
  }
  const absl::Duration before = inputs_.cpu_time();
  const absl::StatusOr<std::uint64_t> bytes = ReadProportionalMemory(inputs_.proc, process.last.pid);
  process.proportional_cost = inputs_.cpu_time() - before;
  proportional_credit_ -= process.proportional_cost;
  if (bytes.ok()) {
    process.proportional_bytes = *bytes;
    process.proportional_resident = resident;
    process.proportional_at = now;
  }
}

// ---- what is recorded
// ------------------------------------------------------------------------------------------------

void ApplicationsSource::SumUp(absl::Time now) {
  for (Instance& instance : instances_) {
    instance.processes = instance.threads = instance.anonymous = instance.file = instance.shared = 0;
  }
  for (const auto& [pid, process] : processes_) {
    if (process.instance == kPending) {
      continue;
    }
    Instance& instance = instances_[process.instance];
    instance.last_alive = now;
    instance.code.NoteAlive(process.part, now);
    ++instance.processes;
    instance.threads += process.last.threads;
    instance.anonymous += process.last.rss_anon_bytes;
    instance.file += process.last.rss_file_bytes;
    instance.shared += process.last.rss_shmem_bytes;
  }
}

void ApplicationsSource::RecordCgroup(Instance& instance, Recorder& recorder) {
  const CgroupStats stats = instance.cgroup.Read();
  const auto series = [&](SeriesHandle& handle, absl::string_view metric) {
    if (handle == 0) {
      handle = recorder.AddSeries(instance.entity, MetricNamed(metric));
    }
    return handle;
  };
  if (stats.throttled_us.has_value()) {
    recorder.Counter(series(instance.series.throttled_seconds, "ppmm_instance_cpu_throttled_seconds_total"),
                     *stats.throttled_us);
  }
  if (stats.throttled_periods.has_value()) {
    recorder.Counter(series(instance.series.throttled_periods, "ppmm_instance_cpu_throttled_periods_total"),
                     *stats.throttled_periods);
  }
  if (stats.memory_bytes.has_value()) {
    recorder.Gauge(series(instance.series.cgroup_memory, "ppmm_instance_cgroup_memory_bytes"),
                   Signed(*stats.memory_bytes));
  }
  if (stats.memory_limit_bytes.has_value()) {
    recorder.Gauge(series(instance.series.cgroup_limit, "ppmm_instance_cgroup_memory_limit_bytes"),
                   Signed(*stats.memory_limit_bytes));
  }
  if (stats.io_read_bytes.has_value()) {
    recorder.Counter(series(instance.series.cgroup_read_bytes, "ppmm_instance_cgroup_io_read_bytes_total"),
                     *stats.io_read_bytes);
  }
  if (stats.io_written_bytes.has_value()) {
    recorder.Counter(series(instance.series.cgroup_written_bytes, "ppmm_instance_cgroup_io_written_bytes_total"),
                     *stats.io_written_bytes);
  }
  if (stats.io_reads.has_value()) {
    recorder.Counter(series(instance.series.cgroup_reads, "ppmm_instance_cgroup_io_reads_total"), *stats.io_reads);
  }
  if (stats.io_writes.has_value()) {
    recorder.Counter(series(instance.series.cgroup_writes, "ppmm_instance_cgroup_io_writes_total"), *stats.io_writes);
  }
}

void ApplicationsSource::RecordUsage(Instance& instance, Recorder& recorder) {
  const Usage usage = std::exchange(instance.usage, Usage{});
  const Series& series = instance.series;
  recorder.Increment(series.cpu, usage.cpu_us);
  recorder.Increment(series.run_delay, usage.run_delay_us);
  recorder.Increment(series.minor_faults, usage.minor_faults);
  recorder.Increment(series.major_faults, usage.major_faults);
  recorder.Increment(series.read_bytes, usage.read_bytes);
  recorder.Increment(series.written_bytes, usage.written_bytes);
  recorder.Gauge(series.processes, Signed(instance.processes));
  recorder.Gauge(series.threads, Signed(instance.threads));
  recorder.Gauge(series.resident, Signed(instance.anonymous + instance.file + instance.shared));
  recorder.Gauge(series.anonymous, Signed(instance.anonymous));
  recorder.Gauge(series.file, Signed(instance.file));
  recorder.Gauge(series.shared, Signed(instance.shared));
}

void ApplicationsSource::Record(absl::Time now, Recorder& recorder) {
  struct Dear {
    std::uint64_t open_files = 0;
    double fd_utilization = 0;
    std::uint64_t proportional = 0;
    bool estimated = false;
  };
  std::vector<Dear> dear;
  const bool slow = SlowStep(now);
  const bool minute = absl::ToUnixSeconds(now) % 60 == 0;
  if (slow) {
    dear.resize(instances_.size());
    for (const auto& [pid, process] : processes_) {
      if (process.instance == kPending) {
        continue;
      }
      Dear& sums = dear[process.instance];
      sums.open_files += process.open_files;
      if (process.open_files_limit > 0) {
        sums.fd_utilization = std::max(sums.fd_utilization, static_cast<double>(process.open_files) /
                                                                static_cast<double>(process.open_files_limit));
      }
      sums.proportional += process.proportional_bytes;
      sums.estimated |= now - process.proportional_at > kProportionalStale;
    }
  }
  for (InstanceIndex index = 0; index < instances_.size(); ++index) {
    Instance& instance = instances_[index];
    if (instance.entity == 0) {
      continue;
    }
    Series& series = instance.series;
    if (scanned_) {
      RecordUsage(instance, recorder);
    }
    if (instance.has_sockets) {
      if (series.accepted == 0) {
        const auto add = [&](absl::string_view metric) {
          return recorder.AddSeries(instance.entity, MetricNamed(metric));
        };
        series.accepted = add("ppmm_instance_connections_accepted_total");
        series.opened = add("ppmm_instance_connections_opened_total");
        series.established = add("ppmm_instance_connections_established");
        series.received = add("ppmm_instance_network_receive_bytes_total");
        series.sent = add("ppmm_instance_network_transmit_bytes_total");
        series.queue = add("ppmm_instance_accept_queue_length");
        series.queue_limit = add("ppmm_instance_accept_queue_limit");
      }
      if (socket_status_.ok()) {
        recorder.Increment(series.accepted, instance.accepted);
        recorder.Increment(series.opened, instance.opened);
        recorder.Increment(series.received, instance.received);
        recorder.Increment(series.sent, instance.sent);
        recorder.Gauge(series.established, instance.established);
        recorder.Gauge(series.queue, Signed(instance.queue));
        if (slow) {
          recorder.Gauge(series.queue_limit, Signed(instance.queue_limit));
        }
        instance.turns.Record(instance.entity, recorder);
        if (minute) {
          instance.turns.RecordLaw(instance.entity, recorder);
        }
      }
    }
    instance.calls.Record(instance.entity, recorder);
    if (slow && series.open_fds != 0 && instance.processes > 0) {
      recorder.Gauge(series.open_fds, Signed(dear[index].open_files));
      recorder.Gauge(series.fd_utilization, static_cast<std::int64_t>(dear[index].fd_utilization * 10000));
      RecordCgroup(instance, recorder);
    }
    if (minute && series.proportional != 0 && instance.processes > 0) {
      const std::uint64_t estimate = instance.anonymous + (instance.file + instance.shared) / instance.processes;
      recorder.Gauge(series.proportional, Signed(dear[index].estimated ? estimate : dear[index].proportional));
      recorder.Gauge(series.estimated, dear[index].estimated ? 1 : 0);
    }
  }
  if (minute && inputs_.takes_response_times) {
    std::string doubts;
    for (const Instance& instance : instances_) {
      if (instance.turns.IsInDoubt() && doubts.size() < kLongestDoubts) {
        absl::StrAppend(&doubts, doubts.empty() ? "" : ", ", instance.name, " ",
                        absl::StrFormat("%+.0f %%", 100 * instance.turns.Deviation()));
      }
    }
    recorder.SetSource("littles_law", doubts.empty() ? wire::SourceState::OK : wire::SourceState::FAILED,
                       doubts.empty() ? "" : absl::StrCat("requests in flight against their times: ", doubts));
  }
}

void ApplicationsSource::EndSilentInstances(absl::Time now, Recorder& recorder) {
  for (InstanceIndex index = 0; index < instances_.size(); ++index) {
    Instance& instance = instances_[index];
    if (instance.entity == 0 || instance.short_lived || now - instance.last_alive < kGone) {
      continue;
    }
    recorder.EndInstance(instance.entity, instance.last_alive);
    instance_by_key_.erase(instance.key);
    instance = Instance{};
    free_instances_.push_back(index);
  }
}

}  // namespace ppmm
