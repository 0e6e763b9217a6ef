// For the tests of the configurations: the samples that are installed, and what to compare them by.
#pragma once

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"

namespace ppmm {

// The text of a file in deploy/; empty when it is not there.
inline std::string SampleConfig(const std::string& name) {
  std::ifstream file(PPMM_SOURCE_DIR "/deploy/" + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The sample with the lines that show a key in force: in them the key follows the "#" at once, or the blanks of its
// indentation do; in a sentence one blank does.
inline std::string Uncommented(absl::string_view sample) {
  std::vector<std::string> lines;
  for (const absl::string_view line : absl::StrSplit(sample, '\n')) {
    const bool shows_key =
        absl::StartsWith(line, "#") && (!absl::StartsWith(line, "# ") || absl::StartsWith(line, "#  "));
    lines.emplace_back(shows_key ? line.substr(1) : line);
  }
  return absl::StrJoin(lines, "\n");
}

// The keys of a schema that do not begin a line of the text, so that no new one is forgotten in the sample.
inline std::string KeysMissingIn(absl::string_view text, const google::protobuf::Descriptor& type) {
  std::string missing;
  for (int i = 0; i < type.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *type.field(i);
    const std::string key = absl::StrCat(std::string(field.name()), ":");
    bool found = false;
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      found = found || absl::StartsWith(line.substr(std::min(line.size(), line.find_first_not_of(' '))), key);
    }
    if (!found) {
      absl::StrAppend(&missing, key, " ");
    }
    if (field.message_type() != nullptr && !field.is_repeated()) {
      missing += KeysMissingIn(text, *field.message_type());
    }
  }
  return missing;
}

// A message with the paths of a temporary folder shortened to the names in it.
inline std::string WithoutFolder(absl::string_view message, const std::string& folder) {
  return absl::StrReplaceAll(message, {{folder + "/", ""}});
}

}  // namespace ppmm
