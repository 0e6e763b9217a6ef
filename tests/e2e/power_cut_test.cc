// Agent and collector as they are, without their threads and their network: sampler, spool and stream on one side,
// session, queue, writer and store on the other, on disks that lose their power. Whatever was not synced may be gone;
// nothing counts twice, nothing acknowledged is lost, nothing new is taken for something old.
#include <bit>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "agent/sampler.h"
#include "agent/spool.h"
#include "agent/stream_logic.h"
#include "collector/answer_frames.h"
#include "collector/ingest_session.h"
#include "tests/testing/collector_rig.h"
#include "tests/testing/faulty_file.h"
#include "tests/testing/power_cut_disk.h"
#include "tests/testing/random.h"

namespace ppmm {
namespace {

constexpr char kMetric[] = "ppmm_host_filesystem_size_bytes";

// One sample a step: 2^(second of the minute), so that the sum of a minute is the set of its seconds.
class MarkSource : public Source {
 public:
  absl::string_view name() const override { return "mark"; }
  absl::Status Sample(absl::Time now, Recorder& recorder) override {
    if (series_ == 0) {
      series_ = recorder.AddSeries(recorder.host(), MetricNamed(kMetric), {"a", "b", "c"});
    }
    recorder.Gauge(series_, std::int64_t{1} << (absl::ToUnixSeconds(now) % 60));
    return absl::OkStatus();
  }

 private:
  SeriesHandle series_ = 0;
};

// What the world outside saw: which step each batch holds, and which batches were acknowledged.
struct Ledger {
  std::map<std::uint64_t, std::map<std::uint64_t, std::int64_t>> batches;  // epoch -> number -> second
  std::set<std::int64_t> acknowledged;
  std::vector<std::int64_t> appended;
  std::set<std::int64_t> at_risk;  // when the power went: perhaps a later batch is there, and they are not

  void Acknowledge(std::uint64_t epoch, std::uint64_t up_to) {
    for (const auto& [seq, second] : batches[epoch]) {
      if (seq <= up_to && !at_risk.contains(second)) {
        acknowledged.insert(second);
      }
    }
  }
};

// An agent from its start to its end.
class AgentRun : public BatchSink, public EpochOwner {
 public:
  AgentRun(FaultyDirectory* disk, const Clock* clock, std::function<std::uint64_t()> random, Ledger* ledger)
      : clock_(clock),
        ledger_(ledger),
        spool_(disk, {.segment_bytes = 4096}, clock->Now()),
        sampler_(clock, &recorder_, this, Sources(), std::move(random)),
        logic_(Options(), &spool_, this, Now()) {
    sampler_.BeginEpoch();
  }

  StreamLogic& logic() { return logic_; }
  Spool& spool() { return spool_; }
  StreamTime Now() const { return {clock_->Now(), clock_->SinceBoot()}; }
  void Tick() {
    sampler_.Tick();
    spool_.Tick(clock_->Now());
  }

  void BeginEpoch(std::uint64_t epoch, std::function<std::vector<std::string>()> dictionary) override {
    epoch_ = epoch;
    EXPECT_FALSE(ledger_->batches.contains(epoch)) << "an epoch is used once";
    spool_.BeginEpoch(epoch, std::move(dictionary));
  }
  void AppendDictionary(absl::string_view frame) override { spool_.AppendDictionary(frame); }
  void AppendBatch(std::uint64_t seq, std::uint32_t samples, absl::Time t0, absl::string_view frame) override {
    ledger_->batches[epoch_][seq] = absl::ToUnixSeconds(t0);
    ledger_->appended.push_back(absl::ToUnixSeconds(t0));
    spool_.AppendBatch(seq, samples, t0, frame);
  }
  void RequestEpoch() override { sampler_.BeginEpoch(); }
  void SetGrid(std::uint32_t /*step_seconds*/, std::uint32_t /*steps_per_batch*/) override {}

