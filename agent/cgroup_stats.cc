#include "agent/cgroup_stats.h"

#include <algorithm>
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

constexpr int kLookAgain = 30;  // readings

std::optional<std::uint64_t> NumberIn(absl::string_view text) {
  std::uint64_t value = 0;
  if (!ParseUint(absl::StripSuffix(text, "\n"), &value) || value >= kNoLimit) {
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

void Add(std::uint64_t by, std::optional<std::uint64_t>* sum) {
  *sum = sum->value_or(0) + by;
}

// Lines "MAJ:MIN rbytes=N wbytes=N rios=N wios=N dbytes=N dios=N". Some kernels name devices without values on the line
// of the next, so fields are told by their names alone.
void SumIoV2(absl::string_view text, CgroupStats* stats) {
  absl::string_view line;
  while (NextLine(&text, &line)) {
    absl::string_view field;
    while (NextField(&line, &field)) {
      const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(field, absl::MaxSplits('=', 1));
      std::uint64_t value = 0;
      if (!ParseUint(parts.second, &value)) {
        continue;
      }
      if (parts.first == "rbytes") {
        Add(value, &stats->io_read_bytes);
      } else if (parts.first == "wbytes") {
        Add(value, &stats->io_written_bytes);
      } else if (parts.first == "rios") {
        Add(value, &stats->io_reads);
      } else if (parts.first == "wios") {
        Add(value, &stats->io_writes);
      }
    }
  }
}

// Lines "MAJ:MIN Read N", "MAJ:MIN Write N"; the others (Sync, Async, Total) count the same once more.
void SumIoV1(absl::string_view text, std::optional<std::uint64_t>* read, std::optional<std::uint64_t>* written) {
  read->reset();
  written->reset();
  absl::string_view line;
  while (NextLine(&text, &line)) {
    absl::string_view device;
    absl::string_view operation;
    std::uint64_t value = 0;
    if (!NextField(&line, &device) || !absl::StrContains(device, ':') || !NextField(&line, &operation) ||
        !NextUint(&line, &value)) {
      continue;
    }
    if (operation == "Read") {
      Add(value, read);
    } else if (operation == "Write") {
      Add(value, written);
    }
  }
}

struct Line {
  absl::string_view controllers;  // empty: v2
  absl::string_view path;
};

std::vector<Line> ParseLines(absl::string_view text) {
  std::vector<Line> lines;
  absl::string_view line;
  while (NextLine(&text, &line)) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() == 3 && !absl::StrContains(fields[2], "..")) {
      lines.push_back({fields[1], fields[2]});
    }
  }
  return lines;
}

}  // namespace

CgroupReader::CgroupReader(absl::string_view root, absl::string_view cgroup_text) {
  const std::vector<Line> lines = ParseLines(cgroup_text);
  std::vector<absl::string_view> own;  // paths of the process's own group
  for (const Line& line : lines) {
    if ((line.controllers.empty() || line.controllers == "name=systemd") && line.path != "/") {
      own.push_back(line.path);
    }
    if (line.controllers.empty()) {
      // The latter on hybrid machines.
      for (const absl::string_view mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
        const std::string folder = absl::StrCat(root, mount, line.path);
        AddV2(folder);
        if (line.path != "/") {  // the I/O of the root is that of the whole host
          files_.push_back({folder + "/io.stat", What::kIoV2});
        }
      }
    }
  }
  for (const Line& line : lines) {
    const bool is_own = own.empty() ? line.path != "/" : std::find(own.begin(), own.end(), line.path) != own.end();
    if (!is_own) {
      continue;
    }
    for (const absl::string_view controller : absl::StrSplit(line.controllers, ',')) {
      if (controller == "cpu") {
        files_.push_back(
            {absl::StrCat(root, "/sys/fs/cgroup/", line.controllers, line.path, "/cpu.stat"), What::kCpuV1});
      } else if (controller == "memory") {
        const std::string folder = absl::StrCat(root, "/sys/fs/cgroup/memory", line.path);
        files_.push_back({folder + "/memory.usage_in_bytes", What::kMemory});
        files_.push_back({folder + "/memory.limit_in_bytes", What::kMemoryLimit});
      } else if (controller == "blkio") {
        const std::string prefix =
            absl::StrCat(root, "/sys/fs/cgroup/", line.controllers, line.path, "/blkio.throttle.io_");
        files_.push_back({prefix + "service_bytes", What::kIoBytesV1});
        files_.push_back({prefix + "service_bytes_recursive", What::kIoBytesV1, /*is_substitute=*/true});
        files_.push_back({prefix + "serviced", What::kIoOperationsV1});
        files_.push_back({prefix + "serviced_recursive", What::kIoOperationsV1, /*is_substitute=*/true});
      }
    }
  }
}

void CgroupReader::AddV2(absl::string_view folder) {
  files_.push_back({absl::StrCat(folder, "/cpu.stat"), What::kCpuV2});
  files_.push_back({absl::StrCat(folder, "/memory.current"), What::kMemory});
  files_.push_back({absl::StrCat(folder, "/memory.max"), What::kMemoryLimit});
}

CgroupStats CgroupReader::Read() {
  CgroupStats stats;
  bool has_one_before = false;
  for (File& file : files_) {
    if (file.is_substitute && has_one_before) {
      continue;
    }
    has_one_before = false;
    if (file.readings_without > 0 && file.readings_without < kLookAgain) {
      ++file.readings_without;
      continue;
    }
    const absl::StatusOr<std::string> text = ReadFile(file.path);
    file.readings_without = text.ok() ? 0 : 1;
    if (!text.ok()) {
      continue;
    }
    has_one_before = true;
    switch (file.what) {
      case What::kCpuV1:
      case What::kCpuV2: {
        const bool v1 = file.what == What::kCpuV1;
        stats.throttled_periods = ValueOf(*text, "nr_throttled");
        stats.throttled_us = ValueOf(*text, v1 ? "throttled_time" : "throttled_usec");
        if (v1 && stats.throttled_us.has_value()) {
          *stats.throttled_us /= 1000;
        }
        break;
      }
      case What::kMemory:
        stats.memory_bytes = NumberIn(*text);
        break;
      case What::kMemoryLimit:
        stats.memory_limit_bytes = NumberIn(*text);
        break;
      case What::kIoV2:
        SumIoV2(*text, &stats);
        break;
      case What::kIoBytesV1:
        SumIoV1(*text, &stats.io_read_bytes, &stats.io_written_bytes);
        break;
      case What::kIoOperationsV1:
        SumIoV1(*text, &stats.io_reads, &stats.io_writes);
        break;
    }
  }
  return stats;
}

}  // namespace ppmm
