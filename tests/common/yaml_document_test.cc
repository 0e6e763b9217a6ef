#include "common/yaml_document.h"

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> Problems(absl::string_view text) {
  std::vector<YamlProblem> problems;
  ParseYaml(text, &problems);
  std::vector<std::string> result;
  for (const YamlProblem& problem : problems) {
    result.push_back(absl::StrCat(problem.line, ":", problem.column, " ", problem.message));
  }
  return result;
}

TEST(ParseYamlTest, KeepsOrderAndPlaces) {
  std::vector<YamlProblem> problems;
  const YamlNode root = ParseYaml("# comment\nhttp:\n  listen: \"[::1]:80\"\nnetworks: [a, b]\n", &problems);
  ASSERT_THAT(problems, IsEmpty());
  ASSERT_EQ(root.kind, YamlNode::Kind::kMap);
  ASSERT_EQ(root.items.size(), 4u);
  EXPECT_EQ(root.items[0].text, "http");
  const YamlNode& listen = root.items[1].items[1];
  EXPECT_EQ(listen.text, "[::1]:80");
  EXPECT_EQ(listen.line, 3);
  EXPECT_EQ(listen.column, 11);
  EXPECT_EQ(root.items[3].kind, YamlNode::Kind::kList);
  EXPECT_EQ(root.items[3].items[1].text, "b");
}

TEST(ParseYamlTest, TellsNothingFromEmptyText) {
  std::vector<YamlProblem> problems;
  EXPECT_EQ(ParseYaml("", &problems).kind, YamlNode::Kind::kNull);
  EXPECT_EQ(ParseYaml("# only a comment\n", &problems).kind, YamlNode::Kind::kNull);
  EXPECT_EQ(ParseYaml("---\n", &problems).kind, YamlNode::Kind::kNull);
  const YamlNode root = ParseYaml("a:\nb: ''\nc: ~\nd: null\ne: 'null'", &problems);
  ASSERT_EQ(root.items.size(), 10u);
  EXPECT_EQ(root.items[1].kind, YamlNode::Kind::kNull);
  EXPECT_EQ(root.items[3].kind, YamlNode::Kind::kScalar);
  EXPECT_EQ(root.items[5].kind, YamlNode::Kind::kNull);
  EXPECT_EQ(root.items[7].kind, YamlNode::Kind::kNull);
  EXPECT_EQ(root.items[9].kind, YamlNode::Kind::kScalar);
  EXPECT_THAT(problems, IsEmpty());
}

TEST(ParseYamlTest, PointsAtWhatIsNoYaml) {
  EXPECT_THAT(Problems("a: 1\nb: [1, 2\nc: 3\n"), ElementsAre("2:4 this [ is not closed, or a comma is missing in it"));
  EXPECT_THAT(Problems("a: {b: 1\n"), ElementsAre("1:4 this { is not closed, or a comma is missing in it"));
  EXPECT_THAT(Problems("a: 1\nb: \"open\nc: 3\n\n"), ElementsAre("2:1 after this a quote is opened and not closed"));
  EXPECT_THAT(Problems("a: 'open\nb: 'x'\n"), ElementsAre("2:5 a key is expected here; check quotes and indentation"));
  EXPECT_THAT(Problems("a: 1\n  b: 2\n"),
              ElementsAre("2:4 a second \": \" in one value; check the indentation, or put the value in quotes"));
  EXPECT_THAT(Problems("- 1\nb: 2\n"),
              ElementsAre("2:1 a second document begins here; a file holds one (check the indentation)"));
  EXPECT_THAT(Problems("a:\n\tb: 2\n"), ElementsAre("2:1 a tab in the indentation; use blanks"));
  EXPECT_THAT(Problems("a: @x\n"), ElementsAre("1:4 is not YAML: unknown token"));
}

TEST(ParseYamlTest, RefusesAliasesTagsAndFurtherDocuments) {
  EXPECT_THAT(Problems("a: &x [1]\nb: *x\n"), ElementsAre("1:4 anchors (&name) are not read; write the value out",
                                                          "2:4 aliases (*name) are not read; write the value out"));
  EXPECT_THAT(Problems("a: !!binary aGk=\n"),
              ElementsAre("1:4 tags (tag:yaml.org,2002:binary) are not read; write the value alone"));
  EXPECT_THAT(Problems("a: 1\n---\nb: 2\n"),
              ElementsAre("2:1 a second document begins here; a file holds one (check the indentation)"));
}

TEST(ParseYamlTest, BoundsSizeAndDepth) {
  EXPECT_THAT(Problems(std::string(kMaxYamlBytes + 1, '#')), ElementsAre("0:0 is larger than 1 MiB"));
  EXPECT_THAT(Problems(std::string(32, '[') + std::string(32, ']')), IsEmpty());
  EXPECT_THAT(Problems(std::string(33, '[') + std::string(33, ']')), ElementsAre("1:33 nested deeper than 32 levels"));
  EXPECT_EQ(Problems(std::string(100'000, '[')).size(), 2u) << "too deep, and then the parser's own limit";
}

TEST(ParseYamlTest, SurvivesDamagedText) {
  const std::string sample =
      "http:\n  listen: 127.0.0.1:7766\n  names: [a, \"b\\u00e4\"]\n? complex\n: |\n  text\nx: {a: &b c, d: *b}\n...\n";
  std::mt19937 random(20240607);
  for (int round = 0; round < 20'000; ++round) {
    std::string text = sample;
    for (unsigned edits = 1 + random() % 4; edits > 0; --edits) {
      const size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, 1 + random() % 5);
          break;
        default:
          text.insert(at, 1, "[]{}:-?&*!|>'\"%@`#\n\t "[random() % 22]);
      }
      text += ' ';
    }
    Problems(text);
  }
}

}  // namespace
}  // namespace ppmm
