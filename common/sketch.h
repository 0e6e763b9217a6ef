// The histogram of response times: Prometheus' native histogram of schema 5 on seconds, filled from integer
// nanoseconds.
//
// Bucket i holds (2^((i-1)/32), 2^(i/32)] s; a quantile is off by 1.0831 % at most. Merging is integer addition, so the
// order of merges never matters, and export to classic and native buckets moves no count. Sparse: a sketch costs 16
// bytes a bucket in use.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ppmm {

// A native histogram as Prometheus' protobuf exposition and remote write carry it.
//
// Shape:  a span's offset is the index of its first bucket for the first span, else the number of empty buckets since
//         the span before; one delta a bucket, the first of them absolute.
// Source: client_model metrics.proto, message Histogram.
struct NativeHistogram {
  struct Span {
    int32_t offset = 0;
    uint32_t length = 0;
    bool operator==(const Span&) const = default;
  };
  int32_t schema = 5;
  uint64_t count = 0;
  double sum_seconds = 0;
  double zero_threshold = 0;
  uint64_t zero_count = 0;
  std::vector<Span> spans;
  std::vector<int64_t> deltas;
};

// A value; thread-compatible. Counts and the sum stop at their largest value instead of wrapping.
class Sketch {
 public:
  struct Bucket {
    int32_t index = 0;
    uint64_t count = 0;
    bool operator==(const Bucket&) const = default;
  };

  static constexpr int32_t kMinIndex = -956;  // holds 1 ns
  static constexpr int32_t kMaxIndex = 1092;  // holds the largest uint64_t
  // More values than that in one encoded sketch are refused; a double still counts them exactly.
  static constexpr uint64_t kMaxEncodedCount = uint64_t{1} << 53;

  // The bucket of a duration of `ns` > 0 nanoseconds, by integers only: no wrong bucket below 2^57 ns (4.6 years).
  // Source: common/sketch_table.h.
  static int32_t IndexOf(uint64_t ns);
  // The largest and the smallest whole nanosecond of bucket `index`, which is clamped to [kMinIndex, kMaxIndex].
  // A bucket below 46 ns may hold no whole nanosecond; then FirstNs > LastNs.
  static uint64_t LastNs(int32_t index);
  static uint64_t FirstNs(int32_t index);
  // The exact bound 2^(index/32), in seconds.
  static double UpperBoundSeconds(int32_t index);

  // Adds `n` durations. A zero or negative one is counted in zero_count() and adds nothing to the sum.
  void Add(int64_t ns, uint64_t n = 1);
  // Adds `n` durations of which only the bucket is known (a histogram filled in the kernel): min and max become the
  // bucket's bounds, and the sum comes by AddSum.
  void AddBucket(int32_t index, uint64_t n);
  void AddSum(absl::uint128 ns) { sum_ns_ = SaturatingAdd(sum_ns_, ns); }
  void Merge(const Sketch& other);
  void Clear();

  bool empty() const { return count_ == 0 && sum_ns_ == 0; }
  uint64_t count() const { return count_; }  // zero_count() included
  uint64_t zero_count() const { return zero_count_; }
  // 128 bits, since 584 years of summed time is what 1,000 waiting requests collect in 213 days.
  absl::uint128 sum_ns() const { return sum_ns_; }
  double sum_seconds() const { return static_cast<double>(sum_ns_) / 1e9; }
  // Of all values, so 0 where zero_count() > 0 and where the sketch is empty.
  uint64_t min_ns() const { return zero_count_ > 0 ? 0 : min_ns_; }
  uint64_t max_ns() const { return max_ns_; }
  // Ascending, counts above 0.
  const std::vector<Bucket>& buckets() const { return buckets_; }

  // The value at rank ceil(q * count), as the middle of its bucket that has the smallest worst relative error.
  //
  // Shape:  q is clamped to [0, 1]; nothing when there are no values. q = 0 and q = 1 give min and max.
  // Units:  seconds.
  std::optional<double> QuantileSeconds(double q) const;

  // Appends the bytes of docs/wire.md, section "Sketch". Precondition: count() <= kMaxEncodedCount.
  void AppendTo(std::string* out) const;
  std::string Encode() const;
  // Errors: DataLoss for bytes that end early, are left over, or that no AppendTo wrote (a bucket out of range, min
  //         outside the first bucket, too many values). A sketch never has more buckets than bytes.
  static absl::StatusOr<Sketch> Decode(absl::string_view bytes);

  // Bounds of the classic export: le = 2^-17 (7.6 us) to 2^6 s, whole octaves, then +Inf = count().
  static constexpr int kFirstClassicExponent = -17;
  static constexpr size_t kClassicBuckets = 24;
  // Cumulative, values in zero_count() are in each.
  std::array<uint64_t, kClassicBuckets> ClassicBuckets() const;
  static double ClassicBoundSeconds(size_t bucket);

  NativeHistogram Native() const;

  bool operator==(const Sketch&) const = default;

 private:
  template <typename T>
  static T SaturatingAdd(T a, T b) {
    const T sum = a + b;
    return sum < a ? ~T{0} : sum;
  }
  uint64_t& CountAt(int32_t index);

  std::vector<Bucket> buckets_;
  uint64_t count_ = 0;
  uint64_t zero_count_ = 0;
  uint64_t min_ns_ = 0;  // of the values in buckets_, 0 when there are none
  uint64_t max_ns_ = 0;
  absl::uint128 sum_ns_ = 0;
};

}  // namespace ppmm
