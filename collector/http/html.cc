#include "collector/http/html.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "collector/http/target.h"
#include "common/text.h"

namespace ppmm::http {
namespace {

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";
constexpr absl::string_view kEllipsis = "\xE2\x80\xA6";

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
    if (c == kNoCharacter || IsControlCharacter(c)) {
      absl::StrAppend(&html_, kReplacement);
    } else if (IsDeceptiveCharacter(c)) {
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
