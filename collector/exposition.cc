#include "collector/exposition.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "prometheus/client_metric.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "prometheus/text_serializer.h"

#include "collector/host_view.h"
#include "collector/origin_guess.h"
#include "collector/view_reads.h"
#include "common/text.h"
#include "proto/telemetry.pb.h"

namespace ppmm {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Names and values of labels.
using Labels = std::vector<std::pair<absl::string_view, absl::string_view>>;

ClientMetric Labelled(const Labels& labels) {
  ClientMetric metric;
  for (const auto& [name, value] : labels) {
    metric.label.push_back({std::string(name), std::string(value)});
  }
  return metric;
}

// A family under construction.
class Family {
 public:
  Family(MetricType type, absl::string_view name, absl::string_view help) {
    family_.name = std::string(name);
    family_.help = std::string(help);
    family_.type = type;
  }

  Family& Add(const Labels& labels, double value) {
    ClientMetric metric = Labelled(labels);
    if (family_.type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    family_.metric.push_back(std::move(metric));
    return *this;
  }
  Family& Add(const SelfNumbers::ByReason& counts) {
    for (const auto& [reason, count] : counts) {
      Add({{"reason", reason}}, static_cast<double>(count));
    }
    return *this;
  }
  Family& Add(const Labels& labels, const Sketch& sketch) {
    ClientMetric metric = Labelled(labels);
    metric.histogram.sample_count = sketch.count();
    metric.histogram.sample_sum = sketch.sum_seconds();
    const std::array<std::uint64_t, Sketch::kClassicBuckets> buckets = sketch.ClassicBuckets();
    for (std::size_t i = 0; i < buckets.size(); ++i) {
      metric.histogram.bucket.push_back({buckets[i], Sketch::ClassicBoundSeconds(i)});
    }
    family_.metric.push_back(std::move(metric));
    return *this;
  }

  // A family without series is left out.
  void MoveTo(std::vector<MetricFamily>* families) {
    if (!family_.metric.empty()) {
      families->push_back(std::move(family_));
    }
  }
  MetricFamily& get() { return family_; }

 private:
  MetricFamily family_;
};

Family Gauge(absl::string_view name, absl::string_view help) {
  return {MetricType::Gauge, name, help};
}
Family Counter(absl::string_view name, absl::string_view help) {
  return {MetricType::Counter, name, help};
}

double AsDouble(std::uint64_t number) {
  return static_cast<double>(number);
}

// ---- the collector itself ------------------------------------------------------------------------------------------

class SelfCollectable : public prometheus::Collectable {
 public:
  explicit SelfCollectable(const SelfNumbers& self) : self_(self) {}

  std::vector<MetricFamily> Collect() const override {
    std::vector<MetricFamily> out;
    Gauge("ppmm_build_info", "1; the version of the collector as a label.")
        .Add({{"version", self_.version}}, 1)
        .MoveTo(&out);
    Gauge("ppmm_config_last_reload_successful",
          "1: the configuration in force is the one last read; 0: the last one "
          "read has errors and was not taken.")
        .Add({}, self_.config_ok ? 1 : 0)
        .MoveTo(&out);
    CollectIngest(&out);
    CollectStore(&out);
    CollectHttp(&out);
    CollectProcess(&out);
    return out;
  }

