#include "common/sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "absl/status/status.h"

#include "common/sketch_table.h"
#include "common/varint.h"

namespace ppmm {
namespace {

constexpr int32_t kBucketsPerOctave = 32;
constexpr double kGrowth = 1.0218971486541166;  // 2^(1/32)

// The 32 thresholds of an octave, in order: the table without its cells that hold none.
const std::array<uint64_t, kBucketsPerOctave>& Thresholds() {
  static const auto thresholds = [] {
    std::array<uint64_t, kBucketsPerOctave> found{};
    for (const uint64_t entry : kPpmmSketchTable) {
      if (entry < 0xffffffffffffff80u) {
        found[entry & 127] = entry;
      }
    }
    return found;
  }();
  return thresholds;
}

int32_t Clamp(int32_t index) {
  return std::clamp(index, Sketch::kMinIndex, Sketch::kMaxIndex);
}

absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(what);
}

// A sum has up to 128 bits: its low 63 bits, doubled, plus 1 when the rest follows as a second number.
void AppendSum(absl::uint128 sum, std::string* out) {
  constexpr uint64_t kLow63 = ~uint64_t{0} >> 1;
  const uint64_t low = absl::Uint128Low64(sum) & kLow63;
  const absl::uint128 rest = std::min(sum >> 63, absl::uint128(~uint64_t{0}));
  AppendVarint(low << 1 | (rest == 0 ? 0 : 1), out);
  if (rest != 0) {
    AppendVarint(absl::Uint128Low64(rest), out);
  }
}

bool ReadSum(ByteReader* reader, absl::uint128* sum) {
  uint64_t low = 0;
  uint64_t rest = 0;
  if (!reader->ReadVarint(&low) || ((low & 1) != 0 && !reader->ReadVarint(&rest))) {
    return false;
  }
  *sum = (absl::uint128(rest) << 63) + (low >> 1);
  return true;
}

}  // namespace

int32_t Sketch::IndexOf(uint64_t ns) {
  const int leading = std::countl_zero(ns | 1);
  const uint64_t mantissa = ns << leading;
  const uint64_t entry = kPpmmSketchTable[(mantissa >> 57) & 63];
  return kBucketsPerOctave * (63 - leading) + static_cast<int32_t>(entry & 127) + (mantissa > entry ? 1 : 0) -
         PPMM_SKETCH_LOCAL_OFFSET;
}

uint64_t Sketch::LastNs(int32_t index) {
  const int32_t local = Clamp(index) + PPMM_SKETCH_LOCAL_OFFSET;
  const int32_t exponent = local / kBucketsPerOctave;
  if (exponent > 63) {
    return ~uint64_t{0};
  }
  return Thresholds()[static_cast<size_t>(local % kBucketsPerOctave)] >> (63 - exponent);
}

uint64_t Sketch::FirstNs(int32_t index) {
  return Clamp(index) == kMinIndex ? 1 : LastNs(Clamp(index) - 1) + 1;
}

double Sketch::UpperBoundSeconds(int32_t index) {
  return std::exp2(index / static_cast<double>(kBucketsPerOctave));
}

uint64_t& Sketch::CountAt(int32_t index) {
  // Histograms of the kernel and other sketches come in ascending order.
  if (buckets_.empty() || buckets_.back().index < index) {
    return buckets_.emplace_back(Bucket{index, 0}).count;
  }
  const auto at = std::lower_bound(buckets_.begin(), buckets_.end(), index,
                                   [](const Bucket& bucket, int32_t wanted) { return bucket.index < wanted; });
  return at->index == index ? at->count : buckets_.insert(at, Bucket{index, 0})->count;
}

void Sketch::Add(int64_t ns, uint64_t n) {
  if (n == 0) {
    return;
  }
  if (ns <= 0) {
    zero_count_ = SaturatingAdd(zero_count_, n);
    count_ = SaturatingAdd(count_, n);
    return;
  }
  const auto value = static_cast<uint64_t>(ns);
  min_ns_ = buckets_.empty() ? value : std::min(min_ns_, value);
  max_ns_ = std::max(max_ns_, value);
  uint64_t& count = CountAt(IndexOf(value));
  count = SaturatingAdd(count, n);
  count_ = SaturatingAdd(count_, n);
  AddSum(absl::uint128(value) * n);
}

