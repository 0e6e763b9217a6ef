#include "collector/ingest_queue.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/batch_builder.h"

namespace ppmm {
namespace {

struct Stream {
  explicit Stream(IngestQueue& queue) : agent(1) {
    agent.AddSeries(1, "ppmm_host_cpu_seconds_total", {"0", "user"});
    id = *queue.Open(sink, agent.Hello(absl::UnixEpoch()));
  }
  DecodedBatch Batch() { return agent.Batch(60, 1, {{1, 0, 1}}); }
  BatchBuilder agent;
  std::shared_ptr<RecordingSink> sink = std::make_shared<RecordingSink>();
  StreamId id = 0;
};

TEST(IngestQueueTest, TakesLiveEventsBeforeLateOnes) {
  IngestQueue queue;
  Stream stream(queue);
  stream.agent.set_live(false);
  ASSERT_TRUE(*queue.Push(stream.id, stream.Batch()));
  stream.agent.set_live(true);
  ASSERT_TRUE(*queue.Push(stream.id, stream.Batch()));
  EXPECT_GT(queue.oldest_live(), absl::InfinitePast());
  const std::vector<QueuedEvent> live = queue.TakeLive();
  ASSERT_EQ(live.size(), 2u) << "hello and the live batch";
  EXPECT_EQ(std::get<DecodedBatch>(live[1].event).seq, 2u);
  const std::optional<QueuedEvent> late = queue.TakeLate();
  ASSERT_TRUE(late.has_value());
  EXPECT_EQ(std::get<DecodedBatch>(late->event).seq, 1u);
  EXPECT_EQ(queue.bytes(), 0u);
}

TEST(IngestQueueTest, SaysWhenItIsFullAndWhenThereIsRoomAgain) {
  IngestQueue queue(2000);
  Stream stream(queue);
  bool room = true;
  int pushed = 0;
  while (room && pushed < 100) {
    room = *queue.Push(stream.id, stream.Batch());
    ++pushed;
  }
  EXPECT_LT(pushed, 100);
  EXPECT_EQ(stream.sink->resumed(), 0);
  queue.TakeLive();
  EXPECT_EQ(stream.sink->resumed(), 1);
  EXPECT_TRUE(*queue.Push(stream.id, stream.Batch()));
}

TEST(IngestQueueTest, ACutStreamLeavesNothingAndMayPushNothing) {
  IngestQueue queue;
  Stream first(queue);
  Stream second(queue);
  ASSERT_TRUE(queue.Push(first.id, first.Batch()).ok());
  ASSERT_TRUE(queue.Push(second.id, second.Batch()).ok());
  queue.Cut(first.id, absl::AbortedError("why"));
  EXPECT_THAT(first.sink->cuts(), testing::ElementsAre(absl::AbortedError("why")));
  EXPECT_EQ(queue.Push(first.id, first.Batch()).status().code(), absl::StatusCode::kCancelled);
  for (const QueuedEvent& event : queue.TakeLive()) {
    EXPECT_EQ(event.stream, second.id);
  }
  queue.CutAll(absl::AbortedError("all"));
  EXPECT_EQ(second.sink->cuts().size(), 1u);
  EXPECT_EQ(queue.streams(), 0u);
  EXPECT_EQ(queue.bytes(), 0u);
}

TEST(IngestQueueTest, KeepsWhatIsQueuedWhenItEndsAllStreams) {
  IngestQueue queue;
  Stream stream(queue);
  ASSERT_TRUE(queue.Push(stream.id, stream.Batch()).ok());
  queue.EndAll(absl::UnavailableError("the end"));
  ASSERT_EQ(stream.sink->cuts().size(), 1u);
  EXPECT_EQ(stream.sink->cuts()[0].message(), "the end");
  queue.Close(stream.id, false);
  EXPECT_EQ(queue.TakeLive().size(), 2u) << "the hello and the batch";
  EXPECT_TRUE(std::holds_alternative<StreamClosed>(queue.TakeLate()->event));
  EXPECT_EQ(queue.Open(stream.sink, {}).status().message(), "the end");
}

TEST(IngestQueueTest, ACloseWaitsBehindWhatTheStreamPushed) {
  IngestQueue queue;
  Stream stream(queue);
  stream.agent.set_live(false);
  ASSERT_TRUE(queue.Push(stream.id, stream.Batch()).ok());
  queue.Close(stream.id, true);
  queue.TakeLive();
  EXPECT_TRUE(std::holds_alternative<DecodedBatch>(queue.TakeLate()->event));
  EXPECT_TRUE(std::holds_alternative<StreamClosed>(queue.TakeLate()->event));
  EXPECT_EQ(queue.streams(), 0u);
  EXPECT_EQ(queue.Push(stream.id, stream.Batch()).status().code(), absl::StatusCode::kCancelled);
}

TEST(IngestQueueTest, OpensNothingWhileTheWriterCannotCommitOrAfterAStop) {
  IngestQueue queue;
  BatchBuilder agent(1);
  queue.SetOpen(false, absl::UnavailableError("disk full"));
  const auto refused = queue.Open(std::make_shared<RecordingSink>(), agent.Hello(absl::UnixEpoch()));
  EXPECT_EQ(refused.status(), absl::UnavailableError("disk full"));
  queue.SetOpen(true, absl::OkStatus());
  EXPECT_TRUE(queue.Open(std::make_shared<RecordingSink>(), agent.Hello(absl::UnixEpoch())).ok());
  queue.Stop();
  EXPECT_EQ(queue.Open(std::make_shared<RecordingSink>(), agent.Hello(absl::UnixEpoch())).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_TRUE(queue.Wait(absl::InfiniteDuration())) << "returns at once, and something is queued";
}

}  // namespace
}  // namespace ppmm
