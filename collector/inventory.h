// The inventory: what people say the organization is (proto/inventory.proto). Read at start and at each reload; a value
// from then on. It is shown beside what the agents see; nothing of it counts before it is confirmed.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "common/addresses.h"
#include "common/config_loader.h"
#include "proto/collector_config.pb.h"
#include "proto/inventory.pb.h"

namespace ppmm {

class Inventory {
 public:
  // An organization that says nothing.
  Inventory() = default;
  // `author`: who says it: the file.
  Inventory(config::Inventory said, std::string author) : said_(std::move(said)), author_(std::move(author)) {}

  const config::Inventory& said() const { return said_; }
  const std::string& author() const { return author_; }
  // A JSON object with the keys and words of the file.
  std::string ToJson() const;

  // Null: nothing is said. `key` is "group/name".
  const config::DeclaredApplication* FindApplication(absl::string_view key) const;
  const config::DeclaredHost* FindHost(absl::string_view label) const;
  const config::Exclusion* FindApplicationExclusion(absl::string_view key) const;
  const config::Exclusion* FindHostExclusion(absl::string_view label) const;

 private:
  config::Inventory said_;
  std::string author_;
};

// Whether a name of the inventory, in which group `default` need not be written, is this key.
bool NamesApplication(absl::string_view name, absl::string_view key);

// As the file writes it: "not_ours".
std::string ExclusionWord(config::ExclusionKind kind);

// Whether a date of the inventory is over. It holds to its end, in UTC.
bool IsOver(const std::string& date, absl::Time now);

// The organization's own networks: those of the configuration, then those of the inventory.
std::vector<Network> OwnNetworks(const config::CollectorConfig& config, const Inventory& inventory);

// Checks what type and range don't tell: names given once, networks, dates, reasons, ids of activities.
void Validate(const config::Inventory& inventory, ConfigReport* report);

// Reads and checks the file. One that is not there is an empty inventory.
//
// Errors: added to `report`, which is to be thrown away then as is the result.
config::Inventory ReadInventory(const std::string& path, ConfigReport* report);

// The same. Errors: InvalidArgument with one line per mistake and a last one that counts them.
absl::StatusOr<Inventory> LoadInventory(const std::string& path);

// Adds to the report of the configuration, whose key `inventory` names the file, what is wrong with it.
void CheckInventory(const std::string& path, ConfigReport* report);

}  // namespace ppmm
