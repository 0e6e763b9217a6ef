#include "collector/declared_names.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

#include "common/status.h"

namespace ppmm {
namespace {

// The applications that a name of the inventory means, as NamesApplication() has it: two at most.
std::vector<ApplicationId> FindNamed(const Tables& tables, const std::string& name) {
  std::vector<ApplicationId> found;
  for (const std::string& key : {name, absl::StrCat("default/", name)}) {
    if (const auto at = tables.application_by_key.find(key); at != tables.application_by_key.end()) {
      found.push_back(at->second);
    }
  }
  return found;
}

}  // namespace

std::vector<ApplicationAliasRow> MissingAliases(const Tables& tables, const Inventory& inventory, bool also_gone,
                                                std::int64_t valid_from_us) {
  absl::flat_hash_map<ApplicationId, std::string> declared;
  for (const config::DeclaredApplication& said : inventory.said().applications()) {
    for (const ApplicationId id : FindNamed(tables, said.application())) {
      if (!said.name().empty() && said.name() != tables.applications.at(id).row.name) {
        declared[id] = said.name();  // no application is declared twice
      }
    }
  }
  std::vector<ApplicationAliasRow> missing;
  for (const auto& [id, name] : declared) {
    if (tables.applications.at(id).display_name != name) {
      missing.push_back({id, name, valid_from_us});
    }
  }
  if (also_gone) {
    for (const auto& [id, application] : tables.applications) {
      if (!application.display_name.empty() && !declared.contains(id)) {
        missing.push_back({id, "", valid_from_us});
      }
    }
  }
  return missing;
}

void DeclaredNames::Set(std::shared_ptr<const Inventory> inventory) {
  inventory_ = std::move(inventory);
  gone_is_done_of_.reset();
}

void DeclaredNames::Keep() {
  if (!state_->ready() || *asked_) {
    return;
  }
  // Store time never falls, so a clock that was set back makes no new name older than the one before.
  const std::int64_t now_us = absl::ToUnixMicros(writer_->status().store_time);
  {
    ReaderLock lock(&state_->mutex());
    const std::size_t applications = state_->tables().applications.size();
    if (MissingAliases(state_->tables(), *inventory_, applications != gone_is_done_of_, now_us).empty()) {
      // An inventory takes names away; one that was dormant meanwhile comes back with its own.
      gone_is_done_of_ = applications;
      return;
    }
  }
  // Looked for again under the writer's lock: the tables are others by then.
  *asked_ = true;
  writer_->Submit(
      [inventory = inventory_, now_us](Tables& tables, Store& store) -> absl::Status {
        for (const ApplicationAliasRow& row : MissingAliases(tables, *inventory, /*also_gone=*/true, now_us)) {
          RETURN_IF_ERROR(store.Put(row));
          tables.applications.at(row.application).display_name = row.display_name;
        }
        return absl::OkStatus();
      },
      [asked = asked_](const absl::Status&) { *asked = false; });  // after a failure they are missing again
}

}  // namespace ppmm
