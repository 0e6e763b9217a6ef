#include "agent/agent.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "agent/grpc_transport.h"
#include "agent/hello.h"
#include "agent/host_info.h"
#include "agent/identify/identify.h"
#include "agent/identity_file.h"
#include "agent/instance_names.h"
#include "agent/package_log.h"
#include "agent/sampler.h"
#include "agent/short_run.h"
#include "agent/sources.h"
#include "agent/spool.h"
#include "agent/stream.h"
#include "common/backoff.h"
#include "common/human.h"
#include "common/log.h"
#include "common/mutex.h"
#include "common/status.h"
#include "common/version.h"

namespace ppmm {
namespace {

std::uint64_t RandomEpoch() {
  std::uint64_t epoch = 0;
  while (epoch == 0) {  // 0 is no epoch
    const std::string bytes = KernelRandomBytes(sizeof epoch);
    std::memcpy(&epoch, bytes.data(), sizeof epoch);
  }
  return epoch;
}

double RandomRatio() {
  return static_cast<double>(RandomEpoch() >> 11) * 0x1.0p-53;
}

std::string TimeOrEmpty(absl::Time time) {
  return time == absl::InfinitePast() ? "" : absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

// The spool as the sampler sees it.
class SpoolSink : public BatchSink {
 public:
  explicit SpoolSink(Spool* spool) : spool_(spool) {}
  void BeginEpoch(std::uint64_t epoch, std::function<std::vector<std::string>()> dictionary) override {
    spool_->BeginEpoch(epoch, std::move(dictionary));
  }
  void AppendDictionary(absl::string_view frame) override { spool_->AppendDictionary(frame); }
  void AppendBatch(std::uint64_t seq, std::uint32_t samples, absl::Time t0, absl::string_view frame) override {
    spool_->AppendBatch(seq, samples, t0, frame);
  }

 private:
  Spool* const spool_;
};

// The sampler as the stream sees it.
class SamplerEpochs : public EpochOwner {
 public:
  explicit SamplerEpochs(Sampler* sampler) : sampler_(sampler) {}
  void RequestEpoch() override { sampler_->BeginEpoch(); }
  void SetGrid(std::uint32_t step_seconds, std::uint32_t steps_per_batch) override {
    sampler_->RequestShape({step_seconds, steps_per_batch});
  }

 private:
  Sampler* const sampler_;
};

}  // namespace

class Agent::Impl {
 public:
  Impl(AgentSettings settings, const Clock* clock) : settings_(std::move(settings)), clock_(clock) {}

