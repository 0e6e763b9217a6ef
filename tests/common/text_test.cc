#include "common/text.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

TEST(EscapeForDisplayTest, KeepsPrintableUtf8) {
  EXPECT_EQ(EscapeForDisplay("naïve 数 😀"), "naïve 数 😀");
}

TEST(EscapeForDisplayTest, EscapesControlsAndInvalidBytes) {
  EXPECT_EQ(EscapeForDisplay("a\nb\x1b[2J\x7f"), "a\\x0ab\\x1b[2J\\x7f");
  EXPECT_EQ(EscapeForDisplay("\xff\xc0\xaf\xed\xa0\x80"), "\\xff\\xc0\\xaf\\xed\\xa0\\x80");
  EXPECT_EQ(EscapeForDisplay("\xc2\x9b"), "\\xc2\\x9b") << "C1 controls drive terminals too";
}

TEST(EscapeForDisplayTest, EscapesWhatNobodySeesOrTurnsTheDirection) {
  for (const std::string hidden : {"\u00AD", "\u200B", "\u200F", "\u2028", "\u2029", "\u202A", "\u202E", "\u2066",
                                   "\u2069", "\uFEFF", "\uFE0F", "\u3164", "\U000E0041"}) {
    const std::string shown = EscapeForDisplay("a" + hidden + "b");
    EXPECT_EQ(shown.find("a\\x"), 0u) << shown;
    EXPECT_EQ(shown.size(), 2 + 4 * hidden.size()) << shown;
  }
}

TEST(EscapeForDisplayTest, CutsAtACharacter) {
  EXPECT_EQ(EscapeForDisplay("ab数", 4), "ab");
  EXPECT_EQ(EscapeForDisplay(std::string(300, 'x')).size(), 256u);
}

TEST(EscapeExactlyTest, KeepsPrintableAsciiAsItIs) {
  std::string all;
  for (char c = ' '; c <= '~'; ++c) {
    if (c != '\\') {
      all.push_back(c);
    }
  }
  EXPECT_EQ(EscapeExactly(all), all);
}

TEST(EscapeExactlyTest, MakesNoTwoTextsOne) {
  EXPECT_EQ(EscapeExactly("a\x1b"), "a\\x1b");
  EXPECT_EQ(EscapeExactly("a\\x1b"), "a\\\\x1b");
  const std::string pieces[] = {"\\", "x", "1", "b", "\x1b", "\xe6", "\x97", "\xa5", "\xa6", "日", "\n"};
  std::set<std::string> texts;
  std::set<std::string> escaped;
  for (const std::string& a : pieces) {
    for (const std::string& b : pieces) {
      for (const std::string& c : pieces) {
        for (const std::string& d : pieces) {
          texts.insert(absl::StrCat(a, b, c, d));
        }
      }
    }
  }
  for (const std::string& text : texts) {
    escaped.insert(EscapeExactly(text));
  }
  EXPECT_EQ(escaped.size(), texts.size());
}

TEST(EscapeExactlyTest, DoesNotCutAnEscapeInTwo) {
  EXPECT_EQ(EscapeExactly("ab\x1b", 5), "ab");
  EXPECT_EQ(EscapeExactly("ab\\", 3), "ab");
}

TEST(DisplayWidthTest, CountsColumnsNotBytes) {
  EXPECT_EQ(DisplayWidth("nginx"), 5);
  EXPECT_EQ(DisplayWidth("naïve"), 5);
  EXPECT_EQ(DisplayWidth("日本"), 4);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1) << "an accent stands above its letter";
  EXPECT_EQ(DisplayWidth("😀"), 2);
  EXPECT_EQ(DisplayWidth("\xff"), 1);
}

TEST(CutToTest, CutsToColumnsAtACharacter) {
  EXPECT_EQ(CutTo("日本語", 6), "日本語");
  EXPECT_EQ(CutTo("日本語", 5), "日本…");
  EXPECT_EQ(CutTo("日本語", 4), "日…");
  EXPECT_EQ(CutTo("abc def", 5), "abc…") << "no blank before the mark";
  EXPECT_EQ(CutTo("abc", 3), "abc");
}

}  // namespace
}  // namespace ppmm
