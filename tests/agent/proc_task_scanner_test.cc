#include "agent/proc_task_scanner.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kStatTail[] =
    " S 41 42 42 0 -1 4194560 1234 5 7 0 250 31 40 2 20 0 1 0 98765 10000000 300 18446744073709551615 1 1 0 0";
constexpr char kStatus[] =
    "Name:\tx\nUmask:\t0022\nUid:\t1001\t0\t0\t0\nRssAnon:\t     100 kB\nRssFile:\t      20 kB\nRssShmem:\t       3 "
    "kB\n";
constexpr char kIo[] = "rchar: 9\nwchar: 8\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n";

// A tree like /proc and /sys/fs/cgroup in a folder of the test's own.
class FakeRoot {
 public:
  FakeRoot() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/proc_task_XXXXXX");
    root_ = mkdtemp(pattern.data());
    std::filesystem::create_directories(root_ + "/proc");
  }
  ~FakeRoot() { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path whole = root_ + "/" + path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole, std::ios::binary) << text;
  }
  void Link(const std::string& path, const std::string& target) {
    const std::filesystem::path whole = root_ + "/" + path;
    std::filesystem::create_directories(whole.parent_path());
    std::filesystem::remove(whole);
    std::filesystem::create_symlink(target, whole);
  }
  void AddProcess(int pid, const std::string& name) {
    const std::string folder = absl::StrCat("proc/", pid, "/");
    Write(folder + "stat", absl::StrCat(pid, " (", name, ")", kStatTail));
    Write(folder + "status", kStatus);
    Write(folder + "io", kIo);
    Write(folder + "schedstat", "111 222 3\n");
    Write(folder + "cgroup", "12:cpu:/old\n0::/app.slice\n");
    Link(folder + "ns/net", "net:[4026531840]");
    Link(folder + "ns/pid", "pid:[4026531836]");
    Link(folder + "ns/mnt", "mnt:[4026531841]");
    Write("bin/server", "program");
    Link(folder + "exe", root_ + "/bin/server");
  }
  const std::string& path() const { return root_; }
  std::uint64_t Inode(const std::string& path) const {
    struct stat info {};
    EXPECT_EQ(stat((root_ + "/" + path).c_str(), &info), 0);
    return info.st_ino;
  }

 private:
  std::string root_;
};

TEST(ProcTaskScanner, ReadsEveryFieldOfAProcess) {
  FakeRoot root;
  root.AddProcess(77, "server");
  root.Write("sys/fs/cgroup/app.slice/cgroup.procs", "");
  ProcTaskScanner scanner(root.path());
  std::vector<ProcessSample> samples;
  ASSERT_TRUE(scanner.Scan(&samples).ok());
  ASSERT_THAT(samples, SizeIs(1)) << scanner.last_error();
  const ProcessSample& sample = samples[0];
  EXPECT_EQ(sample.pid, 77);
  EXPECT_EQ(sample.ppid, 41);
  EXPECT_EQ(sample.name(), "server");
  EXPECT_EQ(sample.start_ns, 987650000000);
  EXPECT_EQ(sample.user_ns, 2500000000u);
  EXPECT_EQ(sample.system_ns, 310000000u);
  EXPECT_EQ(sample.children_ns, 420000000u);
  EXPECT_EQ(sample.run_delay_ns, 222u);
  EXPECT_EQ(sample.minor_faults, 1234u);
  EXPECT_EQ(sample.major_faults, 7u);
  EXPECT_TRUE(sample.has_io);
  EXPECT_EQ(sample.read_bytes, 4096u);
  EXPECT_EQ(sample.write_bytes, 8192u);
  EXPECT_EQ(sample.rss_anon_bytes, 102400u);
  EXPECT_EQ(sample.rss_file_bytes, 20480u);
  EXPECT_EQ(sample.rss_shmem_bytes, 3072u);
  EXPECT_EQ(sample.cgroup_id, root.Inode("sys/fs/cgroup/app.slice"));
  EXPECT_EQ(sample.exe_inode, root.Inode("bin/server"));
  EXPECT_EQ(sample.net_ns, 4026531840u);
  EXPECT_EQ(sample.pid_ns, 4026531836u);
  EXPECT_EQ(sample.mnt_ns, 4026531841u);
  EXPECT_EQ(sample.uid, 1001u);
  EXPECT_EQ(sample.threads, 1u);
  EXPECT_FALSE(sample.kernel_thread);
}

TEST(ProcTaskScanner, TakesTheV2HierarchyOfAHybridHost) {
  FakeRoot root;
  root.AddProcess(77, "server");
  root.Write("sys/fs/cgroup/app.slice/x", "");
  root.Write("sys/fs/cgroup/unified/app.slice/cgroup.procs", "");
  ProcTaskScanner scanner(root.path());
  std::vector<ProcessSample> samples;
  ASSERT_TRUE(scanner.Scan(&samples).ok());
  ASSERT_THAT(samples, SizeIs(1));
  EXPECT_EQ(samples[0].cgroup_id, root.Inode("sys/fs/cgroup/unified/app.slice"));
}

