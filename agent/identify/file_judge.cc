#include "agent/identify/file_judge.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "agent/identify/build_info.h"
#include "agent/identify/project.h"

namespace ppmm {
namespace {

constexpr size_t kMaxVerdicts = 1'024;
constexpr int64_t kMaxHashed = int64_t{512} << 20;  // bytes; about 1.5 s of one CPU, once

void Add(FileVerdict& verdict, absl::string_view kind, absl::string_view text) {
  verdict.evidence.push_back({std::string(kind), std::string(text)});
}

std::string Named(const Package& package) {
  return absl::StrCat(package.name, " ", package.version);
}

}  // namespace

void FileJudge::Refresh(const HostRoot& root) {
  const uint64_t generation = packages_.Refresh(root);
  if (generation != generation_) {
    generation_ = generation;
    verdicts_.clear();
  }
}

std::optional<FileRecord> FileJudge::Owner(const HostRoot& root, absl::string_view path) {
  Refresh(root);
  return packages_.Owner(root, path);
}

FileVerdict FileJudge::Judge(const HostRoot& root, absl::string_view path, absl::string_view open_by, bool replaced) {
  Refresh(root);
  absl::StatusOr<OpenFile> file =
      open_by.empty() ? root.OpenRegular(path)
                      : OpenFile(open(std::string(open_by).c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat st;
  if (!file.ok() || file->fd() < 0 || fstat(file->fd(), &st) != 0 || !S_ISREG(st.st_mode)) {
    FileVerdict verdict;
    if (const auto record = packages_.Owner(root, path)) {
      JudgeByPackage(root, *record, Proof(), verdict);
      verdict.confidence = std::min(verdict.confidence, 0.7);
    }
    Add(verdict, "none", absl::StrCat(path, " cannot be read"));
    return verdict;
  }
  CacheKey key;
  key.file = {st.st_dev, st.st_ino, int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec, st.st_size};
  key.path = std::string(path);
  key.replaced = replaced;
  if (const auto it = verdicts_.find(key); it != verdicts_.end()) {
    return it->second;
  }
  if (verdicts_.size() >= kMaxVerdicts) {
    verdicts_.clear();
  }
  return verdicts_.emplace(std::move(key), JudgeFresh(root, path, file->fd(), st.st_size, replaced)).first->second;
}

// The package's word on who supplied it; the caller knows that the content is the package's. `proof`: how it is known,
// in words around the package's name, when bytes were compared; `before` and `after` may be empty.
void FileJudge::JudgeByPackage(const HostRoot& root, const FileRecord& record, const Proof& proof,
                               FileVerdict& verdict) {
  verdict.packaged = true;
  verdict.package = record.package.name;
  verdict.package_path = record.path;
  verdict.product = ProductName(record.package.source, record.package.version);
  verdict.version = record.package.version;
  const Supply supply = suppliers_.SupplierOf(root, record.package);
  verdict.origin = supply.supplier == Supplier::kSite      ? CodeOrigin::kInHouse
                   : supply.supplier == Supplier::kUnknown ? CodeOrigin::kUnknown
                                                           : CodeOrigin::kOffTheShelf;
  verdict.confidence = supply.confidence;
  const absl::string_view supply_kind = supply.by_repository ? "repository" : "package";
  if (!proof.compared) {
    return Add(verdict, supply_kind, supply.text);
  }
  const std::string proven = absl::StrCat(proof.before, supply.name, supply.name.empty() ? "" : " ", "package ",
                                          Named(record.package), proof.after);
  // Compared bytes prove most. Only for what the site packaged itself, who packaged it says more.
  if (verdict.origin == CodeOrigin::kInHouse) {
    Add(verdict, supply_kind, supply.text);
    Add(verdict, "checksum", proven);
  } else {
    Add(verdict, "checksum", proven);
    Add(verdict, supply_kind, supply.text);
  }
}

FileVerdict FileJudge::JudgeFresh(const HostRoot& root, absl::string_view path, int fd, int64_t size, bool replaced) {
  FileVerdict verdict;
  verdict.readable = true;
  const absl::StatusOr<BuildInfo> build = ReadBuildInfo(fd);
  const absl::StatusOr<FileDigests> digests = DigestFile(fd, kMaxHashed);
  if (digests.ok()) {
    verdict.sha256 = digests->sha256;
  }
  verdict.digest = build.ok() && !build->build_id.empty() ? build->build_id : verdict.sha256;

  const std::optional<FileRecord> record = packages_.Owner(root, path);
  if (record) {
    const bool checkable = digests.ok() && (!record->md5.empty() || !record->sha1.empty());
    const bool same = checkable && (record->md5.empty() ? record->sha1 == digests->sha1 : record->md5 == digests->md5);
    if (checkable && !same && !replaced && !record->conffile) {
      verdict.origin = CodeOrigin::kInHouse;
      verdict.confidence = 0.95;
      verdict.packaged = true;
      verdict.package = record->package.name;
      verdict.package_path = record->path;
      verdict.product = ProductName(record->package.source, record->package.version);
      verdict.version = record->package.version;
      verdict.digest = verdict.sha256;  // a patched file keeps its build id
      Add(verdict, "checksum",
          absl::StrCat("modified here: ", path, " is of package ", Named(record->package),
                       ", but its checksum is not the recorded one"));
      return verdict;
    }
    const bool verified = checkable && same && !replaced;
    JudgeByPackage(root, *record, {verified, "", absl::StrCat(", checksum verified: ", path)}, verdict);
    if (replaced) {
      verdict.confidence = std::min(verdict.confidence, 0.8);
      verdict.version = same ? verdict.version : "";
      Add(verdict, "path",
          absl::StrCat("the file was replaced since the process started; its path is of package ",
                       Named(record->package)));
    } else if (!verified) {
      verdict.confidence = std::min(verdict.confidence, 0.85);
      Add(verdict, "package",
          absl::StrCat(path, " is of package ", Named(record->package),
                       record->conffile ? ", made to be edited" : ", which records no checksum of it"));
    }
    return verdict;
  }
  if (digests.ok() && size > 0) {
    if (const auto match = packages_.FindContent(root, *digests)) {
      JudgeByPackage(root, *match, {true, absl::StrCat("same content as ", match->path, " of "), ""}, verdict);
      return verdict;
    }
  }
  if (const auto module = FindInstalledModule(root, path, verdict.sha256)) {
    verdict.product = module->name;
    verdict.version = module->version;
    if (module->modified) {
      verdict.origin = CodeOrigin::kInHouse;
      verdict.confidence = 0.9;
      Add(verdict, "checksum", absl::StrCat("modified here: ", module->evidence));
    } else if (module->built_here) {
      verdict.origin = CodeOrigin::kInHouse;
      verdict.confidence = 0.75;
      Add(verdict, "package", absl::StrCat("built here: ", module->evidence));
    } else {
      verdict.origin = CodeOrigin::kOffTheShelf;
      verdict.confidence = module->verified ? 0.9 : 0.75;
      Add(verdict, "package", module->evidence);
    }
    return verdict;
  }

  verdict.origin = CodeOrigin::kInHouse;
  if (!packages_.present()) {
    verdict.confidence = 0.5;
    Add(verdict, "none", "there is no package database to compare with");
  } else if (!digests.ok()) {
    verdict.confidence = 0.6;
    Add(verdict, "path", absl::StrCat("no package owns ", path, "; too large to compare its content"));
  } else {
    verdict.confidence = build.ok() ? 0.85 : 0.9;
    Add(verdict, "path",
        absl::StrCat("built here: no package known here owns ", path, " or has a file of its content"));
  }
  if (build.ok() && !build->note_name.empty()) {
    // Somebody's package build wrote this note; that package is not installed here.
    verdict.origin = CodeOrigin::kOffTheShelf;
    verdict.confidence = 0.65;
    verdict.product = ProductName(build->note_name, build->note_version);
    verdict.version = build->note_version;
    verdict.evidence.insert(verdict.evidence.begin(),
                            {"build_info", absl::StrCat("built as ", build->note_type, " package ", build->note_name,
                                                        " ", build->note_version, ", which is not installed here")});
  } else if (build.ok() && !build->go_module.empty()) {
    verdict.product = std::string(Basename(build->go_path.empty() ? build->go_module : build->go_path));
    const bool tagged = absl::StartsWith(build->go_module_version, "v");
    verdict.version = tagged ? build->go_module_version.substr(1) : "";
    Add(verdict, "build_info",
        absl::StrCat("Go module ", build->go_module, " ", build->go_module_version, ", ", build->go_version));
  }
  return verdict;
}

}  // namespace ppmm
