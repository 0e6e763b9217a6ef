// A source whose samples tell by their values which ones arrived: kill_test.py.
//
// Each step is noted in the file that PPMM_COUNTED names, 8 bytes each, before it is recorded. The counter grows by
// one. The gauge is 2^(second of the minute), so the sum of a minute is the set of its seconds: one that is missing
// leaves its bit at 0, one that counts twice carries into the next.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>

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

}  // namespace

std::vector<std::unique_ptr<Source>> ExtraSources() {
  std::vector<std::unique_ptr<Source>> sources;
  if (const char* path = std::getenv("PPMM_COUNTED"); path != nullptr) {
    sources.push_back(std::make_unique<CountingSource>(path));
  }
  return sources;
}

}  // namespace ppmm
