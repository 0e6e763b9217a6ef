// What forecasts cost the collector, once a day: the lines of a fleet, and the minute rows of a host. docs/forecast.md
// quotes the figures.
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

#include "benchmark/benchmark.h"
#include "collector/forecast/day_forecasts.h"

namespace ppmm {
namespace {

constexpr Day kDay = 20000;
constexpr int kResources = 8;

// CPU, memory, two disks, three file systems, one network device; days that rise, fall, rest, or jump, with noise.
double UseOf(std::uint32_t host, int resource, int day) {
  const double noise = std::sin(12.9898 * day + 78.233 * resource + host);
  const double share = 0.3 + 0.004 * ((static_cast<int>(host) + resource) % 4 - 1) * day + 0.02 * noise;
  return (share + ((host + static_cast<std::uint32_t>(resource)) % 10 == 0 && day > 15 ? 0.2 : 0)) * 1e12;
}

void BM_ForecastDay(benchmark::State& state) {
  const auto hosts = static_cast<HostKey>(state.range(0));
  std::vector<ResourceSeries> resources(kResources);
  std::vector<ForecastRow> earlier;
  std::map<HostKey, HostValues> values;
  for (HostKey host = 1; host <= hosts; ++host) {
    for (int i = 0; i < kResources; ++i) {
      ResourceSeries& resource = resources[static_cast<std::size_t>(i)];
      resource.measure = ResourceSeries::Measure::kSpace;
      resource.name = static_cast<SeriesId>(i + 1);
      for (int day = 1; day < kForecastWindowDays; ++day) {
        ForecastRow row;
        row.day = kDay - kForecastWindowDays + day;
        row.host = host;
        row.kind = 3;
        row.series = resource.name;
        row.used = std::llround(UseOf(host, i, day));
        row.capacity = 1'000'000'000'000;
        earlier.push_back(row);
      }
      values[host].push_back({&resource, {kDay, 0, UseOf(host, i, kForecastWindowDays), 1e12}});
    }
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(ForecastDay(kDay, values, earlier));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(hosts) * kResources);
}
BENCHMARK(BM_ForecastDay)->Arg(1000)->Arg(10'000)->Unit(benchmark::kMillisecond);

// A host of 4 CPUs, 2 disks, 3 file systems and 2 network devices, one minute row after the other.
void BM_HostMinute(benchmark::State& state) {
  std::vector<ResourceSeries> resources;
  MinuteRow row;
  SeriesId id = 0;
  const auto add = [&](absl::string_view metric, const std::vector<absl::string_view>& labels, std::int64_t value) {
    AddResourceSeries(MetricNamed(metric), labels, ++id, resources);
    for (std::uint8_t step = 0; step < 6; ++step) {
      row.Add(id, value, step);
    }
  };
  row.expected = {0, 192, 12, 12, 24};
  for (const absl::string_view cpu : {"0", "1", "2", "3"}) {
    for (const absl::string_view mode : {"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"}) {
      add("ppmm_host_cpu_seconds_total", {cpu, mode}, 125);
    }
  }
  add("ppmm_host_memory_mem_available_bytes", {}, 3'000'000'000);
  add("ppmm_host_memory_mem_total_bytes", {}, 8'000'000'000);
  for (const absl::string_view disk : {"sda", "sdb"}) {
    add("ppmm_host_disk_io_time_seconds_total", {disk}, 1000);
  }
  for (const absl::string_view mount : {"/", "/var", "/home"}) {
    for (const absl::string_view metric : {"size_bytes", "free_bytes", "avail_bytes", "files", "files_free"}) {
      add(absl::StrCat("ppmm_host_filesystem_", metric), {"/dev/sda1", "ext4", mount}, 1'000'000'000);
    }
  }
  for (const absl::string_view device : {"eth0", "eth1"}) {
    for (const absl::string_view metric : {"receive_bytes_total", "transmit_bytes_total", "speed_bytes"}) {
      add(absl::StrCat("ppmm_host_network_", metric), {device}, 125'000'000);
    }
  }
  std::int64_t minute = 0;
  HostUse use(&resources);
  for (auto _ : state) {
    use.Add(minute++ % 1440, row);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_HostMinute);

}  // namespace
}  // namespace ppmm
