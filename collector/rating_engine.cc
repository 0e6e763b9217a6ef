#include "collector/rating_engine.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "collector/scopes.h"
#include "common/log.h"
#include "common/status.h"

namespace ppmm {
namespace {

// A day is evaluated ten minutes after its end, with what was received by then.
constexpr absl::Duration kAfterMidnight = absl::Minutes(10);
constexpr absl::Duration kUntilTheFirstMinute = absl::Minutes(3);  // at most, from the start on
constexpr int kLongestFactWindow = 90;

absl::StatusOr<Rung> RungNamed(absl::string_view name) {
  for (const Rung rung : kRungs) {
    if (RungName(rung) == name) {
      return rung;
    }
  }
  return absl::DataLossError(absl::StrCat("rating_day: \"", name, "\" is no rung"));
}

// What is declared counts when it is confirmed, and nothing can be confirmed yet.
std::vector<Tier1Member> Draw(const Facts& facts) {
  return DrawTier1(facts, /*declared=*/{});
}

}  // namespace

std::string EncodeLevelState(const LevelState& state) {
  std::string text = absl::StrCat("published ", RungName(state.published), "\nheld_since ", state.held_since, "\n");
  if (state.last.has_value()) {
    absl::StrAppend(&text, "last ", *state.last, "\n");
  }
  for (const Rung rung : state.low) {
    absl::StrAppend(&text, "low ", RungName(rung), "\n");
  }
  for (const auto& [gate, days] : state.below) {
    absl::StrAppend(&text, "below ", RungName(gate.first), " ", gate.second, " ", days, "\n");
  }
  return text;
}

absl::StatusOr<LevelState> DecodeLevelState(absl::string_view text) {
  LevelState state;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
    std::int32_t number = 0;
    if (fields[0] == "published" && fields.size() == 2) {
      ASSIGN_OR_RETURN(state.published, RungNamed(fields[1]));
    } else if (fields[0] == "low" && fields.size() == 2 && state.low.size() < kEvaluationsKept) {
      ASSIGN_OR_RETURN(const Rung rung, RungNamed(fields[1]));
      state.low.push_back(rung);
    } else if (fields[0] == "held_since" && fields.size() == 2 && absl::SimpleAtoi(fields[1], &number)) {
      state.held_since = number;
    } else if (fields[0] == "last" && fields.size() == 2 && absl::SimpleAtoi(fields[1], &number)) {
      state.last = number;
    } else if (fields[0] == "below" && fields.size() == 4 && absl::SimpleAtoi(fields[3], &number)) {
      ASSIGN_OR_RETURN(const Rung rung, RungNamed(fields[1]));
      state.below[{rung, std::string(fields[2])}] = number;
    } else {
      return absl::DataLossError(absl::StrCat("rating_day: \"", line, "\" is not understood"));
    }
  }
  return state;
}

RatingEngine::RatingEngine(State* state, Store* store, Writer* writer, const Clock* clock, RatingEngineOptions options)
    : state_(state),
      store_(store),
      writer_(writer),
      clock_(clock),
      period_(options.period),
      keeper_(state, store, writer),
      organization_(std::move(options.organization)) {}

RatingEngine::~RatingEngine() {
  Stop();
}

absl::Status RatingEngine::Load() {
  ASSIGN_OR_RETURN(catalogue_, LoadCatalogue());
  return LoadBefore(std::numeric_limits<Day>::max());
}

absl::Status RatingEngine::LoadBefore(std::int64_t day) {
  ASSIGN_OR_RETURN(const std::unique_ptr<StoreReader> reader, store_->OpenReader());
  ASSIGN_OR_RETURN(const std::vector<RatingDayRow> days, reader->RatingDays(0, day));
  level_ = LevelState();
  level_.held_since = DayOf(clock_->Now());  // rung 1 holds since there is somebody to rate
  if (!days.empty()) {
    ASSIGN_OR_RETURN(level_, DecodeLevelState(days.back().body));
  }
  ASSIGN_OR_RETURN(const std::vector<Tier1Row> tier_1, reader->Tier1());
  tier_1_.clear();
  for (const Tier1Row& row : tier_1) {
    if (row.day < day) {
      tier_1_[static_cast<Day>(row.day)].insert(row.application);
    }
  }
  return absl::OkStatus();
}

