#include "agent/applications.h"

#include <ctime>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "agent/cgroup_stats.h"
#include "agent/process_extras.h"
#include "tests/testing/decoded_frames.h"
#include "tests/testing/fake_proc.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kStart = 1'700'000'001;

// A host of the test's making.
class ApplicationsTest : public ::testing::Test {
 protected:
  ApplicationsTest() {
    Make(absl::ZeroDuration());
    recorder_.BeginEpoch(1);
    frames_.TakeDictionary(recorder_.CompleteDictionary());
  }

  void Make(absl::Duration process_period) {
    ApplicationsInputs inputs;
    inputs.process_period = process_period;
    inputs.scan_processes = [this](std::vector<ProcessSample>* out) {
      ++scans_;
      *out = processes_;
      return scan_status_;
    };
    inputs.seed_sockets = [this] {
      ++seeds_;
      return socket_status_;
    };
    inputs.poll_listeners = [this](std::vector<ListenerSample>* out) {
      *out = listeners_;
      return socket_status_;
    };
    inputs.read_peers = [this](std::vector<PeerSample>* out) {
      *out = peers_;
      return absl::OkStatus();
    };
    inputs.take_calls = [this](std::vector<CallSample>* out) {
      *out = std::exchange(calls_, {});
      return absl::OkStatus();
    };
    inputs.identify = [this](std::int32_t pid) -> absl::StatusOr<ApplicationsInputs::Identified> {
      ++identifications_;
      cpu_time_ += identify_cost_;
      const auto found = identities_.find(pid);
      if (found == identities_.end()) {
        return absl::NotFoundError("it ended");
      }
      return found->second;
    };
    inputs.read_package_log = [this](absl::Time) { return std::exchange(installed_, {}); };
    inputs.cpu_time = [this] { return cpu_time_; };
    inputs.takes_response_times = true;
    inputs.proc = proc_.root() + "/proc";
    inputs.root = proc_.root();
    source_ = std::make_unique<ApplicationsSource>(std::move(inputs));
  }

  ProcessSample& AddProcess(std::int32_t pid, const std::string& application, bool old = true) {
    ProcessSample sample;
    sample.pid = pid;
    // Processes that are older than the agent started long ago, others in the future of its first scan.
    sample.start_ns = old ? 1000 : std::int64_t{1} << 62;
    sample.threads = 2;
    sample.rss_anon_bytes = 1000;
    sample.rss_file_bytes = 500;
    processes_.push_back(sample);
    ApplicationsInputs::Identified& identified = identities_[pid];
    identified.instance.set_name(application);
    identified.instance.set_version("1.0");
    identified.code = "/usr/sbin/" + application;
    return processes_.back();
  }
  ProcessSample& Process(std::int32_t pid) {
    return *std::find_if(processes_.begin(), processes_.end(), [pid](const auto& p) { return p.pid == pid; });
  }
  // One step; the values of it by "application metric".
  std::map<std::string, std::int64_t> Step() {
    ++now_;
    recorder_.BeginBatch(now_, {1, 1});
    recorder_.BeginStep(0);
    status_ = source_->Sample(absl::FromUnixSeconds(now_), recorder_);
    std::map<std::string, std::int64_t> values;
    if (const auto dictionary = recorder_.TakeDictionaryChanges()) {
      frames_.TakeDictionary(*dictionary);
    }
    for (const Recorder::Reading& reading : recorder_.OpenStep()) {
      const auto entity = frames_.entities().find(recorder_.WireId(reading.entity));
      if (entity != frames_.entities().end()) {
        absl::string_view name = reading.metric->name;
        name.remove_prefix(std::string("ppmm_instance_").size());
        values[absl::StrCat(entity->second.instance().name(), " ", name)] = reading.value;
      }
    }
    frames_.TakeBatch(recorder_.BuildBatch(1).frame);
    return values;
  }
  // Durations of a kind that the last step sent, of the only application that has any.
  Sketch TimesOf(const std::string& kind) {
    const auto found = frames_.sketches().find({"ppmm_instance_response_time_seconds{" + kind + "}", now_});
    return found == frames_.sketches().end() ? Sketch() : found->second;
  }
  void Call(std::int32_t pid, std::uint16_t port, std::uint64_t times) {
    CallSample& calls = calls_.emplace_back();
    calls.owner_pid = pid;
    calls.remote_address = *IpAddress::Parse("10.0.0.5");
    calls.port = port;
    calls.times.Add(1'000'000, times);
  }
  // Calls that the last step sent.
  std::uint64_t CallsTo(const std::string& remote) {
    const auto found = frames_.sketches().find({"ppmm_instance_call_time_seconds{" + remote + "}", now_});
    return found == frames_.sketches().end() ? 0 : found->second.count();
  }
  std::map<std::string, std::int64_t> StepTo(std::int64_t second_of_minute) {
    std::map<std::string, std::int64_t> values;
    do {
      values = Step();
    } while (now_ % 60 != second_of_minute);
    return values;
  }

  FakeProc proc_;
  std::vector<ProcessSample> processes_;
  std::vector<ListenerSample> listeners_;
  std::vector<PeerSample> peers_;
  std::vector<CallSample> calls_;
  std::map<std::int32_t, ApplicationsInputs::Identified> identities_;
  int seeds_ = 0;
  std::vector<PackageEvent> installed_;
  absl::Status scan_status_;
  absl::Status socket_status_;
  absl::Status status_;
  int identifications_ = 0;
  int scans_ = 0;
  absl::Duration cpu_time_;
  absl::Duration identify_cost_;
  std::unique_ptr<ApplicationsSource> source_;
  Recorder recorder_{Recorder::kMaxSeries, Recorder::Histograms::kEachStep};
  DecodedFrames frames_;
  std::int64_t now_ = kStart;
};

