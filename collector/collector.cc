#include "collector/collector.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "collector/api.h"
#include "collector/config.h"
#include "collector/declared_names.h"
#include "collector/deployment_api.h"
#include "collector/forgetter.h"
#include "collector/http/access.h"
#include "collector/http/router.h"
#include "collector/http/server.h"
#include "collector/ingest_queue.h"
#include "collector/ingest_server.h"
#include "collector/inventory.h"
#include "collector/places.h"
#include "collector/rating_engine.h"
#include "collector/release_judge.h"
#include "collector/retention.h"
#include "collector/self_numbers.h"
#include "collector/state.h"
#include "collector/store/sqlite_store.h"
#include "collector/writer.h"
#include "common/addresses.h"
#include "common/config_loader.h"
#include "common/data_lock.h"
#include "common/human.h"
#include "common/log.h"
#include "common/mutex.h"
#include "common/status.h"
#include "common/tls_files.h"
#include "common/version.h"

namespace ppmm {
namespace {

absl::StatusOr<IngestOptions> IngestOptionsOf(const config::CollectorConfig& config) {
  IngestOptions options;
  options.listen = config.grpc().listen();
  options.max_connections_per_address = config.grpc().limits().max_connections_per_address();
  ConfigReport report;
  TlsTexts texts = ReadTlsFiles(TlsFieldsOf(config.grpc()), &report);
  RETURN_IF_ERROR(report.status());
  options.certificate = std::move(texts.certificate);
  options.key = std::move(texts.key);
  options.client_ca = std::move(texts.ca);
  return options;
}

constexpr std::size_t kNamedAgents = 3;

// HTTP asks nobody who he is.
bool HttpIsOpen(const config::CollectorConfig& config) {
  const absl::StatusOr<HostPort> listen = ParseListenAddress(config.http().listen());
  return listen.ok() && !listen->IsLoopback();
}
std::string WhoReads(const config::CollectorConfig& config) {
  return absl::StrCat("whoever reaches ", config.http().listen(), " reads everything: HTTP asks nobody who he is");
}
constexpr absl::string_view kHowToCloseHttp =
    "listen on 127.0.0.1 (http.listen), with a proxy before it that has TLS and a login, or let a firewall say who "
    "comes in";

constexpr absl::string_view kHowToPutBack =
    "move it back, and the collector goes on by itself; if it was deleted, stop the collector, put a backup there and "
    "start it";

}  // namespace

class Collector::Impl {
 public:
  Impl(config::CollectorConfig config, const Clock* clock) : config_(std::move(config)), clock_(clock) {}

