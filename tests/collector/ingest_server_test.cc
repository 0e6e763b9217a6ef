#include "collector/ingest_server.h"

#include <fcntl.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/telemetry.pb.h"
#include "tests/testing/frames.h"
#include "tests/testing/manual_clock.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

grpc::ByteBuffer Pack(const wire::AgentFrame& frame) {
  const grpc::Slice slice(frame.SerializeAsString());
  return {&slice, 1};
}

// A stream of an agent, one call at a time.
class Client {
 public:
  explicit Client(int port, const std::string& method = "/ppmm.wire.Telemetry/Stream")
      : channel_(grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials())),
        stub_(channel_) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    stream_ = stub_.PrepareCall(&context_, method, &queue_);
    stream_->StartCall(Tag());
    Await();
  }
  ~Client() {
    context_.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }
  bool Write(const wire::AgentFrame& frame) {
    stream_->Write(Pack(frame), Tag());
    return Await();
  }
  std::optional<wire::CollectorFrame> Read() {
    grpc::ByteBuffer buffer;
    stream_->Read(&buffer, Tag());
    if (!Await()) {
      return std::nullopt;
    }
    std::vector<grpc::Slice> slices;
    std::string bytes;
    if (buffer.Dump(&slices).ok()) {
      for (const grpc::Slice& slice : slices) {
        bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
      }
    }
    wire::CollectorFrame frame;
    EXPECT_TRUE(frame.ParseFromString(bytes));
    return frame;
  }
  grpc::Status Finish() {
    grpc::Status status;
    stream_->Finish(&status, Tag());
    Await();
    return status;
  }

 private:
  void* Tag() { return this; }
  bool Await() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }
  std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

class IngestServerTest : public ::testing::Test {
 protected:
  IngestServerTest() {
    IngestOptions options;
    options.listen = "127.0.0.1:0";
    auto server = IngestServer::Start(options, &clock_, &queue_, &counters_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  // Stands for the writer: takes what is queued until `count` events came.
  std::vector<QueuedEvent> Await(std::size_t count) {
    std::vector<QueuedEvent> events;
    for (const absl::Time end = clock_.Now() + absl::Seconds(10); clock_.Now() < end && events.size() < count;) {
      queue_.Wait(absl::Milliseconds(50));
      for (QueuedEvent& event : queue_.TakeLive()) {
        events.push_back(std::move(event));
      }
      while (queue_.TakeLate().has_value()) {  // streams that closed
      }
    }
    EXPECT_GE(events.size(), count);
    return events;
  }

  RealClock clock_;
  IngestQueue queue_;
  IngestCounters counters_;
  std::unique_ptr<IngestServer> server_;
};

TEST_F(IngestServerTest, CarriesAStreamBothWays) {
  Client client(server_->port());
  ASSERT_TRUE(client.Write(HelloFrame(5, clock_.Now())));
  std::vector<QueuedEvent> events = Await(1);
  StreamWelcome welcome;
  welcome.host_label = "web1";
  welcome.durable = {{5, 3}};
  events[0].sink->Welcome(welcome);
  const auto answer = client.Read();
  ASSERT_TRUE(answer.has_value() && answer->has_welcome());
  EXPECT_EQ(answer->welcome().host_label(), "web1");
  EXPECT_EQ(answer->welcome().durable(0).number(), 3u);
  EXPECT_EQ(answer->welcome().steps_per_batch(), 1u);

  ASSERT_TRUE(client.Write(DictionaryFrame(5, {"ppmm_host_forks_total"}, clock_.Now())));
  ASSERT_TRUE(client.Write(BatchFrame(5, 4, absl::FromUnixSeconds(absl::ToUnixSeconds(clock_.Now())),
                                      {{1, MetricKind::kCounter, 2}}, clock_.Now())));
  events = Await(2);
  events.back().sink->Acknowledge({{{5, 4}}, {}, StreamInstruction::kNone});
  const auto ack = client.Read();
  ASSERT_TRUE(ack.has_value() && ack->has_ack());
  EXPECT_EQ(ack->ack().durable(0).number(), 4u);
}

TEST_F(IngestServerTest, AnswersARefusalAtOnce) {
  Client client(server_->port());
  ASSERT_TRUE(client.Write(HelloFrame(5, clock_.Now())));
  ASSERT_TRUE(client.Write(BatchFrame(6, 1, clock_.Now(), {{1, MetricKind::kCounter, 2}}, clock_.Now())));
  const auto answer = client.Read();
  ASSERT_TRUE(answer.has_value() && answer->has_ack());
  EXPECT_EQ(answer->ack().refused(0).reason(), wire::REFUSAL_UNKNOWN_ID);
}

TEST_F(IngestServerTest, TellsTheFirstRefusalOfAStreamInWordsAndTheirNumberAtItsEnd) {
  testing::internal::CaptureStderr();
  {
    Client client(server_->port());
    ASSERT_TRUE(client.Write(HelloFrame(5, clock_.Now())));
    for (std::uint64_t seq = 1; seq <= 5; ++seq) {
      ASSERT_TRUE(client.Write(BatchFrame(6, seq, clock_.Now(), {{1, MetricKind::kCounter, 2}}, clock_.Now())));
      ASSERT_TRUE(client.Read().has_value());
    }
  }
  server_.reset();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("batch 1 of"));
  EXPECT_THAT(log, HasSubstr("what names them was lost or damaged at the agent"));
  EXPECT_THAT(log, Not(HasSubstr("batch 2 of")));
  EXPECT_THAT(log, HasSubstr("5 batches of"));
}

TEST_F(IngestServerTest, EndsAStreamThatDoesNotSayHello) {
  Client client(server_->port());
  ASSERT_TRUE(client.Write(BatchFrame(6, 1, clock_.Now(), {}, clock_.Now())));
  EXPECT_FALSE(client.Read().has_value());
  const grpc::Status status = client.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("is a Hello"));
  EXPECT_EQ(counters_.streams_refused.load(), 1u);
}

