#include "agent/task_scanner.h"

#include <bpf/libbpf.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/bpf/tasks.h"
#include "agent/bpf_support.h"
#include "common/status.h"
#include "tasks.skel.h"

namespace ppmm {
namespace {

// Splits the exact run time in the proportion of the sampled ticks, as the kernel does for /proc/PID/stat
// (cputime_adjust in kernel/sched/cputime.c).
void SplitCpuTime(const ppmm_task_record& record, ProcessSample* sample) {
  const double ticks = static_cast<double>(record.user_tick_ns) + static_cast<double>(record.system_tick_ns);
  const double system_share = ticks > 0 ? static_cast<double>(record.system_tick_ns) / ticks : 0;
  sample->system_ns = std::min<std::uint64_t>(
      record.runtime_ns, static_cast<std::uint64_t>(static_cast<double>(record.runtime_ns) * system_share));
  sample->user_ns = record.runtime_ns - sample->system_ns;
}

// The kernel's approximate counters may be below zero for a moment.
std::uint64_t PagesToBytes(std::int64_t pages, std::uint64_t page_bytes) {
  return pages > 0 ? static_cast<std::uint64_t>(pages) * page_bytes : 0;
}

ProcessSample ToSample(const ppmm_task_record& record, std::uint64_t page_bytes) {
  ProcessSample sample;
  sample.pid = static_cast<std::int32_t>(record.pid);
  sample.ppid = static_cast<std::int32_t>(record.ppid);
  sample.start_ns = static_cast<std::int64_t>(record.start_boottime_ns / kTickNs * kTickNs);
  SplitCpuTime(record, &sample);
  sample.children_ns = record.children_ns;
  sample.run_delay_ns = record.run_delay_ns;
  sample.minor_faults = record.minor_faults;
  sample.major_faults = record.major_faults;
  sample.read_bytes = record.read_bytes;
  sample.write_bytes = record.write_bytes;
  sample.rss_anon_bytes = PagesToBytes(record.rss_anon_pages, page_bytes);
  sample.rss_file_bytes = PagesToBytes(record.rss_file_pages, page_bytes);
  sample.rss_shmem_bytes = PagesToBytes(record.rss_shmem_pages, page_bytes);
  sample.cgroup_id = record.cgroup_id;
  sample.exe_inode = record.exe_inode;
  sample.exe_device = makedev(record.exe_device >> 20, record.exe_device & 0xfffff);
  sample.net_ns = record.net_ns;
  sample.pid_ns = record.pid_ns;
  sample.mnt_ns = record.mnt_ns;
  sample.uid = record.uid;
  sample.threads = record.threads;
  sample.kernel_thread = (record.flags & PPMM_TASK_KERNEL_THREAD) != 0;
  std::memcpy(sample.comm.data(), record.comm, sample.comm.size());
  return sample;
}

}  // namespace

struct TaskScanner::Impl {
  ~Impl() { tasks_bpf::destroy(skeleton); }

  tasks_bpf* skeleton = nullptr;
  std::vector<char> buffer;
  std::uint64_t cut_samples = 0;
  std::uint64_t page_bytes = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
};

TaskScanner::TaskScanner(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TaskScanner::~TaskScanner() = default;

absl::StatusOr<std::unique_ptr<TaskScanner>> TaskScanner::Create() {
  RETURN_IF_ERROR(PrepareForBpf());
  auto impl = std::make_unique<Impl>();
  impl->skeleton = tasks_bpf::open();
  if (impl->skeleton == nullptr) {
    return BpfStatus(errno, "BPF tasks: open");
  }
  if (const int error = tasks_bpf::load(impl->skeleton); error != 0) {
    return BpfStatus(-error, "BPF tasks: load");
  }
  ReleaseLoaderMemory();
  if (const int error = tasks_bpf::attach(impl->skeleton); error != 0) {
    return BpfStatus(-error, "BPF tasks: attach");
  }
  return std::unique_ptr<TaskScanner>(new TaskScanner(std::move(impl)));
}

absl::Status TaskScanner::Scan(std::vector<ProcessSample>* out) {
  out->clear();
  return RunIterator(impl_->skeleton->links.dump_tasks, sizeof(ppmm_task_record), &impl_->buffer,
                     [this, out](const char* bytes) {
                       ppmm_task_record record;
                       std::memcpy(&record, bytes, sizeof(record));
                       out->push_back(ToSample(record, impl_->page_bytes));
                       impl_->cut_samples += (record.flags & PPMM_TASK_THREADS_CUT) != 0 ? 1 : 0;
                     });
}

std::uint64_t TaskScanner::cut_samples() const {
  return impl_->cut_samples;
}

}  // namespace ppmm
