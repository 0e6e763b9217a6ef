#include "collector/http/html.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ppmm::http {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Text(absl::string_view data, size_t max = 1000) {
  HtmlWriter html;
  html.Text(data, max);
  return html.Take();
}

std::string Name(absl::string_view data, size_t max = 48) {
  HtmlWriter html;
  html.Name(data, max);
  return html.Take();
}

TEST(HtmlWriter, MarkupInDataStaysText) {
  EXPECT_EQ(Text("<script>alert('x')</script> & \"y\""),
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot;");
}

TEST(HtmlWriter, OrdinaryTextOfAnyLanguageStays) {
  EXPECT_EQ(Text("Büro 日本 🙂"), "Büro 日本 🙂");
}

TEST(HtmlWriter, ControlCharactersAndBrokenUtf8AreReplaced) {
  EXPECT_EQ(Text(std::string("a\0b\n\x7f", 5)), "a\uFFFDb\uFFFD\uFFFD");
  EXPECT_EQ(Text("\xC2\x85"), "\uFFFD");
  EXPECT_EQ(Text("\xff\xC3(\xE2\x82"), "\uFFFD\uFFFD(\uFFFD\uFFFD");
  EXPECT_EQ(Text("\xC0\xBC"), "\uFFFD\uFFFD") << "an overlong <";
  EXPECT_EQ(Text("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD") << "a surrogate";
  EXPECT_EQ(Text("\xF5\x80\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
}

TEST(HtmlWriter, WhatDeceivesTheEyeIsShown) {
  EXPECT_EQ(Text("a\u202Eb"), "a[U+202E]b");
  EXPECT_EQ(Text("a\u200Bb\u2066c\uFEFF"), "a[U+200B]b[U+2066]c[U+FEFF]");
}

TEST(HtmlWriter, CutsAtACharacterAndSaysSo) {
  EXPECT_EQ(Text("äöü", 3), "äöü");
  EXPECT_EQ(Text("äöüx", 3), "äöü…");
}

TEST(HtmlWriter, ALongNameIsCutWithTheRestOnHover) {
  EXPECT_EQ(Name("nginx"), "<bdi>nginx</bdi>");
  const std::string html = Name(std::string(10'000, '"'), 5);
  EXPECT_THAT(html, HasSubstr(">&quot;&quot;&quot;&quot;&quot;…</bdi>"));
  EXPECT_LT(html.size(), 2100u);
  EXPECT_THAT(html, Not(HasSubstr("\"\"\"")));
}

TEST(HtmlWriter, AnAddressPartCannotLeaveItsPlace) {
  HtmlWriter html;
  html.UrlPart("a/b?c=\"<&");
  EXPECT_EQ(html.Take(), "a%2Fb%3Fc%3D%22%3C%26");
}

}  // namespace
}  // namespace ppmm::http