TEST_F(IngestServerTest, CutsAStreamWithTheReason) {
  Client client(server_->port());
  ASSERT_TRUE(client.Write(HelloFrame(5, clock_.Now())));
  Await(1);
  queue_.CutAll(absl::UnavailableError("the disk is full"));
  EXPECT_FALSE(client.Read().has_value());
  EXPECT_THAT(client.Finish().error_message(), HasSubstr("the disk is full"));
}

TEST_F(IngestServerTest, EndsOpenStreamsWithTheReasonWhenItStops) {
  Client client(server_->port());
  ASSERT_TRUE(client.Write(HelloFrame(5, clock_.Now())));
  Await(1);
  std::thread stop([this] { server_->Stop(); });
  EXPECT_FALSE(client.Read().has_value());
  const grpc::Status status = client.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "the collector is stopping");
  stop.join();
}

TEST_F(IngestServerTest, KnowsNoOtherMethod) {
  Client client(server_->port(), "/ppmm.wire.Telemetry/Other");
  EXPECT_FALSE(client.Read().has_value());
  EXPECT_EQ(client.Finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(counters_.streams_refused.load(), 1u);
}

TEST_F(IngestServerTest, SaysWhoHasThePort) {
  IngestOptions options;
  options.listen = absl::StrCat("127.0.0.1:", server_->port());
  const auto second = IngestServer::Start(options, &clock_, &queue_, &counters_);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), HasSubstr("--grpc-listen"));
}

