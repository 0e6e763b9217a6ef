#include "collector/merger.h"

#include <algorithm>
#include <map>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/collector_rig.h"

namespace ppmm {
namespace {

constexpr std::int64_t kMinute = kRigStart / 60;

// An agent with a CPU counter, a gauge and an instance with connections.
struct World {
  explicit World(int number = 1, std::uint64_t epoch = 0) : agent(number, epoch) {
    cpu = agent.AddSeries(1, "ppmm_host_cpu_seconds_total", {"0", "user"});
    memory = agent.AddSeries(1, "ppmm_host_memory_mem_free_bytes");
    nginx = agent.AddInstance("nginx");
    connections = agent.AddSeries(nginx, "ppmm_instance_connections_accepted_total");
  }
  // One value of each series in each step.
  DecodedBatch Batch(std::int64_t t0, std::uint32_t steps = 1, wire::Batch message = {}) {
    std::vector<DecodedSample> samples;
    for (const std::uint32_t series : {cpu, memory, connections}) {
      for (std::uint32_t step = 0; step < steps; ++step) {
        samples.push_back({series, step, series == memory ? 1000 + t0 % 60 : 2});
      }
    }
    return agent.Batch(t0, steps, std::move(samples), std::move(message));
  }

  BatchBuilder agent;
  std::uint32_t cpu;
  std::uint32_t memory;
  std::uint32_t nginx;
  std::uint32_t connections;
};

const SeriesState* SeriesNamed(const Tables& tables, absl::string_view metric) {
  for (const auto& [id, series] : tables.series) {
    if (series->metric->name == metric) {
      return series.get();
    }
  }
  return nullptr;
}

std::int64_t TotalOf(CollectorRig& rig, absl::string_view metric) {
  ReaderLock lock(&rig.state().mutex());
  const SeriesState* series = SeriesNamed(rig.state().tables(), metric);
  return series == nullptr ? -1 : series->total;
}

TEST(MergerTest, ACounterReachesRowTotalsAndCursorAndSurvivesARestart) {
  CollectorRig rig;
  World world;
  const auto [stream, sink] = rig.Connect(world.agent);
  for (int second = 0; second < 5; ++second) {
    rig.Push(stream, world.Batch(kRigStart + second));
  }
  rig.Commit();

  EXPECT_EQ(sink->Durable(1), 5u);
  ASSERT_EQ(sink->welcomes().size(), 1u);
  EXPECT_EQ(sink->welcomes()[0].host_label, "host1");
  const MinuteRow row = rig.Row(kMinute);
  ASSERT_EQ(row.series.size(), 3u);
  EXPECT_EQ(row.series[0].rollup, (Rollup{5, 4, 10, 2, 2, 2}));
  EXPECT_EQ(row.series[1].rollup, (Rollup{5, 4, 5010, 1000, 1004, 1004}));
  EXPECT_EQ(TotalOf(rig, "ppmm_host_cpu_seconds_total"), 10);
  const std::string before = rig.Dump();
  rig.Restart();
  EXPECT_EQ(rig.Dump(), before);
  EXPECT_EQ(TotalOf(rig, "ppmm_host_cpu_seconds_total"), 10);
}

TEST(MergerTest, ABatchSentTwiceCountsOnce) {
  CollectorRig rig;
  World world;
  const auto [stream, sink] = rig.Connect(world.agent);
  const DecodedBatch batch = world.Batch(kRigStart);
  rig.Push(stream, batch);
  rig.Push(stream, batch);
  rig.Commit();
  rig.Push(stream, batch);
  rig.Commit();
  rig.Restart();
  const auto [again, sink2] = rig.Connect(world.agent);
  rig.Push(again, batch);
  rig.Commit();
  EXPECT_EQ(TotalOf(rig, "ppmm_host_cpu_seconds_total"), 2);
  EXPECT_EQ(rig.Row(kMinute).series[0].rollup.count, 1u);
  EXPECT_EQ(sink2->Durable(1), 1u);
  ASSERT_EQ(sink2->welcomes().size(), 1u);
  EXPECT_THAT(sink2->welcomes()[0].durable, testing::ElementsAre(testing::Pair(1u, 1u)));
}

TEST(MergerTest, NumbersUsedBeforeForNewerStepsAskForANewEpoch) {
  CollectorRig rig;
  World world;
  const auto [stream, sink] = rig.Connect(world.agent);
  rig.Push(stream, world.Batch(kRigStart));
  DecodedBatch reused = world.Batch(kRigStart + 100);
  reused.seq = 1;
  rig.Push(stream, reused);
  rig.Commit();
  ASSERT_FALSE(sink->acks().empty());
  EXPECT_EQ(sink->acks().back().instruction, StreamInstruction::kNewEpoch);
  EXPECT_EQ(sink->cuts().size(), 1u);
  EXPECT_EQ(rig.queue().Push(stream, reused).status().code(), absl::StatusCode::kCancelled);
}

TEST(MergerTest, TheNextMinuteClosesTheOneBeforeAndSetsItsBits) {
  CollectorRig rig;
  World world;
  world.agent.set_step(10);
  const auto [stream, sink] = rig.Connect(world.agent);
  wire::Batch expected;
  wire::Expected* cpu = expected.add_expected();
  cpu->set_resource(wire::RESOURCE_CPU);
  cpu->set_samples_per_minute(6);
  rig.Push(stream, world.Batch(kRigStart, 6, expected));
  rig.Commit();
  EXPECT_FALSE(rig.store().GetDayBits(kMinute / 1440, 1)->has_value());
  rig.Push(stream, world.Batch(kRigStart + 60, 1, expected));
  rig.Commit();
  const auto blob = rig.store().GetDayBits(kMinute / 1440, 1);
  ASSERT_TRUE(blob.ok() && blob->has_value());
  const auto bits = DayBits::Decode(**blob);
  ASSERT_TRUE(bits.ok());
  const auto at = static_cast<std::size_t>(kMinute % 1440);
  EXPECT_TRUE(bits->covered[static_cast<std::size_t>(Resource::kCpu)][at]);
  EXPECT_TRUE(bits->covered_when_closed[at]);
  ASSERT_EQ(bits->instances.size(), 1u);
  EXPECT_TRUE(bits->instances.begin()->second.traffic[at]);
  EXPECT_FALSE(bits->sampled[at + 1]);
  EXPECT_TRUE(rig.Row(kMinute).totals.empty());
  EXPECT_EQ(rig.Row(kMinute + 1).totals.size(), 3u);
}

TEST(MergerTest, LateStepsGoIntoTheirMinuteButExposedTotalsTakeOnlyFreshOnes) {
  CollectorRig rig;
  World old(1, 7);
  old.agent.set_live(false);
  World world(1, 8);
  const auto [stream, sink] = rig.Connect(world.agent);
  rig.Push(stream, old.agent.Dictionary(rig.clock().Now()));
  rig.Push(stream, world.Batch(kRigStart));
  old.agent.set_delay(absl::Seconds(301));
  rig.Push(stream, old.Batch(kRigStart - 600));
  old.agent.set_delay(absl::Seconds(299));
  rig.Push(stream, old.Batch(kRigStart - 299));
  rig.Commit();
  rig.Commit();
  EXPECT_EQ(sink->Durable(7), 2u);
  EXPECT_EQ(TotalOf(rig, "ppmm_host_cpu_seconds_total"), 4);
  EXPECT_EQ(rig.Row(kMinute - 10).series[0].rollup.sum, 2);
  EXPECT_EQ(rig.Row(kMinute - 10).late_samples, 3u);
  {
    ReaderLock lock(&rig.state().mutex());
    EXPECT_EQ(rig.state().tables().hosts.at(1).late_samples_total, 3u);
    EXPECT_EQ(rig.state().tables().agents.at(world.agent.agent_id()).row.late, 3u);
    EXPECT_EQ(rig.state().tables().hosts.at(1).row.open_minute, kMinute);
  }
  const std::string before = rig.Dump();
  rig.Restart();
  EXPECT_EQ(rig.Dump(), before);
}

TEST(MergerTest, AMinuteLivedTwiceIsOneRowAndNotCovered) {
  CollectorRig rig;
  World world;
  const auto [stream, sink] = rig.Connect(world.agent);
  for (int second = 0; second < 120; ++second) {
    rig.Push(stream, world.Batch(kRigStart + second));
  }
  wire::Batch back;
  back.mutable_clock()->set_from_us((kRigStart + 119) * 1'000'000);
  back.mutable_clock()->set_to_us(kRigStart * 1'000'000);
  rig.Push(stream, world.Batch(kRigStart, 1, back));
  for (int second = 1; second < 180; ++second) {
    rig.Push(stream, world.Batch(kRigStart + second));
  }
  rig.Commit();
  EXPECT_EQ(sink->Durable(1), 300u);
  EXPECT_NE(rig.Row(kMinute).flags & MinuteRow::kTwice, 0u);
  EXPECT_NE(rig.Row(kMinute + 1).flags & MinuteRow::kTwice, 0u);
  EXPECT_EQ(rig.Row(kMinute + 2).flags & MinuteRow::kTwice, 0u);
  EXPECT_EQ(rig.Row(kMinute).series[0].rollup.count, 120u);
  const auto bits = DayBits::Decode(**rig.store().GetDayBits(kMinute / 1440, 1));
  const auto at = static_cast<std::size_t>(kMinute % 1440);
  EXPECT_FALSE(bits->Covered()[at]);
  EXPECT_TRUE(bits->twice[at + 1]);
  const std::string before = rig.Dump();
  rig.Restart();
  EXPECT_EQ(rig.Dump(), before);
}

TEST(MergerTest, AllMinutesThatAClockWasSetBackOverAreMarkedAtOnce) {
  CollectorRig rig;
  World world;
  const auto [stream, sink] = rig.Connect(world.agent);
  rig.Push(stream, world.Batch(kRigStart));
  rig.Push(stream, world.Batch(kRigStart + 60));
  rig.Push(stream, world.Batch(kRigStart + 180));
  wire::Batch back;
  back.mutable_clock()->set_from_us((kRigStart + 181) * 1'000'000);
  back.mutable_clock()->set_to_us(kRigStart * 1'000'000);
  rig.Push(stream, world.Batch(kRigStart, 1, back));
  rig.Commit();
  EXPECT_NE(rig.Row(kMinute + 1).flags & MinuteRow::kTwice, 0u) << "not reached again yet";
  EXPECT_NE(rig.Row(kMinute + 3).flags & MinuteRow::kTwice, 0u) << "not reached again yet";
  EXPECT_TRUE(rig.Row(kMinute + 2).series.empty()) << "no samples: nothing was lived";
}

// An agent that started anew after the clock was set back has nothing to tell.
TEST(MergerTest, AMinuteReachedAgainWithoutAWordIsMarkedToo) {
  CollectorRig rig;
  World world;
  const auto [stream, sink] = rig.Connect(world.agent);
  rig.Push(stream, world.Batch(kRigStart));
  rig.Push(stream, world.Batch(kRigStart + 60));
  rig.Push(stream, world.Batch(kRigStart + 30));
  rig.Commit();
  EXPECT_NE(rig.Row(kMinute).flags & MinuteRow::kTwice, 0u);
  EXPECT_EQ(rig.Row(kMinute + 1).flags & MinuteRow::kTwice, 0u);
}

TEST(MergerTest, AnInstanceIsUpUntilTheAgentSaysThatItEnded) {
  CollectorRig rig;
  World world;
  const auto [stream, sink] = rig.Connect(world.agent);
  rig.Push(stream, world.Batch(kRigStart));
  wire::Batch ended;
  ended.add_ended()->set_entity(world.nginx);
  ended.mutable_ended(0)->set_at_us((kRigStart + 1800) * 1'000'000);
  rig.Push(stream, world.Batch(kRigStart + 1800, 1, ended));
  rig.Push(stream, world.Batch(kRigStart + 7200));
  rig.Commit();
  ReaderLock lock(&rig.state().mutex());
  const auto& lives = rig.state().tables().Entity(2)->lives;
  ASSERT_EQ(lives.size(), 2u);
  EXPECT_EQ(lives[0].from_minute, kMinute);
  EXPECT_EQ(lives[0].to_minute, kMinute + 30);
  EXPECT_EQ(lives[1].from_minute, kMinute + 120);
  EXPECT_EQ(lives[1].to_minute, 0);
}

TEST(MergerTest, TotalsOfAnApplicationPoolItsInstancesAndItsMinutes) {
  CollectorRig rig;
  World first(1);
  World second(2);
  const auto [stream1, sink1] = rig.Connect(first.agent);
  const auto [stream2, sink2] = rig.Connect(second.agent);
  rig.Push(stream1, first.Batch(kRigStart, 10));
  rig.Push(stream2, second.Batch(kRigStart, 5));
  rig.Commit();
  {
    ReaderLock lock(&rig.state().mutex());
    ASSERT_EQ(rig.state().tables().applications.size(), 1u);
    const ApplicationState& nginx = rig.state().tables().applications.at(1);
    EXPECT_EQ(nginx.label(), "nginx");
    EXPECT_EQ(nginx.instances.size(), 2u);
    EXPECT_EQ(nginx.totals.at({"ppmm_instance_connections_accepted_total", ""}).total, 30);
  }
  const auto minutes = rig.store().ApplicationMinutes(1, kMinute, kMinute + 1);
  ASSERT_TRUE(minutes.ok());
  ASSERT_EQ(minutes->size(), 1u);
  EXPECT_EQ((*minutes)[0].independent, 30);
}

TEST(MergerTest, NoTwoApplicationsGetOneLabelAndEachKeepsItsOwn) {
  CollectorRig rig;
  const auto connect = [&rig](int number, const std::string& group, const std::string& application) {
    BatchBuilder agent(number);
    agent.set_group(group);
    agent.AddInstance(application);
    rig.Connect(agent);
    rig.Commit();
  };
  const auto labels = [&rig] {
    std::map<std::string, std::string> by_key;
    ReaderLock lock(&rig.state().mutex());
    for (const auto& [id, application] : rig.state().tables().applications) {
      by_key[application.row.key] = application.label();
    }
    return by_key;
  };
  connect(1, "default", "shop/checkout");
  connect(2, "shop", "checkout");
  connect(3, "web", "checkout");
  connect(4, "default", "web/checkout");
  connect(5, "default", "shop/shop/checkout");
  const std::map<std::string, std::string> expected = {{"default/shop/checkout", "shop/checkout"},
                                                       {"shop/checkout", "shop/shop/checkout"},
                                                       {"web/checkout", "web/checkout"},
                                                       {"default/web/checkout", "default/web/checkout"},
                                                       {"default/shop/shop/checkout", "default/shop/shop/checkout"}};
  EXPECT_EQ(labels(), expected);
  rig.Restart();
  EXPECT_EQ(labels(), expected);
  connect(6, "shop", "checkout");
  EXPECT_EQ(labels(), expected);
}

TEST(MergerTest, AListenerThatACompleteListDoesNotNameIsGone) {
  CollectorRig rig;
  BatchBuilder agent(1);
  const std::uint32_t nginx = agent.AddInstance("nginx");
  const std::uint32_t other = agent.AddInstance("other");
  const auto list = [&](std::vector<std::pair<std::uint32_t, std::uint32_t>> listeners, bool complete) {
    auto record = std::make_shared<wire::Dictionary>();
    record->set_epoch(1);
    record->set_listeners_complete(complete);
    for (const auto& [entity, port] : listeners) {
      wire::Listener* listener = record->add_listeners();
      listener->set_entity(entity);
      listener->set_port(port);
    }
    return record;
  };
  const auto open = [&rig] {
    std::vector<std::uint32_t> ports;
    ReaderLock lock(&rig.state().mutex());
    for (const EntityId id : rig.state().tables().hosts.at(1).entities) {
      for (const ListenerRow& row : rig.state().tables().Entity(id)->listeners) {
        if (row.gone_us == 0) {
          ports.push_back(row.port);
        }
      }
    }
    return ports;
  };
  const auto [stream, sink] = rig.Connect(agent);
  const auto push = [&, stream = stream](const std::shared_ptr<wire::Dictionary>& record) {
    rig.Push(stream, DictionaryUpdate{1, true, rig.clock().Now(), record});
    rig.Commit();
  };
  push(list({{nginx, 80}, {nginx, 443}, {other, 9000}}, true));
  EXPECT_EQ(open(), (std::vector<std::uint32_t>{80, 443, 9000}));
  push(list({{nginx, 8080}}, false));
  EXPECT_EQ(open(), (std::vector<std::uint32_t>{80, 443, 8080, 9000})) << "what is no list of all takes none away";
  push(list({{nginx, 8080}, {other, 9000}}, true));
  EXPECT_EQ(open(), (std::vector<std::uint32_t>{8080, 9000}));
  rig.Restart();
  EXPECT_EQ(open(), (std::vector<std::uint32_t>{8080, 9000}));

  BatchBuilder later(1, 2);  // the agent runs again; `other` ended while it did not
  later.AddInstance("nginx");
  later.dictionary().set_listeners_complete(true);
  later.dictionary().add_listeners()->set_entity(nginx);
  later.dictionary().mutable_listeners(0)->set_port(80);
  rig.Connect(later);
  rig.Commit();
  EXPECT_EQ(open(), (std::vector<std::uint32_t>{80})) << "a port that comes back is open again";
}

TEST(MergerTest, ACloneWhoseEpochCameLaterIsToldToMakeANewIdentity) {
  CollectorRig rig;
  World original(1, 10);
  World clone(1, 11);
  const auto [stream1, sink1] = rig.Connect(original.agent);
  rig.Commit();
  const auto [stream2, sink2] = rig.Connect(clone.agent);
  rig.Commit();
  EXPECT_EQ(sink1->cuts().size(), 1u) << "a new stream replaces the old one";
  const auto [stream3, sink3] = rig.Connect(original.agent);
  rig.Commit();
  ASSERT_EQ(sink3->welcomes().size(), 1u);
  EXPECT_EQ(sink3->welcomes()[0].instruction, StreamInstruction::kNone);
  const auto [stream4, sink4] = rig.Connect(clone.agent);
  rig.Commit();
  ASSERT_EQ(sink4->welcomes().size(), 1u);
  EXPECT_EQ(sink4->welcomes()[0].instruction, StreamInstruction::kNewIdentity);
  EXPECT_TRUE(sink3->cuts().empty());
}

TEST(MergerTest, WhatAnAgentSaysOfItsSourcesGoesWithItsStream) {
  CollectorRig rig;
  const auto connect = [&rig](const BatchBuilder& agent, wire::SourceState::State state, const std::string& reason) {
    StreamHello hello = agent.Hello(rig.clock().Now());
    hello.host_id = BatchBuilder(1).host_id();
    const absl::StatusOr<StreamId> stream = rig.queue().Open(std::make_shared<RecordingSink>(), hello);
    BatchBuilder says = agent;
    wire::SourceState* spool = says.dictionary().add_sources();
    spool->set_source("spool");
    spool->set_state(state);
    spool->set_reason(reason);
    rig.Push(*stream, says.Dictionary(rig.clock().Now()));
    rig.Commit();
    return *stream;
  };
  const auto spool = [&rig] {
    ReaderLock lock(&rig.state().mutex());
    const SourceStateRow& row = rig.state().tables().hosts.at(1).sources.at("spool");
    return absl::StrCat(row.state, " ", row.reason);
  };
  const BatchBuilder first(1);
  const BatchBuilder second(2);
  const StreamId healthy = connect(first, wire::SourceState::OK, "");
  EXPECT_EQ(spool(), "1 ");
  const StreamId failing = connect(second, wire::SourceState::FAILED, "disk full");
  EXPECT_EQ(spool(), "3 disk full");
  rig.Push(healthy, first.Dictionary(rig.clock().Now()));
  rig.Commit();
  EXPECT_EQ(spool(), "3 disk full") << "a live agent says so still";
  rig.Push(failing, StreamClosed());
  rig.Commit();
  EXPECT_EQ(spool(), "1 ");
  const StreamId again = connect(second, wire::SourceState::FAILED, "disk full");
  rig.Push(healthy, StreamClosed());
  rig.Push(again, StreamClosed());
  rig.Commit();
  EXPECT_EQ(spool(), "3 disk full") << "the last that is known";
  rig.Restart();
  EXPECT_EQ(spool(), "3 disk full");
  connect(first, wire::SourceState::OK, "");
  EXPECT_EQ(spool(), "1 ");
}

TEST(MergerTest, HostsThatShareANameGetDifferentLabelsForGood) {
  CollectorRig rig;
  BatchBuilder first(1, 1, "web");
  BatchBuilder second(2, 1, "web");
  const auto [stream1, sink1] = rig.Connect(first);
  const auto [stream2, sink2] = rig.Connect(second);
  rig.Commit();
  EXPECT_EQ(sink1->welcomes()[0].host_label, "web");
  EXPECT_EQ(sink2->welcomes()[0].host_label, "web-686868");
  BatchBuilder renamed(1, 1, "db");
  const auto [stream3, sink3] = rig.Connect(renamed);
  rig.Commit();
  EXPECT_EQ(sink3->welcomes()[0].host_label, "db");
  rig.Restart();
  BatchBuilder third(3, 1, "web");
  const auto [stream4, sink4] = rig.Connect(third);
  rig.Commit();
  EXPECT_EQ(sink4->welcomes()[0].host_label, "web-68686868") << "a label once used is never another host's";
}

TEST(MergerTest, BeyondItsLimitsTheStoreRefusesBatchesAndGoesOn) {
  WriterOptions options;
  options.limits.series = 2;
  CollectorRig rig(nullptr, options);
  World world;
  const auto [stream, sink] = rig.Connect(world.agent);
  rig.Push(stream, world.Batch(kRigStart));
  rig.Push(stream, world.agent.Batch(kRigStart + 1, 1, {{world.cpu, 0, 3}}));
  rig.Commit();
  EXPECT_EQ(sink->Durable(1), 2u);
  ASSERT_FALSE(sink->acks().empty());
  EXPECT_THAT(sink->acks()[0].refused, testing::ElementsAre(testing::Pair(1u, 1u)));
  EXPECT_EQ(TotalOf(rig, "ppmm_host_cpu_seconds_total"), 3);
  const MergeCounters merged = rig.writer().status().merged;
  EXPECT_EQ(merged.batches_refused, 1u);
  EXPECT_GT(merged.samples_refused, 1u);
}

TEST(MergerTest, AnInstanceBeyondTheLimitDoesNoHarm) {
  WriterOptions options;
  options.limits.applications = 0;
  CollectorRig rig(nullptr, options);
  World world;
  const auto [stream, sink] = rig.Connect(world.agent);
  rig.Push(stream, world.agent.Batch(kRigStart, 1, {{world.cpu, 0, 3}}));
  rig.Push(stream, world.Batch(kRigStart + 1));
  rig.Push(stream, world.agent.Dictionary(rig.clock().Now()));
  rig.Commit();
  EXPECT_EQ(TotalOf(rig, "ppmm_host_cpu_seconds_total"), 3);
  const WriterStatus status = rig.writer().status();
  EXPECT_GE(status.entries_refused, 1u);
  EXPECT_EQ(status.merged.batches_refused, 1u);
}

// Whatever the grouping into batches and commits, and however live and late are interleaved, the rows are the same.
TEST(MergerTest, RowsDoNotDependOnHowStepsFallIntoBatchesAndCommits) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937 random(seed);
  std::vector<MinuteRow> expected;
  std::string expected_bits;
  for (int round = 0; round < 12; ++round) {
    CollectorRig rig;
    World old(1, 7);
    old.agent.set_live(false);
    World world(1, 8);
    auto [stream, sink] = rig.Connect(world.agent);
    rig.Push(stream, old.agent.Dictionary(rig.clock().Now()));
    std::int64_t live_at = kRigStart + 240;
    std::int64_t late_at = kRigStart;
    while (live_at < kRigStart + 420 || late_at < kRigStart + 300) {
      std::int64_t& at =
          live_at >= kRigStart + 420 || (late_at < kRigStart + 300 && random() % 2 == 0) ? late_at : live_at;
      World& from = &at == &late_at ? old : world;
      const std::int64_t left = (&at == &late_at ? kRigStart + 300 : kRigStart + 420) - at;
      const auto steps = static_cast<std::uint32_t>(std::min<std::int64_t>(left, 1 + random() % 10));
      std::vector<DecodedSample> samples;
      for (std::uint32_t step = 0; step < steps; ++step) {
        const std::int64_t time = at + step;
        samples.push_back({from.cpu, step, time % 7});
        samples.push_back({from.memory, step, time % 11 - 5});
        samples.push_back({from.connections, step, time % 3});
      }
      std::stable_sort(samples.begin(), samples.end(),
                       [](const DecodedSample& a, const DecodedSample& b) { return a.series < b.series; });
      rig.Push(stream, from.agent.Batch(at, steps, std::move(samples)));
      at += steps;
      if (random() % 4 == 0) {
        rig.Commit();
      }
      if (random() % 16 == 0) {
        rig.Commit();
        const std::string before = rig.Dump();
        rig.Restart();
        ASSERT_EQ(rig.Dump(), before);
        std::tie(stream, sink) = rig.Connect(world.agent);
        rig.Push(stream, old.agent.Dictionary(rig.clock().Now()));
        // What was not acknowledged is sent again by a real agent; here every commit was complete.
        while (rig.queue().bytes() > 0) {
          rig.Commit();
        }
      }
    }
    while (rig.queue().bytes() > 0) {
      rig.Commit();
    }
    std::vector<MinuteRow> rows;
    for (std::int64_t minute = kMinute; minute < kMinute + 7; ++minute) {
      rows.push_back(rig.Row(minute));
      rows.back().totals.clear();
      rows.back().flags &= ~std::uint32_t{MinuteRow::kLive};
    }
    auto bits = DayBits::Decode(**rig.store().GetDayBits(kMinute / 1440, 1));
    ASSERT_TRUE(bits.ok());
    bits->covered_when_closed.reset();
    if (round == 0) {
      expected = rows;
      expected_bits = bits->Encode();
    }
    ASSERT_EQ(rows, expected) << "round " << round;
    ASSERT_EQ(bits->Encode(), expected_bits) << "round " << round;
  }
}

}  // namespace
}  // namespace ppmm
