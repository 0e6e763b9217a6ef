#include "agent/instance_names.h"

#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "common/log.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr absl::string_view kInstancesFile = "instances";
constexpr std::size_t kMaxText = 4096;
constexpr std::size_t kMaxInstancesBytes = 64ULL << 20U;  // far above what the bounds allow

}  // namespace

InstanceNames::InstanceNames(SpoolDirectory* directory, std::size_t max_entries)
    : directory_(directory), max_entries_(max_entries) {
  const absl::StatusOr<std::string> text = ReadWholeFile(directory_, kInstancesFile, kMaxInstancesBytes);
  if (!text.ok()) {
    if (!absl::IsNotFound(text.status())) {
      LogWarning(kInstancesFile, "names are found anew: ", text.status().message());
    }
    return;
  }
  for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, '\t');
    std::string key;
    std::string name;
    if (parts.size() != 2 || !absl::CUnescape(parts[0], &key) || !absl::CUnescape(parts[1], &name) || name.empty()) {
      ++damaged_lines_;
      continue;
    }
    Insert(std::move(key), std::move(name));
  }
  changed_ = false;
}

std::string InstanceNames::Fix(absl::string_view key, absl::string_view name) {
  const auto found = by_key_.find(key);
  if (found != by_key_.end()) {
    entries_.splice(entries_.end(), entries_, found->second);  // the order alone is not worth a write
    return found->second->name;
  }
  if (key.size() > kMaxText || name.size() > kMaxText || name.empty()) {
    ++forgotten_;
    return std::string(name);
  }
  Insert(std::string(key), std::string(name));
  return std::string(name);
}

void InstanceNames::Insert(std::string key, std::string name) {
  if (by_key_.contains(key)) {
    return;
  }
  if (entries_.size() >= max_entries_) {
    by_key_.erase(entries_.front().key);
    entries_.pop_front();
    ++forgotten_;
  }
  entries_.push_back({key, std::move(name)});
  by_key_.emplace(std::move(key), std::prev(entries_.end()));
  changed_ = true;
}

absl::Status InstanceNames::Save() {
  if (!changed_) {
    return absl::OkStatus();
  }
  std::string text;
  for (const Entry& entry : entries_) {
    absl::StrAppend(&text, absl::CEscape(entry.key), "\t", absl::CEscape(entry.name), "\n");
  }
  RETURN_IF_ERROR(WriteFileAtomically(directory_, kInstancesFile, text));
  changed_ = false;
  return absl::OkStatus();
}

}  // namespace ppmm
