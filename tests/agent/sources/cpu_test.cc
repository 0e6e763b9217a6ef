#include "agent/sources/cpu.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/fake_proc.h"
#include "tests/testing/step_recorder.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;

constexpr char kStat[] =
    "cpu  30 0 50 900 5 0 1 2 0 0\n"
    "cpu0 10 0 20 400 5 0 1 2 0 0\n"
    "cpu1 20 0 30 500 0 0 0 0 0 0\n"
    "intr 1000 5 6 7\n"
    "ctxt 2000\n"
    "btime 1700000000\n"
    "processes 300\n"
    "procs_running 2\n"
    "procs_blocked 1\n"
    "softirq 9 0 0\n";

TEST(ParseStatTest, ReadsEachCpuAndTheSums) {
  CpuStat stat;
  ASSERT_TRUE(ParseStat(kStat, &stat).ok());
  ASSERT_EQ(stat.cpus.size(), 2u);
  EXPECT_EQ(stat.cpus[0].ticks[2], 20u);
  EXPECT_EQ(stat.cpus[1].number, 1u);
  EXPECT_EQ(stat.cpus[1].ticks[3], 500u);
  EXPECT_EQ(stat.interrupts, 1000u);
  EXPECT_EQ(stat.boot_time_seconds, 1700000000u);
  EXPECT_EQ(stat.procs_blocked, 1u);
}

TEST(ParseStatTest, TakesTheShortLinesOfOldKernels) {
  CpuStat stat;
  ASSERT_TRUE(ParseStat("cpu0 1 2 3 4\n", &stat).ok());
  EXPECT_EQ(stat.cpus[0].ticks[3], 4u);
  EXPECT_EQ(stat.cpus[0].ticks[7], 0u);
}

TEST(ParseStatTest, NamesTheLineItCannotRead) {
  CpuStat stat;
  const absl::Status status = ParseStat("cpu0 1 2 3 4\ncpu1 1 x 3 4\n", &stat);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "/proc/stat line 2: \"x\" is not a number");
  EXPECT_THAT(ParseStat("cpu99999999 1\n", &stat).message(), HasSubstr("is not a CPU"));
  EXPECT_THAT(ParseStat("cpu0 1\nctxt\n", &stat).message(), HasSubstr("line 2: ctxt is not followed by a number"));
  EXPECT_THAT(ParseStat("", &stat).message(), HasSubstr("no line of a CPU"));
}

TEST(CpuSourceTest, SendsIncrementsAfterABaseline) {
  FakeProc proc;
  proc.Write("/proc/stat", kStat);
  CpuSource source(proc.root());
  StepRecorder step;
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_FALSE(step.Has("ppmm_host_cpu_seconds_total{0,user}")) << "the first reading is a baseline";
  EXPECT_EQ(step.At("ppmm_host_procs_running{}"), 2);

  proc.Write("/proc/stat", "cpu0 15 0 20 490 5 0 1 2\ncpu1 20 0 30 600 0 0 0 0\nctxt 2010\n");
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.At("ppmm_host_cpu_seconds_total{0,user}"), 5);
  EXPECT_EQ(step.At("ppmm_host_cpu_seconds_total{0,idle}"), 90);
  EXPECT_EQ(step.At("ppmm_host_cpu_seconds_total{1,user}"), 0) << "no change is a sample too";
  EXPECT_EQ(step.At("ppmm_host_context_switches_total{}"), 10);
}

TEST(CpuSourceTest, AReadingThatFallsIsABaseline) {
  FakeProc proc;
  proc.Write("/proc/stat", "cpu0 100 0 0 0 50\n");
  CpuSource source(proc.root());
  StepRecorder step;
  ASSERT_TRUE(step.Step(source).ok());
  proc.Write("/proc/stat", "cpu0 101 0 0 0 40\n");  // iowait is known to fall
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.At("ppmm_host_cpu_seconds_total{0,user}"), 1);
  EXPECT_FALSE(step.Has("ppmm_host_cpu_seconds_total{0,iowait}"));
  proc.Write("/proc/stat", "cpu0 101 0 0 0 45\n");
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.At("ppmm_host_cpu_seconds_total{0,iowait}"), 5);
}

TEST(CpuSourceTest, EndsTheSeriesOfACpuThatWentOffline) {
  FakeProc proc;
  proc.Write("/proc/stat", kStat);
  CpuSource source(proc.root());
  StepRecorder step;
  ASSERT_TRUE(step.Step(source).ok());
  const std::size_t before = step.recorder().series_count();
  proc.Write("/proc/stat", "cpu0 15 0 20 490 5 0 1 2\n");
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.recorder().series_count(), before - kCpuModes.size());
  proc.Write("/proc/stat", kStat);
  ASSERT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.recorder().series_count(), before) << "and begins it anew";
}

TEST(CpuSourceTest, SaysThatTheFileIsAbsent) {
  FakeProc proc;
  CpuSource source(proc.root());
  StepRecorder step;
  EXPECT_EQ(step.Step(source).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace ppmm
