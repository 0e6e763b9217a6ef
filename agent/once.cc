// `ppmm-agent --once`: looks at this host twice and says what it saw in between.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"

#include "agent/agent.h"
#include "agent/host_info.h"
#include "agent/identify/identify.h"
#include "agent/recorder.h"
#include "agent/sources.h"
#include "common/log.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr absl::Duration kBetween = absl::Seconds(2);  // on a busy host it takes longer to look than that

std::string Bytes(double bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(units)) {
    bytes /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.*f %s", bytes < 10 && unit > 0 ? 1 : 0, bytes, units[unit]);
}

absl::string_view OriginWords(wire::Origin origin) {
  switch (origin) {
    case wire::ORIGIN_OFF_THE_SHELF:
      return "off the shelf";
    case wire::ORIGIN_IN_HOUSE:
      return "in-house";
    default:
      return "unknown";
  }
}

// Values of the last step by metric; summed over label values.
class Values {
 public:
  // `seconds`: by metric, from the look before to the last one.
  Values(const Recorder& recorder, std::map<absl::string_view, double> seconds) : seconds_(std::move(seconds)) {
    for (const Recorder::Reading& reading : recorder.OpenStep()) {
      const double value = static_cast<double>(reading.value) * ScaleFactor(reading.metric->scale);
      by_entity_[reading.entity][std::string(reading.metric->name)] += value;
      std::string label;
      for (const std::string& part : *reading.labels) {
        absl::StrAppend(&label, "/", part);
      }
      by_label_[absl::StrCat(reading.metric->name, label)] = value;
    }
  }
  double Of(EntityHandle entity, const std::string& metric) const {
    const auto found = by_entity_.find(entity);
    if (found == by_entity_.end() || !found->second.contains(metric)) {
      return 0;
    }
    return found->second.at(metric);
  }
  // Of a counter, by second.
  double Rate(EntityHandle entity, const std::string& metric) const { return Of(entity, metric) / Seconds(metric); }
  double Seconds(const std::string& metric) const {
    const auto found = seconds_.find(metric);
    return found == seconds_.end() ? absl::ToDoubleSeconds(kBetween) : found->second;
  }
  // The largest value over label values, and its first label.
  std::pair<std::string, double> Largest(const std::string& metric) const {
    std::pair<std::string, double> largest;
    for (auto it = by_label_.lower_bound(metric + "/"); it != by_label_.end() && it->first.starts_with(metric + "/");
         ++it) {
      if (largest.first.empty() || it->second > largest.second) {
        largest = {it->first.substr(metric.size() + 1), it->second};
      }
    }
    return largest;
  }
  double SumWithLabelEnd(const std::string& metric, const std::string& end) const {
    double sum = 0;
    for (const auto& [name, value] : by_label_) {
      sum += name.starts_with(metric + "/") && name.ends_with("/" + end) ? value : 0;
    }
    return sum;
  }

 private:
  std::map<EntityHandle, std::map<std::string, double>> by_entity_;
  std::map<std::string, double> by_label_;
  std::map<absl::string_view, double> seconds_;
};

struct HostNumbers {
  std::string name, operating_system, kernel, capture;
  std::uint32_t cpus = 0;
  std::uint64_t memory_bytes = 0;
  std::optional<double> cpu_ratio, memory_used_bytes;
  double memory_total_bytes = 0;
  double tasks_running = 0;
  std::string disk;  // the busiest; empty: none
  double disk_busy_ratio = 0;
  double receive_bytes_per_second = 0, transmit_bytes_per_second = 0;
};

struct ApplicationNumbers {
  std::string name, origin, evidence;
  std::vector<std::uint32_t> ports;
  double cpu_cores = 0, resident_memory_bytes = 0, connections_per_second = 0;
};

struct NotSeen {
  std::string source, state, reason;
};

struct Seen {
  double seconds = 0;  // between the looks, of the source where it was longest
  bool connections_at_least = false;
  HostNumbers host;
  std::vector<NotSeen> not_seen;
  std::vector<ApplicationNumbers> applications;
};