 private:
  static std::vector<std::unique_ptr<Source>> Sources() {
    std::vector<std::unique_ptr<Source>> sources;
    sources.push_back(std::make_unique<MarkSource>());
    return sources;
  }
  StreamOptions Options() {
    StreamOptions options;
    options.describe = [this](wire::Hello* hello) {
      hello->set_protocol(1);
      hello->set_agent_id(std::string(16, 'a'));
      hello->set_host_id(std::string(16, 'h'));
      hello->set_duplicate_host_id(std::string(16, 'd'));
      hello->set_host_name("web1");
      hello->set_group("default");
      hello->set_boot_id(std::string(16, 'b'));
      hello->set_boottime_us(absl::ToInt64Microseconds(clock_->SinceBoot()));
    };
    options.renew_identity = [] { return absl::OkStatus(); };
    options.retry_delay = [](int) { return absl::ZeroDuration(); };
    return options;
  }

  const Clock* const clock_;
  Ledger* const ledger_;
  std::uint64_t epoch_ = 0;
  Recorder recorder_;
  Spool spool_;
  Sampler sampler_;
  StreamLogic logic_;
};

// The way between both: what the writer says waits here until it is delivered, or lost.
class Connection : public StreamSink {
 public:
  void Welcome(const StreamWelcome& welcome) override {
    wire::CollectorFrame frame;
    *frame.mutable_welcome() = ToWire(welcome);
    answers.push_back(frame);
  }
  void Acknowledge(const StreamAck& ack) override {
    wire::CollectorFrame frame;
    *frame.mutable_ack() = ToWire(ack);
    answers.push_back(frame);
  }
  void Resume() override {}
  void Cut(const absl::Status& why) override { cut = why; }

  std::vector<wire::CollectorFrame> answers;
  absl::Status cut;
};

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed), store_disk_(seed) {
    rig_ = std::make_unique<CollectorRig>();
    StartAgent();
  }
  ~World() {
    EndSession();
    rig_.reset();  // before the disk below it
  }

  // One second passes.
  void Step() {
    rig_->clock().Advance(absl::Seconds(1));
    const std::uint64_t syncs = agent_disk_.syncs();
    agent_->Tick();
    if (!agent_disk_.crashed() && agent_disk_.syncs() > syncs) {
      AllIsSafe();
    }
    if (rig_->clock().Now() >= network_back_) {
      Talk();
    }
    if (agent_disk_.crashed()) {
      CutAgent();
    }
  }
  void CutAgent() {
    EndSession();
    do {
      ++agent_cuts;
      agent_.reset();
      agent_disk_.PowerCutInAnyOrder(random_);
      if (random_() % 2 == 0) {  // power that is back comes and goes
        CutAgentSoon();
      }
      StartAgent();
      CheckSpool();
    } while (agent_disk_.crashed());
  }
  // Within what the agent writes next.
  void CutAgentSoon() { agent_disk_.CrashAtChange(Uniform(random_, 1, 16)); }
  // The network: what is under way in either direction is gone.
  void LoseConnection() { EndSession(); }
  // And nothing passes for a while, so that much is acknowledged at once after it.
  void LoseNetwork() {
    EndSession();
    network_back_ = rig_->clock().Now() + absl::Seconds(Uniform(random_, 20, 100));
  }
  bool network_is_back() const { return rig_->clock().Now() == network_back_; }
  void CutCollectorSoon() { store_disk_.CutAtChange(Uniform(random_, 1, 40)); }
  // A clean stop moves the log into the database, which is when power may go, too.
  void RestartCollector() {
    EndSession();
    rig_->Stop();
    AfterCollector();
    rig_->Start();
  }

  std::mt19937_64& random() { return random_; }
  Spool& spool() { return agent_->spool(); }
  const Ledger& ledger() const { return ledger_; }
  const PowerCutDisk& store_disk() const { return store_disk_; }
  int agent_cuts = 0;
  int collector_cuts = 0;
  std::uint64_t lost_at_most = 0;  // batches that no disk held for sure when the power went

