#include "agent/sources/memory.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "common/status.h"

namespace ppmm {
namespace {

struct MemoryField {
  absl::string_view name;
  absl::string_view metric;
};

constexpr MemoryField kMeminfo[] = {
    {"MemTotal", "ppmm_host_memory_mem_total_bytes"},
    {"MemFree", "ppmm_host_memory_mem_free_bytes"},
    {"MemAvailable", "ppmm_host_memory_mem_available_bytes"},
    {"Buffers", "ppmm_host_memory_buffers_bytes"},
    {"Cached", "ppmm_host_memory_cached_bytes"},
    {"SwapCached", "ppmm_host_memory_swap_cached_bytes"},
    {"Active", "ppmm_host_memory_active_bytes"},
    {"Inactive", "ppmm_host_memory_inactive_bytes"},
    {"SwapTotal", "ppmm_host_memory_swap_total_bytes"},
    {"SwapFree", "ppmm_host_memory_swap_free_bytes"},
    {"Dirty", "ppmm_host_memory_dirty_bytes"},
    {"Writeback", "ppmm_host_memory_writeback_bytes"},
    {"AnonPages", "ppmm_host_memory_anon_pages_bytes"},
    {"Mapped", "ppmm_host_memory_mapped_bytes"},
    {"Shmem", "ppmm_host_memory_shmem_bytes"},
    {"SReclaimable", "ppmm_host_memory_slab_reclaimable_bytes"},
    {"SUnreclaim", "ppmm_host_memory_slab_unreclaimable_bytes"},
    {"KernelStack", "ppmm_host_memory_kernel_stack_bytes"},
    {"PageTables", "ppmm_host_memory_page_tables_bytes"},
    {"CommitLimit", "ppmm_host_memory_commit_limit_bytes"},
    {"Committed_AS", "ppmm_host_memory_committed_as_bytes"},
};

constexpr MemoryField kVmstat[] = {
    {"pgfault", "ppmm_host_vmstat_pgfault_total"},   {"pgmajfault", "ppmm_host_vmstat_pgmajfault_total"},
    {"pswpin", "ppmm_host_vmstat_pswpin_total"},     {"pswpout", "ppmm_host_vmstat_pswpout_total"},
    {"oom_kill", "ppmm_host_vmstat_oom_kill_total"},
};

template <std::size_t kCount>
int IndexOf(const MemoryField (&fields)[kCount], absl::string_view name) {
  for (std::size_t i = 0; i < kCount; ++i) {
    if (fields[i].name == name) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

// A field that this kernel lacks gets no series.
SeriesHandle& SeriesOf(std::vector<SeriesHandle>& series, int index, const MemoryField* fields, Recorder& recorder) {
  SeriesHandle& handle = series[static_cast<std::size_t>(index)];
  if (handle == 0) {
    handle = recorder.AddSeries(recorder.host(), MetricNamed(fields[index].metric));
  }
  return handle;
}

}  // namespace

absl::Status ParseKeyed(
    absl::string_view path, absl::string_view text,
    const std::function<void(absl::string_view name, std::uint64_t value, absl::string_view unit)>& take) {
  absl::string_view line;
  for (int number = 1; NextLine(&text, &line); ++number) {
    absl::string_view name;
    absl::string_view field;
    absl::string_view unit;
    if (!NextField(&line, &name)) {
      continue;
    }
    std::uint64_t value = 0;
    if (!NextField(&line, &field) || !ParseUint(field, &value)) {
      return ParseError(path, number, absl::StrCat("value \"", field, "\" is not a number"));
    }
    NextField(&line, &unit);
    take(absl::StripSuffix(name, ":"), value, unit);
  }
  return absl::OkStatus();
}

MeminfoSource::MeminfoSource(absl::string_view root) : file_(root, "/proc/meminfo"), series_(std::size(kMeminfo)) {}

absl::Status MeminfoSource::Sample(absl::Time now, Recorder& recorder) {
  ASSIGN_OR_RETURN(const absl::string_view text, file_.Read());
  const bool slow_step = absl::ToUnixSeconds(now) % 10 == 0;
  return ParseKeyed("/proc/meminfo", text, [&](absl::string_view name, std::uint64_t value, absl::string_view unit) {
    const int index = IndexOf(kMeminfo, name);
    if (index < 0) {
      return;
    }
    const std::uint64_t bytes = unit == "kB" ? value * 1024 : value;
    const SeriesHandle series = SeriesOf(series_, index, kMeminfo, recorder);
    if (slow_step || MetricNamed(kMeminfo[index].metric).period_seconds == 0) {
      recorder.Gauge(series, static_cast<std::int64_t>(bytes));
    }
  });
}

VmstatSource::VmstatSource(absl::string_view root) : file_(root, "/proc/vmstat"), series_(std::size(kVmstat)) {}

absl::Status VmstatSource::Sample(absl::Time /*now*/, Recorder& recorder) {
  ASSIGN_OR_RETURN(const absl::string_view text, file_.Read());
  return ParseKeyed("/proc/vmstat", text, [&](absl::string_view name, std::uint64_t value, absl::string_view) {
    const int index = IndexOf(kVmstat, name);
    if (index >= 0) {
      recorder.Counter(SeriesOf(series_, index, kVmstat, recorder), value);
    }
  });
}

}  // namespace ppmm
