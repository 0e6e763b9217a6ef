#include "collector/minute_row.h"

#include <zstd.h>

#include <algorithm>
#include <utility>

#include "common/varint.h"

namespace ppmm {
namespace {

// Format, version 3: byte 3, byte compressed (0 or 1), then the body, whole or as one zstd frame. The body is a list of
// varints; lists begin with their length; ids are differences. Series are two streams, heads (id, shape, count, second)
// and values, since alike next to alike compresses best. Version 1 ends before the clock's offset; histograms have
// their number of samples since version 3.
constexpr char kRowVersion = 3;
constexpr std::size_t kMaxRowBody = std::size_t{64} << 20;
constexpr int kRowZstdLevel = 1;  // level 3 is 2 % smaller and takes twice the time

// Shape bits of a series: what need not be written.
constexpr std::uint64_t kConstant = 1;    // min = max = last, sum = count * min
constexpr std::uint64_t kLikeBefore = 2;  // count and second as of the series before

std::int64_t WrapAdd(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
std::uint64_t WrapSub(std::int64_t a, std::int64_t b) {
  return static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b);
}
std::uint64_t WrapTimes(std::uint32_t count, std::int64_t value) {
  return std::uint64_t{count} * static_cast<std::uint64_t>(value);
}

bool IsConstant(const Rollup& r) {
  return r.min == r.max && r.last == r.min && static_cast<std::uint64_t>(r.sum) == WrapTimes(r.count, r.min);
}

void AppendSketches(const std::vector<SeriesSketch>& sketches, std::string* out) {
  AppendVarint(sketches.size(), out);
  SeriesId before = 0;
  for (const SeriesSketch& s : sketches) {
    AppendVarint(s.series - before, out);
    before = s.series;
    AppendVarint(s.samples, out);
    const std::string bytes = s.sketch.Encode();
    AppendVarint(bytes.size(), out);
    out->append(bytes);
  }
}

// Reads varints and remembers the first failure, so that a caller checks once.
class Body {
 public:
  explicit Body(absl::string_view bytes) : reader_(bytes) {}
  std::uint64_t Next() {
    std::uint64_t value = 0;
    ok_ = ok_ && reader_.ReadVarint(&value);
    return ok_ ? value : 0;
  }
  std::int64_t NextSigned() { return UnZigZag(Next()); }
  template <class T>
  T As() {
    const std::uint64_t value = Next();
    ok_ = ok_ && value <= std::uint64_t{static_cast<T>(~T{0})};
    return static_cast<T>(value);
  }
  // A list's length; each element takes a byte at least.
  std::size_t Length() {
    const std::uint64_t length = Next();
    ok_ = ok_ && length <= reader_.left();
    return ok_ ? static_cast<std::size_t>(length) : 0;
  }
  absl::string_view Bytes(std::size_t size) {
    absl::string_view bytes;
    ok_ = ok_ && reader_.ReadBytes(size, &bytes);
    return bytes;
  }
  // The next id of an ascending list.
  SeriesId NextId(SeriesId before) {
    const std::uint64_t id = before + Next();
    ok_ = ok_ && id > before && id <= ~SeriesId{0};
    return static_cast<SeriesId>(id);
  }
  bool ok() const { return ok_; }
  bool at_end() const { return reader_.left() == 0; }