  absl::Status Start(const CollectorStart& how) {
    RETURN_IF_ERROR(TakeDataDirectory(config_, &lock_));
    ASSIGN_OR_RETURN(Inventory inventory, LoadInventory(config_.inventory()));
    ASSIGN_OR_RETURN(store_, OpenSqliteStore(StorePath(config_)));
    store_file_.emplace(StorePath(config_));
    writer_ = std::make_unique<Writer>(&state_, store_.get(), &queue_, clock_);
    writer_->SetClocks(&counters_.clocks);
    writer_->SetGuard([this] { return StoreInItsPlace(); });
    RETURN_IF_ERROR(LoadState());
    if (how.accept_clock) {
      writer_->AcceptClock();
      LogInfo("collector", "the clock is taken as right");
    }
    if (how.restored) {
      RETURN_IF_ERROR(writer_->BeginAnew());
      LogInfo("collector", "the store was set back: it has a new id, and exposed totals begin at 0");
    }
    retention_ = std::make_unique<Retention>(&state_, store_.get(), writer_.get());
    writer_->AddHousekeeping([this](absl::Time store_time) { return retention_->Slice(store_time); });
    release_judge_ = std::make_unique<ReleaseJudge>(store_.get());
    writer_->AddHousekeeping([this](absl::Time store_time) { return release_judge_->Slice(store_time); });
    forgetter_ = std::make_unique<Forgetter>(&state_, writer_.get());
    writer_->AddHousekeeping([this](absl::Time store_time) { return forgetter_->Slice(store_time); });
    rating_ = std::make_unique<RatingEngine>(&state_, store_.get(), writer_.get(), clock_, RatingEngineOptions{});
    RETURN_IF_ERROR(rating_->Load());
    names_ = std::make_unique<DeclaredNames>(&state_, writer_.get());
    Take(config_, std::move(inventory));

    ViewContext context;
    context.state = &state_;
    context.clock = clock_;
    context.rating = rating_.get();
    context.clocks = &counters_.clocks;
    context.agents = &counters_.agents;
    context.self = [this] { return Self(); };
    context.reader = [this] { return store_->OpenReader(); };
    context.organization = [this] {
      MutexLock lock(&mutex_);
      return organization_;
    };
    context.inventory = [this] {
      MutexLock lock(&mutex_);
      return inventory_;
    };
    router_.SetNames(http::AllowedNames(HttpNames(config_)));
    AddRoutes(router_, context);
    AddDeploymentRoute(router_, &state_, writer_.get(), clock_);
    http_ = std::make_unique<http::Server>(http::ServerOptions{},
                                           [this](http::Request& request) { return router_.Handle(request); });
    RETURN_IF_ERROR(http_->ListenTcp(config_.http().listen(), "--http-listen"));
    if (HttpIsOpen(config_)) {
      LogWarning("http", WhoReads(config_), "; ", kHowToCloseHttp);
    }
    if (!config_.socket().empty()) {
      std::error_code made;  // told by the next line
      std::filesystem::create_directories(std::filesystem::path(config_.socket()).parent_path(), made);
      if (const absl::Status status = http_->ListenUnix(config_.socket()); !status.ok()) {
        LogWarning("collector", "no Unix socket: ", status.message());
      }
    }
    ASSIGN_OR_RETURN(const IngestOptions ingest_options, IngestOptionsOf(config_));
    ASSIGN_OR_RETURN(ingest_, IngestServer::Start(ingest_options, clock_, &queue_, &counters_));
    writer_->Start();
    rating_->Start();
    http_->Start();
    return absl::OkStatus();
  }

  void Tick(bool heard) {
    names_->Keep();
    if (state_.Readiness().ok() && store_file_->Gone()) {
      // Told also while no agent sends.
      writer_->Submit([](Tables&, Store&) { return absl::OkStatus(); }, [](const absl::Status&) {});
    }
    const std::int64_t minute = absl::ToUnixSeconds(clock_->Now()) / 60;
    if (heard && minute != watchdog_minute_) {
      watchdog_minute_ = minute;
      // A collector that cannot commit does not count as alive: what fails here is not tried again.
      writer_->Submit([minute](Tables& tables, Store& store) { return NoteWatchdog(minute, tables, store); },
                      [](const absl::Status&) {});
    }
  }

  void Stop(absl::Duration timeout) {
    ingest_->Stop();
    rating_->Stop();  // before the writer, whose commits it waits for
    writer_->Stop();
    http_->Stop(timeout);
  }

  absl::StatusOr<std::vector<std::string>> Reload(const absl::StatusOr<config::CollectorConfig>& config) {
    absl::StatusOr<Inventory> inventory = config.ok() ? LoadInventory(config->inventory()) : config.status();
    const absl::Status status = inventory.status();
    if (status.ok()) {
      Take(*config, *std::move(inventory));
    }
    MutexLock lock(&mutex_);
    reload_ = status;
    RETURN_IF_ERROR(status);
    waits_for_restart_ = ChangesThatNeedRestart(config_, *config);
    return waits_for_restart_;
  }

  int http_port() const { return http_->port(); }
  int grpc_port() const { return ingest_->port(); }

  std::string StatusLine() const {
    const absl::Status readiness = state_.Readiness();
    return readiness.ok() ? absl::StrCat(HumanCount(counters_.streams.load(), "agent"), " connected")
                          : std::string(readiness.message());
  }

 private:
  // What needs no restart.
  void Take(const config::CollectorConfig& config, Inventory inventory) {
    const auto shared = std::make_shared<const Inventory>(std::move(inventory));
    retention_->Keep(config.retention().minutes_days(), config.retention().hours_days());
    rating_->SetOrganization({.name = config.organization(),
                              .retention_days = config.retention().hours_days(),
                              .networks = OwnNetworks(config, *shared)});
    names_->Set(shared);
    MutexLock lock(&mutex_);
    organization_ = config.organization();
    inventory_ = shared;
  }

