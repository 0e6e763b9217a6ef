#include "common/text.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"

namespace ppmm {
namespace {

struct Range {
  std::uint32_t first;
  std::uint32_t last;
};

template <std::size_t kSize>
bool IsIn(const std::array<Range, kSize>& ranges, std::uint32_t c) {
  const auto* const next =
      std::upper_bound(ranges.begin(), ranges.end(), c, [](std::uint32_t x, const Range& r) { return x < r.first; });
  return next != ranges.begin() && c <= (next - 1)->last;
}

// Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt, the line and paragraph separators, and the
// interlinear marks.
constexpr std::array<Range, 18> kDeceptive = {{{0xAD, 0xAD},
                                               {0x34F, 0x34F},
                                               {0x61C, 0x61C},
                                               {0x115F, 0x1160},
                                               {0x17B4, 0x17B5},
                                               {0x180B, 0x180F},
                                               {0x200B, 0x200F},
                                               {0x2028, 0x202E},
                                               {0x2060, 0x206F},
                                               {0x3164, 0x3164},
                                               {0xFE00, 0xFE0F},
                                               {0xFEFF, 0xFEFF},
                                               {0xFFA0, 0xFFA0},
                                               {0xFFF0, 0xFFFB},
                                               {0xFFFE, 0xFFFF},
                                               {0x1BCA0, 0x1BCA3},
                                               {0x1D173, 0x1D17A},
                                               {0xE0000, 0xE0FFF}}};

// East_Asian_Width W and F of Unicode's EastAsianWidth.txt, in blocks: what is not assigned between them counts too.
constexpr std::array<Range, 19> kWide = {{{0x1100, 0x115E},
                                          {0x231A, 0x231B},
                                          {0x23E9, 0x23EC},
                                          {0x2614, 0x2615},
                                          {0x26AA, 0x26AB},
                                          {0x2E80, 0x303E},
                                          {0x3041, 0x33FF},
                                          {0x3400, 0x4DBF},
                                          {0x4E00, 0xA4CF},
                                          {0xA960, 0xA97C},
                                          {0xAC00, 0xD7A3},
                                          {0xF900, 0xFAFF},
                                          {0xFE10, 0xFE19},
                                          {0xFE30, 0xFE6B},
                                          {0xFF01, 0xFF60},
                                          {0xFFE0, 0xFFE6},
                                          {0x16FE0, 0x1B2FF},
                                          {0x1F300, 0x1FAFF},
                                          {0x20000, 0x3FFFD}}};

// Marks that combine with the character before them, of the scripts that most have them.
constexpr std::array<Range, 12> kCombining = {{{0x300, 0x36F},
                                               {0x483, 0x489},
                                               {0x591, 0x5BD},
                                               {0x610, 0x61A},
                                               {0x64B, 0x65F},
                                               {0x93A, 0x93A},
                                               {0x93C, 0x93C},
                                               {0xE34, 0xE3A},
                                               {0x1AB0, 0x1AFF},
                                               {0x1DC0, 0x1DFF},
                                               {0x20D0, 0x20F0},
                                               {0xFE20, 0xFE2F}}};

int WidthOf(std::uint32_t c) {
  return IsIn(kCombining, c) ? 0 : IsIn(kWide, c) ? 2 : 1;
}

std::string Escape(absl::string_view text, std::size_t max_bytes, bool backslash_too) {
  std::string out;
  out.reserve(std::min(text.size(), max_bytes));
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    const std::uint32_t c = NextCharacter(text, &at);
    std::string piece;
    if (backslash_too && c == '\\') {
      piece = "\\\\";
    } else if (c != kNoCharacter && !IsControlCharacter(c) && !IsDeceptiveCharacter(c)) {
      piece = std::string(text.substr(start, at - start));
    } else {
      for (std::size_t i = start; i < at; ++i) {
        absl::StrAppend(&piece, "\\x", absl::Hex(static_cast<unsigned char>(text[i]), absl::kZeroPad2));
      }
    }
    if (out.size() + piece.size() > max_bytes) {
      break;
    }
    out += piece;
  }
  return out;
}

}  // namespace

std::uint32_t NextCharacter(absl::string_view text, std::size_t* at) {
  const auto byte = [&](std::size_t i) -> std::uint32_t { return static_cast<unsigned char>(text[i]); };
  const std::uint32_t first = byte((*at)++);
  if (first < 0x80) {
    return first;
  }
  const std::size_t more = first >= 0xC2 && first < 0xE0   ? 1
                           : first >= 0xE0 && first < 0xF0 ? 2
                           : first >= 0xF0 && first < 0xF5 ? 3
                                                           : 0;
  if (more == 0 || *at + more > text.size()) {
    return kNoCharacter;
  }
  std::uint32_t character = first & (0x3Fu >> more);
  for (std::size_t i = 0; i < more; ++i) {
    if ((byte(*at + i) & 0xC0) != 0x80) {
      return kNoCharacter;
    }
    character = character << 6 | (byte(*at + i) & 0x3F);
  }
  constexpr std::uint32_t kSmallest[] = {0, 0x80, 0x800, 0x10000};
  if (character < kSmallest[more] || character > 0x10FFFF || (character >= 0xD800 && character < 0xE000)) {
    return kNoCharacter;  // overlong, beyond Unicode, or a surrogate
  }
  *at += more;
  return character;
}

bool IsControlCharacter(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0);
}

bool IsDeceptiveCharacter(std::uint32_t c) {
  return IsIn(kDeceptive, c);
}

std::string EscapeForDisplay(absl::string_view text, std::size_t max_bytes) {
  return Escape(text, max_bytes, /*backslash_too=*/false);
}

std::string EscapeExactly(absl::string_view text, std::size_t max_bytes) {
  return Escape(text, max_bytes, /*backslash_too=*/true);
}

int DisplayWidth(absl::string_view text) {
  int width = 0;
  for (std::size_t at = 0; at < text.size();) {
    width += WidthOf(NextCharacter(text, &at));
  }
  return width;
}

std::string CutTo(absl::string_view text, int width) {
  if (DisplayWidth(text) <= width) {
    return std::string(text);
  }
  int used = 0;
  std::size_t end = 0;
  for (std::size_t at = 0; at < text.size(); end = at) {
    used += WidthOf(NextCharacter(text, &at));
    if (used > width - 1) {
      break;
    }
  }
  while (end > 0 && text[end - 1] == ' ') {
    --end;
  }
  return absl::StrCat(text.substr(0, end), "\u2026");
}

}  // namespace ppmm
