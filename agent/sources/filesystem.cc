#include "agent/sources/filesystem.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <array>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "common/status.h"

namespace ppmm {
namespace {

constexpr std::size_t kMaxFilesystems = 256;

constexpr std::array<absl::string_view, 13> kNetworkTypes = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "9p", "afs", "ncpfs", "glusterfs", "lustre", "sshfs", "davfs"};

// The kernel writes blank, tab, newline and backslash as \ooo.
std::string Unescape(absl::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      int value = 0;
      bool octal = true;
      for (std::size_t k = 1; k <= 3; ++k) {
        octal = octal && text[i + k] >= '0' && text[i + k] <= '7';
        value = value * 8 + (text[i + k] - '0');
      }
      if (octal && value < 256) {
        out += static_cast<char>(value);
        i += 3;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<Mount>> ParseMountinfo(absl::string_view text) {
  std::vector<Mount> mounts;
  absl::string_view line;
  for (int number = 1; NextLine(&text, &line); ++number) {
    // id parent major:minor root mountpoint options [optional...] - type device superoptions
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 10 || dash == fields.end() || fields.end() - dash < 4) {
      return ParseError("mountinfo", number, "has too few fields");
    }
    Mount mount;
    mount.device_number = std::string(fields[2]);
    mount.mountpoint = Unescape(fields[4]);
    mount.type = std::string(dash[1]);
    mount.device = Unescape(dash[2]);
    // Not the mount's own options, nor statvfs' flags: a sandbox or a container shows the agent all mounts read-only.
    mount.read_only = absl::StartsWith(absl::StrCat(dash[3], ","), "ro,");
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

bool HoldsLocalData(const Mount& mount) {
  const bool network = std::find(kNetworkTypes.begin(), kNetworkTypes.end(), mount.type) != kNetworkTypes.end();
  // FUSE may be anything, a network file system among it; overlay and tmpfs repeat what is counted elsewhere.
  const bool is_fuse = absl::StartsWith(mount.type, "fuse") && mount.type != "fuseblk";
  return !network && !is_fuse && (absl::StartsWith(mount.device, "/dev/") || mount.type == "zfs");
}

FilesystemSource::FilesystemSource(absl::string_view root)
    : root_(root),
      file_(root, root.empty() ? "/proc/self/mountinfo" : "/proc/1/mountinfo"),
      series_({"ppmm_host_filesystem_size_bytes", "ppmm_host_filesystem_free_bytes", "ppmm_host_filesystem_avail_bytes",
               "ppmm_host_filesystem_files", "ppmm_host_filesystem_files_free", "ppmm_host_filesystem_readonly"}) {}

absl::Status FilesystemSource::Sample(absl::Time /*now*/, Recorder& recorder) {
  ASSIGN_OR_RETURN(const absl::string_view text, file_.Read());
  ASSIGN_OR_RETURN(const std::vector<Mount> mounts, ParseMountinfo(text));
  absl::flat_hash_set<absl::string_view> devices;
  for (const Mount& mount : mounts) {
    if (devices.size() >= kMaxFilesystems) {
      break;
    }
    struct statvfs stat {};
    if (!HoldsLocalData(mount) || !devices.insert(mount.device_number).second ||
        statvfs(absl::StrCat(root_, mount.mountpoint).c_str(), &stat) != 0) {
      continue;
    }
    const std::vector<SeriesHandle>& series =
        series_.For(recorder, absl::StrCat(mount.device_number, " ", mount.mountpoint),
                    {mount.device, mount.type, mount.mountpoint});
    const auto unit = static_cast<std::int64_t>(stat.f_frsize);
    recorder.Gauge(series[0], static_cast<std::int64_t>(stat.f_blocks) * unit);
    recorder.Gauge(series[1], static_cast<std::int64_t>(stat.f_bfree) * unit);
    recorder.Gauge(series[2], static_cast<std::int64_t>(stat.f_bavail) * unit);
    recorder.Gauge(series[3], static_cast<std::int64_t>(stat.f_files));
    recorder.Gauge(series[4], static_cast<std::int64_t>(stat.f_ffree));
    recorder.Gauge(series[5], mount.read_only ? 1 : 0);
  }
  series_.RemoveUnseen(recorder);
  return absl::OkStatus();
}

}  // namespace ppmm
