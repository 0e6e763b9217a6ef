// What a host's minute rows say of its resources: for each the mean use of the busiest hour of a day. The resources are
// its CPUs together, its memory, each disk (busy time), each file system (space, and file nodes) and each network
// device whose speed is known. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

#include "collector/forecast/line.h"
#include "collector/minute_row.h"
#include "collector/store/rows.h"
#include "common/metrics.h"

namespace ppmm {

// A resource of a host and the series that tell its use.
struct ResourceSeries {
  enum class Measure : std::uint8_t { kCpu, kMemory, kDiskTime, kSpace, kFileNodes, kTraffic };
  Measure measure = Measure::kCpu;
  // Names it for ever: that of a disk's busy time, of a file system's size or nodes, of received bytes; 0 for the CPUs
  // and the memory, of which a host has one.
  SeriesId name = 0;
  std::string device;  // tells the resources of one measure apart
  // By measure, 0: there is none. kMemory: available, total; kDiskTime: busy time; kSpace: size, free, available,
  // read-only; kFileNodes: all, free, read-only; kTraffic: received, sent, speed.
  std::vector<SeriesId> series;
  // kCpu: of each CPU the idle mode; waiting for a disk; all other modes.
  std::vector<SeriesId> idle;
  std::vector<SeriesId> waiting;
  std::vector<SeriesId> busy;
};

Resource ResourceOf(ResourceSeries::Measure measure);

// Adds a series of a host to its resources, and a new resource where it is the first of one. Series that say nothing of
// a resource are ignored. Shape: `labels` are its label values.
void AddResourceSeries(const Metric& metric, const std::vector<absl::string_view>& labels, SeriesId id,
                       std::vector<ResourceSeries>& resources);

// The resources of one host over one day.
class HostUse {
 public:
  // `resources` outlives this.
  explicit HostUse(const std::vector<ResourceSeries>* resources) : resources_(resources), days_(resources->size()) {}

  // Shape: `minute` of the day, rising. A minute that was lived twice, or with less than half of the expected samples
  // of a kind, says nothing of that kind.
  void Add(std::int64_t minute, const MinuteRow& row);

  // The values of the day, of each resource that has one: some hour had half of its minutes.
  // Units: of `used` and `capacity` those of ForecastRow.
  std::vector<std::pair<const ResourceSeries*, DayUse>> Values(Day day) const;

 private:
  struct ResourceDay {
    std::int64_t from_minute = -1;
    std::int64_t hour = -1;
    std::int64_t minutes = 0;  // of the hour
    double sum = 0;            // of what they used
    double busiest = -1;       // mean of an hour
    double capacity = 0;       // the latest

    void Add(std::int64_t minute, double used, double minute_capacity);
    double BusiestHour() const;
  };

  const std::vector<ResourceSeries>* resources_;
  std::vector<ResourceDay> days_;  // as *resources_
};

}  // namespace ppmm
