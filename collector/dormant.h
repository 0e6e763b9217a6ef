// How ids fall dormant and wake (docs/forgetting.md): out of the tables and back, with the rows that say so, in the
// writer's transaction. What may fall dormant is decided in collector/forgetter.h. Part of the writer: one thread,
// under the state's exclusive lock.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "collector/state.h"

namespace ppmm {

// Of what is in memory.
struct StoreLimits {
  std::size_t series = 1'000'000;  // and as many entities
  std::size_t applications = 100'000;
  std::size_t hosts = (std::size_t{1} << 24) - 1;
};

// Errors of all: those of the store.

// Take out what is in the tables; an entity without series, an application without instances.
absl::Status LayDownSeries(Tables& tables, Store& store, SeriesId id);
absl::Status LayDownEntity(Tables& tables, Store& store, EntityId id);
absl::Status LayDownApplication(Tables& tables, Store& store, ApplicationId id);

// What is in the tables, or dormant, with what it belongs to. The host of a series that wakes is to be written in the
// same commit: its total rides there.
// Shape: nullptr: no such id, or the tables hold as much as they may.
absl::StatusOr<SeriesState*> WakeSeries(Tables& tables, Store& store, const StoreLimits& limits, SeriesId id);
absl::StatusOr<EntityState*> WakeEntity(Tables& tables, Store& store, const StoreLimits& limits, EntityId id);
absl::StatusOr<ApplicationState*> WakeApplication(Tables& tables, Store& store, const StoreLimits& limits,
                                                  ApplicationId id);

}  // namespace ppmm
