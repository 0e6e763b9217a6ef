// Who and what sends: hosts, agents, applications, instances, devices and series get their ids of the store here, from
// Hello and from the dictionaries of epochs. Part of the writer: works on the tables under its lock and writes new rows
// into its transaction.
#pragma once

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "collector/batch.h"
#include "collector/dormant.h"
#include "collector/restore.h"
#include "collector/state.h"

namespace ppmm {

namespace wire {
class Entity;
class Series;
}  // namespace wire

// What the ids of one epoch mean on one stream.
struct EpochIds {
  absl::flat_hash_map<std::uint32_t, EntityId> entities;
  absl::flat_hash_map<std::uint32_t, SeriesId> series;  // 0: refused, the store holds as many as it may
  std::int64_t boot_us = 0;
};

struct HelloResult {
  HostKey host = 0;  // 0: refused (REFUSAL_LIMIT)
  StreamWelcome welcome;
  SetBack set_back;
};

// One thread only. Errors of all methods: those of the store.
class Registry {
 public:
  explicit Registry(StoreLimits limits = {}) : limits_(limits) {}

  // Finds or makes host and agent and answers; decides who of two processes with one agent_id is the clone.
  absl::StatusOr<HelloResult> Hello(Tables& tables, Store& store, const StreamHello& hello);

  // Takes a dictionary record into `ids` and the tables.
  absl::Status Apply(Tables& tables, Store& store, HostKey host, const DictionaryUpdate& update, EpochIds& ids);

  // Of an id that a stream knows; wakes what is dormant. Shape: nullptr: unknown, or refused and counted.
  absl::StatusOr<SeriesState*> Series(Tables& tables, Store& store, SeriesId id);
  absl::StatusOr<EntityState*> Entity(Tables& tables, Store& store, EntityId id);

  // Entries refused because the store holds as many series or applications as it may.
  std::uint64_t refused() const { return refused_; }

 private:
  absl::StatusOr<HostState*> FindOrMakeHost(Tables& tables, Store& store, const StreamHello& hello,
                                            const std::string& host_id);
  absl::StatusOr<std::string> GiveLabel(Tables& tables, Store& store, const StreamHello& hello, const HostState& host);
  static absl::StatusOr<std::string> GiveName(Store& store, const std::string& group, std::string found);
  absl::StatusOr<ApplicationId> FindOrMakeApplication(Tables& tables, Store& store, const HostState& host,
                                                      const std::string& name, std::int64_t now_us);

  // 0: the store holds as many as it may.
  absl::StatusOr<EntityId> FindOrMakeEntity(Tables& tables, Store& store, HostState& host, const wire::Entity& entity,
                                            std::int64_t now_us);
  absl::StatusOr<SeriesId> FindOrMakeSeries(Tables& tables, Store& store, EntityId entity_id, const Metric& metric,
                                            const wire::Series& wire_series);
  absl::Status TakeListeners(Tables& tables, Store& store, const wire::Dictionary& dictionary, const HostState& host,
                             const EpochIds& ids, std::int64_t now_us);

  const StoreLimits limits_;
  std::uint64_t refused_ = 0;
};

}  // namespace ppmm