TEST_F(ApplicationsTest, SumsTheProcessesOfAnApplication) {
  AddProcess(10, "nginx").user_ns = 5'000'000'000;
  AddProcess(11, "nginx").system_ns = 1'000'000;
  EXPECT_EQ(Step().at("nginx cpu_seconds_total"), 0) << "what was used before the agent started is a baseline";
  Process(10).user_ns += 3'000'000;
  Process(11).system_ns += 4'000'000;
  Process(11).run_delay_ns += 9'000;
  const auto values = Step();
  EXPECT_EQ(values.at("nginx cpu_seconds_total"), 7000);
  EXPECT_EQ(values.at("nginx run_delay_seconds_total"), 9);
  EXPECT_EQ(values.at("nginx processes"), 2);
  EXPECT_EQ(values.at("nginx threads"), 4);
  EXPECT_EQ(values.at("nginx resident_memory_bytes"), 3000);
}

TEST_F(ApplicationsTest, CountsAYoungProcessFromItsStartOnceItIsIdentified) {
  Step();
  AddProcess(20, "checkout", /*old=*/false).user_ns = 2'000'000;
  EXPECT_FALSE(Step().contains("checkout cpu_seconds_total")) << "it may be gone in a moment";
  EXPECT_EQ(identifications_, 0);
  Process(20).user_ns += 1'000'000;
  std::int64_t total = 0;
  for (int i = 0; i < 6; ++i) {
    const auto values = Step();
    total += values.contains("checkout cpu_seconds_total") ? values.at("checkout cpu_seconds_total") : 0;
  }
  EXPECT_EQ(total, 3000);
}

TEST_F(ApplicationsTest, CountsShortLivedProcessesToOther) {
  Step();
  AddProcess(30, "true", /*old=*/false).user_ns = 4'000'000;
  Step();
  processes_.clear();
  EXPECT_EQ(Step().at("~other cpu_seconds_total"), 4000);
  EXPECT_EQ(identifications_, 0);
}

TEST_F(ApplicationsTest, WhatEndsBeforeItIsIdentifiedBelongsToWhoBeganIt) {
  AddProcess(10, "cgi");
  Step();
  AddProcess(11, "sh", /*old=*/false).user_ns = 4'000'000;
  Process(11).ppid = 10;
  AddProcess(12, "convert", /*old=*/false).user_ns = 3'000'000;
  Process(12).ppid = 11;
  EXPECT_EQ(Step().at("cgi cpu_seconds_total"), 0);
  processes_.resize(2);
  EXPECT_EQ(Step().at("cgi cpu_seconds_total"), 0) << "who began it has no name yet";
  processes_.resize(1);
  EXPECT_EQ(Step().at("cgi cpu_seconds_total"), 7000);
}

TEST_F(ApplicationsTest, WhatEndsTogetherWithItsParentBelongsToTheNextThatIsKnown) {
  AddProcess(10, "cgi");
  AddProcess(20, "cron");
  Step();
  AddProcess(11, "sh", /*old=*/false).user_ns = 4'000'000;
  Process(11).ppid = 10;
  AddProcess(12, "convert", /*old=*/false).user_ns = 3'000'000;
  Process(12).ppid = 11;
  AddProcess(21, "sh", /*old=*/false).user_ns = 5'000'000;
  Process(21).ppid = 20;
  Step();
  processes_.resize(1);
  auto values = Step();
  EXPECT_EQ(values.at("cgi cpu_seconds_total"), 7000);
  EXPECT_EQ(values.at("cron cpu_seconds_total"), 5000) << "it ended in the same moment";
  EXPECT_FALSE(values.contains("~other cpu_seconds_total"));
}

TEST_F(ApplicationsTest, ChargesTheCpuOfChildrenThatNobodySawToTheirParent) {
  AddProcess(10, "cgi").children_ns = 1'000'000;
  Step();
  Process(10).children_ns += 6'000'000;
  AddProcess(11, "cgi", /*old=*/false).children_ns = 2'000'000;
  EXPECT_EQ(Step().at("cgi cpu_seconds_total"), 6000);
  std::int64_t total = 0;
  for (int i = 0; i < 6; ++i) {
    total += Step().at("cgi cpu_seconds_total");
  }
  EXPECT_EQ(total, 2000) << "once it is identified";
}

TEST_F(ApplicationsTest, IdentifiesAListenerAtOnceAndCountsItsConnections) {
  Step();
  AddProcess(40, "redis", /*old=*/false);
  ListenerSample listener;
  listener.id = 1;
  listener.owner_pid = 40;
  listener.port = 6379;
  listener.accepted_total = 5;
  listener.bytes_in_total = 70;
  listener.open_connections = 3;
  listener.backlog = 2;
  listeners_.push_back(listener);
  auto values = Step();
  EXPECT_EQ(values.at("redis connections_accepted_total"), 5);
  listeners_[0].accepted_total = 8;
  listeners_[0].bytes_out_total = 11;
  values = Step();
  EXPECT_EQ(values.at("redis connections_accepted_total"), 3);
  EXPECT_EQ(values.at("redis network_transmit_bytes_total"), 11);
  EXPECT_EQ(values.at("redis connections_established"), 3);
  EXPECT_EQ(values.at("redis accept_queue_length"), 2);
  const std::vector<std::string> dictionary = recorder_.CompleteDictionary();
  frames_.TakeDictionary(dictionary);
  ASSERT_EQ(frames_.last_dictionary().listeners_size(), 1);
  EXPECT_EQ(frames_.last_dictionary().listeners(0).port(), 6379u);
}

TEST_F(ApplicationsTest, CallsBelongToTheApplicationThatMakesThem) {
  AddProcess(40, "checkout");
  Step();
  StepTo(30);
  Call(40, 5432, 3);
  Call(40, 5432, 1);
  Call(40, 6379, 2);
  calls_.back().unanswered = 7;
  calls_.back().pipelined = 1;
  const auto values = Step();
  EXPECT_EQ(CallsTo("10.0.0.5,5432"), 4u);
  EXPECT_EQ(CallsTo("10.0.0.5,6379"), 2u);
  EXPECT_EQ(values.at("checkout calls_unanswered_total"), 7);
  EXPECT_EQ(values.at("checkout call_connections_without_times_total"), 1);
  Step();
  EXPECT_EQ(CallsTo("10.0.0.5,5432"), 0u);
}

