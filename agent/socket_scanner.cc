#include "agent/socket_scanner.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "agent/bpf/sockets.h"
#include "agent/bpf_support.h"
#include "common/log.h"
#include "common/sketch_table.h"
#include "common/status.h"
#include "sockets.skel.h"

namespace ppmm {
namespace {

constexpr std::uint64_t kPeerIdleNs = 600'000'000'000;
constexpr std::uint32_t kPeersPerCall = 512;
constexpr std::size_t kSlotArrayBytes = sizeof(ppmm_slot) * PPMM_SLOTS;
constexpr std::size_t kCalleeArrayBytes = sizeof(ppmm_callee) * PPMM_CALLEES;
// A callee without connections is kept for so many polls, for the next one.
constexpr std::uint32_t kIdlePolls = 10;
// Index in Prometheus' numbers of a histogram's first bucket.
constexpr std::int32_t kFirstBucketIndex = PPMM_FIRST_BUCKET - PPMM_SKETCH_LOCAL_OFFSET;

// The kernel side adds to these while we read.
template <class T>
T Load(const T& shared) {
  return __atomic_load_n(&shared, __ATOMIC_RELAXED);
}

// A slot begins where a cache line does.
static_assert(sizeof(ppmm_slot) % 64 == 0 && offsetof(ppmm_slot, accepted) == 64);

// Takes what the kernel side counted in histograms that lie side by side, of one kind each. Each count is taken once,
// by an exchange; one that comes meanwhile stays.
template <std::size_t kKinds>
void Take(std::uint32_t* buckets, __u64* sums_ns, const std::array<Sketch*, kKinds>& kinds) {
  std::uint64_t several = 0;  // looked at together, since most are 0
  constexpr std::size_t kAtOnce = sizeof(several) / sizeof(*buckets);
  for (std::size_t first = 0; first < PPMM_BUCKETS * kKinds; first += kAtOnce) {
    std::memcpy(&several, buckets + first, sizeof(several));
    if (several == 0) {
      continue;
    }
    for (std::size_t i = first; i < first + kAtOnce; ++i) {
      if (const std::uint32_t count = __atomic_exchange_n(buckets + i, 0, __ATOMIC_ACQUIRE); count != 0) {
        kinds[i % kKinds]->AddBucket(kFirstBucketIndex + static_cast<std::int32_t>(i / kKinds), count);
      }
    }
  }
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    kinds[kind]->AddSum(__atomic_exchange_n(sums_ns + kind, 0, __ATOMIC_RELAXED));
  }
}

// The first `count` elements of an array of histograms, mapped while they are emptied: mapped for good, all 5.8 MiB
// would be resident memory of the agent, since the kernel fills in each page of such a mapping when it is made.
template <class Histogram>
class MappedHistograms {
 public:
  MappedHistograms(int map, std::uint32_t count)
      : count_(count),
        bytes_(count * sizeof(Histogram)),
        address_(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0)) {}
  ~MappedHistograms() {
    if (ok()) {
      munmap(address_, bytes_);
    }
  }
  MappedHistograms(const MappedHistograms&) = delete;
  MappedHistograms& operator=(const MappedHistograms&) = delete;

  bool ok() const { return address_ != MAP_FAILED; }
  std::uint32_t count() const { return count_; }
  Histogram& operator[](std::uint32_t number) const { return static_cast<Histogram*>(address_)[number]; }

 private:
  std::uint32_t count_;
  std::size_t bytes_;
  void* address_;
};

// bpf_ktime_get_boot_ns() of the kernel side.
std::uint64_t BootNs() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t MonotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

absl::Status Attach(const bpf_program* program, bpf_link** link, absl::string_view what,
                    const bpf_iter_attach_opts* options) {
  *link = options == nullptr ? bpf_program__attach(program) : bpf_program__attach_iter(program, options);
  return *link == nullptr ? BpfStatus(errno, what) : absl::OkStatus();
}

