#include "collector/facts/day_builder.h"

#include <future>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "collector/facts/day_keeper.h"
#include "collector/retention.h"
#include "tests/testing/collector_rig.h"

namespace ppmm {
namespace {

using testing::ElementsAre;

constexpr Day kDay = kRigStart / 86400;

MinuteSet Minutes(std::size_t from, std::size_t to) {
  MinuteSet set;
  for (std::size_t minute = from; minute < to; ++minute) {
    set.set(minute);
  }
  return set;
}

TEST(BitsTest, AreReadBackAndRefuseDamage) {
  DayBits bits;
  bits.sampled = Minutes(0, 1440);
  bits.covered[1] = Minutes(3, 900) | Minutes(1000, 1440);
  bits.present[1] = true;
  bits.saturation[3] = true;
  bits.instances[7].traffic = Minutes(5, 6);
  bits.instances[9];
  std::fill(bits.clock.begin() + 3, bits.clock.end() - 9, 1);
  const std::string bytes = bits.Encode();
  EXPECT_LT(bytes.size(), 80u);
  EXPECT_EQ(DayBits::Decode(bytes).value(), bits);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DayBits::Decode(bytes.substr(0, size)).ok()) << size;
  }
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int flip : {1, 16, 128}) {
      std::string bad = bytes;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      DayBits::Decode(bad).status().IgnoreError();  // any answer but a crash
    }
  }
}

TEST(BitsTest, AreReadAsTheyWereBeforeClocks) {
  DayBits bits;
  bits.sampled = Minutes(0, 700);
  std::string bytes = bits.Encode();
  bytes.resize(bytes.size() - 4);  // one run of 1440 minutes without a clock
  EXPECT_FALSE(DayBits::Decode(bytes).ok());
  bytes[0] = 1;
  EXPECT_EQ(DayBits::Decode(bytes).value(), bits);
}

TEST(BitsTest, ClocksAreKeptToTheNextTenthOfASecond) {
  const auto meaning = [](SeriesId) { return SeriesMeaning{}; };
  DayBits bits;
  const auto kept = [&](std::int64_t offset_us) {
    MinuteRow row;
    row.NoteClock(offset_us);
    SetBits(bits, 7, row, meaning);
    return bits.clock[7];
  };
  EXPECT_EQ(kept(0), 1);
  EXPECT_EQ(kept(-1), 2);
  EXPECT_EQ(kept(1'000'000), 11);
  EXPECT_EQ(kept(-1'000'001), 12);
  EXPECT_EQ(kept(INT64_MAX), 0xffff);
  SetBits(bits, 7, MinuteRow(), meaning);
  EXPECT_EQ(bits.clock[7], 0);
}

TEST(BitsTest, HalfOfTheExpectedSamplesCover) {
  const Metric& cpu = MetricNamed("ppmm_host_cpu_seconds_total");
  const auto meaning = [&cpu](SeriesId) { return SeriesMeaning{&cpu, 1}; };
  for (const int samples : {29, 30}) {
    MinuteRow row;
    row.expected[1] = 60;
    for (int i = 0; i < samples; ++i) {
      row.Add(1, 1, static_cast<std::uint8_t>(i));
    }
    DayBits bits;
    SetBits(bits, 5, row, meaning);
    EXPECT_EQ(bits.covered[1][5], samples == 30);
    EXPECT_EQ(bits.Covered()[5], samples == 30);
    row.flags |= MinuteRow::kTwice;
    SetBits(bits, 5, row, meaning);
    EXPECT_FALSE(bits.covered[1][5]);
  }
}

TEST(OffTimeTest, NeedProofThatNoSampleContradicts) {
  const std::int64_t minute_us = 60'000'000;
  const std::int64_t day_us = kDay * 1440 * minute_us;
  const HostLifeRow off{1, day_us + 10 * minute_us + 20'000'000, day_us + 20 * minute_us + 40'000'000, "journal"};
  EXPECT_EQ(OffTimeOf({off}, kDay, Minutes(0, 0)).minutes, Minutes(10, 21));
  EXPECT_EQ(OffTimeOf({off}, kDay, Minutes(10, 11) | Minutes(20, 21)).minutes, Minutes(10, 21))
      << "samples at its ends";
  EXPECT_EQ(OffTimeOf({off}, kDay, Minutes(15, 16)).minutes, Minutes(0, 0));
  EXPECT_EQ(OffTimeOf({off}, kDay, Minutes(15, 16)).contradicted, 1);
  EXPECT_EQ(OffTimeOf({off}, kDay, Minutes(10, 11)).contradicted, 0);
  EXPECT_EQ(OffTimeOf({off}, kDay + 1, Minutes(0, 0)).minutes, Minutes(0, 0));
}

