// What people declare, as the views show it: at once, with its author, beside what the rating counts until it is
// confirmed. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"

#include "collector/application_view.h"
#include "collector/inventory.h"
#include "collector/web/page.h"

namespace ppmm {

// Puts what is declared of an application in place of what was found. `view.counted` was filled before.
void ShowDeclared(const Inventory& inventory, ApplicationView& view);

// Every entry of the inventory in the order of the file, list by list. `applications` show what is declared.
std::vector<PageData::Declaration> DeclarationsOf(const Inventory& inventory, const ApplicationViews& applications,
                                                  absl::Time now);

}  // namespace ppmm
