#include "cli/json_read.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"

#include "common/log.h"

namespace ppmm {
namespace {

using Json = nlohmann::json;

}  // namespace

absl::StatusOr<Json> ParseJson(absl::string_view text) {
  Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (json.is_discarded()) {
    return absl::InvalidArgumentError("the answer is not JSON");
  }
  return json;
}

const Json& MemberAt(const Json& object, absl::string_view key) {
  static const Json null;
  if (!object.is_object()) {
    return null;
  }
  const auto found = object.find(std::string(key));
  return found == object.end() ? null : *found;
}

const Json& ArrayAt(const Json& object, absl::string_view key) {
  static const Json empty = Json::array();
  const Json& member = MemberAt(object, key);
  return member.is_array() ? member : empty;
}

std::string TextAt(const Json& object, absl::string_view key) {
  const Json& member = MemberAt(object, key);
  return member.is_string() ? EscapeForDisplay(member.get_ref<const std::string&>(), 1000) : "";
}

std::vector<std::string> LinesAt(const Json& object, absl::string_view key) {
  std::vector<std::string> lines;
  if (const Json& member = MemberAt(object, key); member.is_string()) {
    for (const absl::string_view line :
         absl::StrSplit(absl::string_view(member.get_ref<const std::string&>()), '\n', absl::SkipWhitespace())) {
      lines.push_back(EscapeForDisplay(line, 1000));
    }
  }
  return lines;
}

std::optional<double> NumberAt(const Json& object, absl::string_view key) {
  const Json& member = MemberAt(object, key);
  return member.is_number() ? std::optional<double>(member.get<double>()) : std::nullopt;
}

bool TrueAt(const Json& object, absl::string_view key) {
  const Json& member = MemberAt(object, key);
  return member.is_boolean() && member.get<bool>();
}

std::optional<absl::Time> TimeAt(const Json& object, absl::string_view key) {
  absl::Time time;
  std::string error;
  return absl::ParseTime(absl::RFC3339_full, TextAt(object, key), &time, &error) ? std::optional<absl::Time>(time)
                                                                                 : std::nullopt;
}

std::vector<std::string> NamesAt(const Json& row, std::initializer_list<absl::string_view> keys) {
  std::vector<std::string> names;
  for (const absl::string_view key : keys) {
    const std::string name = TextAt(row, key);
    absl::string_view rest = name;
    if (key == "key" && absl::ConsumePrefix(&rest, "default/")) {
      names.emplace_back(rest);
    }
    names.push_back(name);
  }
  return names;
}

std::string JoinedAt(const Json& object, absl::string_view key) {
  std::string out;
  for (const Json& item : ArrayAt(object, key)) {
    if (item.is_string()) {
      absl::StrAppend(&out, out.empty() ? "" : ", ", EscapeForDisplay(item.get_ref<const std::string&>(), 256));
    } else if (item.is_number_integer()) {
      absl::StrAppend(&out, out.empty() ? "" : ", ", item.get<std::int64_t>());
    }
  }
  return out;
}

}  // namespace ppmm
