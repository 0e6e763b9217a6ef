#include "common/crc32c.h"

#include <numeric>
#include <random>
#include <string>

#include "gtest/gtest.h"

#include "tests/testing/random.h"

namespace ppmm {
namespace {

TEST(Crc32cTest, GivesTheValuesOfRfc3720) {
  std::string rising(32, '\0');
  std::iota(rising.begin(), rising.end(), '\0');
  const std::string falling(rising.rbegin(), rising.rend());
  const unsigned char read_command[48] = {0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0, 0,
                                          0x14, 0,    0, 0, 0, 0, 4, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18,
                                          0x28, 0,    0, 0, 0, 0, 0, 0, 2, 0, 0, 0,    0, 0, 0, 0};
  for (const auto crc : {&Crc32c, &Crc32cPortable}) {
    EXPECT_EQ(crc(std::string(32, '\0'), 0), 0x8a9136aau);
    EXPECT_EQ(crc(std::string(32, '\xff'), 0), 0x62a8ab43u);
    EXPECT_EQ(crc(rising, 0), 0x46dd794eu);
    EXPECT_EQ(crc(falling, 0), 0x113fdb5cu);
    EXPECT_EQ(crc(std::string(std::begin(read_command), std::end(read_command)), 0), 0xd9963a56u);
    EXPECT_EQ(crc("123456789", 0), 0xe3069283u);
    EXPECT_EQ(crc("", 0), 0u);
  }
}

TEST(Crc32cTest, GoesOnFromTheChecksumOfTheBytesBefore) {
  PPMM_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 200; ++round) {
    std::string bytes(Uniform(random, 0, 100), '\0');
    for (char& byte : bytes) {
      byte = static_cast<char>(random());
    }
    const absl::string_view all = bytes;
    const size_t cut = Uniform(random, 0, all.size());
    ASSERT_EQ(Crc32c(all.substr(cut), Crc32c(all.substr(0, cut))), Crc32c(all));
    ASSERT_EQ(Crc32cPortable(all), Crc32c(all));
  }
}

}  // namespace
}  // namespace ppmm
