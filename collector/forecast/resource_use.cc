#include "collector/forecast/resource_use.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"

namespace ppmm {
namespace {

using Measure = ResourceSeries::Measure;

constexpr std::int64_t kMinutesOfAnHour = 60;
constexpr std::int64_t kEnoughMinutes = 30;
constexpr double kMillisecondsOfAMinute = 60'000;
constexpr double kSecondsOfAMinute = 60;

// Where a metric stands in ResourceSeries::series.
struct Place {
  absl::string_view metric;
  Measure measure;
  std::size_t at;
};

constexpr Place kPlaces[] = {
    {"ppmm_host_memory_mem_available_bytes", Measure::kMemory, 0},
    {"ppmm_host_memory_mem_total_bytes", Measure::kMemory, 1},
    {"ppmm_host_disk_io_time_seconds_total", Measure::kDiskTime, 0},
    {"ppmm_host_filesystem_size_bytes", Measure::kSpace, 0},
    {"ppmm_host_filesystem_free_bytes", Measure::kSpace, 1},
    {"ppmm_host_filesystem_avail_bytes", Measure::kSpace, 2},
    {"ppmm_host_filesystem_readonly", Measure::kSpace, 3},
    {"ppmm_host_filesystem_files", Measure::kFileNodes, 0},
    {"ppmm_host_filesystem_files_free", Measure::kFileNodes, 1},
    {"ppmm_host_filesystem_readonly", Measure::kFileNodes, 2},
    {"ppmm_host_network_receive_bytes_total", Measure::kTraffic, 0},
    {"ppmm_host_network_transmit_bytes_total", Measure::kTraffic, 1},
    {"ppmm_host_network_speed_bytes", Measure::kTraffic, 2},
};
constexpr std::size_t kMostSeries = 4;

ResourceSeries& Find(Measure measure, const std::string& device, std::vector<ResourceSeries>& resources) {
  for (ResourceSeries& resource : resources) {
    if (resource.measure == measure && resource.device == device) {
      return resource;
    }
  }
  ResourceSeries& added = resources.emplace_back();
  added.measure = measure;
  added.device = device;
  added.series.resize(kMostSeries);
  return added;
}

double SumOf(const MinuteRow& row, const std::vector<SeriesId>& series) {
  double sum = 0;
  for (const SeriesId id : series) {
    const Rollup* const rollup = row.Find(id);
    sum += rollup == nullptr ? 0 : static_cast<double>(rollup->sum);
  }
  return sum;
}

// What a resource used in one minute, and of what.
struct Use {
  double used = 0;
  double capacity = 0;
};

std::optional<Use> CpuUse(const ResourceSeries& resource, const MinuteRow& row) {
  std::int64_t cpus = 0;  // those that are on
  for (const SeriesId id : resource.idle) {
    cpus += row.Find(id) != nullptr ? 1 : 0;
  }
  const double busy = SumOf(row, resource.busy);
  const double all = busy + SumOf(row, resource.idle) + SumOf(row, resource.waiting);
  if (cpus == 0 || all <= 0) {
    return std::nullopt;
  }
  const double capacity = kMillionths * static_cast<double>(cpus);
  return Use{busy / all * capacity, capacity};
}

// Means of the gauges of a resource; nothing for those without a sample.
class Gauges {
 public:
  Gauges(const ResourceSeries& resource, const MinuteRow& row) {
    for (std::size_t i = 0; i < kMostSeries; ++i) {
      const Rollup* const rollup = resource.series[i] == 0 ? nullptr : row.Find(resource.series[i]);
      if (rollup != nullptr && rollup->count > 0) {
        means_[i] = static_cast<double>(rollup->sum) / rollup->count;
      }
    }
  }
  bool Has(std::size_t count) const {
    return std::all_of(means_.begin(), means_.begin() + static_cast<std::ptrdiff_t>(count),
                       [](const std::optional<double>& mean) { return mean.has_value(); });
  }
  double operator[](std::size_t i) const { return means_[i].value_or(0); }

