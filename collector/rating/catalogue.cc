#include "collector/rating/catalogue.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

#include "collector/facts/facts.h"
#include "collector/rating/criteria.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr std::array<absl::string_view, kRungs.size()> kRungNames = {"1", "2.1", "2.2", "2.3", "3", "4", "5"};

absl::StatusOr<std::int64_t> Millionths(double value) {
  if (!(value >= 0 && value <= 1e6)) {
    return absl::InvalidArgumentError(absl::StrCat("the number ", value, " is not between 0 and 1000000"));
  }
  return std::llround(value * static_cast<double>(kMillion));
}

// "STAGE_PLAN" -> "plan".
std::string Word(const std::string& enumerator) {
  return absl::AsciiStrToLower(enumerator.substr(enumerator.find('_') + 1));
}

template <typename Message>
absl::StatusOr<Act> MakeAct(const Message& schema, const std::string& role_of_row) {
  Act act;
  act.what = schema.what();
  act.command = schema.command();
  if constexpr (std::is_same_v<Message, catalogue::Remediation>) {
    act.guide = schema.guide();
  }
  const PpmmCommand* const command = FindPpmmCommand(act.command);
  act.comes_with = !schema.comes_with().empty() ? schema.comes_with()
                   : command != nullptr         ? std::string(command->comes_with)
                                                : "";
  if (act.what.empty() || (act.command.empty() && act.guide.empty() && !act.later())) {
    return absl::InvalidArgumentError(
        absl::StrCat("the act \"", act.what, "\" needs words, and a command, a guide or what it comes with"));
  }
  act.minutes = static_cast<int>(schema.minutes());
  act.role = schema.role() == catalogue::ROLE_UNSPECIFIED ? role_of_row : Word(catalogue::Role_Name(schema.role()));
  return act;
}

ScopeKind KindOf(catalogue::ScopeKind kind) {
  switch (kind) {
    case catalogue::SCOPE_KIND_HOST:
      return ScopeKind::kHost;
    case catalogue::SCOPE_KIND_APPLICATION:
      return ScopeKind::kApplication;
    default:
      return ScopeKind::kOrganization;  // releases are events of the organization
  }
}

absl::StatusOr<Criterion> MakeCriterion(const catalogue::Criterion& schema, const Activity& row) {
  Criterion criterion;
  if (schema.scope() == catalogue::SCOPE_KIND_UNSPECIFIED || schema.bound() == catalogue::BOUND_UNSPECIFIED ||
      schema.unit() == catalogue::UNIT_UNSPECIFIED || schema.evaluator() == catalogue::EVALUATOR_UNSPECIFIED) {
    return absl::InvalidArgumentError("a criterion needs scope, evaluator, bound and unit");
  }
  criterion.scope = KindOf(schema.scope());
  criterion.evaluator = schema.evaluator();
  criterion.window_days = static_cast<int>(schema.window_days());
  criterion.at_least = schema.bound() == catalogue::BOUND_AT_LEAST;
  ASSIGN_OR_RETURN(criterion.value, Millionths(schema.value()));
  criterion.unit = schema.unit();
  ASSIGN_OR_RETURN(criterion.share, Millionths(schema.share()));
  if (criterion.share > kMillion ||
      ((schema.events() || criterion.unit == catalogue::UNIT_SHARE) && criterion.value > kMillion)) {
    return absl::InvalidArgumentError("a share is above 1");
  }
  criterion.events = schema.events();
  criterion.decidable_after_days = static_cast<int>(schema.decidable_after_days());
  criterion.lower_is_value = schema.lower() == catalogue::LOWER_VALUE;
  criterion.applies_to = schema.applies_to();
  criterion.tier_1_only = schema.tier_1_only();
  criterion.from = row.rung;
  if (!schema.from_level().empty()) {
    ASSIGN_OR_RETURN(criterion.from, ParseRung(schema.from_level()));
  }
  criterion.missing = schema.missing();
  criterion.human = schema.has_act();
  if (criterion.human) {
    ASSIGN_OR_RETURN(criterion.act, MakeAct(schema.act(), row.role));
  }
  if (criterion.evaluator == catalogue::EVALUATOR_UNOBSERVED) {
    return criterion.missing.empty()
               ? absl::StatusOr<Criterion>(absl::InvalidArgumentError("what is missing is not said"))
               : absl::StatusOr<Criterion>(std::move(criterion));
  }
  if (schema.scope() == catalogue::SCOPE_KIND_RELEASE) {
    return absl::InvalidArgumentError("releases have no facts of their own");
  }
  RETURN_IF_ERROR(CheckSums(criterion));
  return criterion;
}