 private:
  void CollectIngest(std::vector<MetricFamily>* out) const {
    const SelfNumbers::Ingest& in = self_.ingest;
    Counter("ppmm_ingest_frames_total", "Frames received from agents.").Add({}, AsDouble(in.frames)).MoveTo(out);
    Counter("ppmm_ingest_bytes_total", "Bytes of frames received from agents.").Add({}, AsDouble(in.bytes)).MoveTo(out);
    Counter("ppmm_ingest_batches_total", "Batches received from agents, refused ones included.")
        .Add({}, AsDouble(in.batches))
        .MoveTo(out);
    Counter("ppmm_ingest_samples_total", "Samples in the batches that were taken.")
        .Add({}, AsDouble(in.samples))
        .MoveTo(out);
    Counter("ppmm_ingest_unknown_series_samples_total", "Samples of metrics that this collector does not know.")
        .Add({}, AsDouble(in.unknown_series_samples))
        .MoveTo(out);
    Counter("ppmm_ingest_refused_batches_total", "Batches refused, by reason.").Add(in.refused_batches).MoveTo(out);
    Counter("ppmm_ingest_refused_samples_total", "Samples in refused batches, by reason.")
        .Add(in.refused_samples)
        .MoveTo(out);
    Gauge("ppmm_ingest_streams", "Agents that are connected.").Add({}, static_cast<double>(in.streams)).MoveTo(out);
    Counter("ppmm_ingest_streams_opened_total", "Streams of agents that were taken.")
        .Add({}, AsDouble(in.streams_opened))
        .MoveTo(out);
    Counter("ppmm_ingest_streams_refused_total", "Streams that were sent away, at once or for what they sent.")
        .Add({}, AsDouble(in.streams_refused))
        .MoveTo(out);
    Counter("ppmm_ingest_connections_total", "Connections of agents that were accepted.")
        .Add({}, AsDouble(in.connections))
        .MoveTo(out);
    Counter("ppmm_ingest_connections_without_stream_total",
            "Accepted connections on which no agent began a stream within 10 seconds.")
        .Add({}, AsDouble(in.connections_without_stream))
        .MoveTo(out);
    Counter("ppmm_ingest_shed_connections_total", "Connections of agents closed at once, by reason.")
        .Add(in.shed_connections)
        .MoveTo(out);
    Counter("ppmm_ingest_repeated_batches_total", "Batches that came again and were not counted again.")
        .Add({}, AsDouble(in.repeated_batches))
        .MoveTo(out);
    Counter("ppmm_store_refused_entries_total",
            "Hosts, applications, instances and series refused because the store holds as many as it may.")
        .Add({}, AsDouble(in.refused_entries))
        .MoveTo(out);
    Counter("ppmm_store_refused_deployments_total",
            "Deployments refused because the store holds as many of their day as it may, or they cannot be right.")
        .Add({}, AsDouble(in.refused_deployments))
        .MoveTo(out);
    Gauge("ppmm_ingest_queue_bytes", "Bytes that wait for the writer.").Add({}, AsDouble(in.queue_bytes)).MoveTo(out);
    Gauge("ppmm_ingest_queue_limit_bytes", "Bytes above which streams are not read.")
        .Add({}, AsDouble(in.queue_limit_bytes))
        .MoveTo(out);
  }

  void CollectStore(std::vector<MetricFamily>* out) const {
    Family duration(MetricType::Summary, "ppmm_commit_duration_seconds", "Time of commits, from merging to durable.");
    ClientMetric metric;
    metric.summary.sample_count = self_.commits.count;
    metric.summary.sample_sum = self_.commits.seconds;
    duration.get().metric.push_back(std::move(metric));
    duration.MoveTo(out);
    Gauge("ppmm_commit_longest_duration_seconds", "The longest commit since the start.")
        .Add({}, self_.commits.longest_seconds)
        .MoveTo(out);
    Counter("ppmm_commit_failures_total", "Commits that failed and were rolled back.")
        .Add({}, AsDouble(self_.commits.failed))
        .MoveTo(out);
    Counter("ppmm_rating_failures_total", "Evaluations of the rating that failed.")
        .Add({}, AsDouble(self_.rating_failures))
        .MoveTo(out);
    Gauge("ppmm_store_time_waits",
          "1 while nobody vouches for the collector's clock: sealing, retention, facts and the evaluation wait.")
        .Add({}, self_.time.waits ? 1 : 0)
        .MoveTo(out);
    Counter("ppmm_store_time_set_back_total", "Times the store's time was found ahead of the right one and set back.")
        .Add({}, AsDouble(self_.time.set_back))
        .MoveTo(out);
    Gauge("ppmm_ingest_held_agents", "Agents that are sent away because their clock and the collector's differ.")
        .Add({}, static_cast<double>(self_.time.agents_held))
        .MoveTo(out);
    if (self_.store_bytes.has_value()) {
      Gauge("ppmm_store_size_bytes", "Size of the database and its log.")
          .Add({}, AsDouble(*self_.store_bytes))
          .MoveTo(out);
    }
    if (self_.disk_free_bytes.has_value()) {
      Gauge("ppmm_store_disk_free_bytes", "Free space where the database lies.")
          .Add({}, AsDouble(*self_.disk_free_bytes))
          .MoveTo(out);
    }
  }

