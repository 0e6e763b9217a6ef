#include "agent/grpc_transport.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"

#include "common/grpc_log.h"
#include "common/mutex.h"
#include "common/tls_files.h"

namespace ppmm {
namespace {

constexpr char kMethod[] = "/ppmm.wire.Telemetry/Stream";
constexpr int kMaxMessageBytes = 1 << 20;
constexpr int kKeepaliveMs = 120'000;  // finds a collector that vanished without a word
constexpr int kKeepaliveTimeoutMs = 20'000;

grpc::ChannelArguments ChannelArguments(const std::string& server_name) {
  grpc::ChannelArguments arguments;
  if (!server_name.empty()) {
    arguments.SetSslTargetNameOverride(server_name);
  }
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // no connection, and no back-off, of an earlier channel
  return arguments;
}

// What to do about a connection that failed, as far as the words of gRPC and OpenSSL tell; empty where they do not.
absl::string_view Cure(absl::string_view message, bool tls) {
  struct Known {
    bool tls;  // whether this side spoke TLS
    absl::string_view words;
    absl::string_view cure;
  };
  static constexpr Known kKnown[] = {
      {false, "Socket closed", "; if the collector wants TLS, configure tls here"},
      {true, "is not in peer certificate",
       "; set tls.server_name to a name in the collector's certificate, or correct `collector`"},
      {true, "wrong version number", "; the collector does not speak TLS: configure grpc.tls there"},
      {true, "Ssl handshake failed", "; the collector's certificate is not of an authority in tls.ca, or over"},
      {true, "Socket closed", "; see the collector's log: its grpc.tls.client_ca may not know tls.certificate"},
  };
  for (const Known& known : kKnown) {
    if (known.tls == tls && absl::StrContains(message, known.words)) {
      return known.cure;
    }
  }
  return "";
}

// The codes are the same.
absl::Status ToStatus(const grpc::Status& status, bool tls) {
  const bool connected = status.error_code() != grpc::StatusCode::UNAVAILABLE;
  return {static_cast<absl::StatusCode>(status.error_code()),
          absl::StrCat(status.error_message(), connected ? "" : Cure(status.error_message(), tls))};
}

// One stream.
//
// Its channel must not go on a thread of gRPC's callbacks: the last channel of a process joins and deletes these
// threads with their completion queue, and a thread that joined itself would go on with a queue that is freed
// (gRPC 1.51). So nothing here owns the call but the transport, whose thread waits in the destructor until OnDone is
// over.
//
// The hold keeps gRPC from ending the call between our look at `ended_` and the operation that follows; it is released
// when an operation has failed, and nothing is started after that.
class Call : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Call(const GrpcTransportOptions& options, const std::shared_ptr<grpc::ChannelCredentials>& credentials,
       Transport::Listener* listener)
      : listener_(listener),
        tls_(!options.ca_file.empty()),
        stub_(grpc::CreateCustomChannel(options.target, credentials, ChannelArguments(options.server_name))) {
    stub_.PrepareBidiStreamingCall(&context_, kMethod, grpc::StubOptions(), this);
    AddHold();
    StartCall();
  }
  ~Call() override {
    Cancel();
    End();
    MutexLock lock(&mutex_);
    while (!done_) {
      done_came_.Wait(&mutex_);
    }
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  void Read() {
    MutexLock lock(&mutex_);
    if (!ended_) {
      StartRead(&read_);
    }
  }
  void Write(const std::string& frame) {
    const grpc::Slice slice(frame);
    MutexLock lock(&mutex_);
    if (!ended_) {
      write_ = grpc::ByteBuffer(&slice, 1);
      StartWrite(&write_);
    }
  }
  void FinishWrites() {
    MutexLock lock(&mutex_);
    if (!ended_) {
      StartWritesDone();
    }
  }
  void Cancel() { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      End();
      return;
    }
    std::vector<grpc::Slice> slices;
    std::string frame;
    if (read_.Dump(&slices).ok()) {
      frame.reserve(read_.Length());
      for (const grpc::Slice& slice : slices) {
        frame.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
      }
    }
    listener_->OnFrame(std::move(frame));
  }
  void OnWriteDone(bool ok) override {
    if (ok) {
      listener_->OnWritten();
    } else {
      End();
    }
  }
  void OnDone(const grpc::Status& status) override {
    listener_->OnClosed(ToStatus(status, tls_));
    MutexLock lock(&mutex_);
    done_ = true;
    done_came_.NotifyAll();
  }

