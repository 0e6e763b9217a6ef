#include "collector/forecast/resource_use.h"

#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

constexpr Day kDay = 20000;

// A host whose series are named as they are added.
class Host {
 public:
  SeriesId Add(absl::string_view metric, const std::vector<absl::string_view>& labels = {}) {
    AddResourceSeries(MetricNamed(metric), labels, ++last_, resources_);
    return last_;
  }
  const std::vector<ResourceSeries>& resources() const { return resources_; }

 private:
  SeriesId last_ = 0;
  std::vector<ResourceSeries> resources_;
};

// The values of a day in which each minute of [from, to) is as `row` says.
std::map<SeriesId, DayUse> Live(const Host& host, int from, int to, const std::function<MinuteRow(int)>& row) {
  HostUse use(&host.resources());
  for (int minute = from; minute < to; ++minute) {
    use.Add(minute, row(minute));
  }
  std::map<SeriesId, DayUse> values;
  for (const auto& [resource, value] : use.Values(kDay)) {
    values[resource->name] = value;
  }
  return values;
}

TEST(ResourceUseTest, CpuIsBusyTimeOfTheCpusThatAreOn) {
  Host host;
  std::vector<SeriesId> series;
  for (const absl::string_view cpu : {"0", "1"}) {
    for (const absl::string_view mode : {"user", "idle", "iowait", "guest"}) {
      series.push_back(host.Add("ppmm_host_cpu_seconds_total", {cpu, mode}));
    }
  }
  const auto values = Live(host, 0, 1440, [&](int minute) {
    MinuteRow row;
    for (const std::size_t cpu : {0U, 4U}) {
      row.Add(series[cpu], minute / 60 == 13 ? 4500 : 600, 0);
      row.Add(series[cpu + 1], minute / 60 == 13 ? 1000 : 5000, 0);
      row.Add(series[cpu + 2], minute / 60 == 13 ? 500 : 400, 0);
      row.Add(series[cpu + 3], 600, 0);  // in user already
    }
    return row;
  });
  ASSERT_EQ(values.size(), 1U);
  EXPECT_EQ(values.at(0).capacity, 2'000'000);
  EXPECT_DOUBLE_EQ(values.at(0).used, 1'500'000) << "the busiest hour";
  EXPECT_EQ(values.at(0).from_minute, 0);
}

TEST(ResourceUseTest, MemoryIsWhatIsNotAvailable) {
  Host host;
  const SeriesId available = host.Add("ppmm_host_memory_mem_available_bytes");
  const SeriesId total = host.Add("ppmm_host_memory_mem_total_bytes");
  const auto values = Live(host, 100, 200, [&](int) {
    MinuteRow row;
    row.Add(available, 3000, 0);
    row.Add(available, 1000, 30);
    row.Add(total, 8000, 0);
    return row;
  });
  EXPECT_EQ(values.at(0).used, 6000);
  EXPECT_EQ(values.at(0).capacity, 8000);
  EXPECT_EQ(values.at(0).from_minute, 100);
}

