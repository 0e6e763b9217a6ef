// Stream, gRPC transport and spool against a real gRPC server on loopback, in this process.
#include "agent/grpc_transport.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"

#include "agent/stream.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "proto/telemetry.pb.h"
#include "tests/testing/certificates.h"
#include "tests/testing/faulty_file.h"
#include "tests/testing/tcp_sockets.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;

// A collector that acknowledges what it is told to, and remembers what came.
class FakeCollector {
 public:
  explicit FakeCollector(std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials())
      : credentials_(std::move(credentials)) {
    Start("127.0.0.1:0");
  }
  ~FakeCollector() { Stop(); }

  void Start(const std::string& address) {
    service_ = std::make_unique<Service>(this);  // one serves one server
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, credentials_, &port_);
    builder.RegisterCallbackGenericService(service_.get());
    server_ = builder.BuildAndStart();
  }
  // Cuts all streams.
  void Stop() {
    if (server_ != nullptr) {
      server_->Shutdown(std::chrono::system_clock::now());
      server_->Wait();
      server_ = nullptr;
    }
  }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  // Waits until what came satisfies `done`. False after 30 s.
  bool WaitFor(const std::function<bool(const FakeCollector&)>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    MutexLock lock(&mutex_);
    while (!done(*this)) {
      if (std::chrono::steady_clock::now() > deadline) {
        return false;
      }
      came_.WaitFor(&mutex_, std::chrono::milliseconds(100));
    }
    return true;
  }

  std::atomic<bool> acknowledge{true};
  // Under the lock: for WaitFor, or when the server is stopped.
  std::vector<std::uint64_t> batches;
  int hellos = 0;
  std::string goodbye;

 private:
  class Reactor : public grpc::ServerGenericBidiReactor {
   public:
    explicit Reactor(FakeCollector* collector) : collector_(collector) { StartRead(&read_); }

    void OnReadDone(bool ok) override {
      if (!ok) {
        Finish(grpc::Status::OK);
        return;
      }
      std::vector<grpc::Slice> slices;
      std::string bytes;
      if (read_.Dump(&slices).ok()) {
        for (const grpc::Slice& slice : slices) {
          bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
        }
      }
      wire::AgentFrame frame;
      wire::CollectorFrame answer;
      if (!frame.ParseFromString(bytes) || !collector_->Take(frame, &answer)) {
        StartRead(&read_);
        return;
      }
      const grpc::Slice slice(answer.SerializeAsString());
      write_ = grpc::ByteBuffer(&slice, 1);
      StartWrite(&write_);
    }
    void OnWriteDone(bool ok) override {
      if (ok) {
        StartRead(&read_);
      } else {
        Finish(grpc::Status::OK);
      }
    }
    void OnDone() override { delete this; }

   private:
    FakeCollector* const collector_;
    grpc::ByteBuffer read_;
    grpc::ByteBuffer write_;
  };

  class Service : public grpc::CallbackGenericService {
   public:
    explicit Service(FakeCollector* collector) : collector_(collector) {}
    grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
      EXPECT_EQ(context->method(), "/ppmm.wire.Telemetry/Stream");
      return new Reactor(collector_);
    }

   private:
    FakeCollector* const collector_;
  };
  // True when there is an answer.
  bool Take(const wire::AgentFrame& frame, wire::CollectorFrame* answer) {
    MutexLock lock(&mutex_);
    came_.NotifyAll();
    switch (frame.body_case()) {
      case wire::AgentFrame::kHello:
        ++hellos;
        answer->mutable_welcome()->set_step_seconds(1);
        answer->mutable_welcome()->set_steps_per_batch(1);
        return true;
      case wire::AgentFrame::kBatch: {
        batches.push_back(frame.batch().seq());
        wire::EpochNumber* durable = answer->mutable_ack()->add_durable();
        durable->set_epoch(frame.batch().epoch());
        durable->set_number(frame.batch().seq());
        return acknowledge;
      }
      case wire::AgentFrame::kGoodbye:
        goodbye = frame.goodbye().reason();
        return false;
      default:
        return false;
    }
  }

  const std::shared_ptr<grpc::ServerCredentials> credentials_;
  int port_ = 0;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  Mutex mutex_;
  CondVar came_;
};

