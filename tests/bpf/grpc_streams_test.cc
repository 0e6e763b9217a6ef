// Streams of gRPC are labelled and have no times, whether their connection is older than the scanner or not.
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"

#include "tests/bpf/response_times.h"

namespace ppmm {
namespace {

// Sends each message back.
class Echo : public grpc::CallbackGenericService {
 public:
  Echo() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
  }
  ~Echo() override {
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }
  int port() const { return port_; }

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* /*context*/) override {
    return new Reactor;
  }

 private:
  class Reactor : public grpc::ServerGenericBidiReactor {
   public:
    Reactor() { StartRead(&message_); }
    void OnReadDone(bool ok) override {
      if (ok) {
        StartWrite(&message_);
      } else {
        Finish(grpc::Status::OK);
      }
    }
    void OnWriteDone(bool ok) override {
      if (ok) {
        StartRead(&message_);
      } else {
        Finish(grpc::Status::OK);
      }
    }
    void OnDone() override { delete this; }

   private:
    grpc::ByteBuffer message_;
  };

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// One stream of a connection.
class Stream {
 public:
  explicit Stream(const std::shared_ptr<grpc::Channel>& channel) : stub_(channel) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    call_ = stub_.PrepareCall(&context_, "/test.Echo/Stream", &queue_);
    call_->StartCall(this);
    EXPECT_TRUE(Await());
  }
  ~Stream() {
    context_.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  bool Write(std::size_t bytes) {
    const grpc::Slice slice(std::string(bytes, 'x'));
    call_->Write(grpc::ByteBuffer(&slice, 1), this);
    return Await();
  }
  bool Read() {
    grpc::ByteBuffer message;
    call_->Read(&message, this);
    return Await();
  }

 private:
  bool Await() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
};

class GrpcStreamsTest : public ResponseTimesTest {
 protected:
  // Messages cross on all streams.
  static void Exchange(const std::vector<std::unique_ptr<Stream>>& streams) {
    for (std::size_t i = 0; i < 100; ++i) {
      for (const std::unique_ptr<Stream>& stream : streams) {
        ASSERT_TRUE(stream->Write(20) && stream->Write(3000));
      }
      for (const std::unique_ptr<Stream>& stream : streams) {
        ASSERT_TRUE(stream->Read() && stream->Read());
      }
    }
  }

  void ExpectLabelled() {
    const ListenerSample sample = Poll(static_cast<std::uint16_t>(echo_.port()));
    EXPECT_EQ(sample.turns.answered, 0u);
    EXPECT_EQ(sample.turns.streams, 1u);
    EXPECT_EQ(sample.turns.pipelined, 0u);
    EXPECT_EQ(sample.times.total.count(), 0u);
  }

  Echo echo_;
  const std::shared_ptr<grpc::Channel> channel_ =
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", echo_.port()), grpc::InsecureChannelCredentials());
};

TEST_F(GrpcStreamsTest, SeveralOnOneConnection) {
  std::vector<std::unique_ptr<Stream>> streams;
  for (int i = 0; i < 3; ++i) {
    streams.push_back(std::make_unique<Stream>(channel_));
  }
  Exchange(streams);
  ExpectLabelled();
}

TEST_F(GrpcStreamsTest, OnAConnectionThatIsOlder) {
  std::vector<std::unique_ptr<Stream>> streams;
  streams.push_back(std::make_unique<Stream>(channel_));
  Exchange(streams);
  Create();
  Exchange(streams);
  ExpectLabelled();
}

}  // namespace
}  // namespace ppmm
