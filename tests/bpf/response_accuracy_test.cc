// The agent's histograms beside what a server of known delays wrote down, with bounds that hold however busy the
// machine is: each hook runs between two moments that server or client know.
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/open_loop.h"
#include "tests/testing/timed_server.h"
#include "tests/testing/turn_observer.h"

namespace ppmm {
namespace {

constexpr double kSketchError = 0.011;

std::vector<std::int64_t> Lognormal(std::size_t count, double median_ns) {
  std::mt19937_64 random(5);
  std::lognormal_distribution<double> draw(std::log(median_ns), 1);
  std::vector<std::int64_t> delays(count);
  std::generate(delays.begin(), delays.end(), [&] { return static_cast<std::int64_t>(draw(random)); });
  return delays;
}

double QuantileNs(std::vector<std::int64_t> values, double q) {
  const auto rank = static_cast<std::ptrdiff_t>(std::ceil(q * static_cast<double>(values.size()))) - 1;
  std::nth_element(values.begin(), values.begin() + rank, values.end());
  return static_cast<double>(values[static_cast<std::size_t>(rank)]);
}

template <class Records, class Condition>
std::uint64_t CountIf(const Records& records, Condition condition) {
  return static_cast<std::uint64_t>(std::count_if(records.begin(), records.end(), condition));
}

// Each quantile lies between those of the shortest and the longest times that are possible.
void ExpectBetween(const Sketch& sketch, const std::vector<std::int64_t>& shortest,
                   const std::vector<std::int64_t>& longest) {
  ASSERT_EQ(sketch.count(), shortest.size());
  for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const double got = sketch.QuantileSeconds(q).value_or(0) * 1e9;
    EXPECT_GE(got, QuantileNs(shortest, q) * (1 - kSketchError)) << "quantile " << q;
    EXPECT_LE(got, QuantileNs(longest, q) * (1 + kSketchError)) << "quantile " << q;
  }
}

TEST(ResponseAccuracyTest, QuantilesLieBetweenWhatBothEndsKnow) {
  const std::vector<std::int64_t> due = PoissonSchedule(1000, 2, 3);
  TimedServerOptions options;
  options.delays = Lognormal(due.size(), 1e6);
  options.tails = Lognormal(due.size(), 1e5);
  TimedServer server(options, due.size());
  TurnObserver observer(server.port(), std::chrono::milliseconds(100));
  const std::vector<ClientRecord> clients = RunOpenLoop({.port = server.port()}, due);
  server.Drain();
  observer.Stop();
  EXPECT_EQ(observer.turns().begun, due.size());
  EXPECT_EQ(observer.turns().answered, due.size());
  EXPECT_EQ(observer.turns().unanswered, 0u);
  EXPECT_EQ(observer.times().total.sum_ns(), observer.times().wait.sum_ns() + observer.times().service.sum_ns());

  std::vector<std::int64_t> least_total, most_total, least_service, most_service, least_full, most_full, none,
      most_wait;
  for (std::size_t i = 0; i < due.size(); ++i) {
    const ServerRecord& record = server.records()[i];
    const std::int64_t sent = clients[i].send_begin;
    least_total.push_back(record.write_begin - record.read_end);
    most_total.push_back(record.write_end - sent);
    least_service.push_back(record.write_begin - record.read_end);
    most_service.push_back(record.write_end - std::max(record.read_begin, sent));
    least_full.push_back(record.last_begin - record.read_end);
    most_full.push_back(record.last_end - sent);
    none.push_back(0);
    most_wait.push_back(record.read_end - sent);
  }
  ExpectBetween(observer.times().total, least_total, most_total);
  ExpectBetween(observer.times().wait, none, most_wait);
  ExpectBetween(observer.times().service, least_service, most_service);
  const auto stalled = CountIf(server.records(), [](const ServerRecord& record) {
    return record.last_end - record.write_begin >= 1'000'000'000;
  });
  if (stalled == 0) {  // the end of an answer with so long a pause is not measured
    ExpectBetween(observer.times().full, least_full, most_full);
  }
}

TEST(ResponseAccuracyTest, NothingIsLostWhenTwiceAsMuchComesAsTheServerCanDo) {
  const std::vector<std::int64_t> due = FixedSchedule(10000, 2);
  TimedServerOptions options;
  options.delays = {200'000};
  options.one_thread = true;
  options.burn = true;
  TimedServer server(options, due.size());
  TurnObserver observer(server.port(), std::chrono::milliseconds(50));
  const std::vector<ClientRecord> clients = RunOpenLoop({.port = server.port(),
                                                         .connections = 100,
                                                         .max_connections = 200,
                                                         .give_up_ns = 20'000'000,
                                                         .until_ns = 2'000'000'000},
                                                        due);
  server.Drain();
  observer.Stop();
  const auto sent = CountIf(clients, [](const ClientRecord& client) { return client.send_begin > 0; });
  const auto answered = CountIf(server.records(), [](const ServerRecord& record) { return record.answered; });
  EXPECT_LT(answered, sent) << "some were given up";
  EXPECT_EQ(observer.turns().begun, sent);
  EXPECT_EQ(observer.turns().answered, answered);
  EXPECT_EQ(observer.turns().unanswered, sent - answered);
  EXPECT_EQ(observer.times().total.count(), answered);
}

}  // namespace
}  // namespace ppmm
