#include "cli/table.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

TEST(Table, AlignsColumnsAndPutsNumbersToTheRight) {
  Table table({{"name"}, {"count", true}});
  table.AddRow({"a", "1"});
  table.AddRow({"longer", "1,000"});
  EXPECT_EQ(table.Render(Screen()), "name    count\na           1\nlonger  1,000\n");
}

TEST(Table, CutsTheWidestFlexibleColumnFirst) {
  Table table({{"a", false, true}, {"b", false, true}, {"c"}});
  table.AddRow({std::string(100, 'x'), std::string(20, 'y'), "z"});
  const std::string text = table.Render(Screen());
  EXPECT_NE(text.find(std::string(20, 'y') + "  z"), std::string::npos) << text;
  EXPECT_NE(text.find("x\u2026  y"), std::string::npos) << text;
}

TEST(Table, LeavesOptionalColumnsOutWhereTheyDoNotFit) {
  Table table({{"a"}, {"b", false, false, true}});
  table.AddRow({std::string(70, 'x'), std::string(20, 'y')});
  EXPECT_EQ(table.Render(Screen()).find('y'), std::string::npos);
}

TEST(Table, LeavesTheLastResortOutOnlyWhereCuttingDoesNotHelp) {
  Table table({{"a", false, true}, {"b", true, false, false, 0, true}, {"c", true}});
  table.AddRow({std::string(30, 'x'), "1", std::string(60, '2')});
  EXPECT_NE(table.Render(Screen()).find("x\u2026  1  2"), std::string::npos);
  table.AddRow({"y", std::string(7, '3'), "4"});
  EXPECT_EQ(table.Render(Screen()).find('3'), std::string::npos);
}

TEST(Table, CountsCharactersNotBytes) {
  Table table({{"name"}, {"n", true}});
  table.AddRow({"\u00b5s", "1"});
  table.AddRow({"abcd", "2"});
  EXPECT_EQ(table.Render(Screen()), "name  n\n\u00b5s    1\nabcd  2\n");
}

TEST(Wrap, FillsLinesAndIndentsAllButTheFirst) {
  EXPECT_EQ(Wrap("one two three", 9, 2, 2), "one two\n  three");
  EXPECT_EQ(Wrap("", 9, 2, 0), "");
  EXPECT_EQ(Wrap("averyverylongword x", 9, 2, 0), "averyverylongword\n  x");
}

TEST(CutTo, KeepsWholeCharacters) {
  EXPECT_EQ(CutTo("abc", 3), "abc");
  EXPECT_EQ(CutTo("abcd", 3), "ab\u2026");
  EXPECT_EQ(CutTo("\u00e4\u00f6\u00fc\u00df", 3), "\u00e4\u00f6\u2026");
}

TEST(Table, WhatMustBeReadWholeIsNotCut) {
  Table table({{"what", false, true}, {"cure", false, true, false, 37}});
  table.AddRow({std::string(80, 'x'), "systemctl enable --now ppmm-collector"});
  table.AddRow({"y", std::string(80, 'z')});
  Screen screen;
  screen.width = 80;
  EXPECT_THAT(table.Render(screen), ::testing::HasSubstr("systemctl enable --now ppmm-collector\n"));
}

}  // namespace
}  // namespace ppmm
