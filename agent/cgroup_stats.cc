#include "agent/cgroup_stats.h"

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include "agent/procfs.h"

namespace ppmm {
namespace {

constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 62;

std::optional<std::uint64_t> ReadNumber(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  std::uint64_t value = 0;
  if (!text.ok() || !ParseUint(absl::StripSuffix(*text, "\n"), &value) || value >= kNoLimit) {
    return std::nullopt;
  }
  return value;
}

// The value of "name value" in a flat keyed file.
std::optional<std::uint64_t> ValueOf(absl::string_view text, absl::string_view name) {
  absl::string_view line;
  while (NextLine(&text, &line)) {
    absl::string_view key;
    std::uint64_t value = 0;
    if (NextField(&line, &key) && key == name && NextUint(&line, &value)) {
      return value;
    }
  }
  return std::nullopt;
}

void ReadV2(const std::string& folder, CgroupStats* stats) {
  if (const absl::StatusOr<std::string> text = ReadFile(folder + "/cpu.stat"); text.ok()) {
    stats->throttled_periods = ValueOf(*text, "nr_throttled");
    stats->throttled_us = ValueOf(*text, "throttled_usec");
  }
  stats->memory_bytes = ReadNumber(folder + "/memory.current");
  stats->memory_limit_bytes = ReadNumber(folder + "/memory.max");
}

void ReadV1Cpu(const std::string& folder, CgroupStats* stats) {
  if (const absl::StatusOr<std::string> text = ReadFile(folder + "/cpu.stat"); text.ok()) {
    stats->throttled_periods = ValueOf(*text, "nr_throttled");
    if (const std::optional<std::uint64_t> nanoseconds = ValueOf(*text, "throttled_time")) {
      stats->throttled_us = *nanoseconds / 1000;
    }
  }
}

}  // namespace

CgroupStats ReadCgroupStats(absl::string_view root, absl::string_view cgroup_text) {
  CgroupStats stats;
  std::vector<std::pair<absl::string_view, absl::string_view>> v1;  // controllers, path
  absl::string_view line;
  while (NextLine(&cgroup_text, &line)) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3 || absl::StrContains(fields[2], "..")) {
      continue;
    }
    if (!fields[1].empty()) {
      v1.emplace_back(fields[1], fields[2]);
      continue;
    }
    // Hybrid machines mount v2 beside the v1 controllers.
    ReadV2(absl::StrCat(root, "/sys/fs/cgroup", fields[2]), &stats);
    if (!stats.memory_bytes.has_value() && !stats.throttled_us.has_value()) {
      ReadV2(absl::StrCat(root, "/sys/fs/cgroup/unified", fields[2]), &stats);
    }
  }
  for (const auto& [controllers, path] : v1) {
    for (const absl::string_view controller : absl::StrSplit(controllers, ',')) {
      if (controller == "cpu") {
        ReadV1Cpu(absl::StrCat(root, "/sys/fs/cgroup/", controllers, path), &stats);
      } else if (controller == "memory") {
        const std::string folder = absl::StrCat(root, "/sys/fs/cgroup/memory", path);
        stats.memory_bytes = ReadNumber(folder + "/memory.usage_in_bytes");
        stats.memory_limit_bytes = ReadNumber(folder + "/memory.limit_in_bytes");
      }
    }
  }
  return stats;
}

}  // namespace ppmm