 private:
  void End() {
    MutexLock lock(&mutex_);
    if (!std::exchange(ended_, true)) {
      RemoveHold();
    }
  }

  Transport::Listener* const listener_;
  const bool tls_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer read_;
  grpc::ByteBuffer write_;
  Mutex mutex_;
  CondVar done_came_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
};

class GrpcTransport : public Transport {
 public:
  explicit GrpcTransport(GrpcTransportOptions options) : options_(std::move(options)) {}

  void Connect(Listener* listener) override {
    call_ = nullptr;
    absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> credentials = Credentials();
    if (!credentials.ok()) {
      listener->OnClosed(credentials.status());
      return;
    }
    call_ = std::make_unique<Call>(options_, *credentials, listener);
  }
  void Read() override {
    if (call_ != nullptr) {
      call_->Read();
    }
  }
  void Write(std::string frame) override {
    if (call_ != nullptr) {
      call_->Write(frame);
    }
  }
  void FinishWrites() override {
    if (call_ != nullptr) {
      call_->FinishWrites();
    }
  }
  void Cancel() override {
    if (call_ != nullptr) {
      call_->Cancel();
    }
  }
  // A channel outlives its call, and would go on to connect by itself: a connection that nobody calls on.
  void Release() override { call_ = nullptr; }

 private:
  absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials() const {
    if (options_.ca_file.empty()) {
      return grpc::InsecureChannelCredentials();
    }
    ConfigReport report;
    TlsTexts texts = ReadTlsFiles({.path = "tls",
                                   .address_path = "collector",
                                   .address = options_.target,
                                   .ca_name = "ca",
                                   .certificate = options_.certificate_file,
                                   .key = options_.key_file,
                                   .ca = options_.ca_file},
                                  &report);
    if (!report.ok()) {
      return absl::FailedPreconditionError(
          absl::StrJoin(report.errors(), ". ",
                        [](std::string* out, const ConfigError& error) { absl::StrAppend(out, error.message); }));
    }
    grpc::SslCredentialsOptions ssl;
    ssl.pem_root_certs = std::move(texts.ca);
    ssl.pem_cert_chain = std::move(texts.certificate);
    ssl.pem_private_key = std::move(texts.key);
    return grpc::SslCredentials(ssl);
  }

  const GrpcTransportOptions options_;
  std::unique_ptr<Call> call_;
};

}  // namespace

bool IsLoopbackTarget(absl::string_view target) {
  if (absl::StartsWith(target, "unix:")) {
    return true;
  }
  for (const absl::string_view scheme : {"dns:///", "dns:", "ipv4:", "ipv6:"}) {
    if (absl::ConsumePrefix(&target, scheme)) {
      break;
    }
  }
  const std::size_t colon = target.rfind(':');
  std::string host(target.substr(0, colon));
  if (host == "localhost") {
    return true;
  }
  if (absl::StartsWith(host, "[") && absl::EndsWith(host, "]")) {
    host = host.substr(1, host.size() - 2);
    in6_addr address = {};
    return inet_pton(AF_INET6, host.c_str(), &address) == 1 && IN6_IS_ADDR_LOOPBACK(&address);
  }
  in_addr address = {};
  return inet_pton(AF_INET, host.c_str(), &address) == 1 && ntohl(address.s_addr) >> 24U == 127;
}

absl::StatusOr<std::unique_ptr<Transport>> MakeGrpcTransport(const GrpcTransportOptions& options) {
  if (options.target.empty()) {
    return absl::InvalidArgumentError("collector: no address");
  }
  const int files = !options.ca_file.empty() + !options.certificate_file.empty() + !options.key_file.empty();
  if (files != 0 && files != 3) {
    return absl::InvalidArgumentError("tls: mutual TLS needs all of ca_file, certificate_file and key_file");
  }
  if (files == 0 && !options.insecure_network && !IsLoopbackTarget(options.target)) {
    return absl::InvalidArgumentError(
        absl::StrCat("collector: ", options.target,
                     " is not on this machine, and plain text can be read and changed on the way; configure tls, or "
                     "set insecure_network if that is what you want"));
  }
  RouteGrpcLog();
  return std::make_unique<GrpcTransport>(options);
}

}  // namespace ppmm
