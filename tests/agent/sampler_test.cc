#include "agent/sampler.h"

#include <memory>

#include "gtest/gtest.h"

#include "tests/testing/decoded_frames.h"
#include "tests/testing/manual_clock.h"

namespace ppmm {
namespace {

constexpr std::int64_t kStart = 1'700'000'020;  // 20 s before a whole minute

// Says what the test tells it to.
class ScriptedSource : public Source {
 public:
  explicit ScriptedSource(absl::Duration period = absl::ZeroDuration()) : period_(period) {}
  absl::string_view name() const override { return "scripted"; }
  absl::Duration period() const override { return period_; }
  absl::Status Sample(absl::Time now, Recorder& recorder) override {
    times.push_back(absl::ToUnixSeconds(now));
    if (series_ == 0) {
      series_ = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_procs_running"));
    }
    if (status.ok()) {
      recorder.Gauge(series_, static_cast<std::int64_t>(times.size()));
    }
    return status;
  }
  std::vector<std::int64_t> times;
  absl::Status status;

 private:
  const absl::Duration period_;
  SeriesHandle series_ = 0;
};

class SamplerTest : public ::testing::Test {
 protected:
  explicit SamplerTest(absl::Duration period = absl::ZeroDuration())
      : clock_(absl::FromUnixSeconds(kStart) + absl::Milliseconds(300)) {
    std::vector<std::unique_ptr<Source>> sources;
    sources.push_back(std::make_unique<ScriptedSource>(period));
    source_ = static_cast<ScriptedSource*>(sources.back().get());
    sampler_ = std::make_unique<Sampler>(&clock_, &recorder_, &sink_, std::move(sources), [this] { return ++epoch_; });
    sampler_->BeginEpoch();
  }

  // Time passes as a sleeping thread lives it.
  void RunFor(absl::Duration time) {
    const absl::Time end = clock_.Now() + time;
    while (clock_.Now() < end) {
      clock_.Advance(std::min(sampler_->Tick(), end - clock_.Now()));
    }
  }
  std::vector<wire::Batch> Batches() {
    std::vector<wire::Batch> batches;
    for (const CollectingSink::Sent& sent : sink_.sent) {
      if (sent.seq != 0) {
        wire::AgentFrame frame;
        frame.ParseFromString(sent.frame);
        batches.push_back(frame.batch());
      }
    }
    return batches;
  }

