#include "common/sketch.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "common/sketch_table.h"
#include "tests/testing/random.h"

namespace ppmm {
namespace {

using ::testing::ElementsAre;

// An exact natural number, just enough to compare 32nd powers.
class Natural {
 public:
  explicit Natural(uint64_t value) : digits_{static_cast<uint32_t>(value), static_cast<uint32_t>(value >> 32)} {}

  Natural& operator*=(uint64_t factor) {
    std::vector<uint32_t> product(digits_.size() + 3, 0);
    const uint32_t parts[] = {static_cast<uint32_t>(factor), static_cast<uint32_t>(factor >> 32)};
    for (size_t p = 0; p < 2; ++p) {
      uint64_t carry = 0;
      for (size_t i = 0; i + p < product.size(); ++i) {
        const uint64_t digit = i < digits_.size() ? digits_[i] : 0;
        carry += digit * parts[p] + product[i + p];
        product[i + p] = static_cast<uint32_t>(carry);
        carry >>= 32;
      }
    }
    while (product.size() > 1 && product.back() == 0) {
      product.pop_back();
    }
    digits_ = std::move(product);
    return *this;
  }

  static Natural Power(uint64_t base, int exponent) {
    Natural result(1);
    for (int i = 0; i < exponent; ++i) {
      result *= base;
    }
    return result;
  }

  bool operator<=(const Natural& other) const {
    for (size_t i = std::max(digits_.size(), other.digits_.size()); i-- > 0;) {
      const uint32_t a = i < digits_.size() ? digits_[i] : 0;
      const uint32_t b = i < other.digits_.size() ? other.digits_[i] : 0;
      if (a != b) {
        return a < b;
      }
    }
    return true;
  }

