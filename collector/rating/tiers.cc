#include "collector/rating/tiers.h"

#include <algorithm>
#include <tuple>

#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace ppmm {
namespace {

constexpr int kWindow = 28;
constexpr std::int64_t kMillionth = 1'000'000;
constexpr std::int64_t kLargeShare = 200'000;  // 20 %
constexpr std::size_t kTenth = 10;

struct Candidate {
  const Scope* scope = nullptr;
  std::int64_t requests = 0;  // share of all, in millionths
  std::int64_t cpu = 0;
  std::int64_t busy() const { return std::max(requests, cpu); }
};

std::int64_t ShareOf(std::int64_t part, std::int64_t all) {
  return all <= 0 ? 0 : static_cast<std::int64_t>(absl::int128(part) * kMillionth / all);
}

std::vector<Candidate> Candidates(const Facts& facts) {
  std::vector<Candidate> candidates;
  std::int64_t requests = 0;
  std::int64_t cpu = 0;
  for (const Scope& scope : facts.Scopes(ScopeKind::kApplication)) {
    if (scope.line_of_business && !scope.excluded) {
      candidates.push_back({&scope, facts.Get(scope, Sum::kRequests, kWindow), facts.Get(scope, Sum::kCpuUs, kWindow)});
      requests += candidates.back().requests;
      cpu += candidates.back().cpu;
    }
  }
  for (Candidate& candidate : candidates) {
    candidate.requests = ShareOf(candidate.requests, requests);
    candidate.cpu = ShareOf(candidate.cpu, cpu);
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::make_tuple(-a.busy(), a.scope->label, a.scope->id.number) <
           std::make_tuple(-b.busy(), b.scope->label, b.scope->id.number);
  });
  return candidates;
}

std::string WhyLarge(const Candidate& candidate) {
  const bool requests = candidate.requests >= candidate.cpu;
  return absl::StrCat(candidate.busy() / (kMillionth / 100), requests ? " % of requests" : " % of CPU time");
}

}  // namespace

std::vector<Tier1Member> DrawTier1(const Facts& facts, const std::set<std::uint32_t>& declared) {
  const std::vector<Candidate> candidates = Candidates(facts);
  const std::size_t least = (candidates.size() + kTenth - 1) / kTenth;
  std::vector<Tier1Member> drawn;
  std::vector<const Candidate*> rest;
  for (const Candidate& candidate : candidates) {
    const std::uint32_t number = candidate.scope->id.number;
    if (declared.contains(number)) {
      drawn.push_back({number, "declared"});
    } else if (candidate.busy() >= kLargeShare) {
      drawn.push_back({number, WhyLarge(candidate)});
    } else {
      rest.push_back(&candidate);
    }
  }
  for (const Candidate* candidate : rest) {
    if (drawn.size() < least) {
      drawn.push_back({candidate->scope->id.number, "one of the busiest"});
    }
  }
  std::sort(drawn.begin(), drawn.end(),
            [](const Tier1Member& a, const Tier1Member& b) { return a.application < b.application; });
  return drawn;
}

bool Tier1IsDue(Day day, std::optional<Day> last) {
  return !last.has_value() || (*last < day && absl::ToCivilDay(StartOf(day), absl::UTCTimeZone()).day() == 1);
}

void ApplyTiers(const std::set<std::uint32_t>& tier_1, const HostsOfApplications& hosts_of, Facts& facts) {
  std::map<std::uint32_t, std::uint8_t> tier_of_host;
  const std::vector<Scope> applications = facts.Scopes(ScopeKind::kApplication);
  for (Scope scope : applications) {
    scope.tier = tier_1.contains(scope.id.number) ? 1 : 2;
    const auto hosts = hosts_of.find(scope.id.number);
    if (scope.line_of_business && !scope.excluded && hosts != hosts_of.end()) {
      for (const std::uint32_t host : hosts->second) {
        const auto found = tier_of_host.emplace(host, scope.tier).first;
        found->second = std::min(found->second, scope.tier);
      }
    }
    facts.SetScope(std::move(scope));
  }
  const std::vector<Scope> hosts = facts.Scopes(ScopeKind::kHost);
  for (Scope scope : hosts) {
    const auto found = tier_of_host.find(scope.id.number);
    scope.tier = found == tier_of_host.end() ? 3 : found->second;
    facts.SetScope(std::move(scope));
  }
}

}  // namespace ppmm
