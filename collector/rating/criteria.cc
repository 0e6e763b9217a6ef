#include "collector/rating/criteria.h"

#include <algorithm>

#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ppmm {
namespace {

using State = Measured::State;

// Little's law is judged from 30 intervals on, and contradicted by half of 100 (model sections 13.4 and 13.5).
constexpr std::int64_t kLittleIntervals = 30;
constexpr std::int64_t kLittleContradicting = 100;
// Hours over which the percentiles of tier 1 may be taken at most (model section 13.5).
constexpr int kLongestOfTier1 = 24;
// Capture-recapture says nothing about a handful of hosts (model section 13.5).
constexpr std::int64_t kHostsForEstimate = 50;
constexpr absl::string_view kNoForecast = "time to exhaustion is not computed on any host";  // none reports
constexpr absl::string_view kNoMinute = "no full minute yet";
constexpr absl::string_view kNotCounted = "no requests, connections or bytes of it are counted";
// The window over which days with a forecast are summed.
constexpr int kForecastWindow = 7;

Measured NoSource(absl::Time since, absl::string_view reason) {
  Measured measured;
  measured.state = State::kNoSource;
  measured.since = since;
  measured.reason = reason;
  return measured;
}

Measured Without(State state, absl::string_view reason) {
  Measured measured;
  measured.state = state;
  measured.reason = reason;
  return measured;
}

Measured Value(std::int64_t numerator, std::int64_t denominator = 1) {
  Measured measured;
  measured.numerator = numerator;
  measured.denominator = denominator;
  return measured;
}

Measured YesNo(bool yes) {
  return Value(yes ? 1 : 0);
}

// A share of events; without any it is quiet.
Measured Events(std::int64_t well, std::int64_t all) {
  Measured measured = Value(well, all);
  measured.quiet = all == 0;
  return measured;
}

// One evaluation: what every evaluator needs.
class Evaluation {
 public:
  Evaluation(const Criterion& criterion, const Facts& facts, const Scope& scope, absl::Time now, Basis basis)
      : criterion_(criterion), facts_(facts), scope_(scope), now_(now), basis_(basis) {
    const Organization& organization = facts.organization();
    begun_ = absl::FromUnixSeconds(organization.started_s);
    if (scope.id.kind != ScopeKind::kOrganization) {
      begun_ = absl::FromUnixSeconds(scope_.aged_from_s != 0 ? scope_.aged_from_s : scope_.enrolled_s);
    }
  }

  Measured Run() {
    Measured measured = Contradiction();
    if (measured.state != State::kContradicted) {
      measured = Measure();
    }
    measured.to = facts_.day();
    measured.from = facts_.day() - std::max(criterion_.window_days, 1) + 1;
    const absl::Time decidable = begun_ + absl::Hours(24) * criterion_.decidable_after_days;
    if (measured.state == State::kDecided && basis_ == Basis::kWhole && now_ < decidable) {
      measured.state = State::kUndecided;
      measured.until = decidable;
      measured.reason = "not observed for long enough";
    } else if (measured.state == State::kUndecided && measured.until == absl::InfiniteFuture()) {
      measured.until = std::max(decidable, now_);
    }
    return measured;
  }

 private:
  std::int64_t Get(Sum sum) const { return facts_.Get(scope_, sum, criterion_.window_days); }

  // Over all hosts that are rated.
  std::int64_t OverHosts(Sum sum) const {
    std::int64_t total = 0;
    for (const Scope& host : facts_.Scopes(ScopeKind::kHost)) {
      total += host.excluded ? 0 : facts_.Get(host, sum, criterion_.window_days);
    }
    return total;
  }

  // Whether what the criterion needs is there; what is observed counts from then on.
  bool Has(Source source) {
    const absl::Time since = facts_.SourceSince(source);
    if (since == absl::UnixEpoch()) {
      return false;
    }
    begun_ = std::max(begun_, since);
    return true;
  }

  // What would measure it is not built.
  Measured NotBuilt(absl::string_view reason) const {
    Measured measured = NoSource(begun_, reason);
    measured.not_built = true;
    return measured;
  }
  Measured Missing(absl::string_view reason) const {
    return NotBuilt(criterion_.missing.empty() ? reason : absl::string_view(criterion_.missing));
  }

