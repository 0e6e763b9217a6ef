#include "collector/block.h"

#include <zstd.h>

#include <utility>

#include "common/varint.h"

namespace ppmm {
namespace {

constexpr char kBlockVersion = 1;
constexpr int kBlockZstdLevel = 3;  // written once, kept for weeks
constexpr std::size_t kMaxBlockBody = std::size_t{64} << 20;

std::uint64_t Difference(std::int64_t a, std::int64_t b) {
  return static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b);
}
std::int64_t Sum(std::int64_t a, std::uint64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + b);
}
std::uint64_t Expected(const Rollup& r) {
  return std::uint64_t{r.count} * static_cast<std::uint64_t>(r.min);
}

// Calls visit(value) for each number of a rollup, as a difference that is small where the series is calm. One
// description of the format for both directions: `Visit` reads or writes.
template <class Rollups, class Visit>
bool EachColumn(Rollups& points, const Visit& visit) {
  const auto column = [&](const auto& one) {
    const BlockPoint* before = nullptr;
    for (auto& point : points) {
      static const BlockPoint kNone;
      if (!one(point, before == nullptr ? kNone : *before)) {
        return false;
      }
      before = &point;
    }
    return true;
  };
  return column([&](auto& p, const BlockPoint& b) {
           return visit(
               p.slot, [&] { return std::uint64_t{p.slot} - b.slot; },
               [&](std::uint64_t v) { return static_cast<std::uint32_t>(b.slot + v); });
         }) &&
         column([&](auto& p, const BlockPoint& b) {
           return visit(
               p.rollup.count, [&] { return ZigZag(std::int64_t{p.rollup.count} - b.rollup.count); },
               [&](std::uint64_t v) {
                 return static_cast<std::uint32_t>(b.rollup.count + static_cast<std::uint64_t>(UnZigZag(v)));
               });
         }) &&
         column([&](auto& p, const BlockPoint&) {
           return visit(
               p.rollup.last_second, [&] { return std::uint64_t{59} ^ p.rollup.last_second; },
               [&](std::uint64_t v) { return static_cast<std::uint8_t>(v ^ 59); });
         }) &&
         column([&](auto& p, const BlockPoint& b) {
           return visit(
               p.rollup.min, [&] { return ZigZag(static_cast<std::int64_t>(Difference(p.rollup.min, b.rollup.min))); },
               [&](std::uint64_t v) { return Sum(b.rollup.min, static_cast<std::uint64_t>(UnZigZag(v))); });
         }) &&
         column([&](auto& p, const BlockPoint&) {
           return visit(
               p.rollup.max, [&] { return Difference(p.rollup.max, p.rollup.min); },
               [&](std::uint64_t v) { return Sum(p.rollup.min, v); });
         }) &&
         column([&](auto& p, const BlockPoint&) {
           return visit(
               p.rollup.last, [&] { return Difference(p.rollup.last, p.rollup.min); },
               [&](std::uint64_t v) { return Sum(p.rollup.min, v); });
         }) &&
         column([&](auto& p, const BlockPoint&) {
           return visit(
               p.rollup.sum, [&] { return static_cast<std::uint64_t>(p.rollup.sum) - Expected(p.rollup); },
               [&](std::uint64_t v) { return static_cast<std::int64_t>(Expected(p.rollup) + v); });
         });
}

