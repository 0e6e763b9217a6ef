// Reads answers of the API without trusting their shape: what is missing or of another type is "unknown". Pure.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json_fwd.hpp"

namespace ppmm {

// Errors: InvalidArgument: not JSON.
absl::StatusOr<nlohmann::json> ParseJson(absl::string_view text);

// A text made safe for a terminal; empty where there is none.
std::string TextAt(const nlohmann::json& object, absl::string_view key);
// The same of a text of several lines, line by line; empty lines are left out.
std::vector<std::string> LinesAt(const nlohmann::json& object, absl::string_view key);
std::optional<double> NumberAt(const nlohmann::json& object, absl::string_view key);
bool TrueAt(const nlohmann::json& object, absl::string_view key);
std::optional<absl::Time> TimeAt(const nlohmann::json& object, absl::string_view key);
// The member, or null; an array, or an empty one.
const nlohmann::json& MemberAt(const nlohmann::json& object, absl::string_view key);
const nlohmann::json& ArrayAt(const nlohmann::json& object, absl::string_view key);
// What a row can be called by: its texts at these keys, and a "key" in group `default` without the group, too.
std::vector<std::string> NamesAt(const nlohmann::json& row, std::initializer_list<absl::string_view> keys);
// The texts of an array, joined by ", ".
std::string JoinedAt(const nlohmann::json& object, absl::string_view key);

}  // namespace ppmm
