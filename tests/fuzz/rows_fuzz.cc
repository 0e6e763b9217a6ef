// Values of the store: minute rows and blocks. Input: which of them, then the bytes; of what is compressed, the bytes
// before compression too, since no change of a zstd frame gets past its decoder.
#include <zstd.h>

#include "collector/block.h"
#include "collector/minute_row.h"
#include "tests/fuzz/fuzz.h"

namespace ppmm::fuzz {
namespace {

std::string Compressed(absl::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 1));
  return out;
}

std::string Uncompressed(absl::string_view frame) {
  std::string out(static_cast<std::size_t>(ZSTD_getFrameContentSize(frame.data(), frame.size())), '\0');
  ZSTD_decompress(out.data(), out.size(), frame.data(), frame.size());
  return out;
}

void RunRow(absl::string_view bytes) {
  const absl::StatusOr<MinuteRow> row = MinuteRow::Decode(bytes);
  if (!row.ok()) {
    return;
  }
  for (const bool compressed : {false, true}) {
    const absl::StatusOr<MinuteRow> again = MinuteRow::Decode(row->Encode(compressed));
    Require(again.ok() && *again == *row, "the same row after encoding again");
  }
  MinuteRow twice = *row;
  twice.Merge(*row);
  Require(twice.series.size() == row->series.size(), "merging makes no series");
}

void RunBlock(absl::string_view bytes) {
  const absl::StatusOr<std::vector<BlockSeries>> block = DecodeBlock(bytes);
  if (!block.ok()) {
    return;
  }
  const absl::StatusOr<std::vector<BlockSeries>> again = DecodeBlock(EncodeBlock(*block));
  Require(again.ok() && *again == *block, "the same block after encoding again");
  Coarser(*block, 60);
}

}  // namespace

void Run(absl::string_view input) {
  Input in(input);
  switch (in.Byte() % 4) {
    case 0:
      return RunRow(in.Rest());
    case 1:
      return RunRow(std::string("\3\1", 2) + Compressed(in.Rest()));
    case 2:
      return RunBlock(in.Rest());
    default:
      return RunBlock(std::string("\1") + Compressed(in.Rest()));
  }
}

std::vector<std::string> Seeds() {
  Sketch sketch;
  sketch.Add(2'000'000, 5);
  MinuteRow row;
  row.late_samples = 3;
  row.expected[0] = 60;
  for (std::uint8_t second = 0; second < 60; ++second) {
    row.Add(1, 100, second);
    row.Add(2, second * second, second);
    row.Add(9, -second, second);
  }
  row.Add(3, sketch);
  row.totals.push_back({1, 5, 1'700'000'000, 99});
  row.sketch_totals.push_back({3, sketch, 0});

  std::vector<BlockSeries> block(2);
  block[0].series = 4;
  for (const std::uint32_t slot : {0u, 1u, 2u, 700u, 1439u}) {
    block[0].points.push_back({slot, row.series[slot % 3].rollup});
  }
  block[1].series = 700;
  block[1].sketches.push_back({17, sketch});
  const std::string encoded = EncodeBlock(block);
  return {std::string(1, '\0') + row.Encode(/*compressed=*/false), std::string(1, '\1') + row.Encode(false).substr(2),
          std::string("\2") + encoded, std::string("\3") + Uncompressed(absl::string_view(encoded).substr(1))};
}

}  // namespace ppmm::fuzz
