#include "common/clock.h"

#include <ctime>

namespace ppmm {
namespace {

absl::Duration Read(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return absl::DurationFromTimespec(now);
}

}  // namespace

absl::Time RealClock::Now() const {
  return absl::UnixEpoch() + Read(CLOCK_REALTIME);
}

absl::Duration RealClock::SinceBoot() const {
  return Read(CLOCK_BOOTTIME);
}

}  // namespace ppmm
