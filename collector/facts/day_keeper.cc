#include "collector/facts/day_keeper.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"

#include "collector/deployments.h"
#include "collector/release_judge.h"
#include "collector/releases.h"
#include "collector/reopened.h"
#include "common/status.h"
#include "proto/telemetry.pb.h"

namespace ppmm {

namespace {

// Warnings of a day count while their rows are kept; what the rating sees of them are 28 days.
constexpr Day kWarningWindow = 28;
// A new application has this long from its first request to its first response time.
constexpr Day kNewcomerDays = 7;
constexpr std::int64_t kUsOfMinute = 60'000'000;
constexpr std::int64_t kUsOfDay = 86'400'000'000;
// An application is line-of-business for so long.
constexpr Day kServedDays = 28;
// Days after that of a release on which it may come out whether it was used and timed in time.
constexpr Day kReleaseDays = 2;
static_assert(kReleaseDays * kMinutesPerDay >= kFirstRequestMinutes + kTimedWithinMinutes);

// What is written with the facts of one day.
struct DayRows {
  std::map<Day, std::map<ScopeId, DayFacts>> facts;  // of the day, and what it changes of earlier ones
  std::vector<ForecastRow> forecasts;
};

// The rows of each host, in order.
std::map<HostKey, std::vector<ForecastRow>> ByHost(const std::vector<ForecastRow>& rows) {
  std::map<HostKey, std::vector<ForecastRow>> hosts;
  for (const ForecastRow& row : rows) {
    hosts[row.host].push_back(row);
  }
  return hosts;
}

// Sets the warnings of the day, and those of earlier days that are now to be counted, or were answered, since the facts
// of the day before were written.
absl::Status SetWarnings(StoreReader& reader, Day day, Day as_of, std::vector<ForecastRow> rows, DayRows& out) {
  rows.insert(rows.end(), out.forecasts.begin(), out.forecasts.end());
  std::sort(rows.begin(), rows.end(), [](const ForecastRow& a, const ForecastRow& b) {
    return std::tie(a.host, a.kind, a.series, a.day) < std::tie(b.host, b.kind, b.series, b.day);
  });
  const std::map<Day, WarningCounts> counts = CountWarnings(rows, as_of);
  const auto set = [&counts](Day of, DayFacts& organization) {
    const auto found = counts.find(of);
    const WarningCounts count = found == counts.end() ? WarningCounts() : found->second;
    const bool changed = organization.warnings != count.warnings || organization.warnings_answered != count.answered;
    organization.warnings = count.warnings;
    organization.warnings_answered = count.answered;
    return changed;
  };
  set(day, out.facts[day][kOrganizationScope]);
  for (Day of = as_of - kWarningWindow + 1; of < as_of; ++of) {
    if (of == day) {
      continue;
    }
    ASSIGN_OR_RETURN(std::optional<DayFacts> organization, reader.GetFactDay(of, kOrganizationScope));
    if (organization.has_value() && set(of, *organization)) {
      out.facts[of][kOrganizationScope] = *organization;
    }
  }
  return absl::OkStatus();
}

// The facts of an application on the days [from, to] that have any.
absl::StatusOr<std::map<Day, DayFacts>> FactsOf(StoreReader& reader, ScopeId application, Day from, Day to) {
  std::map<Day, DayFacts> days;
  for (Day of = from; of <= to; ++of) {
    ASSIGN_OR_RETURN(const std::optional<DayFacts> facts, reader.GetFactDay(of, application));
    if (facts.has_value()) {
      days[of] = *facts;
    }
  }
  return days;
}

// Sets the intervals of RSP-002 of the day, and of the later days that look back at it where it changed late.
absl::Status SetPercentiles(StoreReader& reader, Day day, Day as_of, Day since, DayRows& out) {
  const Day last = std::min(as_of, day + kPercentileHistory);
  for (auto& [scope, facts] : out.facts[day]) {
    if (scope.kind != ScopeKind::kApplication || (facts.up_minutes + facts.booting_minutes == 0 && last == day)) {
      continue;
    }
    using Days = std::map<Day, DayFacts>;
    ASSIGN_OR_RETURN(Days days, FactsOf(reader, scope, day - kPercentileHistory, last));
    days[day] = facts;
    for (const auto& [of, before] : Days(days.lower_bound(day), days.end())) {
      DayFacts after = before;
      SetPercentileIntervals(PercentileContextOf(days, of, since), of, 24, after);
      if (of == day) {
        facts = after;
      } else if (after != before) {
        out.facts[of][scope] = after;
      }
    }
  }
  return absl::OkStatus();
}

// Sets the intervals of RSP-005 of the days after a day, as far as what it carries into them changed.
absl::Status SetLaterIntervals(StoreReader& reader, Day day, Day as_of, DayRows& out) {
  if (day >= as_of) {
    return absl::OkStatus();
  }
  const std::map<ScopeId, DayFacts> of_day = out.facts[day];
  for (const auto& [scope, facts] : of_day) {
    if (scope.kind != ScopeKind::kApplication) {
      continue;
    }
    ASSIGN_OR_RETURN(const std::optional<DayFacts> written, reader.GetFactDay(day, scope));
    LittleRest before = written.has_value() ? LittleRestOf(*written) : LittleRest();
    LittleRest after = LittleRestOf(facts);
    for (Day of = day + 1; of <= as_of && before != after; ++of) {
      std::optional<DayFacts> later;
      if (const auto known = out.facts[of].find(scope); known != out.facts[of].end()) {
        later = known->second;
      } else {
        ASSIGN_OR_RETURN(later, reader.GetFactDay(of, scope));
      }
      if (!later.has_value()) {
        break;
      }
      LittleIntervals intervals(after);
      const std::int64_t begin = std::int64_t{of} * kMinutesPerDay;
      ASSIGN_OR_RETURN(const std::vector<ApplicationMinuteRow> minutes,
                       reader.ApplicationMinutes(scope.number, begin, begin + kMinutesPerDay));
      for (const ApplicationMinuteRow& minute : minutes) {
        intervals.Add(minute.requests, minute.in_flight_us, minute.elapsed_us);
      }
      before = LittleRestOf(*later);
      intervals.SetFacts(*later);
      after = LittleRestOf(*later);
      out.facts[of][scope] = *later;
    }
  }
  return absl::OkStatus();
}

// What REL-002 asks of one release: whether its comparison is due or made, made in time, and had enough samples.
struct Compared {
  bool due = false;
  bool in_time = false;
  bool too_few = false;
};

absl::StatusOr<Compared> ComparedOf(StoreReader& reader, const Release& release,
                                    const std::vector<ReleaseVerdictRow>& verdicts, std::int64_t until_minute) {
  Compared result;
  const std::int64_t until_us = until_minute * kUsOfMinute;
  bool enough = false;
  bool hour_made = false;
  for (const ReleaseVerdictRow& row : verdicts) {
    if (row.application != release.application || row.at_us != release.at_us || row.made_us > until_us) {
      continue;
    }
    const bool is_hour = row.minutes == kHourCompared;
    hour_made |= is_hour;
    enough |= row.verdict != kTooFewSamples;
    // After an hour with little traffic the first verdict is that of the day.
    if (is_hour || !hour_made) {
      result.due = true;
      result.in_time = row.made_us - row.at_us <= (is_hour ? kHourVerdictWithinUs : kDayVerdictWithinUs);
    }
  }
  result.too_few = result.due && !enough;
  const std::int64_t minute = release.at_us / kUsOfMinute;
  if (hour_made || until_us <= release.at_us + kHourVerdictWithinUs) {
    return result;
  }
  std::int64_t requests = 0;
  ASSIGN_OR_RETURN(const std::vector<ApplicationMinuteRow> hour,
                   reader.ApplicationMinutes(release.application, minute + 1, minute + 1 + kHourCompared));
  for (const ApplicationMinuteRow& row : hour) {
    requests += row.requests;
  }
  if (requests >= kSamplesForP95) {
    return Compared{true, false, false};  // nobody looked in time
  }
  result.due = result.due || until_us > release.at_us + kDayVerdictWithinUs;
  return result;
}

// Whether an application served others by its facts around a day.
absl::StatusOr<bool> ServesOthers(StoreReader& reader, ScopeId application, Day day,
                                  const std::map<ScopeId, DayFacts>& newest) {
  if (const auto now = newest.find(application); now != newest.end() && now->second.served_others > 0) {
    return true;
  }
  using Days = std::map<Day, DayFacts>;
  ASSIGN_OR_RETURN(const Days days, FactsOf(reader, application, day - kServedDays + 1, day + kReleaseDays));
  return std::any_of(days.begin(), days.end(), [](const auto& one) { return one.second.served_others > 0; });
}

// sshd, resolvers, exporters: nobody's business is done with them.
bool IsPlumbing(const Tables& tables, ApplicationId id) {
  const ApplicationState* const application = tables.Application(id);
  return application != nullptr &&
         std::any_of(application->instances.begin(), application->instances.end(), [&tables](EntityId entity) {
           const EntityState* const instance = tables.Entity(entity);
           wire::Entity record;
           return instance != nullptr && record.ParseFromString(instance->row.attributes) &&
                  (record.instance().plumbing() || record.instance().short_lived());
         });
}

// Of a day that is or was sealed some may be dormant: all are taken from the store then.
absl::Status TakeInstancesOf(Day day, StoreReader& reader, DayScopes& scopes) {
  for (auto& [id, instances] : scopes.applications) {
    instances.clear();
  }
  ASSIGN_OR_RETURN(const std::vector<InstanceDayRow> rows, reader.InstancesOf(day));
  for (const InstanceDayRow& row : rows) {
    scopes.applications[row.application].push_back({row.life.entity, row.host, {row.life}});
  }
  return absl::OkStatus();
}

}  // namespace

DayScopes DayKeeper::CopyScopes() {
  ReaderLock lock(&state_->mutex());
  return CopyDayScopes(state_->tables());
}

absl::StatusOr<std::map<ScopeId, DayFacts>> DayKeeper::Current(Day day, absl::Time now) {
  const DayScopes scopes = CopyScopes();
  const bool reopened = IsReopened(day);
  ASSIGN_OR_RETURN(const std::unique_ptr<StoreReader> reader, store_->OpenReader());
  if (rests_of_ != day) {
    ASSIGN_OR_RETURN(rests_, RestsOf(*reader, day - 1));
    rests_of_ = day;
  }
  using DayMap = std::map<ScopeId, DayFacts>;
  ASSIGN_OR_RETURN(DayMap facts, BuildDay(scopes, *reader, day, absl::ToUnixSeconds(now) / 60, attributes_,
                                          {.rests = &rests_, .running = &running_, .reopened = reopened}));
  RETURN_IF_ERROR(SetRunningPercentiles(*reader, day, now, facts));
  RETURN_IF_ERROR(SetReleases(*reader, day, absl::ToUnixSeconds(now) / 60, facts, facts[kOrganizationScope]).status());
  return facts;
}

absl::StatusOr<LittleRests> DayKeeper::RestsOf(StoreReader& reader, Day day) {
  LittleRests rests;
  RETURN_IF_ERROR(reader.ScanFactDays(day, day + 1, [&rests](Day, ScopeId scope, const DayFacts& facts) {
    if (const LittleRest rest = LittleRestOf(facts); rest != LittleRest()) {
      rests[scope.number] = rest;
    }
    return absl::OkStatus();
  }));
  return rests;
}

absl::StatusOr<bool> DayKeeper::SetReleases(StoreReader& reader, Day day, std::int64_t until_minute,
                                            const std::map<ScopeId, DayFacts>& newest, DayFacts& organization) {
  ASSIGN_OR_RETURN(std::vector<ReleaseRow> rows, reader.ReleasesOf(day));
  const std::vector<Release> releases = GroupReleases(std::move(rows));
  std::vector<DeploymentRow> deployments;
  std::vector<ReleaseVerdictRow> verdicts;
  if (!releases.empty()) {
    ASSIGN_OR_RETURN(deployments, DeploymentsAround(reader, day));
    ASSIGN_OR_RETURN(verdicts, reader.ReleaseVerdicts(day * kUsOfDay, (day + 1) * kUsOfDay));
  }
  const std::vector<const DeploymentRow*> announced = Announcements(releases, deployments);
  const DayFacts before = organization;
  organization.releases_used = organization.releases_timed = 0;
  organization.releases_seen = organization.releases_matched = 0;
  organization.releases_due = organization.releases_compared = organization.releases_too_few = 0;
  std::int64_t known_since_us = 0;
  for (std::size_t i = 0; i < releases.size(); ++i) {
    const Release& release = releases[i];
    {
      ReaderLock lock(&state_->mutex());
      known_since_us = state_->tables().deployments_since_us;
      if (IsPlumbing(state_->tables(), release.application)) {
        continue;
      }
    }
    const ScopeId scope{ScopeKind::kApplication, release.application};
    ASSIGN_OR_RETURN(const bool serves, ServesOthers(reader, scope, day, newest));
    if (!serves) {
      continue;
    }
    ASSIGN_OR_RETURN(const ReleaseUse use, ReadUse(reader, release, until_minute));
    const ReleaseVerdict verdict = VerdictOf(use, until_minute);
    organization.releases_used += verdict.used ? 1 : 0;
    organization.releases_timed += verdict.timed ? 1 : 0;
    // Somebody may still say that he deployed it.
    const bool waits = announced[i] == nullptr && until_minute * kUsOfMinute < release.at_us + kDeploymentWithinUs;
    if (release.at_us >= known_since_us && !waits) {
      ++organization.releases_seen;
      organization.releases_matched += announced[i] != nullptr ? 1 : 0;
    }
    if (release.at_us >= known_since_us) {
      ASSIGN_OR_RETURN(const Compared compared, ComparedOf(reader, release, verdicts, until_minute));
      organization.releases_due += compared.due ? 1 : 0;
      organization.releases_compared += compared.in_time ? 1 : 0;
      organization.releases_too_few += compared.in_time && compared.too_few ? 1 : 0;
    }
  }
  return organization != before;
}

absl::Status DayKeeper::SetNewcomers(StoreReader& reader, Day day, const std::map<ScopeId, DayFacts>& newest,
                                     DayFacts& organization) {
  const Day timed_since = TimedSince();
  std::map<ApplicationId, Day> newcomers;  // first seen
  {
    ReaderLock lock(&state_->mutex());
    const Tables& tables = state_->tables();
    for (const auto& [id, application] : tables.applications) {
      const Day first = DayOf(absl::FromUnixMicros(application.row.first_seen_us));
      const bool is_new = std::all_of(application.instances.begin(), application.instances.end(), [&](EntityId entity) {
        const EntityState* const instance = tables.Entity(entity);
        const auto host = instance == nullptr ? tables.hosts.end() : tables.hosts.find(instance->row.host);
        return host != tables.hosts.end() && DayOf(absl::FromUnixMicros(host->second.row.first_seen_us)) != first;
      });
      if (first <= day && first >= day - kNewcomerDays - 1 && first >= timed_since && is_new &&
          !IsPlumbing(tables, id)) {
        newcomers[id] = first;
      }
    }
  }
  organization.newcomers_used = organization.newcomers_timed = 0;
  for (const auto& [id, first] : newcomers) {
    const ScopeId scope{ScopeKind::kApplication, id};
    using Days = std::map<Day, DayFacts>;
    ASSIGN_OR_RETURN(Days days, FactsOf(reader, scope, first, day - 1));
    if (const auto now = newest.find(scope); now != newest.end()) {
      days[day] = now->second;
    }
    Day used = 0;
    Day timed = 0;
    bool serves = false;
    for (const auto& [of, facts] : days) {
      used = used == 0 && facts.requests + facts.connections > 0 ? of : used;
      timed = timed == 0 && facts.timed_requests > 0 ? of : timed;
      serves |= facts.served_others > 0;
    }
    if (!serves || used == 0 || used > first + 1) {
      continue;
    }
    const Day out = timed != 0 ? std::min(timed, used + kNewcomerDays) : used + kNewcomerDays;
    if (out == day) {
      ++organization.newcomers_used;
      organization.newcomers_timed += timed != 0 && timed <= used + kNewcomerDays ? 1 : 0;
    }
  }
  return absl::OkStatus();
}

Day DayKeeper::TimedSince() {
  ReaderLock lock(&state_->mutex());
  return DayOf(absl::FromUnixMicros(state_->tables().timed_since_us));
}

absl::Status DayKeeper::SetRunningPercentiles(StoreReader& reader, Day day, absl::Time now,
                                              std::map<ScopeId, DayFacts>& facts) {
  if (contexts_of_ != day) {
    contexts_.clear();
    contexts_of_ = day;
  }
  const Day since = TimedSince();
  const auto hours_over = static_cast<int>(std::clamp<std::int64_t>(absl::ToInt64Hours(now - StartOf(day)), 0, 24));
  for (auto& [scope, row] : facts) {
    if (scope.kind != ScopeKind::kApplication || row.up_minutes + row.booting_minutes == 0) {
      continue;
    }
    auto context = contexts_.find(scope.number);
    if (context == contexts_.end()) {
      using Days = std::map<Day, DayFacts>;
      ASSIGN_OR_RETURN(const Days days, FactsOf(reader, scope, day - kPercentileHistory, day - 1));
      context = contexts_.emplace(scope.number, PercentileContextOf(days, day, since)).first;
    }
    SetPercentileIntervals(context->second, day, hours_over, row);
  }
  return absl::OkStatus();
}

bool DayKeeper::IsSealed(Day day) {
  ReaderLock lock(&state_->mutex());
  return day < state_->tables().sealed_day;
}

bool DayKeeper::IsReopened(Day day) {
  ReaderLock lock(&state_->mutex());
  return ppmm::IsReopened(day, state_->tables());
}

absl::Status DayKeeper::KeepWhatIsSealed(Day day, std::map<ScopeId, DayFacts>& facts) {
  if (!IsSealed(day)) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<StoreReader> reader, store_->OpenReader());
  return reader->ScanFactDays(day, day + 1, [&facts](Day, ScopeId scope, const DayFacts& written) {
    const auto built = facts.find(scope);
    if (scope.kind == ScopeKind::kHost && built != facts.end()) {
      DayFacts& kept = built->second;
      kept.cpu_us = written.cpu_us;
      kept.forecast_kinds = written.forecast_kinds;
      kept.exhaustion_cpu_days = written.exhaustion_cpu_days;
      kept.exhaustion_memory_days = written.exhaustion_memory_days;
      kept.exhaustion_disk_days = written.exhaustion_disk_days;
      kept.exhaustion_network_days = written.exhaustion_network_days;
    }
    return absl::OkStatus();
  });
}

