// What one look at the sockets of the host gives. The values both socket scanners produce: from the kernel by BPF
// (socket_scanner.h) and by netlink (sock_diag_scanner.h). Plain values.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "common/addresses.h"
#include "common/sketch.h"

namespace ppmm {

// The address of a socket from its 16 bytes in network order, IPv4 as ::ffff:a.b.c.d. The wildcards of both families,
// which listen alike, become IpAddress().
IpAddress SocketAddress(const std::array<std::uint8_t, 16>& bytes);

// "10.0.0.1", "fe80::1", and "*" for the wildcard.
std::string FormatAddress(const IpAddress& address);

enum class SocketProtocol { kTcp, kUnix };
enum class PeerDirection { kInbound, kOutbound };

// Durations of turns, on the server's socket.
struct ResponseTimes {
  Sketch total;    // arrival of the request to the first byte of the response
  Sketch wait;     // arrival to the first read
  Sketch service;  // first read to the first byte of the response
  Sketch full;     // arrival to the last byte of the response

  void Merge(const ResponseTimes& other) {
    total.Merge(other.total);
    wait.Merge(other.wait);
    service.Merge(other.service);
    full.Merge(other.full);
  }
};

// Turns of connections (agent/bpf/turn.h).
struct TurnTotals {
  std::uint64_t begun = 0;
  std::uint64_t answered = 0;
  std::uint64_t unanswered = 0;  // their connection ended before
  std::uint64_t set_aside = 0;   // no requests, or without a known time: handshakes, pipelined requests
  std::uint64_t errors = 0;      // of the answered
  // Connections that were found to be pipelined; to be multiplexed or upgraded. They have no turns from there on.
  std::uint64_t pipelined = 0;
  std::uint64_t streams = 0;
  // Requests in flight times how long, as a timer of the kernel saw it at instants (SocketScanner::looked_ns()). Stands
  // still while it cannot be compared with times; so always of Unix sockets: a request begins to count there when it is
  // answered, since no hook tells of a connection's end.
  std::uint64_t in_flight_ns = 0;
  // The same, as the sockets themselves showed it at each poll: received and not answered.
  std::uint64_t owed_ns = 0;
  // Of the same polls: what sockets surely owed and our hooks did not know of, and what our hooks waited for and
  // sockets surely did not owe.
  std::uint64_t hidden_ns = 0;
  std::uint64_t kept_ns = 0;

  // What came since `before`; totals of a scanner never fall.
  TurnTotals Since(const TurnTotals& before) const;
  void Add(const TurnTotals& more);
};

// One listening socket. Totals count from the moment the scanner first saw it (for a socket that began to listen after
// the scanner was created: all of it) and never fall while `id` stays.
struct ListenerSample {
  // Names the socket for its life; never used again by another one until the next boot. 0: all sockets beyond the
  // scanner's bounds together, and the times of those whose own times found no room.
  std::uint64_t id = 0;
  // Of the processes that hold it the one with the lowest id, process 1 only if it is alone; 0: unknown.
  std::int32_t owner_pid = 0;
  std::uint32_t net_ns = 0;
  SocketProtocol protocol = SocketProtocol::kTcp;
  IpAddress address;
  std::uint16_t port = 0;
  // Unix sockets: as the process gave it; an abstract name begins with a zero byte. May hold any bytes.
  std::string unix_path;
  // False: closed, but connections are still open, or this is its last sample.
  bool listening = true;
  // Connections that wait for accept(), and how many may.
  std::uint32_t backlog = 0;
  std::uint32_t max_backlog = 0;
  // What follows until `turns` is for TCP; 0 for Unix sockets.
  std::int64_t open_connections = 0;
  // Completed handshakes.
  std::uint64_t accepted_total = 0;
  // Payload from and to the clients, each byte once.
  std::uint64_t bytes_in_total = 0;
  std::uint64_t bytes_out_total = 0;
  std::uint64_t retransmitted_segments_total = 0;
  TurnTotals turns;
  // Whether its protocol is one whose responses tell errors.
  bool tells_errors = false;
  // What was measured since the last sample.
  ResponseTimes times;
  // By how much the requests of this listener grew older since the last sample, all together, by what the hooks saw:
  // response times that ended, and the ages of what is open. By Little's law it is what in_flight_ns and owed_ns rise
  // by.
  std::int64_t aged_ns = 0;
  // Whether a timer looks at what is in flight, and what it sees can be compared with aged_ns.
  bool in_flight_known = false;
  // True: connections that came and went between two polls are missing in the totals.
  bool estimated = false;
};

// All connections between one process and one remote address: outbound to one remote port, inbound to one listening
// port. Totals never fall, but begin anew after the entry was idle for ten minutes.
struct PeerSample {
  PeerDirection direction = PeerDirection::kInbound;
  // Who called connect(), or the owner of the listening socket; 0: unknown.
  std::int32_t owner_pid = 0;
  std::uint32_t net_ns = 0;
  IpAddress remote_address;
  // Outbound: the remote port. Inbound: the local port, since the remote one is arbitrary.
  std::uint16_t port = 0;
  std::uint32_t open_connections = 0;
  std::uint64_t connections_total = 0;
  // Outbound: attempts that did not succeed.
  std::uint64_t failed_total = 0;
  std::uint64_t bytes_in_total = 0;
  std::uint64_t bytes_out_total = 0;
  // Smoothed round trip of the connection that moved last; 0: unknown.
  std::uint32_t rtt_us = 0;
  bool estimated = false;
};

// Calls of one process to one remote service, as the client's socket saw them (agent/bpf/call.h), since the last
// sample. Of one process and service there may be several.
struct CallSample {
  std::int32_t owner_pid = 0;  // who called connect()
  std::uint32_t net_ns = 0;
  IpAddress remote_address;
  std::uint16_t port = 0;
  Sketch times;                  // first byte of the request written to first byte of the answer ready to be read
  std::uint64_t unanswered = 0;  // their connection ended before
  // Connections that were found to be pipelined; to be multiplexed or upgraded. They have no calls from there on.
  std::uint64_t pipelined = 0;
  std::uint64_t streams = 0;

  // More of the same.
  void Add(const CallSample& more) {
    times.Merge(more.times);
    unanswered += more.unanswered;
    pipelined += more.pipelined;
    streams += more.streams;
  }
};

}  // namespace ppmm