  Measured Contradiction() const {
    if (!scope_.contradiction.empty()) {
      return Without(State::kContradicted, scope_.contradiction);
    }
    switch (criterion_.evaluator) {
      case catalogue::EVALUATOR_COVERAGE:
        if (Get(Sum::kOffContradicted) > 0) {
          return Without(State::kContradicted, "samples came from a time in which, by its next boot, it was off");
        }
        break;
      case catalogue::EVALUATOR_CONFIRMATION_AGE:
        if (facts_.Get(kOrganizationScope, Sum::kChainBreaks, 28) > 0) {
          return Without(State::kContradicted, "the chain of the ledger is broken");
        }
        break;
      case catalogue::EVALUATOR_LITTLE:
        if (Get(Sum::kLittleIntervals) >= kLittleContradicting &&
            2 * Get(Sum::kLittleHalfOff) >= Get(Sum::kLittleIntervals)) {
          return Without(State::kContradicted, "response times differ from the requests in flight by a factor of 2");
        }
        break;
      case catalogue::EVALUATOR_TIMED:
      case catalogue::EVALUATOR_PERCENTILE:
      case catalogue::EVALUATOR_USER_VANTAGE:
      case catalogue::EVALUATOR_NOT_SYNTHETIC:
        if (Get(Sum::kSyntheticDays) > 0) {
          return Without(State::kContradicted,
                         "its response times are the same to the nanosecond: nobody measured them");
        }
        break;
      default:
        break;
    }
    return {};
  }

  // The application was up, and in no minute of the window did anything count its work: nobody sees its sockets.
  bool NeverCounted() const {
    return scope_.monitored && Get(Sum::kUpMinutes) > 0 && Get(Sum::kThroughputMinutes) == 0 &&
           Get(Sum::kBootingCoveredMinutes) == 0;
  }

  // A share of minutes, the numerator given.
  Measured OfUpMinutes(Sum counted) const {
    std::int64_t up = Get(Sum::kUpMinutes);
    std::int64_t well = Get(counted);
    if (basis_ == Basis::kCut) {
      up += Get(Sum::kBootingMinutes);
      well += Get(Sum::kBootingCoveredMinutes);
    }
    return up == 0 ? NotUp() : Value(well, up);
  }

  // Observed for less long than the criterion asks: what is not there may come.
  bool IsYoung() const { return now_ < begun_ + absl::Hours(24) * criterion_.decidable_after_days; }

  // A full minute of it was counted in the window.
  bool WasUp() const { return Get(Sum::kUpMinutes) + Get(Sum::kBootingMinutes) > 0; }

  // Nothing of the window was counted: of a scope that is new it comes, another was not up.
  Measured NotUp() const {
    return IsYoung() ? Without(State::kUndecided, kNoMinute) : Without(State::kNotApplicable, "not up in this window");
  }

  Measured OfHost() {
    if (scope_.agentless) {
      return Without(State::kNotApplicable, "agentless");
    }
    if (!scope_.monitored) {
      return NoSource(begun_, "no agent on this host");
    }
    switch (criterion_.evaluator) {
      case catalogue::EVALUATOR_COVERAGE:
        return OfUpMinutes(Sum::kCoveredMinutes);
      case catalogue::EVALUATOR_KINDS_COMPLETE: {
        const std::int64_t long_days = Get(Sum::kLongDays);
        if (basis_ == Basis::kCut || long_days == 0) {
          const std::int64_t days = Get(Sum::kSeenDays);
          const std::int64_t complete = Get(Sum::kCompleteDays);
          if (basis_ == Basis::kCut && long_days == 0 && days > 0 && complete < days) {
            return Without(State::kUndecided, "in a few minutes not each counter has moved");
          }
          return days == 0 ? NotUp() : Value(complete, days);
        }
        return Value(Get(Sum::kLongCompleteDays), long_days);
      }
      case catalogue::EVALUATOR_CLOCK_OFFSET: {
        const std::int64_t minutes = Has(Source::kDayCounts) ? Get(Sum::kClockMinutes) : 0;
        if (minutes == 0 && IsYoung() && !WasUp()) {
          return Without(State::kUndecided, kNoMinute);
        }
        return minutes == 0 ? NoSource(begun_, "its clock was not compared with the collector's in this window")
                            : Value(Get(Sum::kClockOver1sMinutes), minutes);
      }
      default:  // EVALUATOR_FORECAST_FRESH
        return ForecastDays();
    }
  }

  Measured ForecastDays() const {
    const std::int64_t days = Get(Sum::kForecastDays);
    if (days > 0) {
      return Value(days);
    }
    const bool seen = Get(Sum::kSeenDays) > 0;
    // Forecasts are made when a day is over: the first at the end of the one in which the history is long enough.
    const absl::Time first = begun_ + absl::Hours(24) * criterion_.decidable_after_days;
    const absl::Time made = StartOf(DayOf(first - absl::Nanoseconds(1)) + 1);
    if (now_ < (seen ? made : first)) {
      Measured measured = Without(State::kUndecided, "a forecast needs 7 days of history");
      measured.until = made;
      return measured;
    }
    return seen ? Value(0) : NotUp();
  }

  Measured WarningsAnswered() const {
    const std::vector<Scope>& hosts = facts_.Scopes(ScopeKind::kHost);
    const std::int64_t warnings = Get(Sum::kWarnings);
    const std::int64_t answered = std::min(Get(Sum::kWarningsAnswered), warnings);
    const bool watched = std::any_of(hosts.begin(), hosts.end(), [this](const Scope& host) {
      return !host.excluded && facts_.Get(host, Sum::kForecastDays, kForecastWindow) > 0;
    });
    if (warnings == 0 && !watched) {
      return Without(State::kUndecided, "no forecast yet that could warn");
    }
    Measured measured = Events(answered, warnings);
    if (answered < warnings) {
      measured.unrecorded = true;
      measured.since = begun_;
      measured.reason = "only a change is seen as an answer: acknowledgements and tickets are not recorded yet";
    }
    return measured;
  }