class DayTest : public testing::Test {
 protected:
  DayTest() : agent_(1) {
    agent_.set_step(10);
    user_ = agent_.AddSeries(1, "ppmm_host_cpu_seconds_total", {"0", "user"});
    idle_ = agent_.AddSeries(1, "ppmm_host_cpu_seconds_total", {"0", "idle"});
    nginx_ = agent_.AddInstance("nginx");
    connections_ = agent_.AddSeries(nginx_, "ppmm_instance_connections_accepted_total");
    std::tie(stream_, sink_) = rig_.Connect(agent_);
  }
  void Send(int from, int to) {
    for (int minute = from; minute < to; ++minute) {
      wire::Batch message;
      wire::Expected* expected = message.add_expected();
      expected->set_resource(wire::RESOURCE_CPU);
      expected->set_samples_per_minute(12);
      std::vector<DecodedSample> samples;
      for (const std::uint32_t series : {user_, idle_, connections_}) {
        for (std::uint32_t step = 0; step < 6; ++step) {
          samples.push_back({series, step, series == idle_ ? 900 : 100});
        }
      }
      rig_.Push(stream_, agent_.Batch(kRigStart + minute * 60, 6, std::move(samples), message));
    }
    rig_.Commit();
  }
  std::map<ScopeId, DayFacts> Build(std::int64_t until_minute) {
    DayScopes scopes;
    {
      ReaderLock lock(&rig_.state().mutex());
      scopes = CopyDayScopes(rig_.state().tables());
    }
    auto facts = BuildDay(scopes, rig_.store(), kDay, kRigStart / 60 + until_minute);
    EXPECT_TRUE(facts.ok()) << facts.status();
    return *facts;
  }
  // At that time, or later: store time only rises.
  absl::StatusOr<std::vector<Day>> Run(DayKeeper& keeper, absl::Time store_time) {
    rig_.clock().Advance(std::max(store_time - rig_.clock().Now(), absl::ZeroDuration()));
    return keeper.Run(store_time);
  }

  CollectorRig rig_;
  BatchBuilder agent_;
  std::uint32_t user_ = 0;
  std::uint32_t idle_ = 0;
  std::uint32_t nginx_ = 0;
  std::uint32_t connections_ = 0;
  StreamId stream_ = 0;
  std::shared_ptr<RecordingSink> sink_;
};

TEST_F(DayTest, CountsWhatAHostAndAnApplicationDid) {
  Send(0, 61);  // the last minute stays open
  Send(90, 91);
  const auto facts = Build(90);
  const DayFacts& host = facts.at({ScopeKind::kHost, 1});
  EXPECT_EQ(host.up_minutes, 90) << "silence is not off";
  EXPECT_EQ(host.covered_minutes, 61);
  EXPECT_EQ(host.covered_cpu_minutes, 61);
  EXPECT_EQ(host.late_minutes, 0);
  EXPECT_EQ(host.kinds_present, kCpuBit);
  EXPECT_EQ(host.kinds_moved, kCpuBit);
  EXPECT_EQ(host.cpu_us, 62 * 6 * 1'000'000) << "the open minute has its row too";
  const DayFacts& nginx = facts.at({ScopeKind::kApplication, 1});
  EXPECT_EQ(nginx.up_minutes, 90);
  EXPECT_EQ(nginx.throughput_minutes, 61);
  EXPECT_EQ(nginx.throughput_coarse_minutes, 61);
  EXPECT_EQ(nginx.traffic_minutes, 61);
  EXPECT_EQ(nginx.connections, 62 * 600);
  EXPECT_EQ(facts.at(kOrganizationScope).hosts_seen, 1);
  EXPECT_EQ(facts.at(kOrganizationScope).hosts_monitored, 1);
}

