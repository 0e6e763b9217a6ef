#include "agent/resident_pages.h"

#include <malloc.h>
#include <sys/mman.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

#include "agent/procfs.h"

namespace ppmm {
namespace {

struct Mapping {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  bool droppable = false;
};

// "55d0-55e0 r-xp 00001000 fe:01 123 /path": private file mappings that cannot be written.
bool ParseHeader(absl::string_view line, Mapping* mapping) {
  const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ', absl::SkipEmpty());
  const std::vector<absl::string_view> range = absl::StrSplit(fields.empty() ? absl::string_view() : fields[0], '-');
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  if (fields.size() < 5 || range.size() != 2 || !absl::SimpleHexAtoi(range[0], &begin) ||
      !absl::SimpleHexAtoi(range[1], &end)) {
    return false;
  }
  mapping->begin = begin;
  mapping->end = end;
  mapping->droppable = (fields[1] == "r-xp" || fields[1] == "r--p") && fields.size() >= 6 && fields[5][0] == '/';
  return true;
}

}  // namespace

std::size_t DropProgramPages() {
  malloc_trim(0);
  const absl::StatusOr<std::string> text = ReadFile("/proc/self/smaps");
  if (!text.ok()) {
    return 0;
  }
  std::vector<Mapping> mappings;
  absl::string_view rest = *text;
  absl::string_view line;
  while (NextLine(&rest, &line)) {
    Mapping mapping;
    if (ParseHeader(line, &mapping)) {
      mappings.push_back(mapping);
    } else if (!mappings.empty() && absl::StartsWith(line, "Anonymous:") && !absl::StrContains(line, " 0 kB")) {
      mappings.back().droppable = false;  // relocated
    }
  }
  std::size_t dropped = 0;
  for (const Mapping& mapping : mappings) {
    if (mapping.droppable &&
        madvise(reinterpret_cast<void*>(mapping.begin), mapping.end - mapping.begin, MADV_DONTNEED) == 0) {
      dropped += mapping.end - mapping.begin;
    }
  }
  return dropped;
}

}  // namespace ppmm
