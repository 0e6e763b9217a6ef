// What a UTC day says of every scope, counted from minute bits, pooled minutes and the events of the day. Pure but for
// the reader: the same rows give the same facts.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "collector/facts/bits.h"
#include "collector/facts/day_facts.h"
#include "collector/facts/little_intervals.h"
#include "collector/facts/served_others.h"
#include "collector/forecast/day_forecasts.h"
#include "collector/state.h"
#include "collector/store/store.h"

namespace ppmm {

// Who existed and lived when: copied from the state, so that a day is built outside its lock.
struct DayScopes {
  struct Instance {
    EntityId entity = 0;
    HostKey host = 0;
    std::vector<InstanceLifeRow> lives;
  };
  struct Host {
    HostKey key = 0;
    std::int64_t first_seen_us = 0;
    bool duplicate = false;
    std::vector<HostLifeRow> off;
    std::vector<SeriesId> busy_cpu;         // series of CPU time that is not idle, hundredths of a second
    std::vector<ResourceSeries> resources;  // empty, until somebody sets them
  };
  std::vector<Host> hosts;
  std::map<ApplicationId, std::vector<Instance>> applications;
  OwnAddresses addresses;
  std::int64_t watchdog_since_minute = 0;  // 0: no service manager's watchdog was ever heard
  std::int64_t timed_since_minute = 0;     // response times are counted from it on
};

DayScopes CopyDayScopes(const Tables& tables);
// The resources of a host, for DayScopes::Host. Apart from the above, so that no lock is held for all hosts.
std::vector<ResourceSeries> ResourcesOf(const Tables& tables, HostKey key);

// What is in force for an application by inventory and discovery; fills origin, tier, owner and product.
using AttributesInForce = std::function<void(ApplicationId application, DayFacts& facts)>;

// Minutes of a day in which the host was off, proven: off for at least 30 s of them.
struct OffTime {
  MinuteSet minutes;
  std::int64_t contradicted = 0;  // intervals inside which samples were committed; they are not used
};
OffTime OffTimeOf(const std::vector<HostLifeRow>& intervals, Day day, const MinuteSet& sampled);

// CPU time of the hosts on a day that is not over, as far as their minutes were read: the next count goes on from
// there, so that looking at today every few seconds does not read all of it again. What comes late is in the count of
// the day when it is over.
struct RunningCpu {
  Day day = 0;
  std::int64_t next_minute = 0;  // since 1970
  std::map<HostKey, std::int64_t> cpu_us;
};

using LittleRests = std::map<ApplicationId, LittleRest>;

// What a day is counted with, besides its rows. Null: without.
struct DayExtras {
  const LittleRests* rests = nullptr;             // of the day before
  RunningCpu* running = nullptr;                  // of a day that is not over
  std::map<HostKey, HostValues>* used = nullptr;  // set to what the resources of each host used; not with `running`
  bool reopened = false;                          // it was sealed before (reopened.h)
};

// Counts the facts of every host and application that existed by the end of the day, and of the organization.
// Shape:  minutes from `until_minute` (since 1970) on do not count yet: for a day that is not over.
// Errors: those of the store.
absl::StatusOr<std::map<ScopeId, DayFacts>> BuildDay(const DayScopes& scopes, StoreReader& reader, Day day,
                                                     std::int64_t until_minute,
                                                     const AttributesInForce& attributes = nullptr,
                                                     const DayExtras& extras = {});

}  // namespace ppmm
