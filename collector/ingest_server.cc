#include "collector/ingest_server.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <array>
#include <atomic>
#include <deque>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "collector/accept_loop.h"
#include "collector/answer_frames.h"
#include "collector/silent_connections.h"
#include "common/grpc_log.h"
#include "common/human.h"
#include "common/log.h"
#include "common/mutex.h"

namespace ppmm {
namespace {

constexpr char kMethod[] = "/ppmm.wire.Telemetry/Stream";
constexpr int kMaxMessageBytes = 1 << 20;
constexpr int kHandshakeTimeoutMs = 5000;
// From this many agents on, batches hold 10 steps; back below the second.
constexpr std::int64_t kManyAgents = 100;
constexpr std::int64_t kFewAgents = 80;

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

std::string Flatten(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string out;
  if (!buffer.Dump(&slices).ok()) {
    return out;
  }
  out.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return out;
}

// How often agents are to send, by their number.
class ShapePolicy {
 public:
  explicit ShapePolicy(const IngestCounters* counters) : counters_(counters) {}
  std::uint32_t StepsPerBatch() {
    const std::int64_t streams = counters_->streams.load(std::memory_order_relaxed);
    if (streams >= kManyAgents) {
      many_ = true;
    } else if (streams < kFewAgents) {
      many_ = false;
    }
    return many_ ? 10 : 1;
  }

 private:
  const IngestCounters* const counters_;
  std::atomic<bool> many_{false};
};

// One stream. gRPC calls On... one after the other for reads, and for writes; the writer thread calls the sink.
class Reactor : public grpc::ServerGenericBidiReactor {
 public:
  Reactor(const Clock* clock, IngestQueue* queue, IngestCounters* counters, ShapePolicy* shape, std::string peer)
      : session_(clock, queue, counters),
        counters_(counters),
        shape_(shape),
        peer_(std::move(peer)),
        sink_(std::make_shared<Sink>(this)) {
    StartRead(&read_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      FinishOnce(grpc::Status::OK);
      return;
    }
    const std::string frame = Flatten(read_);
    if (!opened_) {
      opened_ = true;
      const absl::Status status = session_.Open(frame, sink_);
      if (!status.ok()) {
        counters_->streams_refused.fetch_add(1, std::memory_order_relaxed);
        LogWarning("ingest", "stream of ", peer_, " refused: ", status.message());
        FinishOnce(ToGrpc(status));
        return;
      }
      StartRead(&read_);
      return;
    }
    absl::StatusOr<IngestSession::Taken> taken = session_.Take(frame);
    if (!taken.ok()) {
      // Cancelled: the writer cut it and said why.
      counters_->streams_refused.fetch_add(absl::IsCancelled(taken.status()) ? 0 : 1, std::memory_order_relaxed);
      LogWarning("ingest", "stream of ", session_.agent(), " ended: ", taken.status().message());
      FinishOnce(ToGrpc(taken.status()));
      return;
    }
    if (!taken->refused.empty()) {
      wire::CollectorFrame answer;
      for (wire::Refused& refused : taken->refused) {
        // What is wrong with one batch is mostly wrong with all that follow: the first is told, all are counted.
        if (refused_[static_cast<std::size_t>(refused.reason())]++ == 0) {
          LogWarning("ingest", "batch ", refused.seq(), " of ", session_.agent(), " refused: ", refused.detail(),
                     "; further ones of this stream are counted (ppmm_ingest_refused_batches_total)");
        }
        *answer.mutable_ack()->add_refused() = std::move(refused);
      }
      Send(answer);
    }
    if (taken->room) {
      StartRead(&read_);
      return;
    }
    // The queue is full: HTTP/2 flow control holds the agent back until the writer made room.
    bool resume = false;
    {
      MutexLock lock(&mutex_);
      paused_ = !resume_pending_;
      resume = std::exchange(resume_pending_, false);
    }
    if (resume) {
      StartRead(&read_);
    }
  }

  void OnWriteDone(bool ok) override {
    MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) {
      outgoing_.clear();
      return;
    }
    outgoing_.pop_front();
    WriteNext();
  }

  void OnCancel() override { FinishOnce(grpc::Status::CANCELLED); }