class GrpcStreamTest : public ::testing::Test, public EpochOwner {
 protected:
  void RequestEpoch() override {}
  void SetGrid(std::uint32_t /*step_seconds*/, std::uint32_t /*steps_per_batch*/) override { ++grids_; }

  void StartStream() {
    spool_.BeginEpoch(1, [] { return std::vector<std::string>(); });
    auto transport = MakeGrpcTransport({.target = collector_.address()});
    ASSERT_TRUE(transport.ok()) << transport.status();
    stream_ = std::make_unique<Stream>(StreamOptions{.describe = nullptr,
                                                     .renew_identity = nullptr,
                                                     .retry_delay = [](int) { return absl::Milliseconds(20); },
                                                     .backlog_batches = 1000},
                                       &spool_, this, *std::move(transport), &clock_);
    stream_->Start();
  }
  void Append(int count) {
    for (int i = 0; i < count; ++i) {
      wire::AgentFrame frame;
      frame.mutable_batch()->set_epoch(1);
      frame.mutable_batch()->set_seq(++seq_);
      frame.mutable_batch()->set_columns(std::string(1000, 'c'));
      spool_.AppendBatch(seq_, 10, absl::FromUnixSeconds(1700000000), frame.SerializeAsString());
    }
  }

  RealClock clock_;
  FaultyDirectory disk_;
  Spool spool_{&disk_, {}, absl::FromUnixSeconds(1700000000)};
  FakeCollector collector_;
  std::atomic<int> grids_{0};
  std::uint64_t seq_ = 0;
  std::unique_ptr<Stream> stream_;
};

TEST_F(GrpcStreamTest, SendsAllInOrderAndSaysGoodbye) {
  StartStream();
  Append(200);
  ASSERT_TRUE(collector_.WaitFor([](const FakeCollector& c) { return c.batches.size() == 200; }));
  stream_->Stop(absl::Seconds(20), "SIGTERM");
  EXPECT_EQ(spool_.Stats().totals.acknowledged, 2000u);
  EXPECT_EQ(stream_->Status().batches_acknowledged, 200u);
  EXPECT_EQ(grids_, 1);
  collector_.Stop();
  EXPECT_EQ(collector_.goodbye, "SIGTERM");
  for (std::uint64_t i = 0; i < 200; ++i) {
    EXPECT_EQ(collector_.batches[i], i + 1);
  }
}

TEST_F(GrpcStreamTest, ACollectorThatDiesIsFoundAgainAndGetsWhatItHasNotAcknowledged) {
  collector_.acknowledge = false;
  StartStream();
  Append(10);
  ASSERT_TRUE(collector_.WaitFor([](const FakeCollector& c) { return c.batches.size() == 10; }));
  const std::string address = collector_.address();
  collector_.Stop();
  EXPECT_EQ(spool_.Stats().totals.acknowledged, 0u);
  collector_.acknowledge = true;
  collector_.Start(address);
  ASSERT_TRUE(collector_.WaitFor([](const FakeCollector& c) { return c.batches.size() == 20; }));
  stream_->Stop(absl::Seconds(20), "SIGTERM");
  EXPECT_EQ(spool_.Stats().totals.acknowledged, 100u);
  EXPECT_EQ(collector_.hellos, 2);
  EXPECT_GE(stream_->Status().connections, 2u);
}

TEST_F(GrpcStreamTest, StopsWithoutACollector) {
  collector_.Stop();
  StartStream();
  Append(1);
  stream_->Stop(absl::Milliseconds(100), "SIGTERM");
  EXPECT_EQ(spool_.Stats().samples, 10u);
}

