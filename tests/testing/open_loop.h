// Open-loop traffic on loopback for tests and benches: requests are due by a schedule that does not wait for answers,
// so a slow server meets as many of them as a fast one. Every request leaves a record of its times at the client. One
// thread, the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ppmm {

// CLOCK_MONOTONIC, which is the clock of the kernel's programs, too.
std::int64_t MonotonicNs();

// Of the traffic of RunOpenLoop and TimedServer: HTTP/1.1 of fixed length, whose target is the number of the request.
inline constexpr std::size_t kRequestBytes = 26;
inline constexpr std::size_t kResponseHeadBytes = 38;
inline constexpr std::size_t kResponseBytes = 46;
extern const char kResponse[];

// Times of one request at the client; 0: it never came to that.
//
// Units: nanoseconds of MonotonicNs().
struct ClientRecord {
  std::int64_t intended = 0;
  std::int64_t send_begin = 0;
  std::int64_t first_byte = 0;
  std::int64_t last_byte = 0;
};

// When requests are due, from the start.
//
// Units: nanoseconds.
std::vector<std::int64_t> PoissonSchedule(double per_second, double seconds, std::uint64_t seed);
std::vector<std::int64_t> FixedSchedule(double per_second, double seconds);

struct OpenLoop {
  std::uint16_t port = 0;
  // Opened before the start; more are opened when all are busy, and at the limit due requests wait at the client.
  std::size_t connections = 64;
  std::size_t max_connections = 1024;
  // A request that has no answer after so long is given up and its connection reset. 0: never.
  std::int64_t give_up_ns = 0;
  // What could not be sent until then, from the start, is left out: its record stays empty. 0: all is sent.
  std::int64_t until_ns = 0;
};

// Sends one request for each element of `due` and returns their records in that order, when all are answered or given
// up and all connections are closed. Ends the process where loopback fails, since then nothing can be measured.
std::vector<ClientRecord> RunOpenLoop(const OpenLoop& options, const std::vector<std::int64_t>& due);

}  // namespace ppmm
