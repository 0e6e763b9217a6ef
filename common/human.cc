#include "common/human.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ppmm {
namespace {

// One decimal below ten, none above.
std::string Short(double value) {
  return value < 9.95 ? absl::StrFormat("%.1f", value) : absl::StrFormat("%.0f", value);
}

}  // namespace

std::string HumanSeconds(double seconds) {
  if (!(seconds >= 0)) {
    return "-";
  }
  if (seconds < 100e-6) {
    return absl::StrFormat("%.0f \u00b5s", seconds * 1e6);
  }
  if (seconds < 0.9995) {
    return absl::StrCat(Short(seconds * 1e3), " ms");
  }
  if (seconds < 99.5) {
    return absl::StrCat(Short(seconds), " s");
  }
  if (seconds < 5400) {
    return absl::StrFormat("%.0f min", seconds / 60);
  }
  return absl::StrCat(Short(seconds / 3600), " h");
}

std::string HumanBytes(double bytes) {
  if (!(bytes >= 0)) {
    return "-";
  }
  if (bytes < 1024) {
    return absl::StrFormat("%.0f B", bytes);
  }
  constexpr std::array<const char*, 5> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  size_t unit = 0;
  double value = bytes / 1024;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return absl::StrCat(value < 99.95 ? absl::StrFormat("%.1f", value) : absl::StrFormat("%.0f", value), " ",
                      kUnits[unit]);
}

std::string HumanNumber(double number) {
  if (!(number >= 0)) {
    return "-";
  }
  if (number == 0) {
    return "0";
  }
  if (number < 0.005) {
    return "<0.01";
  }
  if (number < 0.095) {
    return absl::StrFormat("%.2f", number);
  }
  if (number < 9.95) {
    const std::string text = absl::StrFormat("%.1f", number);
    return text.substr(text.size() - 2) == ".0" ? text.substr(0, text.size() - 2) : text;
  }
  const std::string digits = absl::StrFormat("%.0f", number);
  std::string grouped;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) {
      grouped.push_back(',');
    }
    grouped.push_back(digits[i]);
  }
  return grouped;
}

std::string HumanPercent(double ratio) {
  if (std::isnan(ratio)) {
    return "-";
  }
  const double percent = ratio * 100;
  if (percent > 0 && percent < 1) {
    const double cut = std::floor(percent * 100 + 1e-6) / 100;
    return cut > 0 ? absl::StrCat(cut, " %") : "<0.01 %";
  }
  if (percent >= 99 && percent < 100) {
    const double cut = std::floor(percent * 100 + 1e-6) / 100;
    return absl::StrCat(cut, " %");
  }
  return absl::StrFormat("%.0f %%", percent);
}

std::string HumanCount(std::optional<std::int64_t> count, absl::string_view singular, absl::string_view plural) {
  const std::string many = plural.empty() ? absl::StrCat(singular, "s") : std::string(plural);
  return absl::StrCat(count.has_value() ? HumanNumber(static_cast<double>(*count)) : "-", " ",
                      count == 1 ? singular : absl::string_view(many));
}

std::string HumanCores(double cores) {
  if (!(cores >= 0)) {
    return "-";
  }
  if (cores > 0 && cores < 0.005) {
    return "<0.01";
  }
  return cores < 9.995 ? absl::StrFormat("%.2f", cores) : absl::StrFormat("%.1f", cores);
}

std::string HumanDuration(absl::Duration duration) {
  absl::Duration step = absl::Nanoseconds(1);
  while (absl::AbsDuration(duration) >= 1000 * step && step < absl::Seconds(1)) {
    step *= 10;
  }
  return absl::FormatDuration(duration < absl::ZeroDuration() ? -absl::Floor(-duration + step / 2, step)
                                                              : absl::Floor(duration + step / 2, step));
}

std::string HumanAge(absl::Time then, absl::Time now) {
  const double seconds = absl::ToDoubleSeconds(now - then);
  if (seconds < 2) {
    return "now";
  }
  if (seconds < 90) {
    return absl::StrFormat("%.0f s ago", seconds);
  }
  if (seconds < 5400) {
    return absl::StrFormat("%.0f min ago", seconds / 60);
  }
  if (seconds < 172800) {
    return absl::StrFormat("%.0f h ago", seconds / 3600);
  }
  return absl::StrFormat("%.0f d ago", std::floor(seconds / 86400));
}

std::string HumanWork(double minutes) {
  if (!(minutes >= 0)) {
    return "-";
  }
  const auto whole = static_cast<long long>(std::max(1.0, std::min(std::round(minutes), 1e9)));
  const long long hours = whole / 60;
  const long long rest = whole % 60;
  return absl::StrCat(hours > 0 ? absl::StrCat(hours, " h") : "", hours > 0 && rest > 0 ? " " : "",
                      rest > 0 ? absl::StrCat(rest, " min") : "");
}

}  // namespace ppmm
