#include "agent/proc_task_scanner.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include "agent/dir_handle.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr std::uint64_t kIdentityScans = 30;
constexpr std::uint64_t kKernelThreadFlag = 0x00200000;  // PF_KTHREAD, include/linux/sched.h
constexpr std::size_t kMaxFileBytes = 64 * 1024;         // status with its longest list of groups is far below

bool IsNumber(const char* name) {
  return *name >= '1' && *name <= '9';
}

// The number after `key` at the beginning of a line, blanks skipped. Shape: `key` with its colon.
absl::StatusOr<std::uint64_t> NumberAfter(absl::string_view text, absl::string_view file, absl::string_view key) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, key)) {
      continue;
    }
    const std::pair<absl::string_view, absl::string_view> words =
        absl::StrSplit(absl::StripLeadingAsciiWhitespace(line), absl::MaxSplits(absl::ByAnyChar(" \t"), 1));
    std::uint64_t number = 0;
    if (!absl::SimpleAtoi(words.first, &number)) {
      return absl::InvalidArgumentError(absl::StrCat(file, ": the value of ", key, " is not a number"));
    }
    return number;
  }
  return absl::NotFoundError(absl::StrCat(file, ": the line ", key, " is missing"));
}

absl::Status MissingIsInvalid(const absl::Status& status) {
  return absl::IsNotFound(status) ? absl::InvalidArgumentError(status.message()) : status;
}

}  // namespace

absl::Status ParseProcessStat(absl::string_view text, ProcessSample* sample) {
  // The name stands in parentheses and is the only field that may hold one, so the last one ends it.
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == absl::string_view::npos || close == absl::string_view::npos || close < open) {
    return absl::InvalidArgumentError("stat: the name in parentheses is missing");
  }
  if (!absl::SimpleAtoi(text.substr(0, open), &sample->pid)) {
    return absl::InvalidArgumentError("stat: field 1 is not a process id");
  }
  sample->set_name(text.substr(open + 1, close - open - 1));

  std::uint64_t numbers[23] = {};
  int field = 3;
  for (absl::string_view word : absl::StrSplit(text.substr(close + 1), ' ', absl::SkipEmpty())) {
    const bool wanted = field == 4 || field == 9 || field == 10 || field == 12 || field == 14 || field == 15 ||
                        field == 16 || field == 17 || field == 20 || field == 22;
    if (wanted && !absl::SimpleAtoi(word, &numbers[field])) {
      return absl::InvalidArgumentError(absl::StrCat("stat: field ", field, " is not a number"));
    }
    if (++field > 22) {
      break;
    }
  }
  if (field <= 22) {
    return absl::InvalidArgumentError(absl::StrCat("stat: field ", field, " is missing"));
  }
  sample->ppid = static_cast<std::int32_t>(numbers[4]);
  sample->kernel_thread = (numbers[9] & kKernelThreadFlag) != 0;
  sample->minor_faults = numbers[10];
  sample->major_faults = numbers[12];
  sample->user_ns = numbers[14] * kTickNs;
  sample->system_ns = numbers[15] * kTickNs;
  sample->children_ns = (numbers[16] + numbers[17]) * kTickNs;
  sample->threads = static_cast<std::uint32_t>(numbers[20]);
  sample->start_ns = static_cast<std::int64_t>(numbers[22] * kTickNs);
  return absl::OkStatus();
}

absl::Status ParseProcessStatus(absl::string_view text, ProcessSample* sample) {
  const absl::StatusOr<std::uint64_t> uid = NumberAfter(text, "status", "Uid:");
  if (!uid.ok()) {
    return MissingIsInvalid(uid.status());
  }
  sample->uid = static_cast<std::uint32_t>(*uid);
  const std::pair<absl::string_view, std::uint64_t*> sizes[] = {{"RssAnon:", &sample->rss_anon_bytes},
                                                                {"RssFile:", &sample->rss_file_bytes},
                                                                {"RssShmem:", &sample->rss_shmem_bytes}};
  for (const auto& [key, target] : sizes) {
    const absl::StatusOr<std::uint64_t> kib = NumberAfter(text, "status", key);
    if (absl::IsInvalidArgument(kib.status())) {
      return kib.status();
    }
    *target = kib.ok() ? *kib * 1024 : 0;
  }
  return absl::OkStatus();
}

