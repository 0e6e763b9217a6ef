// One structured line per event on stderr: `time level component message`. Thread-safe. spdlog stays in log.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "common/text.h"

namespace ppmm {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Errors: InvalidArgument names the levels: debug, info, warning, error.
absl::Status SetLogLevel(absl::string_view name);

// Writes one line; control characters in `message` are escaped, so that a hostile name cannot forge a line.
void LogLine(LogLevel level, absl::string_view component, absl::string_view message);

template <class... Args>
void LogDebug(absl::string_view component, const Args&... args) {
  LogLine(LogLevel::kDebug, component, absl::StrCat(args...));
}
template <class... Args>
void LogInfo(absl::string_view component, const Args&... args) {
  LogLine(LogLevel::kInfo, component, absl::StrCat(args...));
}
template <class... Args>
void LogWarning(absl::string_view component, const Args&... args) {
  LogLine(LogLevel::kWarning, component, absl::StrCat(args...));
}
template <class... Args>
void LogError(absl::string_view component, const Args&... args) {
  LogLine(LogLevel::kError, component, absl::StrCat(args...));
}

// Lets one line through per period and counts the others. A static or member per place. Thread-safe.
//   if (auto n = limiter_.Allow(now)) LogWarning("spool", "disk full (", *n - 1, " lines suppressed)");
class LogLimiter {
 public:
  explicit LogLimiter(absl::Duration period) : period_us_(absl::ToInt64Microseconds(period)) {}
  // 0: keep silent. n: write, this line stands for n events.
  std::int64_t Allow(absl::Time now);

 private:
  const std::int64_t period_us_;
  std::atomic<std::int64_t> next_us_{0};
  std::atomic<std::int64_t> events_{0};
};

}  // namespace ppmm
