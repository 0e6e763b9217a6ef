// Sees all listening sockets, connections and peers of the host, in every network namespace, by BPF programs that count
// in the kernel: opened and closed connections when it happens, bytes at each poll. Counts are exact; no event reaches
// user space. One thread only; owns the loaded programs.
//
//   Create, Seed;  each second Poll, TakeCalls;  each 30 s Seed;  each minute ReadPeers
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "agent/capture_hooks.h"
#include "agent/socket_sample.h"

namespace ppmm {

class SocketScanner {
 public:
  // What the bounds cost since Create().
  struct Losses {
    std::uint64_t listeners = 0;    // more than 1023 listening sockets: these are not seen
    std::uint64_t peers = 0;        // more than 8192 peers: what these moved is missing among the peers
    std::uint64_t connections = 0;  // accepted before the first Seed() from a socket not known yet
    std::uint64_t storage = 0;      // the kernel had no memory for a socket
    std::uint64_t groups = 0;       // answers of listeners beyond 239 with answers: their times are not told apart
    std::uint64_t callees = 0;      // calls beyond 511 pairs of a process and a remote service: they are not counted
  };

  // Loads and attaches the programs.
  //
  // Errors: FailedPrecondition: built without BPF, no BTF, or a kernel that is too old; PermissionDenied names the
  //         missing capabilities. SockDiagScanner is the way out.
  static absl::StatusOr<std::unique_ptr<SocketScanner>> Create();
  ~SocketScanner();

  // Walks the open files of all processes: finds sockets that are older than the scanner, Unix listeners, and who owns
  // a listener. Milliseconds of CPU; call it at start and each 30 s.
  //
  // Errors: Unavailable, PermissionDenied; it may be called again.
  absl::Status Seed();

  // Brings bytes and accept queues up to date and replaces `out` by all listeners. A listener that is gone and has no
  // connections left comes a last time, with `listening` false.
  //
  // Errors: as Seed.
  absl::Status Poll(std::vector<ListenerSample>* out);

  // Replaces `out` by all peers and forgets those that were idle for ten minutes.
  //
  // Errors: as Seed.
  absl::Status ReadPeers(std::vector<PeerSample>* out);

  // Replaces `out` by the calls that were answered, or ended, since the last time.
  //
  // Errors: as Seed.
  absl::Status TakeCalls(std::vector<CallSample>* out);

  Losses losses() const;

  // Over what time a timer of the kernel has counted the requests in flight of each listener, about 100 times a second:
  // their mean is the rise of TurnTotals::in_flight_ns over the rise of this.
  std::uint64_t looked_ns() const;

  // Leaves the hooks attached, but they do nothing, or nothing at sockets of clients: tests/bench/request_cost measures
  // so what they do. Turns and calls that go on meanwhile come out wrong.
  enum class Pause { kNothing, kAll, kCalls };
  void PauseCapture(Pause pause);

  // Where the times of requests are taken; without them samples have no times, requests or responses.
  const CaptureHooks& hooks() const;

 private:
  struct Impl;
  static absl::StatusOr<std::unique_ptr<SocketScanner>> Create(HookChoice choice);
  explicit SocketScanner(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace ppmm
