#include "agent/identify/package_database.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace ppmm {
namespace {

constexpr absl::string_view kDpkgStatus = "/var/lib/dpkg/status";
constexpr absl::string_view kDistrolessStatus = "/var/lib/dpkg/status.d";
constexpr absl::string_view kDpkgInfo = "/var/lib/dpkg/info";
constexpr absl::string_view kDiversions = "/var/lib/dpkg/diversions";
constexpr absl::string_view kApkInstalled = "/lib/apk/db/installed";
constexpr size_t kMaxPackages = 50'000;
constexpr size_t kMaxCached = 2'048;
constexpr size_t kMaxField = 512;
constexpr int kSearchesBeforeIndex = 4;             // making both costs about as much
constexpr size_t kMaxDiversions = size_t{1} << 20;  // bytes

FileKey KeyOf(const HostRoot& root, absl::string_view path) {
  const auto st = root.Stat(path);
  return st.ok() ? st->key : FileKey();
}

std::string Field(absl::string_view value) {
  return std::string(absl::StripAsciiWhitespace(value).substr(0, kMaxField));
}

// "shop-src (1.2)" -> "shop-src".
std::string SourceName(absl::string_view value) {
  const std::vector<absl::string_view> words = absl::StrSplit(value, ' ', absl::SkipEmpty());
  return words.empty() ? "" : Field(words[0]);
}

// Takes one line of a control stanza; true when it was a field of a package.
void TakeControlLine(absl::string_view line, Package& package) {
  if (absl::ConsumePrefix(&line, "Package:")) {
    package.name = Field(line);
  } else if (absl::ConsumePrefix(&line, "Status:")) {
    package.installed = absl::EndsWith(Field(line), " installed");
  } else if (absl::ConsumePrefix(&line, "Version:")) {
    package.version = Field(line);
  } else if (absl::ConsumePrefix(&line, "Source:")) {
    package.source = SourceName(line);
  } else if (absl::ConsumePrefix(&line, "Maintainer:")) {
    package.maintainer = Field(line);
  } else if (absl::ConsumePrefix(&line, "Origin:")) {
    package.origin = Field(line);
  }
}

template <typename Map, typename Value>
const Value& Keep(Map& map, absl::string_view key, Value value) {
  if (map.size() >= kMaxCached) {
    map.clear();
  }
  return map.insert_or_assign(std::string(key), std::move(value)).first->second;
}

struct Diversion {
  std::string from;
  std::string to;
  std::string package;  // ":" for one made by the site
};

std::vector<Diversion> ReadDiversions(const HostRoot& root) {
  std::vector<Diversion> out;
  const auto text = root.Read(kDiversions, kMaxDiversions);
  if (!text.ok()) {
    return out;
  }
  const std::vector<absl::string_view> lines = absl::StrSplit(*text, '\n');
  for (size_t i = 0; i + 2 < lines.size(); i += 3) {
    out.push_back({std::string(lines[i]), std::string(lines[i + 1]), std::string(lines[i + 2])});
  }
  return out;
}

absl::string_view PackageOfStem(absl::string_view stem) {
  return stem.substr(0, stem.find(':'));
}

// The names under which dpkg may list `path`, given which directories are really links below this root.
std::vector<std::string> ListedNames(const HostRoot& root, absl::string_view path) {
  std::vector<std::string> names = PathAliases(path);
  std::erase_if(names, [&](const std::string& name) {
    if (name == path) {
      return false;
    }
    const auto directory = root.Resolve(Dirname(name));
    return !directory.ok() || *directory != Dirname(path);
  });
  return names;
}

int OrderOf(char c) {
  if (c == '~') {
    return -1;
  }
  const auto u = static_cast<unsigned char>(c);
  return absl::ascii_isalpha(u) ? u : u + 256;
}

// One part (upstream version or revision) of a Debian version.
int ComparePart(absl::string_view a, absl::string_view b) {
  const auto is_digit = [](absl::string_view s) {
    return !s.empty() && absl::ascii_isdigit(static_cast<unsigned char>(s[0]));
  };
  while (!a.empty() || !b.empty()) {
    while ((!a.empty() && !is_digit(a)) || (!b.empty() && !is_digit(b))) {
      const int left = a.empty() || is_digit(a) ? 0 : OrderOf(a[0]);
      const int right = b.empty() || is_digit(b) ? 0 : OrderOf(b[0]);
      if (left != right) {
        return left - right;
      }
      a.remove_prefix(a.empty() ? 0 : 1);
      b.remove_prefix(b.empty() ? 0 : 1);
    }
    const auto take_number = [&is_digit](absl::string_view& s) {
      while (!s.empty() && s[0] == '0') {
        s.remove_prefix(1);
      }
      absl::string_view rest = s;
      while (is_digit(rest)) {
        rest.remove_prefix(1);
      }
      const absl::string_view digits = s.substr(0, s.size() - rest.size());
      s = rest;
      return digits;
    };
    const absl::string_view left = take_number(a);
    const absl::string_view right = take_number(b);
    if (left.size() != right.size()) {
      return left.size() < right.size() ? -1 : 1;
    }
    if (const int order = left.compare(right); order != 0) {
      return order;
    }
  }
  return 0;
}

struct VersionParts {
  int64_t epoch = 0;
  absl::string_view upstream;
  absl::string_view revision;
};

VersionParts SplitVersion(absl::string_view version) {
  VersionParts parts;
  const size_t colon = version.find(':');
  if (colon != absl::string_view::npos && absl::SimpleAtoi(version.substr(0, colon), &parts.epoch)) {
    version.remove_prefix(colon + 1);
  }
  const size_t dash = version.rfind('-');
  parts.upstream = version.substr(0, dash);
  parts.revision = dash == absl::string_view::npos ? absl::string_view() : version.substr(dash + 1);
  return parts;
}

}  // namespace