absl::Status DayKeeper::Write(Day day) {
  Day as_of = day;
  std::int64_t read = 0;  // the newest commit that is surely in what is read below
  {
    ReaderLock lock(&state_->mutex());
    as_of = std::max(day, static_cast<Day>(state_->tables().facts_day - 1));
    read = state_->tables().commit;
  }
  DayScopes scopes = CopyScopes();
  for (DayScopes::Host& host : scopes.hosts) {
    ReaderLock lock(&state_->mutex());
    host.resources = ResourcesOf(state_->tables(), host.key);
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<StoreReader> reader, store_->OpenReader());
  const bool reopened = IsReopened(day);
  if (reopened || IsSealed(day)) {  // asked after the copy: what fell dormant since is in the store
    RETURN_IF_ERROR(TakeInstancesOf(day, *reader, scopes));
  }
  const auto rows = std::make_shared<DayRows>();
  std::map<HostKey, HostValues> used;
  ASSIGN_OR_RETURN(const LittleRests rests, RestsOf(*reader, day - 1));
  ASSIGN_OR_RETURN(rows->facts[day], BuildDay(scopes, *reader, day, std::int64_t{day + 1} * kMinutesPerDay, attributes_,
                                              {.rests = &rests, .used = &used, .reopened = reopened}));
  // Two windows: warnings that are judged now began within the last one, and each looks at the day before.
  ASSIGN_OR_RETURN(std::vector<ForecastRow> kept, reader->Forecasts(day - 2 * kForecastWindowDays, as_of + 1));
  rows->forecasts = ForecastDay(day, used, kept);
  const auto by_host = std::make_shared<const std::map<HostKey, std::vector<ForecastRow>>>(ByHost(rows->forecasts));
  for (const auto& [key, forecasts] : *by_host) {
    SetForecastFacts(forecasts, rows->facts[day][{ScopeKind::kHost, key}]);
  }
  RETURN_IF_ERROR(KeepWhatIsSealed(day, rows->facts[day]));
  RETURN_IF_ERROR(SetPercentiles(*reader, day, as_of, TimedSince(), *rows));
  RETURN_IF_ERROR(SetLaterIntervals(*reader, day, as_of, *rows));
  for (Day of = std::max(day - kReleaseDays, 0); of <= std::min(as_of, day); ++of) {
    const auto known = rows->facts[of].find(kOrganizationScope);
    std::optional<DayFacts> organization;
    if (known != rows->facts[of].end()) {
      organization = known->second;
    } else {
      ASSIGN_OR_RETURN(organization, reader->GetFactDay(of, kOrganizationScope));
    }
    if (organization.has_value()) {
      const std::int64_t until = std::int64_t{as_of + 1} * kMinutesPerDay;
      ASSIGN_OR_RETURN(const bool changed, SetReleases(*reader, of, until, rows->facts[day], *organization));
      if (changed) {
        rows->facts[of][kOrganizationScope] = *organization;
      }
    }
  }
  RETURN_IF_ERROR(SetNewcomers(*reader, day, rows->facts[day], rows->facts[day][kOrganizationScope]));
  contexts_of_ = 0;  // made of days before, one of which is written now
  rests_of_ = 0;
  kept.erase(std::remove_if(kept.begin(), kept.end(),
                            [&](const ForecastRow& row) { return row.day == day && by_host->contains(row.host); }),
             kept.end());
  RETURN_IF_ERROR(SetWarnings(*reader, day, as_of, std::move(kept), *rows));

  return writer_->SubmitAndWait([rows, by_host, day, as_of, read](Tables& tables, Store& store) -> absl::Status {
    if (!IsOver(day, tables)) {
      return absl::OkStatus();  // store time was set back meanwhile
    }
    for (const auto& [of, facts] : rows->facts) {
      for (const auto& [scope, row] : facts) {
        RETURN_IF_ERROR(store.PutFactDay(of, scope, row));
      }
    }
    for (const ForecastRow& row : rows->forecasts) {
      RETURN_IF_ERROR(store.Put(row));
    }
    if (day == as_of && !by_host->empty()) {
      for (auto& [key, host] : tables.hosts) {
        const auto found = by_host->find(key);
        host.forecasts = found == by_host->end() ? std::vector<ForecastRow>() : found->second;
      }
    }
    return NoteFactsOf(day, read, tables, store);
  });
}

absl::StatusOr<std::vector<Day>> DayKeeper::Run(absl::Time store_time) {
  const Day today = DayOf(store_time);
  std::set<Day> due;
  {
    ReaderLock lock(&state_->mutex());
    const Tables& tables = state_->tables();
    Day first = today;
    for (const auto& [key, host] : tables.hosts) {
      first = std::min(first, DayOf(absl::FromUnixMicros(host.row.first_seen_us)));
    }
    for (Day day = std::max<Day>(first, static_cast<Day>(tables.facts_day)); day < today; ++day) {
      due.insert(day);
    }
    for (const std::int64_t day : tables.touched_days) {
      if (day < today) {
        due.insert(static_cast<Day>(day));
      }
    }
  }
  for (const Day day : due) {
    RETURN_IF_ERROR(Annotate(Write(day), absl::StrCat("facts of day ", day)));
  }
  return std::vector<Day>(due.begin(), due.end());
}

}  // namespace ppmm