TEST_F(DayTest, CountsSamplesClocksAndSilences) {
  Send(0, 10);
  agent_.set_clock_ahead(absl::Milliseconds(-1500));
  Send(10, 12);
  agent_.Batch(kRigStart + 12 * 60, 1, {{user_, 0, 1}, {idle_, 0, 1}});  // is dropped, and never comes
  Send(17, 20);                                                          // after 5 silent minutes
  Send(24, 26);                                                          // after 4
  wire::SpoolState spool;
  rig_.Push(stream_, SpoolReport{rig_.clock().Now(), std::make_shared<wire::SpoolState>(spool)});
  spool.set_dropped_full(2);
  rig_.Push(stream_, SpoolReport{rig_.clock().Now(), std::make_shared<wire::SpoolState>(spool)});
  rig_.Commit();
  const auto facts = Build(31);
  const DayFacts& host = facts.at({ScopeKind::kHost, 1});
  EXPECT_EQ(host.samples_produced, 17 * 18 + 2);
  EXPECT_EQ(host.samples_committed, 17 * 18);
  EXPECT_EQ(host.samples_dropped, 2);
  EXPECT_EQ(host.samples_refused, 0);
  EXPECT_EQ(host.clock_minutes, 16) << "the open minute is not counted yet";
  EXPECT_EQ(host.clock_over_1s_minutes, 6);
  EXPECT_EQ(host.clock_worst_us, 1'600'000);
  EXPECT_EQ(host.silences, 2);
  EXPECT_EQ(host.silence_longest_s, 360);
  EXPECT_EQ(host.silences_noticed, 0);
}

TEST_F(DayTest, WhatComesLateWasNoSilenceAndSaysNothingOfTheClock) {
  Send(0, 2);
  Send(9, 10);
  EXPECT_EQ(Build(9).at({ScopeKind::kHost, 1}).silences, 1);
  agent_.set_live(false);
  agent_.set_clock_ahead(absl::Seconds(9));
  Send(2, 9);
  const auto facts = Build(9);
  EXPECT_EQ(facts.at({ScopeKind::kHost, 1}).silences, 0);
  EXPECT_EQ(facts.at({ScopeKind::kHost, 1}).clock_minutes, 2);
  EXPECT_EQ(facts.at({ScopeKind::kHost, 1}).clock_over_1s_minutes, 0);
}

TEST_F(DayTest, TheWatchdogIsToHearTheCollectorWhileAHostIsUp) {
  const auto note = [this](std::int64_t minute) {
    rig_.writer().Submit(
        [minute](Tables& tables, Store& store) { return NoteWatchdog(kRigStart / 60 + minute, tables, store); },
        [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; });
    rig_.Commit();
  };
  Send(0, 1);
  EXPECT_EQ(Build(60).at(kOrganizationScope).watchdog_minutes, 0) << "nobody runs it under a watchdog";
  for (const int minute : {10, 10, 11, 12}) {
    note(minute);
  }
  rig_.Restart();
  for (const int minute : {12, 13, 20, 5}) {
    note(minute);
  }
  const auto facts = Build(60);
  EXPECT_EQ(facts.at(kOrganizationScope).watchdog_minutes, 50);
  EXPECT_EQ(facts.at(kOrganizationScope).watchdog_heard, 5);
  EXPECT_EQ(rig_.store().WatchdogOf(kDay).value().size(), 2u);
  EXPECT_TRUE(rig_.store().WatchdogOf(kDay + 1).value().empty());
}

// Its minutes [from, to): one connection and one request a step of ten seconds, in times of one millisecond and more.
class TimedDayTest : public DayTest {
 protected:
  TimedDayTest() {
    requests_ = agent_.AddSeries(nginx_, "ppmm_instance_requests_total");
    total_ = agent_.AddSeries(nginx_, "ppmm_instance_response_time_seconds", {"total"});
    wait_ = agent_.AddSeries(nginx_, "ppmm_instance_response_time_seconds", {"wait"});
    pipelined_ = agent_.AddSeries(nginx_, "ppmm_instance_connections_without_times_total", {"pipelined"});
    in_flight_ = agent_.AddSeries(nginx_, "ppmm_instance_requests_in_flight_seconds_total");
    elapsed_ = agent_.AddSeries(nginx_, "ppmm_instance_requests_elapsed_seconds_total");
    rig_.Push(stream_, agent_.Dictionary(rig_.clock().Now()));
  }
  struct Requests {
    std::uint64_t a_step = 10;
    std::uint64_t timed = 10;
    bool constant = false;
    std::int64_t connections = 1;
    std::int64_t in_flight_us = 0;
    std::int64_t elapsed_us = 0;
    std::int64_t pipelined = 1;  // connections that turned out to be so
  };
  void Answer(int from, int to, const Requests& requests) {
    for (int minute = from; minute < to; ++minute) {
      std::vector<DecodedSample> samples;
      std::vector<DecodedSketch> sketches;
      for (std::uint32_t step = 0; step < 6; ++step) {
        Sketch times;
        times.Add(1'000'000 + (requests.constant ? 0 : minute * 7 + std::int64_t{step}), requests.timed);
        samples.push_back({connections_, step, requests.connections});
        samples.push_back({requests_, step, static_cast<std::int64_t>(requests.a_step)});
        samples.push_back({pipelined_, step, requests.pipelined});
        samples.push_back({in_flight_, step, requests.in_flight_us});
        samples.push_back({elapsed_, step, requests.elapsed_us});
        sketches.push_back({total_, step, times});
        sketches.push_back({wait_, step, times});
      }
      DecodedBatch batch = agent_.Batch(kRigStart + minute * 60, 6, std::move(samples));
      batch.sketches = std::move(sketches);
      rig_.Push(stream_, std::move(batch));
    }
    rig_.Commit();
  }
  DayFacts Nginx(std::int64_t until_minute) { return Build(until_minute).at({ScopeKind::kApplication, 1}); }