  void CollectHttp(std::vector<MetricFamily>* out) const {
    Counter("ppmm_http_requests_total", "HTTP requests answered.").Add({}, AsDouble(self_.http.requests)).MoveTo(out);
    Counter("ppmm_http_errors_total", "HTTP requests answered with an error, by whose it was.")
        .Add({{"side", "client"}}, AsDouble(self_.http.client_errors))
        .Add({{"side", "server"}}, AsDouble(self_.http.server_errors))
        .MoveTo(out);
    Gauge("ppmm_http_connections", "HTTP connections that are open.")
        .Add({}, static_cast<double>(self_.http.connections))
        .MoveTo(out);
    Counter("ppmm_http_refused_connections_total", "HTTP connections beyond the limits.")
        .Add({}, AsDouble(self_.http.refused_connections))
        .MoveTo(out);
    Counter("ppmm_http_sent_bytes_total", "Bytes of HTTP answers.")
        .Add({}, AsDouble(self_.http.sent_bytes))
        .MoveTo(out);
  }

  // The names that every Prometheus client library has.
  void CollectProcess(std::vector<MetricFamily>* out) const {
    const SelfNumbers::Process& process = self_.process;
    Counter("process_cpu_seconds_total", "CPU time of the collector.").Add({}, process.cpu_seconds).MoveTo(out);
    Gauge("process_resident_memory_bytes", "Resident memory of the collector.")
        .Add({}, AsDouble(process.resident_memory_bytes))
        .MoveTo(out);
    Gauge("process_open_fds", "Open file descriptors of the collector.")
        .Add({}, AsDouble(process.open_fds))
        .MoveTo(out);
    Gauge("process_max_fds", "Limit of open file descriptors.").Add({}, AsDouble(process.max_fds)).MoveTo(out);
    if (process.started != absl::InfinitePast()) {
      Gauge("process_start_time_seconds", "Start of the collector, in seconds since 1970.")
          .Add({}, absl::ToDoubleSeconds(process.started - absl::UnixEpoch()))
          .MoveTo(out);
    }
  }

  const SelfNumbers& self_;
};

// ---- the rating ----------------------------------------------------------------------------------------------------

class RatingCollectable : public prometheus::Collectable {
 public:
  explicit RatingCollectable(const RatingSnapshot& rating) : rating_(rating) {}

  std::vector<MetricFamily> Collect() const override {
    std::vector<MetricFamily> out;
    Gauge("ppmm_level", "The published level, 1 to 5.").Add({}, rating_.level).MoveTo(&out);
    Gauge("ppmm_sublevel", "The published sub-level, 1 to 3 while the level is 2, else 0.")
        .Add({}, rating_.sublevel)
        .MoveTo(&out);
    if (rating_.provisional_minutes > 0) {  // before the first full minute it is not known
      Gauge("ppmm_provisional_level", "The level that today's evidence supports if it holds for the windows.")
          .Add({}, rating_.provisional_level)
          .MoveTo(&out);
      Gauge("ppmm_provisional_sublevel", "The sub-level that today's evidence supports if it holds for the windows.")
          .Add({}, rating_.provisional_sublevel)
          .MoveTo(&out);
    }
    Gauge("ppmm_watch", "1: the published level is in danger.").Add({}, rating_.watch ? 1 : 0).MoveTo(&out);
    Family progress = Gauge("ppmm_progress_ratio",
                            "Progress toward a rung: what is proven (low), and what it would be "
                            "if all that is undecided passed (high).");
    for (const RatingSnapshot::Progress& one : rating_.progress) {
      progress.Add({{"target", one.target}, {"bound", "low"}}, one.low);
      progress.Add({{"target", one.target}, {"bound", "high"}}, one.high);
    }
    progress.MoveTo(&out);
    Family achievement =
        Gauge("ppmm_activity_achievement_ratio", "How much of what an activity asks is achieved and proven.");
    Family status = Gauge("ppmm_activity_status", "1 for the status that an activity has, 0 for the others.");
    for (const RatingSnapshot::Activity& activity : rating_.activities) {
      achievement.Add({{"activity", activity.id}}, activity.achievement);
      for (const absl::string_view name : kActivityStatuses) {
        status.Add({{"activity", activity.id}, {"status", name}}, activity.status == name ? 1 : 0);
      }
    }
    achievement.MoveTo(&out);
    status.MoveTo(&out);
    return out;
  }