// Of the 16 bytes that both sides of the map agree on.
template <class Field>
IpAddress ToAddress(const Field& field) {
  std::array<std::uint8_t, 16> bytes;
  static_assert(sizeof(field) == sizeof(bytes));
  std::memcpy(bytes.data(), &field, sizeof(bytes));
  return SocketAddress(bytes);
}

void ToSample(const ppmm_slot& slot, std::uint64_t poll_number, ListenerSample* sample) {
  sample->id = slot.cookie;
  sample->owner_pid = static_cast<std::int32_t>(slot.owner_tgid);
  sample->net_ns = slot.net_ns;
  sample->protocol = slot.family == AF_UNIX ? SocketProtocol::kUnix : SocketProtocol::kTcp;
  sample->address = ToAddress(slot.address);
  sample->port = slot.port;
  // A name in the file system ends at its first zero byte, an abstract one has its length.
  const std::size_t length = std::min<std::size_t>(slot.path_length, sizeof(slot.path));
  sample->unix_path.assign(slot.path, length > 0 && slot.path[0] != 0 ? strnlen(slot.path, length) : length);
  sample->listening = Load(slot.polled) == poll_number;
  sample->backlog = sample->listening ? slot.backlog : 0;
  sample->max_backlog = slot.max_backlog;
  sample->open_connections = std::max<std::int64_t>(0, Load(slot.open));
  sample->accepted_total = Load(slot.accepted);
  sample->bytes_in_total = Load(slot.bytes_in);
  sample->bytes_out_total = Load(slot.bytes_out);
  sample->retransmitted_segments_total = Load(slot.retransmits);
  sample->turns = {.begun = Load(slot.requests),
                   .answered = Load(slot.responses),
                   .unanswered = Load(slot.unanswered),
                   .set_aside = Load(slot.set_aside),
                   .errors = Load(slot.errors),
                   .pipelined = Load(slot.pipelined),
                   .streams = Load(slot.streams),
                   .in_flight_ns = Load(slot.in_flight_ns),
                   .owed_ns = Load(slot.owed_ns),
                   .hidden_ns = Load(slot.hidden_ns),
                   .kept_ns = Load(slot.kept_ns)};
  const std::uint32_t protocol = Load(slot.protocol);
  sample->tells_errors = ppmm_protocol_tells_errors(protocol) != 0;
  sample->estimated = false;
}

PeerSample ToSample(const ppmm_peer_key& key, const ppmm_peer& peer, std::uint64_t count_number) {
  PeerSample sample;
  sample.direction = key.direction == PPMM_OUTBOUND ? PeerDirection::kOutbound : PeerDirection::kInbound;
  sample.owner_pid = static_cast<std::int32_t>(key.owner_tgid);
  sample.net_ns = key.net_ns;
  sample.remote_address = ToAddress(key.address);
  sample.port = key.port;
  sample.open_connections = peer.counted == count_number ? peer.open : 0;
  sample.connections_total = peer.connections;
  sample.failed_total = peer.failed;
  sample.bytes_in_total = peer.bytes_in;
  sample.bytes_out_total = peer.bytes_out;
  sample.rtt_us = peer.srtt_us;
  return sample;
}

}  // namespace

struct SocketScanner::Impl {
  ~Impl() {
    if (slots != nullptr) {
      munmap(slots, kSlotArrayBytes);
    }
    if (callees != nullptr) {
      munmap(callees, kCalleeArrayBytes);
    }
    for (bpf_link* link : capture_links) {
      bpf_link__destroy(link);
    }
    sockets_bpf::destroy(skeleton);
  }

  // Runs one of the iterators; they write nothing.
  absl::Status Run(const bpf_link* link) {
    return RunIterator(link, 1, &buffer, [](const char*) {});
  }

