#include "collector/forgetter.h"

#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "collector/facts/bits.h"
#include "collector/retention.h"
#include "tests/testing/collector_rig.h"
#include "tests/testing/faulty_store.h"

namespace ppmm {
namespace {

using testing::ElementsAre;
using testing::Pair;

constexpr std::int64_t kDay = kRigStart / 86400;
constexpr std::int64_t kDaySeconds = 86400;

// The first moment at which a day (from the rig's start) is sealed.
absl::Time Sealed(int day) {
  return absl::FromUnixSeconds(kRigStart + (day + 1) * kDaySeconds) + absl::Hours(73);
}

// A host with a CPU counter, and a job whose connections are counted.
struct Sender {
  explicit Sender(std::uint64_t epoch = 1) : agent(1, epoch) {
    cpu = agent.AddSeries(1, "ppmm_host_cpu_seconds_total", {"0", "user"});
    job = agent.AddInstance("job");
    connections = agent.AddSeries(job, "ppmm_instance_connections_accepted_total");
  }
  DecodedBatch Host(std::int64_t t0) { return agent.Batch(t0, 1, {{cpu, 0, 1}}); }
  DecodedBatch Job(std::int64_t t0) { return agent.Batch(t0, 1, {{cpu, 0, 1}, {connections, 0, 5}}); }
  DecodedBatch End(std::int64_t t0) {
    wire::Batch message;
    wire::InstanceEnd* end = message.add_ended();
    end->set_entity(job);
    end->set_at_us(t0 * 1'000'000);
    return agent.Batch(t0, 1, {{cpu, 0, 1}}, message);
  }

  BatchBuilder agent;
  std::uint32_t cpu;
  std::uint32_t job;
  std::uint32_t connections;
};

class ForgetterTest : public testing::Test {
 protected:
  explicit ForgetterTest(WriterOptions options = {})
      : rig_([this](std::unique_ptr<Store> store) { return std::make_unique<FaultyStore>(std::move(store), &fault_); },
             options) {}

  // Lets a day be sealed and what may fall dormant do so.
  void Pass(absl::Time now, ForgetterOptions options = {}) {
    Retention retention(&rig_.state(), &rig_.store(), &rig_.writer());
    Forgetter forgetter(&rig_.state(), &rig_.writer(), options);
    for (int i = 0; i < 80; ++i) {
      ASSERT_TRUE(retention.Slice(now).ok());
      ASSERT_TRUE(forgetter.Slice(now).ok());
      rig_.Commit();
    }
  }
  // The job runs a minute, twice, and ends; the host goes on for `days`.
  StreamId LiveAndEnd(Sender& sender, int days) {
    const auto [stream, sink] = rig_.Connect(sender.agent);
    sink_ = sink;
    rig_.Push(stream, sender.Job(kRigStart));
    rig_.Push(stream, sender.Job(kRigStart + 60));
    rig_.Push(stream, sender.End(kRigStart + 61));
    for (int day = 1; day <= days; ++day) {
      rig_.Push(stream, sender.Host(kRigStart + day * kDaySeconds));
    }
    rig_.Commit();
    return stream;
  }
  struct Sizes {
    std::size_t series, entities, applications;
    bool operator==(const Sizes&) const = default;
  };
  Sizes InMemory() {
    ReaderLock lock(&rig_.state().mutex());
    const Tables& tables = rig_.state().tables();
    EXPECT_EQ(tables.series_by_key.size(), tables.series.size());
    EXPECT_EQ(tables.entity_by_key.size(), tables.entities.size());
    EXPECT_EQ(tables.application_by_key.size(), tables.applications.size());
    return {tables.series.size(), tables.entities.size(), tables.applications.size()};
  }
  // By metric; -1: not in memory.
  std::pair<SeriesId, std::int64_t> TotalOf(const std::string& metric) {
    ReaderLock lock(&rig_.state().mutex());
    for (const auto& [id, series] : rig_.state().tables().series) {
      if (series->metric->name == metric) {
        return {id, series->total};
      }
    }
    return {0, -1};
  }
  std::pair<SeriesId, std::int64_t> Connections() { return TotalOf("ppmm_instance_connections_accepted_total"); }
  std::int64_t PooledConnections() {
    ReaderLock lock(&rig_.state().mutex());
    for (const auto& [id, application] : rig_.state().tables().applications) {
      for (const auto& [key, total] : application.totals) {
        return total.total;
      }
    }
    return -1;
  }

