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

// Length of the valid UTF-8 character that begins at `at`, 0 if there is none (overlong forms and surrogates included).
size_t CharacterLength(absl::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  size_t length = 0;
  if (first < 0x80) {
    return 1;
  }
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
  } else {
    return 0;
  }
  if (at + length > text.size()) {
    return 0;
  }
  for (size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) {
      return 0;
    }
  }
  const unsigned char second = byte(at + 1);
  const bool bad = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
                   (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
  return bad ? 0 : length;
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

std::string EscapeForDisplay(absl::string_view text, size_t max_bytes) {
  std::string out;
  out.reserve(std::min(text.size(), max_bytes));
  for (size_t at = 0; at < text.size();) {
    const size_t length = CharacterLength(text, at);
    const auto byte = static_cast<unsigned char>(text[at]);
    const bool c1_control = length == 2 && byte == 0xC2 && static_cast<unsigned char>(text[at + 1]) < 0xA0;
    const bool printable = length > 0 && byte >= 0x20 && byte != 0x7F && !c1_control;
    const size_t step = length == 0 ? 1 : length;
    std::string piece;
    if (printable) {
      piece = std::string(text.substr(at, length));
    } else {
      for (size_t i = 0; i < step; ++i) {
        absl::StrAppend(&piece, "\\x", absl::Hex(static_cast<unsigned char>(text[at + i]), absl::kZeroPad2));
      }
    }
    if (out.size() + piece.size() > max_bytes) {
      break;
    }
    out += piece;
    at += step;
  }
  return out;
}

}  // namespace ppmm
