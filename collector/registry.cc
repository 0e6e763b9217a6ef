#include "collector/registry.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "collector/duplicates.h"
#include "common/log.h"
#include "common/status.h"
#include "proto/telemetry.pb.h"

namespace ppmm {
namespace {

constexpr std::size_t kMaxPastEpochs = 64;
constexpr std::size_t kMaxLabelBytes = 64;
constexpr std::int64_t kUsPerDay = 86'400'000'000;
constexpr std::int64_t kDaysWrittenAgain = 27;  // before today: minutes are kept, and windows of minutes are, 28 days
constexpr ApplicationId kLargestApplication = (1U << 24U) - 1;  // the key of application_minute has 24 bits for it
constexpr absl::string_view kLabelAlias = "label:";             // of host_alias: labels that a host ever had

std::string EpochBytes(std::uint64_t epoch) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) {
    bytes.push_back(static_cast<char>((epoch >> shift) & 0xff));
  }
  return bytes;
}

// Place among the epochs that were current, in the order in which they became it; -1: never.
int PlaceOf(const std::string& epochs, std::uint64_t epoch) {
  const std::string bytes = EpochBytes(epoch);
  for (std::size_t at = 0; at + 8 <= epochs.size(); at += 8) {
    if (epochs.compare(at, 8, bytes) == 0) {
      return static_cast<int>(at / 8);
    }
  }
  return -1;
}

// Two live processes with one agent_id are recognized by an epoch that comes back after it was replaced. The one whose
// epoch came later is the clone.
StreamInstruction TakeEpoch(AgentRow& agent, std::uint64_t epoch) {
  if (agent.current_epoch == epoch) {
    return StreamInstruction::kNone;
  }
  const int place = PlaceOf(agent.past_epochs, epoch);
  if (place >= 0 && place > PlaceOf(agent.past_epochs, agent.current_epoch)) {
    return StreamInstruction::kNewIdentity;
  }
  agent.current_epoch = epoch;
  if (place < 0) {
    agent.past_epochs += EpochBytes(epoch);
    if (agent.past_epochs.size() > kMaxPastEpochs * 8) {
      agent.past_epochs.erase(0, agent.past_epochs.size() - kMaxPastEpochs * 8);
    }
  }
  return StreamInstruction::kNone;
}

// The key and the kind of an entity within its host.
std::pair<EntityKind, std::string> KeyOf(const wire::Entity& entity, const HostState& host) {
  switch (entity.kind_case()) {
    case wire::Entity::kInstance:
      return {EntityKind::kInstance,
              absl::StrCat(host.row.group, "/", entity.instance().name(), "\x1f", entity.instance().slot())};
    case wire::Entity::kDevice:
      return {EntityKind::kDevice, absl::StrCat(entity.device().kind(), "/", entity.device().name())};
    case wire::Entity::kRemote:
      return {EntityKind::kRemote, absl::StrCat(entity.remote().address(), ":", entity.remote().port())};
    case wire::Entity::kHost:
    case wire::Entity::KIND_NOT_SET:
      break;
  }
  return {EntityKind::kHost, ""};
}

std::string AttributesOf(wire::Entity entity) {
  entity.set_id(0);  // holds for an epoch only
  return entity.SerializeAsString();
}

absl::Status TakeInstance(Store& store, const wire::Instance& instance, EntityState& entity) {
  InstanceRow row = entity.instance;
  row.slot = instance.slot();
  row.product = instance.product();
  row.version = instance.version();
  row.code_digest = instance.code_digest();
  if (row.slot == entity.instance.slot && row.product == entity.instance.product &&
      row.version == entity.instance.version && row.code_digest == entity.instance.code_digest) {
    return absl::OkStatus();
  }
  entity.instance = row;
  return store.Put(row);
}