// Takes the connection of a stream that begins at once and is given up after a moment; the next one is far away.
TEST_F(GrpcStreamTest, AStreamThatEndedLeavesNoConnection) {
  const Socket listener = Listen();
  spool_.BeginEpoch(1, [] { return std::vector<std::string>(); });
  auto transport = MakeGrpcTransport({.target = absl::StrCat("127.0.0.1:", LocalPort(listener))});
  ASSERT_TRUE(transport.ok()) << transport.status();
  Stream stream(StreamOptions{.describe = nullptr,
                              .renew_identity = nullptr,
                              .retry_delay = [](int) { return absl::Hours(1); },
                              .backlog_batches = 1000,
                              .welcome_timeout = absl::Milliseconds(200)},
                &spool_, this, *std::move(transport), &clock_);
  stream.Start();
  const Socket connection = Accept(listener);
  ASSERT_TRUE(connection.ok());
  const std::string settings("\0\0\0\4\0\0\0\0\0", 9);  // HTTP/2: the connection is good, none of it differs
  ASSERT_EQ(send(connection.fd(), settings.data(), settings.size(), MSG_NOSIGNAL), 9);
  const timeval limit = {30, 0};
  setsockopt(connection.fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  char bytes[4096];
  ssize_t got = 0;
  do {
    got = recv(connection.fd(), bytes, sizeof(bytes), 0);
  } while (got > 0);
  EXPECT_EQ(got, 0) << "the connection is open still";
}

TEST(GrpcTransportTest, KnowsWhatStaysOnThisMachine) {
  for (const char* here : {"127.0.0.1:7767", "127.3.2.1:1", "localhost:7767", "[::1]:7767", "unix:/run/x.sock",
                           "dns:///localhost:7767", "ipv4:127.0.0.1:7767"}) {
    EXPECT_TRUE(IsLoopbackTarget(here)) << here;
  }
  for (const char* away : {"10.0.0.1:7767", "127.evil.example:7767", "localhost.example:7767", "[::2]:7767",
                           "collector:7767", "0.0.0.0:7767", "", ":7767", "[127.0.0.1]:1"}) {
    EXPECT_FALSE(IsLoopbackTarget(away)) << away;
  }
}

TEST(GrpcTransportTest, PlainTextOffThisMachineMustBeMeant) {
  const absl::Status status = MakeGrpcTransport({.target = "10.0.0.1:7767"}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("insecure_network"));
  EXPECT_TRUE(MakeGrpcTransport({.target = "10.0.0.1:7767", .insecure_network = true}).ok());
  EXPECT_TRUE(
      MakeGrpcTransport({.target = "10.0.0.1:7767", .ca_file = "a", .certificate_file = "b", .key_file = "c"}).ok());
}

TEST(GrpcTransportTest, HalfATlsConfigurationIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(MakeGrpcTransport({.target = "10.0.0.1:1", .ca_file = "a"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MakeGrpcTransport({}).status()));
}

// ---- mutual TLS -----------------------------------------------------------------------------------------------------

class ClosedListener : public Transport::Listener {
 public:
  void OnFrame(std::string frame) override {
    Note([&] { frame_ = std::move(frame); });
  }
  void OnWritten() override {}
  void OnClosed(absl::Status status) override {
    Note([&] { closed_ = std::move(status); });
  }

  // What ended the stream, or OK when a frame came first.
  absl::Status Wait() {
    MutexLock lock(&mutex_);
    while (!closed_.has_value() && !frame_.has_value()) {
      came_.Wait(&mutex_);
    }
    return frame_.has_value() ? absl::OkStatus() : *closed_;
  }
  void WaitClosed() {
    MutexLock lock(&mutex_);
    while (!closed_.has_value()) {
      came_.Wait(&mutex_);
    }
  }

 private:
  template <class Change>
  void Note(const Change& change) {
    MutexLock lock(&mutex_);
    change();
    came_.NotifyAll();
  }
  Mutex mutex_;
  CondVar came_;
  std::optional<std::string> frame_;
  std::optional<absl::Status> closed_;
};

class MutualTlsTest : public ::testing::Test {
 protected:
  MutualTlsTest() {
    std::string name = ::testing::TempDir() + "/mutual_tls_test.XXXXXX";
    folder_ = mkdtemp(name.data());
    const TestAuthority::Pair server = authority_.Issue("collector", "IP:127.0.0.1,DNS:collector.test");
    grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    tls.pem_root_certs = authority_.root();
    tls.pem_key_cert_pairs.push_back({server.key, server.certificate});
    collector_ = std::make_unique<FakeCollector>(grpc::SslServerCredentials(tls));
  }
  ~MutualTlsTest() override { std::filesystem::remove_all(folder_); }

  std::string File(const std::string& name, const std::string& contents) const {
    std::ofstream(folder_ + "/" + name) << contents;
    return folder_ + "/" + name;
  }
  // Says Hello with these files. What became of it.
  absl::Status Hello(const std::string& root, const TestAuthority::Pair& agent, const std::string& server_name = "") {
    return SayHello({.target = collector_->address(),
                     .ca_file = File("ca.pem", root),
                     .certificate_file = File("agent.pem", agent.certificate),
                     .key_file = File("agent.key", agent.key),
                     .server_name = server_name});
  }
  static absl::Status SayHello(const GrpcTransportOptions& options) {
    const auto transport = MakeGrpcTransport(options);
    ClosedListener listener;
    (*transport)->Connect(&listener);
    (*transport)->Read();
    wire::AgentFrame hello;
    hello.mutable_hello()->set_protocol(1);
    (*transport)->Write(hello.SerializeAsString());
    absl::Status status = listener.Wait();
    (*transport)->Cancel();
    (*transport)->Read();
    listener.WaitClosed();
    return status;
  }

  const TestAuthority authority_;
  std::string folder_;
  std::unique_ptr<FakeCollector> collector_;
};

TEST_F(MutualTlsTest, BothSidesAreKnown) {
  EXPECT_EQ(Hello(authority_.root(), authority_.Issue("agent", "DNS:agent")), absl::OkStatus());
}

TEST_F(MutualTlsTest, ACollectorOfAnotherAuthorityIsNotTalkedTo) {
  const absl::Status status = Hello(TestAuthority().root(), authority_.Issue("agent", "DNS:agent"));
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("is not of an authority in tls.ca"));
  EXPECT_EQ(collector_->hellos, 0);
}

TEST_F(MutualTlsTest, AnAgentOfAnotherAuthorityIsNotLetIn) {
  const absl::Status status = Hello(authority_.root(), TestAuthority().Issue("agent", "DNS:agent"));
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("grpc.tls.client_ca"));
  EXPECT_EQ(collector_->hellos, 0);
}

