#include "agent/package_log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace ppmm {
namespace {

constexpr absl::string_view kLog = "/var/log/dpkg.log";
constexpr absl::string_view kRotated = "/var/log/dpkg.log.1";
constexpr absl::string_view kPlaceFile = "package_log";
constexpr std::size_t kMaxWord = 128;
constexpr std::size_t kMaxPassed = 64;
constexpr absl::Duration kMaxAhead = absl::Minutes(5);

bool IsPackageName(absl::string_view name) {
  return name.size() >= 2 && name.size() <= kMaxWord && absl::ascii_isalnum(static_cast<unsigned char>(name[0])) &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_islower(static_cast<unsigned char>(c)) ||
                  absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '+' || c == '-' || c == '.';
         });
}

bool IsVersion(absl::string_view version) {
  return !version.empty() && version.size() <= kMaxWord && std::all_of(version.begin(), version.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains(".+-:~", c);
  });
}

absl::Time TimeOf(absl::CivilSecond civil, absl::TimeZone zone, absl::Time now) {
  const absl::TimeZone::TimeInfo info = zone.At(civil);
  // Where clocks were set back, `post` is the second pass of that hour.
  return info.kind == absl::TimeZone::TimeInfo::REPEATED && info.post <= now + kMaxAhead ? info.post : info.pre;
}

}  // namespace

bool ParseDpkgLogLine(absl::string_view line, absl::TimeZone zone, absl::Time now, PackageEvent* event) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() != 6 || (words[2] != "install" && words[2] != "upgrade")) {
    return false;
  }
  absl::CivilSecond civil;
  if (!absl::ParseCivilTime(absl::StrCat(words[0], "T", words[1]), &civil)) {
    return false;
  }
  const absl::string_view name = words[3].substr(0, words[3].find(':'));
  const absl::string_view previous = words[4] == "<none>" ? absl::string_view() : words[4];
  if (!IsPackageName(name) || !IsVersion(words[5]) || (!previous.empty() && !IsVersion(previous))) {
    return false;
  }
  *event = {std::string(name), std::string(words[5]), std::string(previous), TimeOf(civil, zone, now)};
  return true;
}

PackageLog::PackageLog(std::string root, SpoolDirectory* directory)
    : root_(root.empty() ? "/" : std::move(root)), directory_(directory) {
  MutexLock lock(&mutex_);
  if (Load()) {
    return;
  }
  if (const absl::StatusOr<HostRoot> host = HostRoot::Open(root_); host.ok()) {
    const absl::StatusOr<FileStat> stat = host->Stat(kLog);
    if (stat.ok() && stat->type == FileType::kRegular) {
      place_ = {stat->key.device, stat->key.inode, static_cast<std::uint64_t>(stat->key.size)};
    }  // else all of a log that comes later is new
  }
  passed_.push_back({place_, absl::InfinitePast()});
}

bool PackageLog::Load() {
  if (directory_ == nullptr) {
    return false;
  }
  const absl::StatusOr<std::string> text = ReadWholeFile(directory_, kPlaceFile, kMaxLine);
  if (!text.ok()) {
    return false;  // the first start; where it cannot be read, the log is followed from its end again
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(absl::StripAsciiWhitespace(*text), ' ');
  Place place;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &place.device) || !absl::SimpleAtoi(parts[1], &place.inode) ||
      !absl::SimpleAtoi(parts[2], &place.offset)) {
    return false;
  }
  place_ = kept_ = place;
  return true;
}

absl::TimeZone PackageLog::Zone(const HostRoot& root) const {
  absl::TimeZone zone;
  const absl::StatusOr<std::string> file = root.Resolve("/etc/localtime");
  // A path that begins with a slash is read as it is; without the file, or with another one, it is UTC, as for dpkg.
  if (file.ok() && absl::LoadTimeZone(root_ == "/" ? *file : absl::StrCat(root_, *file), &zone)) {
    return zone;
  }
  return absl::UTCTimeZone();
}

bool PackageLog::ReadFrom(const HostRoot& root, absl::string_view path, absl::Time now,
                          std::vector<PackageEvent>* events) {
  const absl::StatusOr<OpenFile> file = root.OpenRegular(path);
  if (!file.ok()) {
    return true;
  }
  std::string text(kMaxRead, '\0');
  const ssize_t got = pread(file->fd(), text.data(), text.size(), static_cast<off_t>(place_.offset));
  if (got <= 0) {
    return true;
  }
  text.resize(static_cast<std::size_t>(got));
  const absl::TimeZone zone = Zone(root);
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    PackageEvent event;
    const absl::string_view line = absl::string_view(text).substr(begin, end - begin);
    if (line.size() <= kMaxLine && ParseDpkgLogLine(line, zone, now, &event) && event.at > now - kOldest &&
        event.at < now + kMaxAhead) {
      events->push_back(std::move(event));
    }
    begin = end + 1;
  }
  if (begin == 0 && text.size() == kMaxRead) {
    begin = text.size();  // one line of that length: it is no log
  }
  place_.offset += begin;
  return text.size() < kMaxRead;
}

std::vector<PackageEvent> PackageLog::Read(absl::Time now) {
  std::vector<PackageEvent> events;
  const absl::StatusOr<HostRoot> root = HostRoot::Open(root_);
  if (!root.ok()) {
    return events;
  }
  const absl::StatusOr<FileStat> stat = root->Stat(kLog);
  if (!stat.ok() || stat->type != FileType::kRegular) {
    return events;
  }
  const auto size = static_cast<std::uint64_t>(stat->key.size);
  const Place here{stat->key.device, stat->key.inode, 0};
  MutexLock lock(&mutex_);
  const Place before = place_;
  if (place_.device != here.device || place_.inode != here.inode) {
    const absl::StatusOr<FileStat> rotated = root->Stat(kRotated);
    const bool is_ours = rotated.ok() && rotated->key.device == place_.device && rotated->key.inode == place_.inode;
    if (is_ours && !ReadFrom(*root, kRotated, now, &events)) {
      return events;
    }
    place_ = here;
  }
  if (size < place_.offset) {
    place_.offset = 0;  // it was emptied
  }
  if (size > place_.offset) {
    ReadFrom(*root, kLog, now, &events);
  }
  if (!(place_ == before)) {
    if (passed_.size() == kMaxPassed) {
      passed_.erase(passed_.begin() + 1);
    }
    passed_.push_back({place_, now});
  }
  return events;
}

void PackageLog::Keep(absl::Time now) {
  Place place;
  {
    MutexLock lock(&mutex_);
    auto end = passed_.begin();
    while (end != passed_.end() && now - end->at >= kKeepAfter) {
      place = end->place;
      ++end;
    }
    if (end == passed_.begin()) {
      return;
    }
    passed_.erase(passed_.begin(), end);
    if (directory_ == nullptr || place == kept_) {
      return;
    }
    kept_ = place;
  }
  const absl::Status written = WriteFileAtomically(
      directory_, kPlaceFile, absl::StrCat(place.device, " ", place.inode, " ", place.offset, "\n"));
  if (!written.ok()) {
    MutexLock lock(&mutex_);
    kept_ = {};
    passed_.insert(passed_.begin(), {place, absl::InfinitePast()});  // tried again; the spool reports the disk
  }
}

}  // namespace ppmm