 private:
  ByteReader reader_;
  bool ok_ = true;
};

bool ReadSketches(Body& body, char version, std::vector<SeriesSketch>* sketches) {
  const std::size_t length = body.Length();
  SeriesId before = 0;
  for (std::size_t i = 0; i < length && body.ok(); ++i) {
    before = body.NextId(before);
    const auto samples = version > 2 ? body.As<std::uint32_t>() : 0;
    absl::StatusOr<Sketch> sketch = Sketch::Decode(body.Bytes(body.Length()));
    if (!body.ok() || !sketch.ok()) {
      return false;
    }
    sketches->push_back({before, *std::move(sketch), samples});
  }
  return body.ok();
}

bool ReadBody(absl::string_view bytes, char version, MinuteRow* row) {
  Body body(bytes);
  row->flags = body.As<std::uint32_t>();
  row->late_samples = body.As<std::uint32_t>();
  for (std::uint32_t& expected : row->expected) {
    expected = body.As<std::uint32_t>();
  }
  const std::size_t series = body.Length();
  std::vector<std::uint64_t> shapes;
  row->series.reserve(series);
  SeriesRollup before;
  for (std::size_t i = 0; i < series && body.ok(); ++i) {
    SeriesRollup next;
    next.series = body.NextId(before.series);
    shapes.push_back(body.Next());
    if ((shapes.back() & kLikeBefore) != 0) {
      next.rollup.count = before.rollup.count;
      next.rollup.last_second = before.rollup.last_second;
    } else {
      next.rollup.count = body.As<std::uint32_t>();
      next.rollup.last_second = body.As<std::uint8_t>();
    }
    row->series.push_back(next);
    before = next;
  }
  for (std::size_t i = 0; i < row->series.size() && body.ok(); ++i) {
    Rollup& r = row->series[i].rollup;
    r.min = body.NextSigned();
    r.max = r.last = r.min;
    r.sum = static_cast<std::int64_t>(WrapTimes(r.count, r.min));
    if ((shapes[i] & kConstant) == 0) {
      r.max = WrapAdd(r.min, static_cast<std::int64_t>(body.Next()));
      r.last = WrapAdd(r.min, static_cast<std::int64_t>(body.Next()));
      r.sum = WrapAdd(r.sum, static_cast<std::int64_t>(body.Next()));
    }
  }
  if (!ReadSketches(body, version, &row->sketches)) {
    return false;
  }
  const std::size_t totals = body.Length();
  SeriesTotal last;
  for (std::size_t i = 0; i < totals && body.ok(); ++i) {
    SeriesTotal next;
    next.series = body.NextId(last.series);
    next.last = body.NextSigned();
    next.last_step = WrapAdd(last.last_step, body.NextSigned());
    next.total = body.NextSigned();
    row->totals.push_back(next);
    last = next;
  }
  if (!ReadSketches(body, version, &row->sketch_totals)) {
    return false;
  }
  row->late_samples_total = body.Next();
  if (version > 1) {
    if (const std::uint64_t clock = body.Next(); clock > 0) {
      row->clock_offset_us = UnZigZag(clock - 1);
    }
  }
  return body.ok() && body.at_end();
}

template <class Element>
auto Position(std::vector<Element>& list, SeriesId id) {
  return list.empty() || list.back().series < id
             ? list.end()
             : std::lower_bound(list.begin(), list.end(), id,
                                [](const Element& element, SeriesId series) { return element.series < series; });
}

}  // namespace

void Rollup::Add(std::int64_t value, std::uint8_t second) {
  Merge({1, second, value, value, value, value});
}

void Rollup::Merge(const Rollup& other) {
  if (other.count == 0) {
    return;
  }
  if (count == 0) {
    *this = other;
    return;
  }
  count += other.count;
  sum = WrapAdd(sum, other.sum);
  min = std::min(min, other.min);
  max = std::max(max, other.max);
  if (other.last_second > last_second) {
    last_second = other.last_second;
    last = other.last;
  } else if (other.last_second == last_second) {
    last = std::max(last, other.last);
  }
}

void MinuteRow::Add(SeriesId series_id, std::int64_t value, std::uint8_t second) {
  auto at = Position(series, series_id);
  if (at == series.end() || at->series != series_id) {
    at = series.insert(at, SeriesRollup{series_id, {}});
  }
  at->rollup.Add(value, second);
}

void MinuteRow::Add(SeriesId series_id, const Sketch& sketch, std::uint32_t samples) {
  auto at = Position(sketches, series_id);
  if (at == sketches.end() || at->series != series_id) {
    at = sketches.insert(at, SeriesSketch{series_id, {}, 0});
  }
  at->sketch.Merge(sketch);
  at->samples += samples;
}

void MinuteRow::NoteClock(std::int64_t offset_us) {
  constexpr std::int64_t kMost = 86'400'000'000;  // whatever a sender claims
  offset_us = std::clamp(offset_us, -kMost, kMost);
  clock_offset_us = std::min(clock_offset_us.value_or(offset_us), offset_us);
}

void MinuteRow::Merge(const MinuteRow& other) {
  flags |= other.flags;
  if (other.clock_offset_us.has_value()) {
    NoteClock(*other.clock_offset_us);
  }
  late_samples += other.late_samples;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    expected[i] = std::max(expected[i], other.expected[i]);
  }
  std::vector<SeriesRollup> merged;
  merged.reserve(series.size() + other.series.size());
  auto mine = series.begin();
  for (const SeriesRollup& theirs : other.series) {
    while (mine != series.end() && mine->series < theirs.series) {
      merged.push_back(*mine++);
    }
    merged.push_back(theirs);
    if (mine != series.end() && mine->series == theirs.series) {
      merged.back().rollup.Merge((mine++)->rollup);
    }
  }
  merged.insert(merged.end(), mine, series.end());
  series = std::move(merged);
  for (const SeriesSketch& theirs : other.sketches) {
    Add(theirs.series, theirs.sketch, theirs.samples);
  }
}