  // Forgets a listener that is gone and lets its slot be taken again.
  absl::Status Free(std::uint32_t number) {
    ppmm_slot& slot = slots[number];
    ppmm_listen_key key = {};
    std::memcpy(key.address, slot.address, sizeof(key.address));
    key.net_ns = slot.net_ns;
    key.port = slot.port;
    const int listen_slots = bpf_map__fd(skeleton->maps.listen_slots);
    std::uint32_t holder = 0;
    if (bpf_map_lookup_elem(listen_slots, &key, &holder) == 0 && holder == number) {
      bpf_map_delete_elem(listen_slots, &key);
    }
    const int unix_slots = bpf_map__fd(skeleton->maps.unix_slots);
    if (slot.unix_name != 0 && bpf_map_lookup_elem(unix_slots, &slot.unix_name, &holder) == 0 && holder == number) {
      bpf_map_delete_elem(unix_slots, &slot.unix_name);
    }
    const std::uint32_t group = slot.group;
    std::memset(&slot, 0, sizeof(slot));
    observed_before[number] = 0;
    ages[number] = {};
    uncompared[number] = {};
    if (group != 0 && bpf_map_update_elem(bpf_map__fd(skeleton->maps.free_groups), nullptr, &group, BPF_ANY) != 0) {
      return BpfStatus(errno, "BPF sockets: give a group of histograms back");
    }
    if (bpf_map_update_elem(bpf_map__fd(skeleton->maps.free_slots), nullptr, &number, BPF_ANY) != 0) {
      return BpfStatus(errno, "BPF sockets: give a slot back");
    }
    return absl::OkStatus();
  }

  // Empties the histograms of a listener into `times`; `mapped` is made when it is first needed.
  absl::Status TakeTimes(std::uint32_t number, std::optional<MappedHistograms<ppmm_histograms>>* mapped,
                         ResponseTimes* times) {
    const std::array<Sketch*, PPMM_TURN_KINDS> kinds = {&times->total, &times->wait, &times->service, &times->full};
    for (Sketch* kind : kinds) {
      kind->Clear();
    }
    const std::uint64_t observed = Load(slots[number].observed);
    const std::uint32_t group = Load(slots[number].group);
    if (group == 0 || group >= PPMM_GROUPS || observed == observed_before[number]) {  // group 0 belongs to none of them
      return absl::OkStatus();
    }
    groups_used = std::max(groups_used, group + 1);
    if (!mapped->has_value() || group >= (*mapped)->count()) {
      mapped->emplace(bpf_map__fd(skeleton->maps.histograms), groups_used);
    }
    if (!(*mapped)->ok()) {
      return BpfStatus(errno, "BPF sockets: map the histograms");
    }
    ppmm_histograms& shared = (**mapped)[group];
    Take(&shared.buckets[0][0], shared.sum_ns, kinds);
    observed_before[number] = observed;
    return absl::OkStatus();
  }

  // What found no free slot counts in slot 0, and what found no free histograms in group 0: one sample, of nobody.
  // Returns whether there ever was any. `observed`: all that went into group 0.
  absl::StatusOr<bool> TakeCommon(std::uint64_t observed, std::optional<MappedHistograms<ppmm_histograms>>* mapped,
                                  ListenerSample* sample) {
    const ppmm_slot& slot = slots[0];
    observed += Load(slot.observed);
    if (observed == 0 && Load(slot.accepted) == 0) {
      return false;
    }
    ToSample(slot, 0, sample);
    sample->listening = false;
    sample->aged_ns = 0;
    sample->in_flight_known = false;
    const std::array<Sketch*, PPMM_TURN_KINDS> kinds = {&sample->times.total, &sample->times.wait,
                                                        &sample->times.service, &sample->times.full};
    for (Sketch* kind : kinds) {
      kind->Clear();
    }
    if (observed == common_observed) {
      return true;
    }
    if (!mapped->has_value()) {
      mapped->emplace(bpf_map__fd(skeleton->maps.histograms), groups_used);
    }
    if (!(*mapped)->ok()) {
      return BpfStatus(errno, "BPF sockets: map the histograms");
    }
    Take(&(**mapped)[0].buckets[0][0], (**mapped)[0].sum_ns, kinds);
    common_observed = observed;
    return true;
  }

