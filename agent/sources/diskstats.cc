#include "agent/sources/diskstats.h"

#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "common/status.h"

namespace ppmm {
namespace {

// Where the metrics of the list stand in the file, and what their unit multiplies.
struct Column {
  absl::string_view metric;
  std::size_t field;
  std::uint64_t factor;
};

constexpr Column kColumns[] = {
    {"ppmm_host_disk_reads_completed_total", 0, 1},
    {"ppmm_host_disk_reads_merged_total", 1, 1},
    {"ppmm_host_disk_read_bytes_total", 2, 512},
    {"ppmm_host_disk_read_time_seconds_total", 3, 1},
    {"ppmm_host_disk_writes_completed_total", 4, 1},
    {"ppmm_host_disk_writes_merged_total", 5, 1},
    {"ppmm_host_disk_written_bytes_total", 6, 512},
    {"ppmm_host_disk_write_time_seconds_total", 7, 1},
    {"ppmm_host_disk_io_now", 8, 1},
    {"ppmm_host_disk_io_time_seconds_total", 9, 1},
    {"ppmm_host_disk_io_time_weighted_seconds_total", 10, 1},
    {"ppmm_host_disk_flush_requests_total", 15, 1},
    {"ppmm_host_disk_flush_requests_time_seconds_total", 16, 1},
};
constexpr std::size_t kInFlight = 8;

std::vector<absl::string_view> MetricNames() {
  std::vector<absl::string_view> names;
  for (const Column& column : kColumns) {
    names.push_back(column.metric);
  }
  return names;
}

}  // namespace

absl::Status ParseDiskstats(absl::string_view text, std::vector<DiskStat>* out) {
  std::size_t count = 0;
  absl::string_view line;
  for (int number = 1; NextLine(&text, &line); ++number) {
    absl::string_view major;
    absl::string_view minor;
    absl::string_view device;
    if (!NextField(&line, &major)) {
      continue;
    }
    if (!NextField(&line, &minor) || !NextField(&line, &device)) {
      return ParseError("/proc/diskstats", number, "ends before the device name");
    }
    if (count == out->size()) {
      out->emplace_back();
    }
    DiskStat& disk = (*out)[count++];
    disk.device.assign(device.data(), device.size());
    disk.fields.fill(0);
    for (std::uint64_t& value : disk.fields) {
      absl::string_view field;
      if (!NextField(&line, &field)) {
        break;
      }
      if (!ParseUint(field, &value)) {
        return ParseError("/proc/diskstats", number, absl::StrCat("\"", field, "\" is not a number"));
      }
    }
  }
  out->resize(count);
  return absl::OkStatus();
}

DiskstatsSource::DiskstatsSource(absl::string_view root)
    : root_(root), file_(root, "/proc/diskstats"), series_(MetricNames()) {}

bool DiskstatsSource::IsWholeDevice(const std::string& device) {
  const auto known = whole_.find(device);
  if (known != whole_.end()) {
    return known->second;
  }
  // Partitions have no folder of their own below /sys/block. A '/' in a name stands as '!' there.
  std::string name = device;
  for (char& c : name) {
    c = c == '/' ? '!' : c;
  }
  const bool sys_is_there = access(absl::StrCat(root_, "/sys/block").c_str(), F_OK) == 0;
  const bool whole = !sys_is_there || access(absl::StrCat(root_, "/sys/block/", name).c_str(), F_OK) == 0;
  if (whole_.size() < 4096) {
    whole_[device] = whole;
  }
  return whole;
}

absl::Status DiskstatsSource::Sample(absl::Time /*now*/, Recorder& recorder) {
  ASSIGN_OR_RETURN(const absl::string_view text, file_.Read());
  RETURN_IF_ERROR(ParseDiskstats(text, &disks_));
  for (const DiskStat& disk : disks_) {
    const bool virtual_device = absl::StartsWith(disk.device, "loop") || absl::StartsWith(disk.device, "ram");
    const bool used = disk.fields[0] + disk.fields[4] > 0;
    if ((virtual_device && !used) || !IsWholeDevice(disk.device)) {
      continue;
    }
    const std::vector<SeriesHandle>& series = series_.For(recorder, disk.device);
    for (std::size_t i = 0; i < std::size(kColumns); ++i) {
      const std::uint64_t value = disk.fields[kColumns[i].field] * kColumns[i].factor;
      if (kColumns[i].field == kInFlight) {
        recorder.Gauge(series[i], static_cast<std::int64_t>(value));
      } else {
        recorder.Counter(series[i], value);
      }
    }
  }
  series_.RemoveUnseen(recorder);
  return absl::OkStatus();
}

}  // namespace ppmm