  std::uint32_t requests_ = 0, total_ = 0, wait_ = 0, pipelined_ = 0, in_flight_ = 0, elapsed_ = 0;
};

TEST_F(TimedDayTest, CountsRequestsAndTheirTimes) {
  Answer(0, 10, {});
  Answer(60, 70, {.timed = 4});               // less than half of them
  Answer(70, 80, {.a_step = 0, .timed = 0});  // no request that anybody could count
  Answer(80, 90, {.a_step = 0, .timed = 1});  // nobody counts: one is enough
  Answer(90, 100, {.connections = 0});        // no traffic
  const DayFacts nginx = Nginx(99);           // the last minute stays open
  EXPECT_EQ(nginx.timeable_minutes, 40);
  EXPECT_EQ(nginx.timeable_minutes, nginx.traffic_minutes);
  EXPECT_EQ(nginx.timed_minutes, 20);
  EXPECT_EQ(nginx.requests, 30 * 60);
  EXPECT_EQ(nginx.timed_requests, 20 * 60 + 10 * 24 + 10 * 6);
  EXPECT_EQ(nginx.requests_per_hour[1], 20 * 60);
  EXPECT_EQ(nginx.timed_per_hour[1], 10 * 60 + 10 * 24 + 10 * 6);
  EXPECT_EQ(nginx.busy_minutes, 30);
  EXPECT_EQ(nginx.unparsed_connections, 50 * 6);
  EXPECT_EQ(nginx.vantages, kArrivalBit);
  EXPECT_EQ(nginx.throughput_coarse_minutes, 0);
  EXPECT_EQ(nginx.synthetic, 0);
}

// Each was asked at least one request more than was counted.
TEST_F(TimedDayTest, AConnectionWithoutTimesCountsAsARequestWithoutATime) {
  Answer(0, 10, {.a_step = 2, .timed = 2, .pipelined = 2});
  Answer(10, 30, {.a_step = 2, .timed = 2, .pipelined = 3});
  Answer(30, 40, {.a_step = 0, .timed = 1, .pipelined = 1});
  Answer(40, 50, {.a_step = 0, .timed = 1, .pipelined = 3});
  Answer(50, 60, {.a_step = 0, .timed = 0, .pipelined = 1});
  const DayFacts nginx = Nginx(100);
  EXPECT_EQ(nginx.timeable_minutes, 59) << "the last minute stays open";
  EXPECT_EQ(nginx.timed_minutes, 10 + 10);
}

TEST_F(TimedDayTest, TimesThatAreTheSameToTheNanosecondAreSynthetic) {
  Answer(0, 30, {.constant = true});
  EXPECT_EQ(Nginx(100).synthetic, 0) << "29 minutes like the one before";
  Answer(30, 31, {.constant = true});
  EXPECT_EQ(Nginx(100).synthetic, 1);
  Answer(31, 62, {});
  EXPECT_EQ(Nginx(100).synthetic, 0) << "less than half of the minutes";
  Answer(62, 100, {.timed = 9});
  EXPECT_EQ(Nginx(100).synthetic, 0) << "minutes with few requests say nothing";
}

TEST_F(TimedDayTest, MinutesBeforeResponseTimesWereCountedAreNotAsked) {
  Answer(0, 10, {});
  {
    WriterLock lock(&rig_.state().mutex());
    rig_.state().mutable_tables().timed_since_us = (kRigStart + 4 * 60 + 1) * 1'000'000;
  }
  const DayFacts nginx = Nginx(9);
  EXPECT_EQ(nginx.traffic_minutes, 9);
  EXPECT_EQ(nginx.timeable_minutes, 4);
  EXPECT_EQ(nginx.timed_minutes, 4);
}

