#include "collector/declared_view.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

#include "collector/origin_guess.h"

namespace ppmm {
namespace {

using Declaration = PageData::Declaration;

std::string OriginWords(absl::string_view origin) {
  return origin == OriginName(Origin::kUnknown) ? "of unknown origin" : absl::StrReplaceAll(origin, {{"_", " "}});
}

std::string TierWords(const std::optional<int>& tier) {
  return tier.has_value() ? absl::StrCat("tier ", *tier) : "no tier yet";
}

std::string RatedWords(const std::optional<bool>& rated) {
  return rated.value_or(false) ? "rated" : "not rated";
}

// `view`: null where nobody sees it.
Declaration OfApplication(const config::DeclaredApplication& said, const ApplicationView* view) {
  std::vector<std::string> declared;
  std::vector<std::string> counted;
  const auto add = [&](std::string one, std::string in_place) {
    declared.push_back(std::move(one));
    counted.push_back(std::move(in_place));
  };
  const ApplicationView::Counted counts = view == nullptr ? ApplicationView::Counted() : view->counted;
  if (!said.name().empty()) {
    declared.push_back(absl::StrCat("shown as ", said.name()));  // at once
  }
  if (said.origin() != config::DECLARED_ORIGIN_UNSPECIFIED) {
    const bool in_house = said.origin() == config::DECLARED_ORIGIN_IN_HOUSE;
    add(OriginWords(OriginName(in_house ? Origin::kInHouse : Origin::kOffTheShelf)), OriginWords(counts.origin));
  }
  if (said.tier() != 0) {
    add(TierWords(said.tier()), TierWords(counts.tier));
  }
  if (said.line_of_business()) {
    add(RatedWords(true), RatedWords(counts.line_of_business));
  }
  if (!said.owner().empty()) {
    add(absl::StrCat("owner ", said.owner()), "no owner");
  }
  return {said.application(), declared.empty() ? "nothing" : absl::StrJoin(declared, ", "),
          view == nullptr ? "nothing: nobody sees it" : absl::StrJoin(counted, ", ")};
}

// What an entry of maintenance, exclusions or exemptions is about.
template <class Scoped>
std::string ScopeOf(const Scoped& scoped) {
  return !scoped.application().empty() ? scoped.application()
         : scoped.host().empty()       ? "everything"
                                       : absl::StrCat("host ", scoped.host());
}

// " until 2027-05-31: storage appliance".
template <class Eased>
std::string UntilAndWhy(const Eased& eased, absl::Time now) {
  return absl::StrCat(" until ", eased.until(), IsOver(eased.until(), now) ? " (over)" : "", ": ", eased.reason());
}

}  // namespace

void ShowDeclared(const Inventory& inventory, ApplicationView& view) {
  const config::DeclaredApplication* const said = inventory.FindApplication(view.key);
  const config::Exclusion* const excluded = inventory.FindApplicationExclusion(view.key);
  if (said == nullptr && excluded == nullptr) {
    return;
  }
  view.declared_by = inventory.author();
  if (excluded != nullptr) {
    view.exclusion = {ExclusionWord(excluded->kind()), excluded->reason(), excluded->until()};
  }
  if (said == nullptr) {
    return;
  }
  view.owner = said->owner();
  if (said->tier() != 0) {
    view.tier = said->tier();
  }
  if (said->line_of_business()) {
    view.line_of_business = true;
  }
  if (said->origin() == config::DECLARED_ORIGIN_UNSPECIFIED) {
    return;
  }
  const bool in_house = said->origin() == config::DECLARED_ORIGIN_IN_HOUSE;
  view.origin = std::string(OriginName(in_house ? Origin::kInHouse : Origin::kOffTheShelf));
  view.origin_declared = true;
  view.origin_confidence.reset();
  const bool agrees = view.origin == view.counted.origin;
  view.origin_evidence.insert(view.origin_evidence.begin(),
                              absl::StrCat("declared in ", inventory.author(), ", not confirmed",
                                           agrees ? "" : absl::StrCat("; the agents say ", view.counted.origin)));
}

std::vector<Declaration> DeclarationsOf(const Inventory& inventory, const ApplicationViews& applications,
                                        absl::Time now) {
  absl::flat_hash_map<absl::string_view, const ApplicationView*> by_key;
  for (const ApplicationView& view : applications.applications) {
    by_key[view.key] = &view;
  }
  const auto find = [&by_key](const std::string& name) -> const ApplicationView* {
    for (const std::string& key : {name, absl::StrCat("default/", name)}) {
      if (const auto at = by_key.find(key); at != by_key.end()) {
        return at->second;
      }
    }
    return nullptr;
  };
  std::vector<Declaration> all;
  for (const config::DeclaredApplication& said : inventory.said().applications()) {
    all.push_back(OfApplication(said, find(said.application())));
  }
  for (const config::DeclaredHost& said : inventory.said().hosts()) {
    if (!said.owner().empty()) {
      all.push_back({absl::StrCat("host ", said.host()), absl::StrCat("owner ", said.owner()), "no owner"});
    }
  }
  for (const std::string& network : inventory.said().networks()) {
    all.push_back({absl::StrCat("network ", network), "own", ""});  // at once
  }
  for (const config::Maintenance& said : inventory.said().maintenance()) {
    all.push_back({ScopeOf(said),
                   absl::StrCat("maintenance from ", said.from(), " to ", said.to(), " UTC",
                                said.reason().empty() ? "" : ": ", said.reason()),
                   "nothing: breaches are not recorded yet"});
  }
  for (const config::Exclusion& said : inventory.said().exclusions()) {
    const std::string kind = absl::StrReplaceAll(ExclusionWord(said.kind()), {{"_", " "}});
    all.push_back({ScopeOf(said), absl::StrCat("excluded as ", kind, UntilAndWhy(said, now)), "not excluded"});
  }
  for (const config::DeclaredExemption& said : inventory.said().exemptions()) {
    all.push_back({ScopeOf(said), absl::StrCat("exempt from ", said.activity(), UntilAndWhy(said, now)), "not exempt"});
  }
  return all;
}

}  // namespace ppmm
