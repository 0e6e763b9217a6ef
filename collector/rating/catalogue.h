// The catalogue as the rating uses it: the rows of catalogue.yaml with their numbers as integers, checked once when
// they are loaded. Immutable after that; any thread may read.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "collector/facts/day_facts.h"
#include "common/ppmm_commands.h"
#include "proto/catalogue.pb.h"

namespace ppmm {

// The rungs of the model, in rising order.
enum class Rung : std::uint8_t { k1, k21, k22, k23, k3, k4, k5 };
inline constexpr std::array<Rung, 7> kRungs = {Rung::k1, Rung::k21, Rung::k22, Rung::k23, Rung::k3, Rung::k4, Rung::k5};

absl::string_view RungName(Rung rung);  // "1", "2.1", ... "5"
// Errors: InvalidArgument for any other text.
absl::StatusOr<Rung> ParseRung(absl::string_view name);
int LevelOf(Rung rung);     // 1 to 5
int SublevelOf(Rung rung);  // 1 to 3 on level 2, else 0

// Numbers of the catalogue are kept in millionths, so that every comparison is one of integers.
inline constexpr std::int64_t kMillion = 1'000'000;

// Either `command` does it today, or `comes_with` says what brings it.
struct Act {
  std::string what;
  std::string command;     // as the catalogue names it; empty: none does it
  std::string guide;       // no command alone does it: "docs/operations.md, Install"
  std::string comes_with;  // not empty: not in this version; "alerting"
  int minutes = 0;         // of work; 0: only time is needed
  std::string role;
  std::vector<catalogue::Evaluator> cures;  // empty: every criterion of its row

  bool later() const { return !comes_with.empty(); }
};

// How it is done: the one sentence that every view shows.
Cure CureOf(const Act& act);

// One thing an activity asks; proto/catalogue.proto has the meaning of each field.
struct Criterion {
  ScopeKind scope = ScopeKind::kOrganization;
  catalogue::Evaluator evaluator = catalogue::EVALUATOR_UNOBSERVED;
  int window_days = 0;
  bool at_least = true;
  std::int64_t value = 0;  // millionths
  catalogue::Unit unit = catalogue::UNIT_COUNT;
  std::int64_t share = 0;  // millionths; 0: one scope
  bool events = false;
  int decidable_after_days = 0;
  bool lower_is_value = false;
  catalogue::AppliesTo applies_to = catalogue::APPLIES_TO_ALL;
  bool tier_1_only = false;
  Rung from = Rung::k1;
  std::string missing;
  bool human = false;  // `act` is what a person must do
  Act act;
};

struct Activity {
  std::string id;
  std::string title;
  Rung rung = Rung::k1;
  std::string stage;  // "plan"
  std::string role;   // "operations"
  std::string kind;   // "measured", "imported", "attested"
  bool gating = false;
  bool gating_without_own_software = false;
  bool waived_without_own_software = false;
  std::string scope;
  std::string window;
  std::string evidence;
  std::string threshold;
  std::string why;
  std::string cannot_observe;
  std::vector<Criterion> criteria;
  std::vector<Act> remediation;
};

class Catalogue {
 public:
  // Errors: InvalidArgument names the row and what is wrong with it: an unknown level, a share outside 0 to 1, a window
  //         over which the facts keep no sum, an id twice, a row without criterion or remediation, an act that can
  //         neither be done today nor says what brings it.
  static absl::StatusOr<Catalogue> From(const catalogue::Catalogue& schema);

  const std::string& name() const { return name_; }
  const std::string& edition() const { return edition_; }
  // SHA-256, in hex, of the deterministic serialization.
  const std::string& digest() const { return digest_; }
  // In the order of the file.
  const std::vector<Activity>& activities() const { return activities_; }
  // Null when unknown.
  const Activity* Find(absl::string_view id) const;

 private:
  std::string name_;
  std::string edition_;
  std::string digest_;
  std::vector<Activity> activities_;
};

// The text of catalogue.yaml as it was when the program was built.
absl::string_view CatalogueYaml();

// The catalogue of this program; as it is written, and with its numbers as integers.
//
// Errors: InvalidArgument with file, line and column, or as From(). A test keeps it from happening.
absl::StatusOr<catalogue::Catalogue> ReadCatalogue();
absl::StatusOr<Catalogue> LoadCatalogue();

}  // namespace ppmm
