// The agent's parts, joined: sources -> sampler -> spool -> stream. main.cc owns one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "common/clock.h"

namespace ppmm {

struct AgentSettings {
  std::string collector = "127.0.0.1:7767";
  std::string group = "default";
  std::string host_id_override;
  std::string root;  // of the host; empty: "/"
  std::string data;
  std::string socket;  // of the status; empty: none
  std::uint64_t spool_bytes = 128ULL << 20;
  std::uint64_t spool_segment_bytes = 4ULL << 20;
  std::string tls_ca, tls_certificate, tls_key, tls_server_name;
  bool insecure_network = false;
  bool use_bpf = true;
  std::vector<std::string> disabled_sources;
};

// Start, Stop: one thread.
class Agent {
 public:
  // Establishes the identity, opens the spool and starts sampling and sending. `clock` outlives the agent.
  //
  // Errors: InvalidArgument: the settings contradict each other; else the data directory cannot be used, the text says
  //         why. A missing capability is no error: it stands in the log, in the status and in the host's record.
  static absl::StatusOr<std::unique_ptr<Agent>> Start(const AgentSettings& settings, const Clock* clock);
  ~Agent();

  // Once a second: notes that the host lives, keeps names, looks at the host anew.
  void Tick();
  // Drains: what is sampled is in the spool, what can be sent within `timeout` is sent.
  void Stop(absl::Duration timeout);

  // One JSON object: identity, stream, spool, sources, capture, own cost.
  std::string StatusJson() const;
  // One line for systemd.
  std::string StatusLine() const;

 private:
  class Impl;
  explicit Agent(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

enum class OnceForm { kPage, kJson };

// This host's utilization and applications as a page of text, or as one JSON object, without any collector. Looks
// twice, and by `wait` (absl::SleepFor) lets time pass in between; rates are by the time that passed. `width`: of the
// page; where nothing is left for evidence, it is left out.
absl::StatusOr<std::string> DescribeOnce(const AgentSettings& settings, const Clock* clock, OnceForm form, int width,
                                         const std::function<void(absl::Duration)>& wait);

}  // namespace ppmm