TEST(ProcTaskScanner, AddsTheRunDelayOfAllThreads) {
  FakeRoot root;
  root.AddProcess(77, "server");
  std::string stat = absl::StrCat("77 (server)", kStatTail);
  stat.replace(stat.find(" 20 0 1 0 "), 10, " 20 0 2 0 ");
  root.Write("proc/77/stat", stat);
  root.Write("proc/77/task/77/schedstat", "1 1000 1\n");
  root.Write("proc/77/task/79/schedstat", "1 9 1\n");
  ProcTaskScanner scanner(root.path());
  std::vector<ProcessSample> samples;
  ASSERT_TRUE(scanner.Scan(&samples).ok());
  ASSERT_THAT(samples, SizeIs(1)) << scanner.last_error();
  EXPECT_EQ(samples[0].threads, 2u);
  EXPECT_EQ(samples[0].run_delay_ns, 1009u);
}

TEST(ProcTaskScanner, SurvivesHostileNames) {
  FakeRoot root;
  const std::vector<std::string> names = {") S 1 2 (", "a\nb", "((((((((", "\xff\xfe\x80", "", ") 1 1 1 1 1 1 1"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    root.AddProcess(static_cast<int>(100 + i), names[i]);
  }
  ProcTaskScanner scanner(root.path());
  std::vector<ProcessSample> samples;
  ASSERT_TRUE(scanner.Scan(&samples).ok());
  ASSERT_THAT(samples, SizeIs(names.size())) << scanner.last_error();
  for (const ProcessSample& sample : samples) {
    EXPECT_EQ(sample.name(), names[static_cast<std::size_t>(sample.pid - 100)]);
    EXPECT_EQ(sample.ppid, 41);
  }
}

TEST(ProcTaskScanner, CutsALongNameToFifteenBytes) {
  ProcessSample sample;
  ASSERT_TRUE(ParseProcessStat(absl::StrCat("3 (kworker/0:1-events_unbound)", kStatTail), &sample).ok());
  EXPECT_EQ(sample.name(), "kworker/0:1-eve");
}

TEST(ProcTaskScanner, KnowsKernelThreadsByTheirFlag) {
  ProcessSample sample;
  ASSERT_TRUE(ParseProcessStat("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 3 0 0", &sample).ok());
  EXPECT_TRUE(sample.kernel_thread);
}

TEST(ProcTaskScanner, LeavesOutAProcessThatVanishes) {
  FakeRoot root;
  root.AddProcess(77, "server");
  std::filesystem::create_directories(root.path() + "/proc/78");     // gone before stat was read
  root.Write("proc/79/stat", absl::StrCat("79 (half)", kStatTail));  // gone after it
  ProcTaskScanner scanner(root.path());
  std::vector<ProcessSample> samples;
  ASSERT_TRUE(scanner.Scan(&samples).ok());
  EXPECT_THAT(samples, SizeIs(1));
  EXPECT_EQ(scanner.malformed(), 0u);
}

TEST(ProcTaskScanner, LeavesOutAndCountsAProcessItCannotUnderstand) {
  FakeRoot root;
  root.AddProcess(77, "server");
  root.AddProcess(78, "broken");
  root.Write("proc/78/status", "Uid:\tnobody\n");
  ProcTaskScanner scanner(root.path());
  std::vector<ProcessSample> samples;
  ASSERT_TRUE(scanner.Scan(&samples).ok());
  EXPECT_THAT(samples, SizeIs(1));
  EXPECT_EQ(scanner.malformed(), 1u);
  EXPECT_THAT(std::string(scanner.last_error().message()), HasSubstr("process 78"));
}

TEST(ProcTaskScanner, RefusesAFileWithoutEnd) {
  FakeRoot root;
  root.AddProcess(77, "server");
  root.Write("proc/77/status", std::string(200000, 'x'));
  ProcTaskScanner scanner(root.path());
  std::vector<ProcessSample> samples;
  ASSERT_TRUE(scanner.Scan(&samples).ok());
  EXPECT_THAT(samples, IsEmpty());
  EXPECT_EQ(scanner.malformed(), 1u);
}

TEST(ProcTaskScanner, APipeInPlaceOfAFileHoldsNobodyUp) {
  FakeRoot root;
  root.AddProcess(42, "ok");
  root.AddProcess(43, "pipe");
  const std::string stat = root.path() + "/proc/43/stat";
  std::filesystem::remove(stat);
  ASSERT_EQ(mkfifo(stat.c_str(), 0600), 0);
  ProcTaskScanner scanner(root.path());
  std::vector<ProcessSample> samples;
  ASSERT_TRUE(scanner.Scan(&samples).ok());
  EXPECT_THAT(samples, SizeIs(1));
}