TEST_F(TimedDayTest, ALateDayChangesTheIntervalsOfTheDaysAfterIt) {
  DayKeeper keeper(&rig_.state(), &rig_.store(), &rig_.writer());
  rig_.writer().Start();
  const auto run = [&](int days) { return Run(keeper, absl::FromUnixSeconds(kRigStart + days * 86400)).value(); };
  const auto week_of = [this](Day day) {
    const auto facts = rig_.store().GetFactDay(day, {ScopeKind::kApplication, 1}).value();
    return facts.has_value() ? facts->percentile_enough_7d : -1;
  };
  Answer(0, 1, {.timed = 1});
  Answer(2 * 1440, 2 * 1440 + 1, {.timed = 1});
  EXPECT_THAT(run(3), ElementsAre(kDay, kDay + 1, kDay + 2));
  EXPECT_EQ(week_of(kDay), 0);
  EXPECT_EQ(week_of(kDay + 2), 0);
  agent_.set_live(false);
  Answer(5, 14, {.timed = 1});  // 6 each minute
  EXPECT_THAT(run(3), ElementsAre(kDay, kDay + 2)) << "that of the open minute too";
  EXPECT_EQ(week_of(kDay), 1) << "60";
  EXPECT_EQ(week_of(kDay + 1), 1);
  EXPECT_EQ(week_of(kDay + 2), 1) << "66";
  rig_.writer().Stop();
}

TEST_F(TimedDayTest, IntervalsOfLittlesLawAreMadeOfPooledMinutes) {
  Answer(0, 10, {.in_flight_us = 110'000, .elapsed_us = 100'000});   // two minutes are an interval
  Answer(10, 13, {.in_flight_us = 400'000, .elapsed_us = 200'000});  // one minute is
  Answer(13, 20, {.a_step = 9, .in_flight_us = 400'000, .elapsed_us = 200'000});
  Answer(20, 22, {});
  const DayFacts nginx = Nginx(21);
  EXPECT_EQ(nginx.in_flight_minutes, 20);
  EXPECT_EQ(nginx.little_intervals, 8);
  EXPECT_EQ(nginx.little_within, 5);
  EXPECT_EQ(nginx.little_half_off, 3);
  EXPECT_EQ(nginx.little_rest_elapsed_us, 0);
}

TEST_F(TimedDayTest, ALateDayShiftsTheIntervalsOfLittlesLawOfTheDaysAfterIt) {
  DayKeeper keeper(&rig_.state(), &rig_.store(), &rig_.writer());
  rig_.writer().Start();
  const auto run = [&] { return Run(keeper, absl::FromUnixSeconds(kRigStart + 3 * 86400)).value(); };
  const auto intervals = [this] {
    std::vector<std::int64_t> days;
    for (const Day day : {kDay, kDay + 1, kDay + 2}) {
      days.push_back(rig_.store().GetFactDay(day, {ScopeKind::kApplication, 1}).value()->little_intervals);
    }
    return days;
  };
  const Requests half{.in_flight_us = 100'000, .elapsed_us = 100'000};
  for (const int day : {0, 1, 2, 3}) {
    Answer(day * 1440, day * 1440 + 1, half);
  }
  EXPECT_THAT(run(), ElementsAre(kDay, kDay + 1, kDay + 2));
  EXPECT_THAT(intervals(), ElementsAre(0, 1, 0));
  agent_.set_live(false);
  Answer(5, 6, half);
  EXPECT_THAT(run(), ElementsAre(kDay));
  EXPECT_THAT(intervals(), ElementsAre(1, 0, 1));
  const auto today = keeper.Current(kDay + 3, absl::FromUnixSeconds(kRigStart + 3 * 86400 + 120)).value();
  EXPECT_EQ(today.at({ScopeKind::kApplication, 1}).little_intervals, 0) << "nothing is left of the third day";
  rig_.writer().Stop();
}