void Sketch::AddBucket(int32_t index, uint64_t n) {
  if (n == 0) {
    return;
  }
  const uint64_t first = FirstNs(index);
  const int32_t bucket = IndexOf(first);  // the next one that holds a whole nanosecond
  min_ns_ = buckets_.empty() ? first : std::min(min_ns_, first);
  max_ns_ = std::max(max_ns_, LastNs(bucket));
  uint64_t& count = CountAt(bucket);
  count = SaturatingAdd(count, n);
  count_ = SaturatingAdd(count_, n);
}

void Sketch::Merge(const Sketch& other) {
  if (!other.buckets_.empty()) {
    min_ns_ = buckets_.empty() ? other.min_ns_ : std::min(min_ns_, other.min_ns_);
    max_ns_ = std::max(max_ns_, other.max_ns_);
  }
  count_ = SaturatingAdd(count_, other.count_);
  zero_count_ = SaturatingAdd(zero_count_, other.zero_count_);
  AddSum(other.sum_ns_);

  // Add where both have the bucket and count the others, then make room for them once, from the back.
  size_t missing = 0;
  size_t mine = 0;
  for (const Bucket& theirs : other.buckets_) {
    while (mine < buckets_.size() && buckets_[mine].index < theirs.index) {
      ++mine;
    }
    if (mine < buckets_.size() && buckets_[mine].index == theirs.index) {
      buckets_[mine].count = SaturatingAdd(buckets_[mine].count, theirs.count);
    } else {
      ++missing;
    }
  }
  if (missing == 0) {
    return;
  }
  mine = buckets_.size();
  buckets_.resize(mine + missing);
  size_t to = buckets_.size();
  for (size_t from = other.buckets_.size(); from > 0 && to > mine;) {
    const Bucket& theirs = other.buckets_[from - 1];
    if (mine > 0 && buckets_[mine - 1].index >= theirs.index) {
      from -= buckets_[mine - 1].index == theirs.index ? 1 : 0;
      buckets_[--to] = buckets_[--mine];
    } else {
      buckets_[--to] = theirs;
      --from;
    }
  }
}

void Sketch::Clear() {
  buckets_.clear();
  count_ = zero_count_ = min_ns_ = max_ns_ = 0;
  sum_ns_ = 0;
}

std::optional<double> Sketch::QuantileSeconds(double q) const {
  if (count_ == 0) {
    return std::nullopt;
  }
  const double wanted = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_));
  if (wanted <= 1) {
    return static_cast<double>(min_ns()) / 1e9;
  }
  if (wanted >= static_cast<double>(count_)) {
    return static_cast<double>(max_ns_) / 1e9;
  }
  const auto rank = static_cast<uint64_t>(wanted);
  uint64_t below = zero_count_;
  if (rank <= below) {
    return 0.0;
  }
  for (const Bucket& bucket : buckets_) {
    below = SaturatingAdd(below, bucket.count);
    if (rank <= below) {
      // 2ab/(a+b) of the bounds a and b is equally far, relatively, from both.
      const double middle = UpperBoundSeconds(bucket.index) * (2 / (1 + kGrowth));
      return std::clamp(middle, static_cast<double>(min_ns_) / 1e9, static_cast<double>(max_ns_) / 1e9);
    }
  }
  return static_cast<double>(max_ns_) / 1e9;
}

void Sketch::AppendTo(std::string* out) const {
  AppendVarint(zero_count_, out);
  AppendVarint(buckets_.size(), out);
  AppendSum(sum_ns_, out);
  if (buckets_.empty()) {
    return;
  }
  const int32_t first = buckets_.front().index;
  AppendVarint(static_cast<uint64_t>(first - kMinIndex), out);
  int32_t previous = first - 1;
  for (const Bucket& bucket : buckets_) {
    const auto empty_between = static_cast<uint64_t>(bucket.index - previous - 1);
    AppendVarint((bucket.count - 1) << 2 | std::min<uint64_t>(empty_between, 3), out);
    if (empty_between >= 3) {
      AppendVarint(empty_between - 3, out);
    }
    previous = bucket.index;
  }
  AppendVarint(min_ns_ - FirstNs(first), out);
  AppendVarint(LastNs(previous) - max_ns_, out);
}

std::string Sketch::Encode() const {
  std::string bytes;
  AppendTo(&bytes);
  return bytes;
}