HostNumbers HostOf(const Values& values, const wire::Host& host, EntityHandle entity) {
  HostNumbers numbers;
  numbers.operating_system = host.operating_system();
  numbers.kernel = host.kernel();
  numbers.cpus = host.cpus();
  numbers.memory_bytes = host.memory_bytes();
  const std::string cpu = "ppmm_host_cpu_seconds_total";
  const double all = values.Of(entity, cpu);
  const double idle = values.SumWithLabelEnd(cpu, "idle") + values.SumWithLabelEnd(cpu, "iowait");
  if (all > 0) {
    numbers.cpu_ratio = (all - idle) / all;
  }
  numbers.tasks_running = values.Of(entity, "ppmm_host_procs_running");
  numbers.memory_total_bytes = values.Of(entity, "ppmm_host_memory_mem_total_bytes");
  if (numbers.memory_total_bytes > 0) {
    numbers.memory_used_bytes = numbers.memory_total_bytes - values.Of(entity, "ppmm_host_memory_mem_available_bytes");
  }
  const std::string busy = "ppmm_host_disk_io_time_seconds_total";
  const auto [disk, busy_seconds] = values.Largest(busy);
  numbers.disk = disk;
  numbers.disk_busy_ratio = std::min(1.0, busy_seconds / values.Seconds(busy));
  numbers.receive_bytes_per_second = values.Rate(entity, "ppmm_host_network_receive_bytes_total");
  numbers.transmit_bytes_per_second = values.Rate(entity, "ppmm_host_network_transmit_bytes_total");
  return numbers;
}

std::vector<ApplicationNumbers> ApplicationsOf(const Values& values, const wire::Dictionary& dictionary) {
  std::vector<ApplicationNumbers> rows;
  for (const wire::Entity& entity : dictionary.entities()) {
    if (!entity.has_instance() || entity.instance().short_lived()) {
      continue;
    }
    const wire::Instance& instance = entity.instance();
    // Wire ids and handles are the same here: one epoch, in the order of making.
    const EntityHandle handle = entity.id();
    ApplicationNumbers row;
    row.name = instance.slot().empty() ? instance.name() : absl::StrCat(instance.name(), "/", instance.slot());
    row.origin = std::string(OriginWords(instance.origin_guess()));
    row.evidence = instance.origin_evidence_size() > 0 ? instance.origin_evidence(0).text() : instance.name_evidence();
    row.cpu_cores = values.Rate(handle, "ppmm_instance_cpu_seconds_total");
    row.resident_memory_bytes = values.Of(handle, "ppmm_instance_resident_memory_bytes");
    row.connections_per_second = values.Rate(handle, "ppmm_instance_connections_accepted_total");
    for (const wire::Listener& listener : dictionary.listeners()) {
      if (listener.entity() == entity.id() && listener.port() != 0 &&
          !absl::c_linear_search(row.ports, listener.port())) {
        row.ports.push_back(listener.port());
      }
    }
    rows.push_back(std::move(row));
  }
  std::stable_sort(rows.begin(), rows.end(), [](const ApplicationNumbers& a, const ApplicationNumbers& b) {
    return a.ports.empty() != b.ports.empty() ? b.ports.empty() : a.cpu_cores > b.cpu_cores;
  });
  return rows;
}