TEST(ProcTaskScanner, KeepsAProcessWhoseIoAndLinksAreClosed) {
  FakeRoot root;
  root.AddProcess(77, "server");
  for (const char* name : {"io", "exe", "ns/net", "cgroup", "schedstat"}) {
    std::filesystem::remove(root.path() + "/proc/77/" + name);
  }
  ProcTaskScanner scanner(root.path());
  std::vector<ProcessSample> samples;
  ASSERT_TRUE(scanner.Scan(&samples).ok());
  ASSERT_THAT(samples, SizeIs(1));
  EXPECT_FALSE(samples[0].has_io);
  EXPECT_EQ(samples[0].exe_inode, 0u);
  EXPECT_EQ(samples[0].net_ns, 0u);
  EXPECT_EQ(samples[0].cgroup_id, 0u);
}

TEST(ProcTaskScanner, ReadsTheIdentityAgainAfterAnExec) {
  FakeRoot root;
  root.AddProcess(77, "sh");
  ProcTaskScanner scanner(root.path());
  std::vector<ProcessSample> samples;
  ASSERT_TRUE(scanner.Scan(&samples).ok());
  root.Link("proc/77/ns/net", "net:[5]");
  ASSERT_TRUE(scanner.Scan(&samples).ok());
  EXPECT_EQ(samples.at(0).net_ns, 4026531840u) << "kept between two scans";
  root.Write("proc/77/stat", absl::StrCat("77 (server)", kStatTail));
  ASSERT_TRUE(scanner.Scan(&samples).ok());
  EXPECT_EQ(samples.at(0).net_ns, 5u);
}

TEST(ProcTaskScanner, SaysThatProcIsMissing) {
  ProcTaskScanner scanner("/nonexistent");
  std::vector<ProcessSample> samples(1);
  EXPECT_EQ(scanner.Scan(&samples).code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(samples, IsEmpty());
}

TEST(ParseProcessStat, NamesTheFieldItCannotRead) {
  ProcessSample sample;
  EXPECT_THAT(std::string(ParseProcessStat("", &sample).message()), HasSubstr("name"));
  EXPECT_THAT(std::string(ParseProcessStat("1 )x(", &sample).message()), HasSubstr("name"));
  EXPECT_THAT(std::string(ParseProcessStat("x (y) S 1", &sample).message()), HasSubstr("field 1 "));
  EXPECT_THAT(std::string(ParseProcessStat("1 (y) S x", &sample).message()), HasSubstr("field 4 "));
  EXPECT_THAT(std::string(ParseProcessStat("1 (y) S 1 2 3", &sample).message()), HasSubstr("field 7 is missing"));
  std::string late = absl::StrCat("1 (y)", kStatTail);
  late.replace(late.find("98765"), 5, "-1x");
  EXPECT_THAT(std::string(ParseProcessStat(late, &sample).message()), HasSubstr("field 22 "));
}

TEST(ParseProcessStatus, WantsAUserIdAndTakesMissingMemoryAsNone) {
  ProcessSample sample;
  EXPECT_EQ(ParseProcessStatus("Name:\tx\n", &sample).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseProcessStatus("Uid:\t1\t1\nRssAnon:\tmany kB\n", &sample).code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(ParseProcessStatus("Uid:\t7\t1\n", &sample).ok());
  EXPECT_EQ(sample.uid, 7u);
  EXPECT_EQ(sample.rss_anon_bytes, 0u);
}

TEST(ParseProcessIo, WantsBothLines) {
  ProcessSample sample;
  EXPECT_EQ(ParseProcessIo("read_bytes: 1\n", &sample).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseProcessIo("write_bytes: 1\n", &sample).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseProcessIo("read_bytes: x\nwrite_bytes: 1\n", &sample).code(), absl::StatusCode::kInvalidArgument);
}

TEST(ParseSchedstat, WantsASecondNumber) {
  EXPECT_EQ(ParseSchedstat("1").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseSchedstat("1 x 2").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseSchedstat("1 2 3\n").value_or(0), 2u);
}

TEST(ParseCgroupPath, TakesTheLineOfTheV2Hierarchy) {
  EXPECT_EQ(ParseCgroupPath("1:x:/a\n0::/b c\n").value_or(""), "/b c");
  EXPECT_EQ(ParseCgroupPath("1:x:/a\n").status().code(), absl::StatusCode::kNotFound);
}

TEST(ParseNamespaceLink, WantsANumberInBrackets) {
  EXPECT_EQ(ParseNamespaceLink("net:[12]").value_or(0), 12u);
  for (const char* text : {"", "net", "net:[", "net:[]", "net:[x]", "net:[12", "net:[-1]"}) {
    EXPECT_EQ(ParseNamespaceLink(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace ppmm
