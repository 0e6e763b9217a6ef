// What a fleet costs the collector: frames as agents send them go through ingest, merge, commit, facts, rating and the
// pages, in one process, without sockets. docs/scale.md quotes the table that it prints.
//   collector_fleet [--hosts N] [--minutes N] [--steps N] [--day]
// `--steps`: steps of one second in a batch. `--day`: instead, fewer hosts at 10 s live a whole day, which is then
// sealed; bytes a point is what remains of it.
#include <malloc.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "collector/batch.h"
#include "collector/exposition.h"
#include "collector/ingest_session.h"
#include "collector/store/sqlite_query.h"
#include "common/batch_codec.h"
#include "common/crc32c.h"
#include "common/metrics.h"
#include "proto/telemetry.pb.h"
#include "tests/testing/frames.h"
#include "tests/testing/temp_folder.h"
#include "tests/world/collector.h"

namespace ppmm {
namespace {

constexpr std::int64_t kBegin = 1767225600;  // 2026-01-01 00:00:00 UTC
constexpr int kInstances = 60;               // applications of a host
constexpr int kDevices = 4;                  // of each metric with labels

struct Options {
  int hosts = 100;
  int minutes = 3;
  int steps = 6;
  bool day = false;
};

void Fail(const absl::Status& status) {
  std::fprintf(stderr, "collector_fleet: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}
void Check(const absl::Status& status) {
  if (!status.ok()) {
    Fail(status);
  }
}

// Of all threads.
double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double ResidentBytes() {
  malloc_trim(0);
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  statm >> pages >> pages;
  return pages * 4096;
}

// The series of one host: every metric that an agent sends, of a few devices and many applications.
struct Shape {
  wire::Dictionary dictionary;
  std::vector<MetricKind> kinds;                       // of series id - 1
  std::vector<std::string> columns;                    // each a batch of all series
  std::vector<std::uint32_t> expected{0, 0, 0, 0, 0};  // samples a minute, by resource
};

std::string LabelOf(const Metric& metric, std::size_t label, int device) {
  if (metric.labels[label] == "mode") {
    return device == 0 ? "idle" : absl::StrCat("mode", device);
  }
  return label == 0 ? absl::StrCat("device", device) : absl::StrCat("value", device);
}

void AddSeries(const Metric& metric, std::uint32_t entity, int device, Shape& shape) {
  wire::Series* series = shape.dictionary.add_series();
  series->set_id(static_cast<std::uint32_t>(shape.dictionary.series_size()));
  series->set_entity(entity);
  series->set_name(std::string(metric.name));
  series->set_kind(metric.kind == MetricKind::kGauge ? wire::GAUGE : wire::COUNTER);
  series->set_scale(metric.scale);
  for (std::size_t label = 0; label < metric.labels.size(); ++label) {
    series->add_labels(LabelOf(metric, label, device));
  }
  shape.kinds.push_back(metric.kind);
  if (metric.scope == MetricScope::kHost && metric.role == MetricRole::kUtilization) {
    shape.expected[static_cast<std::size_t>(metric.resource)] += 1;
  }
}

// Counters are 0 two times in three, gauges move a little, as on a host at work.
void AddColumns(int steps, std::mt19937_64& random, Shape& shape) {
  std::vector<std::vector<std::int64_t>> values(shape.kinds.size());
  std::vector<Column> columns;
  for (std::size_t i = 0; i < shape.kinds.size(); ++i) {
    std::int64_t level = static_cast<std::int64_t>(random() % 100'000);
    for (int step = 0; step < steps; ++step) {
      const bool gauge = shape.kinds[i] == MetricKind::kGauge;
      const bool moves = random() % 3 == 0;
      level += gauge && moves ? static_cast<std::int64_t>(random() % 40) : 0;
      values[i].push_back(gauge ? level : moves ? static_cast<std::int64_t>(random() % 1000) : 0);
    }
    columns.push_back(
        {static_cast<std::uint32_t>(i + 1), shape.kinds[i], (std::uint64_t{1} << steps) - 1, values[i], {}});
  }
  Check(AppendColumns(columns, static_cast<std::uint32_t>(steps), &shape.columns.emplace_back()));
}

// Shape: `variants` batches of different values, to be sent in turn.
Shape ShapeOf(int steps, int step_seconds, int variants) {
  Shape shape;
  shape.dictionary.set_complete(true);
  shape.dictionary.set_listeners_complete(true);
  wire::Entity* host = shape.dictionary.add_entities();
  host->set_id(1);
  host->mutable_host()->set_cpus(4);
  for (int i = 0; i < kInstances; ++i) {
    wire::Entity* entity = shape.dictionary.add_entities();
    entity->set_id(static_cast<std::uint32_t>(i + 2));
    entity->mutable_instance()->set_name(absl::StrCat("application", i));
    entity->mutable_instance()->set_origin_guess(i % 2 == 0 ? wire::ORIGIN_OFF_THE_SHELF : wire::ORIGIN_IN_HOUSE);
  }
  for (const Metric& metric : MetricList()) {
    if (metric.kind == MetricKind::kHistogram) {
      continue;
    }
    const bool of_host = metric.scope == MetricScope::kHost;
    const int devices = metric.labels.empty() ? 1 : of_host ? kDevices : 2;
    for (int entity = of_host ? 1 : 2; entity <= (of_host ? 1 : kInstances + 1); ++entity) {
      for (int device = 0; device < devices; ++device) {
        AddSeries(metric, static_cast<std::uint32_t>(entity), device, shape);
      }
    }
  }
  for (std::uint32_t& expected : shape.expected) {
    expected *= static_cast<std::uint32_t>(60 / step_seconds);
  }
  std::mt19937_64 random(1);
  for (int i = 0; i < variants; ++i) {
    AddColumns(steps, random, shape);
  }
  return shape;
}

// The collector's answers are of no use here.
class NoSink : public StreamSink {
 public:
  void Welcome(const StreamWelcome&) override {}
  void Acknowledge(const StreamAck&) override {}
  void Resume() override {}
  void Cut(const absl::Status& why) override { Fail(why); }
};

struct Agent {
  std::unique_ptr<IngestSession> session;
  std::uint64_t seq = 0;
  std::uint64_t produced = 0;
};

class Fleet {
 public:
  Fleet(const Shape* shape, int steps, int step_seconds, const std::string& file)
      : shape_(shape),
        steps_(steps),
        step_seconds_(step_seconds),
        file_(file),
        clock_(absl::FromUnixSeconds(kBegin)),
        sink_(std::make_shared<NoSink>()) {
    Open();
  }

  void Open() {
    absl::StatusOr<std::unique_ptr<WorldCollector>> collector = WorldCollector::Open(file_, &clock_);
    Check(collector.status());
    collector_ = *std::move(collector);
  }
  void Close() {
    for (Agent& agent : agents_) {
      agent.session.reset();
    }
    collector_.reset();
  }

  void Connect(int hosts) {
    agents_.resize(static_cast<std::size_t>(hosts));
    for (int i = 0; i < hosts; ++i) {
      wire::AgentFrame frame = HelloFrame(EpochOf(i), clock_.Now());
      wire::Hello* hello = frame.mutable_hello();
      hello->set_agent_id(IdOf('a', i));
      hello->set_host_id(IdOf('h', i));
      hello->set_duplicate_host_id(IdOf('d', i));
      hello->set_host_name(absl::StrCat("host", i));
      Agent& agent = agents_[static_cast<std::size_t>(i)];
      agent.session = std::make_unique<IngestSession>(&clock_, &collector_->queue(), &collector_->counters());
      Check(agent.session->Open(frame.SerializeAsString(), sink_));
      wire::AgentFrame told;
      *told.mutable_dictionary() = shape_->dictionary;
      told.mutable_dictionary()->set_epoch(EpochOf(i));
      Send(agent, told);
    }
    Commit();
  }

  // A batch of each host whose last step is now.
  void Live(int hosts) {
    clock_.Advance(absl::Seconds(steps_ * step_seconds_));
    for (int i = 0; i < hosts; ++i) {
      Agent& agent = agents_[static_cast<std::size_t>(i)];
      wire::AgentFrame frame;
      wire::Batch* batch = frame.mutable_batch();
      batch->set_epoch(EpochOf(i));
      batch->set_seq(++agent.seq);
      batch->set_t0(absl::ToUnixSeconds(clock_.Now()) - std::int64_t{steps_} * step_seconds_);
      batch->set_step_seconds(static_cast<std::uint32_t>(step_seconds_));
      batch->set_steps(static_cast<std::uint32_t>(steps_));
      batch->set_columns(shape_->columns[(agent.seq + static_cast<std::uint64_t>(i)) % shape_->columns.size()]);
      batch->set_crc32c(Crc32c(batch->columns()));
      const auto samples = static_cast<std::uint32_t>(shape_->kinds.size()) * static_cast<std::uint32_t>(steps_);
      agent.produced += samples;
      batch->set_samples(samples);
      batch->set_produced(agent.produced);
      for (int kind = wire::RESOURCE_CPU; kind <= wire::RESOURCE_NETWORK; ++kind) {
        wire::Expected* expected = batch->add_expected();
        expected->set_resource(static_cast<wire::Resource>(kind));
        expected->set_samples_per_minute(shape_->expected[static_cast<std::size_t>(kind)]);
      }
      Send(agent, frame);
      samples_ += samples;
    }
    Commit();
  }

  void Pass(absl::Duration time) { clock_.Advance(time); }

  void Commit() {
    const double begin = CpuSeconds();
    Check(collector_->Commit());
    commit_cpu_ += CpuSeconds() - begin;
  }

  WorldCollector& collector() { return *collector_; }
  absl::Time now() const { return clock_.Now(); }
  double samples() const { return samples_; }
  double ingest_cpu() const { return ingest_cpu_; }
  double commit_cpu() const { return commit_cpu_; }

 private:
  static std::string IdOf(char what, int number) {
    std::string id(16, what);
    for (std::size_t i = 0; i < 4; ++i) {
      id[12 + i] = static_cast<char>(number >> (8 * i));
    }
    return id;
  }
  static std::uint64_t EpochOf(int number) { return static_cast<std::uint64_t>(number) + 1; }

  void Send(Agent& agent, wire::AgentFrame& frame) {
    frame.set_sent_wall_us(absl::ToUnixMicros(clock_.Now()));
    const std::string bytes = frame.SerializeAsString();
    const double begin = CpuSeconds();
    const absl::StatusOr<IngestSession::Taken> taken = agent.session->Take(bytes);
    ingest_cpu_ += CpuSeconds() - begin;
    Check(taken.status());
    if (!taken->refused.empty()) {
      Fail(absl::InternalError(absl::StrCat("refused: ", taken->refused[0].ShortDebugString())));
    }
    if (!taken->room) {
      Commit();
    }
  }

  const Shape* const shape_;
  const int steps_;
  const int step_seconds_;
  const std::string file_;
  ManualClock clock_;
  const std::shared_ptr<NoSink> sink_;
  std::unique_ptr<WorldCollector> collector_;
  std::vector<Agent> agents_;
  double samples_ = 0;
  double ingest_cpu_ = 0;
  double commit_cpu_ = 0;
};

double FileBytes(const TempFolder& folder) {
  double bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    bytes += static_cast<double>(entry.file_size());
  }
  return bytes;
}

// The one number that a query of the database gives.
double Number(const std::string& file, const std::string& query) {
  sqlite3* database = nullptr;
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_open_v2(file.c_str(), &database, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK ||
      sqlite3_prepare_v2(database, query.c_str(), -1, &statement, nullptr) != SQLITE_OK ||
      sqlite3_step(statement) != SQLITE_ROW) {
    Fail(absl::InternalError(absl::StrCat(query, ": ", sqlite3_errmsg(database))));
  }
  const double number = sqlite3_column_double(statement, 0);
  sqlite3_finalize(statement);
  sqlite3_close(database);
  return number;
}

void Row(const std::string& what, double value, const char* unit) {
  std::printf("| %-62s | %10.4g | %-21s |\n", what.c_str(), value, unit);
  std::fflush(stdout);
}

void RunMinutes(const Options& options) {
  const Shape shape = ShapeOf(options.steps, 1, 16);
  const double series = static_cast<double>(options.hosts) * static_cast<double>(shape.kinds.size());
  const TempFolder folder;
  const double before = ResidentBytes();
  Fleet fleet(&shape, options.steps, 1, folder.path() + "/ppmm.db");
  const double connecting = CpuSeconds();
  fleet.Connect(options.hosts);
  Row("series", series, "");
  Row("connecting: dictionaries read, merged, committed", 1e6 * (CpuSeconds() - connecting) / series,
      "us CPU a series");
  Row("memory, connected", (ResidentBytes() - before) / series, "bytes a series");

  const double ingest = fleet.ingest_cpu();
  const double commit = fleet.commit_cpu();
  for (int second = 0; second < options.minutes * 60; second += options.steps) {
    fleet.Live(options.hosts);
  }
  const double taken = fleet.ingest_cpu() - ingest;
  const double committed = fleet.commit_cpu() - commit;
  Row("samples sent", fleet.samples(), "");
  Row("frames read, checked, decoded", fleet.samples() / taken / 1e6, "M samples/CPU-s");
  Row("merged and committed", fleet.samples() / committed / 1e6, "M samples/CPU-s");
  Row("all of it", fleet.samples() / (taken + committed) / 1e6, "M samples/CPU-s");
  Row("memory, with the steps of the open minutes", (ResidentBytes() - before) / series, "bytes a series");
  Row("database and its log", FileBytes(folder) / fleet.samples(), "bytes a sample");

  double begin = CpuSeconds();
  Check(fleet.collector().Rate());
  Row("the first rating since the start", CpuSeconds() - begin, "s CPU");
  fleet.Live(options.hosts);
  begin = CpuSeconds();
  Check(fleet.collector().Rate());
  Row("the next one, of the same day", CpuSeconds() - begin, "s CPU");

  begin = CpuSeconds();
  const double idle = ResidentBytes();
  double page_bytes = 0;
  double page_memory = 0;
  const http::BodyStream page = HostMetricsStream(fleet.collector().state(), fleet.now());
  for (bool more = true; more;) {
    std::string piece;
    const absl::StatusOr<bool> next = page(&piece);
    Check(next.status());
    if (page_bytes == 0) {
      page_memory = ResidentBytes() - idle;
    }
    page_bytes += static_cast<double>(piece.size());
    more = *next;
  }
  Row("/metrics/hosts", CpuSeconds() - begin, "s CPU");
  Row("/metrics/hosts, its text", page_bytes / 1e6, "MB");
  Row("/metrics/hosts, memory while it is sent", page_memory / 1e6, "MB");

  fleet.Close();
  begin = CpuSeconds();
  fleet.Open();
  Row("a start that reads the state from the file", 1e6 * (CpuSeconds() - begin) / series, "us CPU a series");
}

void RunDay(const Options& options) {
  const Shape shape = ShapeOf(6, 10, 1440);
  const double series = static_cast<double>(options.hosts) * static_cast<double>(shape.kinds.size());
  const TempFolder folder;
  const std::string file = folder.path() + "/ppmm.db";
  Fleet fleet(&shape, 6, 10, file);
  fleet.Connect(options.hosts);
  for (int minute = 0; minute < 1440; ++minute) {
    fleet.Live(options.hosts);
    if (minute % 144 == 143) {
      std::fprintf(stderr, "%d %% of the day\n", (minute + 1) * 100 / 1440);
    }
  }
  const double points = series * 1440;
  Row("series", series, "");
  Row("points: series x minutes", points, "");
  Row("merged and committed", fleet.samples() / fleet.commit_cpu() / 1e6, "M samples/CPU-s");
  Row("the rows of its minutes", Number(file, "SELECT SUM(LENGTH(blob)) FROM minute") / points, "bytes a point");
  double begin = CpuSeconds();
  fleet.Live(options.hosts);  // the first minute of the next day
  Check(fleet.collector().Rate());
  Row("its facts, forecasts and rating", CpuSeconds() - begin, "s CPU");
  // One host reports each hour until the day is old enough to be sealed.
  const std::string unsealed = absl::StrCat("SELECT COUNT(*) FROM minute WHERE id < ", RowId(kBegin / 60 + 1440, 0));
  double sealing = 0;
  for (int hour = 0; hour < 100 && (hour < 74 || Number(file, unsealed) > 0); ++hour) {
    begin = CpuSeconds();
    fleet.Pass(absl::Hours(1));
    fleet.Live(1);
    for (int slice = 0; slice < 40; ++slice) {
      fleet.Commit();
    }
    sealing += CpuSeconds() - begin;
  }
  Row("sealing it", sealing, "s CPU");
  const std::string blocks = absl::StrCat("FROM block WHERE day = ", kBegin / 86400);
  Row("its sealed blocks", Number(file, "SELECT SUM(LENGTH(blob)) " + blocks) / points, "bytes a point");
  Row("rows of its minutes that are left", Number(file, unsealed), "");
}

bool ParseOptions(int count, char** words, Options* options) {
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    int* const number = word == "--hosts"     ? &options->hosts
                        : word == "--minutes" ? &options->minutes
                        : word == "--steps"   ? &options->steps
                                              : nullptr;
    if (word == "--day") {
      options->day = true;
    } else if (number == nullptr || ++i == count || !absl::SimpleAtoi(words[i], number) || *number < 1) {
      std::fprintf(stderr, "collector_fleet: %s: use [--hosts N] [--minutes N] [--steps N] [--day]\n", word.c_str());
      return false;
    }
  }
  if (60 % options->steps != 0) {
    std::fprintf(stderr, "collector_fleet: --steps %d does not divide a minute\n", options->steps);
    return false;
  }
  return true;
}

}  // namespace
}  // namespace ppmm

int main(int count, char** words) {
  ppmm::Options options;
  if (!ppmm::ParseOptions(count, words, &options)) {
    return 2;
  }
  options.day ? ppmm::RunDay(options) : ppmm::RunMinutes(options);
  return 0;
}