// Looks three times: the first one does what only the first has to (it identifies each program), so the two others
// take as long as each other.
Seen Look(const AgentSettings& settings, const Clock* clock, const std::function<void(absl::Duration)>& wait,
          Identifier* identifier) {
  SourceOptions options;
  options.root = settings.root;
  options.use_bpf = settings.use_bpf;
  options.disabled = settings.disabled_sources;
  options.identifier = identifier;
  options.identify_at_once = true;
  Sources sources = BuildSources(options);
  Recorder recorder;
  recorder.BeginEpoch(1);
  struct Turn {
    absl::Duration begin, end;
  };
  std::vector<Turn> before(sources.list.size());
  std::map<absl::string_view, double> seconds;
  Seen seen;
  constexpr int kLooks = 3;
  for (int look = 0; look < kLooks; ++look) {
    if (look > 0) {
      recorder.BuildBatch(BatchShape{}.steps_per_batch);
    }
    if (look == kLooks - 1) {
      wait(kBetween);
    }
    // Each step on a whole minute, so that every source has a value.
    const absl::Time now = absl::FromUnixSeconds((absl::ToUnixSeconds(clock->Now()) / 60 + look) * 60);
    recorder.BeginBatch(absl::ToUnixSeconds(now), BatchShape{});
    recorder.BeginStep(0);
    for (std::size_t i = 0; i < sources.list.size(); ++i) {
      Source& source = *sources.list[i];
      const absl::Duration begin = clock->SinceBoot();
      const absl::Status status = source.Sample(now, recorder);
      const Turn turn{begin, clock->SinceBoot()};
      if (look == kLooks - 1) {
        if (!status.ok() && !absl::IsNotFound(status)) {
          LogWarning("once", source.name(), ": ", status.message());
        }
        // Where in its turn something was read is not known; by the longer of both, no rate is too high.
        const double elapsed =
            std::max(1e-3, absl::ToDoubleSeconds(std::max(turn.begin - before[i].begin, turn.end - before[i].end)));
        for (const Recorder::Reading& reading : recorder.OpenStep()) {
          if (seconds.try_emplace(reading.metric->name, elapsed).second) {
            seen.seconds = std::max(seen.seconds, elapsed);
          }
        }
      }
      before[i] = turn;
    }
  }
  const Values values(recorder, std::move(seconds));
  seen.host = HostOf(values, ReadHostInfo(settings.root), recorder.host());
  seen.host.name = ReadHostName(settings.root);
  seen.host.capture = sources.capture;
  seen.connections_at_least = sources.polls_sockets;
  wire::AgentFrame frame;
  frame.ParseFromString(recorder.CompleteDictionary().front());  // the one with the entities
  for (const wire::SourceState& source : frame.dictionary().sources()) {
    if (source.state() != wire::SourceState::OK) {
      seen.not_seen.push_back(
          {source.source(), source.state() == wire::SourceState::ABSENT ? "absent" : "failed", source.reason()});
    }
  }
  seen.applications = ApplicationsOf(values, frame.dictionary());
  return seen;
}

std::string AsPage(const Seen& seen, int width) {
  const HostNumbers& host = seen.host;
  std::string out =
      absl::StrCat(host.name, "  ", host.operating_system, ", kernel ", host.kernel, ", ", host.cpus,
                   host.cpus == 1 ? " CPU, " : " CPUs, ", Bytes(static_cast<double>(host.memory_bytes)), "\n");
  if (host.cpu_ratio.has_value()) {
    absl::StrAppendFormat(&out, "  cpu        %.0f %%, %.0f tasks running or ready\n", 100 * *host.cpu_ratio,
                          host.tasks_running);
  }
  if (host.memory_used_bytes.has_value()) {
    absl::StrAppendFormat(&out, "  memory     %.0f %% (%s of %s)\n",
                          100 * *host.memory_used_bytes / host.memory_total_bytes, Bytes(*host.memory_used_bytes),
                          Bytes(host.memory_total_bytes));
  }
  if (!host.disk.empty()) {
    absl::StrAppendFormat(&out, "  disk       %.0f %% busy (%s)\n", 100 * host.disk_busy_ratio, host.disk);
  }
  absl::StrAppendFormat(&out, "  network    %s/s in, %s/s out\n", Bytes(host.receive_bytes_per_second),
                        Bytes(host.transmit_bytes_per_second));
  absl::StrAppend(&out, "  seen by    ", host.capture, "\n");
  for (const NotSeen& source : seen.not_seen) {
    absl::StrAppend(&out, "  not seen   ", source.source, ": ", source.reason, "\n");
  }
  constexpr int kWidestName = 32;
  constexpr int kOthers = 59;  // what stands between name and evidence
  constexpr int kReadable = 24;
  int name_width = 12;
  for (const ApplicationNumbers& row : seen.applications) {
    name_width = std::clamp(DisplayWidth(row.name), name_width, kWidestName);
  }
  int evidence_width = width - name_width - kOthers;
  if (evidence_width < kReadable) {
    evidence_width = 0;
    name_width = std::min(name_width, width - kOthers + 2);
  }
  const auto padded = [](const std::string& text, int columns) {
    const std::string cut = CutTo(text, columns);
    return absl::StrCat(cut, std::string(static_cast<std::size_t>(columns - DisplayWidth(cut)), ' '));
  };
  const auto add_line = [&](const std::string& name, const std::string& numbers, const std::string& ports,
                            const std::string& evidence) {
    const std::string line = absl::StrCat(padded(name, name_width), numbers, padded(ports, 11), "  ",
                                          evidence_width > 0 ? CutTo(evidence, evidence_width) : "");
    absl::StrAppend(&out, absl::StripTrailingAsciiWhitespace(line), "\n");
  };
  out += "\n";
  add_line("APPLICATIONS", absl::StrFormat("  %-13s  %6s  %9s  %8s  ", "origin", "cpu", "memory", "conn/s"), "ports",
           "evidence");
  bool at_least = false;
  for (const ApplicationNumbers& row : seen.applications) {
    const bool serves = !row.ports.empty();
    at_least |= serves && seen.connections_at_least;
    const std::string connections =
        serves ? absl::StrFormat("%s%.1f", seen.connections_at_least ? "\u2265" : "", row.connections_per_second) : "-";
    add_line(row.name,
             absl::StrFormat("  %-13s  %6.2f  %9s  %*s%s  ", row.origin, row.cpu_cores,
                             Bytes(row.resident_memory_bytes), 8 - DisplayWidth(connections), "", connections),
             serves ? absl::StrJoin(row.ports, ",") : "-", row.evidence);
  }
  if (evidence_width == 0) {
    out += "Does not fit here: evidence; a wider terminal (or COLUMNS) and --json have it.\n";
  }
  if (at_least) {
    out += "\u2265: at least; connections that began and ended between two looks were not seen.\n";
  }
  return out;
}

