// What the collector answers over HTTP: the page at /, /metrics, /metrics/hosts, /-/healthy, /-/ready, and the JSON of
// /api/v1. Keys are a contract; a number that is not known is null, never 0. Everything shown is committed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "collector/application_view.h"
#include "collector/dependencies.h"
#include "collector/host_view.h"
#include "collector/http/router.h"
#include "collector/inventory.h"
#include "collector/rating_source.h"
#include "collector/self_numbers.h"
#include "collector/state.h"
#include "common/clock.h"

namespace ppmm {

// What the views read from. All pointers outlive the router.
struct ViewContext {
  State* state = nullptr;
  const Clock* clock = nullptr;
  const RatingSource* rating = nullptr;
  const ClockOffsets* clocks = nullptr;
  const AgentStreams* agents = nullptr;
  std::function<SelfNumbers()> self;                            // called at each request that shows them
  ReaderFactory reader;                                         // for windows that the state does not hold
  std::function<std::string()> organization;                    // its name
  std::function<std::shared_ptr<const Inventory>()> inventory;  // what people declare, as of the last load
};

// Routes of everything above, all GET. Each refuses parameters that it does not understand; `window` of applications
// and `all=1` of the page (applications that are not listed, too) are all there are.
void AddRoutes(http::Router& router, const ViewContext& context);

// ---- bodies; pure --------------------------------------------------------------------------------------------------

std::string ApplicationsJson(const ApplicationViews& views);
std::string HostsJson(const HostViews& views, const Inventory& inventory);
std::string DependenciesJson(const Dependencies& dependencies);
// `without_agent`: addresses of hosts that monitored ones call.
std::string InventoryJson(absl::string_view organization, const Inventory& inventory,
                          const ApplicationViews& applications, const HostViews& hosts,
                          const std::vector<std::string>& without_agent);

// What /api/v1/status says besides the collector's own numbers.
struct StatusNumbers {
  absl::Status readiness;
  // False: what is committed could not be read; everything below is not known then.
  bool known = false;
  std::string store_id;  // hex
  std::int64_t commit = 0;
  absl::Time committed_at = absl::UnixEpoch();  // when that was
  std::map<HostPresence, std::size_t> hosts;
  std::size_t applications = 0;
  std::size_t instances = 0;
  std::size_t series = 0;
  SampleCounts samples;
  std::uint64_t lost_by_restore = 0;                         // samples
  std::vector<std::string> duplicates;                       // labels of hosts that share an identity
  std::map<ResponseClockView, std::size_t> response_clocks;  // live hosts by where they read it
};
std::string StatusJson(const StatusNumbers& numbers, const SelfNumbers& self, absl::Time now);

}  // namespace ppmm
