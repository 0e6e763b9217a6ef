#include "collector/http/html.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "collector/http/target.h"

namespace ppmm::http {
namespace {

constexpr std::uint32_t kInvalid = 0xFFFFFFFF;
constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";
constexpr absl::string_view kEllipsis = "\xE2\x80\xA6";

// The character at `at`, which is moved behind it; kInvalid moves by one byte.
std::uint32_t NextCharacter(absl::string_view text, size_t* at) {
  const auto byte = [&](size_t i) -> std::uint32_t { return static_cast<unsigned char>(text[i]); };
  const std::uint32_t first = byte((*at)++);
  if (first < 0x80) {
    return first;
  }
  const size_t more = first >= 0xC2 && first < 0xE0   ? 1
                      : first >= 0xE0 && first < 0xF0 ? 2
                      : first >= 0xF0 && first < 0xF5 ? 3
                                                      : 0;
  if (more == 0 || *at + more > text.size()) {
    return kInvalid;
  }
  std::uint32_t character = first & (0x3Fu >> more);
  for (size_t i = 0; i < more; ++i) {
    if ((byte(*at + i) & 0xC0) != 0x80) {
      return kInvalid;
    }
    character = character << 6 | (byte(*at + i) & 0x3F);
  }
  constexpr std::uint32_t kSmallest[] = {0, 0x80, 0x800, 0x10000};
  if (character < kSmallest[more] || character > 0x10FFFF || (character >= 0xD800 && character < 0xE000)) {
    return kInvalid;  // overlong, beyond Unicode, or a surrogate
  }
  *at += more;
  return character;
}

bool IsControl(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0);
}

// Zero width, line and direction marks, tags: they make a name look like another.
bool IsDeceptive(std::uint32_t c) {
  return c == 0xAD || c == 0x61C || c == 0x180E || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE007F);
}

}  // namespace

HtmlWriter& HtmlWriter::Raw(Markup markup) {
  html_.append(markup.text().data(), markup.text().size());
  return *this;
}

HtmlWriter& HtmlWriter::Text(absl::string_view data, size_t max_characters) {
  size_t characters = 0;
  for (size_t at = 0; at < data.size(); ++characters) {
    if (characters == max_characters) {
      absl::StrAppend(&html_, kEllipsis);
      break;
    }
    const size_t start = at;
    const std::uint32_t c = NextCharacter(data, &at);
    if (c == kInvalid || IsControl(c)) {
      absl::StrAppend(&html_, kReplacement);
    } else if (IsDeceptive(c)) {
      absl::StrAppend(&html_, "[U+", absl::AsciiStrToUpper(absl::StrCat(absl::Hex(c, absl::kZeroPad4))), "]");
    } else if (c == '&') {
      html_ += "&amp;";
    } else if (c == '<') {
      html_ += "&lt;";
    } else if (c == '>') {
      html_ += "&gt;";
    } else if (c == '"') {
      html_ += "&quot;";
    } else if (c == '\'') {
      html_ += "&#39;";
    } else {
      absl::StrAppend(&html_, data.substr(start, at - start));
    }
  }
  return *this;
}

HtmlWriter& HtmlWriter::Name(absl::string_view name, size_t max_characters) {
  size_t characters = 0;
  for (size_t at = 0; at < name.size() && characters <= max_characters; ++characters) {
    NextCharacter(name, &at);
  }
  if (characters <= max_characters) {
    return Raw("<bdi>").Text(name).Raw("</bdi>");
  }
  return Raw("<bdi title=\"").Text(name, 300).Raw("\">").Text(name, max_characters).Raw("</bdi>");
}

HtmlWriter& HtmlWriter::UrlPart(absl::string_view data) {
  html_ += PercentEncode(data.substr(0, 300));
  return *this;
}

}  // namespace ppmm::http