TEST_F(DayTest, TheKeeperWritesADayWhenItIsOverAndAgainWhenItWasTouched) {
  rig_.writer().Start();
  DayKeeper keeper(&rig_.state(), &rig_.store(), &rig_.writer());
  const auto commit = [this](std::vector<DecodedBatch> batches) {
    std::uint64_t last = 0;
    for (DecodedBatch& batch : batches) {
      last = batch.seq;
      rig_.Push(stream_, std::move(batch));
    }
    sink_->WaitForDurable(1, last);
  };
  commit({agent_.Batch(kRigStart, 1, {{user_, 0, 1}}), agent_.Batch(kRigStart + 60, 1, {{user_, 0, 1}})});
  const absl::Time next_day = absl::FromUnixSeconds(kRigStart + 86400);
  EXPECT_THAT(Run(keeper, next_day - absl::Seconds(1)).value(), ElementsAre());
  EXPECT_THAT(Run(keeper, next_day).value(), ElementsAre(kDay));
  EXPECT_THAT(Run(keeper, next_day).value(), ElementsAre());
  agent_.set_live(false);
  commit({agent_.Batch(kRigStart + 7200, 1, {{connections_, 0, 5}})});
  EXPECT_THAT(Run(keeper, next_day).value(), ElementsAre(kDay));
  EXPECT_THAT(Run(keeper, next_day).value(), ElementsAre());
  rig_.writer().Stop();
  std::int64_t connections = 0;
  ASSERT_TRUE(rig_.store()
                  .ScanFactDays(kDay, kDay + 1,
                                [&](Day, ScopeId, const DayFacts& facts) {
                                  connections += facts.connections;
                                  return absl::OkStatus();
                                })
                  .ok());
  EXPECT_EQ(connections, 5);
}

TEST_F(DayTest, WhatIsCommittedWhileTheKeeperReadsADayIsInTheDayWrittenAgain) {
  rig_.writer().Start();
  const auto commit = [this](std::int64_t second, std::uint32_t series, std::int64_t value) {
    DecodedBatch batch = agent_.Batch(kRigStart + second, 1, {{series, 0, value}});
    const std::uint64_t seq = batch.seq;
    rig_.Push(stream_, std::move(batch));
    sink_->WaitForDurable(1, seq);
  };
  // Called for each application once the bits of the day were read, before anything is written.
  std::int64_t to_come = 2;
  const auto meanwhile = [&](ApplicationId, DayFacts&) {
    if (to_come > 0) {
      agent_.set_live(false);
      commit(7200 + 60 * to_come--, connections_, 5);
    }
  };
  DayKeeper keeper(&rig_.state(), &rig_.store(), &rig_.writer(), meanwhile);
  commit(0, user_, 1);
  commit(60, connections_, 1);
  const absl::Time next_day = absl::FromUnixSeconds(kRigStart + 86400);
  for (int run = 0; run < 3; ++run) {
    EXPECT_THAT(Run(keeper, next_day).value(), ElementsAre(kDay)) << run;
  }
  EXPECT_EQ(to_come, 0);
  EXPECT_THAT(Run(keeper, next_day).value(), ElementsAre());
  rig_.writer().Stop();
  EXPECT_EQ(rig_.store().GetFactDay(kDay, {ScopeKind::kApplication, 1}).value()->connections, 11);
}

