#include "collector/http/port_owner.h"

#include <unistd.h>

#include <array>
#include <climits>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace ppmm::http {
namespace {

namespace fs = std::filesystem;
constexpr absl::string_view kListening = "0A";  // TCP_LISTEN

// The inode of the listening socket of that port, as text; empty when there is none.
std::string ListenerInode(const fs::path& table, std::uint16_t port) {
  const std::string suffix = absl::StrCat(":", absl::Hex(port, absl::kZeroPad4));
  std::ifstream file(table);
  std::string line;
  while (std::getline(file, line)) {
    // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ...
    const std::vector<std::string> fields = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (fields.size() > 9 && fields[3] == kListening && fields[1].size() > 5 &&
        absl::EqualsIgnoreCase(absl::string_view(fields[1]).substr(fields[1].size() - 5), suffix)) {
      return fields[9];
    }
  }
  return "";
}

bool HoldsSocket(const fs::path& process, absl::string_view link) {
  std::error_code error;
  for (fs::directory_iterator fd(process / "fd", error), end; !error && fd != end; fd.increment(error)) {
    std::array<char, 64> target;
    const ssize_t size = readlink(fd->path().c_str(), target.data(), target.size());
    if (size > 0 && absl::string_view(target.data(), static_cast<size_t>(size)) == link) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::optional<PortOwner> FindPortOwner(std::uint16_t port, absl::string_view proc_root) {
  const fs::path root{std::string(proc_root)};
  std::string inode = ListenerInode(root / "net/tcp", port);
  if (inode.empty()) {
    inode = ListenerInode(root / "net/tcp6", port);
  }
  if (inode.empty()) {
    return std::nullopt;
  }
  const std::string link = absl::StrCat("socket:[", inode, "]");
  std::error_code error;
  for (fs::directory_iterator process(root, error), end; !error && process != end; process.increment(error)) {
    PortOwner owner;
    if (absl::SimpleAtoi(process->path().filename().string(), &owner.pid) && HoldsSocket(process->path(), link)) {
      std::ifstream comm(process->path() / "comm");
      std::getline(comm, owner.program);
      return owner;
    }
  }
  return std::nullopt;
}

}  // namespace ppmm::http
