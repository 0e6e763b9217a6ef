#include "agent/sampler.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/human.h"
#include "common/log.h"

namespace ppmm {
namespace {

constexpr absl::Duration kAnchorTolerance = absl::Seconds(2);
constexpr absl::Duration kAnchorPatience = absl::Seconds(10);
constexpr absl::Duration kAbsentRetry = absl::Minutes(1);

}  // namespace

Sampler::Sampler(const Clock* clock, Recorder* recorder, BatchSink* sink, std::vector<std::unique_ptr<Source>> sources,
                 std::function<std::uint64_t()> random_epoch)
    : clock_(clock), recorder_(recorder), sink_(sink), random_epoch_(std::move(random_epoch)) {
  for (std::unique_ptr<Source>& source : sources) {
    Scheduled scheduled;
    scheduled.status.name = std::string(source->name());
    scheduled.source = std::move(source);
    scheduled.next = absl::InfinitePast();
    sources_.push_back(std::move(scheduled));
  }
  MutexLock lock(&step_mutex_);
  Anchor();
}

void Sampler::Anchor() {
  anchor_ = clock_->Now() - clock_->SinceBoot();
  const std::int64_t step = active_.step_seconds;
  next_step_ = (absl::ToUnixSeconds(clock_->Now()) / step + 1) * step;
  off_since_.reset();
}

void Sampler::BeginEpoch() {
  MutexLock lock(&step_mutex_);
  Flush();
  recorder_->BeginEpoch(random_epoch_());
  sink_->BeginEpoch(recorder_->epoch(), [this] { return recorder_->CompleteDictionary(); });
}

void Sampler::CheckAnchor(absl::Time grid) {
  const absl::Time wall = clock_->Now();
  if (absl::AbsDuration(wall - grid) <= kAnchorTolerance) {
    off_since_.reset();
    return;
  }
  if (!off_since_.has_value()) {
    off_since_ = grid;
  }
  if (grid - *off_since_ < kAnchorPatience) {
    return;
  }
  LogWarning("sampler", "the wall clock was set by ", HumanDuration(wall - grid), "; going on at the new time");
  Flush();
  Anchor();
  recorder_->SetClockEvent(grid, wall);
  for (Scheduled& scheduled : sources_) {
    scheduled.next = absl::InfinitePast();
  }
}

absl::Duration Sampler::Tick() {
  BatchShape wanted;
  {
    MutexLock lock(&mutex_);
    wanted = wanted_;
  }
  MutexLock step_lock(&step_mutex_);
  CheckAnchor(anchor_ + clock_->SinceBoot());
  const absl::Time grid = anchor_ + clock_->SinceBoot();
  if (grid >= absl::FromUnixSeconds(next_step_)) {
    const std::int64_t step_seconds = active_.step_seconds;
    const std::int64_t current = absl::ToUnixSeconds(grid) / step_seconds * step_seconds;
    steps_missed_ += static_cast<std::uint64_t>((current - next_step_) / step_seconds);
    const bool shape_changes =
        wanted.step_seconds != active_.step_seconds || wanted.steps_per_batch != active_.steps_per_batch;
    if (shape_changes && current % 60 == 0) {
      Flush();
      MutexLock lock(&mutex_);
      active_ = wanted;
    }
    TakeStep(current);
    next_step_ = current + active_.step_seconds;
  }
  const absl::Duration wait = absl::FromUnixSeconds(next_step_) - (anchor_ + clock_->SinceBoot());
  return std::max(wait, absl::Milliseconds(1));
}

void Sampler::TakeStep(std::int64_t step) {
  if (batch_t0_.has_value()) {
    const std::int64_t index = (step - *batch_t0_) / active_.step_seconds;
    if (index < 0 || index >= active_.steps_per_batch) {
      Flush();
    }
  }
  if (!batch_t0_.has_value()) {
    batch_t0_ = step;
    recorder_->BeginBatch(step, active_);
  }
  const auto index = static_cast<std::uint32_t>((step - *batch_t0_) / active_.step_seconds);
  recorder_->BeginStep(index);
  steps_in_batch_ = index + 1;
  const absl::Time now = absl::FromUnixSeconds(step);
  for (Scheduled& scheduled : sources_) {
    if (now >= scheduled.next) {
      RunSource(scheduled, now);
    }
  }
  const bool minute_ends = (step + active_.step_seconds) % 60 == 0;
  if (steps_in_batch_ == active_.steps_per_batch || minute_ends) {
    Flush();
  }
}

void Sampler::RunSource(Scheduled& scheduled, absl::Time now) {
  const absl::Duration begin = clock_->SinceBoot();
  const absl::Status status = scheduled.source->Sample(now, *recorder_);
  const absl::Duration took = clock_->SinceBoot() - begin;

  wire::SourceState::State state = wire::SourceState::OK;
  absl::Duration period = scheduled.source->period();
  if (status.code() == absl::StatusCode::kNotFound) {
    state = wire::SourceState::ABSENT;
    period = std::max(period, kAbsentRetry);
  } else if (!status.ok()) {
    state = wire::SourceState::FAILED;
  }
  // On the grid of the period, so that sources of 10 s share their second on all hosts and minutes hold six of them.
  if (period > absl::ZeroDuration()) {
    const std::int64_t seconds = absl::ToInt64Seconds(period);
    scheduled.next = absl::FromUnixSeconds((absl::ToUnixSeconds(now) / seconds + 1) * seconds);
  }
  const std::string reason(status.message());
  if (state != scheduled.status.state && state == wire::SourceState::FAILED) {
    LogWarning("sampler", "source ", scheduled.status.name, " failed: ", reason);
  }
  recorder_->SetSource(scheduled.status.name, state, reason);
  MutexLock lock(&mutex_);
  scheduled.status.state = state;
  scheduled.status.reason = reason;
  scheduled.status.last_duration = took;
  ++scheduled.status.runs;
  scheduled.status.failures += state == wire::SourceState::FAILED ? 1 : 0;
}

void Sampler::Flush() {
  if (!batch_t0_.has_value()) {
    return;
  }
  if (const std::optional<std::string> dictionary = recorder_->TakeDictionaryChanges()) {
    sink_->AppendDictionary(*dictionary);
  }
  const Recorder::BuiltBatch batch = recorder_->BuildBatch(steps_in_batch_);
  sink_->AppendBatch(batch.seq, batch.samples, absl::FromUnixSeconds(*batch_t0_), batch.frame);
  batch_t0_.reset();
  steps_in_batch_ = 0;
}

void Sampler::Run() {
  for (;;) {
    const absl::Duration wait = Tick();
    MutexLock lock(&mutex_);
    if (!stop_) {
      wake_.WaitFor(&mutex_, absl::ToChronoMicroseconds(std::min(wait, absl::Seconds(1))));
    }
    if (stop_) {
      break;
    }
  }
  MutexLock lock(&step_mutex_);
  Flush();
  // What histograms hold for the end of their period goes into one step more.
  recorder_->BeginBatch(next_step_, active_);
  if (recorder_->ReleaseHistograms()) {
    batch_t0_ = next_step_;
    steps_in_batch_ = 1;
    Flush();
  }
}

void Sampler::Stop() {
  MutexLock lock(&mutex_);
  stop_ = true;
  wake_.NotifyAll();
}

void Sampler::RequestShape(BatchShape shape) {
  const bool valid = (shape.step_seconds == 1 || shape.step_seconds == 10) && shape.steps_per_batch >= 1 &&
                     shape.steps_per_batch <= 10;
  if (!valid) {
    return;
  }
  MutexLock lock(&mutex_);
  wanted_ = shape;
}

std::vector<Sampler::SourceStatus> Sampler::Status() const {
  MutexLock lock(&mutex_);
  std::vector<SourceStatus> out;
  out.reserve(sources_.size());
  for (const Scheduled& scheduled : sources_) {
    out.push_back(scheduled.status);
  }
  return out;
}

BatchShape Sampler::shape() const {
  MutexLock lock(&mutex_);
  return active_;
}

}  // namespace ppmm
