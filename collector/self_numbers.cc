#include "collector/self_numbers.h"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace ppmm {
namespace {

std::string ReadAll(const char* path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::uint64_t NumberAt(const std::vector<absl::string_view>& fields, std::size_t index) {
  std::uint64_t number = 0;
  return index < fields.size() && absl::SimpleAtoi(fields[index], &number) ? number : 0;
}

absl::Time BootTime() {
  const std::string stat = ReadAll("/proc/stat");
  for (const absl::string_view line : absl::StrSplit(stat, '\n')) {
    std::int64_t seconds = 0;
    if (absl::StartsWith(line, "btime ") && absl::SimpleAtoi(line.substr(6), &seconds)) {
      return absl::FromUnixSeconds(seconds);
    }
  }
  return absl::InfinitePast();
}

}  // namespace

SelfNumbers::Process ReadProcessNumbers() {
  SelfNumbers::Process process;
  const std::string stat = ReadAll("/proc/self/stat");
  // The name of the program, in parentheses, may hold anything.
  const std::size_t end = stat.rfind(')');
  if (end != std::string::npos && end + 2 < stat.size()) {
    // From the third field on.
    const std::vector<absl::string_view> fields = absl::StrSplit(absl::string_view(stat).substr(end + 2), ' ');
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    process.cpu_seconds = static_cast<double>(NumberAt(fields, 11) + NumberAt(fields, 12)) / ticks;
    process.started = BootTime() + absl::Seconds(static_cast<double>(NumberAt(fields, 19)) / ticks);
    process.resident_memory_bytes = NumberAt(fields, 21) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }
  std::error_code error;
  for (auto fd = std::filesystem::directory_iterator("/proc/self/fd", error);
       !error && fd != std::filesystem::directory_iterator(); fd.increment(error)) {
    ++process.open_fds;
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    process.max_fds = limit.rlim_cur;
  }
  return process;
}

std::optional<std::uint64_t> ReadFileSizes(const std::string& prefix) {
  std::optional<std::uint64_t> sum;
  for (const char* const suffix : {"", "-wal"}) {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(prefix + suffix, error);
    if (!error) {
      sum = sum.value_or(0) + size;
    }
  }
  return sum;
}

std::optional<std::uint64_t> ReadDiskFree(const std::string& directory) {
  struct statvfs space {};
  if (statvfs(directory.c_str(), &space) != 0) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
}

}  // namespace ppmm