  absl::Status Start() {
    started_ = clock_->Now();
    ASSIGN_OR_RETURN(disk_, OpenDiskDirectory(settings_.data));
    GrpcTransportOptions transport_options;
    transport_options.target = settings_.collector;
    transport_options.ca_file = settings_.tls_ca;
    transport_options.certificate_file = settings_.tls_certificate;
    transport_options.key_file = settings_.tls_key;
    transport_options.server_name = settings_.tls_server_name;
    transport_options.insecure_network = settings_.insecure_network;
    ASSIGN_OR_RETURN(std::unique_ptr<Transport> transport, MakeGrpcTransport(transport_options));

    identity_ = std::make_unique<IdentityFile>(disk_.get(), ReadMachineId(settings_.root), settings_.host_id_override,
                                               KernelRandomBytes);
    {
      MutexLock lock(&identity_mutex_);
      if (const absl::Status status = identity_->Establish(started_); !status.ok()) {
        LogWarning("agent", "the identity is not durable: ", status.message());
      }
    }
    ASSIGN_OR_RETURN(boot_, ReadBootFacts(settings_.root));
    life_note_ = absl::StrCat(settings_.data, "/life");

    SpoolOptions spool_options;
    spool_options.max_bytes = settings_.spool_bytes;
    spool_options.segment_bytes = settings_.spool_segment_bytes;
    spool_ = std::make_unique<Spool>(disk_.get(), spool_options, started_);
    sink_ = std::make_unique<SpoolSink>(spool_.get());

    names_ = std::make_unique<InstanceNames>(disk_.get());
    ASSIGN_OR_RETURN(identifier_, Identifier::Create(settings_.root.empty() ? "/" : settings_.root));
    SourceOptions source_options;
    source_options.root = settings_.root;
    source_options.use_bpf = settings_.use_bpf;
    source_options.disabled = settings_.disabled_sources;
    source_options.identifier = identifier_.get();
    source_options.instance_names = names_.get();
    package_log_ = std::make_unique<PackageLog>(settings_.root, disk_.get());
    source_options.package_log = package_log_.get();
    source_options.spool_stats = [this] { return spool_->Stats(); };
    Sources sources = BuildSources(source_options);
    capture_ = sources.capture;
    response_clock_ = sources.response_clock;
    if (sources.degraded) {
      LogWarning("agent", "degraded: ", capture_, "; costs more CPU and sees less; `ppmm doctor` tells the cure");
    }
    recorder_ = std::make_unique<Recorder>();
    recorder_->SetHostLife(ReadHostLife(settings_.root, boot_, life_note_));
    LookAtHost();
    sampler_ = std::make_unique<Sampler>(clock_, recorder_.get(), sink_.get(), std::move(sources.list), RandomEpoch);
    epochs_ = std::make_unique<SamplerEpochs>(sampler_.get());
    sampler_->BeginEpoch();

    StreamOptions stream_options;
    stream_options.describe = [this](wire::Hello* hello) { Describe(hello); };
    stream_options.renew_identity = [this] {
      MutexLock lock(&identity_mutex_);
      return identity_->RenewAgentId();
    };
    stream_options.retry_delay = [](int failures) { return BackoffDelay(failures, RandomRatio()); };
    stream_ =
        std::make_unique<Stream>(std::move(stream_options), spool_.get(), epochs_.get(), std::move(transport), clock_);
    short_run_ = std::make_unique<ShortRun>(disk_.get(), clock_->SinceBoot());
    const absl::Duration delay = short_run_->first_batch_delay();
    if (delay == absl::ZeroDuration()) {
      Begin();
    } else {
      LogInfo("agent", "the last run was a short one; waiting ", HumanDuration(delay), " before the first batch");
      begin_at_ = clock_->SinceBoot() + delay;
    }
    return absl::OkStatus();
  }

  void Tick() {
    const absl::Duration now = clock_->SinceBoot();
    if (!begun_ && now >= begin_at_) {
      Begin();
    }
    short_run_->Tick(now);
    if (now >= next_note_) {
      next_note_ = now + absl::Minutes(1);
      FollowHostName();
      KeepLifeNote(life_note_, boot_.boot_id, clock_->Now(), /*goodbye=*/false).IgnoreError();  // the spool says it
      names_->Save().IgnoreError();  // tried again in a minute; the spool reports the disk
      package_log_->Keep(clock_->Now());
      MutexLock lock(&identity_mutex_);
      identity_->Keep().IgnoreError();  // as above
    }
  }

  void Stop(absl::Duration timeout) {
    if (begun_) {
      sampler_->Stop();
      sampling_.join();
      stream_->Stop(timeout, "stopped");
      begun_ = false;
    }
    spool_->Drain();
    names_->Save().IgnoreError();  // a name found again is the same unless its rules changed
    KeepLifeNote(life_note_, boot_.boot_id, clock_->Now(), /*goodbye=*/true).IgnoreError();  // as above
    short_run_->End();
  }