  // What is committed into a file without its name, the next start does not find.
  absl::Status StoreInItsPlace() const {
    return store_file_->Gone() ? absl::UnavailableError(absl::StrCat(
                                     StorePath(config_), " was moved or deleted under the collector; ", kHowToPutBack))
                               : absl::OkStatus();
  }

  absl::Status LoadState() {
    const absl::Status loaded = writer_->Load();
    // SQLite's errors name file and cure; rows that contradict each other are found by us.
    if (!absl::IsDataLoss(loaded) || absl::StrContains(loaded.message(), StorePath(config_))) {
      return loaded;
    }
    return absl::DataLossError(absl::StrCat("store ", StorePath(config_), ": ", loaded.message(),
                                            "; it is damaged: put a backup in its place (docs/operations.md, Backup "
                                            "and restore)"));
  }

  // What is wrong with our clock or the agents'.
  void AddClocks(const std::string& store_time_reason, SelfNumbers* self) const {
    if (!store_time_reason.empty()) {
      self->components.push_back(
          {"clock", false, absl::StrCat(store_time_reason, "; sealing, retention, facts and the daily evaluation wait"),
           "set the clock that is wrong; if the collector's is right, start it once with --accept-clock"});
    }
    std::vector<std::string> held;
    for (const ClockOffsets::Offset& offset : counters_.clocks.All(clock_->Now(), clock_->SinceBoot())) {
      if (offset.held) {
        held.push_back(absl::StrCat(offset.agent, " ", HumanDuration(absl::AbsDuration(offset.ahead)),
                                    offset.ahead > absl::ZeroDuration() ? " ahead" : " behind"));
      }
    }
    self->time.agents_held = static_cast<std::int64_t>(held.size());
    if (held.empty()) {
      return;
    }
    std::sort(held.begin(), held.end());
    const std::size_t more = held.size() - std::min(held.size(), kNamedAgents);
    held.resize(held.size() - more);
    self->components.push_back({"agents", false,
                                absl::StrCat("sent away because the clocks differ: ", absl::StrJoin(held, ", "),
                                             more == 0 ? "" : absl::StrCat(" and ", more, " more")),
                                "set the clock that is wrong; until then what they measure waits in their spools"});
  }