  void OnDone() override {
    sink_->Detach();
    for (int reason = wire::REFUSAL_MALFORMED; reason < wire::RefusalReason_ARRAYSIZE; ++reason) {
      if (const std::uint64_t batches = refused_[static_cast<std::size_t>(reason)]; batches > 1) {
        LogWarning("ingest", batches, " batches of ", session_.agent(),
                   " were refused in the stream that ended: ", RefusalName(static_cast<wire::RefusalReason>(reason)));
      }
    }
    session_.Close();
    delete this;
  }

 private:
  // What the writer holds; outlives the reactor.
  class Sink : public StreamSink {
   public:
    explicit Sink(Reactor* reactor) : reactor_(reactor) {}
    void Welcome(const StreamWelcome& welcome) override {
      wire::CollectorFrame frame;
      *frame.mutable_welcome() = ToWire(welcome);
      Send(&frame, frame.mutable_welcome());
    }
    void Acknowledge(const StreamAck& ack) override {
      wire::CollectorFrame frame;
      *frame.mutable_ack() = ToWire(ack);
      Send(&frame, frame.mutable_ack());
    }
    void Resume() override {
      MutexLock lock(&mutex_);
      if (reactor_ != nullptr) {
        reactor_->ResumeReading();
      }
    }
    void Cut(const absl::Status& why) override {
      MutexLock lock(&mutex_);
      if (reactor_ != nullptr) {
        reactor_->FinishOnce(ToGrpc(why));
      }
    }
    void Detach() {
      MutexLock lock(&mutex_);
      reactor_ = nullptr;
    }

   private:
    template <class Message>
    void Send(wire::CollectorFrame* frame, Message* out) {
      MutexLock lock(&mutex_);
      if (reactor_ != nullptr) {
        out->set_step_seconds(1);
        out->set_steps_per_batch(reactor_->shape_->StepsPerBatch());
        reactor_->Send(*frame);
      }
    }

    Mutex mutex_;
    Reactor* reactor_ ABSL_GUARDED_BY(mutex_);
  };

  void Send(const wire::CollectorFrame& frame) {
    const grpc::Slice slice(frame.SerializeAsString());
    MutexLock lock(&mutex_);
    if (finished_) {
      return;
    }
    outgoing_.emplace_back(&slice, 1);
    WriteNext();
  }

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!writing_ && !outgoing_.empty() && !finished_) {
      writing_ = true;
      StartWrite(&outgoing_.front());
    }
  }

  void ResumeReading() {
    bool read = false;
    {
      MutexLock lock(&mutex_);
      read = std::exchange(paused_, false);
      resume_pending_ = !read;
    }
    if (read) {
      StartRead(&read_);
    }
  }

  void FinishOnce(const grpc::Status& status) {
    {
      MutexLock lock(&mutex_);
      if (std::exchange(finished_, true)) {
        return;
      }
    }
    Finish(status);
  }

  IngestSession session_;
  IngestCounters* const counters_;
  ShapePolicy* const shape_;
  const std::string peer_;
  const std::shared_ptr<Sink> sink_;
  grpc::ByteBuffer read_;
  bool opened_ = false;
  std::array<std::uint64_t, wire::RefusalReason_ARRAYSIZE> refused_ = {};  // batches, by reason

  Mutex mutex_;
  std::deque<grpc::ByteBuffer> outgoing_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  bool resume_pending_ ABSL_GUARDED_BY(mutex_) = false;
};

// Refuses a call to a method that does not exist.
class NoSuchMethod : public grpc::ServerGenericBidiReactor {
 public:
  NoSuchMethod() { Finish({grpc::StatusCode::UNIMPLEMENTED, absl::StrCat("the only method is ", kMethod)}); }
  void OnDone() override { delete this; }
};

class Service : public grpc::CallbackGenericService {
 public:
  Service(const Clock* clock, IngestQueue* queue, IngestCounters* counters, SilentConnections* silent)
      : clock_(clock), queue_(queue), counters_(counters), silent_(silent), shape_(counters) {}

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    const std::string peer = context->peer();
    silent_->Called(PeerKey(peer));
    if (context->method() != kMethod) {
      counters_->streams_refused.fetch_add(1, std::memory_order_relaxed);
      return new NoSuchMethod;
    }
    return new Reactor(clock_, queue_, counters_, &shape_, peer);
  }

 private:
  const Clock* const clock_;
  IngestQueue* const queue_;
  IngestCounters* const counters_;
  SilentConnections* const silent_;
  ShapePolicy shape_;
};

