// One structured line per event on stderr: `time level component message`. Thread-safe. spdlog stays in log.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

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

// Escapes what is not printable UTF-8: control characters as \xNN, invalid bytes as \xNN. For names that come from
// outside (process names, paths, hosts). Shape: at most `max_bytes` bytes of result, cut at a character.
std::string EscapeForDisplay(absl::string_view text, size_t max_bytes = 256);

}  // namespace ppmm
