#include "common/units.h"

#include <cmath>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "common/log.h"

namespace ppmm {
namespace {

constexpr absl::string_view kDurationForm = "write a duration as 500ms, 10s, 5m, 72h or 30d";
constexpr absl::string_view kSizeForm = "write a size as 512B, 64KiB, 128MiB or 2GiB";
constexpr absl::Duration kLongest = absl::Hours(24 * 365 * 1000LL);

struct DurationUnit {
  absl::string_view name;
  absl::Duration value;
};
constexpr DurationUnit kDurationUnits[] = {{"us", absl::Microseconds(1)}, {"ms", absl::Milliseconds(1)},
                                           {"s", absl::Seconds(1)},       {"m", absl::Minutes(1)},
                                           {"h", absl::Hours(1)},         {"d", absl::Hours(24)}};

struct SizeUnit {
  absl::string_view name;
  std::uint64_t value;
};
constexpr SizeUnit kSizeUnits[] = {
    {"TiB", 1ULL << 40}, {"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"B", 1}};

absl::Status NoMeasure(absl::string_view text, absl::string_view what, absl::string_view form) {
  return absl::InvalidArgumentError(absl::StrCat("\"", EscapeForDisplay(text, 64), "\" ", what, "; ", form));
}

// Takes digits with at most one point from the front of `text`, and the blanks after them. False: there is no number.
bool TakeNumber(absl::string_view* text, double* number) {
  size_t size = 0;
  while (size < text->size() &&
         (absl::ascii_isdigit(static_cast<unsigned char>((*text)[size])) || (*text)[size] == '.')) {
    ++size;
  }
  if (!absl::SimpleAtod(text->substr(0, size), number)) {
    return false;
  }
  *text = absl::StripLeadingAsciiWhitespace(text->substr(size));
  return true;
}

// Takes letters from the front of `text`, and the blanks after them.
absl::string_view TakeWord(absl::string_view* text) {
  size_t size = 0;
  while (size < text->size() && absl::ascii_isalpha(static_cast<unsigned char>((*text)[size]))) {
    ++size;
  }
  const absl::string_view word = text->substr(0, size);
  *text = absl::StripLeadingAsciiWhitespace(text->substr(size));
  return word;
}

}  // namespace

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text) {
  absl::string_view rest = absl::StripAsciiWhitespace(text);
  if (rest.empty()) {
    return NoMeasure(text, "is not a duration", kDurationForm);
  }
  absl::Duration sum;
  while (!rest.empty()) {
    double number = 0;
    if (!TakeNumber(&rest, &number)) {
      return NoMeasure(text, "is not a duration", kDurationForm);
    }
    const absl::string_view name = TakeWord(&rest);
    if (name.empty()) {
      return NoMeasure(text, rest.empty() ? "has no unit" : "is not a duration", kDurationForm);
    }
    const DurationUnit* unit = nullptr;
    for (const DurationUnit& candidate : kDurationUnits) {
      if (candidate.name == name) {
        unit = &candidate;
      }
    }
    if (unit == nullptr) {
      return NoMeasure(text, absl::StrCat("has the unknown unit \"", name, "\""), kDurationForm);
    }
    sum += number * unit->value;
    if (sum > kLongest) {
      return NoMeasure(text, "is longer than 1000 years", kDurationForm);
    }
  }
  return sum;
}

absl::StatusOr<std::uint64_t> ParseByteSize(absl::string_view text) {
  absl::string_view rest = absl::StripAsciiWhitespace(text);
  const absl::string_view digits = rest;
  double number = 0;
  if (!TakeNumber(&rest, &number)) {
    return NoMeasure(text, "is not a size", kSizeForm);
  }
  const absl::string_view name = TakeWord(&rest);
  if (!rest.empty()) {
    return NoMeasure(text, "is not a size", kSizeForm);
  }
  if (name.empty()) {
    return NoMeasure(text, "has no unit", kSizeForm);
  }
  for (const SizeUnit& unit : kSizeUnits) {
    if (unit.name != name) {
      continue;
    }
    // A double is exact up to 2^53; plain bytes may be more.
    std::uint64_t whole = 0;
    if (unit.value == 1 && absl::SimpleAtoi(digits.substr(0, digits.find_first_not_of("0123456789")), &whole) &&
        static_cast<double>(whole) == number) {
      return whole;
    }
    const double bytes = number * static_cast<double>(unit.value);
    if (bytes != std::floor(bytes)) {
      return NoMeasure(text, "is no whole number of bytes", kSizeForm);
    }
    if (bytes >= 18446744073709551616.0) {
      return NoMeasure(text, "is larger than any file", kSizeForm);
    }
    return static_cast<std::uint64_t>(bytes);
  }
  return NoMeasure(text, absl::StrCat("has the unknown unit \"", name, "\""), kSizeForm);
}

std::string FormatByteSize(std::uint64_t bytes) {
  for (const SizeUnit& unit : kSizeUnits) {
    if (bytes % unit.value == 0 && bytes >= unit.value) {
      return absl::StrCat(bytes / unit.value, unit.name);
    }
  }
  return "0B";
}

}  // namespace ppmm