class GrpcIngestServer : public IngestServer {
 public:
  GrpcIngestServer(const Clock* clock, IngestQueue* queue, IngestCounters* counters)
      : clock_(clock), queue_(queue), counters_(counters), service_(clock, queue, counters, &silent_) {}
  ~GrpcIngestServer() override { Stop(); }

  absl::Status Listen(const IngestOptions& options) {
    RouteGrpcLog();
    grpc::ServerBuilder builder;
    builder.RegisterCallbackGenericService(&service_);
    builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 8 << 10);
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 4);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 256 << 10);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    grpc::ResourceQuota quota("ingest");
    quota.Resize(std::size_t{512} << 20);
    builder.SetResourceQuota(quota);
    std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
    if (!options.certificate.empty()) {
      grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
      tls.pem_root_certs = options.client_ca;
      tls.pem_key_cert_pairs.push_back({options.key, options.certificate});
      credentials = grpc::SslServerCredentials(tls);
    }
    std::shared_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor =
        builder.experimental().AddExternalConnectionAcceptor(
            grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, std::move(credentials));
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) {
      return absl::InternalError("gRPC does not start");
    }
    AcceptLoop::Handler handler;
    handler.accept = [this, acceptor = std::move(acceptor)](int listener, int fd, const std::string& address,
                                                            int port) {
      silent_.Accepted(PeerKey(address, port), clock_->SinceBoot());
      grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
      connection.listener_fd = listener;
      connection.fd = fd;
      acceptor->HandleNewConnection(&connection);
    };
    handler.tick = [this] { CountSilentConnections(); };
    absl::StatusOr<std::unique_ptr<AcceptLoop>> loop = AcceptLoop::Start(
        options.listen, options.max_connections_per_address, &counters_->connections, std::move(handler));
    if (!loop.ok()) {
      return loop.status();
    }
    loop_ = *std::move(loop);
    port_ = loop_->port();
    return absl::OkStatus();
  }

  void Stop() override {
    if (server_ != nullptr) {
      if (loop_ != nullptr) {
        loop_->Stop();
      }
      queue_->EndAll(absl::UnavailableError("the collector is stopping"));
      // What does not end by that, as a peer that takes nothing, is cancelled.
      server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
      server_->Wait();
      loop_.reset();
      server_.reset();
    }
  }

  int port() const override { return port_; }

 private:
  // Of the accept loop's thread.
  void CountSilentConnections() {
    const absl::Duration now = clock_->SinceBoot();
    SilentConnections::Overdue overdue = silent_.Take(now);
    counters_->connections_without_stream.fetch_add(overdue.connections, std::memory_order_relaxed);
    untold_ += overdue.connections;
    if (overdue.connections > 0 && now >= tell_at_) {
      LogWarning("ingest", HumanCount(static_cast<std::int64_t>(untold_), "connection"), " began no stream within ",
                 absl::ToInt64Seconds(SilentConnections::kPatience), " s, the last one from ", overdue.peer,
                 ": no agent of ours, or TLS on one side only, or certificates that the other side does not take");
      untold_ = 0;
      tell_at_ = now + absl::Minutes(1);
    }
  }

  const Clock* const clock_;
  IngestQueue* const queue_;
  IngestCounters* const counters_;
  SilentConnections silent_;
  Service service_;
  std::unique_ptr<grpc::Server> server_;
  std::uint64_t untold_ = 0;  // silent connections since the last line of the log
  absl::Duration tell_at_;    // not before
  std::unique_ptr<AcceptLoop> loop_;
  int port_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<IngestServer>> IngestServer::Start(const IngestOptions& options, const Clock* clock,
                                                                  IngestQueue* queue, IngestCounters* counters) {
  auto server = std::make_unique<GrpcIngestServer>(clock, queue, counters);
  const absl::Status status = server->Listen(options);
  if (!status.ok()) {
    return status;
  }
  return server;
}

}  // namespace ppmm
