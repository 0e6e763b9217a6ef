#include "agent/sources/self.h"

#include "gtest/gtest.h"

#include "tests/testing/step_recorder.h"

namespace ppmm {
namespace {

TEST(SelfSourceTest, TellsWhatTheAgentCosts) {
  StepRecorder step;
  SelfSource source;
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_GT(step.At("ppmm_host_agent_resident_memory_bytes{}"), 0);
  EXPECT_FALSE(step.Has("ppmm_host_agent_cpu_seconds_total{}")) << "the first reading is a baseline";
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_TRUE(step.Has("ppmm_host_agent_cpu_seconds_total{}"));
}

TEST(SelfSourceTest, CountsWhatWasLeftOutAtTheLimitsFromTheBeginning) {
  Recorder recorder(/*max_series=*/5);
  SelfSource source;
  const auto step = [&](std::int64_t second, const auto& during) {
    recorder.BeginBatch(1'700'000'000 + second, BatchShape{});
    recorder.BeginStep(0);
    during();
    ASSERT_TRUE(source.Sample(absl::FromUnixSeconds(1'700'000'000 + second), recorder).ok());
  };
  const auto value = [&recorder](absl::string_view metric) {
    for (const Recorder::Reading& reading : recorder.OpenStep()) {
      if (reading.metric->name == metric) {
        return reading.value;
      }
    }
    return std::int64_t{-1};
  };
  const auto add = [&recorder] { recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_load1")); };
  step(0, [&] {
    for (int i = 0; i < 1003; ++i) {
      recorder.AddPeer({});
    }
  });
  EXPECT_EQ(value("ppmm_host_agent_peers_dropped_total"), 3);
  EXPECT_EQ(value("ppmm_host_agent_series_refused_total"), 0);
  recorder.BuildBatch(1);
  step(10, [&] {
    add();  // the fifth
    add();
    add();
  });
  EXPECT_EQ(value("ppmm_host_agent_series_refused_total"), 2);
  EXPECT_EQ(value("ppmm_host_agent_peers_dropped_total"), 0);
}

}  // namespace
}  // namespace ppmm
