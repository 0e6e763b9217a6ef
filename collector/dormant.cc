#include "collector/dormant.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

#include "common/status.h"

namespace ppmm {

absl::Status LayDownSeries(Tables& tables, Store& store, SeriesId id) {
  const SeriesState& series = *tables.Series(id);
  DormantSeriesRow row{id, series.last, series.last_step, series.total, ""};
  if (series.histogram != nullptr && !series.histogram->total.empty()) {
    row.sketch = series.histogram->total.Encode();
  }
  RETURN_IF_ERROR(store.Put(row));
  tables.RemoveSeries(id);
  return absl::OkStatus();
}

absl::Status LayDownEntity(Tables& tables, Store& store, EntityId id) {
  const EntityState& entity = *tables.Entity(id);
  if (entity.instance.application != 0) {
    // An end that this commit brought is not written yet.
    RETURN_IF_ERROR(store.PutInstanceLives(id, entity.lives));
  }
  RETURN_IF_ERROR(store.PutDormantEntity(id));
  tables.RemoveEntity(id);
  return absl::OkStatus();
}

absl::Status LayDownApplication(Tables& tables, Store& store, ApplicationId id) {
  RETURN_IF_ERROR(store.Put(TotalRow{id, EncodePooledTotals(tables.applications.at(id))}));
  RETURN_IF_ERROR(store.PutDormantApplication(id));
  tables.RemoveApplication(id);
  return absl::OkStatus();
}

absl::StatusOr<ApplicationState*> WakeApplication(Tables& tables, Store& store, const StoreLimits& limits,
                                                  ApplicationId id) {
  if (const auto known = tables.applications.find(id); known != tables.applications.end()) {
    return &known->second;
  }
  if (tables.applications.size() >= limits.applications) {
    return nullptr;
  }
  ASSIGN_OR_RETURN(std::optional<ApplicationContents> contents, store.GetApplication(id));
  if (!contents.has_value()) {
    return nullptr;
  }
  RETURN_IF_ERROR(store.DeleteDormantApplication(id));
  ApplicationState& application = tables.Add(std::move(contents->row));
  application.display_name = std::move(contents->display_name);
  if (!contents->totals.empty()) {
    RETURN_IF_ERROR(DecodePooledTotals(contents->totals, &application));
  }
  return &application;
}

absl::StatusOr<EntityState*> WakeEntity(Tables& tables, Store& store, const StoreLimits& limits, EntityId id) {
  if (EntityState* const known = tables.Entity(id); known != nullptr) {
    return known;
  }
  if (id == 0 || tables.entities.size() >= limits.series) {
    return nullptr;
  }
  ASSIGN_OR_RETURN(std::optional<EntityContents> contents, store.GetEntity(id));
  if (!contents.has_value()) {
    return nullptr;
  }
  if (!tables.hosts.contains(contents->row.host)) {
    return absl::DataLossError(absl::StrCat("entity ", id, " has no host"));
  }
  if (contents->instance.application != 0) {
    ASSIGN_OR_RETURN(const ApplicationState* application,
                     WakeApplication(tables, store, limits, contents->instance.application));
    if (application == nullptr) {
      return nullptr;
    }
  }
  RETURN_IF_ERROR(store.DeleteDormantEntity(id));
  auto entity = std::make_unique<EntityState>();
  entity->row = std::move(contents->row);
  entity->instance = std::move(contents->instance);
  entity->lives = std::move(contents->lives);
  entity->listeners = std::move(contents->listeners);
  return &tables.Add(std::move(entity));
}

absl::StatusOr<SeriesState*> WakeSeries(Tables& tables, Store& store, const StoreLimits& limits, SeriesId id) {
  if (SeriesState* const known = tables.Series(id); known != nullptr) {
    return known;
  }
  if (id == 0 || tables.series.size() >= limits.series) {
    return nullptr;
  }
  ASSIGN_OR_RETURN(const std::optional<DormantSeriesRow> dormant, store.GetDormantSeries(id));
  ASSIGN_OR_RETURN(std::optional<SeriesRow> row, store.GetSeries(id));
  const Metric* const metric = row.has_value() ? FindMetric(row->metric) : nullptr;
  if (!dormant.has_value() || metric == nullptr) {
    return nullptr;
  }
  ASSIGN_OR_RETURN(const EntityState* entity, WakeEntity(tables, store, limits, row->entity));
  if (entity == nullptr) {
    return nullptr;
  }
  RETURN_IF_ERROR(store.DeleteDormantSeries(id));
  auto made = std::make_unique<SeriesState>();
  made->id = id;
  made->entity = row->entity;
  made->host = entity->row.host;
  made->metric = metric;
  made->labels = std::move(row->labels);
  made->last = dormant->last;
  made->last_step = dormant->last_step;
  made->total = dormant->total;
  SeriesState& series = tables.Add(std::move(made));
  if (series.histogram != nullptr && !dormant->sketch.empty()) {
    ASSIGN_OR_RETURN(series.histogram->total, Sketch::Decode(dormant->sketch));
  }
  return &series;
}

}  // namespace ppmm
