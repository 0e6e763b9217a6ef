// Mean response times under queueing beside the client's, queueing theory's and what tools report that start their
// clock when the application reads the request.
//
//   queueing_truth [SECONDS [SERVICE_US]]        60 s for each load, 2,000 us
//
// A server of one thread with exponential service times, requests by a Poisson process at loads of 0.3, 0.6, 0.8 and
// 0.9, client and server in this process. "Lindley" is the mean time in the system that Lindley's recursion gives for
// the arrivals and service times that the server wrote down in this very run, so chance is in it as it is in the
// measurement; S/(1-rho) is the mean over all possible runs. In flight is counted by the timer of
// the capture, about 100 times a second, and set beside throughput times mean response time. Ends with 1 unless the
// mean is within 5 % of the client's and within 3 % or 100 us of Lindley's, wait and service add up to the total within
// 1 %, N = X R within 2 %, and each request is counted once.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "tests/testing/open_loop.h"
#include "tests/testing/timed_server.h"
#include "tests/testing/turn_observer.h"

namespace ppmm {
namespace {

constexpr double kLoads[] = {0.3, 0.6, 0.8, 0.9};

double MeanUs(const Sketch& sketch) {
  return sketch.sum_seconds() * 1e6 / static_cast<double>(sketch.count());
}

bool Within(double got, double expected, double share, double at_least = 0) {
  return std::abs(got - expected) <= std::max(share * expected, at_least);
}

struct Theory {
  double lindley_us = 0;
  double service_us = 0;
  double load = 0;
};

// A request waits until the one before it is done with: what the server does from the read until the next one can
// begin is its service time, and the answer goes out somewhat earlier.
Theory Recursion(const TimedServer& server) {
  std::vector<std::int64_t> arrivals;
  for (const std::size_t number : server.order()) {
    arrivals.push_back(server.records()[number].arrived);
  }
  std::sort(arrivals.begin(), arrivals.end());
  std::int64_t free_at = 0;
  double sojourns = 0;
  double services = 0;
  for (std::size_t i = 0; i < arrivals.size(); ++i) {
    const ServerRecord& served = server.records()[server.order()[i]];
    const std::int64_t begin = std::max(arrivals[i], free_at);
    sojourns += static_cast<double>(begin - arrivals[i] + served.write_begin - served.read_begin);
    services += static_cast<double>(served.write_end - served.read_begin);
    free_at = begin + served.write_end - served.read_begin;
  }
  const double count = static_cast<double>(arrivals.size());
  return {.lindley_us = sojourns / 1e3 / count,
          .service_us = services / 1e3 / count,
          .load = services / static_cast<double>(arrivals.back() - arrivals.front())};
}

struct Law {
  double in_flight = 0;       // N, the mean of what the timer of the capture saw
  double expected = 0;        // X R: the response times that ended, over the time they took
  double standard_error = 0;  // of the difference
};

// Both over the moments in [from, to]. The standard error is that of the differences in 20 parts.
Law LittlesLaw(const TurnObserver& observer, std::int64_t from, std::int64_t to) {
  constexpr std::size_t kParts = 20;
  std::vector<TurnObserver::Moment> moments;
  for (const TurnObserver::Moment& moment : observer.moments()) {
    if (moment.at_ns >= from && (moments.empty() || moments.back().at_ns < to)) {
      moments.push_back(moment);
    }
  }
  const auto between = [](const TurnObserver::Moment& a, const TurnObserver::Moment& b) {
    return Law{.in_flight = static_cast<double>(b.in_flight_ns - a.in_flight_ns) /
                            static_cast<double>(std::max<std::uint64_t>(1, b.looked_ns - a.looked_ns)),
               .expected = (b.time_ns - a.time_ns) / static_cast<double>(b.at_ns - a.at_ns)};
  };
  Law law = between(moments.front(), moments.back());
  double squares = 0;
  for (std::size_t part = 0; part < kParts; ++part) {
    const Law one =
        between(moments[part * (moments.size() - 1) / kParts], moments[(part + 1) * (moments.size() - 1) / kParts]);
    const double off = one.in_flight - one.expected - (law.in_flight - law.expected);
    squares += off * off;
  }
  law.standard_error = std::sqrt(squares / (kParts - 1) / kParts);
  return law;
}

bool Run(double load, double seconds, double service_us) {
  const std::vector<std::int64_t> due = PoissonSchedule(load / service_us * 1e6, seconds, 7);
  std::mt19937_64 random(8);
  std::exponential_distribution<double> service(1 / (service_us * 1e3));
  TimedServerOptions options;
  options.one_thread = true;
  for (std::size_t i = 0; i < due.size(); ++i) {
    options.delays.push_back(static_cast<std::int64_t>(service(random)));
  }
  TimedServer server(options, due.size());
  TurnObserver observer(server.port(), std::chrono::milliseconds(10));
  const std::vector<ClientRecord> clients = RunOpenLoop({.port = server.port(), .connections = 256}, due);
  server.Drain();
  observer.Stop();

  double at_client = 0;
  std::int64_t from = clients.front().send_begin;
  std::int64_t to = from;
  for (const ClientRecord& client : clients) {
    at_client += static_cast<double>(client.first_byte - client.send_begin) / 1e3 / static_cast<double>(due.size());
    to = std::max(to, client.last_byte);
  }
  const auto& [total, wait, service_time, full] = observer.times();
  const double mean = MeanUs(total);
  const Theory theory = Recursion(server);
  const Law law = LittlesLaw(observer, from, to);
  const bool counted = observer.turns().answered == due.size() && total.count() == due.size();
  const bool good = counted && Within(mean, at_client, 0.05) && Within(mean, theory.lindley_us, 0.03, 100) &&
                    Within(MeanUs(wait) + MeanUs(service_time), mean, 0.01) &&
                    Within(law.in_flight, law.expected, 0.02);
  std::printf(
      "%4.2f %5.3f %8zu %9.0f %9.0f %+5.1f%% %9.0f %+5.1f%% %9.0f %9.0f %9.0f %8.3f %8.3f %+5.1f%% (%.1f%%)%s\n", load,
      theory.load, due.size(), mean, at_client, 100 * (mean / at_client - 1), theory.lindley_us,
      100 * (mean / theory.lindley_us - 1), theory.service_us / (1 - theory.load), MeanUs(wait), MeanUs(service_time),
      law.in_flight, law.expected, 100 * (law.in_flight / law.expected - 1), 100 * law.standard_error / law.expected,
      good      ? ""
      : counted ? "  TOO FAR"
                : "  COUNTS DIFFER");
  std::fflush(stdout);
  return good;
}

}  // namespace
}  // namespace ppmm

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 60;
  const double service_us = argc > 2 ? std::atof(argv[2]) : 2000;
  if (seconds <= 0 || service_us <= 0) {
    std::fputs("queueing_truth [SECONDS [SERVICE_US]]\n", stderr);
    return 2;
  }
  std::puts(
      "           means in us                                                    read to              N        X R");
  std::puts("load  real requests     ppmm    client        Lindley          S/(1-rho)      wait    write  in flight");
  bool good = true;
  for (const double load : ppmm::kLoads) {
    good = ppmm::Run(load, seconds, service_us) && good;
  }
  std::puts(good ? "all within their bounds" : "NOT REACHED");
  return good ? 0 : 1;
}