absl::Status ParseProcessIo(absl::string_view text, ProcessSample* sample) {
  const absl::StatusOr<std::uint64_t> read = NumberAfter(text, "io", "read_bytes:");
  RETURN_IF_ERROR(MissingIsInvalid(read.status()));
  const absl::StatusOr<std::uint64_t> written = NumberAfter(text, "io", "write_bytes:");
  RETURN_IF_ERROR(MissingIsInvalid(written.status()));
  sample->read_bytes = *read;
  sample->write_bytes = *written;
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> ParseSchedstat(absl::string_view text) {
  const std::vector<absl::string_view> words = absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  std::uint64_t delay = 0;
  if (words.size() < 2 || !absl::SimpleAtoi(words[1], &delay)) {
    return absl::InvalidArgumentError("schedstat: the second word is not a number");
  }
  return delay;
}

absl::StatusOr<absl::string_view> ParseCgroupPath(absl::string_view text) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::ConsumePrefix(&line, "0::")) {
      return line;
    }
  }
  return absl::NotFoundError("cgroup: no line of the v2 hierarchy");
}

absl::StatusOr<std::uint32_t> ParseNamespaceLink(absl::string_view text) {
  const std::size_t open = text.find(":[");
  std::uint32_t number = 0;
  if (open == absl::string_view::npos || !absl::ConsumeSuffix(&text, "]") ||
      !absl::SimpleAtoi(text.substr(open + 2), &number)) {
    return absl::InvalidArgumentError("namespace link without a number in brackets");
  }
  return number;
}

ProcTaskScanner::ProcTaskScanner(absl::string_view root) : root_(absl::StripSuffix(root, "/")) {
  // Hybrid hosts have the v2 hierarchy in a folder of its own.
  cgroup_root_ = absl::StrCat(root_, "/sys/fs/cgroup");
  const std::string hybrid = absl::StrCat(cgroup_root_, "/unified");
  if (access(hybrid.c_str(), F_OK) == 0) {
    cgroup_root_ = hybrid;
  }
}

absl::Status ProcTaskScanner::ReadFile(absl::string_view pid, absl::string_view file) {
  path_.clear();
  absl::StrAppend(&path_, root_, "/proc/", pid, "/", file);
  // Below a root of somebody's making it may be a pipe: reading one without a writer ends at once.
  const int fd = open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) {
    return ErrnoStatus(errno, file);
  }
  text_.resize(4096);
  std::size_t filled = 0;
  absl::Status status;
  while (true) {
    const ssize_t got = read(fd, &text_[filled], text_.size() - filled);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      status = ErrnoStatus(errno, file);  // ESRCH: it ended between open and read
      break;
    }
    filled += static_cast<std::size_t>(got);
    if (got == 0) {
      break;
    }
    if (filled == text_.size()) {
      if (filled >= kMaxFileBytes) {
        status = absl::InvalidArgumentError(absl::StrCat(file, ": longer than ", kMaxFileBytes, " bytes"));
        break;
      }
      text_.resize(filled * 2);
    }
  }
  close(fd);
  text_.resize(filled);
  return status;
}

absl::Status ProcTaskScanner::ReadRunDelay(absl::string_view pid, ProcessSample* sample) {
  // /proc/PID/schedstat is that of the first thread alone.
  sample->run_delay_ns = 0;
  path_.clear();
  absl::StrAppend(&path_, root_, "/proc/", pid, "/task");
  const Dir threads(sample->threads > 1 ? opendir(path_.c_str()) : nullptr);
  if (threads == nullptr) {
    RETURN_IF_ERROR(ReadFile(pid, "schedstat"));
    ASSIGN_OR_RETURN(sample->run_delay_ns, ParseSchedstat(text_));
    return absl::OkStatus();
  }
  while (const dirent* entry = readdir(threads.get())) {
    if (!IsNumber(entry->d_name)) {
      continue;
    }
    const absl::Status read = ReadFile(pid, absl::StrCat("task/", entry->d_name, "/schedstat"));
    if (absl::IsNotFound(read)) {
      continue;  // the thread has ended
    }
    RETURN_IF_ERROR(read);
    ASSIGN_OR_RETURN(const std::uint64_t delay, ParseSchedstat(text_));
    sample->run_delay_ns += delay;
  }
  return absl::OkStatus();
}

