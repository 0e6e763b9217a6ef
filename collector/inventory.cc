#include "collector/inventory.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/protobuf/util/json_util.h"
#include "nlohmann/json.hpp"

#include "collector/rating/catalogue.h"
#include "common/log.h"
#include "common/nearest.h"

namespace ppmm {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxText = 128;
constexpr std::size_t kMaxReason = 1024;

std::optional<absl::Time> Parse(const char* format, const std::string& text) {
  absl::Time time;
  std::string ignored;
  return absl::ParseTime(format, text, absl::UTCTimeZone(), &time, &ignored) ? std::optional<absl::Time>(time)
                                                                             : std::nullopt;
}

// One item of a list of the file: where it is, and what is wrong with it.
class Item {
 public:
  Item(absl::string_view list, int index, ConfigReport* report)
      : path_(absl::StrCat(list, "[", index, "]")), report_(report) {}

  void Add(absl::string_view field, absl::string_view message) {
    report_->AddError(absl::StrCat(path_, field.empty() ? "" : ".", field), message);
  }
  void Needs(absl::string_view field, const std::string& text, std::size_t most = kMaxText) {
    if (text.empty()) {
      Add("", absl::StrCat("needs \"", field, "\""));
    }
    Bound(field, text, most);
  }
  void Bound(absl::string_view field, const std::string& text, std::size_t most = kMaxText) {
    if (text.size() > most) {
      Add(field, absl::StrCat("is longer than ", most, " bytes"));
    }
  }
  void NeedsDate(absl::string_view field, const std::string& text) {
    if (text.empty()) {
      Add("", absl::StrCat("needs \"", field, "\", a date like 2027-05-31"));
    } else if (!Parse("%Y-%m-%d", text).has_value()) {
      Add(field, absl::StrCat("\"", EscapeForDisplay(text, 64), "\" is no date; write it as 2027-05-31"));
    }
  }
  std::optional<absl::Time> NeedsTime(absl::string_view field, const std::string& text) {
    const std::optional<absl::Time> time = Parse("%Y-%m-%d %H:%M", text);
    if (text.empty()) {
      Add("", absl::StrCat("needs \"", field, "\", a time like 2026-12-24 02:00"));
    } else if (!time.has_value()) {
      Add(field, absl::StrCat("\"", EscapeForDisplay(text, 64), "\" is no time; write it as 2026-12-24 02:00, in UTC"));
    }
    return time;
  }
  template <class Scoped>
  void NeedsOneScope(const Scoped& scoped) {
    if (scoped.application().empty() == scoped.host().empty()) {
      Add("", "needs either \"application\" or \"host\"");
    }
  }

 private:
  const std::string path_;
  ConfigReport* const report_;
};

// Says what was said before already.
class Names {
 public:
  void Take(absl::string_view field, absl::string_view name, Item& item) {
    if (!name.empty() && !seen_.insert(std::string(name)).second) {
      item.Add(field, absl::StrCat("\"", EscapeForDisplay(std::string(name), 64), "\" is declared twice"));
    }
  }

 private:
  absl::flat_hash_set<std::string> seen_;
};

std::vector<std::string> ActivityIds() {
  std::vector<std::string> ids;
  if (const absl::StatusOr<Catalogue> catalogue = LoadCatalogue(); catalogue.ok()) {
    for (const Activity& activity : catalogue->activities()) {
      ids.push_back(activity.id);
    }
  }
  return ids;
}

void CheckScopes(const config::Inventory& inventory, ConfigReport* report) {
  Names applications;
  for (int i = 0; i < inventory.applications_size(); ++i) {
    const config::DeclaredApplication& one = inventory.applications(i);
    Item item("applications", i, report);
    item.Needs("application", one.application(), 2 * kMaxText);
    item.Bound("name", one.name());
    item.Bound("owner", one.owner());
    absl::string_view name = one.application();
    absl::ConsumePrefix(&name, "default/");
    applications.Take("application", name, item);
  }
  Names hosts;
  for (int i = 0; i < inventory.hosts_size(); ++i) {
    Item item("hosts", i, report);
    item.Needs("host", inventory.hosts(i).host());
    item.Bound("owner", inventory.hosts(i).owner());
    hosts.Take("host", inventory.hosts(i).host(), item);
  }
  for (int i = 0; i < inventory.networks_size(); ++i) {
    if (const auto network = Network::ParseOwn(inventory.networks(i)); !network.ok()) {
      Item("networks", i, report).Add("", network.status().message());
    }
  }
}

void CheckWhatEases(const config::Inventory& inventory, ConfigReport* report) {
  for (int i = 0; i < inventory.maintenance_size(); ++i) {
    const config::Maintenance& one = inventory.maintenance(i);
    Item item("maintenance", i, report);
    if (!one.application().empty() && !one.host().empty()) {
      item.Add("", "is of an application or of a host, not of both");
    }
    const std::optional<absl::Time> from = item.NeedsTime("from", one.from());
    const std::optional<absl::Time> to = item.NeedsTime("to", one.to());
    if (from.has_value() && to.has_value() && *to <= *from) {
      item.Add("to", "is not after \"from\"");
    }
    item.Bound("reason", one.reason(), kMaxReason);
  }
  for (int i = 0; i < inventory.exclusions_size(); ++i) {
    const config::Exclusion& one = inventory.exclusions(i);
    Item item("exclusions", i, report);
    item.NeedsOneScope(one);
    if (one.kind() == config::EXCLUSION_KIND_UNSPECIFIED) {
      item.Add("", "needs \"kind\": not_ours, agentless, decommissioned or non_production");
    }
    item.Needs("reason", one.reason(), kMaxReason);
    item.NeedsDate("until", one.until());
  }
  const std::vector<std::string> ids = inventory.exemptions().empty() ? std::vector<std::string>{} : ActivityIds();
  for (int i = 0; i < inventory.exemptions_size(); ++i) {
    const config::DeclaredExemption& one = inventory.exemptions(i);
    Item item("exemptions", i, report);
    item.NeedsOneScope(one);
    item.Needs("activity", one.activity());
    if (!one.activity().empty() && std::find(ids.begin(), ids.end(), one.activity()) == ids.end()) {
      item.Add("activity", absl::StrCat("no activity \"", EscapeForDisplay(one.activity(), 64), "\"",
                                        DidYouMean(one.activity(), ids)));
    }
    item.Needs("reason", one.reason(), kMaxReason);
    item.NeedsDate("until", one.until());
  }
}

// Enumerators of one field of a list, as the file writes them. What people wrote as text stays as it is, also where it
// is the name of an enumerator.
void UseWordsOfTheFile(const char* list, const char* field, const google::protobuf::EnumDescriptor& words, Json& json) {
  if (!json.contains(list)) {
    return;
  }
  for (Json& item : json[list]) {
    if (const auto at = item.find(field); at != item.end()) {
      *at = ConfigWord(*words.FindValueByName(at->get<std::string>()));
    }
  }
}

}  // namespace

