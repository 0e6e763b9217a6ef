// What a busy host of about 2,000 series sends, made up but shaped like the metric list: counters of which most are 0,
// memory and file systems in large round bytes, a hundred instances of which one in seven serves requests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <random>
#include <vector>

#include "common/batch_codec.h"
#include "tests/testing/random.h"

namespace ppmm {

class BusyHost {
 public:
  // Shape: `steps` steps, every series present at each.
  BusyHost(uint32_t steps, uint64_t seed, bool with_histograms) : steps_(steps), random_(seed) {
    for (int cpu = 0; cpu < 16; ++cpu) {
      Counters(4, 1, 60);
      Counters(2, 5, 3);
      Counters(4, 1000, 1);
    }
    for (int disk = 0; disk < 8; ++disk) {
      Counters(12, disk < 2 ? 1 : 1'000'000, 3000);
      Gauge(1, 8);
      Gauge(1, 1);
    }
    for (int device = 0; device < 6; ++device) {
      Counters(2, device < 2 ? 1 : 50, 40'000'000);
      Counters(2, device < 2 ? 1 : 50, 30'000);
      Counters(6, 1'000'000, 1);
    }
    for (int i = 0; i < 40; ++i) {
      Gauge(1024, 32 << 20);
    }
    for (int i = 0; i < 10; ++i) {
      Gauge(4096, 50 << 20);
      Gauge(4096, 50 << 20);
      Gauge(1, 1 << 24);
      Gauge(1, 1);
    }
    for (int instance = 0; instance < 100; ++instance) {
      const uint64_t idle = instance % 7 == 0 ? 1 : 20;
      Counters(2, idle, 200'000);  // CPU time, microseconds
      Counters(4, idle * 2, 500);  // switches, faults, connections
      Counters(4, idle * 10, 2'000'000);
      Gauge(4096, 1 << 17);
      Gauge(4096, 1 << 16);
      Gauge(1, 60);
      Gauge(1, 200);
      if (with_histograms) {
        Histogram(idle == 1);
        Histogram(idle == 1);
      }
    }
  }

  const std::vector<Column>& columns() const { return columns_; }
  uint32_t steps() const { return steps_; }
  uint64_t samples() const { return columns_.size() * steps_; }

 private:
  // `n` counters; a step has an increment one time in `rarely`.
  void Counters(int n, uint64_t rarely, uint64_t largest) {
    for (int i = 0; i < n; ++i) {
      std::vector<int64_t>& values = values_.emplace_back();
      for (uint32_t step = 0; step < steps_; ++step) {
        values.push_back(Uniform(random_, 1, rarely) == 1 ? static_cast<int64_t>(Uniform(random_, 0, largest)) : 0);
      }
      Push({0, MetricKind::kCounter, 0, values, {}});
    }
  }

  // Moves by a little in one step of three.
  void Gauge(int64_t unit, uint64_t largest) {
    std::vector<int64_t>& values = values_.emplace_back();
    auto value = static_cast<int64_t>(Uniform(random_, 0, largest));
    for (uint32_t step = 0; step < steps_; ++step) {
      if (Uniform(random_, 0, 2) == 0) {
        value = std::max<int64_t>(0, value + static_cast<int64_t>(Uniform(random_, 0, 40)) - 20);
      }
      values.push_back(value * unit);
    }
    Push({0, MetricKind::kGauge, 0, values, {}});
  }

  void Histogram(bool busy) {
    std::lognormal_distribution<double> response_ns(15, 0.8);
    std::vector<const Sketch*>& sketches = pointers_.emplace_back();
    for (uint32_t step = 0; step < steps_; ++step) {
      Sketch& sketch = sketches_.emplace_back();
      for (uint64_t n = busy ? Uniform(random_, 50, 400) : 0; n > 0; --n) {
        sketch.Add(static_cast<int64_t>(response_ns(random_)));
      }
      sketches.push_back(&sketch);
    }
    Push({0, MetricKind::kHistogram, 0, {}, sketches});
  }

  void Push(Column column) {
    column.id = static_cast<uint32_t>(columns_.size() + 1);
    column.present = (uint64_t{1} << steps_) - 1;
    columns_.push_back(column);
  }

  uint32_t steps_;
  std::mt19937_64 random_;
  std::vector<Column> columns_;
  std::deque<std::vector<int64_t>> values_;  // deques: columns point into them
  std::deque<Sketch> sketches_;
  std::deque<std::vector<const Sketch*>> pointers_;
};

}  // namespace ppmm