 private:
  std::array<std::optional<double>, kMostSeries> means_;
};

// `part`: of the minute that the samples of its kind cover; increments are spread over so much of it.
std::optional<Use> UseOf(const ResourceSeries& resource, const MinuteRow& row, double part) {
  switch (resource.measure) {
    case Measure::kCpu:
      return CpuUse(resource, row);
    case Measure::kMemory: {
      const Gauges gauges(resource, row);
      return gauges.Has(2) ? std::optional<Use>({gauges[1] - gauges[0], gauges[1]}) : std::nullopt;
    }
    case Measure::kDiskTime: {
      const Rollup* const rollup = row.Find(resource.series[0]);
      return rollup != nullptr
                 ? std::optional<Use>(
                       {static_cast<double>(rollup->sum) / (kMillisecondsOfAMinute * part) * kMillionths, kMillionths})
                 : std::nullopt;
    }
    case Measure::kSpace: {
      const Gauges gauges(resource, row);
      // As df counts: what is reserved for root is neither used nor capacity.
      const double used = gauges[0] - gauges[1];
      return gauges.Has(3) && gauges[3] <= 0 ? std::optional<Use>({used, used + gauges[2]}) : std::nullopt;
    }
    case Measure::kFileNodes: {
      const Gauges gauges(resource, row);
      return gauges.Has(2) && gauges[2] <= 0 ? std::optional<Use>({gauges[0] - gauges[1], gauges[0]}) : std::nullopt;
    }
    case Measure::kTraffic: {
      const double received = SumOf(row, {resource.series[0]});
      const double sent = SumOf(row, {resource.series[1]});
      return Use{std::max(received, sent) / (kSecondsOfAMinute * part), Gauges(resource, row)[2]};
    }
  }
  return std::nullopt;
}

}  // namespace

Resource ResourceOf(ResourceSeries::Measure measure) {
  switch (measure) {
    case Measure::kCpu:
      return Resource::kCpu;
    case Measure::kMemory:
      return Resource::kMemory;
    case Measure::kDiskTime:
    case Measure::kSpace:
    case Measure::kFileNodes:
      return Resource::kDisk;
    case Measure::kTraffic:
      return Resource::kNetwork;
  }
  return Resource::kNone;
}

void AddResourceSeries(const Metric& metric, const std::vector<absl::string_view>& labels, SeriesId id,
                       std::vector<ResourceSeries>& resources) {
  if (metric.name == "ppmm_host_cpu_seconds_total") {
    if (labels.size() == 2 && !absl::StartsWith(labels[1], "guest")) {  // they run in the time of `user` and `nice`
      ResourceSeries& cpus = Find(Measure::kCpu, "", resources);
      (labels[1] == "idle" ? cpus.idle : labels[1] == "iowait" ? cpus.waiting : cpus.busy).push_back(id);
    }
    return;
  }
  for (const Place& place : kPlaces) {
    if (place.metric == metric.name) {
      ResourceSeries& resource = Find(place.measure, absl::StrJoin(labels, "\x1f"), resources);
      resource.series[place.at] = id;
      if (place.at == 0 && place.measure != Measure::kMemory) {
        resource.name = id;
      }
    }
  }
}

void HostUse::ResourceDay::Add(std::int64_t minute, double used, double minute_capacity) {
  from_minute = from_minute < 0 ? minute : from_minute;
  if (minute / kMinutesOfAnHour != hour) {
    busiest = BusiestHour();
    hour = minute / kMinutesOfAnHour;
    minutes = 0;
    sum = 0;
  }
  ++minutes;
  sum += used;
  capacity = minute_capacity > 0 ? minute_capacity : capacity;
}

double HostUse::ResourceDay::BusiestHour() const {
  return minutes < kEnoughMinutes ? busiest : std::max(busiest, sum / static_cast<double>(minutes));
}

void HostUse::Add(std::int64_t minute, const MinuteRow& row) {
  if ((row.flags & MinuteRow::kTwice) != 0) {
    return;
  }
  std::array<std::uint64_t, 5> samples{};
  for (const ResourceSeries& resource : *resources_) {
    // The series that count as utilization of a disk and a device; file systems are no part of what is expected.
    const std::size_t counted = resource.measure == Measure::kTraffic    ? 2
                                : resource.measure == Measure::kDiskTime ? 1
                                                                         : 0;
    for (std::size_t i = 0; i < counted; ++i) {
      const Rollup* const rollup = row.Find(resource.series[i]);
      samples[static_cast<std::size_t>(ResourceOf(resource.measure))] += rollup == nullptr ? 0 : rollup->count;
    }
  }
  for (std::size_t i = 0; i < resources_->size(); ++i) {
    const ResourceSeries& resource = (*resources_)[i];
    const auto kind = static_cast<std::size_t>(ResourceOf(resource.measure));
    double part = 1;
    if (resource.measure == Measure::kDiskTime || resource.measure == Measure::kTraffic) {
      const std::uint32_t expected = row.expected[kind];
      part = expected == 0 ? 0 : std::min(1.0, static_cast<double>(samples[kind]) / expected);
    }
    if (part < 0.5) {
      continue;
    }
    if (const std::optional<Use> use = UseOf(resource, row, part); use.has_value()) {
      days_[i].Add(minute, use->used, use->capacity);
    }
  }
}

std::vector<std::pair<const ResourceSeries*, DayUse>> HostUse::Values(Day day) const {
  std::vector<std::pair<const ResourceSeries*, DayUse>> values;
  for (std::size_t i = 0; i < days_.size(); ++i) {
    const double busiest = days_[i].BusiestHour();
    if (busiest >= 0 && days_[i].capacity > 0) {
      values.push_back({&(*resources_)[i], {day, days_[i].from_minute, busiest, days_[i].capacity}});
    }
  }
  return values;
}

}  // namespace ppmm
