#include "agent/recorder.h"

#include "gtest/gtest.h"

#include "tests/testing/decoded_frames.h"

namespace ppmm {
namespace {

constexpr std::int64_t kT0 = 1'700'000'000;

class RecorderTest : public ::testing::Test {
 protected:
  RecorderTest() { recorder_.BeginEpoch(7); }

  SeriesHandle Forks() { return recorder_.AddSeries(recorder_.host(), MetricNamed("ppmm_host_forks_total")); }
  SeriesHandle Running() { return recorder_.AddSeries(recorder_.host(), MetricNamed("ppmm_host_procs_running")); }

  // Ends the batch and reads it back.
  auto Send(std::uint32_t steps) {
    if (const auto dictionary = recorder_.TakeDictionaryChanges()) {
      frames_.TakeDictionary(*dictionary);
    }
    built_ = recorder_.BuildBatch(steps);
    return frames_.TakeBatch(built_.frame);
  }

  Recorder recorder_{Recorder::kMaxSeries, Recorder::Histograms::kEachStep};
  DecodedFrames frames_;
  Recorder::BuiltBatch built_;
};

TEST_F(RecorderTest, SendsGaugesAsTheyAreAndCountersAsIncrementsAfterABaseline) {
  const SeriesHandle forks = Forks();
  const SeriesHandle running = Running();
  recorder_.BeginBatch(kT0, {1, 3});
  for (std::uint32_t step = 0; step < 3; ++step) {
    recorder_.BeginStep(step);
    recorder_.Counter(forks, 100 + 10 * step);
    recorder_.Gauge(running, 5 - static_cast<int>(step));
  }
  const auto values = Send(3);
  EXPECT_EQ(values.size(), 5u) << "the first reading of the counter gives no sample";
  EXPECT_EQ(built_.samples, 5u);
  EXPECT_EQ(values.at({"ppmm_host_forks_total{}", kT0 + 1}), 10);
  EXPECT_EQ(values.at({"ppmm_host_forks_total{}", kT0 + 2}), 10);
  EXPECT_EQ(values.at({"ppmm_host_procs_running{}", kT0 + 2}), 3);
}

TEST_F(RecorderTest, SendsTheDurationsOfEachStepAndNothingWhereThereWereNone) {
  const Metric& metric = MetricNamed("ppmm_instance_response_time_seconds");
  const EntityHandle instance = recorder_.AddInstance({}, absl::FromUnixSeconds(kT0));
  const SeriesHandle total = recorder_.AddSeries(instance, metric, {"total"});
  const SeriesHandle wait = recorder_.AddSeries(instance, metric, {"wait"});
  const std::string name = "ppmm_instance_response_time_seconds{total}";
  Sketch once;
  once.Add(1'000'000);
  Sketch twice;
  twice.Add(2'000'000, 2);
  for (int batch = 0; batch < 2; ++batch) {
    recorder_.BeginBatch(kT0 + 3 * batch, {1, 3});
    recorder_.BeginStep(0);
    recorder_.Histogram(total, once);
    recorder_.Histogram(total, twice);
    recorder_.Histogram(wait, {});
    recorder_.BeginStep(2);
    recorder_.Histogram(total, once);
    EXPECT_TRUE(Send(3).empty());
    EXPECT_EQ(built_.samples, 2u);
    Sketch merged = once;
    merged.Merge(twice);
    const auto& sketches = frames_.sketches();
    ASSERT_EQ(sketches.size(), 2u);
    EXPECT_EQ(sketches.at({name, kT0 + 3 * batch}), merged);
    EXPECT_EQ(sketches.at({name, kT0 + 3 * batch + 2}), once) << "nothing is left of the batch before";
  }
}

TEST_F(RecorderTest, HoldsDurationsForTheLastStepOfTheirPeriod) {
  constexpr std::int64_t kBegin = kT0 / 10 * 10;
  const std::string name = "ppmm_instance_response_time_seconds{total}";
  Recorder recorder;
  const EntityHandle instance = recorder.AddInstance({}, absl::FromUnixSeconds(kBegin));
  const SeriesHandle total =
      recorder.AddSeries(instance, MetricNamed("ppmm_instance_response_time_seconds"), {"total"});
  DecodedFrames frames;
  const auto step = [&](std::int64_t second, std::uint64_t durations, bool ends = false) {
    recorder.BeginBatch(kBegin + second, {1, 1});
    recorder.BeginStep(0);
    Sketch sketch;
    sketch.Add(1'000'000, durations);
    recorder.Histogram(total, durations > 0 ? sketch : Sketch());
    if (ends) {
      recorder.RemoveSeries(total);
    }
    if (const auto dictionary = recorder.TakeDictionaryChanges()) {
      frames.TakeDictionary(*dictionary);
    }
    frames.TakeBatch(recorder.BuildBatch(1).frame);
    const auto found = frames.sketches().find({name, kBegin + second});
    return found == frames.sketches().end() ? std::uint64_t{0} : found->second.count();
  };
  EXPECT_EQ(step(0, 1), 0u);
  EXPECT_EQ(step(8, 2), 0u);
  EXPECT_EQ(step(9, 4), 7u) << "the last second of the period tells of all";
  EXPECT_EQ(step(13, 8), 0u);
  EXPECT_EQ(step(19, 0), 8u) << "also if there was nothing in it";
  EXPECT_EQ(step(22, 16), 0u);
  EXPECT_EQ(step(31, 32), 16u) << "or if that second was missed";
  EXPECT_EQ(step(33, 64, /*ends=*/true), 96u) << "the end of a series does not wait";
  EXPECT_FALSE(recorder.ReleaseHistograms());
}

TEST_F(RecorderTest, CountsProducedSamplesOfTheEpochAndOfAll) {
  const SeriesHandle running = Running();
  for (int batch = 0; batch < 3; ++batch) {
    recorder_.BeginBatch(kT0 + batch, {1, 1});
    recorder_.BeginStep(0);
    recorder_.Gauge(running, 1);
    Send(1);
    EXPECT_EQ(frames_.last_batch().seq(), static_cast<std::uint64_t>(batch + 1));
  }
  EXPECT_EQ(frames_.last_batch().produced(), 3u);
  recorder_.BeginEpoch(8);
  recorder_.BeginBatch(kT0 + 9, {1, 1});
  frames_.TakeDictionary(recorder_.CompleteDictionary());
  recorder_.Gauge(running, 1);
  Send(1);
  EXPECT_EQ(frames_.last_batch().seq(), 1u);
  EXPECT_EQ(frames_.last_batch().produced(), 1u);
  EXPECT_EQ(recorder_.produced_total(), 4u);
}

TEST_F(RecorderTest, ARemovedSeriesKeepsWhatItSaidInTheOpenBatch) {
  const SeriesHandle running = Running();
  recorder_.BeginBatch(kT0, {1, 1});
  recorder_.Gauge(running, 4);
  Send(1);
  recorder_.BeginBatch(kT0 + 1, {1, 2});
  recorder_.Gauge(running, 6);
  recorder_.RemoveSeries(running);
  recorder_.BeginStep(1);
  recorder_.Gauge(running, 9);  // nothing hears it any more
  const auto values = Send(2);
  EXPECT_EQ(values.size(), 1u);
  EXPECT_EQ(values.at({"ppmm_host_procs_running{}", kT0 + 1}), 6);
  recorder_.BeginBatch(kT0 + 3, {1, 1});
  EXPECT_TRUE(Send(1).empty());
}

TEST_F(RecorderTest, NeverGivesAnIdTwiceInAnEpoch) {
  std::set<std::uint32_t> ids;
  for (int round = 0; round < 5; ++round) {
    recorder_.BeginBatch(kT0 + round, {1, 1});
    const SeriesHandle series = Running();
    recorder_.Gauge(series, round);
    Send(1);
    EXPECT_TRUE(ids.insert(frames_.last_dictionary().series(0).id()).second);
    recorder_.RemoveSeries(series);
  }
}

TEST_F(RecorderTest, ASeriesThatCameAndWentWithinABatchIsNotSent) {
  recorder_.BeginBatch(kT0, {1, 1});
  const SeriesHandle series = Running();
  recorder_.Gauge(series, 1);
  recorder_.RemoveSeries(series);
  EXPECT_TRUE(Send(1).empty());
}

TEST_F(RecorderTest, RefusesMoreSeriesThanItsBoundAndCountsThem) {
  Recorder small(2);
  EXPECT_NE(small.AddSeries(small.host(), MetricNamed("ppmm_host_forks_total")), 0u);
  EXPECT_NE(small.AddSeries(small.host(), MetricNamed("ppmm_host_load1")), 0u);
  const SeriesHandle refused = small.AddSeries(small.host(), MetricNamed("ppmm_host_load5"));
  EXPECT_EQ(refused, 0u);
  EXPECT_EQ(small.series_refused(), 1u);
  small.Gauge(refused, 1);  // does nothing
}

TEST_F(RecorderTest, TellsWhatAMinuteIsExpectedToBring) {
  recorder_.AddSeries(recorder_.host(), MetricNamed("ppmm_host_cpu_seconds_total"), {"0", "user"});
  recorder_.AddSeries(recorder_.host(), MetricNamed("ppmm_host_cpu_seconds_total"), {"0", "idle"});
  recorder_.AddSeries(recorder_.host(), MetricNamed("ppmm_host_disk_io_time_seconds_total"), {"sda"});
  Running();
  recorder_.BeginBatch(kT0, {10, 1});
  Send(1);
  ASSERT_EQ(frames_.last_batch().expected_size(), 2);
  EXPECT_EQ(frames_.last_batch().expected(0).resource(), wire::RESOURCE_CPU);
  EXPECT_EQ(frames_.last_batch().expected(0).samples_per_minute(), 12u);
  EXPECT_EQ(frames_.last_batch().expected(1).samples_per_minute(), 6u);
}

TEST_F(RecorderTest, EndsAnInstanceWithItsSeries) {
  wire::Instance nginx;
  nginx.set_name("nginx");
  const EntityHandle instance = recorder_.AddInstance(nginx, absl::FromUnixSeconds(kT0));
  const SeriesHandle cpu = recorder_.AddSeries(instance, MetricNamed("ppmm_instance_cpu_seconds_total"));
  recorder_.BeginBatch(kT0, {1, 1});
  recorder_.Increment(cpu, 3);
  recorder_.Increment(cpu, 4);
  EXPECT_EQ(Send(1).at({"ppmm_instance_cpu_seconds_total{}", kT0}), 7);
  const std::uint32_t id = recorder_.WireId(instance);
  EXPECT_EQ(frames_.entities().at(id).instance().name(), "nginx");

  recorder_.BeginBatch(kT0 + 1, {1, 1});
  recorder_.EndInstance(instance, absl::FromUnixSeconds(kT0 + 1));
  Send(1);
  ASSERT_EQ(frames_.last_batch().ended_size(), 1);
  EXPECT_EQ(frames_.last_batch().ended(0).entity(), id);
  EXPECT_EQ(recorder_.series_count(), 0u);
}

TEST_F(RecorderTest, TheCompleteDictionaryNamesWhatEndsInTheOpenBatch) {
  wire::Instance nginx;
  nginx.set_name("nginx");
  const EntityHandle instance = recorder_.AddInstance(nginx, absl::FromUnixSeconds(kT0));
  const SeriesHandle cpu = recorder_.AddSeries(instance, MetricNamed("ppmm_instance_cpu_seconds_total"));
  recorder_.BeginEpoch(8);
  recorder_.BeginBatch(kT0, {1, 1});
  recorder_.Increment(cpu, 3);
  recorder_.EndInstance(instance, absl::FromUnixSeconds(kT0));
  wire::Instance apache;
  apache.set_name("apache");
  recorder_.AddInstance(apache, absl::FromUnixSeconds(kT0));
  recorder_.TakeDictionaryChanges();
  built_ = recorder_.BuildBatch(1);
  frames_.TakeDictionary(recorder_.CompleteDictionary());  // as the first batch of an epoch begins its segment
  EXPECT_EQ(frames_.TakeBatch(built_.frame).at({"ppmm_instance_cpu_seconds_total{}", kT0}), 3);
  ASSERT_EQ(frames_.last_batch().ended_size(), 1);
  const std::uint32_t id = frames_.last_batch().ended(0).entity();
  EXPECT_EQ(frames_.entities().at(id).instance().name(), "nginx") << "its slot is not given away before";
  EXPECT_EQ(frames_.last_dictionary().series(0).entity(), id);

  recorder_.BeginBatch(kT0 + 1, {1, 1});
  frames_.TakeDictionary(recorder_.CompleteDictionary());
  EXPECT_EQ(frames_.last_dictionary().series_size(), 0);
  EXPECT_EQ(frames_.last_dictionary().entities_size(), 2) << "the host and apache";
}

TEST_F(RecorderTest, AnInstanceThatCameAndWentWithinABatchIsNotSent) {
  recorder_.BeginBatch(kT0, {1, 1});
  wire::Instance brief;
  brief.set_name("brief");
  recorder_.EndInstance(recorder_.AddInstance(brief, absl::FromUnixSeconds(kT0)), absl::FromUnixSeconds(kT0));
  Send(1);
  EXPECT_EQ(frames_.last_batch().ended_size(), 0);
  EXPECT_EQ(recorder_.CompleteDictionary().size(), 1u);
  frames_.TakeDictionary(recorder_.CompleteDictionary());
  EXPECT_EQ(frames_.last_dictionary().entities_size(), 1) << "the host";
}

TEST_F(RecorderTest, SendsAChangeOnce) {
  recorder_.BeginBatch(kT0, {1, 1});
  recorder_.SetSource("cpu", wire::SourceState::OK, "");
  EXPECT_TRUE(recorder_.TakeDictionaryChanges().has_value());
  recorder_.SetSource("cpu", wire::SourceState::OK, "");
  EXPECT_FALSE(recorder_.TakeDictionaryChanges().has_value());
  recorder_.SetSource("cpu", wire::SourceState::FAILED, "why");
  EXPECT_TRUE(recorder_.TakeDictionaryChanges().has_value());
}

TEST_F(RecorderTest, TheCompleteDictionaryHoldsAllThatIsInForce) {
  wire::Instance nginx;
  nginx.set_name("nginx");
  const EntityHandle instance = recorder_.AddInstance(nginx, absl::FromUnixSeconds(kT0));
  recorder_.AddSeries(instance, MetricNamed("ppmm_instance_cpu_seconds_total"));
  Forks();
  wire::Listener listener;
  listener.set_entity(instance);
  listener.set_port(80);
  recorder_.SetListeners({listener});
  recorder_.SetSource("cpu", wire::SourceState::OK, "");
  recorder_.BeginEpoch(9);
  frames_.TakeDictionary(recorder_.CompleteDictionary());
  EXPECT_TRUE(frames_.last_dictionary().complete());
  EXPECT_EQ(frames_.last_dictionary().epoch(), 9u);
  EXPECT_EQ(frames_.last_dictionary().series_size(), 2);
  EXPECT_EQ(frames_.last_dictionary().entities_size(), 2) << "the host and nginx";
  ASSERT_EQ(frames_.last_dictionary().listeners_size(), 1);
  EXPECT_EQ(frames_.last_dictionary().listeners(0).entity(), recorder_.WireId(instance));
}

TEST_F(RecorderTest, KeepsAtMostAThousandPeersABatch) {
  recorder_.BeginBatch(kT0, {1, 1});
  for (int i = 0; i < 1005; ++i) {
    recorder_.AddPeer(wire::Peer());
  }
  Send(1);
  EXPECT_EQ(frames_.last_batch().peers_size(), 1000);
  EXPECT_EQ(recorder_.peers_dropped(), 5u);
}

}  // namespace
}  // namespace ppmm