void RatingEngine::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void RatingEngine::Stop() {
  {
    MutexLock lock(&mutex_);
    stop_ = true;
    wake_.NotifyAll();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void RatingEngine::SetOrganization(OrganizationSettings organization) {
  MutexLock lock(&mutex_);
  organization_ = std::move(organization);
}

void RatingEngine::Loop() {
  LogLimiter failures(absl::Minutes(1));
  const absl::Time begin = clock_->Now();
  for (;;) {
    if (state_->ready()) {
      const absl::Status status = RunOnce();
      if (!status.ok()) {
        if (const std::int64_t times = failures.Allow(clock_->Now())) {
          LogWarning("rating", "evaluation failed (", times, " times): ", status.message());
        }
      }
    }
    MutexLock lock(&mutex_);
    if (!stop_) {
      // Soon after the start the first host and its first minute are there; they are not to wait for the period.
      const absl::StatusOr<std::shared_ptr<const RatingSnapshot>> latest = latest_.Current();
      const bool waiting =
          !latest.ok() || ((*latest)->provisional_minutes == 0 && clock_->Now() - begin < kUntilTheFirstMinute);
      wake_.WaitFor(&mutex_, absl::ToChronoMilliseconds(waiting ? absl::Seconds(1) : period_));
    }
    if (stop_) {
      return;
    }
  }
}

absl::StatusOr<Facts> RatingEngine::FactsUpTo(Day day) {
  Facts facts(day);
  RETURN_IF_ERROR(SetScopes(facts));
  ASSIGN_OR_RETURN(const std::unique_ptr<StoreReader> reader, store_->OpenReader());
  RETURN_IF_ERROR(reader->ScanFactDays(day - kLongestFactWindow + 1, day + 1,
                                       [&](Day of, ScopeId scope, const DayFacts& row) -> absl::Status {
                                         const absl::Status status = facts.Replace(scope, of, nullptr, row);
                                         // A scope that is no longer known is no longer rated.
                                         return absl::IsNotFound(status) ? absl::OkStatus() : status;
                                       }));
  return facts;
}

absl::Status RatingEngine::SetScopes(Facts& facts) {
  ASSIGN_OR_RETURN(const std::unique_ptr<StoreReader> reader, store_->OpenReader());
  const absl::Time as_of = std::min(clock_->Now(), StartOf(facts.day() + 1) - absl::Seconds(1));
  OrganizationSettings settings;
  {
    MutexLock lock(&mutex_);
    settings = organization_;
  }
  ASSIGN_OR_RETURN(RatedScopes scopes, ReadScopes(*state_, *reader, as_of, settings.networks));
  for (Scope& scope : scopes.hosts) {
    facts.SetScope(std::move(scope));
  }
  for (Scope& scope : scopes.applications) {
    facts.SetScope(std::move(scope));
  }
  hosts_of_ = std::move(scopes.hosts_of);
  ApplyTiers(Tier1On(facts.day()), hosts_of_, facts);
  Organization& organization = facts.organization();
  organization.name = std::move(settings.name);
  organization.started_s = scopes.started_s;
  organization.as_of_s = scopes.as_of_s;
  organization.history_from_s = scopes.started_s;
  organization.retention_days = settings.retention_days;
  const auto since = [&organization](Source source) -> std::int64_t& {
    return organization.source_since_s[static_cast<std::size_t>(source)];
  };
  since(Source::kForecasts) = scopes.started_s;
  since(Source::kDayCounts) = scopes.counted_since_s;
  since(Source::kResponseTimes) = scopes.timed_since_s;
  since(Source::kInFlight) = scopes.timed_since_s;
  since(Source::kReleases) = scopes.timed_since_s;
  since(Source::kDeployments) = scopes.deployments_since_s;
  since(Source::kWatchdog) = scopes.watchdog_since_s;
  return absl::OkStatus();
}

std::set<std::uint32_t> RatingEngine::Tier1On(Day day) const {
  const auto next = tier_1_.upper_bound(day);
  return next == tier_1_.begin() ? std::set<std::uint32_t>{} : std::prev(next)->second;
}

absl::Status RatingEngine::SaveEvaluation(Day day, const Rating& rating, const std::vector<Tier1Row>& drawn) {
  RatingDayRow row;
  row.day = day;
  row.published = std::string(RungName(level_.published));
  row.low = std::string(RungName(rating.low));
  row.high = std::string(RungName(rating.high));
  row.body = EncodeLevelState(level_);
  return writer_->SubmitAndWait([row, drawn](Tables& tables, Store& store) -> absl::Status {
    if (!IsOver(row.day, tables)) {
      return absl::OkStatus();  // store time was set back meanwhile
    }
    for (const Tier1Row& member : drawn) {
      RETURN_IF_ERROR(store.Put(member));
    }
    return store.Put(row);
  });
}

absl::Status RatingEngine::EvaluateClosedDays(Day today) {
  // The first day that holds anything is where the history begins; nothing before it is made up.
  Day next = level_.last.has_value() ? *level_.last + 1 : today;
  if (!level_.last.has_value()) {
    ASSIGN_OR_RETURN(const std::unique_ptr<StoreReader> reader, store_->OpenReader());
    RETURN_IF_ERROR(reader->ScanFactDays(0, today, [&](Day day, ScopeId, const DayFacts&) {
      next = std::min(next, day);
      return absl::OkStatus();
    }));
  }
  for (; next < today; ++next) {
    ASSIGN_OR_RETURN(Facts facts, FactsUpTo(next));
    const LevelState before = level_;
    std::vector<Tier1Row> drawn;
    if (Tier1IsDue(next, tier_1_.empty() ? std::nullopt : std::optional<Day>(tier_1_.rbegin()->first))) {
      std::set<std::uint32_t> members;
      for (Tier1Member& member : Draw(facts)) {
        drawn.push_back({next, member.application, std::move(member.why)});
        members.insert(member.application);
      }
      ApplyTiers(members.empty() ? Tier1On(next) : members, hosts_of_, facts);
    }
    Advance(EvaluateDay(catalogue_, facts), level_);
    const Rating rating = Rate(catalogue_, facts, level_, absl::UnixEpoch() + absl::Hours(24) * (next + 1));
    if (const absl::Status saved = SaveEvaluation(next, rating, drawn); !saved.ok()) {
      level_ = before;
      return saved;
    }
    for (const Tier1Row& member : drawn) {
      tier_1_[next].insert(member.application);
    }
    closed_ = std::make_unique<Facts>(std::move(facts));
  }
  return absl::OkStatus();
}

RatingEngine::Turns RatingEngine::turns() const {
  MutexLock lock(&mutex_);
  return turns_;
}

absl::Status RatingEngine::RunOnce() {
  const absl::Status status = Turn();
  MutexLock lock(&mutex_);
  turns_.failed += status.ok() ? 0 : 1;
  turns_.last = status;
  return status;
}

absl::Status RatingEngine::Turn() {
  const WriterStatus writer = writer_->status();
  const absl::Time store_time = std::min(writer.store_time, clock_->Now());
  // While nobody vouches for the clock no day ends, and what is shown is of the time that is sure.
  const absl::Time now = writer.store_time_waits ? store_time : clock_->Now();
  std::vector<Day> written;
  if (!writer.store_time_waits) {
    if (level_.last.has_value() && *level_.last >= DayOf(writer.store_time)) {
      RETURN_IF_ERROR(LoadBefore(DayOf(writer.store_time)));  // store time was set back
    }
    ASSIGN_OR_RETURN(written, keeper_.Run(store_time));
    const Day last_closed = DayOf(store_time - kAfterMidnight) - 1;
    RETURN_IF_ERROR(EvaluateClosedDays(last_closed + 1));
  }
  const Day today = DayOf(now);
  if (closed_ == nullptr || closed_->day() != today - 1 || !written.empty()) {
    ASSIGN_OR_RETURN(Facts facts, FactsUpTo(today - 1));
    closed_ = std::make_unique<Facts>(std::move(facts));
  }
  Facts running = *closed_;
  ASSIGN_OR_RETURN(const std::unique_ptr<StoreReader> reader, store_->OpenReader());
  absl::Status read;
  running.AdvanceTo(today, [&](Day day, Facts::Visit visit) {
    read.Update(reader->ScanFactDays(day, day + 1, [&](Day, ScopeId scope, const DayFacts& row) {
      visit(scope, row);
      return absl::OkStatus();
    }));
  });
  RETURN_IF_ERROR(read);
  RETURN_IF_ERROR(SetScopes(running));
  using DayMap = std::map<ScopeId, DayFacts>;
  ASSIGN_OR_RETURN(const DayMap current, keeper_.Current(today, now));
  for (const auto& [scope, facts] : current) {
    const absl::Status status = running.Replace(scope, today, nullptr, facts);
    if (!status.ok() && !absl::IsNotFound(status)) {
      return status;
    }
  }
  if (tier_1_.empty()) {  // until the first evaluation: as it would draw now
    std::set<std::uint32_t> members;
    for (const Tier1Member& member : Draw(running)) {
      members.insert(member.application);
    }
    ApplyTiers(members, hosts_of_, running);
  }
  latest_.Set(TakeSnapshot(catalogue_, std::move(running), level_, now));
  return absl::OkStatus();
}

std::shared_ptr<const RatingSnapshot> RatingEngine::OfClosedDay() const {
  return closed_ == nullptr ? nullptr : TakeSnapshot(catalogue_, *closed_, level_, StartOf(closed_->day() + 1));
}

}  // namespace ppmm
