#include "agent/identify/host_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "common/status.h"

namespace ppmm {
namespace {

constexpr size_t kBlockBytes = size_t{64} * 1024;
constexpr size_t kMaxNeedle = 4096;
constexpr int kMaxLinks = 40;
constexpr size_t kMaxPath = 4096;

FileStat ToFileStat(const struct stat& st) {
  FileStat out;
  out.key = {st.st_dev, st.st_ino, int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec, st.st_size};
  out.type = S_ISREG(st.st_mode)   ? FileType::kRegular
             : S_ISDIR(st.st_mode) ? FileType::kDirectory
             : S_ISLNK(st.st_mode) ? FileType::kLink
                                   : FileType::kOther;
  return out;
}

std::string ToHex(const unsigned char* data, size_t size) {
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(data), size));
}

using DigestContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

DigestContext NewDigest(const EVP_MD* kind) {
  DigestContext context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), kind, nullptr);
  return context;
}

std::string FinishDigest(const DigestContext& context) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out;
  unsigned int size = 0;
  EVP_DigestFinal_ex(context.get(), out.data(), &size);
  return ToHex(out.data(), size);
}

}  // namespace

OpenFile::~OpenFile() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

absl::StatusOr<HostRoot> HostRoot::Open(absl::string_view directory) {
  const std::string name(directory);
  OpenFile root(open(name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat st;
  if (root.fd() < 0 || fstat(root.fd(), &st) != 0) {
    return ErrnoStatus(errno, absl::StrCat("open root ", name));
  }
  const FileKey key{st.st_dev, st.st_ino, 0, 0};
  struct stat own;
  const bool is_own = stat("/", &own) == 0 && own.st_dev == st.st_dev && own.st_ino == st.st_ino;
  return HostRoot(std::move(root), key, is_own);
}

absl::StatusOr<OpenFile> HostRoot::OpenBelow(absl::string_view path, int flags) const {
  if (path.size() >= kMaxPath || absl::StrContains(path, '\0')) {
    return absl::InvalidArgumentError("path too long or with a zero byte");
  }
  const std::string name(path);
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  int64_t fd = syscall(SYS_openat2, root_.fd(), name.c_str(), &how, sizeof how);
  if (fd < 0 && (errno == ENOSYS || errno == EPERM) && is_own_root_) {
    fd = open(JoinPath("/", name).c_str(), flags | O_CLOEXEC);
  }
  if (fd < 0) {
    return ErrnoStatus(errno, absl::StrCat("open ", name));
  }
  return OpenFile(static_cast<int>(fd));
}

absl::StatusOr<OpenFile> HostRoot::OpenRegular(absl::string_view path) const {
  ASSIGN_OR_RETURN(OpenFile file, OpenBelow(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat st;
  if (fstat(file.fd(), &st) != 0 || !S_ISREG(st.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(path, " is not a regular file"));
  }
  return file;
}

absl::StatusOr<FileStat> HostRoot::Stat(absl::string_view path) const {
  ASSIGN_OR_RETURN(const OpenFile file, OpenBelow(path, O_PATH));
  struct stat st;
  if (fstat(file.fd(), &st) != 0) {
    return ErrnoStatus(errno, absl::StrCat("stat ", path));
  }
  return ToFileStat(st);
}

bool HostRoot::IsFile(absl::string_view path) const {
  const auto st = Stat(path);
  return st.ok() && st->type == FileType::kRegular;
}

bool HostRoot::IsDirectory(absl::string_view path) const {
  const auto st = Stat(path);
  return st.ok() && st->type == FileType::kDirectory;
}

absl::StatusOr<std::string> HostRoot::Resolve(absl::string_view path) const {
  const std::vector<std::string> first = absl::StrSplit(path, '/', absl::SkipEmpty());
  std::deque<std::string> rest(first.begin(), first.end());
  std::vector<std::string> done;
  int links = 0;
  while (!rest.empty()) {
    const std::string part = std::move(rest.front());
    rest.pop_front();
    if (part == ".") {
      continue;
    }
    if (part == "..") {
      if (!done.empty()) {
        done.pop_back();
      }
      continue;
    }
    done.push_back(part);
    const std::string here = absl::StrCat("/", absl::StrJoin(done, "/"));
    ASSIGN_OR_RETURN(const OpenFile file, OpenBelow(here, O_PATH | O_NOFOLLOW));
    struct stat st;
    if (fstat(file.fd(), &st) != 0) {
      return ErrnoStatus(errno, absl::StrCat("stat ", here));
    }
    if (!S_ISLNK(st.st_mode)) {
      continue;
    }
    std::array<char, kMaxPath> target;
    const ssize_t size = readlinkat(file.fd(), "", target.data(), target.size());
    if (size <= 0 || ++links > kMaxLinks) {
      return absl::FailedPreconditionError(absl::StrCat("too many links in ", path));
    }
    const absl::string_view to(target.data(), static_cast<size_t>(size));
    done.pop_back();
    if (to[0] == '/') {
      done.clear();
    }
    const std::vector<std::string> parts = absl::StrSplit(to, '/', absl::SkipEmpty());
    rest.insert(rest.begin(), parts.begin(), parts.end());
  }
  return absl::StrCat("/", absl::StrJoin(done, "/"));
}

absl::StatusOr<std::string> HostRoot::Read(absl::string_view path, size_t max_bytes) const {
  ASSIGN_OR_RETURN(const OpenFile file, OpenRegular(path));
  std::string out;
  std::array<char, 4096> block;
  while (out.size() < max_bytes) {
    const ssize_t got = read(file.fd(), block.data(), std::min(block.size(), max_bytes - out.size()));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return ErrnoStatus(errno, absl::StrCat("read ", path));
    }
    if (got == 0) {
      break;
    }
    out.append(block.data(), static_cast<size_t>(got));
  }
  return out;
}

std::vector<std::string> HostRoot::List(absl::string_view path, size_t max_names) const {
  std::vector<std::string> names;
  const auto file = OpenBelow(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
  if (!file.ok()) {
    return names;
  }
  const int own = dup(file->fd());
  DIR* directory = own < 0 ? nullptr : fdopendir(own);
  if (directory == nullptr) {
    if (own >= 0) {
      close(own);
    }
    return names;
  }
  while (names.size() < max_names) {
    const dirent* entry = readdir(directory);
    if (entry == nullptr) {
      break;
    }
    const absl::string_view name(static_cast<const char*>(entry->d_name));
    if (name != "." && name != "..") {
      names.emplace_back(name);
    }
  }
  closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

void HostRoot::ForEachLine(absl::string_view path, const std::function<bool(absl::string_view)>& line) const {
  const auto file = OpenRegular(path);
  if (!file.ok()) {
    return;
  }
  std::string block(kBlockBytes, '\0');
  size_t held = 0;
  bool skipping = false;  // the tail of a line that was too long
  while (true) {
    const ssize_t got = read(file->fd(), block.data() + held, block.size() - held);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      break;
    }
    held += static_cast<size_t>(got);
    absl::string_view rest(block.data(), held);
    for (size_t end = rest.find('\n'); end != absl::string_view::npos; end = rest.find('\n')) {
      if (!skipping && !line(rest.substr(0, end))) {
        return;
      }
      skipping = false;
      rest.remove_prefix(end + 1);
    }
    if (rest.size() == block.size()) {
      if (!skipping && !line(rest)) {
        return;
      }
      skipping = true;
      rest.remove_prefix(rest.size());
    }
    std::memmove(block.data(), rest.data(), rest.size());
    held = rest.size();
  }
  if (held > 0 && !skipping) {
    line(absl::string_view(block.data(), held));
  }
}

std::string HostRoot::FindLine(absl::string_view path, absl::string_view needle,
                               const std::function<bool(absl::string_view)>& accept) const {
  const auto file = OpenRegular(path);
  if (!file.ok() || needle.empty() || needle.size() > kMaxNeedle) {
    return "";
  }
  std::string block(kBlockBytes, '\0');
  size_t held = 0;
  bool end_of_file = false;
  while (!end_of_file) {
    const ssize_t got = read(file->fd(), block.data() + held, block.size() - held);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    end_of_file = got <= 0;
    held += end_of_file ? 0 : static_cast<size_t>(got);
    // Only whole lines are searched; the last, cut one waits for the next block.
    size_t whole = held;
    if (!end_of_file) {
      const void* last = memrchr(block.data(), '\n', held);
      whole = last == nullptr ? 0 : static_cast<size_t>(static_cast<const char*>(last) - block.data()) + 1;
      if (whole == 0 && held == block.size()) {
        held = 0;  // a line of 64 KiB: not one of ours
        continue;
      }
    }
    const absl::string_view text(block.data(), whole);
    size_t from = 0;
    while (from < text.size()) {
      const void* hit = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
      if (hit == nullptr) {
        break;
      }
      const size_t at = static_cast<size_t>(static_cast<const char*>(hit) - text.data());
      const size_t before = at == 0 ? absl::string_view::npos : text.rfind('\n', at - 1);
      const size_t begin = before == absl::string_view::npos ? 0 : before + 1;
      const size_t end = std::min(text.find('\n', at), text.size());
      const absl::string_view line = text.substr(begin, end - begin);
      if (accept(line)) {
        return std::string(line);
      }
      from = end + 1;
    }
    std::memmove(block.data(), block.data() + whole, held - whole);
    held -= whole;
  }
  return "";
}

absl::StatusOr<FileDigests> DigestFile(int fd, int64_t max_bytes) {
  const DigestContext md5 = NewDigest(EVP_md5());
  const DigestContext sha1 = NewDigest(EVP_sha1());
  const DigestContext sha256 = NewDigest(EVP_sha256());
  std::array<char, kBlockBytes / 4> block;
  int64_t offset = 0;
  while (true) {
    const ssize_t got = pread(fd, block.data(), block.size(), offset);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return ErrnoStatus(errno, "read for its digest");
    }
    if (got == 0) {
      break;
    }
    offset += got;
    if (offset > max_bytes) {
      return absl::OutOfRangeError("too large for a digest");
    }
    EVP_DigestUpdate(md5.get(), block.data(), static_cast<size_t>(got));
    EVP_DigestUpdate(sha1.get(), block.data(), static_cast<size_t>(got));
    EVP_DigestUpdate(sha256.get(), block.data(), static_cast<size_t>(got));
  }
  return FileDigests{FinishDigest(md5), FinishDigest(sha1), FinishDigest(sha256)};
}

std::string Sha256Hex(absl::string_view data) {
  const DigestContext sha256 = NewDigest(EVP_sha256());
  EVP_DigestUpdate(sha256.get(), data.data(), data.size());
  return FinishDigest(sha256);
}

absl::string_view Dirname(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) {
    return ".";
  }
  return slash == 0 ? path.substr(0, 1) : path.substr(0, slash);
}

absl::string_view Basename(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

std::string JoinPath(absl::string_view directory, absl::string_view path) {
  const std::string whole = absl::StartsWith(path, "/") ? std::string(path) : absl::StrCat(directory, "/", path);
  std::vector<absl::string_view> parts;
  for (const absl::string_view part : absl::StrSplit(whole, '/', absl::SkipEmpty())) {
    if (part == "..") {
      if (!parts.empty()) {
        parts.pop_back();
      }
    } else if (part != ".") {
      parts.push_back(part);
    }
  }
  return absl::StrCat("/", absl::StrJoin(parts, "/"));
}

}  // namespace ppmm
