// Randomness of property tests: seeded, the seed printed with every failure and set by PPMM_TEST_SEED to repeat a run.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>

#include "gtest/gtest.h"

namespace ppmm {

inline uint64_t TestSeed() {
  static const uint64_t seed = [] {
    const char* wanted = std::getenv("PPMM_TEST_SEED");
    return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : uint64_t{std::random_device()()};
  }();
  return seed;
}

// Uniform over [low, high], whatever the standard library.
inline uint64_t Uniform(std::mt19937_64& random, uint64_t low, uint64_t high) {
  const uint64_t width = high - low + 1;
  return width == 0 ? random() : low + random() % width;
}

}  // namespace ppmm

#define PPMM_TRACE_SEED() SCOPED_TRACE(::testing::Message() << "PPMM_TEST_SEED=" << ::ppmm::TestSeed())
