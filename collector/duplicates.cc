#include "collector/duplicates.h"

#include <algorithm>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "common/log.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr int kRun = 3;                       // successive minutes of two agents on one host
constexpr std::int64_t kSolvedAfter = 86400;  // seconds without a step of one of the two

std::string AliasOf(const std::string& agent_id) {
  return absl::StrCat("duplicate:", absl::BytesToHexString(agent_id));
}

// The host that both claim; 0: none is known.
HostKey SharedHost(const Tables& tables, const std::string& agent_id) {
  const auto shared = tables.host_by_alias.find(AliasOf(agent_id));
  return shared == tables.host_by_alias.end() ? 0 : shared->second;
}

// The hosts of all pairs of which both sent within a day before the newer of their steps.
std::set<HostKey> SharedHosts(const Tables& tables) {
  std::set<HostKey> hosts;
  for (const auto& [id, agent] : tables.agents) {
    const HostKey shared = agent.row.duplicate ? SharedHost(tables, id) : 0;
    if (shared == 0) {
      continue;
    }
    const std::int64_t a = tables.hosts.at(shared).row.newest_step;
    const std::int64_t b = tables.hosts.at(agent.row.host).row.newest_step;
    if (b == 0 || std::max(a, b) - std::min(a, b) < kSolvedAfter) {
      hosts.insert({shared, agent.row.host});
    }
  }
  return hosts;
}

absl::Status Flag(Store& store, HostState& host, bool duplicate) {
  if (host.row.duplicate == duplicate) {
    return absl::OkStatus();
  }
  host.row.duplicate = duplicate;
  return store.Put(host.row);
}

}  // namespace

absl::StatusOr<std::string> DuplicateFinder::Note(Tables& tables, Store& store, HostKey host,
                                                  const std::string& agent_id, std::int64_t minute) {
  std::vector<Delivery>& deliveries = deliveries_[host];
  auto mine = std::find_if(deliveries.begin(), deliveries.end(),
                           [&](const Delivery& delivery) { return delivery.agent_id == agent_id; });
  if (mine == deliveries.end()) {
    std::erase_if(deliveries, [minute](const Delivery& delivery) { return delivery.minute + 2 < minute; });
    deliveries.push_back({agent_id, minute, 1});
    return "";
  }
  if (mine->minute == minute) {
    return "";
  }
  mine->run = minute == mine->minute + 1 ? mine->run + 1 : 1;
  mine->minute = minute;
  if (mine->run < kRun) {
    return "";
  }
  for (const Delivery& other : deliveries) {
    if (other.agent_id == agent_id || other.run < kRun || other.minute + 1 < minute) {
      continue;
    }
    AgentRow& a = tables.agents.at(agent_id).row;
    AgentRow& b = tables.agents.at(other.agent_id).row;
    AgentRow& newcomer = a.first_seen_us > b.first_seen_us ? a : b;
    deliveries.clear();
    HostState& shared = tables.hosts.at(host);
    LogWarning("writer", "host ", shared.row.label,
               ": two agents share its machine id; give one a new machine id, or --host-id");
    newcomer.duplicate = true;
    RETURN_IF_ERROR(store.Put(newcomer));
    tables.host_by_alias[AliasOf(newcomer.agent_id)] = host;
    RETURN_IF_ERROR(store.Put(HostAliasRow{AliasOf(newcomer.agent_id), host}));
    RETURN_IF_ERROR(Flag(store, shared, true));
    return newcomer.agent_id;
  }
  return "";
}

absl::Status DuplicateFinder::Refresh(Tables& tables, Store& store, std::int64_t minute) {
  if (minute <= refreshed_) {
    return absl::OkStatus();
  }
  refreshed_ = minute;
  return FlagPairs(tables, store);
}

absl::StatusOr<std::string> HostIdOf(Tables& tables, Store& store, const StreamHello& hello) {
  const auto found = tables.agents.find(hello.agent_id);
  if (found == tables.agents.end() || !found->second.row.duplicate) {
    return hello.host_id;
  }
  AgentRow& agent = found->second.row;
  const HostKey shared = SharedHost(tables, agent.agent_id);
  if (shared != 0 && tables.hosts.at(shared).row.host_id == hello.host_id) {
    return hello.duplicate_host_id;
  }
  agent.duplicate = false;
  RETURN_IF_ERROR(store.Put(agent));
  RETURN_IF_ERROR(FlagPairs(tables, store));
  return hello.host_id;
}

absl::Status FlagPairs(Tables& tables, Store& store) {
  const std::set<HostKey> shared = SharedHosts(tables);
  for (auto& [key, host] : tables.hosts) {
    RETURN_IF_ERROR(Flag(store, host, shared.contains(key)));
  }
  return absl::OkStatus();
}

}  // namespace ppmm
