#include <cerrno>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "agent/sources/spool.h"
#include "tests/testing/spool_rig.h"
#include "tests/testing/step_recorder.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;

TEST(SpoolSourceTest, TellsWhatWaitsAndWhetherTheDiskTakesWrites) {
  SpoolRig rig;
  rig.Start();
  rig.Append(3);
  SpoolSource source([&] { return rig.spool->Stats(); });
  StepRecorder step;
  EXPECT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.At("ppmm_host_agent_spool_bytes{}"), static_cast<std::int64_t>(rig.spool->Stats().bytes));
  EXPECT_EQ(step.At("ppmm_host_agent_spool_disk_failed{}"), 0);
}

TEST(SpoolSourceTest, ADiskThatRefusesWritesIsAFailedSourceUntilItTakesThem) {
  SpoolRig rig;
  rig.Start();
  SpoolSource source([&] { return rig.spool->Stats(); });
  StepRecorder step;
  rig.disk.FailWrites(ENOSPC);
  rig.Append(2);
  const absl::Status failed = step.Step(source);
  EXPECT_TRUE(absl::IsResourceExhausted(failed)) << failed;
  EXPECT_THAT(std::string(failed.message()), HasSubstr("No space left"));
  EXPECT_EQ(step.At("ppmm_host_agent_spool_disk_failed{}"), 1);
  EXPECT_GT(step.At("ppmm_host_agent_spool_bytes{}"), 0);
  rig.disk.FailWrites(0);
  rig.Tick();
  EXPECT_TRUE(step.Step(source).ok());
  EXPECT_EQ(step.At("ppmm_host_agent_spool_disk_failed{}"), 0);
}

}  // namespace
}  // namespace ppmm