  SelfNumbers Self() const {
    SelfNumbers self;
    self.version = kVersion;
    self.data_directory = config_.data();
    self.store_bytes = ReadFileSizes(StorePath(config_));
    self.disk_free_bytes = ReadDiskFree(config_.data());
    SelfNumbers::Ingest& ingest = self.ingest;
    ingest.frames = counters_.frames.load();
    ingest.bytes = counters_.bytes.load();
    ingest.batches = counters_.batches.load();
    ingest.samples = counters_.samples.load();
    ingest.unknown_series_samples = counters_.unknown_series_samples.load();
    const WriterStatus writer = writer_->status();
    for (int reason = wire::REFUSAL_MALFORMED; reason < wire::RefusalReason_ARRAYSIZE; ++reason) {
      const std::string name = RefusalName(static_cast<wire::RefusalReason>(reason));
      const auto index = static_cast<std::size_t>(reason);
      // What is beyond the limits of the store, ingest took and the writer refused.
      const bool by_writer = reason == wire::REFUSAL_LIMIT;
      ingest.refused_batches.emplace_back(
          name, counters_.refused_batches[index].load() + (by_writer ? writer.merged.batches_refused : 0));
      ingest.refused_samples.emplace_back(
          name, counters_.refused_samples[index].load() + (by_writer ? writer.merged.samples_refused : 0));
    }
    ingest.streams = counters_.streams.load();
    ingest.streams_opened = counters_.streams_opened.load();
    ingest.streams_refused = counters_.streams_refused.load();
    ingest.connections_without_stream = counters_.connections_without_stream.load();
    ingest.connections = counters_.connections.accepted.load();
    ingest.shed_connections = {{"no_descriptor", counters_.connections.shed_no_descriptor.load()},
                               {"per_address", counters_.connections.shed_per_address.load()}};
    ingest.queue_bytes = queue_.bytes();
    ingest.queue_limit_bytes = IngestQueue::kDefaultMaxBytes;
    ingest.repeated_batches = writer.merged.batches_repeated;
    ingest.refused_entries = writer.entries_refused;
    ingest.refused_deployments = writer.deployments_refused;
    self.commits.count = writer.commits;
    self.commits.failed = writer.failed_commits;
    self.commits.seconds = absl::ToDoubleSeconds(writer.commit_time);
    self.commits.longest_seconds = absl::ToDoubleSeconds(writer.longest_commit);
    self.commits.last = writer.last_commit;

    const http::ServerStats http = http_->stats();
    self.http.connections = static_cast<std::int64_t>(http.open);
    self.http.requests = http.requests;
    self.http.refused_connections = http.refused_total + http.refused_per_address;
    self.http.client_errors = http.client_errors;
    self.http.server_errors = http.server_errors;
    self.http.sent_bytes = http.sent_bytes;
    self.process = ReadProcessNumbers();
    {
      MutexLock lock(&mutex_);
      self.config_ok = reload_.ok();
      self.config_error = std::string(reload_.message());
      self.config_waits_for_restart = waits_for_restart_;
    }
    self.time.waits = writer.store_time_waits;
    self.time.set_back = writer.store_time_set_back;
    AddClocks(writer.store_time_reason, &self);
    const absl::Status readiness = state_.Readiness();
    self.components.push_back({"store", readiness.ok(), std::string(readiness.message()), ""});
    const RatingEngine::Turns turns = rating_->turns();
    self.rating_failures = turns.failed;
    if (!turns.last.ok()) {
      self.components.push_back({"rating", false, absl::StrCat("the last evaluation failed: ", turns.last.message()),
                                 readiness.ok() ? "" : "that of the store, above"});
    }
    if (HttpIsOpen(config_)) {
      self.components.push_back({"http", false, WhoReads(config_), std::string(kHowToCloseHttp)});
    }
    if (config_.grpc().tls().insecure_network()) {
      self.components.push_back({"ingest", false,
                                 "plain text on the network: anyone on the way reads and forges samples",
                                 "configure grpc.tls with certificate, key and client_ca"});
    }
    return self;
  }

  const config::CollectorConfig config_;  // as of the start
  const Clock* const clock_;
  DataLock lock_;  // until the store is closed
  IngestQueue queue_;
  IngestCounters counters_;
  State state_;
  http::Router router_;
  std::unique_ptr<Store> store_;
  std::optional<PlacedFile> store_file_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<ReleaseJudge> release_judge_;
  std::unique_ptr<Forgetter> forgetter_;
  std::unique_ptr<RatingEngine> rating_;
  std::unique_ptr<DeclaredNames> names_;
  std::unique_ptr<http::Server> http_;
  std::unique_ptr<IngestServer> ingest_;
  std::int64_t watchdog_minute_ = 0;  // the last one noted
  mutable Mutex mutex_;
  absl::Status reload_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> waits_for_restart_ ABSL_GUARDED_BY(mutex_);
  std::string organization_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Inventory> inventory_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<std::unique_ptr<Collector>> Collector::Start(const config::CollectorConfig& config, const Clock* clock,
                                                            CollectorStart how) {
  auto impl = std::make_unique<Impl>(config, clock);
  RETURN_IF_ERROR(impl->Start(how));
  return std::unique_ptr<Collector>(new Collector(std::move(impl)));
}

Collector::Collector(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Collector::~Collector() = default;
void Collector::Tick(bool heard) {
  impl_->Tick(heard);
}
void Collector::Stop(absl::Duration timeout) {
  impl_->Stop(timeout);
}
absl::StatusOr<std::vector<std::string>> Collector::Reload(const absl::StatusOr<config::CollectorConfig>& config) {
  return impl_->Reload(config);
}
int Collector::http_port() const {
  return impl_->http_port();
}
int Collector::grpc_port() const {
  return impl_->grpc_port();
}
std::string Collector::StatusLine() const {
  return impl_->StatusLine();
}

}  // namespace ppmm