uint64_t PackageDatabase::Refresh(const HostRoot& root) {
  Kind kind = Kind::kNone;
  FileKey status;
  if (root.IsFile(kDpkgStatus)) {
    kind = Kind::kDpkg;
    status = KeyOf(root, kDpkgStatus);
  } else if (root.IsDirectory(kDistrolessStatus)) {
    kind = Kind::kDistroless;
    status = KeyOf(root, kDistrolessStatus);
  } else if (root.IsFile(kApkInstalled)) {
    kind = Kind::kApk;
    status = KeyOf(root, kApkInstalled);
  }
  const FileKey diversions = KeyOf(root, kDiversions);
  if (generation_ == 0 || kind != kind_ || status != status_key_ || diversions != diversions_key_ ||
      root.key() != root_key_) {
    ++generation_;
    kind_ = kind;
    status_key_ = status;
    diversions_key_ = diversions;
    root_key_ = root.key();
    stems_.clear();
    by_path_ = by_checksum_ = Search();
    owners_.clear();
    contents_.clear();
    packages_.clear();
  }
  return generation_;
}

const std::vector<std::string>& PackageDatabase::Stems(const HostRoot& root) {
  if (stems_.empty()) {
    const bool distroless = kind_ == Kind::kDistroless;
    const absl::string_view ending = distroless ? ".md5sums" : ".list";
    // Each package has about five info files.
    for (absl::string_view name : root.List(distroless ? kDistrolessStatus : kDpkgInfo, 8 * kMaxPackages)) {
      if (absl::ConsumeSuffix(&name, ending) && stems_.size() < kMaxPackages) {
        stems_.emplace_back(name);
      }
    }
    stems_.shrink_to_fit();
  }
  return stems_;
}