std::string AsJson(const Seen& seen) {
  using Json = nlohmann::ordered_json;
  const HostNumbers& host = seen.host;
  const auto or_null = [](const std::optional<double>& value) { return value.has_value() ? Json(*value) : Json(); };
  Json not_seen = Json::array();
  for (const NotSeen& source : seen.not_seen) {
    not_seen.push_back({{"source", source.source}, {"state", source.state}, {"reason", source.reason}});
  }
  Json applications = Json::array();
  for (const ApplicationNumbers& row : seen.applications) {
    applications.push_back({{"name", row.name},
                            {"origin", row.origin},
                            {"cpu_cores", row.cpu_cores},
                            {"resident_memory_bytes", row.resident_memory_bytes},
                            {"connections_per_second", row.ports.empty() ? Json() : Json(row.connections_per_second)},
                            {"connections_at_least", !row.ports.empty() && seen.connections_at_least},
                            {"ports", row.ports},
                            {"evidence", row.evidence}});
  }
  const Json json = {
      {"seconds", seen.seconds},
      {"host", host.name},
      {"operating_system", host.operating_system},
      {"kernel", host.kernel},
      {"cpus", host.cpus},
      {"memory_bytes", host.memory_bytes},
      {"cpu_utilization_ratio", or_null(host.cpu_ratio)},
      {"tasks_running", host.tasks_running},
      {"memory_used_bytes", or_null(host.memory_used_bytes)},
      {"busiest_disk", host.disk.empty() ? Json() : Json{{"device", host.disk}, {"busy_ratio", host.disk_busy_ratio}}},
      {"receive_bytes_per_second", host.receive_bytes_per_second},
      {"transmit_bytes_per_second", host.transmit_bytes_per_second},
      {"capture", host.capture},
      {"not_seen", std::move(not_seen)},
      {"applications", std::move(applications)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

absl::StatusOr<std::string> DescribeOnce(const AgentSettings& settings, const Clock* clock, OnceForm form, int width,
                                         const std::function<void(absl::Duration)>& wait) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Identifier> identifier,
                   Identifier::Create(settings.root.empty() ? "/" : settings.root));
  const Seen seen = Look(settings, clock, wait, identifier.get());
  return form == OnceForm::kJson ? AsJson(seen) : AsPage(seen, width);
}

}  // namespace ppmm