  Measured OfReleases(Sum well, Sum all) {
    if (!Has(Source::kDeployments)) {
      return Missing("deployments are not recorded");
    }
    return Get(all) == 0 ? Without(State::kNotApplicable, "no new version in this window")
                         : Events(Get(well), Get(all));
  }

  Measured OfResponseTimes() {
    if (!Has(Source::kResponseTimes)) {
      return NoSource(begun_, "no agent reports yet that could take response times");
    }
    if (!scope_.untimed.empty() && Get(Sum::kTimedRequests) == 0) {
      return NoSource(begun_, scope_.untimed);
    }
    switch (criterion_.evaluator) {
      case catalogue::EVALUATOR_TIMED:
        return TimedMinutes();
      case catalogue::EVALUATOR_PERCENTILE:
        return Percentile();
      case catalogue::EVALUATOR_USER_VANTAGE: {
        const std::int64_t days = Get(Sum::kUserVantageDays);
        return days == 0 && Get(Sum::kTimeableMinutes) == 0 ? NoTraffic() : Value(days);
      }
      case catalogue::EVALUATOR_LITTLE:
        return LittlesLaw();
      case catalogue::EVALUATOR_NOT_SYNTHETIC:
        return Value(Get(Sum::kSyntheticDays));
      default: {  // EVALUATOR_NAMED
        if (!Has(Source::kNames)) {
          return Missing("requests have no names yet");
        }
        const std::int64_t timed = Get(Sum::kTimedRequests);
        return timed == 0 ? Without(State::kNotApplicable, "no timed request in this window")
                          : Value(Get(Sum::kNamedRequests), timed);
      }
    }
  }

  // Of a scope that is new it may come.
  Measured NoTraffic() const {
    return IsYoung() ? Without(State::kUndecided, WasUp() ? absl::string_view("no traffic yet") : kNoMinute)
                     : Without(State::kNotApplicable, "no traffic in this window");
  }

  Measured LittlesLaw() {
    if (!Has(Source::kInFlight) || (Get(Sum::kInFlightMinutes) == 0 && Get(Sum::kTimedRequests) > 0)) {
      return NoSource(begun_,
                      "its requests in flight are not observed: its agents are older than that or have no timer, or "
                      "only Unix sockets are used");
    }
    const std::int64_t intervals = Get(Sum::kLittleIntervals);
    if (intervals >= kLittleIntervals) {
      return Value(Get(Sum::kLittleWithin), intervals);
    }
    return IsYoung() ? Without(State::kUndecided, "fewer than 30 intervals with enough requests in flight yet")
                     : Without(State::kNotApplicable, "fewer than 30 intervals with enough requests in flight");
  }

  Measured TimedMinutes() const {
    const std::int64_t traffic = Get(Sum::kTimeableMinutes);
    if (traffic == 0) {
      return NoTraffic();
    }
    Measured measured = Value(Get(Sum::kTimedMinutes), traffic);
    if (Get(Sum::kUnparsedConnections) > 0) {
      measured.reason = "some of its connections are pipelined or multiplexed, so they have no times";
    } else if (measured.numerator == 0) {
      measured.reason = "none of its requests was timed";
    }
    return measured;
  }

  // The shortest interval that holds enough samples often enough, else the longest that counts.
  Measured Percentile() const {
    struct Length {
      int hours;
      Sum intervals;
      Sum enough;
    };
    static constexpr Length kLengths[] = {
        {1, Sum::kPercentileIntervals1h, Sum::kPercentileEnough1h},
        {6, Sum::kPercentileIntervals6h, Sum::kPercentileEnough6h},
        {24, Sum::kPercentileIntervals24h, Sum::kPercentileEnough24h},
        {168, Sum::kPercentileIntervals7d, Sum::kPercentileEnough7d},
    };
    if (scope_.batch) {
      return Without(State::kNotApplicable, "batch");
    }
    if (Get(Sum::kTimeableMinutes) == 0) {
      return NoTraffic();
    }
    Measured longest = Without(State::kUndecided, "no interval with 59 timed requests, and none is over yet");
    for (const Length& length : kLengths) {
      if (length.hours > kLongestOfTier1 && scope_.tier == 1) {
        break;
      }
      if (const std::int64_t intervals = Get(length.intervals); intervals > 0) {
        longest = Value(Get(length.enough), intervals);
        longest.interval_hours = length.hours;
        if (absl::int128(longest.numerator) * kMillion >= absl::int128(criterion_.value) * intervals) {
          break;
        }
      }
    }
    return longest;
  }