// gRPC's own listener never accepts again after one EMFILE; ours goes on.
TEST_F(IngestServerTest, AcceptsAgainAfterItRanOutOfDescriptors) {
  {
    Client first(server_->port());
    ASSERT_TRUE(first.Write(HelloFrame(5, clock_.Now())));
    Await(1);
  }
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit small{256, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &small);
  // gRPC closes what the first connection held some time after its end, and what becomes free will do for a connection:
  // so one more is made, and all is taken again, until one finds nothing.
  std::vector<int> clients(20);
  for (int& client : clients) {
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(server_->port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::vector<int> hoard;
  for (const int client : clients) {
    for (int fd = dup(0); fd >= 0; fd = dup(0)) {
      hoard.push_back(fd);
    }
    const std::uint64_t accepted = counters_.connections.accepted.load();
    ASSERT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    while (counters_.connections.shed_no_descriptor.load() == 0 && counters_.connections.accepted.load() == accepted) {
      std::this_thread::yield();
    }
    if (counters_.connections.shed_no_descriptor.load() > 0) {
      char byte = 0;
      EXPECT_LE(read(client, &byte, 1), 0) << "shed, not left waiting";
      break;
    }
  }
  for (const int fd : hoard) {
    close(fd);
  }
  for (const int client : clients) {
    close(client);
  }
  setrlimit(RLIMIT_NOFILE, &before);
  Client second(server_->port());
  ASSERT_TRUE(second.Write(HelloFrame(6, clock_.Now())));
  Await(1);
  EXPECT_EQ(counters_.connections.shed_no_descriptor.load(), 1u);
  EXPECT_EQ(counters_.connections.shed_per_address.load(), 0u);
  EXPECT_GE(counters_.connections.accepted.load(), 2u);
}

TEST_F(IngestServerTest, ClosesConnectionsBeyondThoseOfAnAddressAndCountsThem) {
  IngestOptions options;
  options.listen = "127.0.0.1:0";
  options.max_connections_per_address = 1;
  IngestCounters counters;
  const auto server = IngestServer::Start(options, &clock_, &queue_, &counters);
  ASSERT_TRUE(server.ok()) << server.status();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>((*server)->port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // The count begins anew with each minute, which may end between two of them.
  std::vector<int> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(clients.back(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  const auto counted = [&counters] {
    return counters.connections.accepted.load() + counters.connections.shed_per_address.load();
  };
  for (const absl::Time end = clock_.Now() + absl::Seconds(10); counted() < 3 && clock_.Now() < end;) {
    std::this_thread::yield();
  }
  EXPECT_EQ(counted(), 3u);
  EXPECT_GE(counters.connections.shed_per_address.load(), 1u);
  for (const int client : clients) {
    close(client);
  }
}

TEST_F(IngestServerTest, CountsAndTellsConnectionsOnWhichNobodyCalls) {
  ManualClock clock(absl::FromUnixSeconds(1'700'000'000));
  testing::internal::CaptureStderr();
  IngestOptions options;
  options.listen = "[::]:0";  // IPv4 comes as IPv6
  IngestCounters counters;
  auto server = IngestServer::Start(options, &clock, &queue_, &counters);
  ASSERT_TRUE(server.ok()) << server.status();
  auto agent = std::make_unique<Client>((*server)->port());
  ASSERT_TRUE(agent->Write(HelloFrame(5, clock.Now())));
  Await(1);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>((*server)->port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  for (const std::string& bytes : {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string(65536, '\xa5'),
                                   preface + std::string("\xff\xff\xff\0\0\0\0\0\1", 9), std::string()}) {
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    close(client);
  }
  const absl::Time end = clock_.Now() + absl::Seconds(20);
  while (counters.connections_without_stream.load() < 4 && clock_.Now() < end) {
    if (counters.connections.accepted.load() == 5) {
      clock.Advance(absl::Seconds(1));
    }
    std::this_thread::yield();
  }
  EXPECT_EQ(counters.connections_without_stream.load(), 4u);
  EXPECT_EQ(counters.streams_refused.load(), 0u);
  agent.reset();
  server->reset();
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("began no stream within 10 s, the last one from 127.0.0.1"));
}

}  // namespace
}  // namespace ppmm