const Rollup* MinuteRow::Find(SeriesId series_id) const {
  const auto at = std::lower_bound(series.begin(), series.end(), series_id,
                                   [](const SeriesRollup& element, SeriesId id) { return element.series < id; });
  return at != series.end() && at->series == series_id ? &at->rollup : nullptr;
}

std::string MinuteRow::Encode(bool compressed) const {
  std::string body;
  body.reserve(64 + series.size() * 8 + totals.size() * 8);
  AppendVarint(flags, &body);
  AppendVarint(late_samples, &body);
  for (const std::uint32_t value : expected) {
    AppendVarint(value, &body);
  }
  AppendVarint(series.size(), &body);
  std::string values;
  SeriesRollup before;
  for (const SeriesRollup& s : series) {
    const Rollup& r = s.rollup;
    const bool constant = IsConstant(r);
    const bool like_before = r.count == before.rollup.count && r.last_second == before.rollup.last_second;
    AppendVarint(s.series - before.series, &body);
    AppendVarint((constant ? kConstant : 0) | (like_before ? kLikeBefore : 0), &body);
    if (!like_before) {
      AppendVarint(r.count, &body);
      AppendVarint(r.last_second, &body);
    }
    AppendVarint(ZigZag(r.min), &values);
    if (!constant) {
      AppendVarint(WrapSub(r.max, r.min), &values);
      AppendVarint(WrapSub(r.last, r.min), &values);
      AppendVarint(static_cast<std::uint64_t>(r.sum) - WrapTimes(r.count, r.min), &values);
    }
    before = s;
  }
  body += values;
  AppendSketches(sketches, &body);
  AppendVarint(totals.size(), &body);
  SeriesTotal last;
  for (const SeriesTotal& t : totals) {
    AppendVarint(t.series - last.series, &body);
    AppendVarint(ZigZag(t.last), &body);
    AppendVarint(ZigZag(static_cast<std::int64_t>(WrapSub(t.last_step, last.last_step))), &body);
    AppendVarint(ZigZag(t.total), &body);
    last = t;
  }
  AppendSketches(sketch_totals, &body);
  AppendVarint(late_samples_total, &body);
  AppendVarint(clock_offset_us.has_value() ? ZigZag(*clock_offset_us) + 1 : 0, &body);

  std::string out{kRowVersion, static_cast<char>(compressed)};
  if (!compressed) {
    return out + body;
  }
  out.resize(2 + ZSTD_compressBound(body.size()));
  const std::size_t size = ZSTD_compress(out.data() + 2, out.size() - 2, body.data(), body.size(), kRowZstdLevel);
  if (ZSTD_isError(size) != 0) {  // only for want of memory
    return std::string{kRowVersion, 0} + body;
  }
  out.resize(2 + size);
  return out;
}

absl::StatusOr<MinuteRow> MinuteRow::Decode(absl::string_view bytes) {
  const absl::Status damaged = absl::DataLossError("minute row: damaged");
  if (bytes.size() < 2 || bytes[0] < 1 || bytes[0] > kRowVersion || static_cast<unsigned char>(bytes[1]) > 1) {
    return damaged;
  }
  const absl::string_view payload = bytes.substr(2);
  MinuteRow row;
  if (bytes[1] == 0) {
    return ReadBody(payload, bytes[0], &row) ? absl::StatusOr<MinuteRow>(std::move(row)) : damaged;
  }
  const unsigned long long size = ZSTD_getFrameContentSize(payload.data(), payload.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > kMaxRowBody) {
    return damaged;
  }
  std::string body(static_cast<std::size_t>(size), '\0');
  if (ZSTD_decompress(body.data(), body.size(), payload.data(), payload.size()) != body.size() ||
      !ReadBody(body, bytes[0], &row)) {
    return damaged;
  }
  return row;
}

}  // namespace ppmm
