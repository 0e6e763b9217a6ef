// Tier 1: the applications an organization cannot do without, which in every row of shares must pass whole. Pure
// functions of facts: equal facts give equal draws.
//
// Source: model section 13.1. Drawn at the first evaluation and on each month's first day, and kept until the next
// draw, so that nobody leaves tier 1 by failing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "collector/facts/facts.h"

namespace ppmm {

struct Tier1Member {
  std::uint32_t application = 0;
  std::string why;  // "declared", "42 % of CPU time", "one of the busiest"

  bool operator==(const Tier1Member&) const = default;
};

// By number of the application: what is declared, what has 20 % or more of the requests or of the CPU time of all that
// are rated, and the busiest until there are a tenth of them, rounded up.
//
// Shape:  rated are line-of-business applications that are not excluded, over the last 28 days. Busy is the larger of
//         both shares; of equally busy ones the first by label. `declared`: tier 1 by a confirmed inventory.
std::vector<Tier1Member> DrawTier1(const Facts& facts, const std::set<std::uint32_t>& declared);

// Whether an evaluation of `day` draws; `last`: the day of the last draw.
bool Tier1IsDue(Day day, std::optional<Day> last);

// Where the instances of an application run: hosts by application.
using HostsOfApplications = std::map<std::uint32_t, std::set<std::uint32_t>>;

// Applications of `tier_1` are in tier 1, all others in 2; a host takes the highest of its line-of-business
// applications, else 3.
void ApplyTiers(const std::set<std::uint32_t>& tier_1, const HostsOfApplications& hosts_of, Facts& facts);

}  // namespace ppmm