  // Chapman's estimate from two independent sightings: agents, and connections from others.
  Measured UnseenHosts() const {
    std::int64_t all = 0;
    std::int64_t agents = 0;
    std::int64_t peers = 0;
    std::int64_t both = 0;
    for (const Scope& host : facts_.Scopes(ScopeKind::kHost)) {
      if (!host.excluded) {
        ++all;
        agents += host.monitored ? 1 : 0;
        peers += host.seen_as_peer ? 1 : 0;
        both += host.monitored && host.seen_as_peer ? 1 : 0;
      }
    }
    if (all < kHostsForEstimate) {
      return Without(State::kNotApplicable, "fewer than 50 hosts");
    }
    // N = (agents + 1)(peers + 1) / (both + 1) - 1; unseen share (N - all) / N, kept as integers.
    const std::int64_t estimate = (agents + 1) * (peers + 1) - (both + 1);
    return Value(std::max<std::int64_t>(0, estimate - all * (both + 1)), std::max<std::int64_t>(1, estimate));
  }

  Measured OfConfirmation() const {
    const std::int64_t confirmed = facts_.organization().confirmed_s;
    if (confirmed == 0) {
      return NoSource(begun_, "the inventory is not confirmed");
    }
    if (criterion_.evaluator == catalogue::EVALUATOR_CLASSIFIED) {
      return YesNo(scope_.classified && scope_.origin != Origin::kUnknown);
    }
    return Value(std::max<std::int64_t>(0, absl::ToUnixSeconds(now_) - confirmed), 86400);
  }

  Measured HistoryAge() const {
    const Organization& organization = facts_.organization();
    if (organization.history_from_s == 0) {
      return NoSource(begun_, "no history is kept");
    }
    const absl::Time wanted = begun_ + absl::Hours(24) * (criterion_.value / kMillion);
    if (now_ < wanted) {
      Measured measured = Without(State::kUndecided, "history grows by a day a day");
      measured.until = wanted;
      return measured;
    }
    return Value(std::max<std::int64_t>(0, absl::ToUnixSeconds(now_) - organization.history_from_s), 86400);
  }

  Measured OfAlertPath() {
    if (!Has(Source::kRoutes)) {
      return Missing("no notification route exists");
    }
    if (facts_.latest_organization().routes == 0) {
      return NoSource(begun_, "no notification route exists");
    }
    const DayFacts& latest = facts_.latest_organization();
    if (criterion_.evaluator == catalogue::EVALUATOR_ROUTES_ACKNOWLEDGED) {
      return Value(latest.routes_acknowledged, latest.routes);
    }
    const std::int64_t sent = Get(Sum::kCanariesSent);
    // A canary that is not sent is the failure this row looks for, so nothing is quiet here.
    return sent == 0 ? Value(0, 1) : Value(Get(Sum::kCanariesAccepted), sent);
  }

  Measured OfSilences() {
    if (!Has(Source::kDayCounts) || OverHosts(Sum::kSamplesProduced) == 0) {
      return NoSource(begun_, "no sample was counted in this window");
    }
    const std::int64_t silences = OverHosts(Sum::kSilences);
    if (silences > 0 && !Has(Source::kRules)) {
      return NotBuilt("agents were silent, and nothing watches for silence: that needs alert rules");
    }
    return Events(OverHosts(Sum::kSilencesNoticed), silences);
  }

  // A signal to somebody outside who misses it when the collector falls silent. Where there is one host there is no
  // outside but the service manager.
  Measured OfDeadman() {
    if (Has(Source::kDeadman)) {
      return Signals(Sum::kDeadmanAccepted, Sum::kDeadmanIntervals, "no dead-man interval is over yet");
    }
    const std::vector<Scope>& hosts = facts_.Scopes(ScopeKind::kHost);
    if (std::count_if(hosts.begin(), hosts.end(), [](const Scope& host) { return !host.excluded; }) != 1) {
      return Missing("no dead-man signal is sent");
    }
    if (!Has(Source::kWatchdog)) {
      return NoSource(begun_, "no service manager's watchdog watches the collector");
    }
    return Signals(Sum::kWatchdogHeard, Sum::kWatchdogMinutes, "no minute under the watchdog is over yet");
  }

  Measured Signals(Sum accepted, Sum sent, absl::string_view none) const {
    return Get(sent) == 0 ? Without(State::kUndecided, none) : Value(Get(accepted), Get(sent));
  }