TEST_F(MutualTlsTest, TheNameInTheCollectorsCertificateIsTheOneGiven) {
  const TestAuthority::Pair agent = authority_.Issue("agent", "DNS:agent");
  EXPECT_EQ(Hello(authority_.root(), agent, "collector.test"), absl::OkStatus());
  const absl::Status status = Hello(authority_.root(), agent, "other.test");
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("set tls.server_name"));
  EXPECT_EQ(collector_->hellos, 1);
}

TEST_F(MutualTlsTest, ACertificateWithoutItsKeyNamesBothAndTheNextConnectionTakesTheRightOne) {
  const TestAuthority::Pair agent = authority_.Issue("agent", "DNS:agent");
  const absl::Status status = Hello(authority_.root(), {agent.certificate, authority_.Issue("x", "DNS:x").key});
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(
      std::string(status.message()),
      HasSubstr("tls.key: " + folder_ + "/agent.key: is not the key of the certificate in " + folder_ + "/agent.pem"));
  EXPECT_EQ(Hello(authority_.root(), agent), absl::OkStatus());
}

TEST_F(MutualTlsTest, PlainTextMeetsTlsAndTlsPlainText) {
  const absl::Status without = SayHello({.target = collector_->address()});
  EXPECT_TRUE(absl::IsUnavailable(without));
  EXPECT_THAT(std::string(without.message()), HasSubstr("configure tls here"));
  EXPECT_EQ(collector_->hellos, 0);

  collector_ = std::make_unique<FakeCollector>();
  const absl::Status with = Hello(authority_.root(), authority_.Issue("agent", "DNS:agent"));
  EXPECT_TRUE(absl::IsUnavailable(with));
  EXPECT_THAT(std::string(with.message()), HasSubstr("configure grpc.tls there"));
  EXPECT_EQ(collector_->hellos, 0);
}

TEST(GrpcTransportTest, CertificatesThatCannotBeReadEndTheConnectionWithTheirName) {
  ClosedListener listener;
  const auto transport = MakeGrpcTransport(
      {.target = "127.0.0.1:1", .ca_file = "not/there.pem", .certificate_file = "b", .key_file = "c"});
  ASSERT_TRUE(transport.ok());
  (*transport)->Connect(&listener);
  (*transport)->Read();
  (*transport)->Cancel();
  const std::string said(listener.Wait().message());
  EXPECT_THAT(said, HasSubstr("tls.certificate: b: No such file or directory; correct the path, or make the file"));
  EXPECT_THAT(said, HasSubstr("tls.ca: not/there.pem: No such file"));
}

}  // namespace
}  // namespace ppmm