 private:
  const RatingSnapshot& rating_;
};

// ---- applications and agents ---------------------------------------------------------------------------------------

// Which family a pooled counter of instances is exposed as.
struct CounterFamily {
  absl::string_view metric;
  absl::string_view family;
  absl::string_view direction;  // value of the label; empty: none
  absl::string_view help;
};

constexpr absl::string_view kLateRemark = " What came more than 5 minutes after its time is not in it.";
constexpr CounterFamily kCounterFamilies[] = {
    {"ppmm_instance_requests_total", "ppmm_application_requests_total", "", "Requests answered."},
    {"ppmm_instance_errors_total", "ppmm_application_errors_total", "", "Requests answered with an error."},
    {"ppmm_instance_connections_accepted_total", "ppmm_application_connections_total", "", "Connections accepted."},
    {"ppmm_instance_network_receive_bytes_total", "ppmm_application_network_bytes_total", "receive",
     "Bytes sent and received over TCP."},
    {"ppmm_instance_network_transmit_bytes_total", "ppmm_application_network_bytes_total", "transmit", ""},
    {"ppmm_instance_cpu_seconds_total", "ppmm_application_cpu_seconds_total", "",
     "CPU time of all processes, and of their children that ended unseen."},
};
constexpr absl::string_view kInstancePrefix = "ppmm_instance_";
// Of the remote services that an application calls, those called most are exposed each by itself.
constexpr std::size_t kExposedRemotes = 20;
constexpr absl::string_view kOtherRemotes = "~other\x1f\x1f";

class StateCollectable : public prometheus::Collectable {
 public:
  StateCollectable(State& state, absl::Time now) : state_(state), now_(now) {}

  std::vector<MetricFamily> Collect() const override {
    std::vector<MetricFamily> out;
    CollectApplications(&out);
    CollectAgents(&out);
    return out;
  }

 private:
  // A copy of what one application exposes; filled under the lock.
  struct Application {
    std::string label;
    std::string name;  // as displayed
    std::string origin;
    std::string product;
    bool alive = false;  // some instance has a fresh series
    std::optional<double> resident;
    std::vector<std::pair<const CounterFamily*, double>> counters;
    struct Histogram {
      const Metric* metric;
      std::string labels;
      Sketch sketch;
    };
    std::vector<Histogram> histograms;
    std::vector<Histogram> calls;  // by remote service
  };

  // Those that are called less are told together, as those that the agents do not tell apart.
  static void BoundCalls(Application* application) {
    std::vector<Application::Histogram>& calls = application->calls;
    std::stable_sort(calls.begin(), calls.end(), [](const Application::Histogram& a, const Application::Histogram& b) {
      return a.sketch.count() > b.sketch.count();
    });
    std::optional<Application::Histogram> others;
    for (std::size_t i = 0, exposed = 0; i < calls.size(); ++i) {
      if (calls[i].labels != kOtherRemotes && exposed++ < kExposedRemotes) {
        application->histograms.push_back(std::move(calls[i]));
      } else if (others.has_value()) {
        others->sketch.Merge(calls[i].sketch);
      } else {
        others = std::move(calls[i]);
        others->labels = std::string(kOtherRemotes);
      }
    }
    if (others.has_value()) {
      application->histograms.push_back(*std::move(others));
    }
    calls.clear();
  }