void ProcTaskScanner::ReadIdentity(absl::string_view pid, const ProcessSample& sample, Identity* identity) {
  *identity = Identity{};
  identity->start_ns = sample.start_ns;
  identity->comm = sample.comm;
  identity->read_at_scan = scan_;
  // Whatever cannot be read stays 0: unknown. Links of other users' processes need CAP_SYS_PTRACE.
  if (ReadFile(pid, "cgroup").ok()) {
    const absl::StatusOr<absl::string_view> group = ParseCgroupPath(text_);
    struct stat info {};
    if (group.ok() && stat(absl::StrCat(cgroup_root_, *group).c_str(), &info) == 0) {
      identity->cgroup_id = info.st_ino;
    }
  }
  const std::string folder = absl::StrCat(root_, "/proc/", pid);
  struct stat info {};
  if (!sample.kernel_thread && stat(absl::StrCat(folder, "/exe").c_str(), &info) == 0) {
    identity->exe_inode = info.st_ino;
    identity->exe_device = info.st_dev;
  }
  const std::pair<absl::string_view, std::uint32_t*> links[] = {
      {"/ns/net", &identity->net_ns}, {"/ns/pid", &identity->pid_ns}, {"/ns/mnt", &identity->mnt_ns}};
  for (const auto& [name, target] : links) {
    char text[64];
    const ssize_t length = readlink(absl::StrCat(folder, name).c_str(), text, sizeof(text));
    if (length > 0) {
      *target = ParseNamespaceLink(absl::string_view(text, static_cast<std::size_t>(length))).value_or(0);
    }
  }
}

absl::Status ProcTaskScanner::ScanProcess(absl::string_view pid, ProcessSample* sample) {
  RETURN_IF_ERROR(ReadFile(pid, "stat"));
  RETURN_IF_ERROR(ParseProcessStat(text_, sample));
  RETURN_IF_ERROR(ReadFile(pid, "status"));
  RETURN_IF_ERROR(ParseProcessStatus(text_, sample));
  // Absent without CONFIG_TASK_IO_ACCOUNTING, closed for other users' processes: unknown either way.
  sample->has_io = ReadFile(pid, "io").ok();
  if (sample->has_io) {
    RETURN_IF_ERROR(ParseProcessIo(text_, sample));
  }
  const absl::Status delay = ReadRunDelay(pid, sample);
  // A kernel without CONFIG_SCHED_INFO has no such file: unknown.
  if (!delay.ok() && !absl::IsNotFound(delay)) {
    return delay;
  }

  Identity& identity = identities_[sample->pid];
  if (identity.start_ns != sample->start_ns || identity.comm != sample->comm || identity.read_at_scan == 0 ||
      scan_ - identity.read_at_scan >= kIdentityScans) {
    ReadIdentity(pid, *sample, &identity);
  }
  identity.seen_at_scan = scan_;
  sample->cgroup_id = identity.cgroup_id;
  sample->exe_inode = identity.exe_inode;
  sample->exe_device = identity.exe_device;
  sample->net_ns = identity.net_ns;
  sample->pid_ns = identity.pid_ns;
  sample->mnt_ns = identity.mnt_ns;
  return absl::OkStatus();
}

absl::Status ProcTaskScanner::Scan(std::vector<ProcessSample>* out) {
  out->clear();
  const std::string folder = absl::StrCat(root_, "/proc");
  const Dir processes(opendir(folder.c_str()));
  if (processes == nullptr) {
    return ErrnoStatus(errno, folder);
  }
  ++scan_;
  while (const dirent* entry = readdir(processes.get())) {
    if (!IsNumber(entry->d_name)) {
      continue;
    }
    ProcessSample sample;
    const absl::Status status = ScanProcess(entry->d_name, &sample);
    if (status.ok()) {
      out->push_back(sample);
    } else if (!absl::IsNotFound(status)) {
      ++malformed_;
      last_error_ = Annotate(status, absl::StrCat("process ", entry->d_name));
    }
  }
  absl::erase_if(identities_, [this](const auto& item) { return item.second.seen_at_scan != scan_; });
  return absl::OkStatus();
}

}  // namespace ppmm
