#include "common/units.h"

#include <cstdint>
#include <string>

#include "gtest/gtest.h"

namespace ppmm {
namespace {

std::string DurationError(absl::string_view text) {
  return std::string(ParseDuration(text).status().message());
}

std::string SizeError(absl::string_view text) {
  return std::string(ParseByteSize(text).status().message());
}

TEST(ParseDurationTest, ReadsWhatPeopleWrite) {
  EXPECT_EQ(ParseDuration("250us").value(), absl::Microseconds(250));
  EXPECT_EQ(ParseDuration("500ms").value(), absl::Milliseconds(500));
  EXPECT_EQ(ParseDuration("10s").value(), absl::Seconds(10));
  EXPECT_EQ(ParseDuration("5 m").value(), absl::Minutes(5));
  EXPECT_EQ(ParseDuration("1h30m").value(), absl::Minutes(90));
  EXPECT_EQ(ParseDuration(" 2.5h ").value(), absl::Minutes(150));
  EXPECT_EQ(ParseDuration("30d").value(), absl::Hours(720));
  EXPECT_EQ(ParseDuration("0s").value(), absl::ZeroDuration());
}

TEST(ParseDurationTest, SaysWhatIsWrong) {
  EXPECT_EQ(DurationError("10"), "\"10\" has no unit; write a duration as 500ms, 10s, 5m, 72h or 30d");
  EXPECT_EQ(DurationError("10 sec"),
            "\"10 sec\" has the unknown unit \"sec\"; write a duration as 500ms, 10s, 5m, 72h or 30d");
  for (const char* text : {"", "soon", "-5s", "1.2.3s", ".s", "5s!", "1e3s", "5 5s", "\xff"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
  EXPECT_EQ(DurationError("soon"), "\"soon\" is not a duration; write a duration as 500ms, 10s, 5m, 72h or 30d");
  EXPECT_EQ(DurationError("400000d"),
            "\"400000d\" is longer than 1000 years; write a duration as 500ms, 10s, 5m, 72h or 30d");
  EXPECT_FALSE(ParseDuration(std::string(400, '9') + "d").ok());
}

TEST(ParseByteSizeTest, ReadsWhatPeopleWrite) {
  EXPECT_EQ(ParseByteSize("512B").value(), 512u);
  EXPECT_EQ(ParseByteSize("64 KiB").value(), 65536u);
  EXPECT_EQ(ParseByteSize("128MiB").value(), 128u << 20);
  EXPECT_EQ(ParseByteSize("1.5GiB").value(), 3ull << 29);
  EXPECT_EQ(ParseByteSize("2TiB").value(), 2ull << 40);
  EXPECT_EQ(ParseByteSize("0B").value(), 0u);
  EXPECT_EQ(ParseByteSize("18446744073709551615B").value(), UINT64_MAX);
}

TEST(ParseByteSizeTest, SaysWhatIsWrong) {
  EXPECT_EQ(SizeError("128"), "\"128\" has no unit; write a size as 512B, 64KiB, 128MiB or 2GiB");
  EXPECT_EQ(SizeError("128MB"), "\"128MB\" has the unknown unit \"MB\"; write a size as 512B, 64KiB, 128MiB or 2GiB");
  EXPECT_EQ(SizeError("much"), "\"much\" is not a size; write a size as 512B, 64KiB, 128MiB or 2GiB");
  EXPECT_EQ(SizeError("0.3B"), "\"0.3B\" is no whole number of bytes; write a size as 512B, 64KiB, 128MiB or 2GiB");
  EXPECT_EQ(SizeError("17000000TiB"),
            "\"17000000TiB\" is larger than any file; write a size as 512B, 64KiB, 128MiB or 2GiB");
  for (const char* text : {"", "-1MiB", "1MiB2KiB", "1MiB!", "."}) {
    EXPECT_FALSE(ParseByteSize(text).ok()) << text;
  }
}

TEST(FormatByteSizeTest, IsReadBack) {
  EXPECT_EQ(FormatByteSize(128u << 20), "128MiB");
  EXPECT_EQ(FormatByteSize(1000), "1000B");
  EXPECT_EQ(FormatByteSize(0), "0B");
  for (const std::uint64_t bytes : {std::uint64_t{1}, std::uint64_t{65536}, std::uint64_t{3} << 29, UINT64_MAX}) {
    EXPECT_EQ(ParseByteSize(FormatByteSize(bytes)).value(), bytes);
  }
}

}  // namespace
}  // namespace ppmm
