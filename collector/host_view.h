// What the API, the page and /metrics say of a host and its agents: committed state as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "collector/agent_streams.h"
#include "collector/clock_offsets.h"
#include "collector/forecast_view.h"
#include "collector/state.h"

namespace ppmm {

// kStopped: its agent said so. kDisconnected: its agent's stream ended, and it is not silent yet.
enum class HostPresence { kLive, kSilent, kOff, kStopped, kDisconnected };
absl::string_view HostPresenceName(HostPresence presence);  // "live"

struct SourceView {
  std::string source;
  std::string state;  // ok | absent | failed
  std::string reason;
  std::string cure;  // what a person may do; empty: nothing known, or nothing to do
  absl::Time since;
};

// Samples of all agents of a host, over all their epochs.
struct SampleCounts {
  std::uint64_t produced = 0;
  std::uint64_t committed = 0;
  std::uint64_t refused = 0;
  std::uint64_t dropped = 0;
  std::uint64_t late = 0;  // came more than 5 minutes after their time; part of `committed`
  // Of spools that were found damaged, or deleted under their agent; empty: no agent told.
  std::optional<std::uint64_t> damaged_bytes = std::nullopt;

  void Add(const SampleCounts& other);
};

// Where a host's agent reads the clock of response times: as ResponseClock of the wire.
struct ResponseClockView {
  std::string arrival;  // empty: no times are taken
  std::string read;     // empty: not split into wait and service
  std::string write;
  std::string limits;

  friend auto operator<=>(const ResponseClockView&, const ResponseClockView&) = default;
};

// Under the reader lock.
ResponseClockView ResponseClockOf(const HostState& host);

struct HostView {
  HostKey key = 0;
  std::string label;
  std::string host_id;  // hex
  std::string group;
  HostPresence presence = HostPresence::kSilent;
  std::optional<absl::Time> stream_ended;  // of kStopped and kDisconnected
  std::optional<absl::Duration> step_age;
  absl::Time first_seen;
  std::optional<absl::Time> boot_time;
  bool duplicate = false;
  std::string agent_version;
  std::string kernel;
  std::string operating_system;
  std::string capture;
  ResponseClockView response_clock;
  std::optional<std::uint32_t> cpus;
  std::optional<std::uint64_t> memory_bytes;
  std::vector<std::string> addresses;
  std::optional<double> cpu_utilization_ratio;  // over the last 60 s
  std::optional<double> memory_utilization_ratio;
  std::optional<bool> clock_synchronized;
  std::optional<absl::Duration> clock_offset;  // its agent's clock less ours, as of its latest frame
  bool held_for_clock = false;                 // nothing of its agent is taken because of that
  std::vector<SourceView> sources;
  SampleCounts samples;
  HostForecasts forecasts;
};

struct HostViews {
  std::vector<HostView> hosts;  // by label
  std::int64_t commit = 0;
};

// Reads all hosts, each under a short lock of its own. `agents`: null where nobody knows of their streams.
//
// Errors: Unavailable while the state is not ready.
absl::StatusOr<HostViews> ReadHosts(State& state, const AgentStreams* agents, absl::Time now);

// Adds to each host what its agent's clock says, or the duplicate's that speaks last.
void AddClocks(const std::vector<ClockOffsets::Offset>& clocks, HostViews* views);

// How a host is heard of: live, silent or off by its samples; and, where `end` is how its agent's last stream ended,
// stopped or disconnected. Under the reader lock.
HostPresence PresenceOf(const HostState& host, absl::Time now, std::optional<AgentStreams::End> end = std::nullopt);
absl::flat_hash_map<HostKey, SampleCounts> SamplesByHost(const Tables& tables);

}  // namespace ppmm
