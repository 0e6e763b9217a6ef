#include "agent/identify/process_facts.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "agent/identify/host_root.h"
#include "agent/identify/unit.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr size_t kMaxCommandLine = size_t{32} * 1024;
constexpr size_t kMaxSmall = size_t{16} * 1024;

std::string ReadLink(const std::string& path) {
  std::array<char, 4096> target;
  const ssize_t size = readlink(path.c_str(), target.data(), target.size());
  return size < 0 ? "" : std::string(target.data(), static_cast<size_t>(size));
}

bool SameDirectory(const std::string& a, const std::string& b) {
  struct stat left, right;
  return stat(a.c_str(), &left) == 0 && stat(b.c_str(), &right) == 0 && left.st_dev == right.st_dev &&
         left.st_ino == right.st_ino;
}

}  // namespace

absl::StatusOr<ProcessFacts> ReadProcessFacts(absl::string_view proc, int pid) {
  const std::string directory = absl::StrCat(proc, "/", pid);
  ASSIGN_OR_RETURN(const HostRoot process, HostRoot::Open(directory));
  ProcessFacts facts;
  facts.pid = pid;
  struct stat st;
  if (stat(directory.c_str(), &st) != 0) {
    return ErrnoStatus(errno, directory);
  }
  facts.uid = st.st_uid;
  ASSIGN_OR_RETURN(std::string command, process.Read("/cmdline", kMaxCommandLine));
  while (!command.empty() && command.back() == '\0') {
    command.pop_back();
  }
  if (!command.empty()) {
    facts.argv = absl::StrSplit(command, '\0');
  }
  ASSIGN_OR_RETURN(facts.comm, process.Read("/comm", kMaxSmall));
  if (absl::EndsWith(facts.comm, "\n")) {
    facts.comm.pop_back();
  }
  facts.cgroup = ChooseCgroupPath(process.Read("/cgroup", kMaxSmall).value_or(""));
  facts.exe = ReadLink(absl::StrCat(directory, "/exe"));
  facts.cwd = ReadLink(absl::StrCat(directory, "/cwd"));
  facts.standard_input = ReadLink(absl::StrCat(directory, "/fd/0"));
  if (!facts.exe.empty()) {
    facts.exe_file = absl::StrCat(directory, "/exe");
  }
  const std::string root = absl::StrCat(directory, "/root");
  if (access(root.c_str(), F_OK) == 0 && !SameDirectory(absl::StrCat(root, "/."), absl::StrCat(proc, "/1/root/.")) &&
      !SameDirectory(absl::StrCat(root, "/."), "/")) {
    facts.root = root;
    // A process in a plain chroot has links that show the whole way to its root; they are given below it here.
    const std::string prefix = ReadLink(root);
    for (std::string* path : {&facts.exe, &facts.cwd}) {
      if (prefix.size() > 1 && absl::StartsWith(*path, absl::StrCat(prefix, "/"))) {
        path->erase(0, prefix.size());
      } else if (*path == prefix) {
        path->assign(1, '/');
      }
    }
  }
  return facts;
}

}  // namespace ppmm
