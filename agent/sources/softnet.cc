#include "agent/sources/softnet.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "common/status.h"

namespace ppmm {

absl::StatusOr<std::vector<SoftnetStat>> ParseSoftnet(absl::string_view text) {
  std::vector<SoftnetStat> stats;
  absl::string_view line;
  for (int number = 1; NextLine(&text, &line); ++number) {
    SoftnetStat stat;
    stat.cpu = static_cast<std::uint32_t>(number - 1);
    absl::string_view field;
    int column = 0;
    for (; NextField(&line, &field); ++column) {
      std::uint64_t value = 0;
      if (!absl::SimpleHexAtoi(field, &value)) {
        return ParseError("/proc/net/softnet_stat", number, absl::StrCat("\"", field, "\" is not hexadecimal"));
      }
      switch (column) {
        case 0:
          stat.processed = value;
          break;
        case 1:
          stat.dropped = value;
          break;
        case 2:
          stat.squeezed = value;
          break;
        case 12:
          stat.cpu = static_cast<std::uint32_t>(value);
          break;
        default:
          break;
      }
    }
    if (column < 3) {
      return ParseError("/proc/net/softnet_stat", number, "fewer than 3 columns");
    }
    stats.push_back(stat);
  }
  return stats;
}

SoftnetSource::SoftnetSource(absl::string_view root)
    : file_(root, root.empty() ? "/proc/net/softnet_stat" : "/proc/1/net/softnet_stat"),
      series_({"ppmm_host_softnet_processed_total", "ppmm_host_softnet_dropped_total",
               "ppmm_host_softnet_times_squeezed_total"}) {}

absl::Status SoftnetSource::Sample(absl::Time /*now*/, Recorder& recorder) {
  ASSIGN_OR_RETURN(const absl::string_view text, file_.Read());
  ASSIGN_OR_RETURN(const std::vector<SoftnetStat> stats, ParseSoftnet(text));
  for (const SoftnetStat& stat : stats) {
    const std::vector<SeriesHandle>& series = series_.For(recorder, absl::StrCat(stat.cpu));
    recorder.Counter(series[0], stat.processed);
    recorder.Counter(series[1], stat.dropped);
    recorder.Counter(series[2], stat.squeezed);
  }
  series_.RemoveUnseen(recorder);
  return absl::OkStatus();
}

}  // namespace ppmm