  // The seconds that the minute rows hold; each must be there once.
  std::set<std::int64_t> Committed() {
    std::set<std::int64_t> seconds;
    std::uint64_t samples = 0;
    const std::int64_t last = absl::ToUnixSeconds(rig_->clock().Now()) / 60;
    for (std::int64_t minute = kRigStart / 60; minute <= last; ++minute) {
      for (const SeriesRollup& series : rig_->Row(minute).series) {
        const auto bits = static_cast<std::uint64_t>(series.rollup.sum);
        EXPECT_EQ(static_cast<std::uint32_t>(std::popcount(bits)), series.rollup.count) << "minute " << minute;
        samples += series.rollup.count;
        for (int second = 0; second < 64; ++second) {
          if ((bits >> second & 1) != 0) {
            seconds.insert(minute * 60 + second);
          }
        }
      }
    }
    ReaderLock lock(&rig_->state().mutex());
    for (const auto& [id, agent] : rig_->state().tables().agents) {
      EXPECT_EQ(agent.row.committed, samples) << "rows and counts agree";
      EXPECT_GE(agent.row.produced, agent.row.committed);
      EXPECT_EQ(agent.row.refused, 0u);
    }
    return seconds;
  }

  void Check() {
    const std::set<std::int64_t> committed = Committed();
    for (const std::int64_t second : ledger_.acknowledged) {
      EXPECT_TRUE(committed.contains(second)) << second << " was acknowledged, and is gone";
    }
    std::set<std::int64_t> produced;
    for (const auto& [epoch, batches] : ledger_.batches) {
      for (const auto& [seq, second] : batches) {
        EXPECT_TRUE(produced.insert(second).second) << second << " was sampled twice";
      }
    }
    for (const std::int64_t second : committed) {
      EXPECT_TRUE(produced.contains(second)) << second << " was made up";
    }
  }

 private:
  void StartAgent() {
    agent_ = std::make_unique<AgentRun>(
        &agent_disk_, &rig_->clock(), [this] { return random_() | 1; }, &ledger_);
  }

  // What the spool knows now must be known after a power cut.
  void AllIsSafe() {
    safe_ = agent_->spool().Stats().totals;
    safe_batches_ = ledger_.appended.size();
  }

  // After a power cut: the spool's account holds all that was safe, and blames the cut for no more than was not.
  void CheckSpool() {
    const std::uint64_t unsafe = ledger_.appended.size() - safe_batches_;
    const SpoolTotals totals = agent_->spool().Stats().totals;
    EXPECT_LE(unsafe, 11u) << "10 s of each cut at most";
    EXPECT_GE(totals.produced, safe_.produced);
    EXPECT_GE(totals.acknowledged, safe_.acknowledged);
    EXPECT_LE(totals.dropped_damaged, safe_.dropped_damaged + unsafe) << "acknowledged, and called lost";
    EXPECT_LE(totals.produced, ledger_.appended.size()) << "a sample is in the account twice";
    lost_at_most += unsafe;
    ledger_.at_risk.insert(ledger_.appended.end() - static_cast<std::ptrdiff_t>(unsafe), ledger_.appended.end());
    AllIsSafe();
  }