// Facts that were written before the proof came are to be written again. What is older is in no window of minutes, and
// its bits may be gone.
absl::Status TouchDays(Tables& tables, Store& store, const HostLifeRow& off) {
  bool touched = false;
  const std::int64_t first = std::max(off.from_us / kUsPerDay, tables.facts_day - kDaysWrittenAgain);
  for (std::int64_t day = first; day < tables.facts_day && day * kUsPerDay < off.to_us; ++day) {
    touched = TouchDay(day, tables) || touched;
  }
  return touched ? PutTouchedDays(tables, store) : absl::OkStatus();
}

absl::Status TakeHostLife(Tables& tables, Store& store, const wire::HostLife& life, HostState& host) {
  std::vector<HostLifeRow> rows;
  if (life.previous_boot_last_life_us() > 0 && life.previous_boot_last_life_us() < life.boot_us()) {
    rows.push_back({host.row.key, life.previous_boot_last_life_us(), life.boot_us(), life.previous_boot_evidence()});
  }
  for (const wire::Interval& interval : life.suspended()) {
    if (interval.from_us() < interval.to_us()) {
      rows.push_back({host.row.key, interval.from_us(), interval.to_us(), "suspended"});
    }
  }
  for (HostLifeRow& row : rows) {
    const auto at = std::lower_bound(host.lives.begin(), host.lives.end(), row.from_us,
                                     [](const HostLifeRow& known, std::int64_t from) { return known.from_us < from; });
    if (at != host.lives.end() && at->from_us == row.from_us) {
      if (at->to_us == row.to_us && at->why == row.why) {
        continue;
      }
      RETURN_IF_ERROR(TouchDays(tables, store, *at));
      *at = row;
    } else {
      host.lives.insert(at, row);
    }
    RETURN_IF_ERROR(TouchDays(tables, store, row));
    RETURN_IF_ERROR(store.Put(row));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> Registry::GiveLabel(Tables& tables, Store& store, const StreamHello& hello,
                                                const HostState& host) {
  const std::string hex = absl::BytesToHexString(host.row.host_id);
  std::string label = EscapeForDisplay(hello.host_name, kMaxLabelBytes);
  if (label.empty()) {
    label = hex.substr(0, 12);
  }
  // A label once used is never another host's; the longer forms end the search at the whole id.
  for (std::size_t digits = 6;; digits += 2) {
    const auto [owner, is_new] = tables.host_by_label.try_emplace(label, host.row.key);
    if (owner->second == host.row.key) {
      if (is_new) {
        RETURN_IF_ERROR(store.Put(HostAliasRow{absl::StrCat(kLabelAlias, label), host.row.key}));
      }
      return label;
    }
    label = absl::StrCat(EscapeForDisplay(hello.host_name, kMaxLabelBytes), "-", hex.substr(0, digits));
  }
}

absl::StatusOr<HostState*> Registry::FindOrMakeHost(Tables& tables, Store& store, const StreamHello& hello,
                                                    const std::string& host_id) {
  const auto known = tables.host_by_id.find(host_id);
  if (known == tables.host_by_id.end() && tables.hosts.size() >= limits_.hosts) {
    return nullptr;
  }
  const HostKey key = known != tables.host_by_id.end() ? known->second
                      : tables.hosts.empty()           ? 1
                                                       : tables.hosts.rbegin()->first + 1;
  HostState& host = tables.hosts[key];
  const HostRow before = host.row;
  if (known == tables.host_by_id.end()) {
    tables.host_by_id[host_id] = key;
    host.row.key = key;
    host.row.host_id = host_id;
    host.row.first_seen_us = absl::ToUnixMicros(hello.received);
  }
  if (known == tables.host_by_id.end() || host.row.name != hello.host_name) {
    host.row.name = hello.host_name;
    ASSIGN_OR_RETURN(host.row.label, GiveLabel(tables, store, hello, host));
  }
  host.row.duplicate |= host_id != hello.host_id;
  host.row.group = hello.group.empty() ? "default" : hello.group;
  host.row.agent_version = hello.version;
  if (before.name != host.row.name || before.group != host.row.group || before.key != host.row.key ||
      before.agent_version != host.row.agent_version || before.label != host.row.label ||
      before.duplicate != host.row.duplicate) {
    RETURN_IF_ERROR(store.Put(host.row));
  }
  return &host;
}

absl::StatusOr<HelloResult> Registry::Hello(Tables& tables, Store& store, const StreamHello& hello) {
  HelloResult result;
  ASSIGN_OR_RETURN(const std::string host_id, HostIdOf(tables, store, hello));
  ASSIGN_OR_RETURN(HostState * host, FindOrMakeHost(tables, store, hello, host_id));
  if (host == nullptr) {
    ++refused_;
    return result;
  }
  ASSIGN_OR_RETURN(result.set_back, TakeAcknowledged(tables, store, hello, *host));
  if (result.set_back.is_new) {
    RETURN_IF_ERROR(BeginAnew(tables, store, hello.received));
  }
  result.host = host->row.key;
  result.welcome.store_id = tables.store_id;
  result.welcome.host_label = host->row.label;

  AgentState& agent = tables.agents[hello.agent_id];
  if (agent.row.agent_id.empty()) {
    agent.row.agent_id = hello.agent_id;
    agent.row.first_seen_us = absl::ToUnixMicros(hello.received);
  }
  agent.row.host = host->row.key;
  agent.row.version = hello.version;
  agent.row.last_hello_us = std::max(absl::ToUnixMicros(hello.received), tables.restored_us);
  result.welcome.instruction = TakeEpoch(agent.row, hello.current_epoch);
  RETURN_IF_ERROR(store.Put(agent.row));
  for (const auto& [epoch, acknowledged] : hello.epochs) {
    const auto cursor = tables.cursors.find(epoch);
    if (cursor != tables.cursors.end() && cursor->second.number > 0) {
      result.welcome.durable.emplace_back(epoch, cursor->second.number);
    }
  }
  return result;
}

absl::StatusOr<SeriesState*> Registry::Series(Tables& tables, Store& store, SeriesId id) {
  ASSIGN_OR_RETURN(SeriesState * series, WakeSeries(tables, store, limits_, id));
  refused_ += series == nullptr && id != 0 ? 1 : 0;
  return series;
}

absl::StatusOr<EntityState*> Registry::Entity(Tables& tables, Store& store, EntityId id) {
  ASSIGN_OR_RETURN(EntityState * entity, WakeEntity(tables, store, limits_, id));
  refused_ += entity == nullptr && id != 0 ? 1 : 0;
  return entity;
}

// The name of a new application: what was found. Where that makes a label that another has (name "shop/checkout", and
// name "checkout" of group "shop"), the later one's name gets its group before it, once and for good.
absl::StatusOr<std::string> Registry::GiveName(Store& store, const std::string& group, std::string found) {
  while (true) {
    const std::string label = ApplicationLabel(group, found);
    if (!absl::StrContains(label, '/')) {
      return found;  // of group `default`, where the key is unique
    }
    ASSIGN_OR_RETURN(const ApplicationId owner, store.FindApplicationByLabel(label));
    if (owner == 0) {
      return found;
    }
    found = absl::StrCat(group, "/", found);
  }
}

absl::StatusOr<ApplicationId> Registry::FindOrMakeApplication(Tables& tables, Store& store, const HostState& host,
                                                              const std::string& name, std::int64_t now_us) {
  const std::string key = absl::StrCat(host.row.group, "/", name);
  const auto known = tables.application_by_key.find(key);
  if (known != tables.application_by_key.end()) {
    return known->second;
  }
  ASSIGN_OR_RETURN(const ApplicationId dormant, store.FindApplication(key));
  if (dormant != 0) {
    ASSIGN_OR_RETURN(const ApplicationState* woken, WakeApplication(tables, store, limits_, dormant));
    return woken == nullptr ? 0 : dormant;
  }
  if (tables.applications.size() >= limits_.applications || tables.last_application >= kLargestApplication) {
    return 0;
  }
  ASSIGN_OR_RETURN(std::string given, GiveName(store, host.row.group, name));
  ApplicationRow row{tables.last_application + 1, key, host.row.group, std::move(given), now_us};
  RETURN_IF_ERROR(store.Put(row));
  return tables.Add(std::move(row)).row.id;
}

absl::StatusOr<EntityId> Registry::FindOrMakeEntity(Tables& tables, Store& store, HostState& host,
                                                    const wire::Entity& entity, std::int64_t now_us) {
  const auto [kind, key] = KeyOf(entity, host);
  const auto in_memory = tables.entity_by_key.find(EntityLookupKey(host.row.key, kind, key));
  EntityId known = in_memory == tables.entity_by_key.end() ? 0 : in_memory->second;
  if (known == 0) {
    ASSIGN_OR_RETURN(known, store.FindEntity(host.row.key, kind, key));
  }
  if (known != 0) {
    ASSIGN_OR_RETURN(EntityState * state, Entity(tables, store, known));
    if (state == nullptr) {
      return 0;
    }
    std::string attributes = AttributesOf(entity);
    if (attributes != state->row.attributes) {
      state->row.attributes = std::move(attributes);
      state->row.started_us = entity.started_us();
      RETURN_IF_ERROR(store.Put(state->row));
    }
    if (kind == EntityKind::kInstance) {
      RETURN_IF_ERROR(TakeInstance(store, entity.instance(), *state));
    }
    return known;
  }
  ApplicationId application = 0;
  if (kind == EntityKind::kInstance) {
    ASSIGN_OR_RETURN(application, FindOrMakeApplication(tables, store, host, entity.instance().name(), now_us));
  }
  // An entity without series costs as much as a series.
  if ((kind == EntityKind::kInstance && application == 0) || tables.entities.size() >= limits_.series) {
    ++refused_;
    return 0;
  }
  auto state = std::make_unique<EntityState>();
  const EntityId id = tables.last_entity + 1;
  state->row = {id, host.row.key, kind, key, now_us, entity.started_us(), AttributesOf(entity)};
  RETURN_IF_ERROR(store.Put(state->row));
  if (application != 0) {
    const wire::Instance& instance = entity.instance();
    state->instance = {
        id, application, host.row.key, instance.slot(), instance.product(), instance.version(), instance.code_digest()};
    RETURN_IF_ERROR(store.Put(state->instance));
  }
  tables.Add(std::move(state));
  return id;
}

absl::StatusOr<SeriesId> Registry::FindOrMakeSeries(Tables& tables, Store& store, EntityId entity_id,
                                                    const Metric& metric, const wire::Series& wire_series) {
  std::string labels;
  for (const std::string& value : wire_series.labels()) {
    absl::StrAppend(&labels, value, "\x1f");
  }
  const auto in_memory = tables.series_by_key.find(SeriesKey{entity_id, &metric, labels});
  if (in_memory != tables.series_by_key.end()) {
    return (*in_memory)->id;
  }
  ASSIGN_OR_RETURN(const SeriesId dormant, store.FindSeries(entity_id, metric.name, labels));
  if (dormant != 0) {
    ASSIGN_OR_RETURN(const SeriesState* woken, Series(tables, store, dormant));
    return woken == nullptr ? 0 : dormant;
  }
  // Also for a new series of an entity that fell dormant since the stream named it.
  ASSIGN_OR_RETURN(const EntityState* entity, Entity(tables, store, entity_id));
  if (entity == nullptr) {
    return 0;
  }
  if (tables.series.size() >= limits_.series) {
    ++refused_;
    return 0;
  }
  auto state = std::make_unique<SeriesState>();
  state->id = tables.last_series + 1;
  state->entity = entity_id;
  state->host = entity->row.host;
  state->metric = &metric;
  state->labels = labels;
  RETURN_IF_ERROR(store.Put(SeriesRow{state->id, entity_id, std::string(metric.name), std::move(labels)}));
  return tables.Add(std::move(state)).id;
}

// Listeners of the host that a complete list of them does not name are gone.
absl::Status Registry::TakeListeners(Tables& tables, Store& store, const wire::Dictionary& dictionary,
                                     const HostState& host, const EpochIds& ids, std::int64_t now_us) {
  using Place = std::tuple<std::string, std::uint32_t, std::string>;
  absl::flat_hash_map<EntityId, std::set<Place>> named;
  for (const wire::Listener& listener : dictionary.listeners()) {
    const auto id = ids.entities.find(listener.entity());
    ASSIGN_OR_RETURN(EntityState * entity, Entity(tables, store, id == ids.entities.end() ? EntityId{0} : id->second));
    if (entity == nullptr) {
      continue;
    }
    named[id->second].emplace(listener.address(), listener.port(), listener.protocol());
    auto known = std::find_if(entity->listeners.begin(), entity->listeners.end(), [&](const ListenerRow& row) {
      return row.address == listener.address() && row.port == listener.port() && row.protocol == listener.protocol();
    });
    if (known != entity->listeners.end() && known->gone_us == 0) {
      continue;
    }
    if (known == entity->listeners.end()) {
      known = entity->listeners.insert(
          known, {id->second, listener.address(), listener.port(), listener.protocol(), now_us, 0});
    }
    known->gone_us = 0;
    RETURN_IF_ERROR(store.Put(*known));
  }
  if (!dictionary.listeners_complete()) {
    return absl::OkStatus();
  }
  for (const EntityId id : host.entities) {
    for (ListenerRow& row : tables.Entity(id)->listeners) {
      if (row.gone_us == 0 && !named[id].contains({row.address, row.port, row.protocol})) {
        row.gone_us = now_us;
        RETURN_IF_ERROR(store.Put(row));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Registry::Apply(Tables& tables, Store& store, HostKey host_key, const DictionaryUpdate& update,
                             EpochIds& ids) {
  const wire::Dictionary& dictionary = *update.message;
  const std::int64_t now_us = absl::ToUnixMicros(update.received);
  HostState& host = tables.hosts.at(host_key);
  if (dictionary.complete()) {
    ids.entities.clear();
    ids.series.clear();
  }
  for (const wire::Entity& entity : dictionary.entities()) {
    ASSIGN_OR_RETURN(ids.entities[entity.id()], FindOrMakeEntity(tables, store, host, entity, now_us));
    if (entity.has_host() && update.live) {
      host.row.attributes = entity.host().SerializeAsString();
      RETURN_IF_ERROR(store.Put(host.row));
    }
  }
  for (const wire::Series& series : dictionary.series()) {
    const Metric* metric = FindMetric(series.name());
    const auto entity = ids.entities.find(series.entity());
    if (metric == nullptr || entity == ids.entities.end()) {
      continue;  // ingest leaves the samples of a metric out that we do not know
    }
    SeriesId id = 0;
    if (entity->second != 0) {
      ASSIGN_OR_RETURN(id, FindOrMakeSeries(tables, store, entity->second, *metric, series));
    }
    ids.series[series.id()] = id;
  }
  if (dictionary.has_host_life()) {
    ids.boot_us = dictionary.host_life().boot_us();
    if (update.live && ids.boot_us != host.row.boot_us) {
      host.row.boot_us = ids.boot_us;
      host.row.boot_id = dictionary.host_life().boot_id();
      RETURN_IF_ERROR(store.Put(host.row));
    }
    RETURN_IF_ERROR(TakeHostLife(tables, store, dictionary.host_life(), host));
  }
  if (update.live) {
    RETURN_IF_ERROR(TakeListeners(tables, store, dictionary, host, ids, now_us));
  }
  return absl::OkStatus();
}

}  // namespace ppmm