bool NamesApplication(absl::string_view name, absl::string_view key) {
  return name == key || (absl::ConsumePrefix(&key, "default/") && name == key);
}

const config::DeclaredApplication* Inventory::FindApplication(absl::string_view key) const {
  for (const config::DeclaredApplication& one : said_.applications()) {
    if (NamesApplication(one.application(), key)) {
      return &one;
    }
  }
  return nullptr;
}

const config::DeclaredHost* Inventory::FindHost(absl::string_view label) const {
  for (const config::DeclaredHost& one : said_.hosts()) {
    if (one.host() == label) {
      return &one;
    }
  }
  return nullptr;
}

const config::Exclusion* Inventory::FindApplicationExclusion(absl::string_view key) const {
  for (const config::Exclusion& one : said_.exclusions()) {
    if (!one.application().empty() && NamesApplication(one.application(), key)) {
      return &one;
    }
  }
  return nullptr;
}

const config::Exclusion* Inventory::FindHostExclusion(absl::string_view label) const {
  for (const config::Exclusion& one : said_.exclusions()) {
    if (!one.host().empty() && one.host() == label) {
      return &one;
    }
  }
  return nullptr;
}

std::string Inventory::ToJson() const {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(said_, &text, options).ok()) {
    return "{}";  // text that is not UTF-8; the loader takes none
  }
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  UseWordsOfTheFile("applications", "origin", *config::DeclaredOrigin_descriptor(), json);
  UseWordsOfTheFile("exclusions", "kind", *config::ExclusionKind_descriptor(), json);
  return json.dump();
}

std::string ExclusionWord(config::ExclusionKind kind) {
  return ConfigWord(*config::ExclusionKind_descriptor()->FindValueByNumber(kind));
}

bool IsOver(const std::string& date, absl::Time now) {
  const std::optional<absl::Time> begin = Parse("%Y-%m-%d", date);
  return begin.has_value() && *begin + absl::Hours(24) <= now;
}

std::vector<Network> OwnNetworks(const config::CollectorConfig& config, const Inventory& inventory) {
  std::vector<Network> networks;
  for (const auto* texts : {&config.networks(), &inventory.said().networks()}) {
    for (const std::string& text : *texts) {
      if (const absl::StatusOr<Network> network = Network::ParseOwn(text); network.ok()) {  // both were validated
        networks.push_back(*network);
      }
    }
  }
  return networks;
}

void Validate(const config::Inventory& inventory, ConfigReport* report) {
  CheckScopes(inventory, report);
  CheckWhatEases(inventory, report);
}

config::Inventory ReadInventory(const std::string& path, ConfigReport* report) {
  config::Inventory inventory;
  LoadConfigFile(std::nullopt, path, &inventory, report);
  if (!report->unread()) {
    Validate(inventory, report);
  }
  return inventory;
}

absl::StatusOr<Inventory> LoadInventory(const std::string& path) {
  ConfigReport report(path);
  config::Inventory inventory = ReadInventory(path, &report);
  if (!report.ok()) {
    return report.Refusal();
  }
  return Inventory(std::move(inventory), path);
}

void CheckInventory(const std::string& path, ConfigReport* report) {
  if (!absl::StartsWith(path, "/")) {
    return;  // told already
  }
  // Its keys are other keys than the configuration's of the same names.
  ConfigReport own(path);
  ReadInventory(path, &own);
  for (const ConfigError& error : own.errors()) {
    if (error.place.line == 0) {
      report->AddError("inventory", ToString(error));
    } else {
      report->AddErrorAt(error.place, error.message);
    }
  }
}

}  // namespace ppmm