  ManualClock clock_;
  Recorder recorder_;
  CollectingSink sink_;
  ScriptedSource* source_ = nullptr;
  std::uint64_t epoch_ = 0;
  std::unique_ptr<Sampler> sampler_;
};

class SlowSamplerTest : public SamplerTest {
 protected:
  SlowSamplerTest() : SamplerTest(absl::Seconds(10)) {}
};

TEST_F(SamplerTest, TakesAStepOnEachWholeSecond) {
  RunFor(absl::Seconds(5));
  EXPECT_EQ(source_->times, (std::vector<std::int64_t>{kStart + 1, kStart + 2, kStart + 3, kStart + 4, kStart + 5}));
  ASSERT_EQ(Batches().size(), 5u);
  EXPECT_EQ(Batches()[0].t0(), kStart + 1);
  EXPECT_EQ(Batches()[4].seq(), 5u);
}

TEST_F(SlowSamplerTest, ReadsASlowSourceOnTheGridOfItsPeriod) {
  RunFor(absl::Seconds(35));
  EXPECT_EQ(source_->times, (std::vector<std::int64_t>{kStart + 1, kStart + 10, kStart + 20, kStart + 30}));
}

TEST_F(SamplerTest, TriesAnAbsentSourceOnceAMinute) {
  source_->status = absl::NotFoundError("no such file");
  RunFor(absl::Seconds(130));
  EXPECT_EQ(source_->times.size(), 3u);
  EXPECT_EQ(sampler_->Status()[0].state, wire::SourceState::ABSENT);
}

TEST_F(SamplerTest, GoesOnAfterASourceFailed) {
  source_->status = absl::InternalError("broken");
  RunFor(absl::Seconds(3));
  source_->status = absl::OkStatus();
  RunFor(absl::Seconds(2));
  const Sampler::SourceStatus status = sampler_->Status()[0];
  EXPECT_EQ(status.state, wire::SourceState::OK);
  EXPECT_EQ(status.failures, 3u);
  EXPECT_EQ(status.runs, 5u);
}

TEST_F(SamplerTest, ChangesTheShapeAtAWholeMinuteOnly) {
  sampler_->RequestShape({10, 6});
  RunFor(absl::Seconds(15));
  EXPECT_EQ(Batches().back().step_seconds(), 1u);
  RunFor(absl::Seconds(70));
  const wire::Batch last = Batches().back();
  EXPECT_EQ(last.step_seconds(), 10u);
  EXPECT_EQ(last.steps(), 6u);
  EXPECT_EQ(last.t0() % 60, 0);
  sampler_->RequestShape({7, 1});  // no such step: ignored
  RunFor(absl::Seconds(70));
  EXPECT_EQ(Batches().back().step_seconds(), 10u);
}

TEST_F(SamplerTest, ABatchNeverCrossesAMinute) {
  sampler_->RequestShape({1, 7});
  RunFor(absl::Seconds(160));
  for (const wire::Batch& batch : Batches()) {
    EXPECT_EQ(batch.t0() / 60, (batch.t0() + batch.steps() - 1) / 60);
  }
}

TEST_F(SamplerTest, SkipsWhatItSleptThroughAndCountsIt) {
  RunFor(absl::Seconds(2));
  clock_.Advance(absl::Seconds(30));  // suspended
  sampler_->Tick();
  EXPECT_EQ(source_->times.size(), 3u);
  EXPECT_EQ(sampler_->steps_missed(), 29u);
  EXPECT_EQ(Batches().back().t0(), source_->times.back());
}

TEST_F(SamplerTest, FollowsAWallClockThatWasSetAfterTenSeconds) {
  RunFor(absl::Seconds(3));
  clock_.JumpWall(absl::Hours(1));
  RunFor(absl::Seconds(5));
  EXPECT_LT(source_->times.back(), kStart + 60) << "not yet: a step in a few seconds may be taken back";
  RunFor(absl::Seconds(10));
  EXPECT_GT(source_->times.back(), kStart + 3600);
  bool told = false;
  for (const wire::Batch& batch : Batches()) {
    if (batch.has_clock()) {
      told = true;
      EXPECT_EQ(batch.clock().to_us() / 1000000 - batch.clock().from_us() / 1000000, 3600);
      EXPECT_GT(batch.t0(), kStart + 3600) << "the event opens the new time";
    }
  }
  EXPECT_TRUE(told);
}

TEST_F(SamplerTest, AStepBackOfTheWallClockIsFollowedToo) {
  RunFor(absl::Seconds(3));
  clock_.JumpWall(-absl::Hours(2));
  RunFor(absl::Seconds(15));
  EXPECT_LT(source_->times.back(), kStart - 7000);
}

TEST_F(SamplerTest, IgnoresAnOffsetOfTwoSeconds) {
  RunFor(absl::Seconds(3));
  clock_.JumpWall(absl::Seconds(2));
  RunFor(absl::Minutes(2));
  for (const wire::Batch& batch : Batches()) {
    EXPECT_FALSE(batch.has_clock());
  }
}

TEST_F(SamplerTest, FollowsMoreThanTwoSecondsWithABatchOfItsOwn) {
  sampler_->RequestShape({1, 10});
  RunFor(absl::Seconds(23));  // the minute begins 20 s after the start: two steps of a batch are taken
  clock_.JumpWall(absl::Seconds(3));
  RunFor(absl::Seconds(30));
  std::vector<wire::Batch> before;
  for (const wire::Batch& batch : Batches()) {
    if (batch.has_clock()) {
      EXPECT_GE(batch.t0() * 1'000'000, batch.clock().to_us()) << "the event opens the new time";
      ASSERT_FALSE(before.empty());
      EXPECT_LE(before.back().t0() + before.back().steps() - 1, batch.clock().from_us() / 1'000'000)
          << "the time before ends with the batch before";
      return;
    }
    before.push_back(batch);
  }
  FAIL() << "the clock was not followed";
}

TEST_F(SamplerTest, ANewEpochBeginsWithTheCompleteDictionary) {
  RunFor(absl::Seconds(3));
  sampler_->BeginEpoch();
  RunFor(absl::Seconds(2));
  const auto& sent = sink_.sent;
  EXPECT_EQ(sent.back().epoch, 2u);
  EXPECT_EQ(sent.back().seq, 2u);
  DecodedFrames frames;
  for (const CollectingSink::Sent& one : sent) {
    if (one.epoch == 2) {
      if (one.seq == 0) {
        frames.TakeDictionary(one.frame);
      } else {
        EXPECT_EQ(frames.TakeBatch(one.frame).size(), 1u);
      }
    }
  }
}

}  // namespace
}  // namespace ppmm
