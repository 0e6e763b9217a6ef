#include "cli/screen.h"

#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "common/output_width.h"

namespace ppmm {
namespace {

absl::string_view CodeOf(Tone tone) {
  switch (tone) {
    case Tone::kPlain:
      return "";
    case Tone::kHeading:
      return "1";
    case Tone::kGood:
      return "32";
    case Tone::kBad:
      return "31";
    case Tone::kWarning:
      return "33";
    case Tone::kDim:
      return "2";
  }
  return "";
}

}  // namespace

Screen ScreenOfStdout(absl::Time now) {
  Screen screen;
  screen.now = now;
  screen.zone = absl::LocalTimeZone();
  screen.width = OutputWidth();
  if (isatty(STDOUT_FILENO) != 0) {
    const char* const no_color = std::getenv("NO_COLOR");
    screen.colour = no_color == nullptr || *no_color == '\0';
  }
  return screen;
}

std::string Toned(const Screen& screen, Tone tone, absl::string_view text) {
  if (!screen.colour || tone == Tone::kPlain || text.empty()) {
    return std::string(text);
  }
  return absl::StrCat("\x1b[", CodeOf(tone), "m", text, "\x1b[0m");
}

std::string Wrap(absl::string_view text, int width, int indent, int used) {
  const std::vector<absl::string_view> words = absl::StrSplit(text, ' ', absl::SkipEmpty());
  std::string out;
  int column = used;
  bool first = true;
  for (const absl::string_view word : words) {
    const int size = DisplayWidth(word);
    if (!first && column + 1 + size > width) {
      absl::StrAppend(&out, "\n", std::string(static_cast<std::size_t>(indent), ' '));
      column = indent;
      first = true;
    }
    if (!first) {
      out.push_back(' ');
      ++column;
    }
    absl::StrAppend(&out, word);
    column += size;
    first = false;
  }
  return out;
}

std::string DateText(const Screen& screen, absl::Time time) {
  const bool this_year = absl::ToCivilYear(time, screen.zone) == absl::ToCivilYear(screen.now, screen.zone);
  return absl::FormatTime(this_year ? "%e %b" : "%e %b %Y", time, screen.zone)
      .substr(absl::FormatTime("%e", time, screen.zone).front() == ' ' ? 1 : 0);
}

std::string DateTimeText(const Screen& screen, absl::Time time) {
  return absl::StrCat(DateText(screen, time), absl::FormatTime(" %H:%M %Z", time, screen.zone));
}

}  // namespace ppmm