  // How much older the requests of a listener are than at the last poll; `ended`: what was taken since.
  std::int64_t Aged(std::uint32_t number, std::uint64_t poll_number, const Sketch& ended) {
    const ppmm_slot& slot = slots[number];
    const std::uint64_t open = Load(slot.aged) == poll_number ? Load(slot.open_ns) : 0;
    const std::uint64_t untimed = Load(slot.untimed_ns);
    Ages& before = ages[number];
    const auto aged = static_cast<std::int64_t>(ended.sum_ns()) + static_cast<std::int64_t>(untimed - before.untimed) +
                      static_cast<std::int64_t>(open - before.open);
    before = {.open = open, .untimed = untimed};
    return aged;
  }

  // Times in the common histogram, and requests that are counted when they are answered, say nothing of what is in
  // flight; nor does a timer that never looked.
  void LeaveOutWhatCannotBeCompared(std::uint32_t number, bool looked, ListenerSample* sample) {
    Uncompared& slot = uncompared[number];
    sample->in_flight_known = looked && sample->protocol == SocketProtocol::kTcp &&
                              (sample->turns.answered == 0 || Load(slots[number].group) != 0);
    for (std::size_t i = 0; i < kSeen.size(); ++i) {
      std::uint64_t& total = sample->turns.*kSeen[i];
      if (!sample->in_flight_known) {
        slot.left_out[i] += total - slot.last[i];
      }
      slot.last[i] = total;
      total -= slot.left_out[i];
    }
    if (!sample->in_flight_known) {
      sample->aged_ns = 0;
    }
  }

