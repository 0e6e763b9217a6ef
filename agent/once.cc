// `ppmm-agent --once`: looks at this host for two seconds and says what it saw.
#include <algorithm>
#include <cmath>
#include <map>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "agent/agent.h"
#include "agent/host_info.h"
#include "agent/identify/identify.h"
#include "agent/recorder.h"
#include "agent/sources.h"
#include "common/log.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr int kSeconds = 2;

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
  explicit Values(const Recorder& recorder) {
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
};

std::string HostLines(const Values& values, const wire::Host& host, const std::string& name, const std::string& capture,
                      EntityHandle entity) {
  std::string out =
      absl::StrCat(name, "  ", host.operating_system(), ", kernel ", host.kernel(), ", ", host.cpus(),
                   host.cpus() == 1 ? " CPU, " : " CPUs, ", Bytes(static_cast<double>(host.memory_bytes())), "\n");
  const std::string cpu = "ppmm_host_cpu_seconds_total";
  const double all = values.Of(entity, cpu);
  const double idle = values.SumWithLabelEnd(cpu, "idle") + values.SumWithLabelEnd(cpu, "iowait");
  if (all > 0) {
    absl::StrAppendFormat(&out, "  cpu        %.0f %%", 100 * (all - idle) / all);
    absl::StrAppendFormat(&out, ", %.0f tasks running or ready\n", values.Of(entity, "ppmm_host_procs_running"));
  }
  const double total = values.Of(entity, "ppmm_host_memory_mem_total_bytes");
  if (total > 0) {
    const double used = total - values.Of(entity, "ppmm_host_memory_mem_available_bytes");
    absl::StrAppendFormat(&out, "  memory     %.0f %% (%s of %s)\n", 100 * used / total, Bytes(used), Bytes(total));
  }
  const auto disk = values.Largest("ppmm_host_disk_io_time_seconds_total");
  if (!disk.first.empty()) {
    absl::StrAppendFormat(&out, "  disk       %.0f %% busy (%s)\n", std::min(100.0, 100 * disk.second / kSeconds),
                          disk.first);
  }
  absl::StrAppendFormat(&out, "  network    %s/s in, %s/s out\n",
                        Bytes(values.Of(entity, "ppmm_host_network_receive_bytes_total") / kSeconds),
                        Bytes(values.Of(entity, "ppmm_host_network_transmit_bytes_total") / kSeconds));
  absl::StrAppend(&out, "  seen by    ", capture, "\n");
  return out;
}

}  // namespace

absl::StatusOr<std::string> DescribeOnce(const AgentSettings& settings, const Clock* clock) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Identifier> identifier,
                   Identifier::Create(settings.root.empty() ? "/" : settings.root));
  SourceOptions options;
  options.root = settings.root;
  options.use_bpf = settings.use_bpf;
  options.disabled = settings.disabled_sources;
  options.identifier = identifier.get();
  options.identify_at_once = true;
  Sources sources = BuildSources(options);
  Recorder recorder;
  recorder.BeginEpoch(1);
  // Both steps on a whole ten seconds, so that every source has a value; only differences of time matter here.
  for (int step = 0; step < 2; ++step) {
    if (step == 1) {
      recorder.BuildBatch(1);
      std::this_thread::sleep_for(std::chrono::seconds(kSeconds));
    }
    const absl::Time now = absl::FromUnixSeconds((absl::ToUnixSeconds(clock->Now()) / 60 + step) * 60);
    recorder.BeginBatch(absl::ToUnixSeconds(now), BatchShape{});
    recorder.BeginStep(0);
    for (const std::unique_ptr<Source>& source : sources.list) {
      const absl::Status status = source->Sample(now, recorder);
      if (!status.ok() && !absl::IsNotFound(status)) {
        LogWarning("once", source->name(), ": ", status.message());
      }
    }
  }
  const Values values(recorder);
  std::string out =
      HostLines(values, ReadHostInfo(settings.root), ReadHostName(settings.root), sources.capture, recorder.host());

  wire::AgentFrame frame;
  frame.ParseFromString(recorder.CompleteDictionary().front());  // the one with the entities
  for (const wire::SourceState& source : frame.dictionary().sources()) {
    if (source.state() != wire::SourceState::OK) {
      absl::StrAppend(&out, "  not seen   ", source.source(), ": ", source.reason(), "\n");
    }
  }
  struct Row {
    std::string name, origin, ports, evidence;
    double cpu, memory, connections;
  };
  std::vector<Row> rows;
  for (const wire::Entity& entity : frame.dictionary().entities()) {
    if (!entity.has_instance() || entity.instance().short_lived()) {
      continue;
    }
    const wire::Instance& instance = entity.instance();
    // Wire ids and handles are the same here: one epoch, in the order of making.
    const EntityHandle handle = entity.id();
    Row row;
    row.name = instance.slot().empty() ? instance.name() : absl::StrCat(instance.name(), "/", instance.slot());
    row.origin = std::string(OriginWords(instance.origin_guess()));
    row.evidence = instance.origin_evidence_size() > 0 ? instance.origin_evidence(0).text() : instance.name_evidence();
    row.cpu = values.Of(handle, "ppmm_instance_cpu_seconds_total") / kSeconds;
    row.memory = values.Of(handle, "ppmm_instance_resident_memory_bytes");
    row.connections = values.Of(handle, "ppmm_instance_connections_accepted_total") / kSeconds;
    for (const wire::Listener& listener : frame.dictionary().listeners()) {
      const std::string port = absl::StrCat(listener.port());
      if (listener.entity() == entity.id() && listener.port() != 0 && !absl::StrContains(row.ports, port)) {
        absl::StrAppend(&row.ports, row.ports.empty() ? "" : ",", port);
      }
    }
    rows.push_back(std::move(row));
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return a.ports.empty() != b.ports.empty() ? b.ports.empty() : a.cpu > b.cpu;
  });
  constexpr int kWidest = 32;
  int width = 20;
  for (const Row& row : rows) {
    width = std::clamp(DisplayWidth(row.name), width, kWidest);
  }
  absl::StrAppendFormat(&out, "\n%-*s  %-13s  %6s  %9s  %7s  %-11s  %s\n", width, "APPLICATIONS", "origin", "cpu",
                        "memory", "conn/s", "ports", "evidence");
  for (const Row& row : rows) {
    const std::string name = CutTo(row.name, width);
    absl::StrAppendFormat(&out, "%s%*s  %-13s  %6.2f  %9s  %7s  %-11s  %s\n", name, width - DisplayWidth(name), "",
                          row.origin, row.cpu, Bytes(row.memory),
                          row.ports.empty() ? "-" : absl::StrFormat("%.1f", row.connections),
                          row.ports.empty() ? "-" : row.ports.substr(0, 11), row.evidence);
  }
  return out;
}

}  // namespace ppmm