TEST_F(DayTest, AProofOfOffTimeIsCountedInEveryDayThatItTouchesSealedOnesToo) {
  DayKeeper keeper(&rig_.state(), &rig_.store(), &rig_.writer());
  Send(0, 601);
  const absl::Time fourth_day = absl::FromUnixSeconds(kRigStart + 3 * 86400);
  EXPECT_THAT(Run(keeper, fourth_day).value(), ElementsAre(kDay, kDay + 1, kDay + 2));
  {
    WriterLock lock(&rig_.state().mutex());
    rig_.state().mutable_tables().sealed_day = kDay + 1;
  }
  ASSERT_TRUE(rig_.store().DeleteMinutesBefore((kDay + 1) * 1440, {}, 10'000).ok());
  wire::HostLife* life = agent_.dictionary().mutable_host_life();
  life->set_boot_us((kRigStart + 2 * 86400 + 3600) * 1'000'000);
  life->set_previous_boot_last_life_us((kRigStart + 601 * 60) * 1'000'000);
  life->set_previous_boot_evidence("journal");
  rig_.Push(stream_, agent_.Dictionary(fourth_day));
  rig_.Commit();
  EXPECT_THAT(Run(keeper, fourth_day).value(), ElementsAre(kDay, kDay + 1, kDay + 2));
  EXPECT_THAT(Run(keeper, fourth_day).value(), ElementsAre());
  std::vector<std::int64_t> up;
  std::vector<std::int64_t> cpu_us;
  ASSERT_TRUE(rig_.store()
                  .ScanFactDays(kDay, kDay + 3,
                                [&](Day, ScopeId scope, const DayFacts& facts) {
                                  if (scope.kind == ScopeKind::kHost) {
                                    up.push_back(facts.up_minutes);
                                    cpu_us.push_back(facts.cpu_us);
                                  }
                                  return absl::OkStatus();
                                })
                  .ok());
  EXPECT_THAT(up, ElementsAre(601, 0, 1380));
  EXPECT_THAT(cpu_us, ElementsAre(601 * 6 * std::int64_t{1'000'000}, 0, 0)) << "its minute rows are gone";
}

TEST_F(DayTest, ADayThatWasSealedAndIsOpenAgainIsCountedFromItsBlockToo) {
  constexpr std::int64_t kCpuOfMinute = 6 * std::int64_t{1'000'000};
  Send(0, 300);
  {
    Retention retention(&rig_.state(), &rig_.store(), &rig_.writer());
    for (int i = 0; i < 30; ++i) {
      ASSERT_TRUE(retention.Slice(StartOf(kDay + 1) + absl::Hours(73)).ok());
      rig_.Commit();
    }
  }
  ASSERT_TRUE(rig_.Row(kRigStart / 60).series.empty());
  ASSERT_TRUE(rig_.writer()
                  .SubmitAndWait([](Tables& tables, Store& store) {
                    return OpenDaysAgain(StartOf(kDay) + absl::Hours(12), tables, store);
                  })
                  .ok());
  const ScopeId host{ScopeKind::kHost, 1};
  DayKeeper keeper(&rig_.state(), &rig_.store(), &rig_.writer());
  EXPECT_EQ(keeper.Current(kDay, StartOf(kDay) + absl::Minutes(300)).value().at(host).cpu_us, 300 * kCpuOfMinute);
  Send(300, 400);
  ASSERT_TRUE(Run(keeper, StartOf(kDay + 1)).ok());
  const DayFacts facts = rig_.store().GetFactDay(kDay, host)->value();
  EXPECT_EQ(facts.cpu_us, 400 * kCpuOfMinute);
  EXPECT_EQ(facts.covered_cpu_minutes, 399) << "all but the open one";
}

// Days of half an hour at midnight, in which the CPU gets busier from day to day.
class ForecastTest : public DayTest {
 protected:
  ForecastTest() { rig_.writer().Start(); }
  ~ForecastTest() override { rig_.writer().Stop(); }

  void LiveDay(Day day, std::int64_t busy_percent) {
    std::uint64_t last = 0;
    for (int minute = 0; minute <= 30; ++minute) {
      wire::Batch message;
      wire::Expected* expected = message.add_expected();
      expected->set_resource(wire::RESOURCE_CPU);
      expected->set_samples_per_minute(12);
      std::vector<DecodedSample> samples;
      for (std::uint32_t step = 0; step < 6; ++step) {
        samples.push_back({user_, step, 10 * busy_percent});
        samples.push_back({idle_, step, 10 * (100 - busy_percent)});
      }
      DecodedBatch batch =
          agent_.Batch(absl::ToUnixSeconds(StartOf(day)) + minute * 60, 6, std::move(samples), message);
      last = batch.seq;
      rig_.Push(stream_, std::move(batch));
    }
    sink_->WaitForDurable(1, last);
  }
  DayFacts FactsOf(Day day, ScopeId scope) {
    const auto facts = rig_.store().GetFactDay(day, scope);
    EXPECT_TRUE(facts.ok() && facts->has_value()) << day;
    return facts.ok() && facts->has_value() ? **facts : DayFacts();
  }
};

TEST_F(ForecastTest, TheKeeperForecastsFromTheSeventhDayOn) {
  DayKeeper keeper(&rig_.state(), &rig_.store(), &rig_.writer());
  for (Day day = kDay; day < kDay + 8; ++day) {
    LiveDay(day, 40 + 5 * (day - kDay));
    EXPECT_THAT(Run(keeper, StartOf(day + 1)).value(), testing::Contains(day));
    const DayFacts host = FactsOf(day, {ScopeKind::kHost, 1});
    EXPECT_EQ(host.forecast_kinds, day < kDay + 6 ? std::int64_t{0} : std::int64_t{kCpuBit}) << day - kDay;
  }
  // 75 % at 5 % a day.
  EXPECT_EQ(FactsOf(kDay + 7, {ScopeKind::kHost, 1}).exhaustion_cpu_days, 4);
  EXPECT_EQ(FactsOf(kDay + 6, kOrganizationScope).warnings, 0) << "there is time to answer";
  const auto rows = rig_.store().Forecasts(kDay, kDay + 8).value();
  ASSERT_EQ(rows.size(), 8U);
  EXPECT_EQ(rows[5].refusal, "too_short");
  EXPECT_EQ(rows[7].used, 750'000);
  EXPECT_EQ(rows[7].capacity, 1'000'000);
  EXPECT_EQ(rows[7].level_millionths, 750'000);
  EXPECT_EQ(rows[7].slope_millionths, 50'000);
  ReaderLock lock(&rig_.state().mutex());
  EXPECT_THAT(rig_.state().tables().hosts.at(1).forecasts, ElementsAre(rows[7]));
}

TEST_F(ForecastTest, AStartFindsTheNewestForecasts) {
  DayKeeper keeper(&rig_.state(), &rig_.store(), &rig_.writer());
  LiveDay(kDay, 40);
  ASSERT_TRUE(Run(keeper, StartOf(kDay + 1)).ok());
  const std::string before = rig_.Dump();
  EXPECT_THAT(before, testing::HasSubstr("forecast "));
  rig_.writer().Stop();
  rig_.Restart();
  EXPECT_EQ(rig_.Dump(), before);
}

TEST_F(ForecastTest, AWarningCountsForItsDayAWeekLaterAndALateAnswerCuresIt) {
  DayKeeper keeper(&rig_.state(), &rig_.store(), &rig_.writer());
  const auto live = [&](Day from, Day to, std::int64_t busy) {
    for (Day day = from; day < to; ++day) {
      LiveDay(day, busy);
      ASSERT_TRUE(Run(keeper, StartOf(day + 1)).ok());
    }
  };
  live(kDay, kDay + 13, 100);
  EXPECT_EQ(FactsOf(kDay + 6, {ScopeKind::kHost, 1}).exhaustion_cpu_days, 0);
  EXPECT_EQ(FactsOf(kDay + 6, kOrganizationScope).warnings, 0);
  live(kDay + 13, kDay + 14, 100);
  EXPECT_EQ(FactsOf(kDay + 6, kOrganizationScope).warnings, 1);
  EXPECT_EQ(FactsOf(kDay + 6, kOrganizationScope).warnings_answered, 0);
  live(kDay + 14, kDay + 18, 20);
  EXPECT_EQ(FactsOf(kDay + 6, kOrganizationScope).warnings, 1);
  EXPECT_EQ(FactsOf(kDay + 6, kOrganizationScope).warnings_answered, 1);
  EXPECT_EQ(FactsOf(kDay + 17, kOrganizationScope).warnings, 0);
}

TEST_F(ForecastTest, ADayThatIsWrittenAgainKeepsItsForecast) {
  DayKeeper keeper(&rig_.state(), &rig_.store(), &rig_.writer());
  for (Day day = kDay; day < kDay + 8; ++day) {
    LiveDay(day, 40 + 5 * (day - kDay));
    ASSERT_TRUE(Run(keeper, StartOf(day + 1)).ok());
  }
  const auto before = rig_.store().Forecasts(kDay, kDay + 8).value();
  agent_.set_live(false);
  DecodedBatch late = agent_.Batch(absl::ToUnixSeconds(StartOf(kDay + 6)) + 7200, 1, {{connections_, 0, 5}});
  const std::uint64_t seq = late.seq;
  rig_.Push(stream_, std::move(late));
  sink_->WaitForDurable(1, seq);
  // The samples count on the day that they came, which is written again, too.
  EXPECT_THAT(Run(keeper, StartOf(kDay + 8)).value(), ElementsAre(kDay + 6, kDay + 7));
  EXPECT_EQ(rig_.store().Forecasts(kDay, kDay + 8).value(), before);
  ReaderLock lock(&rig_.state().mutex());
  EXPECT_THAT(rig_.state().tables().hosts.at(1).forecasts, ElementsAre(before[7])) << "the newest one stays";
}

TEST_F(ForecastTest, TodayIsCountedOnFromWhereItWasRead) {
  DayKeeper keeper(&rig_.state(), &rig_.store(), &rig_.writer());
  LiveDay(kDay, 50);
  const ScopeId host{ScopeKind::kHost, 1};
  const auto cpu_at = [&](int minute) {
    return keeper.Current(kDay, StartOf(kDay) + absl::Minutes(minute)).value().at(host).cpu_us;
  };
  const std::int64_t all = 31 * 6 * 500 * 10'000;
  EXPECT_EQ(cpu_at(10), all) << "rows are counted as far as they are there";
  EXPECT_EQ(cpu_at(31), all);
  EXPECT_EQ(cpu_at(600), all);
  EXPECT_EQ(cpu_at(600), all);
  LiveDay(kDay + 1, 50);
  EXPECT_EQ(keeper.Current(kDay + 1, StartOf(kDay + 2)).value().at(host).cpu_us, all);
}

}  // namespace
}  // namespace ppmm
