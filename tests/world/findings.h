// What the recorded rating says, picked out of the bodies of the API.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "tests/world/organization_run.h"

namespace ppmm {

// One criterion on one scope.
struct Finding {
  std::string status;
  std::optional<std::int64_t> numerator;  // null while undecided
  std::optional<std::int64_t> denominator;
  std::string words;
  std::string reason;
  std::string decidable_at;  // empty: it has no date
  bool counted = true;

  bool operator==(const Finding&) const = default;
};

// "satisfied 40320/40320", "undecided until 2026-02-04T06:00:00Z", "no_source": what a test compares.
std::string Brief(const Finding& finding);
std::ostream& operator<<(std::ostream& out, const Finding& finding);

// Of the n-th criterion of a row, by the label of the scope.
std::map<std::string, Finding> FindingsOf(const RatingRecord& record, const std::string& activity, int criterion = 0);
Finding FindingOf(const RatingRecord& record, const std::string& activity, int criterion, const std::string& scope);

// The label of the host that is the copy of this one: the name, `-` and six digits. A failure of the test: there is
// none.
std::string CopyOf(const RatingRecord& record, const std::string& host);

// The whole row.
struct RowFinding {
  std::string status;
  std::string reason;
};
RowFinding RowOf(const RatingRecord& record, absl::string_view activity);

// What a body says below a JSON pointer, as text: "/provisional/label". Empty: null, or not there.
std::string TextAt(const std::string& body, const std::string& pointer);
double NumberAt(const std::string& body, const std::string& pointer);

// Rows that block the next rung: "MON-001 not_satisfied: reason".
std::vector<std::string> BlockingOf(const RatingRecord& record);

}  // namespace ppmm