  Application Copy(const Tables& tables, const ApplicationState& application) const {
    Application copy;
    copy.label = application.label();
    copy.name = application.name();
    OriginGuess origin;
    for (const EntityId id : application.instances) {
      const EntityState* const entity = tables.Entity(id);
      if (entity == nullptr) {
        continue;
      }
      bool fresh = false;
      for (const SeriesId series_id : entity->series) {
        const SeriesState* const series = tables.Series(series_id);
        if (series == nullptr || !IsFresh(series->last_step, now_)) {
          continue;
        }
        fresh = true;
        if (series->metric->name == "ppmm_instance_resident_memory_bytes") {
          copy.resident = copy.resident.value_or(0) + ValueOf(*series->metric, series->last);
        }
      }
      if (!fresh) {
        continue;
      }
      copy.alive = true;
      if (copy.product.empty()) {
        copy.product = entity->instance.product;
      }
      wire::Entity attributes;
      if (attributes.ParseFromString(entity->row.attributes) && attributes.has_instance()) {
        origin.Take(attributes.instance());
      }
    }
    copy.origin = std::string(OriginName(origin.origin()));
    for (const auto& [key, pooled] : application.totals) {
      if (!IsFresh(pooled.newest_step, now_)) {
        continue;
      }
      const Metric* const metric = FindMetric(key.first);
      if (metric == nullptr) {
        continue;
      }
      if (metric->kind == MetricKind::kHistogram) {
        (metric->name == "ppmm_instance_call_time_seconds" ? copy.calls : copy.histograms)
            .push_back({metric, key.second, pooled.sketch});
        continue;
      }
      for (const CounterFamily& family : kCounterFamilies) {
        if (family.metric == metric->name) {
          copy.counters.emplace_back(&family, ValueOf(*metric, pooled.total));
        }
      }
    }
    return copy;
  }

  void CollectApplications(std::vector<MetricFamily>* out) const {
    std::vector<ApplicationId> ids;
    {
      ReaderLock lock(&state_.mutex());
      for (const auto& [id, application] : state_.tables().applications) {
        ids.push_back(id);
      }
    }
    Family info =
        Gauge("ppmm_application_info",
              "1 for each application that is heard of; `name` is what people call it, else the name that was found.");
    Family resident = Gauge("ppmm_application_resident_memory_bytes",
                            "Resident memory, pages shared between processes counted in each.");
    std::map<absl::string_view, Family> counters;
    std::map<absl::string_view, Family> histograms;
    for (const ApplicationId id : ids) {
      Application one;
      {
        ReaderLock lock(&state_.mutex());
        const auto found = state_.tables().applications.find(id);
        if (found == state_.tables().applications.end()) {
          continue;
        }
        one = Copy(state_.tables(), found->second);
      }
      BoundCalls(&one);
      if (one.alive) {
        info.Add({{"application", one.label},
                  {"name", EscapeForDisplay(one.name)},
                  {"origin", one.origin},
                  {"product", one.product}},
                 1);
      }
      if (one.resident.has_value()) {
        resident.Add({{"application", one.label}}, *one.resident);
      }
      for (const auto& [family, value] : one.counters) {
        Family& counter =
            counters.try_emplace(family->family, Counter(family->family, absl::StrCat(family->help, kLateRemark)))
                .first->second;
        Labels labels = {{"application", one.label}};
        if (!family->direction.empty()) {
          labels.emplace_back("direction", family->direction);
        }
        counter.Add(labels, value);
      }
      for (const Application::Histogram& histogram : one.histograms) {
        AddHistogram(one.label, histogram, &histograms);
      }
    }
    info.MoveTo(out);
    for (auto& [name, family] : counters) {
      family.MoveTo(out);
    }
    resident.MoveTo(out);
    for (auto& [name, family] : histograms) {
      family.MoveTo(out);
    }
  }

  // ppmm_instance_X of the metric list is exposed, pooled, as ppmm_application_X.
  static void AddHistogram(absl::string_view application, const Application::Histogram& histogram,
                           std::map<absl::string_view, Family>* families) {
    const Metric& metric = *histogram.metric;
    const std::string name = absl::StrCat("ppmm_application_", absl::StripPrefix(metric.name, kInstancePrefix));
    Family& family =
        families->try_emplace(metric.name, Family(MetricType::Histogram, name, absl::StrCat(metric.help, kLateRemark)))
            .first->second;
    Labels labels = {{"application", application}};
    const std::vector<absl::string_view> values = absl::StrSplit(histogram.labels, '\x1f');
    for (std::size_t i = 0; i < metric.labels.size() && i < values.size(); ++i) {
      labels.emplace_back(metric.labels[i], values[i]);
    }
    family.Add(labels, histogram.sketch);
  }

