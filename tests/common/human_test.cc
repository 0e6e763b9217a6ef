#include "common/human.h"

#include <cmath>

#include "gtest/gtest.h"

namespace ppmm {
namespace {

TEST(HumanSeconds, TakesTheNaturalUnit) {
  EXPECT_EQ(HumanSeconds(84e-6), "84 \u00b5s");
  EXPECT_EQ(HumanSeconds(0.0003), "0.3 ms");
  EXPECT_EQ(HumanSeconds(0.0072), "7.2 ms");
  EXPECT_EQ(HumanSeconds(0.00996), "10 ms");
  EXPECT_EQ(HumanSeconds(0.812), "812 ms");
  EXPECT_EQ(HumanSeconds(0.9999), "1.0 s");
  EXPECT_EQ(HumanSeconds(19), "19 s");
  EXPECT_EQ(HumanSeconds(720), "12 min");
  EXPECT_EQ(HumanSeconds(11520), "3.2 h");
}

TEST(HumanBytes, NeverShowsFourDigits) {
  EXPECT_EQ(HumanBytes(812), "812 B");
  EXPECT_EQ(HumanBytes(13'000'000), "12.4 MiB");
  EXPECT_EQ(HumanBytes(1023.9 * 1024 * 1024), "1.0 GiB");
  EXPECT_EQ(HumanBytes(212.0 * 1024 * 1024), "212 MiB");
}

TEST(HumanNumber, GroupsThousandsAndDropsUselessDigits) {
  EXPECT_EQ(HumanNumber(0), "0");
  EXPECT_EQ(HumanNumber(0.001), "<0.01");
  EXPECT_EQ(HumanNumber(0.04), "0.04");
  EXPECT_EQ(HumanNumber(3), "3");
  EXPECT_EQ(HumanNumber(3.42), "3.4");
  EXPECT_EQ(HumanNumber(412.3), "412");
  EXPECT_EQ(HumanNumber(1234567), "1,234,567");
}

TEST(HumanPercent, SaysHundredOnlyOfAll) {
  EXPECT_EQ(HumanPercent(0), "0 %");
  EXPECT_EQ(HumanPercent(0.00009), "<0.01 %");
  EXPECT_EQ(HumanPercent(0.784), "78 %");
  EXPECT_EQ(HumanPercent(0.99), "99 %");
  EXPECT_EQ(HumanPercent(0.9997), "99.97 %");
  EXPECT_EQ(HumanPercent(0.999999), "99.99 %");
  EXPECT_EQ(HumanPercent(1), "100 %");
}

TEST(HumanPercent, KeepsTheDigitsOfSmallShares) {
  EXPECT_EQ(HumanPercent(0.001), "0.1 %");
  EXPECT_EQ(HumanPercent(0.0001), "0.01 %");
  EXPECT_EQ(HumanPercent(0.005), "0.5 %");
  EXPECT_EQ(HumanPercent(0.00123), "0.12 %");
  EXPECT_EQ(HumanPercent(0.009999), "0.99 %");
  EXPECT_EQ(HumanPercent(0.01), "1 %");
}

TEST(HumanCores, ShowsHundredths) {
  EXPECT_EQ(HumanCores(0), "0.00");
  EXPECT_EQ(HumanCores(0.001), "<0.01");
  EXPECT_EQ(HumanCores(0.08), "0.08");
  EXPECT_EQ(HumanCores(12.36), "12.4");
}

TEST(HumanAge, IsInWords) {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  EXPECT_EQ(HumanAge(now + absl::Hours(1), now), "now");
  EXPECT_EQ(HumanAge(now - absl::Seconds(40), now), "40 s ago");
  EXPECT_EQ(HumanAge(now - absl::Minutes(4), now), "4 min ago");
  EXPECT_EQ(HumanAge(now - absl::Hours(3), now), "3 h ago");
  EXPECT_EQ(HumanAge(now - absl::Hours(24 * 12 + 20), now), "12 d ago");
}

TEST(HumanWork, IsAtLeastAMinute) {
  EXPECT_EQ(HumanWork(0.2), "1 min");
  EXPECT_EQ(HumanWork(5), "5 min");
  EXPECT_EQ(HumanWork(90), "1 h 30 min");
  EXPECT_EQ(HumanWork(180), "3 h");
}

TEST(Human, WhatIsNoNumberIsADash) {
  for (const double bad : {std::nan(""), -1.0}) {
    EXPECT_EQ(HumanSeconds(bad), "-");
    EXPECT_EQ(HumanBytes(bad), "-");
    EXPECT_EQ(HumanNumber(bad), "-");
    EXPECT_EQ(HumanCores(bad), "-");
    EXPECT_EQ(HumanWork(bad), "-");
  }
  EXPECT_EQ(HumanPercent(std::nan("")), "-");
}

TEST(HumanDurationTest, HasThreeDigitsThatCountBelowASecondAndWholeSecondsAbove) {
  EXPECT_EQ(HumanDuration(absl::Nanoseconds(478057204)), "478ms");
  EXPECT_EQ(HumanDuration(absl::Nanoseconds(4780572)), "4.78ms");
  EXPECT_EQ(HumanDuration(absl::Nanoseconds(4780572040)), "4.78s");
  EXPECT_EQ(HumanDuration(absl::Seconds(47.8057204)), "47.8s");
  EXPECT_EQ(HumanDuration(absl::Milliseconds(312345)), "5m12s");
  EXPECT_EQ(HumanDuration(absl::Minutes(-7)), "-7m");
  EXPECT_EQ(HumanDuration(-absl::Nanoseconds(478057204)), "-478ms");
  EXPECT_EQ(HumanDuration(absl::ZeroDuration()), "0");
  EXPECT_EQ(HumanDuration(absl::InfiniteDuration()), "inf");
}

TEST(HumanCount, AgreesWithWhatIsCounted) {
  EXPECT_EQ(HumanCount(0, "host"), "0 hosts");
  EXPECT_EQ(HumanCount(1, "host"), "1 host");
  EXPECT_EQ(HumanCount(2, "host"), "2 hosts");
  EXPECT_EQ(HumanCount(12'400, "activity", "activities"), "12,400 activities");
  EXPECT_EQ(HumanCount(1, "activity waits", "activities wait"), "1 activity waits");
  EXPECT_EQ(HumanCount(std::nullopt, "host"), "- hosts");
}

}  // namespace
}  // namespace ppmm
