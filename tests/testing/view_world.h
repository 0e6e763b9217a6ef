// A small organization in the state of a collector: web1 is live with nginx and checkoutd, db1 fell silent, cache1 is
// off. For tests of what users see.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

#include "collector/rating_source.h"
#include "collector/self_numbers.h"
#include "collector/state.h"
#include "proto/telemetry.pb.h"

namespace ppmm {

// 2026-01-01 00:10:00 UTC.
inline constexpr std::int64_t kViewNow = 1767226200;

class ViewWorld {
 public:
  ViewWorld() {
    WriterLock lock(&state_.mutex());
    Tables& tables = state_.mutable_tables();
    tables.store_id = "\x01\x02\x03\x04\x05\x06\x07\x08";
    tables.commit = 4711;
    tables.store_time_us = (kViewNow - 1) * 1'000'000;
    AddHost(tables, 1, "web1", kViewNow - 1);
    AddHost(tables, 2, "db1", kViewNow - 900);
    AddHost(tables, 3, "cache1", kViewNow - 7200);
    tables.hosts[3].lives.push_back({3, (kViewNow - 7000) * 1'000'000, 0, "goodbye"});
    AddSources(tables.hosts[1]);

    const ApplicationId nginx = AddApplication(tables, 1, "default", "nginx");
    const ApplicationId checkout = AddApplication(tables, 2, "shop", "checkout\"d\"");
    const ApplicationId postgresql = AddApplication(tables, 3, "default", "postgresql");
    AddInstance(tables, 1, nginx, "nginx", "1.22.1", wire::ORIGIN_OFF_THE_SHELF, "Debian package nginx 1.22.1", 80, 1);
    AddInstance(tables, 1, checkout, "", "", wire::ORIGIN_IN_HOUSE, "/opt/checkout/bin: no package owns it", 8080, 2);
    AddInstance(tables, 2, postgresql, "postgresql", "15.8", wire::ORIGIN_OFF_THE_SHELF,
                "Debian package postgresql-15 15.8", 5432, 3);
    AddHostSeries(tables);
    tables.hosts[1].forecasts = {
        {kViewNow / 86400 - 1, 1, 1, 0, 0, 880'000, 1'000'000, "", 9, 875'000, 11'000, 0, 10, 7, 3650},
        {kViewNow / 86400 - 1, 1, 2, 0, 0, 1 << 30, 1LL << 32, "", 9, 250'000, 0, 0, 3650, 70, 3650}};
    state_.SetReadiness(absl::OkStatus());
  }

  State& state() { return state_; }
  absl::Time now() const { return absl::FromUnixSeconds(kViewNow); }

  // Adds one series with ten steps of 1 s up to the host's newest one.
  static SeriesState& AddSeries(Tables& tables, EntityId entity_id, absl::string_view metric,
                                const std::vector<std::string>& labels, std::int64_t value) {
    const EntityState& entity = *tables.Entity(entity_id);
    auto series = std::make_unique<SeriesState>();
    series->id = tables.last_series + 1;
    series->entity = entity_id;
    series->host = entity.row.host;
    series->metric = &MetricNamed(metric);
    for (const std::string& label : labels) {
      absl::StrAppend(&series->labels, label, "\x1f");
    }
    SeriesState& added = tables.Add(std::move(series));
    const std::int64_t newest = tables.hosts[entity.row.host].row.newest_step;
    for (std::int64_t step = newest - 9; step <= newest; ++step) {
      added.latest.Add(step, value);
      added.total += value;
    }
    added.last = value;
    added.last_step = newest;
    if (added.pooled != nullptr) {
      added.pooled->total += added.total;
      added.pooled->newest_step = newest;
    }
    return added;
  }

  static SelfNumbers Self() {
    SelfNumbers self;
    self.version = "0.1.0";
    self.data_directory = "/var/lib/ppmm/collector";
    self.store_bytes = 12'582'912;
    self.disk_free_bytes = 53'687'091'200;
    self.ingest.frames = 1200;
    self.ingest.bytes = 345'678;
    self.ingest.batches = 1100;
    self.ingest.samples = 330'000;
    self.ingest.refused_batches = {{"too_late", 2}, {"future", 0}};
    self.ingest.refused_samples = {{"too_late", 600}, {"future", 0}};
    self.ingest.streams = 1;
    self.ingest.streams_opened = 3;
    self.ingest.connections = 4;
    self.ingest.connections_without_stream = 2;
    self.ingest.shed_connections = {{"no_descriptor", 0}, {"per_address", 1}};
    self.ingest.repeated_batches = 5;
    self.ingest.refused_entries = 12;
    self.ingest.refused_deployments = 13;
    self.ingest.queue_limit_bytes = 67'108'864;
    self.commits = {.count = 1000,
                    .failed = 1,
                    .seconds = 2.5,
                    .longest_seconds = 0.021,
                    .last = absl::FromUnixSeconds(kViewNow - 1)};
    self.http.requests = 77;
    self.http.connections = 2;
    self.process = {.started = absl::FromUnixSeconds(kViewNow - 3600),
                    .cpu_seconds = 12.25,
                    .resident_memory_bytes = 31'457'280,
                    .open_fds = 24,
                    .max_fds = 1024};
    self.components = {{"ingest", true, "", ""},
                       {"rating", false, "the facts of 2025-12-31 are damaged", "restore the database"}};
    return self;
  }

  static RatingSnapshot Rating() {
    RatingSnapshot rating;
    rating.provisional_level = 2;
    rating.provisional_sublevel = 1;
    rating.provisional_minutes = 3;
    rating.progress = {{"2.1", 0.62, 0.92}, {"2.2", 0, 0.5}};
    rating.activities = {{"INV-001", "not_satisfied", 0.4}, {"MON-001", "undecided", 1}};
    rating.rating_json = R"({"organization":"Example","level":1})";
    rating.activities_json = R"({"activities":[]})";
    rating.next_steps_json = R"({"next_steps":[]})";
    rating.activity_json = [](absl::string_view id) -> absl::StatusOr<std::string> {
      if (id != "INV-001") {
        return absl::NotFoundError("no activity has this id; there are INV-001, MON-001");
      }
      return std::string(R"({"id":"INV-001"})");
    };
    rating.fill_page = [](PageData*) {};
    return rating;
  }

 private:
  static void AddHost(Tables& tables, HostKey key, const std::string& label, std::int64_t newest_step) {
    HostState& host = tables.hosts[key];
    host.row.key = key;
    host.row.host_id = std::string(16, static_cast<char>(key));
    host.row.label = label;
    host.row.name = label;
    host.row.group = "default";
    host.row.first_seen_us = (kViewNow - 86400) * 1'000'000;
    host.row.newest_step = newest_step;
    host.row.boot_us = (kViewNow - 864000) * 1'000'000;
    host.row.agent_version = "0.1.0";
    wire::Host attributes;
    attributes.set_kernel("6.1.0-18-amd64");
    attributes.set_operating_system("Debian GNU/Linux 12 (bookworm)");
    attributes.set_cpus(2);
    attributes.set_memory_bytes(std::uint64_t{4} << 30);
    attributes.add_addresses(absl::StrCat("10.0.0.", key));
    attributes.set_capture("iter/task");
    attributes.mutable_response_clock()->set_arrival("tp_btf/sk_data_ready");
    attributes.mutable_response_clock()->set_write("tp_btf/sock_send_length");
    attributes.mutable_response_clock()->set_limits("an answer counts when its first write ends");
    host.row.attributes = attributes.SerializeAsString();
    host.late_samples_total = key;
    AgentState& agent = tables.agents[std::string(16, static_cast<char>(64 + key))];
    agent.row.host = key;
    agent.row.produced = 1000 * key;
    agent.row.committed = 990 * key;
    agent.row.dropped = key;
    agent.damaged_bytes = 100 * key;
    AddEntity(tables, key, EntityKind::kHost, "");
  }

  static void AddSources(HostState& host) {
    const std::int64_t since = (kViewNow - 3600) * 1'000'000;
    host.sources["cpu"] = {host.row.key, "cpu", wire::SourceState::OK, "", since};
    host.sources["pressure"] = {host.row.key, "pressure", wire::SourceState::ABSENT, "/proc/pressure: no such file",
                                since};
    host.sources["sockets"] = {host.row.key, "sockets", wire::SourceState::FAILED, "bpf: operation not permitted",
                               since};
  }

  static EntityId AddEntity(Tables& tables, HostKey host, EntityKind kind, const std::string& key,
                            ApplicationId application = 0) {
    auto entity = std::make_unique<EntityState>();
    entity->row.id = tables.last_entity + 1;
    entity->row.host = host;
    entity->row.kind = kind;
    entity->row.key = key;
    entity->instance.application = application;
    return tables.Add(std::move(entity)).row.id;
  }

  static ApplicationId AddApplication(Tables& tables, ApplicationId id, const std::string& group,
                                      const std::string& name) {
    return tables.Add(ApplicationRow{id, absl::StrCat(group, "/", name), group, name, (kViewNow - 86400) * 1'000'000})
        .row.id;
  }

  static void AddInstance(Tables& tables, HostKey host, ApplicationId application, const std::string& product,
                          const std::string& version, wire::Origin origin, const std::string& evidence,
                          std::uint32_t port, std::int64_t scale) {
    const EntityId id =
        AddEntity(tables, host, EntityKind::kInstance, tables.applications[application].row.key + "\x1f", application);
    EntityState& entity = *tables.Entity(id);
    entity.instance = {id, application, host, "", product, version, ""};
    wire::Entity attributes;
    wire::Instance& instance = *attributes.mutable_instance();
    instance.set_name(tables.applications[application].row.name);
    instance.set_name_source("unit");
    instance.set_name_evidence("nginx.service");
    instance.set_origin_guess(origin);
    instance.set_origin_confidence(0.75);
    instance.add_origin_evidence()->set_text(evidence);
    entity.row.attributes = attributes.SerializeAsString();
    ListenerRow listener;
    listener.entity = id;
    listener.port = port;
    listener.protocol = "tcp";
    entity.listeners.push_back(listener);
    entity.lives.push_back({id, kViewNow / 60 - 1000, 0});
    AddSeries(tables, id, "ppmm_instance_connections_accepted_total", {}, 38 * scale);
    AddSeries(tables, id, "ppmm_instance_network_receive_bytes_total", {}, 40'000 * scale);
    AddSeries(tables, id, "ppmm_instance_network_transmit_bytes_total", {}, 160'000 * scale);
    AddSeries(tables, id, "ppmm_instance_cpu_seconds_total", {}, 80'000 * scale);
    AddSeries(tables, id, "ppmm_instance_resident_memory_bytes", {}, 12'000'000 * scale);
  }

  static void AddHostSeries(Tables& tables) {
    for (const HostKey host : {1U, 2U}) {
      const EntityId id = tables.hosts[host].entities.front();
      AddSeries(tables, id, "ppmm_host_cpu_seconds_total", {"0", "user"}, 25);
      AddSeries(tables, id, "ppmm_host_cpu_seconds_total", {"0", "idle"}, 75);
      AddSeries(tables, id, "ppmm_host_load1", {}, 142);
      AddSeries(tables, id, "ppmm_host_memory_mem_available_bytes", {}, std::int64_t{3} << 30);
      AddSeries(tables, id, "ppmm_host_memory_mem_total_bytes", {}, std::int64_t{4} << 30);
      AddSeries(tables, id, "ppmm_host_filesystem_avail_bytes", {"/dev/vda1", "ext4", "/a\"b\\c\nd"}, 4096);
    }
  }

  State state_;
};

}  // namespace ppmm
