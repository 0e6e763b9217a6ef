// YAML text as a tree that knows where everything stands. The border to yaml-cpp: its header and its exceptions stay in
// yaml_document.cc.
//
// Read is the plain part of YAML: maps, lists, text. Refused are anchors and aliases (a kilobyte of them unfolds to
// gigabytes), tags, and more than one document. Pure, no I/O.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ppmm {

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string text;             // of a scalar
  std::vector<YamlNode> items;  // of a list; of a map key, value, key, value ...
  int line = 0;                 // from 1
  int column = 0;               // from 1, in characters
};

struct YamlProblem {
  int line = 0;  // 0: the document as a whole
  int column = 0;
  std::string message;
};

// A text of more bytes, and what is nested deeper, is refused.
constexpr size_t kMaxYamlBytes = 1 << 20;
constexpr int kMaxYamlDepth = 32;

// Shape:  an empty text, or one of comments only, is kNull.
// Errors: appended to `problems`, which is then not empty; the tree holds what could be read.
YamlNode ParseYaml(absl::string_view text, std::vector<YamlProblem>* problems);

}  // namespace ppmm