PackageIndex PackageDatabase::MakeIndex(const HostRoot& root, Lists lists) {
  const bool distroless = kind_ == Kind::kDistroless;
  const absl::string_view folder = distroless ? kDistrolessStatus : kDpkgInfo;
  const bool of_sums = distroless || lists == Lists::kChecksums;
  PackageIndex index(Stems(root).size());
  for (size_t i = 0; i < stems_.size() && !index.too_large(); ++i) {
    root.ForEachLine(absl::StrCat(folder, "/", stems_[i], of_sums ? ".md5sums" : ".list"), [&](absl::string_view line) {
      if (lists == Lists::kChecksums) {
        index.Add(line.substr(0, 32), i);
      } else if (!of_sums) {
        index.Add(line, i);
      } else if (line.size() > 34) {
        index.Add(absl::StrCat("/", line.substr(34)), i);
      }
      return !index.too_large();
    });
  }
  index.Finish();
  return index;
}

std::vector<absl::string_view> PackageDatabase::Candidates(const HostRoot& root, Lists lists,
                                                           absl::Span<const std::string> keys) {
  const std::vector<std::string>& stems = Stems(root);
  Search& search = lists == Lists::kPaths ? by_path_ : by_checksum_;
  search.used = true;
  if (!search.index && ++search.questions > kSearchesBeforeIndex) {
    search.index = MakeIndex(root, lists);
  }
  if (!search.index || search.index->too_large()) {
    return {stems.begin(), stems.end()};
  }
  std::vector<size_t> found;
  for (const std::string& key : keys) {
    const std::vector<size_t> more = search.index->Find(key);
    found.insert(found.end(), more.begin(), more.end());
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  std::vector<absl::string_view> candidates;
  candidates.reserve(found.size());
  for (const size_t i : found) {
    candidates.push_back(stems[i]);
  }
  return candidates;
}

void PackageDatabase::Rest() {
  for (Search* search : {&by_path_, &by_checksum_}) {
    if (!std::exchange(search->used, false)) {
      *search = Search();
    }
  }
}

std::optional<FileRecord> PackageDatabase::Owner(const HostRoot& root, absl::string_view path) {
  if (const auto it = owners_.find(path); it != owners_.end()) {
    return it->second;
  }
  if (path.size() < 2 || path[0] != '/' || absl::StrContains(path, '\n') || kind_ == Kind::kNone) {
    return std::nullopt;
  }
  return Keep(owners_, path, kind_ == Kind::kApk ? ApkFile(root, path, "") : DpkgOwner(root, path));
}

std::optional<FileRecord> PackageDatabase::FindContent(const HostRoot& root, const FileDigests& digests) {
  if (kind_ == Kind::kNone || digests.md5.size() != 32) {
    return std::nullopt;
  }
  if (const auto it = contents_.find(digests.md5); it != contents_.end()) {
    return it->second;
  }
  return Keep(contents_, digests.md5,
              kind_ == Kind::kApk ? ApkFile(root, "", digests.sha1) : DpkgContent(root, digests.md5));
}

std::optional<Package> PackageDatabase::Find(const HostRoot& root, absl::string_view name) {
  name = PackageOfStem(name);
  if (const auto it = packages_.find(name); it != packages_.end()) {
    return it->second;
  }
  if (name.empty() || absl::StrContains(name, '/') || kind_ == Kind::kNone || kind_ == Kind::kApk) {
    return std::nullopt;
  }
  std::optional<Package> found;
  Package package;
  const auto finish = [&] {
    if (package.name == name && (!found || (package.installed && !found->installed))) {
      if (package.source.empty()) {
        package.source = package.name;
      }
      found = package;
    }
    package = Package();
  };
  const std::string file = kind_ == Kind::kDpkg ? std::string(kDpkgStatus) : absl::StrCat(kDistrolessStatus, "/", name);
  root.ForEachLine(file, [&](absl::string_view line) {
    if (line.empty()) {
      finish();
    } else {
      TakeControlLine(line, package);
    }
    return !found || !found->installed;
  });
  finish();
  return Keep(packages_, name, std::move(found));
}

std::optional<FileRecord> PackageDatabase::DpkgOwner(const HostRoot& root, absl::string_view path) {
  const std::vector<Diversion> diversions = ReadDiversions(root);
  for (const std::string& name : ListedNames(root, path)) {
    for (const Diversion& diversion : diversions) {
      // What lies where a package's file was moved to is that package's; what lies in its old place is the diverting
      // package's, or the site's own.
      const std::vector<std::string> to = PathAliases(diversion.to);
      const std::vector<std::string> from = PathAliases(diversion.from);
      if (std::find(to.begin(), to.end(), name) != to.end()) {
        return DpkgListed(root, from.front(), "", diversion.package);
      }
      if (std::find(from.begin(), from.end(), name) != from.end()) {
        return diversion.package == ":" ? std::nullopt : DpkgListed(root, path, diversion.package, "");
      }
    }
  }
  return DpkgListed(root, path, "", "");
}

std::optional<FileRecord> PackageDatabase::DpkgListed(const HostRoot& root, absl::string_view path,
                                                      absl::string_view only, absl::string_view except) {
  const std::vector<std::string> names = ListedNames(root, path);
  const bool distroless = kind_ == Kind::kDistroless;
  std::vector<absl::string_view> order = Candidates(root, Lists::kPaths, names);
  // A path often names its package; trying those first saves most of the search.
  std::stable_partition(order.begin(), order.end(), [&](absl::string_view stem) {
    const absl::string_view package = PackageOfStem(stem);
    const size_t at = path.find(package);
    return at != absl::string_view::npos && at > 0 && path[at - 1] == '/' &&
           (at + package.size() == path.size() || path[at + package.size()] == '/');
  });
  for (const absl::string_view stem : order) {
    if ((!only.empty() && PackageOfStem(stem) != only) || (!except.empty() && PackageOfStem(stem) == except)) {
      continue;
    }
    const std::string file = distroless ? absl::StrCat(kDistrolessStatus, "/", stem, ".md5sums")
                                        : absl::StrCat(kDpkgInfo, "/", stem, ".list");
    for (const std::string& name : names) {
      // .list has "/usr/bin/x" alone on a line; .md5sums has "DIGEST  usr/bin/x".
      const absl::string_view listed = distroless ? absl::string_view(name).substr(1) : absl::string_view(name);
      const std::string line = root.FindLine(file, listed, [&](absl::string_view candidate) {
        return distroless ? candidate.size() == listed.size() + 34 && absl::EndsWith(candidate, listed)
                          : candidate == listed;
      });
      if (!line.empty()) {
        return DpkgRecord(root, stem, name);
      }
    }
  }
  return std::nullopt;
}

std::optional<FileRecord> PackageDatabase::DpkgContent(const HostRoot& root, absl::string_view md5) {
  const absl::string_view directory = kind_ == Kind::kDistroless ? kDistrolessStatus : kDpkgInfo;
  for (const absl::string_view stem : Candidates(root, Lists::kChecksums, {std::string(md5)})) {
    const std::string line = root.FindLine(
        absl::StrCat(directory, "/", stem, ".md5sums"), md5,
        [md5](absl::string_view candidate) { return candidate.size() > 34 && absl::StartsWith(candidate, md5); });
    if (!line.empty()) {
      return DpkgRecord(root, stem, absl::StrCat("/", line.substr(34)));
    }
  }
  return std::nullopt;
}

std::optional<FileRecord> PackageDatabase::DpkgRecord(const HostRoot& root, absl::string_view stem,
                                                      absl::string_view path) {
  FileRecord record;
  record.path = std::string(path);
  if (auto package = Find(root, PackageOfStem(stem))) {
    record.package = *std::move(package);
  } else {
    record.package.name = record.package.source = std::string(PackageOfStem(stem));
  }
  const absl::string_view directory = kind_ == Kind::kDistroless ? kDistrolessStatus : kDpkgInfo;
  const absl::string_view listed = path.substr(1);
  const std::string sum =
      root.FindLine(absl::StrCat(directory, "/", stem, ".md5sums"), listed, [listed](absl::string_view line) {
        return line.size() == listed.size() + 34 && absl::EndsWith(line, listed) && line.substr(32, 2) == "  ";
      });
  record.md5 = sum.substr(0, 32);
  record.conffile = !root.FindLine(absl::StrCat(directory, "/", stem, ".conffiles"), path,
                                   [path](absl::string_view line) { return absl::StripAsciiWhitespace(line) == path; })
                         .empty();
  return record;
}

std::optional<FileRecord> PackageDatabase::ApkFile(const HostRoot& root, absl::string_view path,
                                                   absl::string_view sha1) {
  std::optional<FileRecord> found;
  FileRecord record;
  std::string directory;
  bool here = false;  // the lines since the last R: belong to the file in question
  const std::vector<std::string> names = path.empty() ? std::vector<std::string>() : ListedNames(root, path);
  root.ForEachLine(kApkInstalled, [&](absl::string_view line) {
    if (line.size() < 2 || line[1] != ':') {
      record = FileRecord();
      here = false;
      return !found.has_value();
    }
    const absl::string_view value = line.substr(2);
    switch (line[0]) {
      case 'P':
        record.package.name = Field(value);
        break;
      case 'V':
        record.package.version = Field(value);
        break;
      case 'o':
        record.package.source = Field(value);
        break;
      case 'm':
        record.package.maintainer = Field(value);
        break;
      case 'F':
        directory = absl::StrCat("/", Field(value));
        here = false;
        break;
      case 'R':
        if (found) {
          return false;
        }
        record.path = JoinPath(directory, value);
        here = std::find(names.begin(), names.end(), record.path) != names.end();
        if (here) {
          found = record;
        }
        break;
      case 'Z': {
        absl::string_view digest = value;
        std::string bytes;
        if (absl::ConsumePrefix(&digest, "Q1") && absl::Base64Unescape(digest, &bytes)) {
          const std::string hex = absl::BytesToHexString(bytes);
          if (here && found) {
            found->sha1 = hex;
          } else if (!sha1.empty() && hex == sha1) {
            found = record;
            found->sha1 = hex;
          }
        }
        return !found.has_value();
      }
      default:
        break;
    }
    return true;
  });
  if (found && found->package.name.empty()) {  // its line is damaged: nobody is known to own the file
    return std::nullopt;
  }
  if (found && found->package.source.empty()) {
    found->package.source = found->package.name;
  }
  return found;
}

std::vector<std::string> PathAliases(absl::string_view path) {
  std::vector<std::string> names = {std::string(path)};
  constexpr absl::string_view kMerged[] = {"/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/"};
  absl::string_view below_usr = path;
  const bool in_usr = absl::ConsumePrefix(&below_usr, "/usr") && absl::StartsWith(below_usr, "/");
  for (const absl::string_view directory : kMerged) {
    if (in_usr && absl::StartsWith(below_usr, directory)) {
      names.emplace_back(below_usr);
    } else if (!in_usr && absl::StartsWith(path, directory)) {
      names.push_back(absl::StrCat("/usr", path));
    }
  }
  return names;
}

int CompareVersions(absl::string_view a, absl::string_view b) {
  const VersionParts left = SplitVersion(a);
  const VersionParts right = SplitVersion(b);
  if (left.epoch != right.epoch) {
    return left.epoch < right.epoch ? -1 : 1;
  }
  if (const int order = ComparePart(left.upstream, right.upstream); order != 0) {
    return order;
  }
  return ComparePart(left.revision, right.revision);
}

std::string ProductName(absl::string_view source, absl::string_view version) {
  const auto is_version = [](char c) { return c == '.' || absl::ascii_isdigit(static_cast<unsigned char>(c)); };
  absl::string_view stem = source;
  while (!stem.empty() && is_version(stem.back())) {
    stem.remove_suffix(1);
  }
  const absl::string_view number = source.substr(stem.size());
  const absl::string_view upstream = SplitVersion(version).upstream;
  const bool begins =
      !number.empty() && number[0] != '.' && absl::StartsWith(upstream, number) &&
      (upstream.size() == number.size() || !absl::ascii_isdigit(static_cast<unsigned char>(upstream[number.size()])));
  if (begins) {
    absl::ConsumeSuffix(&stem, "-");
    if (!stem.empty()) {
      return std::string(stem);
    }
  }
  return std::string(source);
}

}  // namespace ppmm