  // Everything that can be said now is said.
  void Talk() {
    for (int turn = 0; turn < 100 && !agent_disk_.crashed(); ++turn) {
      switch (agent_->logic().Next(agent_->Now())) {
        case StreamLogic::Action::kConnect:
          session_ = std::make_unique<IngestSession>(&rig_->clock(), &rig_->queue(), &counters_);
          connection_ = std::make_shared<Connection>();
          opened_ = false;
          break;
        case StreamLogic::Action::kCancel:
          EndSession();
          break;
        case StreamLogic::Action::kNone:
          break;
      }
      bool spoke = false;
      while (session_ != nullptr) {
        const std::optional<std::string> frame = agent_->logic().FrameToSend(agent_->Now());
        if (!frame.has_value()) {
          break;
        }
        spoke = true;
        Take(*frame);
      }
      if (!rig_->writer().CommitOnce().ok() || store_disk_.cut()) {
        RestartCollector();
        return;
      }
      if (connection_ == nullptr) {
        return;
      }
      for (const wire::CollectorFrame& answer : std::exchange(connection_->answers, {})) {
        spoke = true;
        for (const wire::EpochNumber& durable : answer.ack().durable()) {
          ledger_.Acknowledge(durable.epoch(), durable.number());
        }
        agent_->logic().OnFrame(answer.SerializeAsString(), agent_->Now());
      }
      if (!connection_->cut.ok()) {
        EndSession();
        return;
      }
      if (!spoke) {
        return;
      }
    }
  }

  void Take(const std::string& frame) {
    absl::Status status;
    if (!std::exchange(opened_, true)) {
      status = session_->Open(frame, connection_);
    } else {
      const absl::StatusOr<IngestSession::Taken> taken = session_->Take(frame);
      status = taken.status();
      EXPECT_TRUE(!taken.ok() || taken->refused.empty()) << taken->refused.front().ShortDebugString();
    }
    if (!status.ok()) {
      EndSession();
    }
  }

  void EndSession() {
    if (session_ == nullptr) {
      return;
    }
    session_->Close();
    session_.reset();
    connection_.reset();
    agent_->logic().OnClosed(absl::UnavailableError("gone"), agent_->Now());
  }

  void AfterCollector() {
    if (store_disk_.cut()) {
      ++collector_cuts;
      store_disk_.Restore();
    }
  }

  std::mt19937_64 random_;
  PowerCutDisk store_disk_;
  FaultyDirectory agent_disk_;
  SpoolTotals safe_;
  std::size_t safe_batches_ = 0;
  absl::Time network_back_ = absl::InfinitePast();
  Ledger ledger_;
  IngestCounters counters_;
  std::unique_ptr<CollectorRig> rig_;
  std::unique_ptr<AgentRun> agent_;
  std::unique_ptr<IngestSession> session_;
  std::shared_ptr<Connection> connection_;
  bool opened_ = false;
};

void LiveThroughPowerCuts(std::uint64_t seed) {
  World world(seed);
  for (int second = 0; second < 1500; ++second) {
    world.Step();
    const std::uint64_t event = Uniform(world.random(), 0, 99);
    if (event < 3) {
      world.CutAgent();
    } else if (event < 8) {
      world.CutCollectorSoon();
    } else if (event < 11) {
      world.RestartCollector();
    } else if (event < 15) {
      world.LoseConnection();
    } else if (event < 18) {
      world.CutAgentSoon();
    } else if (event < 20) {
      world.LoseNetwork();
    }
    if (world.network_is_back()) {  // while segments go by the dozen
      world.CutAgentSoon();
    }
    if (second % 100 == 0) {
      world.Check();
    }
  }
  // Quiet: what still waits arrives.
  for (int second = 0; second < 300; ++second) {
    world.Step();
  }
  world.Check();
  EXPECT_EQ(world.spool().Stats().samples, 0u);
  EXPECT_GE(world.agent_cuts, 5);
  EXPECT_GE(world.collector_cuts, 5);
  // Lost is what an agent had not synced and not sent when its power went.
  EXPECT_GE(world.Committed().size() + world.lost_at_most, world.ledger().appended.size());
}

TEST(PowerCutTest, NothingCountsTwiceAndNothingAcknowledgedIsLost) {
  PPMM_TRACE_SEED();
  for (std::uint64_t world = 0; world < 3; ++world) {
    LiveThroughPowerCuts(TestSeed() + world);
  }
}

}  // namespace
}  // namespace ppmm