  Measured Measure() {
    switch (criterion_.evaluator) {
      case catalogue::EVALUATOR_MONITORED:
        return YesNo(scope_.monitored);
      case catalogue::EVALUATOR_UNSEEN_HOSTS:
        return UnseenHosts();
      case catalogue::EVALUATOR_CONFIRMATION_AGE:
      case catalogue::EVALUATOR_CLASSIFIED:
        return OfConfirmation();
      case catalogue::EVALUATOR_ORIGIN_AGREES:
        return YesNo(!scope_.origin_conflict);
      case catalogue::EVALUATOR_COVERAGE:
      case catalogue::EVALUATOR_KINDS_COMPLETE:
      case catalogue::EVALUATOR_CLOCK_OFFSET:
        return OfHost();
      case catalogue::EVALUATOR_FORECAST_FRESH:
        return Has(Source::kForecasts) ? OfHost() : NoSource(begun_, kNoForecast);
      case catalogue::EVALUATOR_THROUGHPUT: {
        if (!scope_.monitored) {
          return NoSource(begun_, "no agent sees this application");
        }
        if (NeverCounted()) {
          return NoSource(begun_, kNotCounted);
        }
        Measured measured = OfUpMinutes(Sum::kThroughputMinutes);
        measured.coarse = Get(Sum::kThroughputCoarseMinutes) > 0;
        return measured;
      }
      case catalogue::EVALUATOR_THROUGHPUT_MOVED:
        if (NeverCounted()) {
          return NoSource(begun_, kNotCounted);
        }
        if (!scope_.monitored) {
          return NoSource(begun_, "no agent sees this application");
        }
        if (basis_ == Basis::kCut && Get(Sum::kThroughputMovedDays) == 0 && IsYoung()) {
          return Without(State::kUndecided, "no traffic yet");
        }
        return Value(Get(Sum::kThroughputMovedDays));
      case catalogue::EVALUATOR_LOSS: {
        const std::int64_t produced = Has(Source::kDayCounts) ? OverHosts(Sum::kSamplesProduced) : 0;
        return produced == 0 ? NoSource(begun_, "no sample was counted in this window")
                             : Value(OverHosts(Sum::kSamplesLost), produced);
      }
      case catalogue::EVALUATOR_SILENCE_NOTICED:
        return OfSilences();
      case catalogue::EVALUATOR_DEADMAN:
        return OfDeadman();
      case catalogue::EVALUATOR_HISTORY_AGE:
        return HistoryAge();
      case catalogue::EVALUATOR_RETENTION:
        if (facts_.organization().history_from_s == 0) {
          return NoSource(begun_, "no history is kept");  // what is configured keeps nothing yet
        }
        return facts_.organization().retention_days == 0 ? NoSource(begun_, "the retention is not known")
                                                         : Value(facts_.organization().retention_days);
      case catalogue::EVALUATOR_RULE_PROVEN:
        return Has(Source::kRules) ? Value(Get(Sum::kRuleProvenDays)) : Missing("no alert rules are evaluated");
      case catalogue::EVALUATOR_RESPONSE_RULE_PROVEN:
        return Has(Source::kRules) ? Value(Get(Sum::kResponseRuleProvenDays)) : Missing("no alert rules are evaluated");
      case catalogue::EVALUATOR_CANARY_ACCEPTED:
      case catalogue::EVALUATOR_ROUTES_ACKNOWLEDGED:
        return OfAlertPath();
      case catalogue::EVALUATOR_BREACHES_ANSWERED:
        return Has(Source::kIncidents) ? Events(Get(Sum::kBreachesAnswered), Get(Sum::kBreaches))
                                       : Missing("breaches are not recorded");
      case catalogue::EVALUATOR_DETECTED_FIRST:
        return Has(Source::kIncidents) && Has(Source::kRules)
                   ? Events(Get(Sum::kIncidentsAlertedFirst), Get(Sum::kIncidentsDetectable))
                   : Missing("incidents are not recorded");
      case catalogue::EVALUATOR_WARNINGS_ANSWERED:
        return Has(Source::kForecasts) ? WarningsAnswered() : NoSource(begun_, kNoForecast);
      case catalogue::EVALUATOR_TIMED:
      case catalogue::EVALUATOR_PERCENTILE:
      case catalogue::EVALUATOR_USER_VANTAGE:
      case catalogue::EVALUATOR_LITTLE:
      case catalogue::EVALUATOR_NOT_SYNTHETIC:
      case catalogue::EVALUATOR_NAMED:
        return OfResponseTimes();
      case catalogue::EVALUATOR_RELEASES_TIMED:
        if (!Has(Source::kReleases) || !Has(Source::kResponseTimes)) {
          return Missing("new versions and their first response times are not recorded");
        }
        return Get(Sum::kReleasesUsed) == 0 ? Without(State::kNotApplicable, "no new version in this window")
                                            : Events(Get(Sum::kReleasesTimed), Get(Sum::kReleasesUsed));
      case catalogue::EVALUATOR_RELEASES_MATCHED:
        return OfReleases(Sum::kReleasesMatched, Sum::kReleasesSeen);
      case catalogue::EVALUATOR_RELEASES_COMPARED:
        return OfReleases(Sum::kReleasesCompared, Sum::kReleasesDue);
      case catalogue::EVALUATOR_RELEASES_TOO_FEW:
        return OfReleases(Sum::kReleasesTooFew, Sum::kReleasesCompared);
      case catalogue::EVALUATOR_NEWCOMERS_TIMED:
        if (!Has(Source::kResponseTimes)) {
          return Missing("first response times of applications are not recorded");
        }
        return Get(Sum::kNewcomersUsed) == 0 ? Without(State::kNotApplicable, "no new application in this window")
                                             : Events(Get(Sum::kNewcomersTimed), Get(Sum::kNewcomersUsed));
      default:
        return Missing("not observed by this version");
    }
  }