  // Lets a callee be taken again if no connection counts there.
  bool Release(ppmm_callee& callee) {
    __s64 none = 0;
    return __atomic_compare_exchange_n(&callee.connections, &none, PPMM_CALLEE_FREE, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
  }

  // Empties a callee into `sample`; whether there was something.
  bool TakeCallee(std::uint32_t number, std::optional<MappedHistograms<ppmm_histogram>>* mapped, std::uint32_t used,
                  CallSample* sample) {
    ppmm_callee& callee = callees[number];
    const auto take = [](auto& count) { return __atomic_exchange_n(&count, 0, __ATOMIC_ACQUIRE); };
    const std::uint64_t answered = take(callee.answered);
    sample->unanswered = take(callee.unanswered);
    sample->pipelined = take(callee.pipelined);
    sample->streams = take(callee.streams);
    if (answered + sample->unanswered + sample->pipelined + sample->streams == 0) {
      return false;
    }
    sample->owner_pid = static_cast<std::int32_t>(callee.key.owner_tgid);
    sample->net_ns = callee.key.net_ns;
    sample->remote_address = ToAddress(callee.key.address);
    sample->port = callee.key.port;
    sample->times.Clear();
    if (answered > 0) {
      if (!mapped->has_value()) {
        mapped->emplace(bpf_map__fd(skeleton->maps.call_times), used);
      }
      if ((*mapped)->ok()) {
        ppmm_histogram& shared = (**mapped)[number];
        Take<1>(shared.buckets, &shared.sum_ns, {&sample->times});
      }
    }
    return true;
  }

  struct Ages {
    std::uint64_t open = 0;
    std::uint64_t untimed = 0;
  };
  static constexpr std::array<std::uint64_t TurnTotals::*, 4> kSeen = {&TurnTotals::in_flight_ns, &TurnTotals::owed_ns,
                                                                       &TurnTotals::hidden_ns, &TurnTotals::kept_ns};
  // Of these totals of a slot.
  struct Uncompared {
    std::array<std::uint64_t, kSeen.size()> last = {};
    std::array<std::uint64_t, kSeen.size()> left_out = {};
  };

  sockets_bpf* skeleton = nullptr;
  ppmm_slot* slots = nullptr;
  ppmm_callee* callees = nullptr;
  std::array<std::uint32_t, PPMM_CALLEES> idle_polls = {};
  std::array<Ages, PPMM_SLOTS> ages = {};
  std::array<Uncompared, PPMM_SLOTS> uncompared = {};
  std::uint64_t polled_ns = 0;
  std::array<std::uint64_t, PPMM_SLOTS> observed_before = {};
  std::uint64_t common_observed = 0;
  std::uint32_t groups_used = 1;  // the highest ever, and one
  CaptureHooks hooks;
  std::vector<bpf_link*> capture_links;
  std::uint64_t count_number = 0;
  std::vector<char> buffer;
  std::vector<ppmm_peer_key> keys;
  std::vector<ppmm_peer> values;
  std::vector<ppmm_peer_key> idle;
};

SocketScanner::SocketScanner(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SocketScanner::~SocketScanner() = default;

absl::StatusOr<std::unique_ptr<SocketScanner>> SocketScanner::Create() {
  RETURN_IF_ERROR(PrepareForBpf());
  absl::StatusOr<std::unique_ptr<SocketScanner>> created = Create(HookChoice::kAll);
  for (const HookChoice choice : {HookChoice::kTracepointsOnly, HookChoice::kNone}) {
    if (created.ok()) {
      break;
    }
    // Some kernels refuse programs on functions, though their type information has these.
    LogInfo("bpf", created.status().message(), "; trying with fewer hooks");
    created = Create(choice);
  }
  return created;
}

absl::StatusOr<std::unique_ptr<SocketScanner>> SocketScanner::Create(HookChoice choice) {
  auto impl = std::make_unique<Impl>();
  impl->skeleton = sockets_bpf::open();
  if (impl->skeleton == nullptr) {
    return BpfStatus(errno, "BPF sockets: open");
  }
  {
    btf* kernel = btf__load_vmlinux_btf();
    if (kernel == nullptr) {
      return BpfStatus(errno, "BPF sockets: read the kernel's type information");
    }
    const absl::Status chosen = ChooseCaptureHooks(kernel, choice, impl->skeleton->obj, &impl->hooks);
    btf__free(kernel);
    RETURN_IF_ERROR(chosen);
  }
  if (const int error = sockets_bpf::load(impl->skeleton); error != 0) {
    return BpfStatus(-error, "BPF sockets: load");
  }
  ReleaseLoaderMemory();
  void* slots =
      mmap(nullptr, kSlotArrayBytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(impl->skeleton->maps.slots), 0);
  if (slots == MAP_FAILED) {
    return BpfStatus(errno, "BPF sockets: map the slots");
  }
  impl->slots = static_cast<ppmm_slot*>(slots);
  for (std::uint32_t number = PPMM_SLOTS - 1; number > 0; --number) {
    if (bpf_map_update_elem(bpf_map__fd(impl->skeleton->maps.free_slots), nullptr, &number, BPF_ANY) != 0) {
      return BpfStatus(errno, "BPF sockets: fill the stack of slots");
    }
  }
  for (std::uint32_t number = PPMM_GROUPS - 1; number > 0; --number) {
    if (bpf_map_update_elem(bpf_map__fd(impl->skeleton->maps.free_groups), nullptr, &number, BPF_ANY) != 0) {
      return BpfStatus(errno, "BPF sockets: fill the stack of groups");
    }
  }

  void* callees = mmap(nullptr, kCalleeArrayBytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                       bpf_map__fd(impl->skeleton->maps.callees), 0);
  if (callees == MAP_FAILED) {
    return BpfStatus(errno, "BPF sockets: map the callees");
  }
  impl->callees = static_cast<ppmm_callee*>(callees);
  for (std::uint32_t number = PPMM_CALLEES - 1; number > 0; --number) {
    impl->callees[number].connections = PPMM_CALLEE_FREE;
    if (bpf_map_update_elem(bpf_map__fd(impl->skeleton->maps.free_callees), nullptr, &number, BPF_ANY) != 0) {
      return BpfStatus(errno, "BPF sockets: fill the stack of callees");
    }
  }

  auto& links = impl->skeleton->links;
  const auto& programs = impl->skeleton->progs;
  bpf_iter_link_info info = {};
  info.map.map_fd = static_cast<std::uint32_t>(bpf_map__fd(impl->skeleton->maps.notes));
  bpf_iter_attach_opts options = {};
  options.sz = sizeof(options);
  const bpf_iter_attach_opts all_tasks = options;
  options.link_info = &info;
  options.link_info_len = sizeof(info);
  RETURN_IF_ERROR(Attach(programs.on_state, &links.on_state, "BPF sockets: attach to inet_sock_set_state", nullptr));
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, impl->skeleton->obj) {
    if (const char* section = bpf_program__section_name(program);
        bpf_program__autoload(program) && !absl::StartsWith(section, "iter/") && program != programs.on_state) {
      bpf_link*& link = impl->capture_links.emplace_back(nullptr);
      RETURN_IF_ERROR(Attach(program, &link, absl::StrCat("BPF sockets: attach to ", section), nullptr));
    }
  }
  RETURN_IF_ERROR(Attach(programs.seed, &links.seed, "BPF sockets: attach to the files of all tasks", &all_tasks));
  RETURN_IF_ERROR(Attach(programs.poll, &links.poll, "BPF sockets: attach to the socket storage", &options));
  return std::unique_ptr<SocketScanner>(new SocketScanner(std::move(impl)));
}

absl::Status SocketScanner::Seed() {
  ++impl_->skeleton->bss->seed_number;
  RETURN_IF_ERROR(impl_->Run(impl_->skeleton->links.seed));
  // Now that all listeners are known, this decides which of the older connections came in through one.
  return impl_->Run(impl_->skeleton->links.poll);
}

absl::Status SocketScanner::Poll(std::vector<ListenerSample>* out) {
  const std::uint64_t poll_number = ++impl_->skeleton->data->poll_number;
  std::size_t filled = 0;
  std::optional<MappedHistograms<ppmm_histograms>> mapped;
  const std::uint64_t now = MonotonicNs();
  impl_->skeleton->bss->since_poll_ns = impl_->polled_ns == 0 ? 0 : now - impl_->polled_ns;
  impl_->polled_ns = now;
  const absl::Status status = impl_->Run(impl_->skeleton->links.poll);
  impl_->skeleton->bss->since_poll_ns = 0;
  const bool looked = Load(impl_->skeleton->bss->looked_ns) > 0;
  std::uint64_t common_observed = 0;
  const std::uint32_t highest = std::min<std::uint32_t>(Load(impl_->skeleton->bss->highest_slot), PPMM_SLOTS - 1);
  for (std::uint32_t number = 1; status.ok() && number <= highest; ++number) {
    if (Load(impl_->slots[number].cookie) == 0) {
      continue;
    }
    if (Load(impl_->slots[number].group) == 0) {
      common_observed += Load(impl_->slots[number].observed);
    }
    // Old elements are filled again, so that their strings keep their memory.
    if (filled == out->size()) {
      out->emplace_back();
    }
    const ListenerSample& sample = (*out)[filled];
    ToSample(impl_->slots[number], poll_number, &(*out)[filled]);
    RETURN_IF_ERROR(impl_->TakeTimes(number, &mapped, &(*out)[filled].times));
    (*out)[filled].aged_ns = impl_->Aged(number, poll_number, (*out)[filled].times.total);
    impl_->LeaveOutWhatCannotBeCompared(number, looked, &(*out)[filled]);
    ++filled;
    if (!sample.listening && sample.open_connections == 0) {
      RETURN_IF_ERROR(impl_->Free(number));
    }
  }
  if (status.ok()) {
    if (filled == out->size()) {
      out->emplace_back();
    }
    ASSIGN_OR_RETURN(const bool common, impl_->TakeCommon(common_observed, &mapped, &(*out)[filled]));
    filled += common ? 1 : 0;
  }
  out->resize(filled);
  return status;
}

absl::Status SocketScanner::ReadPeers(std::vector<PeerSample>* out) {
  out->clear();
  impl_->skeleton->bss->count_number = ++impl_->count_number;
  const absl::Status counted = impl_->Run(impl_->skeleton->links.poll);
  impl_->skeleton->bss->count_number = 0;
  RETURN_IF_ERROR(counted);

  const int peers = bpf_map__fd(impl_->skeleton->maps.peers);
  const std::uint64_t now_ns = BootNs();
  std::uint32_t position = 0;
  impl_->keys.resize(kPeersPerCall);
  impl_->values.resize(kPeersPerCall);
  impl_->idle.clear();
  for (bool first = true, more = true; more; first = false) {
    std::uint32_t count = kPeersPerCall;
    const int error = bpf_map_lookup_batch(peers, first ? nullptr : &position, &position, impl_->keys.data(),
                                           impl_->values.data(), &count, nullptr);
    more = error == 0;
    if (error != 0 && errno != ENOENT) {  // ENOENT: that was the last part
      return BpfStatus(errno, "BPF sockets: read the peers");
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      const ppmm_peer& peer = impl_->values[i];
      out->push_back(ToSample(impl_->keys[i], peer, impl_->count_number));
      if (out->back().open_connections == 0 && peer.used_ns + kPeerIdleNs < now_ns) {
        impl_->idle.push_back(impl_->keys[i]);
      }
    }
  }
  for (const ppmm_peer_key& key : impl_->idle) {
    bpf_map_delete_elem(peers, &key);
  }
  return absl::OkStatus();
}

absl::Status SocketScanner::TakeCalls(std::vector<CallSample>* out) {
  std::optional<MappedHistograms<ppmm_histogram>> mapped;
  std::size_t filled = 0;
  const std::uint32_t used = std::min<std::uint32_t>(Load(impl_->skeleton->bss->highest_callee) + 1, PPMM_CALLEES);
  for (std::uint32_t number = 1; number < used; ++number) {
    ppmm_callee& callee = impl_->callees[number];
    const std::int64_t connections = Load(callee.connections);
    if (connections < 0) {
      continue;
    }
    std::uint32_t& idle = impl_->idle_polls[number];
    idle = connections > 0 ? 0 : idle + 1;
    const bool released = idle > kIdlePolls && impl_->Release(callee);  // before it is emptied for the last time
    if (filled == out->size()) {
      out->emplace_back();
    }
    if (impl_->TakeCallee(number, &mapped, used, &(*out)[filled])) {
      ++filled;
      idle = 0;
    }
    if (released) {
      idle = 0;
      if (bpf_map_update_elem(bpf_map__fd(impl_->skeleton->maps.free_callees), nullptr, &number, BPF_ANY) != 0) {
        return BpfStatus(errno, "BPF sockets: give a callee back");
      }
    }
  }
  out->resize(filled);
  return mapped.has_value() && !mapped->ok() ? BpfStatus(errno, "BPF sockets: map the times of calls")
                                             : absl::OkStatus();
}

SocketScanner::Losses SocketScanner::losses() const {
  const auto& counted = impl_->skeleton->bss->losses;
  Losses losses;
  losses.listeners = Load(counted.listeners);
  losses.peers = Load(counted.peers);
  losses.connections = Load(counted.connections);
  losses.storage = Load(counted.storage);
  losses.groups = Load(counted.groups);
  losses.callees = Load(counted.callees);
  return losses;
}

void SocketScanner::PauseCapture(Pause pause) {
  impl_->skeleton->bss->paused = pause == Pause::kAll     ? PPMM_PAUSE_ALL
                                 : pause == Pause::kCalls ? PPMM_PAUSE_CALLS
                                                          : PPMM_PAUSE_NOTHING;
}

std::uint64_t SocketScanner::looked_ns() const {
  return Load(impl_->skeleton->bss->looked_ns);
}

const CaptureHooks& SocketScanner::hooks() const {
  return impl_->hooks;
}

}  // namespace ppmm
