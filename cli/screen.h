// What the output goes to: its width, whether it takes colour, the time and zone of what is printed. Rendering is pure:
// JSON and a Screen in, text out.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "common/output_width.h"
#include "common/text.h"

namespace ppmm {

enum class Tone { kPlain, kHeading, kGood, kBad, kWarning, kDim };

struct Screen {
  static constexpr int kNarrowest = kNarrowestOutput;

  int width = kNarrowest;
  bool colour = false;
  absl::Time now;
  absl::TimeZone zone = absl::UTCTimeZone();
};

// The screen of standard output: a terminal's width, at least 80 columns, and colour unless NO_COLOR is set; for a pipe
// as many as COLUMNS says, else 120, and plain.
Screen ScreenOfStdout(absl::Time now);

// The text in a tone; unchanged without colour.
std::string Toned(const Screen& screen, Tone tone, absl::string_view text);

// Words filled into lines of the screen's width, each indented; the first line comes without indent, after `used`
// columns. No line feed at the end.
std::string Wrap(absl::string_view text, int width, int indent, int used);

// A date in the screen's zone: "29 Nov", with the year where it is not this one.
std::string DateText(const Screen& screen, absl::Time time);
// "29 Nov 14:02 UTC".
std::string DateTimeText(const Screen& screen, absl::Time time);

}  // namespace ppmm
