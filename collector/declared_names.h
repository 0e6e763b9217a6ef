// Names that people declare, kept as rows of application_alias: what an application is shown by from then on, after a
// restart too. Its key, and all that is counted, stays with the discovered unit.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "collector/inventory.h"
#include "collector/state.h"
#include "collector/writer.h"

namespace ppmm {

// What is missing until `tables` show what is declared: a row for each name that is new or another one, and, where
// asked for, one without a name for each application of which none is declared any more. Pure.
//
// `valid_from_us`: of all of them. Of two rows the later one holds.
std::vector<ApplicationAliasRow> MissingAliases(const Tables& tables, const Inventory& inventory, bool also_gone,
                                                std::int64_t valid_from_us);

// One thread.
class DeclaredNames {
 public:
  // Both outlive this.
  DeclaredNames(State* state, Writer* writer) : state_(state), writer_(writer) {}

  // What is declared from now on.
  void Set(std::shared_ptr<const Inventory> inventory);

  // Once a second: has the next commit write what is missing, so that an application gets its name soon after it is
  // first seen. What could not be committed is missing again. One commit at most is asked for at a time.
  void Keep();

 private:
  State* const state_;
  Writer* const writer_;
  std::shared_ptr<const Inventory> inventory_ = std::make_shared<const Inventory>();
  std::optional<std::size_t> gone_is_done_of_;  // so many applications, since Set()
  // What was asked for is not committed yet. Shared with the writer, which may answer after this is gone.
  const std::shared_ptr<std::atomic<bool>> asked_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace ppmm