absl::StatusOr<Sketch> Sketch::Decode(absl::string_view bytes) {
  ByteReader reader(bytes);
  Sketch sketch;
  uint64_t size = 0;
  if (!reader.ReadVarint(&sketch.zero_count_) || !reader.ReadVarint(&size) || !ReadSum(&reader, &sketch.sum_ns_)) {
    return Damaged("sketch: the header ends early");
  }
  if (size > reader.left()) {
    return Damaged("sketch: more buckets than bytes");
  }
  if (sketch.zero_count_ > kMaxEncodedCount) {
    return Damaged("sketch: too many values");
  }
  sketch.count_ = sketch.zero_count_;
  if (size > 0) {
    uint64_t first = 0;
    if (!reader.ReadVarint(&first)) {
      return Damaged("sketch: the first index is missing");
    }
    constexpr uint64_t kLastLocal = kMaxIndex - kMinIndex;
    uint64_t next = first;
    sketch.buckets_.reserve(size);
    for (uint64_t i = 0; i < size; ++i) {
      uint64_t token = 0;
      uint64_t more = 0;
      if (!reader.ReadVarint(&token) || ((token & 3) == 3 && !reader.ReadVarint(&more))) {
        return Damaged("sketch: the buckets end early");
      }
      const uint64_t count = (token >> 2) + 1;
      // Each is checked before they are added, so that nothing wraps.
      if (next > kLastLocal || more > kLastLocal || next + (token & 3) + more > kLastLocal) {
        return Damaged("sketch: a bucket is out of range");
      }
      next += (token & 3) + more;
      sketch.count_ += count;
      if (sketch.count_ > kMaxEncodedCount) {
        return Damaged("sketch: too many values");
      }
      sketch.buckets_.push_back({static_cast<int32_t>(next) + kMinIndex, count});
      ++next;
    }
    uint64_t above_first = 0;
    uint64_t below_last = 0;
    if (!reader.ReadVarint(&above_first) || !reader.ReadVarint(&below_last)) {
      return Damaged("sketch: min or max is missing");
    }
    const int32_t lowest = sketch.buckets_.front().index;
    const int32_t highest = sketch.buckets_.back().index;
    sketch.min_ns_ = FirstNs(lowest) + above_first;
    sketch.max_ns_ = LastNs(highest) - below_last;
    if (sketch.min_ns_ == 0 || IndexOf(sketch.min_ns_) != lowest || sketch.max_ns_ == 0 ||
        IndexOf(sketch.max_ns_) != highest || sketch.min_ns_ > sketch.max_ns_) {
      return Damaged("sketch: min or max lies outside its bucket");
    }
  }
  if (reader.left() > 0) {
    return Damaged("sketch: bytes are left over");
  }
  return sketch;
}

double Sketch::ClassicBoundSeconds(size_t bucket) {
  return std::ldexp(1.0, kFirstClassicExponent + static_cast<int>(bucket));
}

std::array<uint64_t, Sketch::kClassicBuckets> Sketch::ClassicBuckets() const {
  std::array<uint64_t, kClassicBuckets> cumulative{};
  uint64_t below = zero_count_;
  auto bucket = buckets_.begin();
  for (size_t i = 0; i < kClassicBuckets; ++i) {
    const int32_t last = kBucketsPerOctave * (kFirstClassicExponent + static_cast<int32_t>(i));
    for (; bucket != buckets_.end() && bucket->index <= last; ++bucket) {
      below = SaturatingAdd(below, bucket->count);
    }
    cumulative[i] = below;
  }
  return cumulative;
}

NativeHistogram Sketch::Native() const {
  NativeHistogram native;
  native.count = count_;
  native.sum_seconds = sum_seconds();
  native.zero_count = zero_count_;
  native.deltas.reserve(buckets_.size());
  int32_t next = 0;
  uint64_t previous_count = 0;
  for (const Bucket& bucket : buckets_) {
    if (native.spans.empty() || bucket.index != next) {
      native.spans.push_back({bucket.index - next, 0});
    }
    ++native.spans.back().length;
    native.deltas.push_back(static_cast<int64_t>(bucket.count - previous_count));
    previous_count = bucket.count;
    next = bucket.index + 1;
  }
  return native;
}

}  // namespace ppmm
