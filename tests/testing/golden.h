// Compares a text with the file of that name in tests/testdata/golden; PPMM_UPDATE_GOLDEN=1 writes the files instead.
#pragma once

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"

namespace ppmm {

inline void ExpectGolden(const std::string& name, const std::string& text) {
  const std::string path = std::string(PPMM_TESTDATA) + "/golden/" + name;
  if (std::getenv("PPMM_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  std::ifstream file(path, std::ios::binary);
  ASSERT_TRUE(file) << path << " is missing; run once with PPMM_UPDATE_GOLDEN=1 and look at it";
  const std::string expected{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_EQ(text, expected) << "if the change is meant, run once with PPMM_UPDATE_GOLDEN=1 and look at the difference";
}

}  // namespace ppmm