  std::string StatusJson() const {
    const StreamStatus stream = stream_->Status();
    const SpoolStats spool = spool_->Stats();
    nlohmann::json json;
    json["version"] = kVersion;
    json["group"] = settings_.group;
    {
      MutexLock lock(&identity_mutex_);
      json["agent_id"] = absl::BytesToHexString(identity_->identity().agent_id);
      json["host_id"] = absl::BytesToHexString(identity_->identity().host_id);
    }
    json["started"] = TimeOrEmpty(started_);
    json["capture"] = capture_;
    json["response_clock"] = {{"arrival", response_clock_.arrival()},
                              {"read", response_clock_.read()},
                              {"write", response_clock_.write()},
                              {"limits", response_clock_.limits()}};
    json["collector"] = {{"address", settings_.collector},
                         {"connected", stream.connected},
                         {"since", TimeOrEmpty(stream.since)},
                         {"last_acknowledgement", TimeOrEmpty(stream.last_ack)},
                         {"last_error", stream.last_error},
                         {"last_refusal", stream.last_refusal},
                         {"plain_text_network", settings_.insecure_network},
                         {"host_label", stream.host_label},
                         {"batches_acknowledged", stream.batches_acknowledged},
                         {"batches_refused", stream.batches_refused}};
    json["spool"] = {{"bytes", spool.bytes},
                     {"max_bytes", settings_.spool_bytes},
                     {"batches", spool.batches},
                     {"samples", spool.samples},
                     {"produced_samples", spool.totals.produced},
                     {"damaged_samples", spool.totals.dropped_damaged},
                     {"damaged_bytes", spool.totals.damaged_bytes},
                     {"disk_error", spool.disk_error}};
    json["grid"] = {{"step_seconds", sampler_->shape().step_seconds},
                    {"steps_per_batch", sampler_->shape().steps_per_batch},
                    {"steps_missed", sampler_->steps_missed()}};
    for (const Sampler::SourceStatus& source : sampler_->Status()) {
      json["sources"].push_back({{"name", source.name},
                                 {"state", wire::SourceState::State_Name(source.state)},
                                 {"reason", source.reason},
                                 {"last_duration_seconds", absl::ToDoubleSeconds(source.last_duration)},
                                 {"failures", source.failures}});
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    json["cpu_seconds"] = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }

  std::string StatusLine() const {
    const StreamStatus stream = stream_->Status();
    return stream.connected ? absl::StrCat("connected to ", settings_.collector)
                            : absl::StrCat("not connected to ", settings_.collector, ": ", stream.last_error);
  }

 private:
  void Begin() {
    begun_ = true;
    sampling_ = std::thread([this] { sampler_->Run(); });
    stream_->Start();
  }

  // The name is told in Hello, and a new epoch brings a new Hello.
  void FollowHostName() {
    std::string name = ReadHostName(settings_.root);
    if (begun_ && !host_name_.empty() && name != host_name_) {
      LogInfo("agent", "this host is called ", name, " now; it was ", host_name_);
      sampler_->BeginEpoch();
    }
    host_name_ = std::move(name);
  }

  void Describe(wire::Hello* hello) {
    MutexLock lock(&identity_mutex_);
    FillHello(identity_->identity(), settings_.group, settings_.root, boot_, clock_->SinceBoot(), hello);
  }

  void LookAtHost() {
    wire::Host host = ReadHostInfo(settings_.root);
    host.set_capture(capture_);
    *host.mutable_response_clock() = response_clock_;
    recorder_->SetHost(host, boot_.boot);
  }

  const AgentSettings settings_;
  const Clock* const clock_;
  absl::Time started_;
  absl::Duration begin_at_;
  absl::Duration next_note_;
  bool begun_ = false;
  std::string life_note_;
  std::string host_name_;  // as last looked at
  std::string capture_;
  wire::ResponseClock response_clock_;
  BootFacts boot_;
  std::unique_ptr<SpoolDirectory> disk_;
  std::unique_ptr<ShortRun> short_run_;
  mutable Mutex identity_mutex_;
  std::unique_ptr<IdentityFile> identity_ ABSL_PT_GUARDED_BY(identity_mutex_);
  std::unique_ptr<Identifier> identifier_;
  std::unique_ptr<InstanceNames> names_;
  std::unique_ptr<PackageLog> package_log_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<BatchSink> sink_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<Sampler> sampler_;
  std::unique_ptr<EpochOwner> epochs_;
  std::unique_ptr<Stream> stream_;
  std::thread sampling_;
};

absl::StatusOr<std::unique_ptr<Agent>> Agent::Start(const AgentSettings& settings, const Clock* clock) {
  auto impl = std::make_unique<Impl>(settings, clock);
  RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<Agent>(new Agent(std::move(impl)));
}

Agent::Agent(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Agent::~Agent() = default;
void Agent::Tick() {
  impl_->Tick();
}
void Agent::Stop(absl::Duration timeout) {
  impl_->Stop(timeout);
}
std::string Agent::StatusJson() const {
  return impl_->StatusJson();
}
std::string Agent::StatusLine() const {
  return impl_->StatusLine();
}

}  // namespace ppmm