  const Criterion& criterion_;
  const Facts& facts_;
  const Scope& scope_;
  absl::Time now_;
  Basis basis_;
  absl::Time begun_;  // when observation began
};

// Which sums an evaluator takes over the criterion's window; of its own scope, or of all hosts.
struct Need {
  catalogue::Evaluator evaluator;
  Sum sum;
  bool over_hosts = false;
};

constexpr Need kNeeds[] = {
    {catalogue::EVALUATOR_COVERAGE, Sum::kUpMinutes},
    {catalogue::EVALUATOR_COVERAGE, Sum::kOffContradicted},
    {catalogue::EVALUATOR_COVERAGE, Sum::kCoveredMinutes},
    {catalogue::EVALUATOR_COVERAGE, Sum::kBootingMinutes},
    {catalogue::EVALUATOR_COVERAGE, Sum::kBootingCoveredMinutes},
    {catalogue::EVALUATOR_KINDS_COMPLETE, Sum::kSeenDays},
    {catalogue::EVALUATOR_KINDS_COMPLETE, Sum::kCompleteDays},
    {catalogue::EVALUATOR_KINDS_COMPLETE, Sum::kLongDays},
    {catalogue::EVALUATOR_KINDS_COMPLETE, Sum::kLongCompleteDays},
    {catalogue::EVALUATOR_THROUGHPUT, Sum::kUpMinutes},
    {catalogue::EVALUATOR_THROUGHPUT, Sum::kThroughputMinutes},
    {catalogue::EVALUATOR_THROUGHPUT, Sum::kThroughputCoarseMinutes},
    {catalogue::EVALUATOR_THROUGHPUT, Sum::kBootingMinutes},
    {catalogue::EVALUATOR_THROUGHPUT, Sum::kBootingCoveredMinutes},
    {catalogue::EVALUATOR_THROUGHPUT_MOVED, Sum::kThroughputMovedDays},
    {catalogue::EVALUATOR_THROUGHPUT_MOVED, Sum::kUpMinutes},
    {catalogue::EVALUATOR_THROUGHPUT_MOVED, Sum::kThroughputMinutes},
    {catalogue::EVALUATOR_THROUGHPUT_MOVED, Sum::kBootingCoveredMinutes},
    {catalogue::EVALUATOR_LOSS, Sum::kSamplesProduced, true},
    {catalogue::EVALUATOR_LOSS, Sum::kSamplesLost, true},
    {catalogue::EVALUATOR_CLOCK_OFFSET, Sum::kClockMinutes},
    {catalogue::EVALUATOR_CLOCK_OFFSET, Sum::kUpMinutes},
    {catalogue::EVALUATOR_CLOCK_OFFSET, Sum::kBootingMinutes},
    {catalogue::EVALUATOR_CLOCK_OFFSET, Sum::kClockOver1sMinutes},
    {catalogue::EVALUATOR_SILENCE_NOTICED, Sum::kSamplesProduced, true},
    {catalogue::EVALUATOR_SILENCE_NOTICED, Sum::kSilences, true},
    {catalogue::EVALUATOR_SILENCE_NOTICED, Sum::kSilencesNoticed, true},
    {catalogue::EVALUATOR_DEADMAN, Sum::kDeadmanIntervals},
    {catalogue::EVALUATOR_DEADMAN, Sum::kDeadmanAccepted},
    {catalogue::EVALUATOR_DEADMAN, Sum::kWatchdogMinutes},
    {catalogue::EVALUATOR_DEADMAN, Sum::kWatchdogHeard},
    {catalogue::EVALUATOR_RULE_PROVEN, Sum::kRuleProvenDays},
    {catalogue::EVALUATOR_CANARY_ACCEPTED, Sum::kCanariesSent},
    {catalogue::EVALUATOR_CANARY_ACCEPTED, Sum::kCanariesAccepted},
    {catalogue::EVALUATOR_BREACHES_ANSWERED, Sum::kBreaches},
    {catalogue::EVALUATOR_BREACHES_ANSWERED, Sum::kBreachesAnswered},
    {catalogue::EVALUATOR_DETECTED_FIRST, Sum::kIncidentsDetectable},
    {catalogue::EVALUATOR_DETECTED_FIRST, Sum::kIncidentsAlertedFirst},
    {catalogue::EVALUATOR_FORECAST_FRESH, Sum::kForecastDays},
    {catalogue::EVALUATOR_FORECAST_FRESH, Sum::kSeenDays},
    {catalogue::EVALUATOR_WARNINGS_ANSWERED, Sum::kWarnings},
    {catalogue::EVALUATOR_WARNINGS_ANSWERED, Sum::kWarningsAnswered},
    {catalogue::EVALUATOR_TIMED, Sum::kTimedMinutes},
    {catalogue::EVALUATOR_TIMED, Sum::kTimeableMinutes},
    {catalogue::EVALUATOR_TIMED, Sum::kUpMinutes},
    {catalogue::EVALUATOR_TIMED, Sum::kBootingMinutes},
    {catalogue::EVALUATOR_TIMED, Sum::kUnparsedConnections},
    {catalogue::EVALUATOR_TIMED, Sum::kTimedRequests},
    {catalogue::EVALUATOR_TIMED, Sum::kSyntheticDays},
    {catalogue::EVALUATOR_PERCENTILE, Sum::kTimeableMinutes},
    {catalogue::EVALUATOR_PERCENTILE, Sum::kUpMinutes},
    {catalogue::EVALUATOR_PERCENTILE, Sum::kBootingMinutes},
    {catalogue::EVALUATOR_PERCENTILE, Sum::kTimedRequests},
    {catalogue::EVALUATOR_PERCENTILE, Sum::kSyntheticDays},
    {catalogue::EVALUATOR_PERCENTILE, Sum::kPercentileIntervals1h},
    {catalogue::EVALUATOR_PERCENTILE, Sum::kPercentileEnough1h},
    {catalogue::EVALUATOR_PERCENTILE, Sum::kPercentileIntervals6h},
    {catalogue::EVALUATOR_PERCENTILE, Sum::kPercentileEnough6h},
    {catalogue::EVALUATOR_PERCENTILE, Sum::kPercentileIntervals24h},
    {catalogue::EVALUATOR_PERCENTILE, Sum::kPercentileEnough24h},
    {catalogue::EVALUATOR_PERCENTILE, Sum::kPercentileIntervals7d},
    {catalogue::EVALUATOR_PERCENTILE, Sum::kPercentileEnough7d},
    {catalogue::EVALUATOR_USER_VANTAGE, Sum::kUserVantageDays},
    {catalogue::EVALUATOR_USER_VANTAGE, Sum::kTimeableMinutes},
    {catalogue::EVALUATOR_USER_VANTAGE, Sum::kUpMinutes},
    {catalogue::EVALUATOR_USER_VANTAGE, Sum::kBootingMinutes},
    {catalogue::EVALUATOR_USER_VANTAGE, Sum::kTimedRequests},
    {catalogue::EVALUATOR_USER_VANTAGE, Sum::kSyntheticDays},
    {catalogue::EVALUATOR_RESPONSE_RULE_PROVEN, Sum::kResponseRuleProvenDays},
    {catalogue::EVALUATOR_LITTLE, Sum::kInFlightMinutes},
    {catalogue::EVALUATOR_LITTLE, Sum::kLittleIntervals},
    {catalogue::EVALUATOR_LITTLE, Sum::kLittleWithin},
    {catalogue::EVALUATOR_LITTLE, Sum::kLittleHalfOff},
    {catalogue::EVALUATOR_LITTLE, Sum::kTimedRequests},
    {catalogue::EVALUATOR_NOT_SYNTHETIC, Sum::kSyntheticDays},
    {catalogue::EVALUATOR_NOT_SYNTHETIC, Sum::kTimedRequests},
    {catalogue::EVALUATOR_NAMED, Sum::kNamedRequests},
    {catalogue::EVALUATOR_NAMED, Sum::kTimedRequests},
    {catalogue::EVALUATOR_RELEASES_TIMED, Sum::kReleasesUsed},
    {catalogue::EVALUATOR_RELEASES_TIMED, Sum::kReleasesTimed},
    {catalogue::EVALUATOR_RELEASES_MATCHED, Sum::kReleasesMatched},
    {catalogue::EVALUATOR_RELEASES_MATCHED, Sum::kReleasesSeen},
    {catalogue::EVALUATOR_RELEASES_COMPARED, Sum::kReleasesCompared},
    {catalogue::EVALUATOR_RELEASES_COMPARED, Sum::kReleasesDue},
    {catalogue::EVALUATOR_RELEASES_TOO_FEW, Sum::kReleasesTooFew},
    {catalogue::EVALUATOR_RELEASES_TOO_FEW, Sum::kReleasesCompared},
    {catalogue::EVALUATOR_NEWCOMERS_TIMED, Sum::kNewcomersTimed},
    {catalogue::EVALUATOR_NEWCOMERS_TIMED, Sum::kNewcomersUsed},
};

}  // namespace

