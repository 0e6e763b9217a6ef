#include "common/metrics.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ppmm {
namespace {

constexpr absl::Span<const absl::string_view> kNoLabels;
constexpr std::array<absl::string_view, 2> kCpuModeLabels = {"cpu", "mode"};
constexpr std::array<absl::string_view, 1> kCpuLabels = {"cpu"};
constexpr std::array<absl::string_view, 1> kDeviceLabels = {"device"};
constexpr std::array<absl::string_view, 1> kKindLabels = {"kind"};
constexpr std::array<absl::string_view, 1> kSeenByLabels = {"seen_by"};
constexpr std::array<absl::string_view, 1> kBoundLabels = {"bound"};
constexpr std::array<absl::string_view, 1> kReasonLabels = {"reason"};
constexpr std::array<absl::string_view, 2> kRemoteLabels = {"address", "port"};
constexpr std::array<absl::string_view, 3> kRemoteReasonLabels = {"address", "port", "reason"};
constexpr std::array<absl::string_view, 3> kFilesystemLabels = {"device", "fstype", "mountpoint"};

using enum MetricKind;
using enum MetricScope;
using enum MetricRole;

// Ordered by name; a test holds it to that.
const Metric kMetrics[] = {
    {"ppmm_host_agent_cpu_seconds_total", kCounter, kHost, -6, "seconds", Resource::kNone, kOther, kNoLabels, 10,
     "CPU time of ppmm-agent itself.", "getrusage(2)"},
    {"ppmm_host_agent_peers_dropped_total", kCounter, kHost, 0, "", Resource::kNone, kOther, kNoLabels, 10,
     "Peers left out because a batch had 1,000.", "ppmm-agent"},
    {"ppmm_host_agent_processes_waiting", kGauge, kHost, 0, "", Resource::kNone, kOther, kNoLabels, 10,
     "Processes that wait to be identified; until then they belong to no application.", "ppmm-agent"},
    {"ppmm_host_agent_resident_memory_bytes", kGauge, kHost, 0, "bytes", Resource::kNone, kOther, kNoLabels, 10,
     "Resident memory of ppmm-agent itself.", "/proc/self/statm"},
    {"ppmm_host_agent_series_refused_total", kCounter, kHost, 0, "", Resource::kNone, kOther, kNoLabels, 10,
     "Times a series was not begun because the host had 20,000.", "ppmm-agent"},
    {"ppmm_host_agent_sockets_lost_total", kCounter, kHost, 0, "", Resource::kNone, kOther, kBoundLabels, 60,
     "What was not told apart or not seen because a bound of the socket programs was reached: listeners (1,023 at "
     "once), "
     "peers (8,192), histograms (239 listeners with answers), calls (511 pairs of a process and a remote service), "
     "storage (memory of the kernel), connections (accepted "
     "before the listener was known).",
     "BPF programs"},
    {"ppmm_host_agent_spool_bytes", kGauge, kHost, 0, "bytes", Resource::kNone, kOther, kNoLabels, 10,
     "Size of the agent's spool, on disk and in memory.", "ppmm-agent"},
    {"ppmm_host_agent_spool_disk_failed", kGauge, kHost, 0, "", Resource::kNone, kOther, kNoLabels, 10,
     "1 while the disk of the agent's spool refuses writes, else 0.", "ppmm-agent"},
    {"ppmm_host_boot_time_seconds", kGauge, kHost, 0, "seconds", Resource::kNone, kOther, kNoLabels, 10,
     "Time of the last boot, in seconds since 1970.", "/proc/stat"},
    {"ppmm_host_context_switches_total", kCounter, kHost, 0, "", Resource::kNone, kOther, kNoLabels, 0,
     "Context switches.", "/proc/stat"},
    {"ppmm_host_cpu_seconds_total", kCounter, kHost, -2, "seconds", Resource::kCpu, kUtilization, kCpuModeLabels, 0,
     "Time the CPU spent in each mode.", "/proc/stat"},
    {"ppmm_host_disk_flush_requests_time_seconds_total", kCounter, kHost, -3, "seconds", Resource::kDisk, kOther,
     kDeviceLabels, 0, "Time spent by all flush requests.", "/proc/diskstats"},
    {"ppmm_host_disk_flush_requests_total", kCounter, kHost, 0, "", Resource::kDisk, kOther, kDeviceLabels, 0,
     "Flush requests completed.", "/proc/diskstats"},
    {"ppmm_host_disk_io_now", kGauge, kHost, 0, "", Resource::kDisk, kSaturation, kDeviceLabels, 0, "I/Os in flight.",
     "/proc/diskstats"},
    {"ppmm_host_disk_io_time_seconds_total", kCounter, kHost, -3, "seconds", Resource::kDisk, kUtilization,
     kDeviceLabels, 0, "Time during which the device had I/O in flight (busy time).", "/proc/diskstats"},
    {"ppmm_host_disk_io_time_weighted_seconds_total", kCounter, kHost, -3, "seconds", Resource::kDisk, kSaturation,
     kDeviceLabels, 0, "I/O in flight, integrated over time (weighted time).", "/proc/diskstats"},
    {"ppmm_host_disk_read_bytes_total", kCounter, kHost, 0, "bytes", Resource::kDisk, kOther, kDeviceLabels, 0,
     "Bytes read.", "/proc/diskstats"},
    {"ppmm_host_disk_read_time_seconds_total", kCounter, kHost, -3, "seconds", Resource::kDisk, kOther, kDeviceLabels,
     0, "Time spent by all reads.", "/proc/diskstats"},
    {"ppmm_host_disk_reads_completed_total", kCounter, kHost, 0, "", Resource::kDisk, kOther, kDeviceLabels, 0,
     "Reads completed.", "/proc/diskstats"},
    {"ppmm_host_disk_reads_merged_total", kCounter, kHost, 0, "", Resource::kDisk, kOther, kDeviceLabels, 0,
     "Reads merged before they were queued.", "/proc/diskstats"},
    {"ppmm_host_disk_write_time_seconds_total", kCounter, kHost, -3, "seconds", Resource::kDisk, kOther, kDeviceLabels,
     0, "Time spent by all writes.", "/proc/diskstats"},
    {"ppmm_host_disk_writes_completed_total", kCounter, kHost, 0, "", Resource::kDisk, kOther, kDeviceLabels, 0,
     "Writes completed.", "/proc/diskstats"},
    {"ppmm_host_disk_writes_merged_total", kCounter, kHost, 0, "", Resource::kDisk, kOther, kDeviceLabels, 0,
     "Writes merged before they were queued.", "/proc/diskstats"},
    {"ppmm_host_disk_written_bytes_total", kCounter, kHost, 0, "bytes", Resource::kDisk, kOther, kDeviceLabels, 0,
     "Bytes written.", "/proc/diskstats"},
    {"ppmm_host_filefd_allocated", kGauge, kHost, 0, "", Resource::kNone, kOther, kNoLabels, 10, "Open file handles.",
     "/proc/sys/fs/file-nr"},
    {"ppmm_host_filefd_maximum", kGauge, kHost, 0, "", Resource::kNone, kOther, kNoLabels, 10,
     "Limit of open file handles.", "/proc/sys/fs/file-nr"},
    {"ppmm_host_filesystem_avail_bytes", kGauge, kHost, 0, "bytes", Resource::kDisk, kOther, kFilesystemLabels, 10,
     "Space available to unprivileged users.", "statvfs(2) of /proc/self/mountinfo"},
    {"ppmm_host_filesystem_files", kGauge, kHost, 0, "", Resource::kDisk, kOther, kFilesystemLabels, 10, "File nodes.",
     "statvfs(2) of /proc/self/mountinfo"},
    {"ppmm_host_filesystem_files_free", kGauge, kHost, 0, "", Resource::kDisk, kOther, kFilesystemLabels, 10,
     "Free file nodes.", "statvfs(2) of /proc/self/mountinfo"},
    {"ppmm_host_filesystem_free_bytes", kGauge, kHost, 0, "bytes", Resource::kDisk, kOther, kFilesystemLabels, 10,
     "Free space.", "statvfs(2) of /proc/self/mountinfo"},
    {"ppmm_host_filesystem_readonly", kGauge, kHost, 0, "", Resource::kDisk, kOther, kFilesystemLabels, 10,
     "1: the file system itself is read-only, not just a mount of it.",
     "/proc/self/mountinfo, options of the super block"},
    {"ppmm_host_filesystem_size_bytes", kGauge, kHost, 0, "bytes", Resource::kDisk, kOther, kFilesystemLabels, 10,
     "Size of the file system.", "statvfs(2) of /proc/self/mountinfo"},
    {"ppmm_host_forks_total", kCounter, kHost, 0, "", Resource::kNone, kOther, kNoLabels, 0,
     "Processes and threads created.", "/proc/stat"},
    {"ppmm_host_intr_total", kCounter, kHost, 0, "", Resource::kNone, kOther, kNoLabels, 0, "Interrupts serviced.",
     "/proc/stat"},
    {"ppmm_host_load1", kGauge, kHost, -2, "", Resource::kCpu, kOther, kNoLabels, 10,
     "Tasks running, ready or in uninterruptible sleep, averaged over 1 minute.", "/proc/loadavg"},
    {"ppmm_host_load15", kGauge, kHost, -2, "", Resource::kCpu, kOther, kNoLabels, 10,
     "Tasks running, ready or in uninterruptible sleep, averaged over 15 minutes.", "/proc/loadavg"},
    {"ppmm_host_load5", kGauge, kHost, -2, "", Resource::kCpu, kOther, kNoLabels, 10,
     "Tasks running, ready or in uninterruptible sleep, averaged over 5 minutes.", "/proc/loadavg"},
    {"ppmm_host_memory_active_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 10,
     "Field Active of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_anon_pages_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 0,
     "Field AnonPages of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_buffers_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 10,
     "Field Buffers of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_cached_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 0,
     "Field Cached of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_commit_limit_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 10,
     "Field CommitLimit of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_committed_as_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 0,
     "Field Committed_AS of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_dirty_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 0,
     "Field Dirty of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_inactive_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 10,
     "Field Inactive of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_kernel_stack_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 10,
     "Field KernelStack of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_mapped_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 10,
     "Field Mapped of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_mem_available_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kUtilization, kNoLabels, 0,
     "Field MemAvailable of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_mem_free_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kUtilization, kNoLabels, 0,
     "Field MemFree of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_mem_total_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 10,
     "Field MemTotal of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_page_tables_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 10,
     "Field PageTables of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_shmem_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 10,
     "Field Shmem of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_slab_reclaimable_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 10,
     "Field SReclaimable of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_slab_unreclaimable_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 10,
     "Field SUnreclaim of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_swap_cached_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 10,
     "Field SwapCached of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_swap_free_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 0,
     "Field SwapFree of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_swap_total_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 10,
     "Field SwapTotal of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_memory_writeback_bytes", kGauge, kHost, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 10,
     "Field Writeback of /proc/meminfo.", "/proc/meminfo"},
    {"ppmm_host_netstat_tcp_active_opens_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "Connections opened from here.", "/proc/net/snmp"},
    {"ppmm_host_netstat_tcp_attempt_fails_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "Connection attempts that failed.", "/proc/net/snmp"},
    {"ppmm_host_netstat_tcp_curr_estab", kGauge, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "Established connections.", "/proc/net/snmp"},
    {"ppmm_host_netstat_tcp_estab_resets_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "Established connections that were reset.", "/proc/net/snmp"},
    {"ppmm_host_netstat_tcp_in_errs_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "Segments received in error.", "/proc/net/snmp"},
    {"ppmm_host_netstat_tcp_in_segs_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "Segments received.", "/proc/net/snmp"},
    {"ppmm_host_netstat_tcp_out_rsts_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "Resets sent.", "/proc/net/snmp"},
    {"ppmm_host_netstat_tcp_out_segs_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "Segments sent.", "/proc/net/snmp"},
    {"ppmm_host_netstat_tcp_passive_opens_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "Connections accepted.", "/proc/net/snmp"},
    {"ppmm_host_netstat_tcp_retrans_segs_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "Segments sent again.", "/proc/net/snmp"},
    {"ppmm_host_netstat_tcpext_listen_drops_total", kCounter, kHost, 0, "", Resource::kNetwork, kSaturation, kNoLabels,
     0, "Connections dropped by listeners, for any reason.", "/proc/net/netstat"},
    {"ppmm_host_netstat_tcpext_listen_overflows_total", kCounter, kHost, 0, "", Resource::kNetwork, kSaturation,
     kNoLabels, 0, "Connections dropped because an accept queue was full.", "/proc/net/netstat"},
    {"ppmm_host_netstat_tcpext_tcp_syn_retrans_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "SYN segments sent again.", "/proc/net/netstat"},
    {"ppmm_host_netstat_tcpext_tcp_timeouts_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "Retransmission timeouts.", "/proc/net/netstat"},
    {"ppmm_host_netstat_udp_in_datagrams_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "Datagrams received.", "/proc/net/snmp"},
    {"ppmm_host_netstat_udp_in_errors_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "Datagrams received in error.", "/proc/net/snmp"},
    {"ppmm_host_netstat_udp_out_datagrams_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "Datagrams sent.", "/proc/net/snmp"},
    {"ppmm_host_netstat_udp_rcvbuf_errors_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "Datagrams dropped because the receive buffer was full.", "/proc/net/snmp"},
    {"ppmm_host_network_receive_bytes_total", kCounter, kHost, 0, "bytes", Resource::kNetwork, kUtilization,
     kDeviceLabels, 0, "Bytes received.", "/proc/net/dev"},
    {"ppmm_host_network_receive_drop_total", kCounter, kHost, 0, "", Resource::kNetwork, kSaturation, kDeviceLabels, 0,
     "Packets dropped received.", "/proc/net/dev"},
    {"ppmm_host_network_receive_errs_total", kCounter, kHost, 0, "", Resource::kNetwork, kErrors, kDeviceLabels, 0,
     "Errors while receiving.", "/proc/net/dev"},
    {"ppmm_host_network_receive_packets_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kDeviceLabels, 0,
     "Packets received.", "/proc/net/dev"},
    {"ppmm_host_network_speed_bytes", kGauge, kHost, 0, "bytes", Resource::kNetwork, kOther, kDeviceLabels, 10,
     "Speed of the link, in bytes a second.", "/sys/class/net/*/speed"},
    {"ppmm_host_network_transmit_bytes_total", kCounter, kHost, 0, "bytes", Resource::kNetwork, kUtilization,
     kDeviceLabels, 0, "Bytes sent.", "/proc/net/dev"},
    {"ppmm_host_network_transmit_drop_total", kCounter, kHost, 0, "", Resource::kNetwork, kSaturation, kDeviceLabels, 0,
     "Packets dropped sent.", "/proc/net/dev"},
    {"ppmm_host_network_transmit_errs_total", kCounter, kHost, 0, "", Resource::kNetwork, kErrors, kDeviceLabels, 0,
     "Errors while sending.", "/proc/net/dev"},
    {"ppmm_host_network_transmit_packets_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kDeviceLabels, 0,
     "Packets sent.", "/proc/net/dev"},
    {"ppmm_host_network_up", kGauge, kHost, 0, "", Resource::kNetwork, kOther, kDeviceLabels, 10, "1: the link is up.",
     "/sys/class/net/*/operstate"},
    {"ppmm_host_nf_conntrack_entries", kGauge, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 10,
     "Connections tracked.", "/proc/sys/net/netfilter/nf_conntrack_count"},
    {"ppmm_host_nf_conntrack_entries_limit", kGauge, kHost, 0, "", Resource::kNetwork, kOther, kNoLabels, 10,
     "Limit of connections tracked.", "/proc/sys/net/netfilter/nf_conntrack_max"},
    {"ppmm_host_pids_maximum", kGauge, kHost, 0, "", Resource::kNone, kOther, kNoLabels, 10, "Limit of process ids.",
     "/proc/sys/kernel/pid_max"},
    {"ppmm_host_pressure_cpu_waiting_seconds_total", kCounter, kHost, -6, "seconds", Resource::kCpu, kSaturation,
     kNoLabels, 0, "Time during which some tasks waited for a CPU.", "/proc/pressure/cpu"},
    {"ppmm_host_pressure_io_stalled_seconds_total", kCounter, kHost, -6, "seconds", Resource::kDisk, kSaturation,
     kNoLabels, 0, "Time during which all tasks that were not idle waited for I/O.", "/proc/pressure/io"},
    {"ppmm_host_pressure_io_waiting_seconds_total", kCounter, kHost, -6, "seconds", Resource::kDisk, kSaturation,
     kNoLabels, 0, "Time during which some tasks waited for I/O.", "/proc/pressure/io"},
    {"ppmm_host_pressure_memory_stalled_seconds_total", kCounter, kHost, -6, "seconds", Resource::kMemory, kSaturation,
     kNoLabels, 0, "Time during which all tasks that were not idle waited for memory.", "/proc/pressure/memory"},
    {"ppmm_host_pressure_memory_waiting_seconds_total", kCounter, kHost, -6, "seconds", Resource::kMemory, kSaturation,
     kNoLabels, 0, "Time during which some tasks waited for memory.", "/proc/pressure/memory"},
    {"ppmm_host_procs_blocked", kGauge, kHost, 0, "", Resource::kDisk, kSaturation, kNoLabels, 0,
     "Tasks blocked waiting for I/O.", "/proc/stat"},
    {"ppmm_host_procs_running", kGauge, kHost, 0, "", Resource::kCpu, kSaturation, kNoLabels, 0,
     "Tasks running or ready to run: the run queue.", "/proc/stat"},
    {"ppmm_host_schedstat_waiting_seconds_total", kCounter, kHost, -6, "seconds", Resource::kCpu, kSaturation,
     kCpuLabels, 0, "Time tasks waited for a CPU while ready to run.", "/proc/schedstat"},
    {"ppmm_host_softnet_dropped_total", kCounter, kHost, 0, "", Resource::kNetwork, kSaturation, kCpuLabels, 0,
     "Packets dropped because the backlog was full.", "/proc/net/softnet_stat"},
    {"ppmm_host_softnet_processed_total", kCounter, kHost, 0, "", Resource::kNetwork, kOther, kCpuLabels, 0,
     "Packets processed in the network softirq.", "/proc/net/softnet_stat"},
    {"ppmm_host_softnet_times_squeezed_total", kCounter, kHost, 0, "", Resource::kNetwork, kSaturation, kCpuLabels, 0,
     "Times the softirq stopped with work left.", "/proc/net/softnet_stat"},
    {"ppmm_host_threads", kGauge, kHost, 0, "", Resource::kNone, kOther, kNoLabels, 10,
     "Tasks (processes and threads) that exist.", "/proc/loadavg"},
    {"ppmm_host_threads_maximum", kGauge, kHost, 0, "", Resource::kNone, kOther, kNoLabels, 10, "Limit of tasks.",
     "/proc/sys/kernel/threads-max"},
    {"ppmm_host_timex_maxerror_seconds", kGauge, kHost, -6, "seconds", Resource::kNone, kOther, kNoLabels, 10,
     "Bound of the clock error, as the kernel knows it.", "adjtimex(2)"},
    {"ppmm_host_timex_offset_seconds", kGauge, kHost, -9, "seconds", Resource::kNone, kOther, kNoLabels, 10,
     "Offset between the local clock and its reference, as the kernel knows it.", "adjtimex(2)"},
    {"ppmm_host_timex_sync_status", kGauge, kHost, 0, "", Resource::kNone, kOther, kNoLabels, 10,
     "1: the clock is synchronized.", "adjtimex(2)"},
    {"ppmm_host_vmstat_oom_kill_total", kCounter, kHost, 0, "", Resource::kMemory, kSaturation, kNoLabels, 0,
     "Processes killed for want of memory.", "/proc/vmstat"},
    {"ppmm_host_vmstat_pgfault_total", kCounter, kHost, 0, "", Resource::kMemory, kOther, kNoLabels, 0, "Page faults.",
     "/proc/vmstat"},
    {"ppmm_host_vmstat_pgmajfault_total", kCounter, kHost, 0, "", Resource::kMemory, kSaturation, kNoLabels, 0,
     "Page faults that needed I/O.", "/proc/vmstat"},
    {"ppmm_host_vmstat_pswpin_total", kCounter, kHost, 0, "", Resource::kMemory, kSaturation, kNoLabels, 0,
     "Pages read from swap.", "/proc/vmstat"},
    {"ppmm_host_vmstat_pswpout_total", kCounter, kHost, 0, "", Resource::kMemory, kSaturation, kNoLabels, 0,
     "Pages written to swap.", "/proc/vmstat"},
    {"ppmm_instance_accept_queue_length", kGauge, kInstance, 0, "", Resource::kNetwork, kSaturation, kNoLabels, 0,
     "Connections waiting to be accepted.", "socket storage by iter/bpf_sk_storage_map, or sock_diag"},
    {"ppmm_instance_accept_queue_limit", kGauge, kInstance, 0, "", Resource::kNetwork, kOther, kNoLabels, 10,
     "Limit of the accept queues.", "socket storage by iter/bpf_sk_storage_map, or sock_diag"},
    {"ppmm_instance_anonymous_memory_bytes", kGauge, kInstance, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 0,
     "Resident anonymous memory.", "iter/task or /proc/PID/status"},
    {"ppmm_instance_call_connections_without_times_total", kCounter, kInstance, 0, "", Resource::kNone, kOther,
     kRemoteReasonLabels, 0,
     "Connections to a remote service whose calls are not timed from there on: pipelined, or streams (multiplexed, "
     "upgraded, subscribed).",
     "first bytes of requests, hooks where the application writes and where data arrive"},
    {"ppmm_instance_call_time_seconds", kHistogram, kInstance, -9, "seconds", Resource::kNone, kOther, kRemoteLabels,
     10,
     "Time of calls of a remote service, at the client's socket: first byte of the request written to first byte of "
     "the answer ready to be read. Of an instance 32 remote services are told apart; the others are `~other`.",
     "hooks where the application writes and where data arrive"},
    {"ppmm_instance_calls_unanswered_total", kCounter, kInstance, 0, "", Resource::kNone, kOther, kRemoteLabels, 0,
     "Calls of a remote service whose connection ended before an answer.",
     "hooks where the application writes and where data arrive"},
    {"ppmm_instance_cgroup_io_read_bytes_total", kCounter, kInstance, 0, "bytes", Resource::kDisk, kOther, kNoLabels,
     10, "Bytes the control group read from storage, summed over devices.",
     "cgroup io.stat or blkio.throttle.io_service_bytes"},
    {"ppmm_instance_cgroup_io_reads_total", kCounter, kInstance, 0, "", Resource::kDisk, kOther, kNoLabels, 10,
     "Operations by which the control group read from storage, summed over devices.",
     "cgroup io.stat or blkio.throttle.io_serviced"},
    {"ppmm_instance_cgroup_io_writes_total", kCounter, kInstance, 0, "", Resource::kDisk, kOther, kNoLabels, 10,
     "Operations by which the control group wrote to storage, summed over devices.",
     "cgroup io.stat or blkio.throttle.io_serviced"},
    {"ppmm_instance_cgroup_io_written_bytes_total", kCounter, kInstance, 0, "bytes", Resource::kDisk, kOther, kNoLabels,
     10, "Bytes the control group wrote to storage, summed over devices.",
     "cgroup io.stat or blkio.throttle.io_service_bytes"},
    {"ppmm_instance_cgroup_memory_bytes", kGauge, kInstance, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 10,
     "Memory charged to the control group.", "cgroup memory.current or memory.usage_in_bytes"},
    {"ppmm_instance_cgroup_memory_limit_bytes", kGauge, kInstance, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 10,
     "Memory limit of the control group.", "cgroup memory.max or memory.limit_in_bytes"},
    {"ppmm_instance_connections_accepted_total", kCounter, kInstance, 0, "", Resource::kNetwork, kThroughput, kNoLabels,
     0, "Connections accepted by its listeners.", "socket storage by iter/bpf_sk_storage_map, or sock_diag"},
    {"ppmm_instance_connections_established", kGauge, kInstance, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "Established connections.", "socket storage by iter/bpf_sk_storage_map, or sock_diag"},
    {"ppmm_instance_connections_opened_total", kCounter, kInstance, 0, "", Resource::kNetwork, kOther, kNoLabels, 0,
     "Connections opened to others.", "socket storage by iter/bpf_sk_storage_map, or sock_diag"},
    {"ppmm_instance_connections_without_times_total", kCounter, kInstance, 0, "", Resource::kNone, kOther,
     kReasonLabels, 0,
     "Connections whose requests have no times from some moment on: pipelined, or streams (multiplexed, upgraded, or "
     "a side that speaks unasked).",
     "first bytes of responses"},
    {"ppmm_instance_cpu_seconds_total", kCounter, kInstance, -6, "seconds", Resource::kCpu, kUtilization, kNoLabels, 0,
     "CPU time of all processes, and of their children that ended unseen.", "iter/task or /proc/PID/stat"},
    {"ppmm_instance_cpu_throttled_periods_total", kCounter, kInstance, 0, "", Resource::kCpu, kSaturation, kNoLabels,
     10, "Periods in which the control group was throttled.", "cgroup cpu.stat"},
    {"ppmm_instance_cpu_throttled_seconds_total", kCounter, kInstance, -6, "seconds", Resource::kCpu, kSaturation,
     kNoLabels, 10, "Time the control group was throttled by its CPU quota.", "cgroup cpu.stat"},
    {"ppmm_instance_errors_total", kCounter, kInstance, 0, "", Resource::kNone, kErrors, kNoLabels, 0,
     "Requests answered with an error, of protocols whose responses tell: HTTP/1 and FastCGI status 4xx and "
     "5xx, errors of Redis, memcached, PostgreSQL and MySQL.",
     "first bytes of responses"},
    {"ppmm_instance_fd_utilization_ratio", kGauge, kInstance, -4, "ratio", Resource::kNone, kSaturation, kNoLabels, 10,
     "Open descriptors against the limit, of the process that is nearest to it.", "/proc/PID/fd, /proc/PID/limits"},
    {"ppmm_instance_file_memory_bytes", kGauge, kInstance, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 0,
     "Resident file pages.", "iter/task or /proc/PID/status"},
    {"ppmm_instance_littles_law_deviation_ratio", kGauge, kInstance, -4, "ratio", Resource::kNone, kOther,
     kSeenByLabels, 60,
     "Requests in flight that were seen at instants, less those that throughput times mean response time gives, over "
     "the "
     "former, of about an hour. Beyond chance, a fault of the measurement.",
     "computed from in-kernel counts of a timer or of the sockets"},
    {"ppmm_instance_littles_law_standard_error_ratio", kGauge, kInstance, -4, "ratio", Resource::kNone, kOther,
     kSeenByLabels, 60, "Standard error of ppmm_instance_littles_law_deviation_ratio.", "computed"},
    {"ppmm_instance_major_faults_total", kCounter, kInstance, 0, "", Resource::kMemory, kSaturation, kNoLabels, 0,
     "Page faults that needed I/O.", "iter/task or /proc/PID/stat"},
    {"ppmm_instance_minor_faults_total", kCounter, kInstance, 0, "", Resource::kMemory, kOther, kNoLabels, 0,
     "Page faults without I/O.", "iter/task or /proc/PID/stat"},
    {"ppmm_instance_network_receive_bytes_total", kCounter, kInstance, 0, "bytes", Resource::kNetwork, kThroughput,
     kNoLabels, 0, "Bytes received over TCP.", "socket storage by iter/bpf_sk_storage_map, or sock_diag"},
    {"ppmm_instance_network_transmit_bytes_total", kCounter, kInstance, 0, "bytes", Resource::kNetwork, kThroughput,
     kNoLabels, 0, "Bytes sent over TCP and acknowledged.", "socket storage by iter/bpf_sk_storage_map, or sock_diag"},
    {"ppmm_instance_open_fds", kGauge, kInstance, 0, "", Resource::kNone, kOther, kNoLabels, 10,
     "Open file descriptors of all processes.", "/proc/PID/fd"},
    {"ppmm_instance_processes", kGauge, kInstance, 0, "", Resource::kNone, kOther, kNoLabels, 0, "Processes.",
     "iter/task or /proc/PID/stat"},
    {"ppmm_instance_proportional_memory_bytes", kGauge, kInstance, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 60,
     "Memory with shared pages divided by their users.",
     "/proc/PID/smaps_rollup; see ppmm_instance_proportional_memory_estimated"},
    {"ppmm_instance_proportional_memory_estimated", kGauge, kInstance, 0, "", Resource::kMemory, kOther, kNoLabels, 60,
     "1: proportional memory is anonymous plus shared pages divided by processes, because a reading would cost too "
     "much.",
     "computed"},
    {"ppmm_instance_read_bytes_total", kCounter, kInstance, 0, "bytes", Resource::kDisk, kUtilization, kNoLabels, 0,
     "Bytes read from storage.", "iter/task or /proc/PID/io"},
    {"ppmm_instance_requests_elapsed_seconds_total", kCounter, kInstance, -6, "seconds", Resource::kNone, kOther,
     kNoLabels, 0,
     "By how much the requests of ppmm_instance_requests_in_flight_seconds_total grew older, by their response times: "
     "those that were answered, those that ended without an answer, and those that wait for one.",
     "hooks where data arrive and where the application writes"},
    {"ppmm_instance_requests_in_flight", kGauge, kInstance, 0, "", Resource::kNone, kSaturation, kNoLabels, 0,
     "Requests that arrived and are not answered yet.", "hooks where data arrive and where the application writes"},
    {"ppmm_instance_requests_in_flight_seconds_total", kCounter, kInstance, -6, "seconds", Resource::kNone, kOther,
     kNoLabels, 0,
     "Requests in flight times how long: as a timer of the kernel saw them about 100 times a second, corrected by what "
     "the sockets themselves show each second for sure. Its rate is the mean number in flight. Not of Unix sockets.",
     "in-kernel timer, socket storage by iter/bpf_sk_storage_map"},
    {"ppmm_instance_requests_total", kCounter, kInstance, 0, "", Resource::kNone, kThroughput, kNoLabels, 0,
     "Requests answered.", "hooks where data arrive and where the application writes"},
    {"ppmm_instance_requests_unanswered_total", kCounter, kInstance, 0, "", Resource::kNone, kErrors, kNoLabels, 0,
     "Requests whose connection ended before an answer.", "hooks where data arrive and where the application writes"},
    {"ppmm_instance_resident_memory_bytes", kGauge, kInstance, 0, "bytes", Resource::kMemory, kUtilization, kNoLabels,
     0, "Resident memory, pages shared between processes counted in each.", "iter/task or /proc/PID/stat"},
    {"ppmm_instance_response_time_seconds", kHistogram, kInstance, -9, "seconds", Resource::kNone, kOther, kKindLabels,
     10,
     "Time of requests from their arrival at the server's socket: total to the first byte of the response, wait to the "
     "first read, service from there to the first byte of the response, full to its last byte.",
     "hooks where data arrive, are read and are written"},
    {"ppmm_instance_run_delay_seconds_total", kCounter, kInstance, -6, "seconds", Resource::kCpu, kSaturation,
     kNoLabels, 0, "Time threads waited for a CPU while ready to run.", "iter/task or /proc/PID/schedstat"},
    {"ppmm_instance_shared_memory_bytes", kGauge, kInstance, 0, "bytes", Resource::kMemory, kOther, kNoLabels, 0,
     "Resident shared memory.", "iter/task or /proc/PID/status"},
    {"ppmm_instance_threads", kGauge, kInstance, 0, "", Resource::kNone, kOther, kNoLabels, 0, "Threads.",
     "iter/task or /proc/PID/stat"},
    {"ppmm_instance_written_bytes_total", kCounter, kInstance, 0, "bytes", Resource::kDisk, kOther, kNoLabels, 0,
     "Bytes written to storage.", "iter/task or /proc/PID/io"},
};

}  // namespace

absl::Span<const Metric> MetricList() {
  return kMetrics;
}

const Metric* FindMetric(absl::string_view name) {
  const Metric* found = std::lower_bound(std::begin(kMetrics), std::end(kMetrics), name,
                                         [](const Metric& metric, absl::string_view n) { return metric.name < n; });
  return found != std::end(kMetrics) && found->name == name ? found : nullptr;
}

const Metric& MetricNamed(absl::string_view name) {
  const Metric* found = FindMetric(name);
  if (found == nullptr) {
    std::fprintf(stderr, "no metric %s in the metric list\n", std::string(name).c_str());
    std::abort();
  }
  return *found;
}

double ScaleFactor(int exponent) {
  static constexpr double kPowers[] = {1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0,
                                       1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9};
  return kPowers[std::clamp(exponent, -9, 9) + 9];
}

absl::string_view ResourceName(Resource resource) {
  switch (resource) {
    case Resource::kNone:
      return "none";
    case Resource::kCpu:
      return "cpu";
    case Resource::kMemory:
      return "memory";
    case Resource::kDisk:
      return "disk";
    case Resource::kNetwork:
      return "network";
  }
  return "none";
}

std::string MetricListMarkdown() {
  std::string out =
      "# Metrics that agents send\n\n"
      "Made from the metric list (`common/metrics.cc`) by `tests/run --update-docs`. Host metrics carry the label "
      "`host`, "
      "instance metrics `host`, `application` and `slot`; both are on `/metrics/hosts`. *Every* is the time between "
      "two "
      "readings: a step is 1 s, or 10 s where the collector asks for it. Without BPF, processes are read each 10 s.\n\n"
      "| name | type | labels | every | what | from |\n|---|---|---|---|---|---|\n";
  for (const Metric& metric : kMetrics) {
    const absl::string_view kind = metric.kind == kGauge ? "gauge" : metric.kind == kCounter ? "counter" : "histogram";
    absl::StrAppend(&out, "| `", metric.name, "` | ", kind, " | ", absl::StrJoin(metric.labels, ", "), " | ",
                    metric.period_seconds == 0 ? "step" : absl::StrCat(metric.period_seconds, " s"), " | ", metric.help,
                    " | ", metric.source, " |\n");
  }
  absl::StrAppend(
      &out,
      "\nThree families on `/metrics/hosts` are the collector's own: `ppmm_samples_total`, a counter with the "
      "labels `host` and `outcome` (`produced`, `committed`, `refused`, `dropped`): samples of the host's "
      "agents by what became of them; `ppmm_spool_damaged_bytes_total`, a counter with the label `host`: bytes of "
      "their spools that were found damaged, or deleted under the agent; and `ppmm_host_response_clock_info`, 1 with "
      "the labels `host`, "
      "`arrival`, `read` and `write`: the kernel hooks where the host's agent reads the clock of "
      "[response times](response_time.md). `/metrics` has its sums and what else the collector tells "
      "([operations](operations.md#self-metrics)).\n");
  return out;
}

}  // namespace ppmm
