#include "agent/task_scanner.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "agent/ended_children.h"
#include "agent/proc_task_scanner.h"
#include "tests/bpf/child_process.h"

namespace ppmm {
namespace {

constexpr std::uint64_t kMs = 1'000'000;

const ProcessSample* Find(const std::vector<ProcessSample>& samples, pid_t pid) {
  for (const ProcessSample& sample : samples) {
    if (sample.pid == pid) {
      return &sample;
    }
  }
  return nullptr;
}

std::uint64_t CpuNs(const rusage& usage) {
  const auto ns = [](const timeval& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1000 * kMs + static_cast<std::uint64_t>(time.tv_usec) * 1000;
  };
  return ns(usage.ru_utime) + ns(usage.ru_stime);
}

// Burns CPU in this thread.
void Burn(std::uint64_t ns) {
  rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  const std::uint64_t end = CpuNs(usage) + ns;
  while (CpuNs(usage) < end) {
    getrusage(RUSAGE_THREAD, &usage);
  }
}

class TaskScannerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<TaskScanner>> scanner = TaskScanner::Create();
    ASSERT_TRUE(scanner.ok()) << scanner.status();
    scanner_ = *std::move(scanner);
  }
  ProcessSample Scan(pid_t pid) {
    std::vector<ProcessSample> samples;
    EXPECT_TRUE(scanner_->Scan(&samples).ok());
    const ProcessSample* found = Find(samples, pid);
    EXPECT_NE(found, nullptr);
    return found == nullptr ? ProcessSample{} : *found;
  }

  std::unique_ptr<TaskScanner> scanner_;
  EndedChildren ended_children_;
};

TEST_F(TaskScannerTest, SeesEveryProcessOnceAndInOrder) {
  std::vector<ProcessSample> samples;
  ASSERT_TRUE(scanner_->Scan(&samples).ok());
  ASSERT_FALSE(samples.empty());
  // Process 1 is not asked for: kernels of some micro virtual machines hide it from iterators.
  for (std::size_t i = 1; i < samples.size(); ++i) {
    EXPECT_LT(samples[i - 1].pid, samples[i].pid);
  }
  const ProcessSample* self = Find(samples, getpid());
  ASSERT_NE(self, nullptr);
  EXPECT_EQ(self->ppid, getppid());
  EXPECT_EQ(self->uid, getuid());
  EXPECT_FALSE(self->kernel_thread);
  const ProcessSample* kthreadd = Find(samples, 2);
  if (kthreadd != nullptr && kthreadd->name() == "kthreadd") {
    EXPECT_TRUE(kthreadd->kernel_thread);
  }
}

TEST_F(TaskScannerTest, CountsAHundredAndOneThreadsAndAddsTheirCpuTime) {
  const ChildProcess child([] {
    for (int i = 0; i < 100; ++i) {
      std::thread([] {
        Burn(2 * kMs);
        pause();
      }).detach();
    }
    rusage usage;
    do {
      sched_yield();
      getrusage(RUSAGE_SELF, &usage);
    } while (CpuNs(usage) < 200 * kMs);
  });
  const ProcessSample sample = Scan(child.pid());
  EXPECT_EQ(sample.threads, 101u);
  EXPECT_GE(sample.user_ns + sample.system_ns, 180 * kMs);
}

TEST_F(TaskScannerTest, KeepsTheCpuTimeOfEndedThreads) {
  const ChildProcess child([] {
    for (int i = 0; i < 3; ++i) {
      std::thread([] { Burn(50 * kMs); }).join();
    }
  });
  const ProcessSample sample = Scan(child.pid());
  EXPECT_LE(sample.threads, 2u) << "join() may return before the kernel has taken the thread off its list";
  EXPECT_GE(sample.user_ns + sample.system_ns, 145 * kMs);
}

