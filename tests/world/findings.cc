#include "tests/world/findings.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace ppmm {
namespace {

using Json = nlohmann::json;

std::string Text(const Json& json) {
  return json.is_null() ? "" : json.is_string() ? json.get<std::string>() : json.dump();
}

std::optional<std::int64_t> Number(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional<std::int64_t>(json.get<std::int64_t>());
}

}  // namespace

std::string Brief(const Finding& finding) {
  if (finding.numerator.has_value() && finding.denominator.has_value()) {
    return absl::StrCat(finding.status, " ", *finding.numerator, "/", *finding.denominator);
  }
  return finding.decidable_at.empty() ? finding.status : absl::StrCat(finding.status, " until ", finding.decidable_at);
}

std::ostream& operator<<(std::ostream& out, const Finding& finding) {
  return out << Brief(finding) << " (" << finding.words << "; " << finding.reason << ")";
}

std::map<std::string, Finding> FindingsOf(const RatingRecord& record, const std::string& activity, int criterion) {
  std::map<std::string, Finding> findings;
  const Json body = Json::parse(record.activity.at(activity));
  for (const Json& scope : body.at("criteria").at(static_cast<std::size_t>(criterion)).at("scopes")) {
    Finding& finding = findings[Text(scope.at("scope"))];
    finding = {Text(scope.at("status")),       Number(scope.at("numerator")), Number(scope.at("denominator")),
               Text(scope.at("words")),        Text(scope.at("reason")),      Text(scope.at("decidable_at")),
               scope.at("counted").get<bool>()};
    if (finding.status == "undecided") {
      finding.numerator = finding.denominator = std::nullopt;  // figures of a window that is not over
    }
  }
  return findings;
}

Finding FindingOf(const RatingRecord& record, const std::string& activity, int criterion, const std::string& scope) {
  std::map<std::string, Finding> findings = FindingsOf(record, activity, criterion);
  EXPECT_TRUE(findings.contains(scope)) << activity << " judges no " << scope;
  return findings[scope];
}

std::string CopyOf(const RatingRecord& record, const std::string& host) {
  for (const auto& [label, finding] : FindingsOf(record, "MON-001")) {
    if (label.starts_with(host + "-")) {
      return label;
    }
  }
  ADD_FAILURE() << "no host is named after the copy of " << host;
  return host;
}

RowFinding RowOf(const RatingRecord& record, absl::string_view activity) {
  const Json body = Json::parse(record.activities);
  for (const Json& row : body.at("activities")) {
    if (Text(row.at("id")) == activity) {
      return {Text(row.at("status")), Text(row.at("reason"))};
    }
  }
  ADD_FAILURE() << "no row " << activity;
  return {};
}

std::string TextAt(const std::string& body, const std::string& pointer) {
  const Json json = Json::parse(body);
  const Json::json_pointer at(pointer);
  return json.contains(at) ? Text(json.at(at)) : "";
}

double NumberAt(const std::string& body, const std::string& pointer) {
  return Json::parse(body).at(Json::json_pointer(pointer)).get<double>();
}

std::vector<std::string> BlockingOf(const RatingRecord& record) {
  std::vector<std::string> rows;
  const Json body = Json::parse(record.rating);
  for (const Json& row : body.at("blocking")) {
    rows.push_back(absl::StrCat(Text(row.at("activity")), " ", Text(row.at("status")), ": ", Text(row.at("reason"))));
  }
  return rows;
}

}  // namespace ppmm