  void CollectAgents(std::vector<MetricFamily>* out) const {
    std::map<HostPresence, int> presences = {
        {HostPresence::kLive, 0}, {HostPresence::kSilent, 0}, {HostPresence::kOff, 0}};
    SampleCounts samples;
    std::uint64_t lost_by_restore = 0;
    std::uint64_t late = 0;
    std::size_t series = 0;
    {
      ReaderLock lock(&state_.mutex());
      const Tables& tables = state_.tables();
      series = tables.series.size();
      for (const auto& [key, host] : tables.hosts) {
        ++presences[PresenceOf(host, now_)];
        late += host.late_samples_total;
      }
      for (const auto& [id, agent] : tables.agents) {
        samples.produced += agent.row.produced;
        samples.committed += agent.row.committed;
        samples.refused += agent.row.refused;
        samples.dropped += agent.row.dropped;
        if (agent.damaged_bytes.has_value()) {
          samples.damaged_bytes = samples.damaged_bytes.value_or(0) + *agent.damaged_bytes;
        }
      }
      lost_by_restore = tables.lost_by_restore;
    }
    Family agents = Gauge("ppmm_agents", "Hosts with an agent, by how they are heard of.");
    for (const auto& [presence, count] : presences) {
      agents.Add({{"state", HostPresenceName(presence)}}, count);
    }
    agents.MoveTo(out);
    Counter("ppmm_samples_total",
            "Samples by what became of them: produced = committed + in spools or in flight + "
            "refused + dropped.")
        .Add({{"outcome", "produced"}}, AsDouble(samples.produced))
        .Add({{"outcome", "committed"}}, AsDouble(samples.committed))
        .Add({{"outcome", "refused"}}, AsDouble(samples.refused))
        .Add({{"outcome", "dropped"}}, AsDouble(samples.dropped))
        .MoveTo(out);
    if (samples.damaged_bytes.has_value()) {  // else a restart would look like a loss
      Counter("ppmm_spool_damaged_bytes_total",
              "Bytes of agents' spools that were found damaged, or deleted under their agent, as those tell that came "
              "since the start.")
          .Add({}, AsDouble(*samples.damaged_bytes))
          .MoveTo(out);
    }
    Counter("ppmm_lost_by_restore_samples_total",
            "Samples that were acknowledged and then gone with a restore of the store; they count as dropped.")
        .Add({}, AsDouble(lost_by_restore))
        .MoveTo(out);
    Counter("ppmm_late_samples_total",
            "Samples that came more than 5 minutes after their time: in minutes and facts, "
            "not in the counters exposed here.")
        .Add({}, AsDouble(late))
        .MoveTo(out);
    Gauge("ppmm_store_series", "Series in memory: heard of within the last days.")
        .Add({}, AsDouble(series))
        .MoveTo(out);
  }

  State& state_;
  const absl::Time now_;
};

}  // namespace

absl::StatusOr<std::string> RenderMetrics(State& state, const SelfNumbers& self, const RatingSnapshot* rating,
                                          absl::Time now) {
  try {
    std::vector<MetricFamily> families = SelfCollectable(self).Collect();
    Gauge("ppmm_ready", "1: what agents send is committed; 0: /-/ready says why not.")
        .Add({}, state.ready() ? 1 : 0)
        .MoveTo(&families);
    const auto append = [&](std::vector<MetricFamily> more) {
      std::move(more.begin(), more.end(), std::back_inserter(families));
    };
    if (state.ready()) {
      if (rating != nullptr) {
        append(RatingCollectable(*rating).Collect());
      }
      append(StateCollectable(state, now).Collect());
    }
    return prometheus::TextSerializer().Serialize(families);
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("metrics: ", error.what()));
  }
}

}  // namespace ppmm
