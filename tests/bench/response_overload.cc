// Whether each request is counted while twice as many are due as the server can answer.
//
//   response_overload [SECONDS [SERVICE_US]]        60 s, 200 us
//
// A server of one thread that works that long for each request, 500 connections, and clients that give a request up
// and reset its connection after 120 ms. What the client sent must be what began, what the server answered must be what
// has a time, and the rest must be unanswered. Ends with 1 unless all agree.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/testing/open_loop.h"
#include "tests/testing/timed_server.h"
#include "tests/testing/turn_observer.h"

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 60;
  const double service_us = argc > 2 ? std::atof(argv[2]) : 200;
  if (seconds <= 0 || service_us <= 0) {
    std::fputs("response_overload [SECONDS [SERVICE_US]]\n", stderr);
    return 2;
  }
  const std::vector<std::int64_t> due = ppmm::FixedSchedule(2e6 / service_us, seconds);
  ppmm::TimedServerOptions options;
  options.delays = {static_cast<std::int64_t>(service_us * 1e3)};
  options.one_thread = true;
  options.burn = true;
  ppmm::TimedServer server(options, due.size());
  ppmm::TurnObserver observer(server.port(), std::chrono::seconds(1));
  const std::vector<ppmm::ClientRecord> clients =
      ppmm::RunOpenLoop({.port = server.port(),
                         .connections = 500,
                         .max_connections = 500,
                         .give_up_ns = 120'000'000,
                         .until_ns = static_cast<std::int64_t>(seconds * 1e9)},
                        due);
  server.Drain();
  observer.Stop();
  unsigned long long sent = 0;
  unsigned long long received = 0;
  unsigned long long answered = 0;
  for (const ppmm::ClientRecord& client : clients) {
    sent += client.send_begin > 0;
    received += client.last_byte > 0;
  }
  for (const ppmm::ServerRecord& record : server.records()) {
    answered += record.answered;
  }
  const ppmm::TurnTotals& turns = observer.turns();
  const unsigned long long timed = observer.times().total.count();
  const bool good = turns.begun == sent && turns.answered == answered && turns.unanswered == sent - answered &&
                    timed == answered && answered < sent;
  std::printf("due %zu, sent %llu, begun %llu\nanswered by the server %llu, counted %llu, with a time %llu\n",
              due.size(), sent, static_cast<unsigned long long>(turns.begun), answered,
              static_cast<unsigned long long>(turns.answered), timed);
  std::printf("given up %llu, unanswered %llu (the server answered %llu that the client no longer waited for)\n%s\n",
              sent - received, static_cast<unsigned long long>(turns.unanswered), answered - received,
              good ? "none lost" : "COUNTS DIFFER");
  return good ? 0 : 1;
}
