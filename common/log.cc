#include "common/log.h"

#include <memory>

#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace ppmm {
namespace {

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>("ppmm", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *logger;
}

spdlog::level::level_enum Translate(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

absl::Status SetLogLevel(absl::string_view name) {
  for (const auto& [known, level] : {std::pair<absl::string_view, LogLevel>{"debug", LogLevel::kDebug},
                                     {"info", LogLevel::kInfo},
                                     {"warning", LogLevel::kWarning},
                                     {"error", LogLevel::kError}}) {
    if (name == known) {
      Logger().set_level(Translate(level));
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("log level \"", name, "\" is not one of debug, info, warning, error"));
}

void LogLine(LogLevel level, absl::string_view component, absl::string_view message) {
  const spdlog::level::level_enum translated = Translate(level);
  if (!Logger().should_log(translated)) {
    return;
  }
  const std::string line = absl::StrCat(component, ": ", EscapeForDisplay(message, 4096));
  Logger().log(translated, spdlog::string_view_t(line.data(), line.size()));
}

std::int64_t LogLimiter::Allow(absl::Time now) {
  const std::int64_t now_us = absl::ToUnixMicros(now);
  const std::int64_t events = events_.fetch_add(1, std::memory_order_relaxed) + 1;
  std::int64_t next = next_us_.load(std::memory_order_relaxed);
  if (now_us < next || !next_us_.compare_exchange_strong(next, now_us + period_us_)) {
    return 0;
  }
  events_.fetch_sub(events, std::memory_order_relaxed);
  return events;
}

}  // namespace ppmm
