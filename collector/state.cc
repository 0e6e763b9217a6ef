#include "collector/state.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "collector/restore.h"
#include "common/status.h"
#include "common/varint.h"

namespace ppmm {
namespace {

constexpr char kTotalsVersion = 1;

template <class Map>
auto* FindIn(Map& map, const typename Map::key_type& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

void AppendBytes(absl::string_view bytes, std::string* out) {
  AppendVarint(bytes.size(), out);
  out->append(bytes.data(), bytes.size());
}

bool ReadString(ByteReader& reader, absl::string_view* bytes) {
  std::uint64_t size = 0;
  return reader.ReadVarint(&size) && size <= reader.left() && reader.ReadBytes(static_cast<std::size_t>(size), bytes);
}

// Of vectors of rising ids.
template <class Id>
void Insert(Id id, std::vector<Id>& ids) {
  ids.insert(std::lower_bound(ids.begin(), ids.end(), id), id);
}
template <class Id>
void Erase(Id id, std::vector<Id>& ids) {
  ids.erase(std::lower_bound(ids.begin(), ids.end(), id));
}

// The values of a map, in order of keys.
template <class Map>
std::vector<const typename Map::mapped_type::element_type*> InOrder(const Map& map) {
  std::vector<std::pair<typename Map::key_type, const typename Map::mapped_type::element_type*>> sorted;
  for (const auto& [id, value] : map) {
    sorted.emplace_back(id, value.get());
  }
  std::sort(sorted.begin(), sorted.end());
  std::vector<const typename Map::mapped_type::element_type*> values;
  values.reserve(sorted.size());
  for (const auto& [id, value] : sorted) {
    values.push_back(value);
  }
  return values;
}

std::string SketchText(const Sketch& sketch) {
  return absl::BytesToHexString(sketch.Encode());
}

// Places the values that ride in the open minute's row.
absl::Status TakeOpenMinute(Tables& tables, HostState& host, absl::string_view blob) {
  ASSIGN_OR_RETURN(host.open, MinuteRow::Decode(blob));
  for (const SeriesTotal& total : host.open.totals) {
    if (SeriesState* series = tables.Series(total.series); series != nullptr) {
      series->last = total.last;
      series->last_step = total.last_step;
      series->total = total.total;
    }
  }
  for (SeriesSketch& total : host.open.sketch_totals) {
    if (SeriesState* series = tables.Series(total.series); series != nullptr && series->histogram != nullptr) {
      series->histogram->total = std::move(total.sketch);
    }
  }
  host.late_samples_total = host.open.late_samples_total;
  host.open.totals.clear();
  host.open.sketch_totals.clear();
  host.open.late_samples_total = 0;
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> NumberInMeta(Store& store, absl::string_view key) {
  ASSIGN_OR_RETURN(const std::optional<std::string> text, store.GetMeta(key));
  std::int64_t number = 0;
  if (text.has_value() && !absl::SimpleAtoi(*text, &number)) {
    return absl::DataLossError(absl::StrCat("meta: ", key, " is no number"));
  }
  return number;
}

absl::Status BuildEntities(StoreContents& contents, Tables& tables) {
  auto instance = contents.instances.begin();  // in order of entities, as these are
  for (EntityRow& row : contents.entities) {
    if (row.id == 0 || !tables.hosts.contains(row.host)) {
      return absl::DataLossError(absl::StrCat("entity ", row.id, " has no host"));
    }
    auto entity = std::make_unique<EntityState>();
    entity->row = std::move(row);
    if (instance != contents.instances.end() && instance->entity == entity->row.id) {
      entity->instance = std::move(*instance);
      ++instance;
    }
    if (entity->instance.application != 0 && tables.Application(entity->instance.application) == nullptr) {
      return absl::DataLossError(absl::StrCat("instance ", entity->row.id, " has no application"));
    }
    tables.Add(std::move(entity));
  }
  if (instance != contents.instances.end()) {
    return absl::DataLossError(absl::StrCat("instance ", instance->entity, " has no entity"));
  }
  for (const InstanceLifeRow& row : contents.instance_lives) {
    if (EntityState* entity = tables.Entity(row.entity); entity != nullptr) {
      entity->lives.push_back(row);
    }
  }
  for (ListenerRow& row : contents.listeners) {
    if (EntityState* entity = tables.Entity(row.entity); entity != nullptr) {
      entity->listeners.push_back(std::move(row));
    }
  }
  for (SeriesRow& row : contents.series) {
    const EntityState* entity = tables.Entity(row.entity);
    if (entity == nullptr || row.id == 0) {
      return absl::DataLossError(absl::StrCat("series ", row.id, " has no entity"));
    }
    const Metric* metric = FindMetric(row.metric);
    if (metric == nullptr) {
      continue;  // of a metric that this version no longer has; its id stays taken
    }
    auto series = std::make_unique<SeriesState>();
    series->id = row.id;
    series->entity = row.entity;
    series->host = entity->row.host;
    series->metric = metric;
    series->labels = std::move(row.labels);
    tables.Add(std::move(series));
  }
  return absl::OkStatus();
}

absl::Status Build(Store& store, Tables& tables) {
  ASSIGN_OR_RETURN(StoreContents contents, store.LoadContents());
  ASSIGN_OR_RETURN(const std::optional<std::string> store_id, store.GetMeta("store_id"));
  if (!store_id.has_value()) {
    return absl::DataLossError("meta: no store_id");
  }
  tables.store_id = absl::HexStringToBytes(*store_id);
  RETURN_IF_ERROR(LoadRestores(store, tables));
  ASSIGN_OR_RETURN(tables.commit, NumberInMeta(store, "commit"));
  tables.read_at = tables.commit;
  ASSIGN_OR_RETURN(tables.sealed_day, NumberInMeta(store, "sealed_day"));
  ASSIGN_OR_RETURN(tables.reopened_until, NumberInMeta(store, "reopened_until"));
  ASSIGN_OR_RETURN(tables.store_time_us, NumberInMeta(store, "store_time_us"));
  ASSIGN_OR_RETURN(tables.facts_day, NumberInMeta(store, "facts_day"));
  ASSIGN_OR_RETURN(tables.counted_since_us, NumberInMeta(store, "counted_since_us"));
  ASSIGN_OR_RETURN(tables.timed_since_us, NumberInMeta(store, "timed_since_us"));
  ASSIGN_OR_RETURN(tables.deployments_since_us, NumberInMeta(store, "deployments_since_us"));
  ASSIGN_OR_RETURN(tables.watchdog_since_minute, NumberInMeta(store, "watchdog_since_minute"));
  tables.watchdog = contents.watchdog;
  ASSIGN_OR_RETURN(const std::optional<std::string> touched, store.GetMeta("touched_days"));
  for (const absl::string_view text : absl::StrSplit(touched.value_or(""), ',', absl::SkipEmpty())) {
    std::int64_t day = 0;
    if (!absl::SimpleAtoi(text, &day)) {
      return absl::DataLossError("meta: touched_days is no list of numbers");
    }
    tables.touched_days.insert(day);
  }
  for (HostRow& row : contents.hosts) {
    tables.host_by_id[row.host_id] = row.key;
    tables.hosts[row.key].row = std::move(row);
  }
  for (const HostAliasRow& row : contents.host_aliases) {
    // Labels that a host ever had are kept as aliases of this form (registry.cc).
    if (absl::StartsWith(row.alias, "label:")) {
      tables.host_by_label[row.alias.substr(6)] = row.host;
    } else {
      tables.host_by_alias[row.alias] = row.host;
    }
  }
  for (AgentRow& row : contents.agents) {
    std::string id = row.agent_id;
    tables.agents[std::move(id)].row = std::move(row);
  }
  for (const CursorRow& row : contents.cursors) {
    const auto [known, is_new] = tables.cursors.try_emplace(row.epoch);
    if (is_new || row.number > known->second.number) {
      known->second = {row.agent_id, row.number, row.newest_step, row.produced, row.moved, false};
    }
  }
  for (ApplicationRow& row : contents.applications) {
    tables.Add(std::move(row));
  }
  for (ApplicationAliasRow& row : contents.application_aliases) {
    if (ApplicationState* application = FindIn(tables.applications, row.application); application != nullptr) {
      application->display_name = std::move(row.display_name);  // rows are in order of time
    }
  }
  for (const TotalRow& row : contents.totals) {
    if (ApplicationState* application = FindIn(tables.applications, row.application); application != nullptr) {
      RETURN_IF_ERROR(DecodePooledTotals(row.blob, application));
    }
  }
  RETURN_IF_ERROR(BuildEntities(contents, tables));
  tables.last_application = contents.last_application;
  tables.last_entity = contents.last_entity;
  tables.last_series = contents.last_series;
  for (HostLifeRow& row : contents.host_lives) {
    if (HostState* host = FindIn(tables.hosts, row.host); host != nullptr) {
      host->lives.push_back(std::move(row));
    }
  }
  for (SourceStateRow& row : contents.sources) {
    if (HostState* host = FindIn(tables.hosts, row.host); host != nullptr) {
      host->sources[row.source] = row;
    }
  }
  for (ForecastRow& row : contents.forecasts) {
    if (HostState* host = FindIn(tables.hosts, row.host); host != nullptr) {
      host->forecasts.push_back(std::move(row));
    }
  }
  for (const MinuteRecord& record : contents.open_minutes) {
    RETURN_IF_ERROR(Annotate(TakeOpenMinute(tables, tables.hosts[record.host], record.blob),
                             absl::StrCat("open minute of host ", record.host)));
  }
  return absl::OkStatus();
}

}  // namespace

void SketchRing::Add(std::int64_t step, const Sketch& sketch) {
  const std::int64_t number = step / kSliceSeconds;
  Slice& slice = slices[static_cast<std::size_t>(number) % kSlices];
  if (slice.number > number) {
    return;  // older than the ring
  }
  if (slice.number < number) {
    slice.number = number;
    slice.sketch.Clear();
  }
  slice.sketch.Merge(sketch);
}

Sketch SketchRing::Newest(std::int64_t newest, std::int64_t count) const {
  const std::int64_t running = newest / kSliceSeconds;
  const bool is_told = std::any_of(slices.begin(), slices.end(), [running](const Slice& slice) {
    return slice.number == running && !slice.sketch.empty();
  });
  const std::int64_t end = is_told ? running + 1 : running;
  Sketch result;
  for (const Slice& slice : slices) {
    if (slice.number >= end - count && slice.number < end) {
      result.Merge(slice.sketch);
    }
  }
  return result;
}

std::vector<absl::string_view> SeriesState::LabelValues() const {
  std::vector<absl::string_view> values = absl::StrSplit(labels, '\x1f');
  values.pop_back();  // behind the last mark
  return values;
}

const EntityState* Tables::Entity(EntityId id) const {
  const auto found = entities.find(id);
  return found == entities.end() ? nullptr : found->second.get();
}
EntityState* Tables::Entity(EntityId id) {
  const auto found = entities.find(id);
  return found == entities.end() ? nullptr : found->second.get();
}
const SeriesState* Tables::Series(SeriesId id) const {
  const auto found = series.find(id);
  return found == series.end() ? nullptr : found->second.get();
}
SeriesState* Tables::Series(SeriesId id) {
  const auto found = series.find(id);
  return found == series.end() ? nullptr : found->second.get();
}
const ApplicationState* Tables::Application(ApplicationId id) const {
  return FindIn(applications, id);
}

std::string EntityLookupKey(HostKey host, EntityKind kind, absl::string_view key) {
  return absl::StrCat(host, ":", static_cast<int>(kind), ":", key);
}

EntityState& Tables::Add(std::unique_ptr<EntityState> entity) {
  EntityState& added = *entity;
  const EntityId id = added.row.id;
  entity_by_key[EntityLookupKey(added.row.host, added.row.kind, added.row.key)] = id;
  Insert(id, hosts.at(added.row.host).entities);
  if (added.instance.application != 0) {
    Insert(id, applications.at(added.instance.application).instances);
  }
  last_entity = std::max(last_entity, id);
  entities[id] = std::move(entity);
  return added;
}

SeriesState& Tables::Add(std::unique_ptr<SeriesState> added_series) {
  SeriesState& added = *added_series;
  EntityState& entity = *entities.at(added.entity);
  series_by_key.insert(&added);
  Insert(added.id, entity.series);
  if (added.metric->kind == MetricKind::kHistogram) {
    added.histogram = std::make_unique<HistogramState>();
  }
  const auto application = applications.find(entity.instance.application);
  if (application != applications.end() && added.metric->kind != MetricKind::kGauge) {
    added.pooled = &application->second.totals[{added.metric->name, added.labels}];
  }
  last_series = std::max(last_series, added.id);
  series[added.id] = std::move(added_series);
  return added;
}

std::string ApplicationLabel(absl::string_view group, absl::string_view name) {
  return group == "default" ? std::string(name) : absl::StrCat(group, "/", name);
}

ApplicationState& Tables::Add(ApplicationRow row) {
  application_by_key[row.key] = row.id;
  last_application = std::max(last_application, row.id);
  ApplicationState& added = applications[row.id];
  added.row = std::move(row);
  return added;
}

void Tables::RemoveSeries(SeriesId id) {
  const SeriesState& removed = *series.at(id);
  Erase(id, entities.at(removed.entity)->series);
  series_by_key.erase(SeriesByKey::KeyOf(&removed));
  series.erase(id);
}

void Tables::RemoveEntity(EntityId id) {
  const EntityState& removed = *entities.at(id);
  Erase(id, hosts.at(removed.row.host).entities);
  if (removed.instance.application != 0) {
    Erase(id, applications.at(removed.instance.application).instances);
  }
  entity_by_key.erase(EntityLookupKey(removed.row.host, removed.row.kind, removed.row.key));
  entities.erase(id);
}

void Tables::RemoveApplication(ApplicationId id) {
  application_by_key.erase(applications.at(id).row.key);
  applications.erase(id);
}

std::string EncodePooledTotals(const ApplicationState& application) {
  std::string out{kTotalsVersion};
  for (const auto& [key, pooled] : application.totals) {
    AppendBytes(key.first, &out);
    AppendBytes(key.second, &out);
    AppendVarint(ZigZag(pooled.total), &out);
    AppendVarint(static_cast<std::uint64_t>(pooled.newest_step), &out);
    AppendBytes(pooled.sketch.empty() ? std::string() : pooled.sketch.Encode(), &out);
  }
  return out;
}

absl::Status DecodePooledTotals(absl::string_view bytes, ApplicationState* application) {
  const absl::Status damaged = absl::DataLossError(absl::StrCat("totals of ", application->row.key, ": damaged"));
  if (bytes.empty() || bytes[0] != kTotalsVersion) {
    return damaged;
  }
  ByteReader reader(bytes.substr(1));
  while (reader.left() > 0) {
    absl::string_view name;
    absl::string_view labels;
    absl::string_view sketch;
    std::uint64_t total = 0;
    std::uint64_t step = 0;
    if (!ReadString(reader, &name) || !ReadString(reader, &labels) || !reader.ReadVarint(&total) ||
        !reader.ReadVarint(&step) || !ReadString(reader, &sketch)) {
      return damaged;
    }
    const Metric* metric = FindMetric(name);
    if (metric == nullptr) {
      continue;  // a metric that this version no longer has
    }
    PooledTotal& pooled = application->totals[{metric->name, std::string(labels)}];
    pooled.total = UnZigZag(total);
    pooled.newest_step = static_cast<std::int64_t>(step);
    if (!sketch.empty()) {
      ASSIGN_OR_RETURN(pooled.sketch, Sketch::Decode(sketch));
    }
  }
  return absl::OkStatus();
}

absl::Status PutTouchedDays(const Tables& tables, Store& store) {
  RETURN_IF_ERROR(store.PutMeta("facts_day", absl::StrCat(tables.facts_day)));
  return store.PutMeta("touched_days", absl::StrJoin(tables.touched_days, ","));
}

bool IsOver(std::int64_t day, const Tables& tables) {
  return tables.store_time_us >= (day + 1) * 86'400'000'000;
}

bool TouchDay(std::int64_t day, Tables& tables) {
  tables.day_changed[day] = tables.commit + 1;
  return day < tables.facts_day && tables.touched_days.insert(day).second;
}

absl::Status NoteFactsOf(std::int64_t day, std::int64_t as_of, Tables& tables, Store& store) {
  const auto found = tables.day_changed.find(day);
  tables.facts_day = std::max(tables.facts_day, day + 1);
  if ((found == tables.day_changed.end() ? tables.read_at : found->second) > as_of) {
    tables.touched_days.insert(day);
  } else {
    tables.touched_days.erase(day);
  }
  tables.day_changed.erase(tables.day_changed.begin(), tables.day_changed.lower_bound(tables.sealed_day));
  return PutTouchedDays(tables, store);
}

absl::Status NoteWatchdog(std::int64_t minute, Tables& tables, Store& store) {
  WatchdogRow& run = tables.watchdog;
  if (minute <= run.to_minute) {
    return absl::OkStatus();
  }
  if (tables.watchdog_since_minute == 0) {
    tables.watchdog_since_minute = minute;
    RETURN_IF_ERROR(store.PutMeta("watchdog_since_minute", absl::StrCat(minute)));
  }
  run = {minute == run.to_minute + 1 ? run.from_minute : minute, minute};
  return store.Put(run);
}

absl::Status State::Readiness() const {
  MutexLock lock(&status_mutex_);
  return status_;
}

void State::SetReadiness(const absl::Status& status) {
  MutexLock lock(&status_mutex_);
  status_ = status;
  ready_.store(status.ok(), std::memory_order_release);
}

absl::Status State::LoadFrom(Store& store) {
  tables_ = Tables();
  Tables tables;
  RETURN_IF_ERROR(Annotate(Build(store, tables), "state"));
  tables_ = std::move(tables);
  return absl::OkStatus();
}

std::string State::Dump() const {
  std::string out;
  const auto line = [&out](const auto&... parts) {
    absl::StrAppend(&out, parts...);
    out += '\n';
  };
  line("last ", tables_.last_application, " ", tables_.last_entity, " ", tables_.last_series);
  line("store ", absl::BytesToHexString(tables_.store_id), " commit ", tables_.commit, " sealed ", tables_.sealed_day,
       " time ", tables_.store_time_us, " facts ", tables_.facts_day, " touched ",
       absl::StrJoin(tables_.touched_days, ","), " counted since ", tables_.counted_since_us, " timed since ",
       tables_.timed_since_us, " watchdog ", tables_.watchdog_since_minute, " ", tables_.watchdog.from_minute, " ",
       tables_.watchdog.to_minute);
  for (const auto& [key, host] : tables_.hosts) {
    line("host ", key, " ", absl::BytesToHexString(host.row.host_id), " ", host.row.label, " ", host.row.name, " ",
         host.row.group, " open ", host.row.open_minute, " newest ", host.row.newest_step, " duplicate ",
         host.row.duplicate, " boot ", host.row.boot_us, " late ", host.late_samples_total);
    line("  open ", absl::BytesToHexString(host.open.Encode(false)));
    for (const HostLifeRow& life : host.lives) {
      line("  off ", life.from_us, " ", life.to_us, " ", life.why);
    }
    for (const ForecastRow& row : host.forecasts) {
      line("  forecast ", row.day, " ", row.kind, " ", row.series, " ", row.used, " ", row.capacity, " ", row.refusal,
           " ", row.days, " ", row.days_low, " ", row.days_high);
    }
    for (const auto& [name, source] : host.sources) {
      line("  source ", name, " ", source.state, " ", source.reason, " ", source.since_us);
    }
  }
  for (const auto& [id, agent] : tables_.agents) {
    line("agent ", absl::BytesToHexString(id), " host ", agent.row.host, " epoch ", agent.row.current_epoch, " past ",
         absl::BytesToHexString(agent.row.past_epochs), " samples ", agent.row.produced, " ", agent.row.committed, " ",
         agent.row.dropped, " ", agent.row.refused, " ", agent.row.late, " told ", agent.row.told_dropped, " ",
         agent.row.told_refused, " unseen ", agent.row.losses_unseen, " day ", agent.row.counted_day);
  }
  const std::map<std::uint64_t, CursorState> cursors(tables_.cursors.begin(), tables_.cursors.end());
  for (const auto& [epoch, cursor] : cursors) {
    line("cursor ", epoch, " of ", absl::BytesToHexString(cursor.agent_id), " ", cursor.number, " ", cursor.newest_step,
         " ", cursor.produced, " ", cursor.moved);
  }
  for (const auto& [id, application] : tables_.applications) {
    line("application ", id, " ", application.row.key, " ", application.display_name);
    for (const auto& [key, pooled] : application.totals) {
      // A series that never had a fresh sample leaves no row behind.
      if (pooled != PooledTotal()) {
        line("  total ", key.first, " ", key.second, " ", pooled.total, " ", pooled.newest_step, " ",
             SketchText(pooled.sketch));
      }
    }
  }
  for (const EntityState* entity : InOrder(tables_.entities)) {
    line("entity ", entity->row.id, " ", entity->row.host, " ", static_cast<int>(entity->row.kind), " ",
         entity->row.key, " ", entity->row.started_us, " application ", entity->instance.application, " ",
         entity->instance.version, " ", entity->instance.code_digest);
    for (const InstanceLifeRow& life : entity->lives) {
      line("  life ", life.from_minute, " ", life.to_minute);
    }
    for (const ListenerRow& listener : entity->listeners) {
      line("  listener ", listener.address, " ", listener.port, " ", listener.protocol, " ", listener.first_seen_us,
           " ", listener.gone_us);
    }
  }
  for (const SeriesState* series : InOrder(tables_.series)) {
    line("series ", series->id, " ", series->entity, " ", series->metric->name, " ", series->labels, " ", series->last,
         " ", series->last_step, " ", series->total, " ",
         series->histogram == nullptr ? "" : SketchText(series->histogram->total));
  }
  return out;
}

}  // namespace ppmm
