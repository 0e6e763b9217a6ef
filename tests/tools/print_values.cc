// Prints the values that a collector's database keeps, for people and scripts that add them up:
//     print_values DATABASE
// one line each of `minute`: "minute" MINUTE HOST SERIES COUNT SUM MIN MAX LAST, of its histograms:
// "histogram" MINUTE HOST SERIES SAMPLES DURATIONS, and of `block` at 60 s:
// "block" DAY ENTITY SERIES SLOT COUNT SUM MIN MAX LAST. What a series is stands in the table `series`. The collector
// should not run.
#include <cinttypes>
#include <cstdio>
#include <limits>

#include "collector/block.h"
#include "collector/minute_row.h"
#include "collector/store/sqlite_store.h"
#include "common/status.h"

namespace ppmm {
namespace {

void PrintRollup(const Rollup& rollup) {
  std::printf(" %" PRIu32 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", rollup.count, rollup.sum, rollup.min,
              rollup.max, rollup.last);
}

absl::Status Print(const char* path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, OpenSqliteStore(path));
  constexpr std::int64_t kEver = std::numeric_limits<std::int32_t>::max();
  RETURN_IF_ERROR(
      store->ScanMinutes(0, kEver, 0, [](std::int64_t minute, HostKey host, absl::string_view blob) -> absl::Status {
        ASSIGN_OR_RETURN(const MinuteRow row, MinuteRow::Decode(blob));
        for (const SeriesRollup& series : row.series) {
          std::printf("minute %" PRId64 " %" PRIu32 " %" PRIu32, minute, host, series.series);
          PrintRollup(series.rollup);
        }
        for (const SeriesSketch& series : row.sketches) {
          std::printf("histogram %" PRId64 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu64 "\n", minute, host,
                      series.series, series.samples, series.sketch.count());
        }
        return absl::OkStatus();
      }));
  ASSIGN_OR_RETURN(const StoreContents contents, store->LoadContents());
  for (const EntityRow& entity : contents.entities) {
    ASSIGN_OR_RETURN(const std::vector<BlockRow> blocks, store->Blocks(entity.id, 60, 0, kEver));
    for (const BlockRow& block : blocks) {
      ASSIGN_OR_RETURN(const std::vector<BlockSeries> decoded, DecodeBlock(block.blob));
      for (const BlockSeries& series : decoded) {
        for (const BlockPoint& point : series.points) {
          std::printf("block %" PRId64 " %" PRIu32 " %" PRIu32 " %" PRIu32, block.day, entity.id, series.series,
                      point.slot);
          PrintRollup(point.rollup);
        }
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace ppmm

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: print_values DATABASE\n");
    return 2;
  }
  const absl::Status status = ppmm::Print(argv[1]);
  if (!status.ok()) {
    std::fprintf(stderr, "print_values: %s\n", status.ToString().c_str());
  }
  return status.ok() ? 0 : 1;
}
