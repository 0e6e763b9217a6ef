// Polls the agent's capture as the agent does and adds up what it says of one listener, for tests and benches.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "agent/socket_scanner.h"

namespace ppmm {

class TurnObserver {
 public:
  // Loads the programs and begins to poll. Ends the process where they do not load.
  TurnObserver(std::uint16_t port, std::chrono::milliseconds period) : port_(port), period_(period) {
    absl::StatusOr<std::unique_ptr<SocketScanner>> scanner = SocketScanner::Create();
    if (!scanner.ok() || !(*scanner)->Seed().ok()) {
      std::fprintf(stderr, "the capture does not load: %s\n", scanner.status().ToString().c_str());
      std::exit(1);
    }
    scanner_ = *std::move(scanner);
    thread_ = std::thread([this] {
      while (!stopping_) {
        Poll();
        std::this_thread::sleep_for(period_);
      }
    });
  }
  ~TurnObserver() { Stop(); }

  // Ends the polling with a last look. What follows is valid after it.
  void Stop() {
    if (thread_.joinable()) {
      stopping_ = true;
      thread_.join();
      Poll();
    }
  }

  const ResponseTimes& times() const { return times_; }
  const TurnTotals& turns() const { return turns_; }
  // From any thread.
  void PauseCapture(bool paused) {
    scanner_->PauseCapture(paused ? SocketScanner::Pause::kAll : SocketScanner::Pause::kNothing);
  }

  // Totals at the looks of the observer.
  struct Moment {
    std::int64_t at_ns = 0;
    std::uint64_t looked_ns = 0;
    std::uint64_t in_flight_ns = 0;
    std::uint64_t owed_ns = 0;
    std::uint64_t hidden_ns = 0;
    std::uint64_t kept_ns = 0;
    std::int64_t aged_ns = 0;
    double time_ns = 0;  // of all that were answered
  };
  const std::vector<Moment>& moments() const { return moments_; }

 private:
  void Poll() {
    timespec now;
    if (!scanner_->Poll(&listeners_).ok()) {
      std::fputs("the capture cannot be read\n", stderr);
      std::exit(1);
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    for (const ListenerSample& sample : listeners_) {
      if (sample.protocol == SocketProtocol::kTcp && sample.port == port_) {
        turns_ = sample.turns;
        times_.Merge(sample.times);
        moments_.push_back({.at_ns = now.tv_sec * 1'000'000'000 + now.tv_nsec,
                            .looked_ns = scanner_->looked_ns(),
                            .in_flight_ns = turns_.in_flight_ns,
                            .owed_ns = turns_.owed_ns,
                            .hidden_ns = turns_.hidden_ns,
                            .kept_ns = turns_.kept_ns,
                            .aged_ns = aged_ns_ += sample.aged_ns,
                            .time_ns = static_cast<double>(times_.total.sum_ns())});
      }
    }
  }

  const std::uint16_t port_;
  const std::chrono::milliseconds period_;
  std::unique_ptr<SocketScanner> scanner_;
  std::vector<ListenerSample> listeners_;
  ResponseTimes times_;
  TurnTotals turns_;
  std::int64_t aged_ns_ = 0;
  std::vector<Moment> moments_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace ppmm
