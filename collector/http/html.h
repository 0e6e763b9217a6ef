// Writes HTML in which outside data cannot become markup: markup comes from literals in the source only, data is
// escaped.
#pragma once

#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace ppmm::http {

// Made at compile time only: a text that came from outside does not compile as one.
class Markup {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): a literal is to be written without ceremony
  consteval Markup(const char* text) : text_(text) {}
  constexpr absl::string_view text() const { return text_; }

 private:
  absl::string_view text_;
};

class HtmlWriter {
 public:
  HtmlWriter& Raw(Markup markup);

  // Data as text or inside a quoted attribute. `max_characters` cuts, with an ellipsis. What is not UTF-8 and control
  // characters become U+FFFD; characters that are invisible or turn the direction of writing are shown as [U+202E].
  HtmlWriter& Text(absl::string_view data, size_t max_characters = 1000);

  // A name that somebody else chose: isolated, so that it cannot turn what stands beside it; cut, with the whole (at
  // most 300 characters) on hover.
  HtmlWriter& Name(absl::string_view name, size_t max_characters = 48);

  // Data as one path segment or query value of an address; at most its first 300 bytes.
  HtmlWriter& UrlPart(absl::string_view data);

  std::string Take() { return std::move(html_); }

 private:
  std::string html_;
};

}  // namespace ppmm::http
