// A source whose samples tell by their values which ones arrived: kill_test.py.
//
// Each step is noted in the file that PPMM_COUNTED names, 8 bytes each, before it is recorded. The counter grows by
// one. The gauge is 2^(second of the minute), so the sum of a minute is the set of its seconds: one that is missing
// leaves its bit at 0, one that counts twice carries into the next.
//
// With PPMM_BALLAST=N each step brings N more gauges of random bits, so that the spool's segments fill within seconds.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "agent/extra_sources.h"
#include "common/metrics.h"
#include "common/status.h"

namespace ppmm {
namespace {

class CountingSource : public Source {
 public:
  explicit CountingSource(const char* path) : fd_(open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {}
  ~CountingSource() override { close(fd_); }

  absl::string_view name() const override { return "counting"; }
  absl::Status Sample(absl::Time now, Recorder& recorder) override {
    const std::int64_t second = absl::ToUnixSeconds(now);
    if (write(fd_, &second, sizeof second) != sizeof second) {
      return ErrnoStatus(errno, "PPMM_COUNTED");
    }
    if (counter_ == 0) {
      counter_ =
          recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_network_receive_packets_total"), {"counted"});
      gauge_ = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_filesystem_size_bytes"),
                                  {"counted", "counted", "counted"});
    }
    recorder.Increment(counter_, 1);
    recorder.Gauge(gauge_, std::int64_t{1} << (second % 60));
    return absl::OkStatus();
  }

 private:
  const int fd_;
  SeriesHandle counter_ = 0;
  SeriesHandle gauge_ = 0;
};

class BallastSource : public Source {
 public:
  explicit BallastSource(int series) : series_(series) {}

  absl::string_view name() const override { return "ballast"; }
  absl::Status Sample(absl::Time /*now*/, Recorder& recorder) override {
    for (std::size_t i = 0; i < series_.size(); ++i) {
      if (series_[i] == 0) {
        series_[i] = recorder.AddSeries(recorder.host(), MetricNamed("ppmm_host_filesystem_size_bytes"),
                                        {"ballast", std::to_string(i), "ballast"});
      }
      recorder.Gauge(series_[i], static_cast<std::int64_t>(random_() >> 1U));
    }
    return absl::OkStatus();
  }

 private:
  std::vector<SeriesHandle> series_;
  std::mt19937_64 random_;
};

}  // namespace

std::vector<std::unique_ptr<Source>> ExtraSources() {
  std::vector<std::unique_ptr<Source>> sources;
  if (const char* path = std::getenv("PPMM_COUNTED"); path != nullptr) {
    sources.push_back(std::make_unique<CountingSource>(path));
  }
  if (const char* series = std::getenv("PPMM_BALLAST"); series != nullptr) {
    sources.push_back(std::make_unique<BallastSource>(std::atoi(series)));
  }
  return sources;
}

}  // namespace ppmm