TEST_F(ApplicationsTest, CallsOfProcessesThatEndedUnidentifiedAreOfOther) {
  StepTo(30);
  AddProcess(41, "short", /*old=*/false);
  Call(41, 80, 2);  // before a scan saw it
  Step();
  EXPECT_EQ(CallsTo("10.0.0.5,80"), 0u) << "it waits";
  Call(41, 80, 3);
  Step();
  processes_.clear();
  Step();  // it may have called since the step before
  Step();
  EXPECT_EQ(CallsTo("10.0.0.5,80"), 5u);
  EXPECT_EQ(identifications_, 0);
}

TEST_F(ApplicationsTest, OfManyServicesTheFirstAreToldApart) {
  AddProcess(40, "crawler");
  StepTo(30);
  for (std::uint16_t port = 1; port <= 40; ++port) {
    Call(40, port, 1);
  }
  Step();
  EXPECT_EQ(CallsTo("10.0.0.5,32"), 1u);
  EXPECT_EQ(CallsTo("10.0.0.5,33"), 0u);
  EXPECT_EQ(CallsTo("~other,"), 8u);
}

TEST_F(ApplicationsTest, LooksForTheNextOwnerOfAListenerWithinFiveSeconds) {
  AddProcess(40, "nginx");
  ListenerSample listener;
  listener.id = 1;
  listener.owner_pid = 40;
  listener.listening = true;
  listeners_ = {listener};
  StepTo(31);
  const int seeds = seeds_;
  processes_.clear();
  AddProcess(41, "nginx");
  StepTo(36);
  EXPECT_EQ(seeds_, seeds + 1);
  StepTo(56);
  EXPECT_EQ(seeds_, seeds + 1) << "nobody known holds it";
}