absl::StatusOr<Activity> MakeActivity(const catalogue::Activity& schema) {
  Activity row;
  row.id = schema.id();
  row.title = schema.title();
  ASSIGN_OR_RETURN(row.rung, ParseRung(schema.level()));
  if (row.rung == Rung::k1) {
    return absl::InvalidArgumentError("level 1 asks nothing");
  }
  if (schema.stage() == catalogue::STAGE_UNSPECIFIED || schema.role() == catalogue::ROLE_UNSPECIFIED ||
      schema.kind() == catalogue::KIND_UNSPECIFIED || row.title.empty()) {
    return absl::InvalidArgumentError("a row needs title, stage, role and kind");
  }
  row.stage = Word(catalogue::Stage_Name(schema.stage()));
  row.role = Word(catalogue::Role_Name(schema.role()));
  row.kind = Word(catalogue::Kind_Name(schema.kind()));
  row.gating = schema.gating();
  row.gating_without_own_software = schema.gating_without_own_software();
  row.waived_without_own_software = schema.waived_without_own_software();
  row.scope = schema.scope();
  row.window = schema.window();
  row.evidence = schema.evidence();
  row.threshold = schema.threshold();
  row.why = schema.why();
  row.cannot_observe = schema.cannot_observe();
  for (const catalogue::Criterion& criterion : schema.criteria()) {
    ASSIGN_OR_RETURN(Criterion made, MakeCriterion(criterion, row));
    row.criteria.push_back(std::move(made));
  }
  for (const catalogue::Remediation& remediation : schema.remediation()) {
    ASSIGN_OR_RETURN(Act act, MakeAct(remediation, row.role));
    for (const int evaluator : remediation.cures()) {
      act.cures.push_back(static_cast<catalogue::Evaluator>(evaluator));
    }
    row.remediation.push_back(std::move(act));
  }
  if (row.criteria.empty() || row.remediation.empty()) {
    return absl::InvalidArgumentError("a row needs a criterion and a remediation");
  }
  return row;
}

std::string DigestOf(const catalogue::Catalogue& schema) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    schema.SerializeToCodedStream(&coded);
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), hash.data(), &size, EVP_sha256(), nullptr) != 1) {
    return {};
  }
  // reinterpret_cast: bytes as characters
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(hash.data()), size));
}

}  // namespace

Cure CureOf(const Act& act) {
  const PpmmCommand* const command = FindPpmmCommand(act.command);
  if (act.later() && (command == nullptr || command->built())) {
    return {"", absl::StrCat("later, with ", act.comes_with)};
  }
  return act.guide.empty() ? CureOf(act.command) : Cure{"", act.guide};
}

absl::string_view RungName(Rung rung) {
  return kRungNames[static_cast<std::size_t>(rung)];
}

absl::StatusOr<Rung> ParseRung(absl::string_view name) {
  for (const Rung rung : kRungs) {
    if (RungName(rung) == name) {
      return rung;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is no rung; there are 1, 2.1, 2.2, 2.3, 3, 4 and 5"));
}

int LevelOf(Rung rung) {
  return RungName(rung)[0] - '0';
}

int SublevelOf(Rung rung) {
  return LevelOf(rung) == 2 ? RungName(rung)[2] - '0' : 0;
}

absl::StatusOr<Catalogue> Catalogue::From(const catalogue::Catalogue& schema) {
  Catalogue catalogue;
  catalogue.name_ = schema.name();
  catalogue.edition_ = schema.edition();
  catalogue.digest_ = DigestOf(schema);
  for (const catalogue::Activity& row : schema.activities()) {
    absl::StatusOr<Activity> made = MakeActivity(row);
    if (!made.ok()) {
      return Annotate(made.status(), absl::StrCat("catalogue row ", row.id()));
    }
    if (row.id().empty() || catalogue.Find(row.id()) != nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("catalogue: id \"", row.id(), "\" is empty or twice there"));
    }
    catalogue.activities_.push_back(*std::move(made));
  }
  return catalogue;
}

const Activity* Catalogue::Find(absl::string_view id) const {
  const auto found =
      std::find_if(activities_.begin(), activities_.end(), [&](const Activity& row) { return row.id == id; });
  return found == activities_.end() ? nullptr : &*found;
}

}  // namespace ppmm