TEST_F(TaskScannerTest, GivesTheCpuTimeThatGetrusageGives) {
  auto* truth =
      static_cast<rusage*>(mmap(nullptr, sizeof(rusage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const ChildProcess child([truth] {
    std::thread other([] { Burn(150 * kMs); });
    Burn(300 * kMs);
    other.join();
    getrusage(RUSAGE_SELF, truth);
  });
  const ProcessSample sample = Scan(child.pid());
  const double expected = static_cast<double>(CpuNs(*truth));
  EXPECT_NEAR(static_cast<double>(sample.user_ns + sample.system_ns), expected, expected * 0.1 + 20e6);
  munmap(truth, sizeof(rusage));
}

TEST_F(TaskScannerTest, FindsTheCpuTimeOfChildrenThatEndedBetweenTwoLooks) {
  auto* truth =
      static_cast<rusage*>(mmap(nullptr, sizeof(rusage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  std::uint64_t charged_us = 0;
  const auto look = [&](bool baseline, pid_t pid) {
    std::vector<ProcessSample> samples;
    ASSERT_TRUE(scanner_->Scan(&samples).ok());
    for (const ProcessSample& sample : samples) {
      ended_children_.Take(sample, baseline);
    }
    ended_children_.EndLook([&](std::int32_t charged, std::uint64_t us) { charged_us += charged == pid ? us : 0; });
  };
  look(true, 0);
  const ChildProcess child([truth] {
    for (int i = 0; i < 20; ++i) {
      const pid_t pid = fork();
      if (pid == 0) {
        Burn(10 * kMs);
        _exit(0);
      }
      waitpid(pid, nullptr, 0);
    }
    getrusage(RUSAGE_CHILDREN, truth);
  });
  look(false, child.pid());
  EXPECT_NEAR(static_cast<double>(charged_us) * 1e3, static_cast<double>(CpuNs(*truth)), 1e6);
  munmap(truth, sizeof(rusage));
}

TEST_F(TaskScannerTest, AgreesWithProcFieldByField) {
  const ChildProcess child([] {
    prctl(PR_SET_NAME, ") x (\n\xff", 0, 0, 0);
    constexpr std::size_t kBytes = 64 << 20;
    auto* memory = static_cast<char*>(malloc(kBytes));
    for (std::size_t i = 0; i < kBytes; i += 4096) {
      memory[i] = 1;
    }
    for (int i = 0; i < 6; ++i) {
      std::thread([] { pause(); }).detach();
    }
    Burn(200 * kMs);
  });
  std::vector<ProcessSample> from_proc;
  ProcTaskScanner proc;
  ASSERT_TRUE(proc.Scan(&from_proc).ok());
  const ProcessSample* expected = Find(from_proc, child.pid());
  ASSERT_NE(expected, nullptr) << proc.last_error();
  const ProcessSample sample = Scan(child.pid());

  EXPECT_EQ(sample.ppid, expected->ppid);
  EXPECT_EQ(sample.start_ns, expected->start_ns);
  EXPECT_EQ(sample.cgroup_id, expected->cgroup_id);
  EXPECT_EQ(sample.exe_inode, expected->exe_inode);
  EXPECT_EQ(sample.exe_device, expected->exe_device);
  EXPECT_EQ(sample.net_ns, expected->net_ns);
  EXPECT_EQ(sample.pid_ns, expected->pid_ns);
  EXPECT_EQ(sample.mnt_ns, expected->mnt_ns);
  EXPECT_EQ(sample.uid, expected->uid);
  EXPECT_EQ(sample.threads, 7u);
  EXPECT_EQ(expected->threads, 7u);
  EXPECT_EQ(sample.name(), expected->name());
  EXPECT_EQ(sample.name(), ") x (\n\xff");
  EXPECT_EQ(sample.minor_faults, expected->minor_faults);
  EXPECT_EQ(sample.major_faults, expected->major_faults);
  EXPECT_EQ(sample.read_bytes, expected->read_bytes);
  EXPECT_EQ(sample.write_bytes, expected->write_bytes);
  EXPECT_NEAR(static_cast<double>(sample.run_delay_ns), static_cast<double>(expected->run_delay_ns), 1e6);
  EXPECT_NEAR(static_cast<double>(sample.user_ns), static_cast<double>(expected->user_ns), 20e6);
  EXPECT_NEAR(static_cast<double>(sample.system_ns), static_cast<double>(expected->system_ns), 20e6);
  // The parts per CPU are missing in ours: at most max(32, 2 * CPUs) pages each, and 64 in Linux 6.1.
  const double tolerance = 4096.0 * 64 * static_cast<double>(sysconf(_SC_NPROCESSORS_CONF) + 1);
  EXPECT_NEAR(static_cast<double>(sample.rss_anon_bytes), static_cast<double>(expected->rss_anon_bytes), tolerance);
  EXPECT_NEAR(static_cast<double>(sample.rss_file_bytes), static_cast<double>(expected->rss_file_bytes), tolerance);
  EXPECT_GE(sample.rss_anon_bytes, 60u << 20);
}

TEST_F(TaskScannerTest, SeesTheNamespacesOfAContainer) {
  const ChildProcess child([] { ASSERT_EQ(unshare(CLONE_NEWNET | CLONE_NEWNS), 0); });
  const ProcessSample self = Scan(getpid());
  const ProcessSample sample = Scan(child.pid());
  EXPECT_NE(sample.net_ns, self.net_ns);
  EXPECT_NE(sample.mnt_ns, self.mnt_ns);
  EXPECT_EQ(sample.pid_ns, self.pid_ns);
}

}  // namespace
}  // namespace ppmm