 private:
  std::vector<uint32_t> digits_;
};

// Whether `value` <= 10^9 * 2^(k/32), decided by 32nd powers of integers.
bool AtMostBound(uint64_t value, int k) {
  Natural left = Natural::Power(value, 32);
  Natural right = Natural::Power(1'000'000'000, 32);
  for (int i = 0; i < std::abs(k); ++i) {
    (k < 0 ? left : right) *= 2;
  }
  return left <= right;
}

std::vector<Sketch::Bucket> Buckets(const Sketch& sketch) {
  return sketch.buckets();
}

Sketch Of(const std::vector<int64_t>& values) {
  Sketch sketch;
  for (const int64_t ns : values) {
    sketch.Add(ns);
  }
  return sketch;
}

Sketch RandomSketch(std::mt19937_64& random) {
  Sketch sketch;
  const uint64_t values = Uniform(random, 0, 60);
  for (uint64_t i = 0; i < values; ++i) {
    const auto ns = static_cast<int64_t>(random() >> Uniform(random, 1, 63));
    sketch.Add(Uniform(random, 0, 9) == 0 ? -ns : ns, Uniform(random, 1, 3) == 1 ? Uniform(random, 1, 100'000) : 1);
  }
  return sketch;
}

TEST(SketchTableTest, EveryEntryIsTheExactThreshold) {
  // Threshold j of the octave [2^63, 2^64) is 10^9 * 2^((32 * 63 + j - offset) / 32).
  std::vector<uint64_t> thresholds;
  for (size_t cell = 0; cell < PPMM_SKETCH_CELLS; ++cell) {
    const uint64_t entry = kPpmmSketchTable[cell];
    EXPECT_EQ(entry & 127, thresholds.size()) << "cell " << cell;
    if (entry >> 7 == ~uint64_t{0} >> 7) {
      continue;
    }
    const uint64_t threshold = entry & ~uint64_t{127};
    const int k = 32 * 63 + static_cast<int>(thresholds.size()) - PPMM_SKETCH_LOCAL_OFFSET;
    EXPECT_EQ(threshold >> 57 & 63, cell);
    EXPECT_TRUE(AtMostBound(threshold, k)) << "cell " << cell;
    EXPECT_FALSE(AtMostBound(threshold + 128, k)) << "cell " << cell;
    thresholds.push_back(threshold);
  }
  EXPECT_EQ(thresholds.size(), 32u);
}

TEST(SketchIndexTest, IsExactAroundEveryBoundBelow57Bits) {
  int checked = 0;
  for (int32_t index = Sketch::kMinIndex; Sketch::LastNs(index) < uint64_t{1} << 57; ++index, ++checked) {
    const uint64_t last = Sketch::LastNs(index);
    ASSERT_TRUE(AtMostBound(last, index)) << index;
    ASSERT_FALSE(AtMostBound(last + 1, index)) << index;
    ASSERT_LE(Sketch::IndexOf(last), index);
    ASSERT_GT(Sketch::IndexOf(last + 1), index);
    if (Sketch::FirstNs(index) <= last) {
      ASSERT_EQ(Sketch::IndexOf(last), index);
      ASSERT_EQ(Sketch::IndexOf(Sketch::FirstNs(index)), index);
    }
  }
  EXPECT_GT(checked, 1800);
}

TEST(SketchIndexTest, PutsAWholePowerOfTwoSecondsIntoTheLowerBucket) {
  for (int n = -9; n <= 26; ++n) {
    const uint64_t ns = n < 0 ? 1'000'000'000u >> -n : uint64_t{1'000'000'000} << n;
    EXPECT_EQ(Sketch::IndexOf(ns), 32 * n);
    EXPECT_EQ(Sketch::IndexOf(ns + 1), 32 * n + 1);
    EXPECT_EQ(Sketch::LastNs(32 * n), ns);
  }
}

TEST(SketchIndexTest, AgreesWithTheDocumentedFormula) {
  PPMM_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t ns = random() >> Uniform(random, 7, 63) | 1;
    const int32_t index = Sketch::IndexOf(ns);
    const long double seconds = static_cast<long double>(ns) / 1e9L;
    ASSERT_LE(seconds, std::exp2(static_cast<long double>(index) / 32) * (1 + 1e-17L)) << ns;
    ASSERT_GT(seconds, std::exp2(static_cast<long double>(index - 1) / 32) * (1 - 1e-17L)) << ns;
  }
}

TEST(SketchIndexTest, CoversAllOf64Bits) {
  EXPECT_EQ(Sketch::IndexOf(1), Sketch::kMinIndex);
  EXPECT_EQ(Sketch::IndexOf(~uint64_t{0}), Sketch::kMaxIndex);
  EXPECT_EQ(Sketch::LastNs(Sketch::kMaxIndex), ~uint64_t{0});
  EXPECT_EQ(Sketch::FirstNs(Sketch::kMinIndex), 1u);
  EXPECT_EQ(Sketch::LastNs(2'000'000'000), ~uint64_t{0}) << "clamped";
  EXPECT_EQ(Sketch::FirstNs(-2'000'000'000), 1u) << "clamped";
}

TEST(SketchTest, CountsZeroAndNegativeDurationsApart) {
  const Sketch sketch = Of({0, -5, INT64_MIN, 1000});
  EXPECT_EQ(sketch.zero_count(), 3u);
  EXPECT_EQ(sketch.count(), 4u);
  EXPECT_EQ(sketch.sum_ns(), 1000);
  EXPECT_EQ(sketch.min_ns(), 0u);
  EXPECT_EQ(sketch.max_ns(), 1000u);
  EXPECT_EQ(sketch.QuantileSeconds(0.75), 0.0);
  EXPECT_EQ(sketch.QuantileSeconds(1), 1e-6);
}

TEST(SketchTest, HasNoQuantileWithoutValues) {
  EXPECT_TRUE(Sketch().empty());
  EXPECT_EQ(Sketch().QuantileSeconds(0.5), std::nullopt);
  Sketch cleared = Of({1, 2});
  cleared.Add(3, 0);
  cleared.Clear();
  EXPECT_EQ(cleared, Sketch());
}

TEST(SketchTest, StopsAtTheLargestCountInsteadOfWrapping) {
  Sketch sketch;
  sketch.Add(INT64_MAX, ~uint64_t{0});
  sketch.Add(INT64_MAX, 5);
  EXPECT_EQ(sketch.count(), ~uint64_t{0});
  Sketch other = sketch;
  other.Merge(sketch);
  EXPECT_EQ(other.count(), ~uint64_t{0});
  EXPECT_EQ(other.sum_ns(), absl::Uint128Max());
  EXPECT_TRUE(other.QuantileSeconds(0.5).has_value());
}

TEST(SketchTest, TakesAHistogramOfWhichOnlyBucketsAreKnown) {
  Sketch sketch;
  sketch.AddBucket(0, 3);
  sketch.AddBucket(-32, 1);
  sketch.AddBucket(7, 0);
  sketch.AddSum(3'400'000'000);
  EXPECT_EQ(sketch.count(), 4u);
  EXPECT_EQ(sketch.min_ns(), Sketch::FirstNs(-32));
  EXPECT_EQ(sketch.max_ns(), 1'000'000'000u);
  EXPECT_EQ(sketch.sum_seconds(), 3.4);
  for (int32_t index = Sketch::kMinIndex - 1; index <= Sketch::kMaxIndex + 1; ++index) {
    Sketch one;
    one.AddBucket(index, 1);
    EXPECT_TRUE(Sketch::Decode(one.Encode()).ok()) << index;
  }
}

TEST(SketchTest, QuantilesAreWithin1Point0831Percent) {
  PPMM_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  std::lognormal_distribution<double> lognormal(15, 1.5);
  std::uniform_real_distribution<double> uniform(1000, 50e6);
  std::normal_distribution<double> fast(2e6, 2e5);
  std::normal_distribution<double> slow(8e8, 5e7);
  const std::function<double()> shapes[] = {
      [&] { return lognormal(random); },
      [&] { return uniform(random); },
      [&] { return Uniform(random, 1, 10) == 1 ? slow(random) : fast(random); },
  };
  for (const auto& shape : shapes) {
    std::vector<int64_t> values;
    for (int i = 0; i < 20'011; ++i) {
      values.push_back(std::max<int64_t>(1, std::llround(shape())));
    }
    const Sketch sketch = Of(values);
    std::sort(values.begin(), values.end());
    for (const double q : {0.0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0}) {
      const double rank = std::max(1.0, std::ceil(q * static_cast<double>(values.size())));
      const double exact = static_cast<double>(values[static_cast<size_t>(rank) - 1]) / 1e9;
      EXPECT_NEAR(*sketch.QuantileSeconds(q) / exact, 1, 0.010831) << "quantile " << q;
    }
  }
}

TEST(SketchTest, MergeIsAdditionWhateverTheOrder) {
  PPMM_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 300; ++round) {
    std::vector<Sketch> parts;
    Sketch added;
    for (int i = 0; i < 5; ++i) {
      Sketch part;
      const uint64_t values = Uniform(random, 0, 40);
      for (uint64_t v = 0; v < values; ++v) {
        const auto ns = static_cast<int64_t>(random() >> Uniform(random, 1, 63)) - 3;
        part.Add(ns);
        added.Add(ns);
      }
      parts.push_back(part);
    }
    std::shuffle(parts.begin(), parts.end(), random);
    Sketch left;
    for (const Sketch& part : parts) {
      left.Merge(part);
    }
    Sketch tail = parts[3];
    tail.Merge(parts[4]);
    Sketch head = parts[2];
    head.Merge(parts[1]);
    head.Merge(tail);
    head.Merge(parts[0]);
    ASSERT_EQ(left, added);
    ASSERT_EQ(head, added);
  }
  Sketch twice = Of({1, 5, 5, 700});
  twice.Merge(twice);
  EXPECT_EQ(twice, Of({1, 5, 5, 700, 1, 5, 5, 700}));
}

TEST(SketchTest, ClassicBucketsAreCumulativeWithInclusiveBounds) {
  EXPECT_EQ(Sketch::ClassicBoundSeconds(0), 1.0 / 131072);
  EXPECT_EQ(Sketch::ClassicBoundSeconds(17), 1.0);
  EXPECT_EQ(Sketch::ClassicBoundSeconds(23), 64.0);
  const Sketch sketch = Of({0, 1, 7629, 7630, 1'000'000'000, 1'000'000'001, 64'000'000'000, 64'000'000'001});
  const auto cumulative = sketch.ClassicBuckets();
  EXPECT_EQ(cumulative[0], 3u) << "zero, 1 ns and 7.629 us";
  EXPECT_EQ(cumulative[1], 4u);
  EXPECT_EQ(cumulative[16], 4u);
  EXPECT_EQ(cumulative[17], 5u) << "one second is within le=1";
  EXPECT_EQ(cumulative[18], 6u);
  EXPECT_EQ(cumulative[23], 7u) << "64 s is within le=64";
  EXPECT_EQ(sketch.count(), 8u);
}

TEST(SketchTest, ClassicBucketsMoveNoCount) {
  PPMM_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  Sketch sketch;
  std::vector<int64_t> values;
  for (int i = 0; i < 5000; ++i) {
    values.push_back(static_cast<int64_t>(random() >> Uniform(random, 20, 60)));
    sketch.Add(values.back());
  }
  const auto cumulative = sketch.ClassicBuckets();
  for (size_t i = 0; i < Sketch::kClassicBuckets; ++i) {
    const auto within = std::count_if(values.begin(), values.end(), [i](int64_t ns) {
      return static_cast<long double>(ns) <= static_cast<long double>(Sketch::ClassicBoundSeconds(i)) * 1e9L;
    });
    EXPECT_EQ(cumulative[i], static_cast<uint64_t>(within)) << "le " << Sketch::ClassicBoundSeconds(i);
  }
}

TEST(SketchTest, NativeBucketsAreSpansAndDeltas) {
  Sketch sketch;
  sketch.Add(-1, 2);
  sketch.AddBucket(-10, 5);
  sketch.AddBucket(-9, 3);
  sketch.AddBucket(4, 3);
  sketch.AddBucket(5, 10);
  sketch.AddSum(7'000'000'000);
  const NativeHistogram native = sketch.Native();
  EXPECT_EQ(native.schema, 5);
  EXPECT_EQ(native.count, 23u);
  EXPECT_EQ(native.zero_count, 2u);
  EXPECT_EQ(native.sum_seconds, 7.0);
  EXPECT_THAT(native.spans, ElementsAre(NativeHistogram::Span{-10, 2}, NativeHistogram::Span{12, 2}));
  EXPECT_THAT(native.deltas, ElementsAre(5, -2, 0, 7));
}

TEST(SketchCodecTest, GivesBackWhatItTook) {
  PPMM_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 2000; ++round) {
    const Sketch sketch = RandomSketch(random);
    const auto decoded = Sketch::Decode(sketch.Encode());
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    ASSERT_EQ(*decoded, sketch);
  }
}

TEST(SketchCodecTest, KeepsSumsOfMoreThan64Bits) {
  Sketch sketch;
  sketch.Add(INT64_MAX, Sketch::kMaxEncodedCount - 1);
  sketch.Add(1);
  const auto decoded = Sketch::Decode(sketch.Encode());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, sketch);
  EXPECT_GT(decoded->sum_ns(), absl::uint128(~uint64_t{0}));
}

TEST(SketchCodecTest, TakesOneByteForABucketOfAFewValues) {
  Sketch sketch;
  for (int32_t index = -300; index < -100; index += 2) {
    sketch.AddBucket(index, 20);
  }
  EXPECT_LE(sketch.Encode().size(), 110u);
}

TEST(SketchCodecTest, RefusesEveryTruncation) {
  PPMM_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 50; ++round) {
    const std::string bytes = RandomSketch(random).Encode();
    for (size_t size = 0; size < bytes.size(); ++size) {
      // A copy of exactly this size, so that the address sanitizer sees a read past it.
      const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_EQ(Sketch::Decode(absl::string_view(cut.data(), cut.size())).status().code(), absl::StatusCode::kDataLoss);
    }
  }
}

TEST(SketchCodecTest, SurvivesEveryFlippedByte) {
  PPMM_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 8; ++round) {
    std::string bytes = RandomSketch(random).Encode();
    for (char& byte : bytes) {
      const char saved = byte;
      for (int flip = 1; flip < 256; ++flip) {
        byte = static_cast<char>(saved ^ flip);
        const auto decoded = Sketch::Decode(bytes);
        if (decoded.ok()) {
          ASSERT_LE(decoded->count(), 2 * Sketch::kMaxEncodedCount);
          ASSERT_EQ(*Sketch::Decode(decoded->Encode()), *decoded) << "what is accepted can be stored again";
        }
      }
      byte = saved;
    }
  }
}

TEST(SketchCodecTest, RefusesWhatNoEncoderWrites) {
  const auto refused = [](std::vector<uint8_t> bytes) {
    const std::string text(bytes.begin(), bytes.end());
    return Sketch::Decode(text).status().code() == absl::StatusCode::kDataLoss;
  };
  // zero count, buckets, sum, first index 956 (one second), one value, min and max at the bucket's bounds
  EXPECT_FALSE(refused({0, 1, 2, 0xbc, 0x07, 0, 0, 0}));
  EXPECT_TRUE(refused({0, 1, 2, 0xbc, 0x07, 0, 0, 0, 0})) << "bytes left over";
  EXPECT_TRUE(refused({0, 9, 2, 0xbc, 0x07, 0, 0, 0})) << "more buckets than bytes";
  EXPECT_TRUE(refused({0, 1, 2, 0xff, 0x7f, 0, 0, 0})) << "bucket out of range";
  EXPECT_TRUE(refused({0, 1, 2, 0xbc, 0x07, 3, 0xff, 0x7f, 0, 0})) << "gap out of range";
  EXPECT_TRUE(refused({0, 1, 2, 0xbc, 0x07, 0, 0xff, 0xff, 0xff, 0x7f, 0})) << "min outside its bucket";
  EXPECT_TRUE(refused({0, 1, 2, 0xbc, 0x07, 0, 0, 0xff, 0xff, 0xff, 0x7f})) << "max outside its bucket";
  EXPECT_TRUE(refused({0, 1, 2, 0xbc, 0x07, 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0}))
      << "too many values";
  EXPECT_TRUE(refused({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0})) << "more than 64 bits";
  EXPECT_TRUE(Buckets(*Sketch::Decode(absl::string_view("\0\0\0", 3))).empty());
}

}  // namespace
}  // namespace ppmm
