#include "common/yaml_document.h"

#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "yaml-cpp/emitterstyle.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/parser.h"

#include "common/log.h"

namespace ppmm {
namespace {

// Builds the tree from the parser's events. Open maps and lists are on the stack; a pointer on it stays valid, because
// only the innermost one gets new items.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(YamlNode* root, std::vector<YamlProblem>* problems) : root_(root), problems_(problems) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 2) {
      Refuse(mark, "a second document begins here; a file holds one (check the indentation)");
    }
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override { Add(mark, YamlNode::Kind::kNull); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    Refuse(mark, "aliases (*name) are not read; write the value out");
    Add(mark, YamlNode::Kind::kNull);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t /*anchor*/,
                const std::string& value) override {
    RefuseTag(mark, tag);
    const bool plain = tag == "?";
    if (plain && (value.empty() || value == "~" || value == "null")) {
      Add(mark, YamlNode::Kind::kNull);
    } else if (YamlNode* node = Add(mark, YamlNode::Kind::kScalar); node != nullptr) {
      node->text = value;
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t /*anchor*/,
                       YAML::EmitterStyle::value /*style*/) override {
    RefuseTag(mark, tag);
    Open(mark, YamlNode::Kind::kList);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {
    RefuseTag(mark, tag);
    Open(mark, YamlNode::Kind::kMap);
  }
  void OnMapEnd() override { Close(); }
  // Where the latest value began, and the latest map or list that is still open.
  const YAML::Mark& last() const { return last_; }
  const YAML::Mark& open() const { return open_.empty() ? last_ : open_.back(); }

  void OnAnchor(const YAML::Mark& mark, const std::string& /*name*/) override {
    Refuse(mark, "anchors (&name) are not read; write the value out");
  }

 private:
  void Refuse(const YAML::Mark& mark, absl::string_view message) {
    problems_->push_back({mark.line + 1, mark.column + 1, std::string(message)});
  }
  void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") {
      Refuse(mark, absl::StrCat("tags (", EscapeForDisplay(tag, 40), ") are not read; write the value alone"));
    }
  }
  // Null where the place is too deep or belongs to a second document.
  YamlNode* Add(const YAML::Mark& mark, YamlNode::Kind kind) {
    if (skipped_ > 0 || documents_ > 1) {
      return nullptr;
    }
    last_ = mark;
    YamlNode* node = root_;
    if (!stack_.empty()) {
      node = &stack_.back()->items.emplace_back();
    }
    node->kind = kind;
    node->line = mark.line + 1;
    node->column = mark.column + 1;
    return node;
  }
  void Open(const YAML::Mark& mark, YamlNode::Kind kind) {
    YamlNode* node = Add(mark, kind);
    if (node != nullptr && stack_.size() < static_cast<size_t>(kMaxYamlDepth)) {
      stack_.push_back(node);
      open_.push_back(mark);
      return;
    }
    if (node != nullptr) {
      Refuse(mark, absl::StrCat("nested deeper than ", kMaxYamlDepth, " levels"));
    }
    ++skipped_;
  }
  void Close() {
    if (skipped_ > 0) {
      --skipped_;
    } else {
      stack_.pop_back();
      open_.pop_back();
    }
  }

  YamlNode* const root_;
  std::vector<YamlProblem>* const problems_;
  std::vector<YamlNode*> stack_;
  std::vector<YAML::Mark> open_;  // one of each on the stack
  YAML::Mark last_;
  int documents_ = 0;
  int skipped_ = 0;  // open maps and lists that are not kept
};

// The parser's words for the usual mistakes, said plainly. What is never closed is told where it was opened: the parser
// itself points at the end of the file.
YamlProblem Explain(const YAML::Exception& e, const YAML::Mark& last, const YAML::Mark& open) {
  namespace theirs = YAML::ErrorMsg;
  struct Plain {
    const char* said;
    absl::string_view ours;
    const YAML::Mark& mark;
  };
  const Plain kPlain[] = {
      {theirs::EOF_IN_SCALAR, "after this a quote is opened and not closed", last},
      {theirs::END_OF_SEQ_FLOW, "this [ is not closed, or a comma is missing in it", open},
      {theirs::END_OF_MAP_FLOW, "this { is not closed, or a comma is missing in it", open},
      {theirs::END_OF_MAP, "a key is expected here; check quotes and indentation", e.mark},
      {theirs::MAP_VALUE, "a second \": \" in one value; check the indentation, or put the value in quotes", e.mark},
  };
  for (const Plain& plain : kPlain) {
    if (e.msg == plain.said) {
      return {plain.mark.line + 1, plain.mark.column + 1, std::string(plain.ours)};
    }
  }
  return {e.mark.line + 1, e.mark.column + 1, absl::StrCat("is not YAML: ", EscapeForDisplay(e.msg))};
}

// True if the line, counted from 1, is indented with tabs: YAML forbids it, and the parser's words do not tell.
bool HasTabIndentation(absl::string_view text, int line) {
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (line < 1 || static_cast<size_t>(line) > lines.size()) {
    return false;
  }
  const absl::string_view at = lines[static_cast<size_t>(line) - 1];
  return absl::StrContains(at.substr(0, at.find_first_not_of(" \t")), '\t');
}

}  // namespace

YamlNode ParseYaml(absl::string_view text, std::vector<YamlProblem>* problems) {
  YamlNode root;
  if (text.size() > kMaxYamlBytes) {
    problems->push_back({0, 0, absl::StrCat("is larger than ", kMaxYamlBytes >> 20, " MiB")});
    return root;
  }
  TreeBuilder builder(&root, problems);
  try {
    // Without blanks at the end: before them yaml-cpp 0.7 takes a quote that is never closed as closed, and all that
    // follows it as its text.
    std::istringstream stream{std::string(absl::StripTrailingAsciiWhitespace(text))};
    YAML::Parser parser(stream);
    // The second call tells whether another document follows; more need not be looked at.
    if (parser.HandleNextDocument(builder)) {
      parser.HandleNextDocument(builder);
    }
  } catch (const YAML::Exception& e) {
    YamlProblem problem = Explain(e, builder.last(), builder.open());
    if (HasTabIndentation(text, e.mark.line + 1)) {
      problem = {e.mark.line + 1, 1, "a tab in the indentation; use blanks"};
    }
    problems->push_back(std::move(problem));
  }
  return root;
}

}  // namespace ppmm