Measured Evaluate(const Criterion& criterion, const Facts& facts, ScopeId scope, absl::Time now, Basis basis) {
  const Scope* const found = facts.Find(scope);
  return found == nullptr ? Without(State::kNotApplicable, "unknown") : Evaluate(criterion, facts, *found, now, basis);
}

Measured Evaluate(const Criterion& criterion, const Facts& facts, const Scope& scope, absl::Time now, Basis basis) {
  return Evaluation(criterion, facts, scope, now, basis).Run();
}

absl::Status CheckSums(const Criterion& criterion) {
  for (const Need& need : kNeeds) {
    const ScopeKind kind = need.over_hosts ? ScopeKind::kHost : criterion.scope;
    if (need.evaluator == criterion.evaluator && !Facts::HasSum(kind, need.sum, criterion.window_days)) {
      return absl::InvalidArgumentError(absl::StrCat("no sum is kept for ", ScopeKindName(kind), "s over ",
                                                     criterion.window_days, " days for ",
                                                     catalogue::Evaluator_Name(criterion.evaluator)));
    }
  }
  return absl::OkStatus();
}

std::string MinutesInWords(std::int64_t minutes) {
  if (minutes < 180) {
    return absl::StrCat(minutes, " min");
  }
  return minutes < 72 * 60 ? absl::StrCat(minutes / 60, " h") : absl::StrCat(minutes / 1440, " d");
}