bool ReadSeries(ByteReader& reader, SeriesId before, BlockSeries* series) {
  std::uint64_t id = 0;
  std::uint64_t points = 0;
  std::uint64_t sketches = 0;
  // Each point takes seven bytes, each sketch two at least.
  if (!reader.ReadVarint(&id) || !reader.ReadVarint(&points) || !reader.ReadVarint(&sketches) || id == 0 ||
      id > std::uint64_t{~SeriesId{0}} - before || points > reader.left() / 7 || sketches > reader.left() / 2) {
    return false;
  }
  series->series = static_cast<SeriesId>(before + id);
  series->points.resize(static_cast<std::size_t>(points));
  const auto read = [&reader](auto& target, const auto&, const auto& from) {
    std::uint64_t value = 0;
    if (!reader.ReadVarint(&value)) {
      return false;
    }
    target = from(value);
    return true;
  };
  if (!EachColumn(series->points, read)) {
    return false;
  }
  std::uint64_t slot = 0;
  for (std::uint64_t i = 0; i < sketches; ++i) {
    std::uint64_t step = 0;
    std::uint64_t size = 0;
    absl::string_view bytes;
    if (!reader.ReadVarint(&step) || !reader.ReadVarint(&size) || size > reader.left() ||
        !reader.ReadBytes(static_cast<std::size_t>(size), &bytes)) {
      return false;
    }
    absl::StatusOr<Sketch> sketch = Sketch::Decode(bytes);
    if (!sketch.ok()) {
      return false;
    }
    slot += step;
    series->sketches.push_back({static_cast<std::uint32_t>(slot), *std::move(sketch)});
  }
  return true;
}

}  // namespace

std::string EncodeBlock(const std::vector<BlockSeries>& block) {
  std::string body;
  SeriesId before = 0;
  const auto write = [&body](const auto&, const auto& to, const auto&) {
    AppendVarint(to(), &body);
    return true;
  };
  for (const BlockSeries& series : block) {
    AppendVarint(series.series - before, &body);
    before = series.series;
    AppendVarint(series.points.size(), &body);
    AppendVarint(series.sketches.size(), &body);
    EachColumn(series.points, write);
    std::uint32_t slot = 0;
    for (const BlockSketch& sketch : series.sketches) {
      AppendVarint(sketch.slot - slot, &body);
      slot = sketch.slot;
      const std::string bytes = sketch.sketch.Encode();
      AppendVarint(bytes.size(), &body);
      body += bytes;
    }
  }
  std::string out(1 + ZSTD_compressBound(body.size()), kBlockVersion);
  const std::size_t size = ZSTD_compress(out.data() + 1, out.size() - 1, body.data(), body.size(), kBlockZstdLevel);
  out.resize(ZSTD_isError(size) != 0 ? 0 : 1 + size);  // an error, for want of memory, leaves what is no block
  return out;
}

absl::StatusOr<std::vector<BlockSeries>> DecodeBlock(absl::string_view bytes) {
  const absl::Status damaged = absl::DataLossError("block: damaged");
  if (bytes.empty() || bytes[0] != kBlockVersion) {
    return damaged;
  }
  bytes.remove_prefix(1);
  const unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > kMaxBlockBody) {
    return damaged;
  }
  std::string body(static_cast<std::size_t>(size), '\0');
  if (ZSTD_decompress(body.data(), body.size(), bytes.data(), bytes.size()) != body.size()) {
    return damaged;
  }
  std::vector<BlockSeries> block;
  ByteReader reader(body);
  while (reader.left() > 0) {
    BlockSeries series;
    if (!ReadSeries(reader, block.empty() ? 0 : block.back().series, &series)) {
      return damaged;
    }
    block.push_back(std::move(series));
  }
  return block;
}

std::vector<BlockSeries> Coarser(const std::vector<BlockSeries>& block, std::uint32_t factor) {
  std::vector<BlockSeries> result;
  for (const BlockSeries& series : block) {
    BlockSeries& coarse = result.emplace_back();
    coarse.series = series.series;
    for (const BlockPoint& point : series.points) {
      const std::uint32_t slot = point.slot / factor;
      if (coarse.points.empty() || coarse.points.back().slot != slot) {
        coarse.points.push_back({slot, point.rollup});
        continue;
      }
      Rollup& rollup = coarse.points.back().rollup;
      rollup.Merge(point.rollup);
      rollup.last = point.rollup.last;  // of the later minute, whatever the second
      rollup.last_second = point.rollup.last_second;
    }
    for (const BlockSketch& sketch : series.sketches) {
      const std::uint32_t slot = sketch.slot / factor;
      if (coarse.sketches.empty() || coarse.sketches.back().slot != slot) {
        coarse.sketches.push_back({slot, sketch.sketch});
      } else {
        coarse.sketches.back().sketch.Merge(sketch.sketch);
      }
    }
  }
  return result;
}

}  // namespace ppmm
