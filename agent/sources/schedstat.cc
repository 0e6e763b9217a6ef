#include "agent/sources/schedstat.h"

#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "common/status.h"

namespace ppmm {

absl::StatusOr<std::vector<CpuDelay>> ParseCpuSchedstat(absl::string_view text) {
  std::vector<CpuDelay> delays;
  absl::string_view line;
  for (int number = 1; NextLine(&text, &line); ++number) {
    absl::string_view name;
    NextField(&line, &name);
    std::uint64_t cpu = 0;
    if (!absl::StartsWith(name, "cpu") || !ParseUint(name.substr(3), &cpu)) {
      continue;
    }
    std::array<std::uint64_t, 9> fields{};
    for (std::uint64_t& field : fields) {
      if (!NextUint(&line, &field)) {
        return ParseError("/proc/schedstat", number, absl::StrCat("fewer than 9 numbers after ", name));
      }
    }
    delays.push_back({static_cast<std::uint32_t>(cpu), fields[7]});
  }
  return delays;
}

SchedstatSource::SchedstatSource(absl::string_view root)
    : file_(root, "/proc/schedstat"), series_({"ppmm_host_schedstat_waiting_seconds_total"}) {}

absl::Status SchedstatSource::Sample(absl::Time /*now*/, Recorder& recorder) {
  ASSIGN_OR_RETURN(const absl::string_view text, file_.Read());
  ASSIGN_OR_RETURN(const std::vector<CpuDelay> delays, ParseCpuSchedstat(text));
  for (const CpuDelay& delay : delays) {
    recorder.Counter(series_.For(recorder, absl::StrCat(delay.cpu))[0], delay.waiting_ns / 1000);
  }
  series_.RemoveUnseen(recorder);
  return absl::OkStatus();
}

}  // namespace ppmm