std::string ShareInWords(std::int64_t numerator, std::int64_t denominator, bool at_least) {
  // In steps of hundredths of a percent; away from both ends a second decimal says nothing.
  const absl::int128 parts = absl::int128(numerator) * 10000;
  const absl::int128 whole = parts / denominator;
  const int step = whole >= 100 && whole < 9900 ? 10 : 1;
  auto hundredths = static_cast<std::int64_t>(whole / step * step);
  if (!at_least && parts > absl::int128(hundredths) * denominator) {
    hundredths = numerator < denominator ? std::min<std::int64_t>(hundredths + step, 9999) : hundredths + step;
  }
  return hundredths % 100 == 0  ? absl::StrCat(hundredths / 100, " %")
         : hundredths % 10 == 0 ? absl::StrFormat("%d.%d %%", hundredths / 100, hundredths % 100 / 10)
                                : absl::StrFormat("%d.%02d %%", hundredths / 100, hundredths % 100);
}

bool HasFigures(const Measured& measured) {
  const bool begun = measured.numerator != 0 || measured.denominator != 1;
  return measured.denominator != 0 &&
         (measured.state == State::kDecided || (measured.state == State::kUndecided && begun));
}

namespace {

// What the numbers of a share count, after them; empty where the scope says it.
absl::string_view CountedOf(catalogue::Evaluator evaluator) {
  switch (evaluator) {
    case catalogue::EVALUATOR_LOSS:
      return " samples lost";
    case catalogue::EVALUATOR_CLOCK_OFFSET:
      return " minutes off by more than 1 s";
    case catalogue::EVALUATOR_SILENCE_NOTICED:
      return " silences noticed";
    case catalogue::EVALUATOR_DEADMAN:
      return " signals accepted";
    case catalogue::EVALUATOR_ROUTES_ACKNOWLEDGED:
      return " routes acknowledged";
    default:
      return "";
  }
}

}  // namespace

std::string InWords(const Criterion& criterion, const Measured& measured) {
  if (!HasFigures(measured)) {
    return measured.quiet ? "none happened" : "";
  }
  const std::int64_t missing = measured.denominator - measured.numerator;
  switch (criterion.evaluator) {
    case catalogue::EVALUATOR_FORECAST_FRESH:
      return absl::StrCat("computed on ", measured.numerator, " of ", criterion.window_days, " days");
    case catalogue::EVALUATOR_COVERAGE:
    case catalogue::EVALUATOR_THROUGHPUT:
    case catalogue::EVALUATOR_TIMED:
      return absl::StrCat(ShareInWords(measured.numerator, measured.denominator), ": ", MinutesInWords(missing), " of ",
                          MinutesInWords(measured.denominator), " missing",
                          measured.coarse ? ", by connections or bytes" : "");
    case catalogue::EVALUATOR_PERCENTILE:
      return absl::StrCat(ShareInWords(measured.numerator, measured.denominator), " of intervals of ",
                          measured.interval_hours == 168 ? "7 d" : absl::StrCat(measured.interval_hours, " h"),
                          " hold 59 samples (", measured.numerator, " of ", measured.denominator, ")");
    case catalogue::EVALUATOR_LITTLE:
      return absl::StrCat("N = X R within 25 % in ", ShareInWords(measured.numerator, measured.denominator),
                          " of intervals (", measured.numerator, " of ", measured.denominator, ")");
    case catalogue::EVALUATOR_USER_VANTAGE:
      return absl::StrCat("on the arrival clock, or nearer to the user, on ", measured.numerator, " of ",
                          criterion.window_days, " days");
    default:
      break;
  }
  switch (criterion.unit) {
    case catalogue::UNIT_SHARE:
      return absl::StrCat(ShareInWords(measured.numerator, measured.denominator, criterion.at_least), " (",
                          measured.numerator, " of ", measured.denominator, CountedOf(criterion.evaluator), ")");
    case catalogue::UNIT_DAYS:
      return absl::StrCat(measured.numerator / measured.denominator, " d");
    case catalogue::UNIT_YES_NO:
      return measured.numerator != 0 ? "yes" : "no";
    default:
      return absl::StrCat(measured.numerator / measured.denominator);
  }
}

}  // namespace ppmm
