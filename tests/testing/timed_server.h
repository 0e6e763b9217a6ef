// A server of known delays, which writes down when each request came, was read and was answered, by the clock of the
// kernel's programs. It answers the traffic of open_loop.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/testing/tcp_sockets.h"

namespace ppmm {

// Times of one request at the server; 0: it never came to that. Each hook of the kernel lies between two of them:
// arrived <= hook <= read_end, read_end's call, write_begin <= hook <= write_end.
//
// Units: nanoseconds of MonotonicNs().
struct ServerRecord {
  // When the kernel received the segment of the request (SO_TIMESTAMPNS, which is by the wall clock, less the
  // difference of the clocks at that moment).
  std::int64_t arrived = 0;
  std::int64_t read_begin = 0;  // recvmsg() was called
  std::int64_t read_end = 0;    // and returned
  std::int64_t write_begin = 0;
  std::int64_t write_end = 0;
  std::int64_t last_begin = 0;  // of the last part, if there are two
  std::int64_t last_end = 0;
  bool answered = false;
};

struct TimedServerOptions {
  // Of each request by its number; those beyond the end get the first.
  // Units: nanoseconds.
  std::vector<std::int64_t> delays;  // from the read to the first byte
  std::vector<std::int64_t> tails;   // from the first byte to the last; empty: both in one write
  // A thread for each connection, so that no request waits for another; or one thread for all, in order of arrival.
  bool one_thread = false;
  // Work instead of sleep.
  bool burn = false;
};

class TimedServer {
 public:
  // `requests`: how many numbers there are.
  TimedServer(TimedServerOptions options, std::size_t requests);
  // Clients must have closed their connections.
  ~TimedServer();

  std::uint16_t port() const { return LocalPort(listener_); }
  // Waits until all connections that were accepted are closed; the listener stays.
  void Drain();
  // Valid after Drain().
  const std::vector<ServerRecord>& records() const { return records_; }
  // Numbers of the requests in the order in which they were served; one thread only.
  const std::vector<std::size_t>& order() const { return order_; }

 private:
  void Accept();
  void ServeOne(Socket connection);
  void ServeAll();
  // One request of `connection`; false: it is closed.
  bool Serve(const Socket& connection);
  void Delay(std::int64_t from, std::int64_t ns) const;

  const TimedServerOptions options_;
  const Socket listener_;
  std::vector<ServerRecord> records_;
  std::vector<std::size_t> order_;
  std::atomic<int> open_ = 0;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::vector<std::thread> threads_;  // guarded by mutex_
};

}  // namespace ppmm