TEST(ResourceUseTest, DisksAreBusyForAPartOfTheCoveredMinute) {
  Host host;
  const SeriesId sda = host.Add("ppmm_host_disk_io_time_seconds_total", {"sda"});
  const SeriesId sdb = host.Add("ppmm_host_disk_io_time_seconds_total", {"sdb"});
  const auto row = [&](int samples) {
    MinuteRow minute;
    minute.expected[static_cast<std::size_t>(Resource::kDisk)] = 12;
    for (int i = 0; i < samples; ++i) {
      minute.Add(sda, 5000, static_cast<std::uint8_t>(10 * i));
      minute.Add(sdb, 0, static_cast<std::uint8_t>(10 * i));
    }
    return minute;
  };
  EXPECT_DOUBLE_EQ(Live(host, 0, 60, [&](int) { return row(6); }).at(sda).used, 500'000);
  EXPECT_DOUBLE_EQ(Live(host, 0, 60, [&](int) { return row(3); }).at(sda).used, 500'000) << "half a minute";
  EXPECT_EQ(Live(host, 0, 60, [&](int) { return row(6); }).at(sdb).used, 0);
  EXPECT_TRUE(Live(host, 0, 60, [&](int) { return row(2); }).empty()) << "not covered";
}

TEST(ResourceUseTest, FileSystemsAreAsFullAsDfSaysInSpaceAndInNodes) {
  Host host;
  const std::vector<absl::string_view> labels = {"/dev/sda1", "ext4", "/var"};
  const SeriesId size = host.Add("ppmm_host_filesystem_size_bytes", labels);
  const SeriesId free = host.Add("ppmm_host_filesystem_free_bytes", labels);
  const SeriesId available = host.Add("ppmm_host_filesystem_avail_bytes", labels);
  const SeriesId read_only = host.Add("ppmm_host_filesystem_readonly", labels);
  const SeriesId files = host.Add("ppmm_host_filesystem_files", labels);
  const SeriesId files_free = host.Add("ppmm_host_filesystem_files_free", labels);
  const auto row = [&](std::int64_t only) {
    MinuteRow minute;
    minute.Add(size, 1000, 0);
    minute.Add(free, 400, 0);
    minute.Add(available, 350, 0);
    minute.Add(read_only, only, 0);
    minute.Add(files, 100, 0);
    minute.Add(files_free, 1, 0);
    return minute;
  };
  const auto values = Live(host, 0, 60, [&](int) { return row(0); });
  EXPECT_EQ(values.at(size).used, 600);
  EXPECT_EQ(values.at(size).capacity, 950) << "the share of root is no capacity";
  EXPECT_EQ(values.at(files).used, 99);
  EXPECT_EQ(values.at(files).capacity, 100);
  EXPECT_TRUE(Live(host, 0, 60, [&](int) { return row(1); }).empty()) << "what is read-only does not fill";
}

TEST(ResourceUseTest, AFileSystemWithoutACountOfNodesHasSpaceOnly) {
  Host host;
  const SeriesId files = host.Add("ppmm_host_filesystem_files", {"/dev/sdb1", "btrfs", "/"});
  const SeriesId files_free = host.Add("ppmm_host_filesystem_files_free", {"/dev/sdb1", "btrfs", "/"});
  EXPECT_TRUE(Live(host, 0, 60, [&](int) {
                MinuteRow row;
                row.Add(files, 0, 0);
                row.Add(files_free, 0, 0);
                return row;
              }).empty());
}

TEST(ResourceUseTest, ANetworkDeviceNeedsASpeed) {
  Host host;
  const SeriesId received = host.Add("ppmm_host_network_receive_bytes_total", {"eth0"});
  const SeriesId sent = host.Add("ppmm_host_network_transmit_bytes_total", {"eth0"});
  const SeriesId speed = host.Add("ppmm_host_network_speed_bytes", {"eth0"});
  const auto row = [&](std::int64_t bytes_per_second) {
    MinuteRow minute;
    minute.expected[static_cast<std::size_t>(Resource::kNetwork)] = 2;
    minute.Add(received, 60 * 100, 0);
    minute.Add(sent, 60 * 700, 0);
    if (bytes_per_second > 0) {
      minute.Add(speed, bytes_per_second, 0);
    }
    return minute;
  };
  const auto values = Live(host, 0, 60, [&](int) { return row(1000); });
  EXPECT_EQ(values.at(received).used, 700) << "the busier direction";
  EXPECT_EQ(values.at(received).capacity, 1000);
  EXPECT_TRUE(Live(host, 0, 60, [&](int) { return row(0); }).empty());
}

TEST(ResourceUseTest, AnHourNeedsHalfOfItsMinutes) {
  Host host;
  const SeriesId available = host.Add("ppmm_host_memory_mem_available_bytes");
  const SeriesId total = host.Add("ppmm_host_memory_mem_total_bytes");
  const auto row = [&](int) {
    MinuteRow minute;
    minute.Add(available, 1000, 0);
    minute.Add(total, 8000, 0);
    return minute;
  };
  EXPECT_TRUE(Live(host, 0, 29, row).empty());
  EXPECT_TRUE(Live(host, 45, 74, row).empty()) << "15 minutes of one, 14 of the next";
  EXPECT_EQ(Live(host, 0, 30, row).size(), 1U);
}

TEST(ResourceUseTest, AMinuteThatWasLivedTwiceSaysNothing) {
  Host host;
  const SeriesId available = host.Add("ppmm_host_memory_mem_available_bytes");
  const SeriesId total = host.Add("ppmm_host_memory_mem_total_bytes");
  EXPECT_TRUE(Live(host, 0, 60, [&](int) {
                MinuteRow row;
                row.flags = MinuteRow::kTwice;
                row.Add(available, 1000, 0);
                row.Add(total, 8000, 0);
                return row;
              }).empty());
}

TEST(ResourceUseTest, SeriesOfOtherThingsAreIgnored) {
  Host host;
  host.Add("ppmm_host_load1");
  host.Add("ppmm_host_memory_cached_bytes");
  EXPECT_TRUE(host.resources().empty());
}

}  // namespace
}  // namespace ppmm