TEST_F(ApplicationsTest, RequestsAndTheirTimesBelongToTheApplicationThatListens) {
  Step();
  AddProcess(40, "redis", /*old=*/false);
  ListenerSample listener;
  listener.id = 1;
  listener.owner_pid = 40;
  listeners_.push_back(listener);
  EXPECT_FALSE(Step().contains("redis requests_total")) << "nobody asked yet";
  listeners_[0].turns.begun = 7;
  listeners_[0].turns.answered = 4;
  listeners_[0].turns.unanswered = 1;
  listeners_[0].times.total.Add(1'000'000, 4);
  listeners_[0].times.wait.Add(400'000, 4);
  auto values = Step();
  EXPECT_EQ(values.at("redis requests_total"), 4);
  EXPECT_EQ(values.at("redis requests_unanswered_total"), 1);
  EXPECT_EQ(values.at("redis requests_in_flight"), 2);
  EXPECT_EQ(TimesOf("total").count(), 4u);
  EXPECT_EQ(TimesOf("wait").count(), 4u);
  EXPECT_EQ(TimesOf("service").count(), 0u);

  // A listener tells its totals, and what was measured since the last time.
  listeners_[0].turns.answered = 6;
  listeners_[0].times = {};
  listeners_[0].times.total.Add(2'000'000, 2);
  values = Step();
  EXPECT_EQ(values.at("redis requests_total"), 2);
  EXPECT_EQ(values.at("redis requests_in_flight"), 0);
  EXPECT_EQ(TimesOf("total").count(), 2u);
}

TEST_F(ApplicationsTest, RequestsInFlightThatDisagreeWithTheirTimesAreToldAsAFaultOfOurs) {
  Step();
  AddProcess(40, "redis", /*old=*/false);
  ListenerSample listener;
  listener.id = 1;
  listener.owner_pid = 40;
  listeners_.push_back(listener);
  std::map<std::string, std::int64_t> values;
  for (int i = 0; i < 180; ++i) {
    listeners_[0].turns.begun += 10;
    listeners_[0].turns.answered += 10;
    listeners_[0].turns.in_flight_ns += 1'000'000'000;
    listeners_[0].turns.owed_ns += 1'250'000'000;
    listeners_[0].aged_ns = 1'000'000'000;
    for (const auto& [name, value] : Step()) {
      values[name] = value;
    }
  }
  EXPECT_EQ(values.at("redis littles_law_deviation_ratio"), 2000) << "as the sockets show it, which comes last";
  EXPECT_EQ(values.at("redis littles_law_standard_error_ratio"), 0);
  frames_.TakeDictionary(recorder_.CompleteDictionary());
  int told = 0;
  for (const wire::SourceState& source : frames_.last_dictionary().sources()) {
    if (source.source() == "littles_law") {
      ++told;
      EXPECT_EQ(source.state(), wire::SourceState::FAILED);
      EXPECT_EQ(source.reason(), "requests in flight against their times: redis +20 %");
    }
  }
  EXPECT_EQ(told, 1);
}

TEST_F(ApplicationsTest, TimeInFlightIsToldByTheTimerAndByResponseTimesWhereATimerLooks) {
  Step();
  AddProcess(40, "redis", /*old=*/false);
  ListenerSample listener;
  listener.id = 1;
  listener.owner_pid = 40;
  listeners_.push_back(listener);
  listeners_[0].turns.begun = listeners_[0].turns.answered = 4;
  listeners_[0].times.total.Add(1'000'000, 4);
  EXPECT_FALSE(Step().contains("redis requests_in_flight_seconds_total")) << "no timer looked";

  listeners_[0].in_flight_known = true;
  listeners_[0].turns.in_flight_ns = 3'000'600;
  listeners_[0].turns.hidden_ns = 1'500'000;
  listeners_[0].turns.kept_ns = 1'000'000;
  listeners_[0].aged_ns = 4'000'400;
  auto values = Step();
  EXPECT_EQ(values.at("redis requests_in_flight_seconds_total"), 3500);
  EXPECT_EQ(values.at("redis requests_elapsed_seconds_total"), 4000);
  listeners_[0].turns.in_flight_ns += 400;
  listeners_[0].aged_ns = -1'000'000;
  values = Step();
  EXPECT_EQ(values.at("redis requests_in_flight_seconds_total"), 1) << "what was left";
  EXPECT_EQ(values.at("redis requests_elapsed_seconds_total"), 0) << "a counter does not fall";
  listeners_[0].aged_ns = 1'500'000;
  EXPECT_EQ(Step().at("redis requests_elapsed_seconds_total"), 500) << "but takes back what was told too early";
}

TEST_F(ApplicationsTest, TimesOfAListenerWhoseOwnerIsNotKnownYetWaitForIt) {
  Step();
  ListenerSample listener;
  listener.id = 1;
  listener.owner_pid = 40;
  listener.turns.begun = listener.turns.answered = 3;
  listener.times.total.Add(1'000'000, 3);
  listeners_.push_back(listener);
  Step();
  listeners_[0].times = {};
  AddProcess(40, "redis", /*old=*/false);
  EXPECT_EQ(Step().at("redis requests_total"), 3);
  EXPECT_EQ(TimesOf("total").count(), 3u);
}

TEST_F(ApplicationsTest, WhatFindsNoRoomIsOfOther) {
  Step();
  ListenerSample listener;
  listener.listening = false;
  listener.turns.begun = listener.turns.answered = 3;
  listener.times.total.Add(1'000'000, 3);
  listeners_.push_back(listener);
  EXPECT_EQ(Step().at("~other requests_total"), 3);
  EXPECT_EQ(TimesOf("total").count(), 3u);
}

TEST_F(ApplicationsTest, AProcessNumberThatIsUsedAgainIsAnotherProcess) {
  AddProcess(50, "first").user_ns = 9'000'000'000;
  Step();
  processes_.clear();
  AddProcess(50, "second", /*old=*/false).user_ns = 1'000'000;
  std::int64_t total = 0;
  for (int i = 0; i < 7; ++i) {
    const auto values = Step();
    total += values.contains("second cpu_seconds_total") ? values.at("second cpu_seconds_total") : 0;
  }
  EXPECT_EQ(total, 1000);
}

TEST_F(ApplicationsTest, TellsAReleaseWhenNewBytesRun) {
  AddProcess(60, "pricing");
  Step();
  processes_.clear();
  AddProcess(61, "pricing").start_ns = 2000;
  identities_[61].instance.set_version("1.1");
  Step();
  ASSERT_EQ(frames_.last_batch().releases_size(), 1);
  EXPECT_EQ(frames_.last_batch().releases(0).version(), "1.1");
  EXPECT_EQ(frames_.last_batch().releases(0).previous_version(), "1.0");
  AddProcess(62, "pricing").start_ns = 3000;
  identities_[62].instance.set_version("1.1");
  Step();
  EXPECT_EQ(frames_.last_batch().releases_size(), 0) << "the same bytes again";
}

TEST_F(ApplicationsTest, TellsThatAPackageOfWhatRunsWasInstalled) {
  AddProcess(60, "pricing");
  identities_[60].package = "pricing-server";
  AddProcess(61, "nginx");
  identities_[61].package = "nginx";
  std::vector<std::string> told;
  const auto live = [&](int steps) {
    for (int i = 0; i < steps; ++i) {
      Step();
      for (const wire::Deployment& deployment : frames_.last_batch().deployments()) {
        told.push_back(absl::StrCat(frames_.entities().at(deployment.entity()).instance().name(), " ",
                                    deployment.package(), " ", deployment.previous_version(), " to ",
                                    deployment.version(), " at ", deployment.at_us()));
      }
    }
  };
  live(10);
  installed_ = {{"pricing-server", "1.1", "1.0", absl::FromUnixSeconds(kStart)},
                {"vim", "9", "8", absl::FromUnixSeconds(kStart)},
                {"late", "2", "", absl::FromUnixSeconds(kStart)}};
  live(300);
  EXPECT_THAT(told, testing::ElementsAre("pricing pricing-server 1.0 to 1.1 at 1700000001000000")) << "once";
  AddProcess(62, "late-server");
  identities_[62].package = "late";
  live(10);
  ASSERT_EQ(told.size(), 2u) << "it was started after the installation";
  EXPECT_EQ(told[1], "late-server late  to 2 at 1700000001000000");
  live(600);
  AddProcess(63, "editor");
  identities_[63].package = "vim";
  live(10);
  EXPECT_EQ(told.size(), 2u) << "ten minutes are over";
}

TEST_F(ApplicationsTest, TellsAtMostSoManyDeploymentsABatch) {
  AddProcess(60, "pricing");
  identities_[60].package = "pricing-server";
  Step();
  for (int i = 0; i < 300; ++i) {
    installed_.push_back({"pricing-server", absl::StrCat(i), "", absl::FromUnixSeconds(kStart)});
  }
  std::vector<int> told;
  for (int i = 0; i < 15; ++i) {
    Step();
    if (frames_.last_batch().deployments_size() > 0) {
      told.push_back(frames_.last_batch().deployments_size());
    }
  }
  EXPECT_THAT(told, testing::ElementsAre(128, 128, 44));
}

TEST_F(ApplicationsTest, SaysWhatTheServerIsNotWhatWasLookedAtLast) {
  AddProcess(63, "shop");
  AddProcess(64, "shop");
  identities_[63].code = "/usr/bin/bash /srv/shop";
  identities_[63].code_in_file = false;
  identities_[63].instance.clear_version();
  identities_[64].code = "/srv/shop/server.js";
  Step();
  const auto version = [this] { return frames_.entities().at(2).instance().version(); };
  ASSERT_EQ(frames_.entities().at(2).instance().name(), "shop");
  EXPECT_EQ(version(), "1.0");
  for (std::int32_t pid = 65; pid < 70; ++pid) {
    AddProcess(pid, "shop").start_ns = pid;
    identities_[pid] = identities_[63];
    identities_[pid].code = absl::StrCat("/usr/bin/python", pid, " /srv/shop");
    Step();
    EXPECT_EQ(frames_.last_batch().releases_size(), 0);
    EXPECT_EQ(version(), "1.0");
  }
  AddProcess(70, "shop");
  identities_[70].code = "/usr/bin/proxy";
  identities_[70].instance.set_version("7");
  ListenerSample listener;
  listener.id = 1;
  listener.owner_pid = 70;
  listener.listening = true;
  listeners_ = {listener};
  Step();
  EXPECT_EQ(frames_.last_batch().releases_size(), 0);
  EXPECT_EQ(version(), "7") << "it serves";
}

TEST_F(ApplicationsTest, EndsAnInstanceAMinuteAfterItsLastProcess) {
  AddProcess(70, "batch");
  Step();
  processes_.clear();
  bool ended = false;
  for (int i = 0; i < 61 && !ended; ++i) {
    Step();
    ended = frames_.last_batch().ended_size() == 1;
    EXPECT_TRUE(i >= 58 || !ended) << "a restart within a minute is the same instance";
  }
  EXPECT_TRUE(ended);
}

TEST_F(ApplicationsTest, PutsWhatMayNotBeReadToOther) {
  AddProcess(80, "secret").user_ns = 1'000'000;
  identities_.clear();
  Step();
  Process(80).user_ns += 2'000'000;
  EXPECT_EQ(Step().at("~other cpu_seconds_total"), 2000);
}

TEST_F(ApplicationsTest, BoundsWhatIdentificationCosts) {
  identify_cost_ = absl::Seconds(1);
  for (std::int32_t pid = 200; pid < 206; ++pid) {
    AddProcess(pid, absl::StrCat("app", pid));
  }
  Step();
  EXPECT_EQ(identifications_, 1) << "what a step spends of the credit";
  for (int step = 0; step < 5; ++step) {
    Step();
  }
  EXPECT_EQ(identifications_, 4) << "the credit of the start, and the fourth is owed";
  for (int step = 0; step < 190; ++step) {
    Step();
  }
  EXPECT_EQ(identifications_, 4) << "5 ms a step";
  ListenerSample listener;
  listener.id = 1;
  listener.listening = true;
  for (listener.owner_pid = 200; listener.owner_pid < 206; ++listener.owner_pid) {
    ++listener.id;
    listeners_.push_back(listener);
  }
  Step();
  EXPECT_EQ(identifications_, 6) << "listeners do not wait";
}

TEST_F(ApplicationsTest, IdentifiesManyProcessesOfFewProgramsInAFewSteps) {
  identify_cost_ = absl::Microseconds(500);
  for (std::int32_t pid = 1000; pid < 4000; ++pid) {
    AddProcess(pid, absl::StrCat("app", pid % 40));
  }
  for (int step = 0; step < 10; ++step) {
    Step();
  }
  EXPECT_EQ(identifications_, 3000);
}

TEST_F(ApplicationsTest, CountsProcessesThatWaitAndSaysSoAfterAMinute) {
  StepTo(59);
  identify_cost_ = absl::Seconds(3);
  AddProcess(200, "first");
  StepTo(0);
  identify_cost_ = absl::Milliseconds(500);
  AddProcess(201, "second");
  AddProcess(202, "third");
  const auto waiting = [this](std::int64_t second) {
    StepTo(second);
    for (const Recorder::Reading& reading : recorder_.OpenStep()) {
      if (reading.metric->name == "ppmm_host_agent_processes_waiting") {
        return reading.value;
      }
    }
    return std::int64_t{-1};
  };
  EXPECT_EQ(waiting(10), 1) << "one was within what is left of the credit";
  EXPECT_TRUE(status_.ok()) << status_;
  StepTo(0);
  StepTo(2);
  EXPECT_THAT(status_.message(), HasSubstr("ppmm_host_agent_processes_waiting"));
  EXPECT_EQ(identifications_, 2);
  StepTo(0);
  EXPECT_EQ(identifications_, 3);
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_EQ(waiting(10), 0);
}

TEST_F(ApplicationsTest, BoundsTheInstances) {
  for (int pid = 1000; pid < 1000 + 520; ++pid) {
    AddProcess(pid, absl::StrCat("app", pid));
  }
  for (int i = 0; i < 40; ++i) {
    Step();
  }
  EXPECT_GT(source_->instances_refused(), 0u);
  EXPECT_EQ(Step().at("~other processes"), 20);
}

TEST_F(ApplicationsTest, GoesOnWithoutSockets) {
  socket_status_ = absl::NotFoundError("no BPF and no netlink");
  AddProcess(90, "nginx");
  const auto values = Step();
  EXPECT_TRUE(status_.ok());
  EXPECT_TRUE(values.contains("nginx cpu_seconds_total"));
  EXPECT_FALSE(values.contains("nginx connections_accepted_total"));
}

TEST_F(ApplicationsTest, ReportsAScanThatFailed) {
  scan_status_ = absl::UnavailableError("no");
  Step();
  EXPECT_EQ(status_.code(), absl::StatusCode::kUnavailable);
}

TEST_F(ApplicationsTest, SendsPeersOnceAMinute) {
  AddProcess(100, "checkout");
  PeerSample peer;
  peer.direction = PeerDirection::kOutbound;
  peer.owner_pid = 100;
  peer.remote_address = IpAddress::V4({10, 0, 0, 7});
  peer.port = 5432;
  peer.connections_total = 4;
  peer.bytes_out_total = 1000;
  peers_.push_back(peer);
  StepTo(0);
  ASSERT_EQ(frames_.last_batch().peers_size(), 1);
  EXPECT_EQ(frames_.last_batch().peers(0).address(), "10.0.0.7");
  EXPECT_EQ(frames_.last_batch().peers(0).connections(), 4u);
  peers_[0].connections_total = 6;
  StepTo(0);
  ASSERT_EQ(frames_.last_batch().peers_size(), 1);
  EXPECT_EQ(frames_.last_batch().peers(0).connections(), 2u);
  StepTo(0);
  EXPECT_EQ(frames_.last_batch().peers_size(), 0) << "nothing moved";
}

PeerSample CallOf(std::int32_t pid, std::uint64_t connections) {
  PeerSample peer;
  peer.direction = PeerDirection::kOutbound;
  peer.owner_pid = pid;
  peer.remote_address = IpAddress::V4({127, 0, 0, 1});
  peer.port = 80;
  peer.connections_total = connections;
  return peer;
}

TEST_F(ApplicationsTest, AddsUpTheCallsOfProcessesThatEndedBeforeTheyHadAName) {
  AddProcess(100, "nginx");
  peers_ = {CallOf(7001, 1), CallOf(7002, 1), CallOf(7003, 1), CallOf(100, 2)};
  peers_.push_back(CallOf(100, 5));
  peers_.back().direction = PeerDirection::kInbound;
  StepTo(0);
  std::map<std::string, std::uint32_t> told;
  for (const wire::Peer& peer : frames_.last_batch().peers()) {
    const auto entity = frames_.entities().find(peer.entity());
    told[absl::StrCat(peer.direction() == wire::Peer::INBOUND ? "to " : "by ",
                      entity == frames_.entities().end() ? "nobody known" : entity->second.instance().name())] =
        peer.connections();
  }
  EXPECT_THAT(told, ::testing::ElementsAre(::testing::Pair("by nginx", 2), ::testing::Pair("by nobody known", 3),
                                           ::testing::Pair("to nginx", 5)))
      << "who made a call and who took it are both told, so that a call of oneself is known as one";
}

TEST_F(ApplicationsTest, TellsACallOnceItIsKnownWhoseItIs) {
  StepTo(59);
  AddProcess(130, "checkout", /*old=*/false);
  peers_ = {CallOf(130, 4)};
  StepTo(0);
  EXPECT_EQ(frames_.last_batch().peers_size(), 0) << "the process is too young to have a name";
  StepTo(0);
  ASSERT_EQ(frames_.last_batch().peers_size(), 1);
  EXPECT_EQ(frames_.last_batch().peers(0).connections(), 4u);
  EXPECT_EQ(frames_.entities().at(frames_.last_batch().peers(0).entity()).instance().name(), "checkout");
}

TEST_F(ApplicationsTest, ReadsDescriptorsAndProportionalMemory) {
  AddProcess(110, "postgres");
  proc_.Write("/proc/110/limits", "Limit  Soft Hard Units\nMax open files            200   4096   files\n");
  proc_.Write("/proc/110/smaps_rollup", "55f0-7ffc ---p 00000000 00:00 0 [rollup]\nRss: 1 kB\nPss:   300 kB\n");
  proc_.Write("/proc/110/fd/0", "");
  const auto ten = StepTo(10);
  EXPECT_GT(ten.at("postgres open_fds"), 0);
  EXPECT_GT(ten.at("postgres fd_utilization_ratio"), 0);
  const auto minute = StepTo(0);
  EXPECT_EQ(minute.at("postgres proportional_memory_bytes"), 300 * 1024);
  EXPECT_EQ(minute.at("postgres proportional_memory_estimated"), 0);
}

TEST_F(ApplicationsTest, ReadsProportionalMemoryAgainSoonerWhenTheProcessGrew) {
  AddProcess(111, "steady");
  AddProcess(112, "grows");
  const auto write = [this](int kib) {
    for (const char* pid : {"111", "112"}) {
      proc_.Write(absl::StrCat("/proc/", pid, "/smaps_rollup"), absl::StrCat("Rss: 1 kB\nPss: ", kib, " kB\n"));
    }
  };
  write(300);
  StepTo(0);
  write(400);
  Process(112).rss_anon_bytes += 100 * 1024;
  StepTo(1);
  const auto second = StepTo(0);
  EXPECT_EQ(second.at("grows proportional_memory_bytes"), 400 * 1024);
  EXPECT_EQ(second.at("steady proportional_memory_bytes"), 300 * 1024);
  for (int minute = 0; minute < 3; ++minute) {
    StepTo(1);
    EXPECT_EQ(StepTo(0).at("steady proportional_memory_estimated"), 0);
  }
  EXPECT_EQ(Step().count("steady proportional_memory_bytes"), 0u);
  EXPECT_EQ(StepTo(0).at("steady proportional_memory_bytes"), 400 * 1024) << "who shares its pages may have changed";
}

TEST_F(ApplicationsTest, ReadsProcessesAtTheirPeriodAndSocketsEachStep) {
  Make(absl::Seconds(10));
  AddProcess(130, "slow");
  ListenerSample listener;
  listener.id = 1;
  listener.owner_pid = 130;
  listener.listening = true;
  listeners_ = {listener};
  EXPECT_EQ(Step().at("slow processes"), 1) << "the first step sees what runs";
  StepTo(5);
  Process(130).user_ns += 5'000'000;
  listeners_[0].accepted_total = 3;
  const int scans = scans_;
  const auto between = Step();
  EXPECT_EQ(between.at("slow connections_accepted_total"), 3);
  EXPECT_EQ(between.count("slow cpu_seconds_total"), 0u);
  EXPECT_EQ(scans_, scans);
  const auto ten = StepTo(10);
  EXPECT_EQ(scans_, scans + 1);
  EXPECT_EQ(ten.at("slow cpu_seconds_total"), 5000);
  EXPECT_EQ(ten.at("slow processes"), 1);
}

TEST_F(ApplicationsTest, EndsNothingBetweenScansWhenTheClockJumps) {
  Make(absl::Seconds(10));
  AddProcess(132, "steady");
  StepTo(10);
  now_ += 3600;
  Step();
  EXPECT_EQ(frames_.last_batch().ended_size(), 0) << "nobody looked whether it runs";
  EXPECT_EQ(StepTo(20).at("steady processes"), 1);
  EXPECT_EQ(frames_.last_batch().ended_size(), 0);
}

TEST_F(ApplicationsTest, KeepsWhatAProcessUsedBeforeItWasIdentifiedBetweenScans) {
  Make(absl::Seconds(10));
  Step();
  StepTo(9);
  AddProcess(131, "young", /*old=*/false).user_ns = 7'000'000;
  EXPECT_EQ(StepTo(10).count("young cpu_seconds_total"), 0u) << "not settled yet";
  EXPECT_EQ(StepTo(20).at("young cpu_seconds_total"), 7000);
}

TEST_F(ApplicationsTest, EstimatesProportionalMemoryThatCannotBeRead) {
  AddProcess(120, "opaque");
  const auto minute = StepTo(0);
  EXPECT_EQ(minute.at("opaque proportional_memory_bytes"), 1500);
  EXPECT_EQ(minute.at("opaque proportional_memory_estimated"), 1);
}

TEST_F(ApplicationsTest, CountsTheIoOfTheControlGroup) {
  const std::string stat = "/sys/fs/cgroup/db.service/io.stat";
  proc_.Write(stat, "");
  AddProcess(120, "postgres");
  identities_[120].cgroup_text = "0::/db.service\n";
  StepTo(10);
  proc_.Write(stat, "8:0 rbytes=100 wbytes=10 rios=4 wios=2 dbytes=0 dios=0\n");
  EXPECT_EQ(StepTo(20).count("postgres cgroup_io_read_bytes_total"), 0u) << "the baseline";
  proc_.Write(stat,
              "8:0 rbytes=150 wbytes=30 rios=6 wios=3 dbytes=0 dios=0\n"
              "8:16 rbytes=1000 wbytes=5 rios=1 wios=1 dbytes=0 dios=0\n");
  const auto risen = StepTo(30);
  EXPECT_EQ(risen.at("postgres cgroup_io_read_bytes_total"), 1050);
  EXPECT_EQ(risen.at("postgres cgroup_io_written_bytes_total"), 25);
  EXPECT_EQ(risen.at("postgres cgroup_io_reads_total"), 3);
  EXPECT_EQ(risen.at("postgres cgroup_io_writes_total"), 2);
  proc_.Write(stat, "8:0 rbytes=160 wbytes=31 rios=6 wios=3 dbytes=0 dios=0\n");
  EXPECT_EQ(StepTo(40).count("postgres cgroup_io_read_bytes_total"), 0u) << "a device went";
  proc_.Write(stat, "8:0 rbytes=167 wbytes=31 rios=6 wios=3 dbytes=0 dios=0\n");
  const auto after = StepTo(50);
  EXPECT_EQ(after.at("postgres cgroup_io_read_bytes_total"), 7);
  EXPECT_EQ(after.at("postgres cgroup_io_written_bytes_total"), 0);
}

TEST_F(ApplicationsTest, HasNoSeriesOfIoWhereTheControlGroupHasNone) {
  proc_.Write("/sys/fs/cgroup/idle.service/io.stat", "");
  AddProcess(120, "idle");
  identities_[120].cgroup_text = "0::/idle.service\n";
  AddProcess(121, "nofile");
  identities_[121].cgroup_text = "0::/nofile.service\n";
  StepTo(10);
  const std::size_t series = recorder_.series_count();
  StepTo(20);
  EXPECT_EQ(recorder_.series_count(), series);
  proc_.Write("/sys/fs/cgroup/idle.service/io.stat", "8:0 rbytes=1 wbytes=1 rios=1 wios=1 dbytes=0 dios=0\n");
  StepTo(30);
  EXPECT_EQ(recorder_.series_count(), series + 4);
}

TEST(ProcessExtrasTest, NamesWhatItCannotRead) {
  EXPECT_EQ(*ParseOpenFilesLimit("Max open files   unlimited unlimited files\n"), std::uint64_t{INT64_MAX});
  EXPECT_THAT(ParseOpenFilesLimit("").status().message(), HasSubstr("no line \"Max open files\""));
  EXPECT_THAT(ParseOpenFilesLimit("Max open files many\n").status().message(), HasSubstr("\"many\""));
  EXPECT_THAT(ParseProportionalMemory("Rss: 1 kB\n").status().message(), HasSubstr("no line \"Pss:\""));
}

TEST(CgroupStatsTest, ReadsV2) {
  FakeProc root;
  root.Write("/sys/fs/cgroup/system.slice/a.service/cpu.stat", "usage_usec 9\nnr_throttled 3\nthrottled_usec 4500\n");
  root.Write("/sys/fs/cgroup/system.slice/a.service/memory.current", "4096\n");
  root.Write("/sys/fs/cgroup/system.slice/a.service/memory.max", "max\n");
  const CgroupStats stats = CgroupReader(root.root(), "0::/system.slice/a.service\n").Read();
  EXPECT_EQ(stats.throttled_periods, 3u);
  EXPECT_EQ(stats.throttled_us, 4500u);
  EXPECT_EQ(stats.memory_bytes, 4096u);
  EXPECT_FALSE(stats.memory_limit_bytes.has_value()) << "no limit";
}

TEST(CgroupStatsTest, ReadsV1AndPrefersItWhereBothAreMounted) {
  FakeProc root;
  root.Write("/sys/fs/cgroup/cpu,cpuacct/b/cpu.stat", "nr_periods 9\nnr_throttled 2\nthrottled_time 7000\n");
  root.Write("/sys/fs/cgroup/memory/b/memory.usage_in_bytes", "8192\n");
  root.Write("/sys/fs/cgroup/memory/b/memory.limit_in_bytes", "9223372036854771712\n");
  const CgroupStats stats = CgroupReader(root.root(), "5:memory:/b\n4:cpu,cpuacct:/b\n0::/b\n").Read();
  EXPECT_EQ(stats.throttled_us, 7u);
  EXPECT_EQ(stats.memory_bytes, 8192u);
  EXPECT_FALSE(stats.memory_limit_bytes.has_value());
}

TEST(CgroupStatsTest, LeavesOutAGroupThatOthersShare) {
  FakeProc root;
  root.Write("/sys/fs/cgroup/memory/all/memory.usage_in_bytes", "8192\n");
  root.Write("/sys/fs/cgroup/cpu/cpu.stat", "nr_throttled 2\n");
  const std::string text = "5:memory:/all\n4:cpu:/\n1:name=systemd:/\n";
  EXPECT_FALSE(CgroupReader(root.root(), text + "0::/all/a.service\n").Read().memory_bytes.has_value());
  const CgroupStats alone = CgroupReader(root.root(), text).Read();
  EXPECT_EQ(alone.memory_bytes, 8192u) << "the only group that is named";
  EXPECT_FALSE(alone.throttled_periods.has_value()) << "the root is the whole host";
}

TEST(CgroupStatsTest, LooksForAnAbsentFileNowAndThen) {
  FakeProc root;
  CgroupReader reader(root.root(), "0::/b\n");
  EXPECT_FALSE(reader.Read().memory_bytes.has_value());
  root.Write("/sys/fs/cgroup/b/memory.current", "4096\n");
  EXPECT_FALSE(reader.Read().memory_bytes.has_value());
  for (int i = 0; i < 28; ++i) {
    reader.Read();
  }
  EXPECT_EQ(reader.Read().memory_bytes, 4096u);
}

TEST(CgroupStatsTest, SumsIoOfV2OverDevices) {
  FakeProc root;
  root.Write("/sys/fs/cgroup/b/io.stat",
             "8:0 rbytes=100 wbytes=20 rios=3 wios=2 dbytes=7 dios=1\n"
             "253:0 8:16 rbytes=1000 wbytes=200 rios=30 wios=20 dbytes=70 dios=10\n");
  const CgroupStats stats = CgroupReader(root.root(), "0::/b\n").Read();
  EXPECT_EQ(stats.io_read_bytes, 1100u);
  EXPECT_EQ(stats.io_written_bytes, 220u);
  EXPECT_EQ(stats.io_reads, 33u);
  EXPECT_EQ(stats.io_writes, 22u);
}

TEST(CgroupStatsTest, SumsIoOfV1OverDevicesAndPrefersItWhereBothAreMounted) {
  FakeProc root;
  root.Write("/sys/fs/cgroup/unified/b/io.stat", "8:0 rbytes=9 wbytes=9 rios=9 wios=9\n");
  root.Write("/sys/fs/cgroup/blkio/b/blkio.throttle.io_service_bytes",
             "8:0 Read 100\n8:0 Write 20\n8:0 Sync 120\n8:0 Async 0\n8:0 Total 120\n"
             "8:16 Read 1000\n8:16 Write 200\n8:16 Total 1200\nTotal 1320\n");
  root.Write("/sys/fs/cgroup/blkio/b/blkio.throttle.io_service_bytes_recursive", "8:0 Read 5\n8:0 Write 5\n");
  root.Write("/sys/fs/cgroup/blkio/b/blkio.throttle.io_serviced_recursive", "8:0 Read 3\n8:0 Write 2\nTotal 5\n");
  CgroupReader reader(root.root(), "6:blkio:/b\n0::/b\n");
  for (int i = 0; i < 2; ++i) {
    const CgroupStats stats = reader.Read();
    EXPECT_EQ(stats.io_read_bytes, 1100u);
    EXPECT_EQ(stats.io_written_bytes, 220u);
    EXPECT_EQ(stats.io_reads, 3u) << "in the place of the file that is absent";
    EXPECT_EQ(stats.io_writes, 2u);
  }
}

TEST(CgroupStatsTest, LeavesOutLinesOfIoThatAreMalformed) {
  FakeProc root;
  root.Write("/sys/fs/cgroup/b/io.stat", "8:0 rbytes=-1 wbytes=x rios= wios\n\nrubbish\n8:16 rbytes=5 =7 rios=1\n8:32");
  const CgroupStats v2 = CgroupReader(root.root(), "0::/b\n").Read();
  EXPECT_EQ(v2.io_read_bytes, 5u);
  EXPECT_EQ(v2.io_reads, 1u);
  EXPECT_FALSE(v2.io_written_bytes.has_value());
  EXPECT_FALSE(v2.io_writes.has_value());
  root.Write("/sys/fs/cgroup/blkio/c/blkio.throttle.io_service_bytes",
             "8:0\n8:0 Read\n8:0 Read x\nRead 4\n\n8:0 Read 6\nTotal 6\n");
  const CgroupStats v1 = CgroupReader(root.root(), "6:blkio:/c\n").Read();
  EXPECT_EQ(v1.io_read_bytes, 6u);
  EXPECT_FALSE(v1.io_written_bytes.has_value());
}

TEST(CgroupStatsTest, KnowsNoIoWithoutLinesNorOfTheRoot) {
  FakeProc root;
  root.Write("/sys/fs/cgroup/b/io.stat", "");
  root.Write("/sys/fs/cgroup/io.stat", "8:0 rbytes=9 wbytes=9 rios=9 wios=9\n");
  root.Write("/sys/fs/cgroup/blkio/c/blkio.throttle.io_serviced", "Total 0\n");
  EXPECT_FALSE(CgroupReader(root.root(), "0::/b\n").Read().io_read_bytes.has_value());
  EXPECT_FALSE(CgroupReader(root.root(), "6:blkio:/c\n").Read().io_reads.has_value());
  EXPECT_FALSE(CgroupReader(root.root(), "0::/\n").Read().io_read_bytes.has_value()) << "the root is the whole host";
}

TEST(CgroupStatsTest, KnowsNothingOfAGroupThatIsGone) {
  FakeProc root;
  const CgroupStats stats = CgroupReader(root.root(), "0::/gone\nrubbish\n3:cpu:/../../etc\n").Read();
  EXPECT_FALSE(stats.throttled_us.has_value());
  EXPECT_FALSE(stats.memory_bytes.has_value());
  EXPECT_FALSE(stats.io_read_bytes.has_value());
  EXPECT_FALSE(stats.io_writes.has_value());
}

}  // namespace
}  // namespace ppmm
