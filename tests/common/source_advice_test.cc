#include "common/source_advice.h"

#include <iterator>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "agent/source_names.h"
#include "agent/spool.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(SourceAdviceTest, EverySourceSaysInWordsWhatIsLost) {
  std::vector<absl::string_view> names(std::begin(kSourceNames), std::end(kSourceNames));
  names.push_back("sockets");
  names.push_back("response_times");
  names.push_back("littles_law");
  for (const absl::string_view name : names) {
    for (const bool failed : {false, true}) {
      const SourceAdvice advice = AdviceOnSource(name, failed, "/proc/x: No such file or directory");
      EXPECT_THAT(advice.loses, Not(HasSubstr("what its agent reads"))) << name;
      EXPECT_TRUE(!failed || !advice.cure.empty()) << name;
    }
  }
  EXPECT_EQ(AdviceOnSource("of_a_later_agent", false, "").loses, "what its agent reads as \"of_a_later_agent\"");
}

TEST(SourceAdviceTest, AKernelWithoutAThingIsNotToBeCured) {
  for (const absl::string_view name : {"schedstat", "softnet", "diskstats"}) {
    EXPECT_THAT(AdviceOnSource(name, false, "/proc/schedstat: No such file or directory").cure, IsEmpty()) << name;
  }
  EXPECT_THAT(AdviceOnSource("schedstat", false, "").loses, HasSubstr("how long work waits for each CPU"));
  EXPECT_THAT(AdviceOnSource("pressure", false, "pressure stall information is off; boot with psi=1").cure,
              HasSubstr("boot with psi=1"));
  EXPECT_THAT(AdviceOnSource("pressure", false, "this kernel has no pressure stall information (CONFIG_PSI)").cure,
              IsEmpty());
  EXPECT_THAT(AdviceOnSource("cpu", false, "/proc/stat: No such file or directory").cure, HasSubstr("--root"));
}

TEST(SourceAdviceTest, WhatFailedHasTheCureThatItsReasonNames) {
  EXPECT_THAT(AdviceOnSource("sockets", true, "netlink: Operation not permitted").cure, HasSubstr("CAP_BPF"));
  EXPECT_THAT(AdviceOnSource("timex", true, "adjtimex: Operation not permitted").cure, HasSubstr("systemd unit"));
  EXPECT_THAT(AdviceOnSource("applications", true, "more processes begin than can be identified").cure,
              HasSubstr("by itself"));
  EXPECT_THAT(AdviceOnSource("spool", true, "No space left on device").cure, HasSubstr("make room"));
  const std::string deleted = absl::StrCat("batches wait in 1 MiB of memory: ", kDataDeleted, " (make /d/spool: ...)");
  EXPECT_EQ(AdviceOnSource("spool", true, deleted).cure, "restart that ppmm-agent: it makes its data directory anew");
  EXPECT_THAT(AdviceOnSource("cpu", true, "/proc/stat line 2: no number").cure, HasSubstr("journalctl -u ppmm-agent"));
}

TEST(SourceAdviceTest, EachReasonForNotUsingBpfHasItsCure) {
  EXPECT_THAT(AdviceOnCapture("switched off (sources.bpf)").cure, HasSubstr("--no-bpf"));
  EXPECT_THAT(AdviceOnCapture("built without BPF (WITH_BPF=OFF)").cure, HasSubstr("WITH_BPF=ON"));
  EXPECT_THAT(AdviceOnCapture("BPF: load: Operation not permitted: the agent needs CAP_BPF").cure,
              HasSubstr("systemd unit"));
  EXPECT_THAT(
      AdviceOnCapture("BPF: the kernel gives no type information: use a kernel with CONFIG_DEBUG_INFO_BTF=y").cure,
      HasSubstr("linux-image-amd64"));
  EXPECT_THAT(AdviceOnCapture("BPF: load: Cannot allocate memory").cure, HasSubstr("journalctl"));
  EXPECT_THAT(AdviceOnCapture("").loses, HasSubstr("short-lived processes"));
}

}  // namespace
}  // namespace ppmm