  StoreFault fault_;
  CollectorRig rig_;
  std::shared_ptr<RecordingSink> sink_;
};

TEST_F(ForgetterTest, ASeriesFallsDormantWhenTheDayOfItsNewestStepIsSealed) {
  Sender sender;
  LiveAndEnd(sender, 4);
  Pass(Sealed(0) - absl::Seconds(1));
  EXPECT_EQ(InMemory(), (Sizes{2, 2, 1}));
  Pass(Sealed(0));
  EXPECT_EQ(InMemory(), (Sizes{1, 2, 1})) << "the only instance describes its application";
  const SeriesId dormant = 2;
  const auto row = rig_.store().GetDormantSeries(dormant);
  ASSERT_TRUE(row.ok() && row->has_value());
  EXPECT_EQ((*row)->total, 10);
  EXPECT_EQ((*row)->last_step, kRigStart + 60);
  EXPECT_EQ(PooledConnections(), 10) << "an application's totals do not depend on which instances exist";
}

TEST_F(ForgetterTest, AStartDoesNotLoadWhatIsDormant) {
  Sender sender;
  LiveAndEnd(sender, 4);
  Pass(Sealed(0));
  const std::string before = rig_.Dump();
  rig_.Restart();
  EXPECT_EQ(rig_.Dump(), before);
  EXPECT_EQ(InMemory(), (Sizes{1, 2, 1}));
}

TEST_F(ForgetterTest, AnInstanceWhoseLifeIsOpenStaysAndItsSeriesGo) {
  Sender sender;
  const std::uint32_t other = sender.agent.AddInstance("job", "second");
  const std::uint32_t of_other = sender.agent.AddSeries(other, "ppmm_instance_threads");
  const auto [stream, sink] = rig_.Connect(sender.agent);
  rig_.Push(stream, sender.Job(kRigStart));
  rig_.Push(stream, sender.agent.Batch(kRigStart + 1, 1, {{of_other, 0, 3}}));
  rig_.Push(stream, sender.Host(kRigStart + 4 * kDaySeconds));
  rig_.Commit();
  Pass(Sealed(3));
  EXPECT_EQ(InMemory(), (Sizes{1, 3, 1})) << "silence is no end";
}

TEST_F(ForgetterTest, AnInstanceThatEndedGoesUnlessItDescribesItsApplication) {
  Sender sender;
  std::vector<std::uint32_t> slots;
  std::vector<DecodedSample> samples;
  wire::Batch ends;
  for (int i = 0; i < 6; ++i) {
    slots.push_back(sender.agent.AddInstance("worker", std::to_string(i)));
    samples.push_back({sender.agent.AddSeries(slots.back(), "ppmm_instance_threads"), 0, 1});
    ends.add_ended()->set_entity(slots.back());
    ends.mutable_ended(i)->set_at_us((kRigStart + 61) * 1'000'000);
  }
  // The second's port was seen first, the third is surest of its origin, the fourth says plumbing.
  for (const std::size_t with_port : {1U, 4U}) {
    wire::Listener* listener = sender.agent.dictionary().add_listeners();
    listener->set_entity(slots[with_port]);
    listener->set_port(static_cast<std::uint32_t>(8000 + with_port));
  }
  sender.agent.dictionary()
      .mutable_entities(static_cast<int>(slots[2]) - 1)
      ->mutable_instance()
      ->set_origin_guess(wire::ORIGIN_OFF_THE_SHELF);
  sender.agent.dictionary().mutable_entities(static_cast<int>(slots[3]) - 1)->mutable_instance()->set_plumbing(true);
  const auto [stream, sink] = rig_.Connect(sender.agent);
  rig_.Push(stream, sender.agent.Batch(kRigStart, 1, samples));
  rig_.Push(stream, sender.agent.Batch(kRigStart + 62, 1, {{sender.cpu, 0, 1}}, ends));
  rig_.Push(stream, sender.Host(kRigStart + 4 * kDaySeconds));
  rig_.Commit();
  Pass(Sealed(0), {.most_ids = 1});  // an application may have more instances than fit into a commit
  ReaderLock lock(&rig_.state().mutex());
  const Tables& tables = rig_.state().tables();
  std::vector<std::string> kept;
  for (const EntityId id : tables.applications.at(2).instances) {
    kept.push_back(tables.Entity(id)->instance.slot);
  }
  EXPECT_THAT(kept, ElementsAre("1", "2", "3", "5"));
}

TEST_F(ForgetterTest, ASampleInTheMiddleOfAStreamWakesItsSeriesWithItsTotal) {
  Sender sender;
  const StreamId stream = LiveAndEnd(sender, 4);
  const auto before = Connections();
  Pass(Sealed(0));
  ASSERT_EQ(Connections().second, -1);
  rig_.Push(stream, sender.Job(kRigStart + 4 * kDaySeconds + 60));
  rig_.Commit();
  EXPECT_EQ(Connections(), std::make_pair(before.first, before.second + 5));
  EXPECT_EQ(PooledConnections(), 15);
  EXPECT_FALSE(rig_.store().GetDormantSeries(before.first).value().has_value());
  const std::string dump = rig_.Dump();
  rig_.Restart();
  EXPECT_EQ(rig_.Dump(), dump);
}

TEST_F(ForgetterTest, AnInstanceThatIsNamedAgainIsTheSameOne) {
  Sender sender;
  sender.agent.AddInstance("job", "keeps the application described");
  LiveAndEnd(sender, 4);
  const auto before = Connections();
  Pass(Sealed(0));
  EntityId dormant = 0;
  {
    ReaderLock lock(&rig_.state().mutex());
    dormant = rig_.state().tables().last_entity - 1;
    EXPECT_EQ(rig_.state().tables().Entity(dormant), nullptr);
  }
  // A new epoch: the agent restarted. Then the collector does, before any sample came.
  Sender again(2);
  rig_.Connect(again.agent);
  rig_.Commit();
  EXPECT_EQ(Connections(), before);
  const std::string dump = rig_.Dump();
  rig_.Restart();
  EXPECT_EQ(rig_.Dump(), dump) << "its total rides with the host";
  ReaderLock lock(&rig_.state().mutex());
  const EntityState* entity = rig_.state().tables().Entity(dormant);
  ASSERT_NE(entity, nullptr);
  ASSERT_EQ(entity->lives.size(), 1u);
  EXPECT_EQ(entity->lives[0].to_minute, kRigStart / 60 + 1);
}

TEST_F(ForgetterTest, ANewSeriesOfADormantInstanceWakesIt) {
  Sender sender;
  sender.agent.AddInstance("job", "keeps the application described");
  const StreamId stream = LiveAndEnd(sender, 4);
  Pass(Sealed(0));
  const std::size_t before = InMemory().entities;
  const std::uint32_t threads = sender.agent.AddSeries(sender.job, "ppmm_instance_threads");
  auto more = std::make_shared<wire::Dictionary>();
  more->set_epoch(1);
  *more->add_series() = sender.agent.dictionary().series(static_cast<int>(threads) - 1);
  rig_.Push(stream, DictionaryUpdate{1, true, rig_.clock().Now(), more});
  rig_.Push(stream, sender.agent.Batch(kRigStart + 4 * kDaySeconds + 60, 1, {{threads, 0, 7}}));
  rig_.Commit();
  EXPECT_EQ(InMemory().entities, before + 1);
  EXPECT_NE(TotalOf("ppmm_instance_threads").first, 0u);
}

TEST_F(ForgetterTest, APortOfADormantInstanceWakesIt) {
  Sender sender;
  sender.agent.AddInstance("job", "keeps the application described");
  const StreamId stream = LiveAndEnd(sender, 4);
  Pass(Sealed(0));
  const std::size_t before = InMemory().entities;
  auto more = std::make_shared<wire::Dictionary>();
  more->set_epoch(1);
  wire::Listener* listener = more->add_listeners();
  listener->set_entity(sender.job);
  listener->set_port(8080);
  rig_.Push(stream, DictionaryUpdate{1, true, rig_.clock().Now(), more});
  rig_.Commit();
  EXPECT_EQ(InMemory().entities, before + 1);
  const std::string dump = rig_.Dump();
  rig_.Restart();
  EXPECT_EQ(rig_.Dump(), dump);
}

TEST_F(ForgetterTest, ACommitThatFailsLeavesWhoIsDormantAsItWas) {
  Sender sender;
  LiveAndEnd(sender, 4);
  const std::string awake = rig_.Dump();
  // The day is sealed first; then the commit in which the series falls dormant fails at each of its writes.
  Retention retention(&rig_.state(), &rig_.store(), &rig_.writer());
  for (int i = 0; i < 80; ++i) {
    ASSERT_TRUE(retention.Slice(Sealed(0)).ok());
    rig_.Commit();
  }
  Forgetter forgetter(&rig_.state(), &rig_.writer());
  for (int write = 1; write <= 2; ++write) {
    while (TotalOf("ppmm_instance_connections_accepted_total").second >= 0 && fault_.write_number == 0) {
      ASSERT_TRUE(forgetter.Slice(Sealed(0)).ok());
      fault_ = {.commit = absl::OkStatus(), .write_number = write, .write = absl::ResourceExhaustedError("full")};
    }
    EXPECT_FALSE(rig_.writer().CommitOnce().ok());
    fault_ = {};
    EXPECT_EQ(Connections().second, 10) << "write " << write;
  }
  fault_.commit = absl::ResourceExhaustedError("full");
  rig_.writer().CommitOnce().IgnoreError();  // recovers, or not yet
  ASSERT_TRUE(forgetter.Slice(Sealed(0)).ok());
  EXPECT_FALSE(rig_.writer().CommitOnce().ok());
  EXPECT_EQ(Connections().second, 10);
  fault_ = {};
  rig_.Commit();
  Pass(Sealed(0));
  EXPECT_EQ(InMemory(), (Sizes{1, 2, 1}));
  // Waking fails in the same way.
  const std::string dormant = rig_.Dump();
  Sender again(2);
  const auto [stream, sink] = rig_.Connect(again.agent);
  rig_.Push(stream, again.Job(kRigStart + 4 * kDaySeconds + 60));
  fault_.commit = absl::ResourceExhaustedError("full");
  EXPECT_FALSE(rig_.writer().CommitOnce().ok());
  EXPECT_EQ(rig_.Dump(), dormant);
  EXPECT_TRUE(rig_.store().GetDormantSeries(2).value().has_value());
}

TEST_F(ForgetterTest, AnApplicationWithoutASignFor29DaysGoesAndComesBackWithItsTotals) {
  Sender sender;
  LiveAndEnd(sender, 33);
  Pass(Sealed(0) + absl::Hours(24 * 25));
  EXPECT_EQ(InMemory().applications, 1u);
  Pass(absl::FromUnixSeconds(kRigStart + 30 * kDaySeconds));
  EXPECT_EQ(InMemory(), (Sizes{1, 1, 0}));
  const std::string dump = rig_.Dump();
  rig_.Restart();
  EXPECT_EQ(rig_.Dump(), dump);
  Sender again(2);
  const auto [stream, sink] = rig_.Connect(again.agent);
  rig_.Push(stream, again.Job(kRigStart + 33 * kDaySeconds + 60));
  rig_.Commit();
  EXPECT_EQ(InMemory(), (Sizes{2, 2, 1}));
  EXPECT_EQ(Connections(), std::make_pair(SeriesId{2}, std::int64_t{15}));
  EXPECT_EQ(PooledConnections(), 15);
}

TEST_F(ForgetterTest, AHostThatReturnsClosesItsOpenMinuteByTheMeaningOfDormantSeries) {
  Sender sender;
  const auto [stream, sink] = rig_.Connect(sender.agent);
  for (int second = 0; second < 60; ++second) {
    rig_.Push(stream, sender.Job(kRigStart + second));
  }
  rig_.Commit();
  Pass(Sealed(2));
  EXPECT_EQ(InMemory(), (Sizes{0, 2, 1}));
  rig_.Push(stream, sender.Host(kRigStart + 7 * kDaySeconds));
  rig_.Commit();
  const auto blob = rig_.store().GetDayBits(kDay, 1);
  ASSERT_TRUE(blob.ok() && blob->has_value());
  const absl::StatusOr<DayBits> bits = DayBits::Decode(**blob);
  ASSERT_TRUE(bits.ok()) << bits.status();
  EXPECT_TRUE(bits->covered[static_cast<std::size_t>(Resource::kCpu)][0]);
  ASSERT_EQ(bits->instances.size(), 1u);
  EXPECT_TRUE(bits->instances.begin()->second.traffic[0]);
}

TEST_F(ForgetterTest, AStoreThatWasSetBackBeginsDormantTotalsAt0Too) {
  Sender sender;
  LiveAndEnd(sender, 4);
  Pass(Sealed(0));
  auto sink = std::make_shared<RecordingSink>();
  ASSERT_TRUE(rig_.queue().Open(sink, sender.agent.Hello(rig_.clock().Now(), {{1, 99}})).ok());
  rig_.Commit();
  Sender again(2);
  const auto [stream, other] = rig_.Connect(again.agent);
  rig_.Push(stream, again.Job(kRigStart + 4 * kDaySeconds + 60));
  rig_.Commit();
  EXPECT_EQ(Connections().second, 5);
}

class SmallStoreTest : public ForgetterTest {
 protected:
  SmallStoreTest() : ForgetterTest(Small()) {}
  static WriterOptions Small() {
    WriterOptions options;
    options.limits.series = 12;
    options.limits.applications = 12;
    return options;
  }
};

// Each day six programs that never come back: more than the limits in three days.
TEST_F(SmallStoreTest, ShortLivedProgramsDoNotFillTheLimits) {
  ForgetterOptions options;
  options.application_days = 1;
  Sender host;
  for (int day = 0; day < 40; day += 5) {
    Sender sender(static_cast<std::uint64_t>(day) + 1);
    std::vector<DecodedSample> samples = {{sender.cpu, 0, 1}};
    wire::Batch ends;
    for (int program = 0; program < 6; ++program) {
      const std::uint32_t instance = sender.agent.AddInstance("run-" + std::to_string(day * 100 + program));
      samples.push_back({sender.agent.AddSeries(instance, "ppmm_instance_threads"), 0, 1});
      wire::InstanceEnd* end = ends.add_ended();
      end->set_entity(instance);
      end->set_at_us((kRigStart + day * kDaySeconds + 30) * 1'000'000);
    }
    const auto [stream, sink] = rig_.Connect(sender.agent);
    rig_.Push(stream, sender.agent.Batch(kRigStart + day * kDaySeconds, 1, samples));
    rig_.Push(stream, sender.agent.Batch(kRigStart + day * kDaySeconds + 60, 1, {{sender.cpu, 0, 1}}, ends));
    rig_.Commit();
    EXPECT_EQ(rig_.writer().status().entries_refused, 0u) << "day " << day;
    Pass(Sealed(day), options);
    rig_.clock().Advance(absl::Hours(24 * 5));
  }
  EXPECT_LE(InMemory().series, 12u);
  EXPECT_LE(InMemory().entities, 12u);
  EXPECT_LE(InMemory().applications, 12u);
}

TEST_F(SmallStoreTest, WhoComesBackToAFullStoreIsRefusedAndKeepsItsTotal) {
  Sender sender;
  const StreamId stream = LiveAndEnd(sender, 4);
  Pass(Sealed(0));
  // Others took the room.
  auto more = std::make_shared<wire::Dictionary>();
  more->set_epoch(1);
  for (std::uint32_t i = 0; i < 11; ++i) {
    wire::Series* series = more->add_series();
    series->set_id(100 + i);
    series->set_entity(1);
    series->set_name("ppmm_host_network_up");
    series->add_labels("eth" + std::to_string(i));
  }
  rig_.Push(stream, DictionaryUpdate{1, true, rig_.clock().Now(), more});
  rig_.Push(stream, sender.Job(kRigStart + 4 * kDaySeconds + 60));
  rig_.Commit();
  EXPECT_EQ(rig_.writer().status().merged.batches_refused, 1u);
  EXPECT_EQ(rig_.writer().status().entries_refused, 1u);
  ASSERT_FALSE(sink_->acks().empty());
  EXPECT_EQ(sink_->acks().back().refused.size(), 1u);
  EXPECT_EQ(rig_.store().GetDormantSeries(2).value()->total, 10);
}

}  // namespace
}  // namespace ppmm
