#include "agent/bpf_support.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <malloc.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "common/log.h"
#include "common/status.h"

namespace ppmm {
namespace {

// The kernel hands out an iterator's output in pieces of eight pages; more buffer would stay empty.
constexpr std::size_t kIteratorBytes = 32 * 1024;

constexpr int kNotSupportedByKernel = 524;  // ENOTSUPP, not in <cerrno>

__attribute__((format(printf, 2, 0))) int LogLibbpf(enum libbpf_print_level, const char* format, va_list arguments) {
  char line[512];
  const int length = vsnprintf(line, sizeof(line), format, arguments);
  LogDebug("bpf", absl::StripTrailingAsciiWhitespace(line));
  return length;
}

// Closes a descriptor when it goes out of scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

}  // namespace

absl::Status PrepareForBpf() {
  libbpf_set_print(LogLibbpf);
  if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) {
    return absl::FailedPreconditionError(
        "BPF: the kernel gives no type information (/sys/kernel/btf/vmlinux): use a kernel with "
        "CONFIG_DEBUG_INFO_BTF=y "
        "and mount sysfs where the agent runs");
  }
  return absl::OkStatus();
}

absl::Status BpfStatus(int error, absl::string_view what) {
  switch (error) {
    case EPERM:
    case EACCES:
      return absl::PermissionDeniedError(absl::StrCat(
          what, ": ", std::strerror(error),
          ": the agent needs CAP_BPF and CAP_PERFMON (systemd: AmbientCapabilities=, container: --cap-add, or root)"));
    case EINVAL:
    case ENOENT:
    case ESRCH:
    case EOPNOTSUPP:
    case kNotSupportedByKernel:
      return absl::FailedPreconditionError(
          absl::StrCat(what, ": this kernel does not accept the program (error ", error,
                       "): Linux 6.1 or later with CONFIG_BPF_SYSCALL and BTF is needed; log level debug shows why"));
    default:
      return ErrnoStatus(error, what);
  }
}

void ReleaseLoaderMemory() {
  malloc_trim(0);
}

absl::Status RunIterator(const bpf_link* link, std::size_t record_size, std::vector<char>* buffer,
                         absl::FunctionRef<void(const char* record)> handle) {
  const Descriptor iterator(bpf_iter_create(bpf_link__fd(link)));
  if (iterator.get() < 0) {
    return BpfStatus(errno, "BPF iterator: create");
  }
  buffer->resize(kIteratorBytes);
  std::size_t filled = 0;
  while (true) {
    const ssize_t got = read(iterator.get(), buffer->data() + filled, buffer->size() - filled);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {  // EAGAIN: a million objects without output, more to come
      continue;
    }
    if (got < 0) {
      return BpfStatus(errno, "BPF iterator: read");
    }
    if (got == 0) {
      break;
    }
    filled += static_cast<std::size_t>(got);
    std::size_t used = 0;
    for (; used + record_size <= filled; used += record_size) {
      handle(buffer->data() + used);
    }
    filled -= used;
    std::memmove(buffer->data(), buffer->data() + used, filled);
  }
  if (filled != 0) {
    return absl::DataLossError(absl::StrCat("BPF iterator: ", filled, " bytes left over at the end of the output"));
  }
  return absl::OkStatus();
}

}  // namespace ppmm
